package openai

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
)

// A job is a request for generated text, checked and in tokens. What it comes to
// depends on nothing but this: not on other jobs, and not on what the server did
// before.
type job struct {
	model   *model
	key     int
	prompts [][]int
	n       int // answers for each prompt
	options bitnet.GenerateOptions
	limit   int  // tokens of an answer; 0 computes the prompt only
	scores  bool // with the probabilities of the answer's tokens
	judges  bool // with those of the prompt's tokens, too
	digest  bool // with a digest of the logits

	// quiet is the field that asks for an answer without thinking, "" for none.
	quiet string
	// thinks is the field that asks for thinking, "" for none.
	thinks string
}

// A piece is one token of an answer, or text that was held back until its end.
type piece struct {
	id        int // −1 for text without a token
	text      string
	reasoning string // what the model thinks ahead of its answer

	logProb      float64
	alternatives []bitnet.Alternative
}

// A choice is one answer.
type choice struct {
	text      string
	reasoning string
	pieces    []piece // with scores only
	prompt    []piece // if it was judged
	reason    string  // "stop" or "length"
	tokens    int     // with the one that ended it
	digest    string
}

// answers are what a job comes to: n choices for each prompt, in this order.
type answers struct {
	choices []choice
	prompt  int // tokens
	cached  int // of these had been evaluated before
	tokens  int // of all choices

	promptTime, time time.Duration // of the first choice
}

// An output is told how a job goes on. Choices may be computed at the same time,
// and so may its methods be called. An error ends the job.
type output interface {
	admitted() error // the job is no longer waiting
	token(choice int, p piece) error
	finished(choice int, a *choice) error
}

// silent is the output of jobs whose answer is sent as a whole.
type silent struct{}

func (silent) admitted() error             { return nil }
func (silent) token(int, piece) error      { return nil }
func (silent) finished(int, *choice) error { return nil }

// size returns how many of the job's answers are to be computed at the same time,
// and the memory that their KV caches may come to take: as many as the server
// allows and has memory for.
func (h *Handler) size(j *job) (parallel int, memory int64) {
	longest, held := 0, 0
	for _, ids := range j.prompts {
		longest = max(longest, len(ids)+min(j.limit, j.model.context-len(ids)))
		held = max(held, len(ids))
	}
	whole := sessionBytes(j.model.Model, longest)
	if len(j.prompts) == 1 && j.n > 1 {
		shared := j.model.CacheBytes(held / pageTokens * pageTokens)
		parallel = min(j.n, h.options.Parallel)
		if room := h.options.KVMemory - whole; whole > shared {
			parallel = min(parallel, max(int(room/(whole-shared)), 1))
		}
		if parallel > 1 {
			return parallel, whole + int64(parallel)*(whole-shared)
		}
		return 1, 2*whole - shared
	}
	parallel = min(len(j.prompts)*j.n, h.options.Parallel, max(int(h.options.KVMemory/whole), 1))
	return parallel, int64(parallel) * whole
}

// compute waits for the turn of a request and has it computed by do.
func (h *Handler) compute(ctx context.Context, m *model, key, parallel int, memory int64, do func(context.Context) error) error {
	if broken := m.broken.Load(); broken != nil {
		return *broken
	}
	arrived := time.Now()
	memory = min(memory, h.options.KVMemory) // more would wait for ever
	leave, err := h.queue.enter(ctx, key, parallel, memory)
	if err != nil {
		if errors.As(err, new(*failure)) {
			h.metrics.rejected.WithLabelValues("queue").Inc()
		} else {
			h.metrics.failed(ctx)
		}
		if err == errTimeLimit {
			err = h.queue.late()
		}
		return err
	}
	defer leave()
	h.metrics.queued.Observe(time.Since(arrived).Seconds())
	h.shelf.trim()
	if err = do(ctx); err != nil {
		h.metrics.failed(ctx)
		if isBroken(err) {
			m.setBroken(err)
		}
	}
	return err
}

// generate has a job computed, when its turn comes.
func (h *Handler) generate(ctx context.Context, j *job, out output) (*answers, error) {
	parallel, memory := h.size(j)
	w := &work{h: h, job: j, out: out, arrived: time.Now(), answers: &answers{choices: make([]choice, len(j.prompts)*j.n)}}
	for _, ids := range j.prompts {
		w.prompts = append(w.prompts, &prompt{work: w, ids: ids, left: j.n})
		w.answers.prompt += len(ids)
	}
	err := h.compute(ctx, j.model, j.key, parallel, memory, func(ctx context.Context) error {
		err := out.admitted()
		if err == nil {
			err = each(ctx, len(w.answers.choices), parallel, w.choice)
		}
		for _, p := range w.prompts {
			p.end()
			w.answers.cached += p.cached
		}
		for i := range w.answers.choices {
			w.answers.tokens += w.answers.choices[i].tokens
		}
		h.metrics.count(w.answers)
		return err
	})
	return w.answers, err
}

// each calls do for each number below n, in order, so many of them at the same time.
// It returns the first error, which ends the context of the others.
func each(ctx context.Context, n, parallel int, do func(ctx context.Context, i int) error) error {
	if parallel == 1 {
		for i := range n {
			if err := guarded(ctx, i, do); err != nil {
				return err
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var running sync.WaitGroup
	for range parallel {
		running.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := guarded(ctx, i, do); err != nil {
					cancel(err)
				}
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// guarded calls do, whose panic becomes an error: on a goroutine of its own it would
// be the end of all requests.
func guarded(ctx context.Context, i int, do func(ctx context.Context, i int) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
	}()
	return do(ctx, i)
}

// work is a job while it is being computed.
type work struct {
	h       *Handler
	job     *job
	out     output
	arrived time.Time
	prompts []*prompt
	answers *answers
}

// choice computes one answer.
func (w *work) choice(ctx context.Context, i int) (err error) {
	j, a := w.job, &w.answers.choices[i]
	p := w.prompts[i/j.n]
	s, err := p.session(ctx)
	if err != nil {
		return err
	}
	defer p.done(s)
	a.prompt = p.pieces
	if j.limit == 0 {
		a.reason = "length"
		return w.out.finished(i, a)
	}
	o := j.options
	o.Seed += uint64(i % j.n)
	o.MaxTokens = j.limit
	var sum hash.Hash
	if j.digest {
		sum = newDigest(&o)
	}
	var text, reasoning strings.Builder
	last := time.Time{}
	for t, failure := range s.StreamTokens(ctx, nil, o) {
		text.WriteString(t.Text)
		reasoning.WriteString(t.Reasoning)
		if t.ID >= 0 {
			now := time.Now()
			if last.IsZero() {
				w.h.metrics.firstToken.Observe(now.Sub(w.arrived).Seconds())
			} else {
				w.h.metrics.interToken.Observe(now.Sub(last).Seconds())
			}
			last = now
		}
		next := piece{id: t.ID, text: t.Text, reasoning: t.Reasoning}
		if j.scores && t.ID >= 0 {
			next.logProb, next.alternatives = t.LogProb(), t.Alternatives
			a.pieces = append(a.pieces, next)
		}
		if failure != nil {
			err = failure
			break
		}
		if next.text == "" && next.reasoning == "" && !j.scores {
			continue
		}
		if err = w.out.token(i, next); err != nil {
			break
		}
	}
	r := s.Result()
	if r != nil {
		a.text, a.reasoning, a.tokens = text.String(), reasoning.String(), r.CompletionTokens
		w.h.metrics.drafts(r)
		if i == 0 {
			w.answers.promptTime = p.took
			w.answers.time = r.CompletionTime
		}
	}
	if err != nil {
		return err
	}
	a.reason = "stop"
	if r.Reason == bitnet.StopMaxTokens || r.Reason == bitnet.StopContext {
		a.reason = "length"
	}
	if sum != nil {
		a.digest = fmt.Sprintf("sha256:%x", sum.Sum(nil))
	}
	w.h.metrics.finished.WithLabelValues(a.reason).Inc()
	return w.out.finished(i, a)
}

// newDigest has the options feed a sum with each token that is chosen: its id as a
// little-endian uint32, then the logits of all tokens in its place as little-endian
// float32.
func newDigest(o *bitnet.GenerateOptions) hash.Hash {
	sum := sha256.New()
	var buffer []byte
	o.Logits = func(id int, logits []float32) {
		buffer = binary.LittleEndian.AppendUint32(buffer[:0], uint32(id))
		for _, v := range logits {
			buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(v))
		}
		sum.Write(buffer)
	}
	return sum
}

// A prompt is one of a job's, with the session that has evaluated it.
type prompt struct {
	work *work
	ids  []int

	mu       sync.Mutex
	base     *bitnet.Session // has evaluated the prompt, or nil
	failure  error           // of that
	left     int             // answers that have not begun
	answered int             // answers that are done
	cached   int             // tokens that had been evaluated before
	took     time.Duration
	pieces   []piece // its tokens, judged
	takeBack func()
}

// session returns a session that has evaluated the prompt: for the last answer the
// one that did it, before that a fork of it.
func (p *prompt) session(ctx context.Context) (*bitnet.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.base == nil {
		p.failure = p.evaluate(ctx)
	}
	if p.failure != nil {
		return nil, p.failure
	}
	if p.left--; p.left > 0 {
		return p.base.Fork(), nil
	}
	return p.base, nil
}

// evaluate has a session evaluate the prompt, block by block, so that what is done
// when a request is given up is not lost to the next try.
func (p *prompt) evaluate(ctx context.Context) (err error) {
	h, j := p.work.h, p.work.job
	start := time.Now()
	if j.judges {
		return p.judge(ctx)
	}
	if p.base, p.cached, err = h.shelf.take(j.model, j.key, p.ids); err != nil {
		return err
	}
	for n := p.cached; ; {
		n = min(n+bitnet.BlockTokens, len(p.ids))
		if _, err := p.base.Follow(ctx, p.ids[:n]); err != nil {
			return err
		}
		if n == len(p.ids) {
			break
		}
	}
	p.took = time.Since(start)
	p.takeBack = h.shelf.lend(j.model, j.key, p.base)
	return nil
}

// judge has a new session evaluate the prompt and finds how likely each token of it
// was, which takes the logits that no kept session has.
func (p *prompt) judge(ctx context.Context) (err error) {
	j := p.work.job
	if p.base, err = j.model.NewSession(bitnet.WithContext(j.model.context)); err != nil {
		return err
	}
	scores, alternatives, err := p.base.ScoreAlternatives(ctx, p.ids, j.options.Alternatives)
	for i := range scores {
		p.pieces = append(p.pieces, piece{id: p.ids[i], logProb: scores[i], alternatives: alternatives[i]})
	}
	return err
}

// done is told that an answer is done with its session.
func (p *prompt) done(s *bitnet.Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s != p.base {
		s.Close()
	}
	if p.answered++; p.answered == p.work.job.n {
		p.release()
	}
}

// end gives up the prompt's session when all is done, whether all its answers have
// begun or not.
func (p *prompt) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release()
}

// release keeps the prompt's session for later requests, also after an error: what it
// holds then has been computed.
func (p *prompt) release() {
	if p.takeBack != nil {
		p.takeBack()
		p.takeBack = nil
	}
	if p.base != nil {
		p.work.h.shelf.put(p.work.job.model, p.work.job.key, p.base)
		p.base = nil
	}
}
