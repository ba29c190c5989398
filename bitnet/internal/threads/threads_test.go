package threads

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestEveryPartOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 7} {
		p := New(threads)
		if p.Threads() != threads {
			t.Fatalf("%d threads, want %d", p.Threads(), threads)
		}
		for parts := range 60 {
			for range 20 {
				calls := make([]int32, parts)
				p.Run(parts, func(thread, part int) {
					if thread < 0 || thread >= threads {
						t.Errorf("thread %d of %d", thread, threads)
					}
					calls[part]++ // a second call would be a data race, too
				})
				for part, n := range calls {
					if n != 1 {
						t.Fatalf("%d threads, %d parts: part %d was called %d times", threads, parts, part, n)
					}
				}
			}
		}
		p.Close()
	}
}

// TestJobsAfterSleep leaves pauses of all lengths between jobs, so that
// workers are caught awake, falling asleep and asleep.
func TestJobsAfterSleep(t *testing.T) {
	p := New(3)
	defer p.Close()
	for i := range 60 {
		time.Sleep(time.Duration(i*i) * time.Microsecond)
		var sum atomic.Int64
		p.Run(10, func(_, part int) { sum.Add(int64(part)) })
		if sum.Load() != 45 {
			t.Fatalf("job %d: sum %d, want 45", i, sum.Load())
		}
	}
}

// TestBothThreadsWork has two parts wait for each other, which can only end
// when they run at once.
func TestBothThreadsWork(t *testing.T) {
	p := New(2)
	defer p.Close()
	for range 10 {
		var arrived sync.WaitGroup
		arrived.Add(2)
		p.Run(2, func(int, int) {
			arrived.Done()
			arrived.Wait()
		})
	}
}

func TestMoreThreadsThanProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p := New(4)
	defer p.Close()
	start := time.Now()
	var calls atomic.Int64
	for range 1000 {
		p.Run(8, func(int, int) { calls.Add(1) })
	}
	if calls.Load() != 8000 {
		t.Fatal(calls.Load())
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Fatalf("took %v", d)
	}
}

func TestTurns(t *testing.T) {
	p := New(2)
	ctx := context.Background()
	if err := p.Acquire(ctx); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if err := p.Acquire(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Acquire out of turn: %v", err)
	}
	var inside, wrong atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if err := p.Acquire(ctx); err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					wrong.Add(1)
				}
				p.Run(4, func(int, int) {})
				inside.Add(-1)
				p.Release()
			}
		})
	}
	p.Release()
	all.Wait()
	if wrong.Load() != 0 {
		t.Fatal("two had the pool at once")
	}
	p.Close()
	p.Close()
	if err := p.Acquire(ctx); err != ErrClosed {
		t.Fatalf("Acquire of a closed pool: %v", err)
	}
}

func TestCloseEndsWorkers(t *testing.T) {
	before := runtime.NumGoroutine()
	p := New(5)
	p.Run(10, func(int, int) {})
	p.Close()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%d goroutines, before %d", runtime.NumGoroutine(), before)
}

func TestRunAllocatesNothing(t *testing.T) {
	p := New(2)
	defer p.Close()
	do := func(int, int) {}
	if n := testing.AllocsPerRun(100, func() { p.Run(8, do) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// BenchmarkRun is the price of one job: hand it out, meet again.
func BenchmarkRun(b *testing.B) {
	p := New(2)
	defer p.Close()
	do := func(int, int) {}
	for b.Loop() {
		p.Run(16, do)
	}
}
