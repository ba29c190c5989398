package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"math"
	"os"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/limits"
	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
	"github.com/gobitnet/gobitnet/tokenizer"
)

// The model runs in a process of its own, which writes an event on each line of
// its output as soon as it has happened, so that whatever becomes of the process,
// what it did until then is known.

// What is under way, in events and in receipts of failed runs.
const (
	phaseModel  = "model" // finding or making it
	phaseLoad   = "load"
	phasePrompt = "prompt"
	phaseDecode = "decode"
	phaseLimits = "limits"
)

// The events, in the order of a repeat: load, loaded, prompt, then token for
// each token, the first of which comes with the time of the prompt, and end, or
// warm where it was only to warm up. A failure may take the place of any.
const (
	eventLoad    = "load"
	eventLoaded  = "loaded"
	eventPrompt  = "prompt"
	eventToken   = "token"
	eventEnd     = "end"
	eventWarm    = "warm"
	eventFailed  = "failed"
	eventLimit   = "limit"
	eventAllDone = "done"
)

type event struct {
	Event   string  `json:"event"`
	Seconds float64 `json:"seconds,omitempty"` // of load and token

	KernelSet string          `json:"kernel_set,omitempty"` // of loaded
	Threads   int             `json:"threads,omitempty"`
	Config    *receipt.Config `json:"config,omitempty"`

	PromptIDs []int `json:"prompt_ids,omitempty"` // of prompt

	Token int `json:"token,omitempty"` // of token

	StopReason   string            `json:"stop_reason,omitempty"` // of end
	Text         string            `json:"text,omitempty"`
	LogitsSHA256 string            `json:"logits_sha256,omitempty"`
	LogitRows    int               `json:"logit_rows,omitempty"`
	KernelCounts map[string]uint64 `json:"kernel_counts,omitempty"`

	Kind    string `json:"kind,omitempty"` // of failed
	Message string `json:"message,omitempty"`

	Limit  string    `json:"limit,omitempty"` // of limit
	Bytes  int64     `json:"bytes,omitempty"`
	Passes []float64 `json:"passes,omitempty"`
}

// An inference says what to run.
type inference struct {
	model     string
	tokenizer string // empty for the model's own
	prompt    string
	promptIDs []int // empty for those of the prompt; otherwise they must be the same
	maxTokens int
	threads   int
	repeat    int
	warmUp    bool   // do it once before, with few tokens, without taking the times
	kernels   string // empty for the fastest
	profile   string // file, empty for none
}

// args returns the arguments of the process that runs it.
func (i *inference) args() []string {
	ids := make([]string, len(i.promptIDs))
	for n, id := range i.promptIDs {
		ids[n] = strconv.Itoa(id)
	}
	return []string{
		"child", "--model=" + i.model, "--tokenizer=" + i.tokenizer, "--prompt=" + i.prompt, "--prompt-ids=" + strings.Join(ids, ","),
		"--max-tokens=" + strconv.Itoa(i.maxTokens), "--threads=" + strconv.Itoa(i.threads), "--repeat=" + strconv.Itoa(i.repeat),
		"--warm-up=" + strconv.FormatBool(i.warmUp), "--kernels=" + i.kernels, "--profile=" + i.profile,
	}
}

// childCommand is the process that runs the model.
func childCommand(c *console, args []string) int {
	var i inference
	flags := newFlags("child")
	flags.StringVar(&i.model, "model", "", "")
	flags.StringVar(&i.tokenizer, "tokenizer", "", "")
	flags.StringVar(&i.prompt, "prompt", "", "")
	ids := flags.String("prompt-ids", "", "")
	flags.IntVar(&i.maxTokens, "max-tokens", 1, "")
	flags.IntVar(&i.threads, "threads", 1, "")
	flags.IntVar(&i.repeat, "repeat", 1, "")
	flags.BoolVar(&i.warmUp, "warm-up", false, "")
	flags.StringVar(&i.kernels, "kernels", "", "")
	flags.StringVar(&i.profile, "profile", "", "")
	if _, status, ok := c.parse(flags, args, "child"); !ok {
		return status
	}
	for _, id := range strings.FieldsFunc(*ids, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(id)
		if err != nil {
			return c.usageError("child: %q is no token id", id)
		}
		i.promptIDs = append(i.promptIDs, n)
	}
	events := json.NewEncoder(c.stdout)
	if err := i.run(events); err != nil {
		kind := receipt.FailureRun
		switch {
		case modelMissing(err):
			kind = receipt.FailureModelMissing
		case errors.Is(err, gguf.ErrFormat), errors.Is(err, gguf.ErrMissing), errors.Is(err, gguf.ErrType), errors.Is(err, bitnet.ErrModel),
			errors.Is(err, bitnet.ErrNotFinite), errors.Is(err, tokenizer.ErrVocabulary), errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			kind = receipt.FailureModelUnusable
		}
		events.Encode(event{Event: eventFailed, Kind: kind, Message: err.Error()})
		return exitFailed
	}
	events.Encode(event{Event: eventAllDone})
	return exitOK
}

func (i *inference) run(events *json.Encoder) (err error) {
	if i.warmUp {
		// The first use of a process is slow: it finds its code and the model
		// outside of memory and caches, and the processor's clock low.
		warm := *i
		warm.maxTokens = min(i.maxTokens, 2)
		if _, err := warm.runOnce(events); err != nil {
			return err
		}
		if err := events.Encode(event{Event: eventWarm}); err != nil {
			return err
		}
	}
	if i.profile != "" {
		f, err := os.Create(i.profile)
		if err != nil {
			return fmt.Errorf("profile: %v", err) // that it is missing would be said of the model
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			f.Close()
			return fmt.Errorf("profile: %w", err)
		}
		defer func() {
			pprof.StopCPUProfile()
			err = errors.Join(err, f.Close())
		}()
	}
	for range i.repeat {
		end, err := i.runOnce(events)
		if err != nil {
			return err
		}
		if err := events.Encode(end); err != nil {
			return err
		}
	}
	return nil
}

// runOnce is one repeat and returns the event that ends it. Only what a user of
// the model would wait for is timed.
func (i *inference) runOnce(events *json.Encoder) (end event, err error) {
	ctx := context.Background()
	if err := events.Encode(event{Event: eventLoad}); err != nil {
		return end, err
	}
	// The image spares greedy generation most logits; the receipt's digest is over
	// all of them, so it would only take time and memory.
	options := []bitnet.Option{bitnet.WithThreads(i.threads), bitnet.WithKernels(i.kernels), bitnet.WithoutScreen()}
	start := time.Now()
	if i.tokenizer != "" {
		t, err := tokenizer.Open(i.tokenizer)
		if err != nil {
			return end, tokenizerError{err}
		}
		options = append(options, bitnet.WithTokenizer(t))
	}
	m, err := bitnet.Open(i.model, options...)
	took := time.Since(start)
	if err != nil {
		return end, err
	}
	defer m.Close()
	g := m.Config()
	if err := events.Encode(event{Event: eventLoaded, Seconds: took.Seconds(), KernelSet: m.Kernels(), Threads: m.Threads(), Config: &receipt.Config{
		Architecture: g.Architecture, Name: g.Name, VocabularySize: g.VocabularySize, ContextLength: g.ContextLength, EmbeddingLength: g.EmbeddingLength,
		Blocks: g.Blocks, FeedForwardLength: g.FeedForwardLength, Heads: g.Heads, KVHeads: g.KVHeads, HeadSize: g.HeadSize, TiedHead: g.TiedHead,
	}}); err != nil {
		return end, err
	}

	prompt, err := i.encode(m.Tokenizer())
	if err != nil {
		return end, err
	}
	if len(prompt) >= g.ContextLength {
		return end, fmt.Errorf("a prompt of %d tokens leaves no room in the model's context of %d", len(prompt), g.ContextLength)
	}
	if err := events.Encode(event{Event: eventPrompt, PromptIDs: prompt}); err != nil {
		return end, err
	}
	s, err := m.NewSession(bitnet.WithContext(min(g.ContextLength, len(prompt)+i.maxTokens)))
	if err != nil {
		return end, err
	}
	defer s.Close()
	rows := logitDigest{sum: sha256.New()}
	end.Event = eventEnd
	var generated []int
	endTokens := m.Tokenizer().EndTokens()
	for next := prompt; end.StopReason == ""; {
		start := time.Now()
		logits, err := s.Append(ctx, next)
		if err != nil {
			return end, err
		}
		id := largest(logits)
		took := time.Since(start)
		rows.add(logits)
		generated = append(generated, id)
		if err := events.Encode(event{Event: eventToken, Token: id, Seconds: took.Seconds()}); err != nil {
			return end, err
		}
		switch {
		case slices.Contains(endTokens, id):
			end.StopReason = string(bitnet.StopEndToken)
		case len(generated) == i.maxTokens:
			end.StopReason = string(bitnet.StopMaxTokens)
		case s.Len()+1 == s.Context():
			end.StopReason = string(bitnet.StopContext)
		}
		next = generated[len(generated)-1:]
	}
	end.Text = decode(m.Tokenizer(), generated)
	end.LogitsSHA256, end.LogitRows = rows.hex(), rows.rows
	if end.KernelCounts, err = m.KernelCounts(ctx); err != nil {
		return end, err
	}
	return end, nil
}

// encode returns the token ids of the prompt as bitnet.Session.Generate has
// them.
func (i *inference) encode(t *tokenizer.Tokenizer) ([]int, error) {
	ids, err := t.Encode(i.prompt)
	if err != nil {
		return nil, fmt.Errorf("prompt: %w", err)
	}
	if begin, ok := t.BeginOfText(); ok && t.AddsBeginOfText() && (len(ids) == 0 || ids[0] != begin) {
		ids = append([]int{begin}, ids...)
	}
	if len(ids) == 0 {
		return nil, errors.New("prompt: it is empty, and the vocabulary has no begin-of-text token")
	}
	if len(i.promptIDs) > 0 && !slices.Equal(ids, i.promptIDs) {
		return nil, errors.New("prompt: its tokens are not the given ids")
	}
	return ids, nil
}

func decode(t *tokenizer.Tokenizer, ids []int) string {
	var text []byte
	for _, id := range ids {
		if !t.IsSpecial(id) {
			text = t.AppendToken(text, id)
		}
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}

// largest returns the token with the largest logit, the first of equal ones.
func largest(logits []float32) int {
	best := 0
	for id, v := range logits {
		if v > logits[best] {
			best = id
		}
	}
	return best
}

// A logitDigest is a SHA-256 over the bits of rows of logits.
type logitDigest struct {
	sum    hash.Hash
	rows   int
	buffer [4096]byte
}

func (d *logitDigest) add(logits []float32) {
	d.rows++
	for len(logits) > 0 {
		n := min(len(logits), len(d.buffer)/4)
		for i, v := range logits[:n] {
			binary.LittleEndian.PutUint32(d.buffer[4*i:], math.Float32bits(v))
		}
		d.sum.Write(d.buffer[:4*n])
		logits = logits[n:]
	}
}

func (d *logitDigest) hex() string { return hex.EncodeToString(d.sum.Sum(nil)) }

// Which limit an event tells of.
const (
	limitMemory     = "memory"
	limitWorkingSet = "working_set"
)

// limitsCommand is the process that measures the machine, apart from the one
// that runs the model, whose memory it would add to.
func limitsCommand(c *console, args []string) int {
	flags := newFlags("limits")
	threads := flags.Int("threads", 1, "")
	memory := flags.Int64("memory", 0, "")
	workingSet := flags.Int64("working-set", 0, "")
	if _, status, ok := c.parse(flags, args, "limits"); !ok {
		return status
	}
	events := json.NewEncoder(c.stdout)
	for _, l := range []struct {
		name    string
		bytes   int64
		measure func(bytes int64, threads int) limits.Measurement
	}{{limitMemory, *memory, limits.Memory}, {limitWorkingSet, *workingSet, limits.WorkingSet}} {
		if l.bytes > 0 {
			m := l.measure(l.bytes, *threads)
			if err := events.Encode(event{Event: eventLimit, Limit: l.name, Bytes: m.BufferBytes, Passes: m.Passes}); err != nil {
				return exitFailed
			}
		}
	}
	return exitOK
}

// An observation is what has been seen of a child.
type observation struct {
	phase     string
	kernelSet string
	threads   int
	config    receipt.Config
	promptIDs []int
	repeats   []receipt.Repeat // those that came to an end
	counts    map[string]uint64
	result    result // of the first repeat
	done      bool
	failure   *receipt.Failure

	current  receipt.Repeat // under way
	sequence []int          // its tokens
	limits   map[string]limits.Measurement
}

// A result is what must be the same in each repeat and wherever it is run again.
type result struct {
	ids          []int
	text         string
	stopReason   string
	logitsSHA256 string
	logitRows    int
}

// differs names what is not the same in another result, nothing where all is.
func (a *result) differs(b *result) string {
	switch {
	case !slices.Equal(a.ids, b.ids):
		return "generated_ids"
	case a.logitRows != b.logitRows:
		return "logit_rows"
	case a.logitsSHA256 != b.logitsSHA256:
		return "logits_sha256"
	case a.stopReason != b.stopReason:
		return "stop_reason"
	case a.text != b.text:
		return "text"
	}
	return ""
}

// line takes in one line of the child's output.
func (o *observation) line(line []byte) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		o.fail(receipt.FailureRun, "the process wrote what is no event")
		return
	}
	switch e.Event {
	case eventLoad:
		o.phase, o.current, o.sequence = phaseLoad, receipt.Repeat{TokenSeconds: []float64{}}, nil
	case eventLoaded:
		o.phase, o.current.LoadSeconds = phasePrompt, e.Seconds
		o.kernelSet, o.threads = e.KernelSet, e.Threads
		if e.Config != nil {
			o.config = *e.Config
		}
	case eventPrompt:
		o.promptIDs = e.PromptIDs
	case eventToken:
		if o.phase == phasePrompt {
			o.phase, o.current.PromptSeconds = phaseDecode, e.Seconds
		} else {
			o.current.TokenSeconds = append(o.current.TokenSeconds, e.Seconds)
		}
		o.sequence = append(o.sequence, e.Token)
	case eventEnd:
		r := result{o.sequence, e.Text, e.StopReason, e.LogitsSHA256, e.LogitRows}
		if len(o.repeats) == 0 {
			o.result, o.counts = r, map[string]uint64{}
		} else if field := o.result.differs(&r); field != "" {
			o.fail(receipt.FailureDiffers, "repeat %d came to another result than the first: %s", len(o.repeats)+1, field)
		}
		o.repeats = append(o.repeats, o.current)
		for name, n := range e.KernelCounts {
			o.counts[name] += n
		}
		o.sequence = nil
	case eventWarm:
		o.phase, o.sequence = phaseLoad, nil
	case eventFailed:
		o.fail(e.Kind, "%s", e.Message)
	case eventLimit:
		if o.limits == nil {
			o.limits = map[string]limits.Measurement{}
		}
		o.limits[e.Limit] = limits.Measurement{BufferBytes: e.Bytes, Passes: e.Passes}
	case eventAllDone:
		o.done = true
	}
}

// fail keeps the first failure.
func (o *observation) fail(kind, format string, args ...any) {
	if o.failure == nil {
		o.failure = &receipt.Failure{Kind: kind, Phase: o.phase, Message: fmt.Sprintf(format, args...)}
	}
}

// observe runs the inference in a process.
func (c *console) observe(ctx context.Context, i *inference) (*observation, *receipt.Usage) {
	o := &observation{phase: phaseLoad}
	usage, failure := c.runProcess(ctx, i.args(), o.line)
	switch {
	case o.failure != nil: // the process knows best
	case failure != nil:
		o.fail(failure.Kind, "%s", failure.Message)
	case !o.done || len(o.repeats) != i.repeat:
		o.fail(receipt.FailureCrashed, "the process ended without a result")
	}
	return o, usage
}
