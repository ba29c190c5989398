package bitnet

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"
)

func tinyModel(t testing.TB, opts ...Option) *Model {
	t.Helper()
	path, _, _ := reference(t, "tiny", "exact.f32")
	return openModel(t, path, opts...)
}

func mustAppend(t testing.TB, s *Session, ids ...int) []float32 {
	t.Helper()
	logits, err := s.Append(context.Background(), ids)
	if err != nil {
		t.Fatal(err)
	}
	return append([]float32(nil), logits...)
}

func sameLogits(t testing.TB, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d logits, want %d", what, len(got), len(want))
	}
	for i, v := range got {
		if math.Float32bits(v) != math.Float32bits(want[i]) {
			t.Fatalf("%s: logit %d is %x, want %x", what, i, v, want[i])
		}
	}
}

func TestTruncateAndGoOn(t *testing.T) {
	m := tinyModel(t)
	want := mustAppend(t, newSession(t, m), 1, 2, 3, 4, 9, 8)
	s := newSession(t, m)
	mustAppend(t, s, 1, 2, 3, 4, 5, 6, 7)
	s.Truncate(100)
	if s.Len() != 7 {
		t.Fatalf("Len is %d after a Truncate beyond the end", s.Len())
	}
	s.Truncate(4)
	if s.Len() != 4 {
		t.Fatalf("Len is %d, want 4", s.Len())
	}
	four := mustAppend(t, newSession(t, m), 1, 2, 3, 4)
	sameLogits(t, "without new tokens", mustAppend(t, s), four)
	sameLogits(t, "after other tokens", mustAppend(t, s, 9, 8), want)
	s.Truncate(-1)
	if _, err := s.Append(context.Background(), nil); !errors.Is(err, ErrEmpty) {
		t.Fatalf("Append of nothing to nothing: %v", err)
	}
}

func TestFork(t *testing.T) {
	m := tinyModel(t)
	ids := longSequence(m)[:140]
	s := newSession(t, m)
	before := mustAppend(t, s, ids...)
	fork := s.Fork()
	defer fork.Close()
	sameLogits(t, "the fork's last logits", mustAppend(t, fork), before)
	a, b := mustAppend(t, s, 11, 12), mustAppend(t, fork, 21, 22)
	sameLogits(t, "the original after the fork went on", a, mustAppend(t, newSession(t, m), append(append([]int(nil), ids...), 11, 12)...))
	sameLogits(t, "the fork", b, mustAppend(t, newSession(t, m), append(append([]int(nil), ids...), 21, 22)...))
	s.Close()
	fork.Truncate(140)
	sameLogits(t, "the fork after the original was closed", mustAppend(t, fork, 11, 12), a)
}

func TestAppendErrors(t *testing.T) {
	ctx := context.Background()
	m := tinyModel(t)
	s := newSession(t, m, WithContext(10))
	want := mustAppend(t, s, 1, 2, 3)
	for _, id := range []int{-1, 4096, math.MaxInt, math.MinInt} {
		_, err := s.Append(ctx, []int{5, id})
		var te *TokenError
		if !errors.Is(err, ErrToken) || !errors.As(err, &te) || te.ID != id || te.Index != 1 {
			t.Errorf("token %d: %v", id, err)
		}
	}
	_, err := s.Append(ctx, make([]int, 8))
	var ce *ContextError
	if !errors.Is(err, ErrContext) || !errors.As(err, &ce) || ce.Length != 3 || ce.Added != 8 || ce.Context != 10 {
		t.Errorf("too many tokens: %v", err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Append(canceled, []int{4}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if s.Len() != 3 {
		t.Fatalf("Len is %d after calls that failed, want 3", s.Len())
	}
	sameLogits(t, "after calls that failed", mustAppend(t, s), want)
	mustAppend(t, s, 4, 5, 6, 7, 8, 9, 10)
	if _, err := s.Append(ctx, []int{1}); !errors.Is(err, ErrContext) {
		t.Errorf("a full session: %v", err)
	}
	for _, n := range []int{0, -1, 513} {
		if _, err := m.NewSession(WithContext(n)); !errors.Is(err, ErrOption) {
			t.Errorf("context of %d: %v", n, err)
		}
	}
}

// TestCancelInside ends the context at different moments of a long Append.
func TestCancelInside(t *testing.T) {
	m := tinyModel(t, WithThreads(2))
	ids := longSequence(m)
	want := mustAppend(t, newSession(t, m), ids...)
	s := newSession(t, m)
	mustAppend(t, s, ids[:7]...)
	canceled := 0
	for i := range 40 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*200*time.Microsecond)
		_, err := s.Append(ctx, ids[7:])
		cancel()
		if err == nil {
			s.Truncate(7)
			continue
		}
		canceled++
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if s.Len() != 7 {
			t.Fatalf("Len is %d after a cancelled Append, want 7", s.Len())
		}
	}
	if canceled == 0 {
		t.Error("no call was cancelled")
	}
	sameLogits(t, "after cancelled calls", mustAppend(t, s, ids[7:]...), want)
}

func TestClose(t *testing.T) {
	ctx := context.Background()
	m := tinyModel(t)
	s := newSession(t, m)
	mustAppend(t, s, 1, 2)
	s.Close()
	s.Close()
	if _, err := s.Append(ctx, []int{1}); err != ErrClosed {
		t.Errorf("Append to a closed session: %v", err)
	}
	if _, err := s.Generate(ctx, "a", GenerateOptions{}); err != ErrClosed {
		t.Errorf("Generate in a closed session: %v", err)
	}
	if _, err := s.Fork().Append(ctx, []int{1}); err != ErrClosed {
		t.Errorf("Append to a closed session's fork: %v", err)
	}
	open := newSession(t, m)
	mustAppend(t, open, 1)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for _, ids := range [][]int{{1}, nil} {
		if _, err := open.Append(ctx, ids); err != ErrClosed {
			t.Errorf("Append of %v after the model was closed: %v", ids, err)
		}
	}
	if _, err := open.Generate(ctx, "a", GenerateOptions{}); err != ErrClosed {
		t.Errorf("Generate after the model was closed: %v", err)
	}
	if _, err := m.NewSession(); err != ErrClosed {
		t.Errorf("NewSession after the model was closed: %v", err)
	}
	if m.Tokenizer().Decode([]int{64}) == "" {
		t.Error("the tokenizer does not outlive the model")
	}
}

// TestCloseWhileBusy closes a model that several sessions use.
func TestCloseWhileBusy(t *testing.T) {
	ctx := context.Background()
	m := tinyModel(t, WithThreads(2))
	done := make(chan error)
	for range 4 {
		go func() {
			s, err := m.NewSession()
			for err == nil {
				_, err = s.Append(ctx, []int{1})
				if s.Len() > 500 {
					s.Truncate(0)
				}
			}
			done <- err
		}()
	}
	time.Sleep(20 * time.Millisecond)
	m.Close()
	for range 4 {
		if err := <-done; err != ErrClosed {
			t.Errorf("a busy session ended with %v", err)
		}
	}
}

func TestDecodingAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	m := tinyModel(t, WithThreads(2))
	s := newSession(t, m)
	mustAppend(t, s, 1, 2, 3)
	id := []int{7}
	step := func() {
		if _, err := s.Append(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(50, step); n != 0 {
		t.Errorf("%v allocations for a token with all logits", n)
	}
	o := GenerateOptions{}
	greedy := func() {
		if err := s.extend(ctx, id, o.want(m), nil); err != nil {
			t.Fatal(err)
		}
		s.choose(s.last.at(s.evaluated), &o, s.tokens[3:])
	}
	if n := testing.AllocsPerRun(50, greedy); n != 0 {
		t.Errorf("%v allocations for a greedy token", n)
	}
	o = GenerateOptions{RepetitionPenalty: 1.1, PresencePenalty: 1, FrequencyPenalty: 1, LogitBias: map[int]float64{5: 1}}
	if n := testing.AllocsPerRun(50, greedy); n != 0 {
		t.Errorf("%v allocations for a greedy token with penalties", n)
	}
}
