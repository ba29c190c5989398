package bitnet

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/gobitnet/gobitnet/quant"
)

func mustScore(t testing.TB, s *Session, ids ...int) []float64 {
	t.Helper()
	scores, err := s.Score(context.Background(), ids)
	if err != nil {
		t.Fatal(err)
	}
	return scores
}

// TestScore holds scores against the logits of Append, token by token, in double
// precision, and every kernel set and way to cut a text against that, by bits.
func TestScore(t *testing.T) {
	for _, name := range []string{"tiny", "micro-untied"} {
		path, _, _ := reference(t, name, "exact.f32")
		m := openModel(t, path)
		ids := longSequence(m)[:200]
		s := newSession(t, m)
		whole := mustScore(t, s, ids...)
		if len(whole) != len(ids) || !math.IsNaN(whole[0]) || !slices.Equal(s.Tokens(), ids) {
			t.Fatalf("%d scores, the first is %v; the session holds %d tokens", len(whole), whole[0], s.Len())
		}
		plain := newSession(t, m)
		for i, id := range ids[:len(ids)-1] {
			logits, sum := mustAppend(t, plain, id), 0.0
			for _, v := range logits {
				sum += math.Exp(float64(v) - float64(logits[ids[i+1]]))
			}
			if want := -math.Log(sum); math.Abs(whole[i+1]-want) > 1e-5 {
				t.Fatalf("%s: score %d is %v, in double precision %v", name, i+1, whole[i+1], want)
			}
		}
		sameLogits(t, "after Score", mustAppend(t, s), mustAppend(t, plain, ids[len(ids)-1]))

		r := rand.New(rand.NewPCG(1, 5))
		for _, k := range quant.Available() {
			m := openModel(t, path, WithKernels(k.Name()), WithThreads(2))
			n := len(ids)
			if k.Name() == "generic" {
				n = 30
			}
			s := newSession(t, m)
			var pieces []float64
			for len(pieces) < n {
				pieces = append(pieces, mustScore(t, s, ids[len(pieces):len(pieces)+1+r.IntN(n-len(pieces))]...)...)
				if r.IntN(2) == 0 {
					s = s.Fork()
					defer s.Close()
				}
			}
			if !math.IsNaN(pieces[0]) || !slices.Equal(pieces[1:], whole[1:n]) {
				t.Errorf("%s, %s: in pieces %v, in one %v", name, k.Name(), pieces, whole)
			}
		}
	}
}

// TestScoreIsLogProb scores what was generated, in the session that generated it.
func TestScoreIsLogProb(t *testing.T) {
	m := tinyModel(t)
	s := newSession(t, m)
	var ids []int
	var want []float64
	for token, err := range s.Stream(context.Background(), "abc", GenerateOptions{MaxTokens: 20, Temperature: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		ids, want = append(ids, token.ID), append(want, token.LogProb())
	}
	s.Truncate(s.Len() - len(ids))
	if got := mustScore(t, s, ids...); !slices.Equal(got, want) {
		t.Errorf("scores %v, log-probabilities %v", got, want)
	}
	// With a token that has been chosen and not evaluated.
	r := mustGenerate(t, s, "", GenerateOptions{MaxTokens: 3})
	if s.evaluated == s.Len() {
		t.Fatal("all tokens are evaluated")
	}
	ids = append(s.Tokens(), 7, 8, 9)
	if got, want := mustScore(t, s, 7, 8, 9), mustScore(t, newSession(t, m), ids...); !slices.Equal(got, want[len(want)-3:]) {
		t.Errorf("after %v: scores %v, want %v", r.Tokens, got, want[len(want)-3:])
	}
}

func TestAppendEach(t *testing.T) {
	ctx := context.Background()
	m := tinyModel(t, WithThreads(2))
	ids := longSequence(m)[:230]
	var rows [][]float32
	plain := newSession(t, m)
	for _, id := range ids {
		rows = append(rows, mustAppend(t, plain, id))
	}
	s := newSession(t, m)
	i := 0
	for logits, err := range s.AppendEach(ctx, ids) {
		if err != nil {
			t.Fatal(err)
		}
		sameLogits(t, fmt.Sprintf("after token %d", i), logits, rows[i])
		i++
	}
	if i != len(ids) || !slices.Equal(s.Tokens(), ids) {
		t.Fatalf("%d rows, and the session holds %d tokens", i, s.Len())
	}
	for _, seen := range []int{1, 7, 8, 9, 192, 193, 229, 230} {
		s.Truncate(0)
		mustAppend(t, s, ids[:2]...)
		i := 2
		for logits, err := range s.AppendEach(ctx, ids[2:]) {
			if err != nil {
				t.Fatal(err)
			}
			sameLogits(t, fmt.Sprintf("after token %d", i), logits, rows[i])
			if i++; i == seen+2 {
				break
			}
		}
		if !slices.Equal(s.Tokens(), ids[:i]) {
			t.Fatalf("the loop was left after %d rows, and the session holds %d tokens of %d", seen, s.Len(), i)
		}
		sameLogits(t, fmt.Sprintf("after %d rows", seen), mustAppend(t, s), rows[i-1])
	}
	for range s.AppendEach(ctx, nil) {
		t.Error("a row for no token")
	}
	turns, last := 0, error(nil)
	for _, err := range newSession(t, m).AppendEach(ctx, []int{1, -1}) {
		turns, last = turns+1, err
	}
	if turns != 1 || !errors.Is(last, ErrToken) {
		t.Errorf("an unknown token: %d turns, %v", turns, last)
	}
	// A loop that does what it is not to do.
	s.Truncate(0)
	for _, err := range s.AppendEach(ctx, ids) {
		last = err
		s.Close()
	}
	if last != ErrClosed {
		t.Errorf("closed in the loop: %v", last)
	}
}

func TestScoreErrors(t *testing.T) {
	ctx := context.Background()
	m := tinyModel(t)
	s := newSession(t, m, WithContext(10))
	before := mustAppend(t, s, 1, 2, 3)
	var token *TokenError
	if _, err := s.Score(ctx, []int{4, 5, 4096}); !errors.As(err, &token) || token.Index != 2 {
		t.Errorf("an unknown token: %v", err)
	}
	var full *ContextError
	if _, err := s.Score(ctx, make([]int, 8)); !errors.As(err, &full) || full.Length != 3 || full.Added != 8 {
		t.Errorf("too many tokens: %v", err)
	}
	if scores, err := s.Score(ctx, nil); err != nil || len(scores) != 0 {
		t.Errorf("no tokens: %v, %v", scores, err)
	}
	if s.Len() != 3 {
		t.Errorf("the session holds %d tokens, want 3", s.Len())
	}
	sameLogits(t, "after refused tokens", mustAppend(t, s), before)
	s.Close()
	if _, err := s.Score(ctx, []int{1}); err != ErrClosed {
		t.Errorf("a closed session: %v", err)
	}
}

// TestCancelScoreAtEveryQuestion ends a Score at each place that asks for its
// context: the session is as before.
func TestCancelScoreAtEveryQuestion(t *testing.T) {
	m := tinyModel(t, WithThreads(2))
	ids := longSequence(m)[:210] // two pieces
	start := mustAppend(t, newSession(t, m), ids[:7]...)
	want := mustScore(t, newSession(t, m), ids...)[7:]
	s := newSession(t, m)
	mustAppend(t, s, ids[:7]...)
	for n := 1; ; n++ {
		scores, err := s.Score(endsAtQuestion(n), ids[7:])
		if err == nil {
			if !slices.Equal(scores, want) || !slices.Equal(s.Tokens(), ids) {
				t.Errorf("the call that was not cancelled: other scores, or other tokens than %d", s.Len())
			}
			if n < 50 {
				t.Errorf("it was asked %d times only", n)
			}
			return
		}
		if !errors.Is(err, context.Canceled) || scores != nil || s.Len() != 7 {
			t.Fatalf("question %d: %v, and %d tokens are held", n, err, s.Len())
		}
		if n%8 == 0 {
			sameLogits(t, fmt.Sprintf("after question %d", n), mustAppend(t, s), start)
		}
		s.Truncate(7)
		if n > 20 {
			n += 6 // what follows is more of the same
		}
	}
}

// TestScoreMemory measures what a Score leaves and takes: not the logits of all
// tokens.
func TestScoreMemory(t *testing.T) {
	m := tinyModel(t)
	ids := append(longSequence(m), longSequence(m)[:200]...)
	s := newSession(t, m)
	mustAppend(t, s, ids...) // the model's workspace
	s.Truncate(1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	mustScore(t, s, ids[1:]...)
	runtime.ReadMemStats(&after)
	cache := len(ids) * m.cacheShape(true).PositionBytes()
	taken, all := int(after.TotalAlloc-before.TotalAlloc)-cache, 4*len(ids)*m.config.VocabularySize
	t.Logf("%d bytes beside the cache, all logits are %d", taken, all)
	if taken > all/4 {
		t.Errorf("%d bytes were taken, all logits are %d", taken, all)
	}
	if n := len(s.last.places); n != 1 || s.last.places[0].logits != nil || s.request.places != nil {
		t.Errorf("the session keeps %d vectors", n)
	}
}

// TestScoreAlternatives holds what a text's places are given against what its
// generation was.
func TestScoreAlternatives(t *testing.T) {
	m := tinyModel(t)
	s := newSession(t, m)
	mustAppend(t, s, 1)
	var ids []int
	var want [][]Alternative
	for token, err := range s.StreamTokens(context.Background(), nil, GenerateOptions{MaxTokens: 20, Temperature: 2, Alternatives: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		ids, want = append(ids, token.ID), append(want, token.Alternatives)
	}
	for _, k := range []int{0, 3} {
		s := newSession(t, m)
		mustAppend(t, s, 1)
		plain := mustScore(t, s.Fork(), ids...)
		scores, alternatives, err := s.ScoreAlternatives(context.Background(), ids, k)
		if err != nil || !slices.Equal(scores, plain) || len(alternatives) != len(ids) {
			t.Fatalf("%v and %d places: %v", scores, len(alternatives), err)
		}
		for i, a := range alternatives {
			if !slices.Equal(a, want[i][:k]) {
				t.Errorf("place %d: %v, want %v", i, a, want[i][:k])
			}
		}
	}
	if scores, alternatives, err := newSession(t, m).ScoreAlternatives(context.Background(), ids, 2); err != nil || !math.IsNaN(scores[0]) || alternatives[0] != nil || len(alternatives[1]) != 2 {
		t.Errorf("in an empty session: %v %v %v", scores[0], alternatives[0], err)
	}
	if _, _, err := s.ScoreAlternatives(context.Background(), nil, -1); !errors.Is(err, ErrOption) {
		t.Errorf("−1 alternatives: %v", err)
	}
}
