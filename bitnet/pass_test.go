package bitnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/internal/engine"
	"github.com/gobitnet/gobitnet/bitnet/internal/kvcache"
	"github.com/gobitnet/gobitnet/bitnet/internal/table"
	"github.com/gobitnet/gobitnet/quant"
)

// countedContext ends at the n-th question whether it has ended, so that every
// place that asks can be tried.
type countedContext struct {
	context.Context
	left  atomic.Int64
	ended chan struct{}
}

func endsAtQuestion(n int) *countedContext {
	c := &countedContext{Context: context.Background(), ended: make(chan struct{})}
	c.left.Store(int64(n))
	return c
}

func (c *countedContext) Done() <-chan struct{} { return c.ended }

func (c *countedContext) Err() error {
	left := c.left.Add(-1)
	if left == 0 {
		close(c.ended)
	}
	if left <= 0 {
		return context.Canceled
	}
	return nil
}

// busy keeps a model busy with another session until the test ends.
func busy(t *testing.T, m *Model) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s := newSession(t, m)
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			s.Append(ctx, []int{1, 2, 3})
			if s.Len() > 100 {
				s.Truncate(0)
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// TestCancelAppendAtEveryQuestion ends an Append at each place that asks for its
// context, alone and beside a busy session.
func TestCancelAppendAtEveryQuestion(t *testing.T) {
	for _, beside := range []bool{false, true} {
		t.Run(fmt.Sprintf("beside=%v", beside), func(t *testing.T) {
			m := tinyModel(t, WithThreads(2))
			ids := longSequence(m)[:230] // two pieces
			start := mustAppend(t, newSession(t, m), ids[:7]...)
			end := mustAppend(t, newSession(t, m), ids...)
			if beside {
				busy(t, m)
			}
			s := newSession(t, m)
			mustAppend(t, s, ids[:7]...)
			for n := 1; ; n++ {
				logits, err := s.Append(endsAtQuestion(n), ids[7:])
				if err == nil {
					sameLogits(t, "the call that was not cancelled", logits, end)
					if n < 10 {
						t.Errorf("it was asked %d times only", n)
					}
					return
				}
				if !errors.Is(err, context.Canceled) || s.Len() != 7 {
					t.Fatalf("question %d: %v, and %d tokens are held", n, err, s.Len())
				}
				if n%3 == 0 {
					sameLogits(t, fmt.Sprintf("after question %d", n), mustAppend(t, s), start)
				}
			}
		})
	}
}

// TestCancelGenerateAtEveryQuestion does the same for Generate: the session holds
// what the Result says, and goes on from there.
func TestCancelGenerateAtEveryQuestion(t *testing.T) {
	for _, beside := range []bool{false, true} {
		t.Run(fmt.Sprintf("beside=%v", beside), func(t *testing.T) {
			m := tinyModel(t, WithThreads(2))
			o := GenerateOptions{MaxTokens: 5, Temperature: 1, TopK: 20, Seed: 3}
			want := mustGenerate(t, newSession(t, m), "abc", o)
			if beside {
				busy(t, m)
			}
			for n := 1; ; n++ {
				s := newSession(t, m)
				r, err := s.Generate(endsAtQuestion(n), "abc", o)
				if err == nil {
					if !slices.Equal(r.Tokens, want.Tokens) {
						t.Errorf("%v, want %v", r.Tokens, want.Tokens)
					}
					return
				}
				if !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				if r == nil {
					if s.Len() != 0 || s.Result() != nil {
						t.Fatalf("question %d: no result, but %d tokens are held", n, s.Len())
					}
					continue
				}
				if r.Reason != StopCanceled || !slices.Equal(r.Tokens, want.Tokens[:len(r.Tokens)]) || s.Len() != r.PromptTokens+len(r.Tokens) {
					t.Fatalf("question %d: %+v, and %d tokens are held", n, r, s.Len())
				}
				sameLogits(t, fmt.Sprintf("after question %d", n), mustAppend(t, s), mustAppend(t, newSession(t, m), s.Tokens()...))
				s.Close()
			}
		})
	}
}

// together has several calls go through the model in one pass: they are made
// while another pass is kept from beginning.
func together(t *testing.T, m *Model, calls ...func()) {
	t.Helper()
	if err := m.engine.Pool.Acquire(context.Background()); err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	call := func(f func(), waiting int) {
		done.Go(f)
		for limit := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
			m.passes.mu.Lock()
			n, running := len(m.passes.waiting), len(m.passes.running)
			m.passes.mu.Unlock()
			if running == 1 && n == waiting {
				return
			}
			if time.Now().After(limit) {
				m.engine.Pool.Release()
				t.Fatalf("%d requests wait, want %d", n, waiting)
			}
		}
	}
	first := newSession(t, m)
	call(func() { first.Append(context.Background(), []int{1}) }, 1)
	for i, f := range calls {
		call(f, i+2)
	}
	m.engine.Pool.Release()
	done.Wait()
}

// TestOnePassForAll counts the rows of a pass, and that a place in it makes no
// difference.
func TestOnePassForAll(t *testing.T) {
	m := tinyModel(t, WithThreads(2))
	ids := longSequence(m)
	var sessions []*Session
	var got, want [][]float32
	for i := range 6 {
		s := newSession(t, m)
		mustAppend(t, s, ids[i:i+20*i+1]...)
		sessions = append(sessions, s)
		want = append(want, mustAppend(t, s.Fork(), ids[i+20*i+1:i+20*i+3]...))
		got = append(got, nil)
	}
	var calls []func()
	for i, s := range sessions {
		calls = append(calls, func() {
			logits, err := s.Append(context.Background(), ids[i+20*i+1:i+20*i+3])
			if err != nil {
				t.Error(err)
			}
			got[i] = slices.Clone(logits)
		})
	}
	together(t, m, calls...)
	for i := range sessions {
		sameLogits(t, fmt.Sprintf("session %d", i), got[i], want[i])
	}
	if rows := m.passes.batch.Rows(); rows != 12 {
		t.Errorf("the pass had %d rows, want 12", rows)
	}
}

// TestNotFiniteAlone has one of three sessions in a pass meet infinities.
func TestNotFiniteAlone(t *testing.T) {
	m := tinyModel(t, WithThreads(2))
	rows, width := m.weights.embedding.Rows(), m.config.EmbeddingLength
	data := slices.Clone(m.weights.embedding.Bytes(0, rows))
	binary.LittleEndian.PutUint16(data[2*(77*width+3):], 0x7c00) // +Inf
	var err error
	if m.weights.embedding, err = table.New(gguf.F16, rows, width, data); err != nil {
		t.Fatal(err)
	}
	want := mustAppend(t, newSession(t, m), 5, 6, 7)
	a, b, bad := newSession(t, m), newSession(t, m), newSession(t, m)
	before := mustAppend(t, bad, 8, 9)
	var first, second []float32
	together(t, m,
		func() { first, _ = a.Append(context.Background(), []int{5, 6, 7}) },
		func() { _, err = bad.Append(context.Background(), []int{10, 77, 11}) },
		func() { second, _ = b.Append(context.Background(), []int{5, 6, 7}) },
	)
	if !errors.Is(err, ErrNotFinite) || bad.Len() != 2 {
		t.Errorf("infinities: %v, and %d tokens are held", err, bad.Len())
	}
	sameLogits(t, "the session before", first, want)
	sameLogits(t, "the session after", second, want)
	sameLogits(t, "the session itself, later", mustAppend(t, bad), before)
}

// TestBroken panics within a pass, on the leader's thread and on all.
func TestBroken(t *testing.T) {
	ctx := context.Background()
	for name, ruin := range map[string]func(m *Model){
		"leader":  func(m *Model) { m.weights.embedding = nil },
		"threads": func(m *Model) { m.activation = nil },
	} {
		t.Run(name, func(t *testing.T) {
			m := tinyModel(t, WithThreads(2))
			s, other := newSession(t, m), newSession(t, m)
			mustAppend(t, s, 1, 2)
			ruin(m)
			var errs [2]error
			together(t, m,
				func() { _, errs[0] = s.Append(ctx, []int{3}) },
				func() { _, errs[1] = other.Append(ctx, []int{4}) },
			)
			_, later := s.Append(ctx, []int{3})
			_, generated := other.Generate(ctx, "x", GenerateOptions{})
			_, counts := m.KernelCounts(ctx)
			for i, err := range append(errs[:], later, generated, counts) {
				var broken *BrokenError
				if !errors.As(err, &broken) || broken.Value == nil || len(broken.Stack) == 0 {
					t.Errorf("call %d: %v", i, err)
				}
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPlan holds what goes into a pass against the policy.
func TestPlan(t *testing.T) {
	cache := kvcache.New(kvcache.Shape{Layers: 1, Heads: 1, HeadSize: 16})
	for name, c := range map[string]struct {
		mixed    int
		waiting  []int // tokens of each request
		evaluted []int // so many of them in the pass
	}{
		"one token":                     {8, []int{1}, []int{1}},
		"tokens together":               {8, []int{1, 3, 1}, []int{1, 3, 1}},
		"a prompt alone":                {8, []int{192}, []int{192}},
		"prompts in order":              {8, []int{150, 150, 9}, []int{150, 42, 0}},
		"a prompt beside a token":       {8, []int{192, 1}, []int{7, 1}},
		"a prompt beside many":          {8, []int{192, 8, 8, 8}, []int{3, 8, 8, 8}},
		"longer passes":                 {24, []int{192, 192, 1, 1}, []int{22, 0, 1, 1}},
		"a prompt beside a head's row":  {12, []int{100, 0}, []int{12, 0}},
		"more than a batch of tokens":   {8, slices.Repeat([]int{1}, 200), append(slices.Repeat([]int{1}, 186), make([]int, 14)...)},
		"prompts are never kept out":    {8, append([]int{50}, slices.Repeat([]int{8}, 30)...), append(append([]int{3}, slices.Repeat([]int{8}, 23)...), make([]int, 7)...)},
		"a prompt's end waits no more":  {8, []int{192, 8}, []int{3, 8}},
		"two prompts and their request": {16, []int{10, 192, 2}, []int{10, 4, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			p := passes{mixed: c.mixed}
			for _, n := range c.waiting {
				p.waiting = append(p.waiting, &request{cache: cache, tokens: make([]int, n)})
			}
			p.plan()
			total := 0
			for i, r := range p.waiting {
				if r.rows != c.evaluted[i] {
					t.Errorf("request %d of %d tokens has %d rows, want %d", i, c.waiting[i], r.rows, c.evaluted[i])
				}
				total += r.rows
			}
			if total != p.batch.Rows() || total > BlockTokens {
				t.Errorf("%d rows in the batch, %d of all requests", p.batch.Rows(), total)
			}
		})
	}
}

// TestAdapt lets passes take as long as a model would have them and expects the
// rows of prompts beside others to settle where a pass takes about two and a half
// times as long as without.
func TestAdapt(t *testing.T) {
	for _, perRow := range []time.Duration{100 * time.Microsecond, time.Millisecond, 7 * time.Millisecond, 40 * time.Millisecond} {
		p := passes{mixed: leastMixed}
		const alone = 30 * time.Millisecond
		p.last = alone
		p.adapt(false, true)
		var rows int
		for range 100 {
			rows = p.mixed
			p.batch = engine.Batch{}
			p.batch.Add(engine.Span{Tokens: make([]int, rows)})
			p.last = alone + time.Duration(rows-1)*perRow
			p.adapt(true, true)
		}
		length := float64(p.last) / float64(alone)
		if rows != leastMixed && rows != BlockTokens-leastMixed && (length < 1.9 || length > 3.1) || rows == leastMixed && length < 2.2 || rows > 100 && length > 3.1 {
			t.Errorf("%v a row: %d rows, a pass takes %.1f times as long", perRow, rows, length)
		}
	}
}

// TestSameBitsTogether interleaves five sessions at random, with forks, cuts of all
// sizes and drafts, and compares every result with that of the sequence alone.
func TestSameBitsTogether(t *testing.T) {
	ctx := context.Background()
	for _, k := range quant.Available() {
		for _, threads := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("%s/%d", k.Name(), threads), func(t *testing.T) {
				if (testing.Short() || k.Name() == "generic") && threads != 2 {
					t.Skip("slow")
				}
				path, ids, _ := reference(t, "tiny", "exact.f32")
				m := openModel(t, path, WithKernels(k.Name()), WithThreads(threads))
				alone := newSession(t, m)
				var rows [][]float32
				for _, id := range ids {
					rows = append(rows, mustAppend(t, alone, id))
				}
				if got := digest(rows); got != tinyDigest {
					t.Fatalf("token by token: digest %s, want %s", got, tinyDigest)
				}
				o := GenerateOptions{MaxTokens: 12, Temperature: 1.1, TopK: 50, Seed: 8}
				continued := mustGenerate(t, newSessionOf(t, m, ids, WithoutLookahead()), "", o)
				var all sync.WaitGroup
				for i := range 5 {
					all.Go(func() {
						r := rand.New(rand.NewPCG(uint64(i), 99))
						s := newSession(t, m)
						for s.Len() < len(ids) {
							n := min(1+r.IntN(len(ids)/2), len(ids)-s.Len())
							logits, err := s.Append(ctx, ids[s.Len():s.Len()+n])
							if err != nil {
								t.Error(err)
								return
							}
							sameLogits(t, fmt.Sprintf("session %d at %d", i, s.Len()), logits, rows[s.Len()-1])
							switch r.IntN(4) {
							case 0:
								old := s
								s = s.Fork()
								old.Truncate(s.Len() / 2)
								if _, err := old.Append(ctx, []int{1, 2, 3}); err != nil {
									t.Error(err)
								}
								old.Close()
							case 1:
								s.Truncate(s.Len() - s.Len()/3)
							}
						}
						s.lookahead.draft = drafter(continued.Tokens, len(ids), i)
						got, err := s.Generate(ctx, "", o)
						if err != nil || !slices.Equal(got.Tokens, continued.Tokens) {
							t.Errorf("session %d generated %v, %v; alone %v", i, got, err, continued.Tokens)
						}
						s.Close()
					})
				}
				all.Wait()
			})
		}
	}
}

// drafter guesses tokens that are known: all right, all wrong, or half of them,
// by kind.
func drafter(known []int, start, kind int) func(tokens []int, n int) []int {
	calls := 0
	return func(tokens []int, n int) []int {
		calls++
		at := len(tokens) - start
		guess := slices.Clone(known[at:min(at+n, len(known))])
		for i := range guess {
			if kind%3 == 1 || kind%3 == 2 && (calls+i)%2 == 0 {
				guess[i]++
			}
		}
		return guess
	}
}

func newSessionOf(t testing.TB, m *Model, ids []int, opts ...SessionOption) *Session {
	t.Helper()
	s := newSession(t, m, opts...)
	mustAppend(t, s, ids...)
	return s
}

// TestThousandSessions runs them all at once on one model, a tenth of them
// cancelled at random, and compares with one after the other.
func TestThousandSessions(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 100
	}
	m := tinyModel(t, WithThreads(2))
	texts := []string{"abc", "Hello, world", "The quick brown fox", "one two three", "x"}
	run := func(ctx context.Context, i int) (*Result, error) {
		s, err := m.NewSession()
		if err != nil {
			return nil, err
		}
		defer s.Close()
		return s.Generate(ctx, texts[i%5], GenerateOptions{MaxTokens: 4 + i%3, Temperature: float64(i%4) / 3, TopK: i % 3 * 20, Seed: uint64(i % 2)})
	}
	want := make([]*Result, 60) // of which all are repetitions
	for i := range want {
		var err error
		if want[i], err = run(context.Background(), i); err != nil {
			t.Fatal(err)
		}
	}
	before := runtime.NumGoroutine()
	var all sync.WaitGroup
	var canceled atomic.Int64
	for i := range n {
		all.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if i%10 == 0 {
				time.AfterFunc(time.Duration(rand.IntN(n))*time.Millisecond, cancel)
			}
			r, err := run(ctx, i)
			switch {
			case err == nil && slices.Equal(r.Tokens, want[i%60].Tokens) && r.Text == want[i%60].Text:
			case i%10 == 0 && errors.Is(err, context.Canceled):
				canceled.Add(1)
			default:
				t.Errorf("session %d: %+v, %v; alone %+v", i, r, err, want[i%60])
			}
		})
	}
	all.Wait()
	t.Logf("%d of %d sessions were cancelled", canceled.Load(), n)
	for limit := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%d goroutines are left of %d", runtime.NumGoroutine(), before)
		}
	}
	if n := len(m.passes.waiting); n != 0 {
		t.Errorf("%d requests are left", n)
	}
}

// TestTogetherAllocatesNothing counts the allocations of eight sessions that go
// on token by token.
func TestTogetherAllocatesNothing(t *testing.T) {
	m := tinyModel(t, WithThreads(2))
	const sessions, tokens = 8, 40
	steps := func(s *Session, n int) {
		id := []int{7}
		for range n {
			if err := s.extend(context.Background(), id, want(1), nil); err != nil {
				t.Error(err)
			}
			s.choose(s.last.at(s.evaluated), &GenerateOptions{}, nil)
		}
	}
	begin, measured := make(chan struct{}), make(chan struct{})
	var there, ready, all sync.WaitGroup
	there.Add(sessions)
	ready.Add(sessions)
	for i := range sessions {
		all.Go(func() {
			s := newSession(t, m)
			mustAppend(t, s, i)
			there.Done()
			<-begin
			steps(s, tokens) // until everything has the size that it takes
			ready.Done()
			<-measured
			steps(s, tokens)
		})
	}
	there.Wait()
	close(begin)
	ready.Wait()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	close(measured)
	all.Wait()
	runtime.ReadMemStats(&after)
	// Ending goroutines, the measurement itself and lists that still grow allocate a
	// little.
	if n := float64(after.Mallocs-before.Mallocs) / (sessions * tokens); n > 0.5 {
		t.Errorf("%.2f allocations a token", n)
	}
}
