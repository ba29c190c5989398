package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
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
	phaseLogits = "logits" // all of them, for the digest
	phaseLimits = "limits"
)

// The events, in the order of a repeat: load, loaded, prompt and token with the
// first token, token for each further one, and end, or warm where it was only to
// warm up. A failure may take the place of any.
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
	Event string `json:"event"`

	KernelSet string          `json:"kernel_set,omitempty"` // of loaded
	Threads   int             `json:"threads,omitempty"`
	Config    *receipt.Config `json:"config,omitempty"`

	PromptIDs []int `json:"prompt_ids,omitempty"` // of prompt

	Token int `json:"token,omitempty"` // of token

	Repeat       *receipt.Repeat   `json:"repeat,omitempty"` // of end
	StopReason   string            `json:"stop_reason,omitempty"`
	IDs          []int             `json:"ids,omitempty"`
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
	model     string // empty for the built-in one
	tokenizer string // empty for the model's own
	prompt    string
	maxTokens int
	threads   int
	sessions  int
	repeat    int
	// noLookahead evaluates tokens one by one, as is done for the digest.
	noLookahead bool
	warmUp      bool   // do it once before, with few tokens, without taking the times
	onDemand    bool   // begin a repeat with each line of standard input
	logits      bool   // compute all logits, for their digest, and take no times
	kernels     string // empty for the fastest
	profile     string // file, empty for none
}

// flags returns the flags of the process that runs it.
func (i *inference) flags() *flag.FlagSet {
	flags := newFlags("child")
	flags.StringVar(&i.model, "model", i.model, "")
	flags.StringVar(&i.tokenizer, "tokenizer", i.tokenizer, "")
	flags.StringVar(&i.prompt, "prompt", i.prompt, "")
	flags.IntVar(&i.maxTokens, "max-tokens", i.maxTokens, "")
	flags.IntVar(&i.threads, "threads", i.threads, "")
	flags.IntVar(&i.sessions, "sessions", i.sessions, "")
	flags.BoolVar(&i.noLookahead, "no-lookahead", i.noLookahead, "")
	flags.IntVar(&i.repeat, "repeat", i.repeat, "")
	flags.BoolVar(&i.warmUp, "warm-up", i.warmUp, "")
	flags.BoolVar(&i.onDemand, "on-demand", i.onDemand, "")
	flags.BoolVar(&i.logits, "logits", i.logits, "")
	flags.StringVar(&i.kernels, "kernels", i.kernels, "")
	flags.StringVar(&i.profile, "profile", i.profile, "")
	return flags
}

// args returns the arguments of the process that runs it.
func (i *inference) args() []string {
	args := []string{"child"}
	i.flags().VisitAll(func(f *flag.Flag) { args = append(args, "--"+f.Name+"="+f.Value.String()) })
	return args
}

// childCommand is the process that runs the model.
func childCommand(c *console, args []string) int {
	var i inference
	if _, status, ok := c.parse(i.flags(), args, "child"); !ok {
		return status
	}
	events := json.NewEncoder(c.stdout)
	if err := i.run(events, os.Stdin); err != nil {
		kind := receipt.FailureRun
		switch {
		case modelMissing(err):
			kind = receipt.FailureModelMissing
		case errors.Is(err, errDiffers):
			kind = receipt.FailureDiffers
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

func (i *inference) run(events *json.Encoder, demands io.Reader) (err error) {
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
	demand := bufio.NewScanner(demands)
	for range i.repeat {
		if i.onDemand && !demand.Scan() {
			return demand.Err()
		}
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

// runOnce is one repeat. It returns the event that tells of its end.
func (i *inference) runOnce(events *json.Encoder) (end event, err error) {
	ctx := context.Background()
	if err := events.Encode(event{Event: eventLoad}); err != nil {
		return end, err
	}
	start := time.Now()
	m, err := i.open()
	took := time.Since(start)
	if err != nil {
		return end, err
	}
	defer m.Close()
	g := m.Config()
	config := &receipt.Config{
		Architecture: g.Architecture, Name: g.Name, VocabularySize: g.VocabularySize, ContextLength: g.ContextLength, EmbeddingLength: g.EmbeddingLength,
		Blocks: g.Blocks, FeedForwardLength: g.FeedForwardLength, Heads: g.Heads, KVHeads: g.KVHeads, HeadSize: g.HeadSize, TiedHead: g.TiedHead,
		InputNorms: g.InputNorms,
	}
	config.SetBytes(m.WeightBytes())
	if err := events.Encode(event{Event: eventLoaded, KernelSet: m.Kernels(), Threads: m.Threads(), Config: config}); err != nil {
		return end, err
	}
	if i.logits {
		end, err = i.digest(ctx, m, events)
	} else {
		end, err = i.time(ctx, m, events)
		end.Repeat.LoadSeconds = took.Seconds()
	}
	if err == nil {
		end.KernelCounts, err = m.KernelCounts(ctx)
	}
	end.Event = eventEnd
	return end, err
}

func (i *inference) open() (*bitnet.Model, error) {
	options := []bitnet.Option{bitnet.WithThreads(i.threads), bitnet.WithKernels(i.kernels)}
	if i.tokenizer != "" {
		t, err := tokenizer.Open(i.tokenizer)
		if err != nil {
			return nil, tokenizerError{err}
		}
		options = append(options, bitnet.WithTokenizer(t))
	}
	if i.model == "" {
		return arithmetic.Open(options...)
	}
	return bitnet.Open(i.model, options...)
}

// A timedSession is a session that generates as users do, and its times.
type timedSession struct {
	session *bitnet.Session
	first   time.Duration // from the common start
	further []float64     // seconds of each further token
	err     error
}

// time lets sessions generate together. They take their first tokens, wait until
// all have theirs, and go on at the same moment.
func (i *inference) time(ctx context.Context, m *bitnet.Model, events *json.Encoder) (event, error) {
	end := event{Repeat: &receipt.Repeat{TokenSeconds: []float64{}}}
	var options []bitnet.SessionOption
	if i.noLookahead {
		options = append(options, bitnet.WithoutLookahead())
	}
	sessions := make([]timedSession, i.sessions)
	for n := range sessions {
		var err error
		if sessions[n].session, err = m.NewSession(options...); err != nil {
			return end, err
		}
		defer sessions[n].session.Close()
	}
	var missing atomic.Int64 // sessions that have no first token yet
	missing.Store(int64(i.sessions))
	var decoding time.Time
	together := make(chan struct{})
	start := time.Now()
	var done sync.WaitGroup
	for n := range sessions {
		s := &sessions[n]
		progress := func(int) error { return nil }
		if n == 0 {
			progress = func(id int) error { return events.Encode(event{Event: eventToken, Token: id}) }
		}
		generate := func() {
			s.err = s.generate(ctx, i, start, progress, func() time.Time {
				if missing.Add(-1) == 0 {
					decoding = time.Now()
					close(together)
				}
				<-together
				return decoding
			})
		}
		if n == len(sessions)-1 {
			generate()
		} else {
			done.Go(generate)
		}
	}
	done.Wait()

	r := end.Repeat
	for n := range sessions {
		s := &sessions[n]
		if s.err != nil {
			return end, s.err
		}
		result, tokens := s.session.Result(), s.session.Tokens()
		prompt := len(tokens) - result.CompletionTokens
		if prompt >= s.session.Context() {
			return end, fmt.Errorf("a prompt of %d tokens leaves no room in the model's context of %d", prompt, s.session.Context())
		}
		r.PromptSeconds = max(r.PromptSeconds, s.first.Seconds())
		r.TokenSeconds = append(r.TokenSeconds, s.further...)
		r.RowsEvaluated += int64(len(tokens) - 1 + result.ProposedTokens - result.AcceptedTokens)
		r.DraftsProposed += int64(result.ProposedTokens)
		r.DraftsAccepted += int64(result.AcceptedTokens)
		if ids := tokens[prompt:]; n == 0 {
			end.IDs, end.Text, end.StopReason = ids, result.Text, string(result.Reason)
			if err := events.Encode(event{Event: eventPrompt, PromptIDs: tokens[:prompt]}); err != nil {
				return end, err
			}
		} else if !slices.Equal(ids, end.IDs) {
			return end, fmt.Errorf("%w: session %d generated other tokens than the first", errDiffers, n+1)
		}
	}
	return end, nil
}

// errDiffers says that what must be the same is not.
var errDiffers = errors.New("the results differ")

// generate has the session generate, which began at start. It tells of each
// token, and after the first it waits for the moment at which it may go on.
func (s *timedSession) generate(ctx context.Context, i *inference, start time.Time, progress func(id int) error, wait func() time.Time) error {
	last := start
	tokens := 0
	// took notes the time of a token.
	took := func() {
		now := time.Now()
		if tokens++; tokens == 1 {
			s.first = now.Sub(start)
			last = wait()
			return
		}
		s.further = append(s.further, now.Sub(last).Seconds())
		last = now
	}
	for token, err := range s.session.Stream(ctx, i.prompt, bitnet.GenerateOptions{MaxTokens: i.maxTokens}) {
		if err == nil && token.ID >= 0 {
			took()
			before := time.Now()
			err = progress(token.ID)
			last = last.Add(time.Since(before)) // that is no part of the next one's
		}
		if err != nil {
			if tokens == 0 {
				wait()
			}
			return err
		}
	}
	// The token that ends a text is not handed on.
	if tokens < s.session.Result().CompletionTokens || tokens == 0 {
		took()
	}
	return nil
}

// digest generates token by token, then computes all logits of the same tokens, and
// sees to it that they give the same choice.
func (i *inference) digest(ctx context.Context, m *bitnet.Model, events *json.Encoder) (event, error) {
	var end event
	s, err := m.NewSession(bitnet.WithoutLookahead())
	if err != nil {
		return end, err
	}
	defer s.Close()
	result, err := s.Generate(ctx, i.prompt, bitnet.GenerateOptions{MaxTokens: i.maxTokens})
	if err != nil {
		return end, err
	}
	tokens := s.Tokens()
	prompt := len(tokens) - result.CompletionTokens
	if err := events.Encode(event{Event: eventPrompt, PromptIDs: tokens[:prompt]}); err != nil {
		return end, err
	}
	end.IDs, end.Text, end.StopReason = tokens[prompt:], result.Text, string(result.Reason)
	rows := logitDigest{sum: sha256.New()}
	s.Truncate(prompt)
	for n, id := range end.IDs {
		logits, err := s.Append(ctx, end.IDs[max(n-1, 0):n])
		if err != nil {
			return end, err
		}
		if best := largest(logits); best != id {
			return end, fmt.Errorf("%w: token %d is %d, but by all logits %d is the likeliest", errDiffers, n+1, id, best)
		}
		rows.add(logits)
	}
	end.LogitsSHA256, end.LogitRows = rows.hex(), rows.rows
	return end, nil
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
	sequence  []int            // the first session's tokens, so far
	warmed    int              // how often it has warmed up
	ends      int              // repeats that came to an end
	repeats   []receipt.Repeat // their times, where they were taken
	counts    map[string]uint64
	result    result // of the first repeat
	done      bool
	failure   *receipt.Failure

	limits map[string]limits.Measurement
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
		o.phase, o.sequence = phaseLoad, nil
	case eventLoaded:
		o.phase = phasePrompt
		o.kernelSet, o.threads = e.KernelSet, e.Threads
		if e.Config != nil {
			o.config = *e.Config
		}
	case eventPrompt:
		o.promptIDs = e.PromptIDs
	case eventToken:
		o.phase, o.sequence = phaseDecode, append(o.sequence, e.Token)
	case eventEnd:
		r := result{e.IDs, e.Text, e.StopReason, e.LogitsSHA256, e.LogitRows}
		if o.ends == 0 {
			o.result, o.counts = r, map[string]uint64{}
		} else if field := o.result.differs(&r); field != "" {
			o.fail(receipt.FailureDiffers, "repeat %d came to another result than the first: %s", o.ends+1, field)
		}
		o.ends++
		if e.Repeat != nil {
			o.repeats = append(o.repeats, *e.Repeat)
		}
		for name, n := range e.KernelCounts {
			o.counts[name] += n
		}
		o.sequence = nil
	case eventWarm:
		o.phase, o.sequence = phaseLoad, nil
		o.warmed++
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
	usage, failure := c.runProcess(ctx, c.self, i.args(), nil, o.line)
	o.end(i, failure)
	return o, usage
}

// end takes in how the process ended.
func (o *observation) end(i *inference, failure *receipt.Failure) {
	switch {
	case o.failure != nil: // the process knows best
	case failure != nil:
		o.fail(failure.Kind, "%s", failure.Message)
	case !o.done || !i.onDemand && o.ends != i.repeat:
		o.fail(receipt.FailureCrashed, "the process ended without a result")
	}
	if i.logits && o.failure != nil {
		o.failure.Phase = phaseLogits
	}
}
