// Package threads runs the parts of a job on several processors with as little
// delay as a barrier can have.
//
// One token of decoding is some 150 jobs of 20 to 200 microseconds each, so
// workers wait for the next job without sleeping; only when none comes for a
// while do they go to sleep, and then they use no processor time at all.
package threads

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// busyWait is how long a worker watches for the next job without giving
	// its processor away. The serial stretches between the jobs of a step are
	// shorter.
	busyWait = 50 * time.Microsecond
	// awake is how long it goes on watching, letting other goroutines run in
	// between, before it sleeps until it is woken.
	awake = 2 * time.Millisecond
	// pausesPerLook is how many times it pauses between looks at the clock.
	pausesPerLook = 32

	maxParts = 1<<24 - 1
)

// ErrClosed says that the pool has been closed.
var ErrClosed = errors.New("the pool is closed")

// ErrBroken says that a part of an earlier job has panicked.
var ErrBroken = errors.New("a job has panicked")

// A Panic is what Run panics with where a part did, on whichever thread.
type Panic struct {
	Value any
	Stack []byte // of the part
}

// A Pool is a fixed number of threads: workers, and the goroutine that calls
// Run. A pool runs one job at a time; goroutines that share one take turns by
// Acquire and Release.
type Pool struct {
	turn    chan struct{} // holds a token while nobody has the pool
	closed  chan struct{}
	closing sync.Once
	workers []worker
	exited  sync.WaitGroup

	// do is written by Run between jobs only: no part is being worked on then.
	do func(thread, part int)

	_ [64]byte // what follows is written by all threads, again and again

	// state holds the number of the job, how many parts it has and how many
	// of them are taken. Having all three in one word makes it safe to take a
	// part: a worker that comes late finds another job's number or no parts
	// left, and need not be waited for.
	state    atomic.Uint64
	_        [56]byte
	finished atomic.Int64 // parts of the job that are done
	_        [56]byte

	panicked atomic.Pointer[Panic]
}

type worker struct {
	asleep atomic.Bool
	wake   chan struct{}
	_      [48]byte
}

// state is job(16) | parts(24) | taken(24).
func pack(job, parts uint64) uint64 { return job<<48 | parts<<24 }
func parts(state uint64) uint64     { return state >> 24 & maxParts }
func taken(state uint64) uint64     { return state & maxParts }

// New makes a pool of a number of threads, at least one. The first is the
// caller of Run; the others are goroutines that Close ends.
func New(threads int) *Pool {
	p := &Pool{turn: make(chan struct{}, 1), closed: make(chan struct{}), workers: make([]worker, max(threads, 1)-1)}
	p.turn <- struct{}{}
	for i := range p.workers {
		p.workers[i].wake = make(chan struct{}, 1)
		p.exited.Add(1)
		go p.work(i)
	}
	return p
}

// Threads returns the number of threads.
func (p *Pool) Threads() int { return len(p.workers) + 1 }

// Acquire waits for the caller's turn to use the pool. It fails where ctx ends
// first, or the pool is closed or broken.
func (p *Pool) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.panicked.Load() != nil {
		return ErrBroken
	}
	select {
	case <-p.closed:
		return ErrClosed
	default:
	}
	select {
	case <-p.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-p.closed:
		return ErrClosed
	}
}

// Release ends a turn that Acquire began.
func (p *Pool) Release() { p.turn <- struct{}{} }

// Close waits for the turn that is under way, ends the workers and makes
// Acquire fail from then on.
func (p *Pool) Close() {
	p.closing.Do(func() {
		<-p.turn
		close(p.closed)
		p.exited.Wait()
	})
}

// Run calls do(thread, part) for every part from 0 up to parts and returns when
// all calls have. Threads, numbered from 0, take the next part when they have
// finished one, so which thread does what is left open. The caller has
// acquired the pool.
//
// Where a part panics, the others are still called, and then Run panics with a
// *Panic. The pool is broken from then on: Acquire fails.
func (p *Pool) Run(parts int, do func(thread, part int)) {
	p.do = do
	if parts <= 1 || len(p.workers) == 0 || parts > maxParts {
		for part := range parts {
			p.runPart(0, part)
		}
	} else {
		p.share(parts)
	}
	p.do = nil
	if panicked := p.panicked.Load(); panicked != nil {
		panic(panicked)
	}
}

// share has all threads take parts.
func (p *Pool) share(parts int) {
	p.finished.Store(0)
	job := p.state.Load()>>48 + 1
	p.state.Store(pack(job, uint64(parts)))
	for i := range p.workers {
		if w := &p.workers[i]; w.asleep.Load() && w.asleep.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
	p.takeParts(0)
	var start time.Time
	for n := 0; p.finished.Load() != int64(parts); n++ {
		if pause(); n%pausesPerLook != pausesPerLook-1 {
			continue
		}
		if start.IsZero() {
			start = time.Now()
		} else if time.Since(start) > busyWait {
			runtime.Gosched()
		}
	}
}

// runPart runs one part, which is finished also where it panics.
func (p *Pool) runPart(thread, part int) {
	defer func() {
		if v := recover(); v != nil {
			p.panicked.CompareAndSwap(nil, &Panic{v, debug.Stack()})
		}
		p.finished.Add(1)
	}()
	p.do(thread, part)
}

func (p *Pool) takeParts(thread int) (any bool) {
	for {
		state := p.state.Load()
		part := taken(state)
		if part >= parts(state) {
			return any
		}
		if !p.state.CompareAndSwap(state, state+1) {
			continue
		}
		p.runPart(thread, int(part))
		any = true
	}
}

func (p *Pool) work(i int) {
	defer p.exited.Done()
	debug.SetPanicOnFault(true) // a mapped file that has been cut is the job's trouble
	w := &p.workers[i]
	var idle time.Time
	for n := 0; ; n++ {
		if p.takeParts(i + 1) {
			idle, n = time.Time{}, 0
		}
		if pause(); n%pausesPerLook != pausesPerLook-1 {
			continue
		}
		if idle.IsZero() {
			idle = time.Now()
			continue
		}
		switch waited := time.Since(idle); {
		case waited > awake:
			if !p.sleep(w) {
				return
			}
			idle = time.Time{}
		case waited > busyWait:
			runtime.Gosched()
		}
	}
}

// sleep returns when there may be a job again; false says that the pool is
// closed.
func (p *Pool) sleep(w *worker) bool {
	w.asleep.Store(true)
	// A job that began before asleep was set may not have seen it.
	if state := p.state.Load(); taken(state) < parts(state) && w.asleep.CompareAndSwap(true, false) {
		return true
	}
	select {
	case <-w.wake:
		return true
	case <-p.closed:
		return false
	}
}
