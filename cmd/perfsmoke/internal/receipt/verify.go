package receipt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/synthetic"
	"github.com/gobitnet/gobitnet/internal/instructions"
)

const (
	// memoryTolerance is how much faster than the measured limit a run may
	// seem to read from memory, because limits vary from moment to moment.
	memoryTolerance = 1.25
	// cacheTolerance is the same where caches, whose speed varies more, hold
	// part of what is read.
	cacheTolerance = 2
	// largeCache is taken for the size of a cache that is not known.
	largeCache = 128 << 20
	// rounding is the relative error that derived numbers may have.
	rounding = 1e-12

	maxNameLength = 64
	maxTextLength = 1 << 20
	maxRepeats    = 10_000
	maxThreads    = 1024
	maxSessions   = 1024
	maxDrafts     = 1 << 44
	maxRows       = 1 << 46 // far more, and what is computed with it still fits 64 bits
	maxTokens     = 1 << 20
	maxCores      = 1 << 16
	maxSeconds    = 1e7
	maxCount      = 1 << 62
	maxBandwidth  = 1e14 // bytes a second
)

// A Problem is a reason not to believe a receipt.
type Problem struct {
	Field  string // its path, such as "kernel_counts.i2s_matvec_avx2"
	Reason string
}

func (p Problem) String() string { return p.Field + ": " + p.Reason }

// checker collects problems.
type checker struct {
	r        *Receipt
	problems []Problem
}

func (c *checker) fail(field, format string, args ...any) {
	c.problems = append(c.problems, Problem{field, fmt.Sprintf(format, args...)})
}

// Verify returns every reason not to believe that the receipt is of a run that
// went well, and none where there is none. It needs nothing but the receipt, not
// even a clock; running it again is the stronger proof.
func (r *Receipt) Verify() []Problem {
	c := &checker{r: r}
	if r.SchemaVersion != SchemaVersion {
		c.fail("schema_version", "is %.40q; this perfsmoke checks only %s", r.SchemaVersion, SchemaVersion)
		return c.problems
	}
	c.outcome()
	if r.Status == StatusFailed {
		c.checksums() // nothing else can be expected of it
		return c.problems
	}
	c.environment()
	c.processor()
	c.model()
	c.tokens()
	// What follows computes with numbers whose size is checked by now.
	if len(c.problems) == 0 {
		c.kernels()
		c.repeats()
		c.rates()
		c.bandwidth()
		c.usage()
	}
	c.checksums()
	return c.problems
}

// outcome checks what kind of run it was.
func (c *checker) outcome() {
	r := c.r
	switch {
	case r.Status == StatusFailed && r.Failure != nil:
		c.fail("status", "the run failed: %s: %s", r.Failure.Kind, r.Failure.Message)
	case r.Status != StatusOK:
		c.fail("status", "is %.40q, not %q", r.Status, StatusOK)
	case r.Failure != nil:
		c.fail("failure", "a run whose status is %q has none", StatusOK)
	}
	if r.Status != StatusFailed && r.ComputePath != ComputeReal {
		c.fail("compute_path", "is %.40q, not %q", r.ComputePath, ComputeReal)
	}
	if r.Backend != BackendCPU {
		c.fail("backend", "is %.40q, not %q", r.Backend, BackendCPU)
	}
	if !r.Deterministic {
		c.fail("deterministic", "is false, which no run of this engine is")
	}
	at, err := time.Parse(time.RFC3339, r.Timestamp)
	switch {
	case err != nil || !strings.HasSuffix(r.Timestamp, "Z"):
		c.fail("timestamp", "%.40q is no time in UTC as RFC 3339 writes it", r.Timestamp)
	case at.Year() < 2025 || at.Year() > 2100:
		c.fail("timestamp", "%s is not between the years 2025 and 2100", r.Timestamp)
	}
}

// name checks a short text that identifies something.
func (c *checker) name(field, text string) {
	switch {
	case text == "":
		c.fail(field, "is empty")
	case len(text) > 4*maxNameLength:
		c.fail(field, "is longer than %d bytes", 4*maxNameLength)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }):
		c.fail(field, "has signs that cannot be printed")
	}
}

func (c *checker) file(field, text string) {
	c.name(field, text)
	if strings.ContainsAny(text, `/\`) {
		c.fail(field, "%.80q is not a file's name alone", text)
	}
}

func (c *checker) sum(field, text string) {
	if !isHex(text, 64) {
		c.fail(field, "is not a SHA-256 sum, 64 digits of 0–9 and a–f")
	}
}

func isHex(text string, length int) bool {
	return len(text) == length && strings.Trim(text, "0123456789abcdef") == ""
}

func (c *checker) between(field string, n, low, high int64) {
	if n < low || n > high {
		c.fail(field, "%d is not between %d and %d", n, low, high)
	}
}

// positive checks a number that is above 0 and not absurd.
func (c *checker) positive(field string, x, high float64) {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		c.fail(field, "is not finite")
	case x <= 0:
		c.fail(field, "%v is not above 0", x)
	case x > high:
		c.fail(field, "%v is above %v", x, high)
	}
}

// derived checks a number that follows from others.
func (c *checker) derived(field string, got, want float64, from string) {
	if !(math.Abs(got-want) <= rounding*math.Abs(want)) {
		c.fail(field, "%v does not follow from %s, which give %v", got, from, want)
	}
}

var variables = []string{"BITNET_CPU", "BITNET_DETERMINISTIC", "BITNET_LOG", "BITNET_MODEL", "BITNET_SEED", "BITNET_THREADS", "GOMAXPROCS"}

// Variables returns the names of the environment variables that a run heeds.
func Variables() []string { return slices.Clone(variables) }

func (c *checker) environment() {
	e := &c.r.Environment
	c.name("environment.os", e.OS)
	c.name("environment.architecture", e.Architecture)
	c.name("environment.module_version", e.ModuleVersion)
	if !strings.HasPrefix(e.GoVersion, "go1.") && !strings.HasPrefix(e.GoVersion, "devel ") {
		c.fail("environment.go_version", "%.40q is no version of Go", e.GoVersion)
	}
	c.name("environment.go_version", e.GoVersion)
	if e.Commit != "" && !isHex(e.Commit, 40) && !isHex(e.Commit, 64) {
		c.fail("environment.commit", "%.80q is no commit", e.Commit)
	}
	if e.Modified && e.Commit == "" {
		c.fail("environment.modified", "is true without an environment.commit")
	}
	for _, name := range slices.Sorted(maps.Keys(e.Variables)) {
		field, value := "environment.variables."+name, e.Variables[name]
		if !slices.Contains(variables, name) {
			c.fail("environment.variables", "%.40q is none that a run heeds", name)
			continue
		}
		switch name {
		case "BITNET_CPU":
			if value != c.r.KernelSet {
				c.fail(field, "asks for %.40q, but kernel_set is %.40q", value, c.r.KernelSet)
			}
		case "BITNET_SEED":
			if value != strconv.FormatUint(c.r.Seed, 10) {
				c.fail(field, "asks for %.40q, but seed is %d", value, c.r.Seed)
			}
		case "GOMAXPROCS":
			if n, err := strconv.Atoi(value); err == nil && n > 0 && c.r.Threads > n {
				c.fail(field, "allows %d threads, but threads is %d", n, c.r.Threads)
			}
		}
		longest := maxNameLength
		if name == "BITNET_MODEL" {
			longest = 4 * maxNameLength // the name of a file
		}
		if len(value) > longest {
			c.fail(field, "is longer than %d bytes", longest)
		}
	}
	if _, ok := e.Variables["BITNET_SEED"]; !ok && c.r.Seed != 0 {
		c.fail("seed", "is %d, but environment.variables has no BITNET_SEED", c.r.Seed)
	}
}

func (c *checker) processor() {
	p := &c.r.Processor
	c.name("processor.name", p.Name)
	c.between("processor.logical_cores", int64(p.LogicalCores), 1, maxCores)
	c.between("processor.last_cache_bytes", p.LastCacheBytes, 0, 1<<40)
	known := Features(c.r.Environment.Architecture)
	for i, f := range p.Features {
		if !slices.Contains(known, f) {
			c.fail("processor.features", "%.40q is none that kernels on environment.architecture %.40q need", f, c.r.Environment.Architecture)
		}
		if i > 0 && f <= p.Features[i-1] {
			c.fail("processor.features", "are not sorted, each once")
		}
	}

	set, ok := instructions.Named(c.r.KernelSet)
	if !ok {
		c.fail("kernel_set", "%.40q does not exist", c.r.KernelSet)
		return
	}
	if set.Architecture != "" && set.Architecture != c.r.Environment.Architecture {
		c.fail("kernel_set", "%s is for %s, but environment.architecture is %.40q", c.r.KernelSet, set.Architecture, c.r.Environment.Architecture)
	}
	if set.OS != "" && set.OS != c.r.Environment.OS {
		c.fail("kernel_set", "%s runs on %s only, but environment.os is %.40q", c.r.KernelSet, set.OS, c.r.Environment.OS)
	}
	var missing []string
	for _, f := range set.Features {
		if !slices.Contains(p.Features, f) {
			missing = append(missing, f)
		}
	}
	if len(missing) > 0 {
		c.fail("processor.features", "lack %s, which kernel_set %s needs", strings.Join(missing, ", "), c.r.KernelSet)
	}
}

func (c *checker) model() {
	m, g := &c.r.Model, &c.r.Model.Config
	c.file("model.file", m.File)
	c.sum("model.sha256", m.SHA256)
	if g.normalizations() == 0 {
		c.fail("model.config.architecture", "%.40q is none that the engine runs", g.Architecture)
	}
	if len(g.Name) > maxTextLength {
		c.fail("model.config.name", "is longer than %d bytes", maxTextLength)
	}
	before := len(c.problems)
	c.between("model.config.vocabulary_size", int64(g.VocabularySize), 1, 1<<24)
	c.between("model.config.context_length", int64(g.ContextLength), 1, 1<<20)
	c.between("model.config.embedding_length", int64(g.EmbeddingLength), 1, 1<<20)
	c.between("model.config.blocks", int64(g.Blocks), 1, 1<<12)
	c.between("model.config.feed_forward_length", int64(g.FeedForwardLength), 1, 1<<20)
	c.between("model.config.heads", int64(g.Heads), 1, 1<<12)
	c.between("model.config.kv_heads", int64(g.KVHeads), 1, 1<<12)
	c.between("model.config.head_size", int64(g.HeadSize), 1, 1<<20)
	if len(c.problems) > before {
		return
	}
	if g.EmbeddingLength%128 != 0 {
		c.fail("model.config.embedding_length", "%d is no multiple of 128", g.EmbeddingLength)
	}
	if g.FeedForwardLength%128 != 0 {
		c.fail("model.config.feed_forward_length", "%d is no multiple of 128", g.FeedForwardLength)
	}
	if wide := g.Heads * g.HeadSize; g.ReadBytes == 0 && wide != g.EmbeddingLength {
		c.fail("model.config.head_size", "%d times model.config.heads, %d, is not model.config.embedding_length, %d", g.HeadSize, g.Heads, g.EmbeddingLength)
	} else if wide%128 != 0 {
		c.fail("model.config.head_size", "%d times model.config.heads, %d, is no multiple of 128", g.HeadSize, g.Heads)
	}
	if g.Heads%g.KVHeads != 0 {
		c.fail("model.config.kv_heads", "%d does not divide model.config.heads, %d", g.KVHeads, g.Heads)
	}
	low, high := g.bounds()
	if g.ReadBytes != 0 || g.DecodeBytes != 0 {
		c.between("model.config.read_bytes", g.ReadBytes, low, high)
		c.between("model.config.decode_bytes", g.DecodeBytes, low, g.ReadBytes)
		if len(c.problems) > before {
			return
		}
	}
	// Metadata and alignment come on top of the weights, and an untied head
	// has an embedding beside it, which may have more rows than there are tokens.
	least, most := g.WeightBytes()-2*int64(g.EmbeddingLength), g.WeightBytes()
	if !g.TiedHead && g.ReadBytes == 0 {
		least += 2 * g.headWeights()
	}
	if !g.TiedHead {
		most += 4 * g.headWeights()
	}
	if g.ReadBytes != 0 {
		least -= g.mostNorms() // which may be float16
	}
	const metadata = 256 << 20
	if m.Bytes < least || m.Bytes > most+metadata {
		c.fail("model.bytes", "%d cannot be the size of a file whose weights by model.config take %d", m.Bytes, g.WeightBytes())
	}

	if m.BuiltIn != "" {
		switch {
		case m.BuiltIn != BuiltInArithmetic:
			c.fail("model.built_in", "%.40q does not exist", m.BuiltIn)
		case m.Synthetic != nil:
			c.fail("model.built_in", "is said of a model of which model.synthetic says how to make it")
		case isHex(m.SHA256, sha256.Size*2) && m.File != BuiltInFile(m.BuiltIn, m.SHA256):
			c.fail("model.file", "is not that of the built-in model with model.sha256, %s", BuiltInFile(m.BuiltIn, m.SHA256))
		}
	}
	if s := m.Synthetic; s != nil {
		shape, err := synthetic.Named(s.Shape)
		if err != nil {
			c.fail("model.synthetic.shape", "%.40q does not exist", s.Shape)
			return
		}
		if s.Seed != SyntheticSeed {
			c.fail("model.synthetic.seed", "is %d, not %d, which all synthetic models of this program are made with", s.Seed, SyntheticSeed)
		} else if m.File != s.File() {
			c.fail("model.file", "is not that of the synthetic model, %s", s.File())
		}
		want := Config{
			Architecture: "bitnet-b1.58", Name: "synthetic-" + shape.Name, VocabularySize: shape.Vocabulary, ContextLength: shape.Context,
			EmbeddingLength: shape.Embedding, Blocks: shape.Blocks, FeedForwardLength: shape.FeedForward, Heads: shape.Heads,
			KVHeads: shape.KVHeads, HeadSize: shape.Embedding / shape.Heads, TiedHead: true,
		}
		if *g != want {
			c.fail("model.config", "is not that of model.synthetic.shape %q", s.Shape)
		}
	}
}

func (c *checker) tokens() {
	r, g := c.r, &c.r.Model.Config
	t := &r.Tokenizer
	c.file("tokenizer.file", t.File)
	c.sum("tokenizer.sha256", t.SHA256)
	switch {
	case t.Source != TokenizerOfModel && t.Source != TokenizerFile:
		c.fail("tokenizer.source", "%.40q is neither %q nor %q", t.Source, TokenizerOfModel, TokenizerFile)
	case t.Source == TokenizerOfModel && t.File != r.Model.File:
		c.fail("tokenizer.file", "is not model.file, although tokenizer.source is %q", t.Source)
	case t.Source == TokenizerOfModel && t.SHA256 != r.Model.SHA256:
		c.fail("tokenizer.sha256", "is not model.sha256, although tokenizer.source is %q", t.Source)
	case t.Source == TokenizerFile && t.SHA256 == r.Model.SHA256:
		c.fail("tokenizer.source", "is %q, but tokenizer.sha256 is model.sha256", t.Source)
	}
	if len(r.Prompt) > maxTextLength {
		c.fail("prompt", "is longer than %d bytes", maxTextLength)
	}
	if len(r.Text) > maxTextLength {
		c.fail("text", "is longer than %d bytes", maxTextLength)
	}
	c.between("threads", int64(r.Threads), 1, maxThreads)
	c.between("sessions", int64(r.Sessions), 1, maxSessions)
	c.between("tokens_requested", int64(r.TokensRequested), 1, maxTokens)
	switch {
	case r.TokensGenerated < 1:
		c.fail("tokens_generated", "%d is below 1", r.TokensGenerated)
	case r.TokensGenerated > r.TokensRequested:
		c.fail("tokens_generated", "%d is more than tokens_requested, %d", r.TokensGenerated, r.TokensRequested)
	case r.TokensGenerated != len(r.GeneratedIDs):
		c.fail("tokens_generated", "%d is not the number of generated_ids, %d", r.TokensGenerated, len(r.GeneratedIDs))
	}
	if len(r.PromptIDs) == 0 {
		c.fail("prompt_ids", "are none")
	}
	c.ids("prompt_ids", r.PromptIDs)
	c.ids("generated_ids", r.GeneratedIDs)
	total := len(r.PromptIDs) + len(r.GeneratedIDs)
	if total > g.ContextLength {
		c.fail("prompt_ids", "and generated_ids are %d tokens, more than model.config.context_length, %d", total, g.ContextLength)
	}
	switch r.StopReason {
	case string(bitnet.StopMaxTokens):
		if r.TokensGenerated != r.TokensRequested {
			c.fail("stop_reason", "is %q after %d of tokens_requested, %d", r.StopReason, r.TokensGenerated, r.TokensRequested)
		}
	case string(bitnet.StopContext):
		if total != g.ContextLength || r.TokensGenerated == r.TokensRequested {
			c.fail("stop_reason", "is %q after %d tokens of model.config.context_length, %d", r.StopReason, total, g.ContextLength)
		}
	case string(bitnet.StopEndToken):
	default:
		c.fail("stop_reason", "%.40q is none that a run ends with", r.StopReason)
	}
	c.sum("logits_sha256", r.LogitsSHA256)
	switch nothing := sha256.Sum256(nil); r.LogitsSHA256 {
	case strings.Repeat("0", 64):
		c.fail("logits_sha256", "is nothing but zeros")
	case hex.EncodeToString(nothing[:]):
		c.fail("logits_sha256", "is the sum of nothing")
	}
	if r.LogitRows != r.TokensGenerated {
		c.fail("logit_rows", "%d is not tokens_generated, %d", r.LogitRows, r.TokensGenerated)
	}
	if len(r.Repeats) < 1 || len(r.Repeats) > maxRepeats {
		c.fail("repeats", "are %d, not 1 to %d", len(r.Repeats), maxRepeats)
	}
}

func (c *checker) ids(field string, ids []int) {
	for i, id := range ids {
		if id < 0 || id >= c.r.Model.Config.VocabularySize {
			c.fail(fmt.Sprintf("%s[%d]", field, i), "%d is not below model.config.vocabulary_size, %d", id, c.r.Model.Config.VocabularySize)
			return
		}
	}
}

func (c *checker) kernels() {
	r := c.r
	if len(r.Kernels) == 0 {
		c.fail("kernels", "are none")
	}
	hasQuantized := false
	for i, name := range r.Kernels {
		field := fmt.Sprintf("kernels[%d]", i)
		switch {
		case name == "":
			c.fail(field, "is empty")
		case len(name) > maxNameLength:
			c.fail(field, "is longer than %d bytes", maxNameLength)
		case !knownKernels[name]:
			c.fail(field, "%q is no kernel of this engine", name)
		}
		hasQuantized = hasQuantized || quantized(name)
		if i > 0 && name <= r.Kernels[i-1] {
			c.fail(field, "is not sorted behind the one before")
		}
		if _, ok := r.KernelCounts[name]; !ok {
			c.fail(field, "%.80q is not in kernel_counts", name)
		}
	}
	if !hasQuantized {
		c.fail("kernels", "have none for ternary weights among them")
	}
	for _, name := range slices.Sorted(maps.Keys(r.KernelCounts)) {
		if !slices.Contains(r.Kernels, name) {
			c.fail("kernel_counts", "has %.80q, which is not in kernels", name)
		}
		if n := r.KernelCounts[name]; n > maxCount {
			c.fail("kernel_counts."+name, "%d is more than any run comes to", n)
		}
	}

	c.work()
}

// work checks that the kernels did what the tokens need. It counts rows, which
// are tokens that went through the model, and kinds of work, and leaves it to
// the engine how many of them it computes together.
func (c *checker) work() {
	r := c.r
	set, _ := instructions.Named(r.KernelSet)
	sequences := int64(len(r.Repeats)) * int64(r.Sessions)
	prompt, steps := int64(len(r.PromptIDs)), int64(r.TokensGenerated-1) // after the prompt
	each := int64(r.Sessions) * (prompt + steps)
	rows, wrong := int64(0), int64(0) // drafts
	for i, p := range r.Repeats {
		at := fmt.Sprintf("repeats[%d].", i)
		before := len(c.problems)
		c.between(at+"drafts_proposed", p.DraftsProposed, 0, maxDrafts)
		if !r.Lookahead && p.DraftsProposed != 0 {
			c.fail(at+"drafts_proposed", "are %d, although lookahead is false", p.DraftsProposed)
		}
		c.between(at+"drafts_accepted", p.DraftsAccepted, 0, min(p.DraftsProposed, int64(r.Sessions)*steps))
		if want := each + p.DraftsProposed - p.DraftsAccepted; len(c.problems) == before && p.RowsEvaluated != want {
			c.fail(at+"rows_evaluated", "%d does not follow from prompt_ids, tokens_generated, sessions and the drafts, which give %d", p.RowsEvaluated, want)
		}
		rows += p.RowsEvaluated
		wrong += p.DraftsProposed - p.DraftsAccepted
	}
	if rows < 1 || rows > maxRows {
		c.fail("repeats", "have %d rows_evaluated", rows)
	}
	if len(c.problems) > 0 {
		return
	}

	blocks, n := uint64(r.Model.Config.Blocks), uint64(rows)
	count := func(kinds ...string) (field string, total uint64) {
		for _, name := range kinds {
			total += r.KernelCounts[name]
		}
		return "kernel_counts." + strings.Join(kinds, " + kernel_counts."), total
	}
	if field, got := count(attention + set.Float); got != blocks*n {
		c.fail(field, "%d is not one for each of model.config.blocks and repeats[].rows_evaluated, %d", got, blocks*n)
	}
	if field, got := count(normalize + set.Float); got != r.Model.Config.normalizations()*blocks*n {
		c.fail(field, "%d does not fit model.config.architecture, model.config.blocks and repeats[].rows_evaluated, which give %d", got, r.Model.Config.normalizations()*blocks*n)
	}
	if field, got := count(matVec+r.KernelSet, matMul+r.KernelSet); got != matrices*blocks*n {
		c.fail(field, "%d is not %d for each of model.config.blocks and repeats[].rows_evaluated, %d", got, matrices, matrices*blocks*n)
	}
	chosen := uint64(sequences*(steps+1) + wrong)
	inFull := slices.DeleteFunc(heads(set), func(name string) bool { return r.KernelCounts[name] == 0 })
	if field, got := count(append(inFull, headScreen+set.Float)...); got != chosen {
		c.fail(field, "%d is not one for each token that was generated and each draft that was wrong, %d", got, chosen)
	}
}

func (c *checker) repeats() {
	for i, p := range c.r.Repeats {
		at := fmt.Sprintf("repeats[%d].", i)
		c.positive(at+"load_seconds", p.LoadSeconds, maxSeconds)
		c.positive(at+"prompt_seconds", p.PromptSeconds, maxSeconds)
		for j, s := range p.TokenSeconds {
			// A draft that was right comes with the token before it.
			if s != 0 || p.DraftsAccepted == 0 {
				c.positive(fmt.Sprintf("%stoken_seconds[%d]", at, j), s, maxSeconds)
			}
		}
		if len(p.TokenSeconds) != c.r.Sessions*(c.r.TokensGenerated-1) {
			c.fail(at+"token_seconds", "are %d, not one for each of tokens_generated, %d, but the first, in each of sessions, %d", len(p.TokenSeconds), c.r.TokensGenerated, c.r.Sessions)
			continue
		}
		c.derived(at+"tokens_per_second", p.TokensPerSecond, Rate(c.r.Sessions, p.TokenSeconds), "its token_seconds")
	}
}

func (c *checker) rates() {
	r := c.r
	if r.Limits == nil {
		c.fail("limits", "are missing")
		return
	}
	want := *r
	want.Repeats = slices.Clone(r.Repeats)
	want.Derive()
	c.derived("timings.load_seconds", r.Timings.LoadSeconds, want.Timings.LoadSeconds, "repeats[].load_seconds")
	c.derived("timings.prompt_seconds", r.Timings.PromptSeconds, want.Timings.PromptSeconds, "repeats[].prompt_seconds")
	c.derived("timings.prompt_tokens_per_second", r.Timings.PromptTokensPerSecond, want.Timings.PromptTokensPerSecond, "prompt_ids, sessions and repeats[].prompt_seconds")
	c.derived("timings.second_token_seconds", r.Timings.SecondTokenSeconds, want.Timings.SecondTokenSeconds, "repeats[].token_seconds")
	c.derived("timings.token_seconds_median", r.Timings.TokenSecondsMedian, want.Timings.TokenSecondsMedian, "repeats[].token_seconds")
	c.derived("timings.token_seconds_p95", r.Timings.TokenSecondsP95, want.Timings.TokenSecondsP95, "repeats[].token_seconds")
	c.derived("tokens_per_second", r.TokensPerSecond, want.TokensPerSecond, "repeats[].token_seconds")
	c.derived("bytes_per_token", r.BytesPerToken, want.BytesPerToken, "model.config, prompt_ids and tokens_generated")
	c.derived("bytes_per_second", r.BytesPerSecond, want.BytesPerSecond, "bytes_per_token and repeats[]")
	c.derived("bandwidth_share", r.BandwidthShare, want.BandwidthShare, "bytes_per_second and limits.memory_bytes_per_second")
}

// Cached reports whether the processor's caches may hold a good part of what
// decoding a token reads.
func (r *Receipt) Cached() bool {
	cache := r.Processor.LastCacheBytes
	if cache == 0 {
		cache = largeCache
	}
	return r.BytesPerToken <= 2*float64(cache)
}

// attainable returns how many bytes a second the model can read at most.
func (r *Receipt) attainable() float64 {
	if r.Cached() {
		return cacheTolerance * max(r.Limits.MemoryBytesPerSecond, r.Limits.WorkingSetBytesPerSecond)
	}
	return memoryTolerance * r.Limits.MemoryBytesPerSecond
}

// WithinLimits reports whether the limits allow the rates of the run, for which
// Derive has been called.
func (r *Receipt) WithinLimits() bool {
	c := &checker{r: r}
	c.speeds()
	return len(c.problems) == 0
}

func (c *checker) bandwidth() {
	r, l := c.r, c.r.Limits
	if l == nil {
		return
	}
	const minBuffer = 32 << 20
	c.passes("limits.memory_bytes_per_second", l.MemoryBytesPerSecond, "limits.memory_passes", l.MemoryPasses)
	c.passes("limits.working_set_bytes_per_second", l.WorkingSetBytesPerSecond, "limits.working_set_passes", l.WorkingSetPasses)
	c.between("limits.memory_buffer_bytes", l.MemoryBufferBytes, minBuffer, 1<<40)
	if want := WorkingSet(r.BytesPerToken, l.MemoryBufferBytes); l.WorkingSetBytes != want {
		c.fail("limits.working_set_bytes", "%d does not follow from bytes_per_token and limits.memory_buffer_bytes, which give %d", l.WorkingSetBytes, want)
	}
	c.speeds()
}

// speeds checks that nothing was read faster than the machine can.
func (c *checker) speeds() {
	r := c.r
	attainable := r.attainable()
	for i, p := range r.Repeats {
		if speed := r.BytesPerToken * r.passRate(&p); speed > attainable {
			c.fail(fmt.Sprintf("repeats[%d].tokens_per_second", i), "%v reads at least %.3g bytes a second by bytes_per_token; limits and processor.last_cache_bytes allow %.3g", p.TokensPerSecond, speed, attainable)
		}
		// Whatever its length, a prompt needs every weight once.
		if speed := float64(r.Model.Config.WeightBytes()) / p.PromptSeconds; speed > attainable {
			c.fail(fmt.Sprintf("repeats[%d].prompt_seconds", i), "in %v the weights are read at %.3g bytes a second; limits and processor.last_cache_bytes allow %.3g", p.PromptSeconds, speed, attainable)
		}
	}
	if r.BytesPerSecond > attainable {
		c.fail("bytes_per_second", "%.3g is more than limits and processor.last_cache_bytes allow, %.3g", r.BytesPerSecond, attainable)
	}
}

// WorkingSet returns the size of the buffer that Limits.WorkingSetPasses read:
// bytesPerToken, in whole kilobytes, at most as much as the large buffer.
func WorkingSet(bytesPerToken float64, memoryBuffer int64) int64 {
	return min(max(int64(bytesPerToken)>>10, 64)<<10, memoryBuffer)
}

func (c *checker) passes(field string, best float64, passesField string, passes []float64) {
	const fewest = 3
	if len(passes) < fewest || len(passes) > maxRepeats {
		c.fail(passesField, "are %d, not %d to %d", len(passes), fewest, maxRepeats)
		return
	}
	for i, p := range passes {
		c.positive(fmt.Sprintf("%s[%d]", passesField, i), p, maxBandwidth)
	}
	if best != slices.Max(passes) {
		c.fail(field, "%v is not the best of %s, %v", best, passesField, slices.Max(passes))
	}
}

func (c *checker) usage() {
	r, u := c.r, c.r.Usage
	if u == nil {
		c.fail("usage", "is missing")
		return
	}
	c.positive("usage.wall_seconds", u.WallSeconds, maxSeconds)
	for _, t := range []struct {
		field   string
		seconds float64
	}{{"usage.user_seconds", u.UserSeconds}, {"usage.system_seconds", u.SystemSeconds}} {
		if !(t.seconds >= 0 && t.seconds <= maxSeconds*maxCores) {
			c.fail(t.field, "%v is no processor time", t.seconds)
		}
	}
	within := 0.0
	for _, p := range r.Repeats {
		within += p.LoadSeconds + p.PromptSeconds
		longest := 0.0
		for session := range slices.Chunk(p.TokenSeconds, max(len(p.TokenSeconds)/r.Sessions, 1)) {
			longest = max(longest, sum(session))
		}
		within += longest
	}
	if u.WallSeconds < within {
		c.fail("usage.wall_seconds", "%v is less than the times in repeats, which add up to %v", u.WallSeconds, within)
	}
	busy := u.UserSeconds + u.SystemSeconds
	// Kernels account for time in ticks.
	if limit := u.WallSeconds*float64(r.Processor.LogicalCores)*1.05 + 0.1; busy > limit {
		c.fail("usage.user_seconds", "and usage.system_seconds are %v, more than processor.logical_cores, %d, can use in usage.wall_seconds, %v", busy, r.Processor.LogicalCores, u.WallSeconds)
	}
	c.derived("usage.processor_share", u.ProcessorShare, busy/u.WallSeconds, "usage.user_seconds, usage.system_seconds and usage.wall_seconds")
	if p := u.PeakMemoryBytes; p != nil {
		// A row of logits at the very least; weights are mapped, and the
		// system may take their memory away.
		c.between("usage.peak_memory_bytes", *p, 1<<20+4*int64(r.Model.Config.VocabularySize), 1<<50)
	}
	for _, n := range []struct {
		field string
		count *int64
	}{
		{"usage.major_page_faults", u.MajorPageFaults},
		{"usage.minor_page_faults", u.MinorPageFaults},
		{"usage.voluntary_context_switches", u.VoluntaryContextSwitches},
		{"usage.involuntary_context_switches", u.InvoluntaryContextSwitches},
	} {
		if n.count != nil && *n.count < 0 {
			c.fail(n.field, "%d is negative", *n.count)
		}
	}
}

func (c *checker) checksums() {
	want, err := c.r.checksums()
	if err != nil {
		c.fail("checksums", "cannot be computed: %v", err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if c.r.Checksums[name] != want[name] {
			c.fail(name, "was changed after the receipt was written: checksums.%s is %.40q, not %q", name, c.r.Checksums[name], want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.r.Checksums)) {
		if _, ok := want[name]; !ok {
			c.fail("checksums", "has %.40q, which the receipt does not", name)
		}
	}
}
