package bitnet

import (
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobitnet/gobitnet/bitnet/internal/engine"
	"github.com/gobitnet/gobitnet/bitnet/internal/kvcache"
	"github.com/gobitnet/gobitnet/bitnet/internal/threads"
)

// A pass takes the tokens of all sessions that wait through the model at once, so
// that the weights are read for all of them together. It has no goroutine of its
// own. The life of a request:
//
// A session posts it. Where nobody leads, the session leads a pass itself: it
// gathers those who wait into a batch, computes it, hands each its results, and
// wakes them. Where somebody leads already, it waits to be woken: its request is
// done, or the leader is and it is its turn to lead. So a lone session computes
// at once, wakes nobody and waits for nobody.
//
// Sessions that generate come back a moment after they were woken, each with the
// token that it has chosen. A leader waits for these, a short time at most, so
// that they go on through the model together instead of one after the other.
type passes struct {
	model *Model

	mu      sync.Mutex
	waiting []*request // in the order of arrival; those of the pass under way too
	led     bool
	failure error // after which nothing is computed any more

	// Sessions that are expected back. Raising the epoch forgets them.
	expected int
	epoch    uint64

	// crowded says that others were in the last pass, so many that guesses of
	// what comes next do not pay.
	crowded atomic.Bool

	mixed int           // rows of a pass in which prompts go beside others
	alone time.Duration // of a pass without prompts, lately
	last  time.Duration // of the last pass

	count, rows atomic.Uint64 // of all passes so far

	// Of the pass under way, used by its leader.
	batch   engine.Batch
	running []*request
	stop    func() bool // nobodyWaits, as a value
	heads   heads
}

const (
	// fewRows is how many rows a request may have that does not wait behind
	// prompts: a token that was chosen and some drafts.
	fewRows = 8
	// A pass of prompts beside others has at least leastMixed rows, in steps of
	// mixedStep, as many as make it between mixedLow and mixedHigh times as long
	// as without prompts.
	leastMixed = 6
	mixedStep  = 2
	mixedLow   = 2.3
	mixedHigh  = 2.75
	// crowd is how many requests in a pass leave room for guesses.
	crowd = 2
	// patience is how long a leader waits for sessions that are expected back, or
	// patienceShare of the last pass where that is longer.
	patience      = 100 * time.Microsecond
	patienceShare = 1.0 / 32
)

// A request asks for tokens of one session to be evaluated, at most BlockTokens,
// and for what follows the last ones of them. Without tokens it asks for more
// about vectors that are there already.
type request struct {
	ctx    context.Context
	cache  *kvcache.Cache
	tokens []int
	first  int     // position of the first of them
	places []place // for as many tokens at the end
	want   want
	named  []int // the tokens of someLogits, in ascending order

	document bool // it waits behind generation, however short it is

	evaluated int // so many of the tokens have been
	finished  bool
	err       error

	// Used by the passes, under their lock.
	wake      chan struct{}
	running   bool      // in the pass under way
	row, rows int       // in its batch
	returned  time.Time // when it was last finished
	prompt    bool      // it came back quickly after that
	epoch     uint64    // in which it is expected back
}

// want is what a request wants to know of its places beside their vectors: the k
// largest logits where positive.
type want int

const (
	vectorsOnly want = 0
	allLogits   want = -1
	someLogits  want = -2 // those that the request names
)

// A place is what has been computed after one token.
type place struct {
	hidden   []float32    // the vector that the head multiplies
	largest  engine.Query // the largest logits, where Found, or those of some tokens
	named    bool         // the latter
	logits   []float32    // all of them, where complete
	complete bool
}

// satisfies reports whether the place has what is wanted.
func (p *place) satisfies(w want) bool {
	return w == vectorsOnly || p.complete || w == someLogits && p.named || w > 0 && p.largest.Found && p.largest.K >= int(w)
}

func newPasses(m *Model) *passes {
	p := &passes{model: m, mixed: leastMixed, epoch: 1}
	p.stop = p.nobodyWaits
	return p
}

func (r *request) left() int { return len(r.tokens) - r.evaluated }

// long reports whether the request is a prompt, to its end.
func (r *request) long() bool { return r.document || len(r.tokens) > fewRows }

// do has requests computed, all of one context. Their results hold until the next
// ones of their sequences. After an error, so many tokens as each one's evaluated
// says have been evaluated.
func (p *passes) do(requests ...*request) error {
	first := requests[0]
	if first.wake == nil {
		first.wake = make(chan struct{}, 1)
	}
	for _, r := range requests {
		r.evaluated, r.finished, r.err, r.wake = 0, false, nil, first.wake
	}
	select {
	case <-first.wake: // left behind by a request that ended meanwhile
	default:
	}
	ended := first.ctx.Done()
	p.mu.Lock()
	for _, r := range requests {
		p.arrive(r)
	}
	for !allFinished(requests) {
		if !p.led {
			p.led = true
			p.lead()
			p.led = false
			continue
		}
		p.mu.Unlock()
		select {
		case <-first.wake:
			p.mu.Lock()
		case <-ended:
			ended = nil
			p.mu.Lock()
			for _, r := range requests {
				if !r.running && !r.finished {
					p.end(r, r.ctx.Err())
				} // else the pass under way uses what is the session's
			}
		}
	}
	if !p.led && len(p.waiting) > 0 {
		p.waiting[0].wakeUp()
	}
	p.mu.Unlock()
	for _, r := range requests {
		if r.err != nil {
			return r.err
		}
	}
	return nil
}

func allFinished(requests []*request) bool {
	for _, r := range requests {
		if !r.finished {
			return false
		}
	}
	return true
}

func (r *request) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// arrive queues a request.
func (p *passes) arrive(r *request) {
	p.dismiss(r)
	r.prompt = r.returned.IsZero() || time.Since(r.returned) < 2*p.patience()
	if p.failure != nil {
		r.finished, r.err = true, p.failure
		return
	}
	p.waiting = append(p.waiting, r)
}

// dismiss no longer expects a request.
func (p *passes) dismiss(r *request) {
	if p.expected > 0 && r.epoch == p.epoch {
		p.expected--
	}
	r.epoch = 0
}

// leave says that the session of a request will not come back soon.
func (p *passes) leave(r *request) {
	p.mu.Lock()
	p.dismiss(r)
	p.mu.Unlock()
}

// end takes a request out of the queue.
func (p *passes) end(r *request, err error) {
	r.finished, r.err = true, err
	if i := slices.Index(p.waiting, r); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	r.wakeUp()
}

// fail ends all requests with an error, now or when the pass that they are in is
// over, and those to come.
func (p *passes) fail(err error) {
	if p.failure == nil {
		p.failure = err
	}
	for i := 0; i < len(p.waiting); {
		if r := p.waiting[i]; r.running {
			i++
		} else {
			p.end(r, p.failure)
		}
	}
}

// failed returns the error after which nothing is computed any more, or nil.
func (p *passes) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}

// close ends all requests: the model is closed.
func (p *passes) close() {
	p.mu.Lock()
	p.fail(ErrClosed)
	p.mu.Unlock()
}

// lead computes one pass. The lock is held, except while it computes.
func (p *passes) lead() {
	p.awaitExpected()
	for i := 0; i < len(p.waiting); {
		if err := p.waiting[i].ctx.Err(); err != nil {
			p.end(p.waiting[i], err)
		} else {
			i++
		}
	}
	prompts, others := p.plan()
	if len(p.running) == 0 {
		return
	}
	p.mu.Unlock()
	start := time.Now()
	err := p.model.file.Check()
	if err == nil {
		err = p.compute()
	}
	now := time.Now()
	p.mu.Lock()
	p.last = now.Sub(start)
	p.count.Add(1)
	p.rows.Add(uint64(p.batch.Rows()))
	p.adapt(prompts, others)
	p.crowded.Store(prompts && others || len(p.running) > crowd)
	for _, r := range p.running {
		r.running = false
		if r.err == nil {
			r.err = err
		}
		if r.err != nil || r.left() == 0 {
			r.returned = now
			if r.err == nil && r.prompt {
				r.epoch = p.epoch
				p.expected++
			}
			p.end(r, r.err)
		}
	}
	clear(p.running)
	p.running = p.running[:0]
	if err == nil {
		err = p.failure
	}
	if err != nil {
		p.fail(err)
	}
}

func (p *passes) patience() time.Duration {
	return max(patience, time.Duration(float64(p.last)*patienceShare))
}

// awaitExpected waits for sessions that are choosing their next tokens.
func (p *passes) awaitExpected() {
	if p.expected == 0 {
		return
	}
	for end := time.Now().Add(p.patience()); p.expected > 0; {
		if time.Now().After(end) {
			p.epoch++
			p.expected = 0
			return
		}
		p.mu.Unlock()
		runtime.Gosched()
		p.mu.Lock()
	}
}

// plan fills the batch: with all requests of few rows first, and then with
// prompts, in the order of arrival. Prompts get all rows that there are where
// nothing else waits, and few beside other requests. It reports whether there
// are prompts in the pass, and whether there are others.
func (p *passes) plan() (prompts, others bool) {
	p.batch.Reset()
	room := BlockTokens - leastMixed // prompts are never kept out
	for _, r := range p.waiting {
		if n := r.left(); !r.long() && n <= room {
			p.take(r, n)
			room -= n
			others = true
		}
	}
	if room = BlockTokens; others {
		room = max(p.mixed-p.batch.Rows(), leastMixed/2)
	}
	for _, r := range p.waiting {
		if n := min(r.left(), room); r.long() && n > 0 {
			p.take(r, n)
			room -= n
			prompts = true
		}
	}
	return prompts, others
}

func (p *passes) take(r *request, n int) {
	p.running = append(p.running, r)
	r.running, r.rows = true, n
	if n > 0 {
		r.row = p.batch.Add(engine.Span{Cache: r.cache, Tokens: r.tokens[r.evaluated : r.evaluated+n], First: r.first + r.evaluated})
	}
}

// adapt sets how many rows prompts may have beside other requests.
func (p *passes) adapt(prompts, others bool) {
	switch {
	case !prompts:
		if p.alone == 0 {
			p.alone = p.last
		}
		p.alone += (p.last - p.alone) / 8
	case others && p.alone > 0:
		switch length := float64(p.last) / float64(p.alone); {
		case length > mixedHigh:
			p.mixed = max(p.mixed-mixedStep, leastMixed)
		case length < mixedLow && p.batch.Rows() >= p.mixed:
			p.mixed = min(p.mixed+mixedStep, BlockTokens-leastMixed)
		}
	}
}

// nobodyWaits reports whether the contexts of all requests of the pass have ended.
func (p *passes) nobodyWaits() bool {
	for _, r := range p.running {
		if r.ctx.Err() == nil {
			return false
		}
	}
	return true
}

// compute evaluates the batch and everything that the requests want. What goes
// wrong with a single request is its own error; an error that is returned is
// everybody's, from now on. A part of the file that is gone, which is a fault to
// whoever reads it, is such an error.
func (p *passes) compute() (err error) {
	m := p.model
	if err := m.engine.Pool.Acquire(context.Background()); err != nil {
		return ErrClosed
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		var broken *BrokenError
		switch v := recover().(type) {
		case nil:
		case *threads.Panic:
			broken = &BrokenError{Value: v.Value, Stack: v.Stack}
		default:
			broken = &BrokenError{Value: v, Stack: debug.Stack()}
		}
		if broken != nil {
			if err = m.file.Fault(broken.Value); err == nil {
				err = broken
			}
		}
		m.engine.Pool.Release()
	}()
	if p.batch.Rows() > 0 {
		if err := m.forward(&p.batch, p.stop); err != nil {
			return err
		}
	}
	for _, r := range p.running {
		p.results(r)
	}
	p.heads.compute(m)
	m.settle()
	return nil
}

// results takes a request's rows out of the evaluated batch.
func (p *passes) results(r *request) {
	if r.err = r.ctx.Err(); r.err != nil {
		return
	}
	if p.batch.NotFinite(r.row, r.row+r.rows) {
		r.err = ErrNotFinite
		return
	}
	if r.rows > 0 {
		before := len(r.tokens) - len(r.places) // tokens of which nothing is wanted
		for t := max(r.evaluated, before); t < r.evaluated+r.rows; t++ {
			place := &r.places[t-before]
			place.largest.Found, place.named, place.complete = false, false, false
			if !p.model.finish(place.hidden, r.row+t-r.evaluated) {
				r.err = ErrNotFinite
				return
			}
		}
		r.evaluated += r.rows
	}
	if r.left() == 0 && r.want != vectorsOnly {
		p.heads.add(r.places, r.want, r.named)
	}
}

// heads are the places of a pass whose logits are wanted.
type heads struct {
	some    []*place // the largest ones
	queries []*engine.Query
	named   []*engine.Query
	all     []*place
	vectors [][]float32
	logits  [][]float32
}

func (h *heads) add(places []place, w want, named []int) {
	for i := range places {
		place := &places[i]
		switch {
		case place.satisfies(w):
		case w > 0:
			place.largest.X, place.largest.K, place.named = place.hidden, int(w), false
			h.some = append(h.some, place)
		case w == someLogits:
			place.largest.X, place.largest.K, place.named = place.hidden, 0, true
			place.largest.Rows = append(place.largest.Rows[:0], named...)
			h.named = append(h.named, &place.largest)
		default:
			h.all = append(h.all, place)
		}
	}
}

// compute computes the logits. The largest ones are found by the head's screen,
// except the model's first ones, which do not wait for it to be built.
func (h *heads) compute(m *Model) {
	release := false
	if m.screened(len(h.some) > 0) {
		for _, place := range h.some {
			h.queries = append(h.queries, &place.largest)
		}
		m.engine.Largest(m.head, h.queries)
	} else {
		// The screen will be there soon: the head need not stay in memory.
		release = len(h.some) > 0 && len(h.all) == 0
	}
	for _, place := range h.some {
		if !place.largest.Found {
			h.all = append(h.all, place)
		}
	}
	for _, place := range h.all {
		if place.logits == nil {
			place.logits = make([]float32, m.head.Rows())
		}
		place.complete = true
		h.vectors, h.logits = append(h.vectors, place.hidden), append(h.logits, place.logits)
	}
	if len(h.all) > 0 {
		m.engine.Logits(h.logits, m.head, h.vectors, release)
	}
	if len(h.named) > 0 {
		m.engine.SomeLogits(m.head, h.named)
	}
	if len(h.all)+len(h.some) > 0 {
		m.served = true
	}
	clear(h.some)
	clear(h.queries)
	clear(h.named)
	clear(h.all)
	clear(h.vectors)
	clear(h.logits)
	*h = heads{h.some[:0], h.queries[:0], h.named[:0], h.all[:0], h.vectors[:0], h.logits[:0]}
}
