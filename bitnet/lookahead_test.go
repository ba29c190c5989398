package bitnet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPropose(t *testing.T) {
	for _, c := range []struct {
		tokens []int
		n      int
		want   []int
	}{
		{nil, 4, nil},
		{[]int{1}, 4, nil},
		{[]int{1, 2, 3, 4}, 4, nil},
		{[]int{7, 8, 7}, 4, nil}, // one token is no match
		{[]int{1, 2, 3, 4, 1, 2}, 2, []int{3, 4}},
		{[]int{1, 2, 3, 4, 1, 2}, 9, []int{3, 4, 1, 2}},
		{[]int{5, 1, 2, 3, 9, 1, 2, 4, 5, 1, 2}, 1, []int{3}}, // the longest
		{[]int{1, 2, 3, 9, 1, 2, 4, 1, 2}, 1, []int{4}},       // of equal ones the latest
		{[]int{6, 6, 6, 6}, 3, []int{6}},                      // overlapping itself
	} {
		if got := propose(c.tokens, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%v, %d: %v, want %v", c.tokens, c.n, got, c.want)
		}
	}
}

// TestProposeIsTheLongest holds propose against a search that compares everything.
func TestProposeIsTheLongest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		tokens := make([]int, 1+r.IntN(60))
		for i := range tokens {
			tokens[i] = r.IntN(3)
		}
		best, at := leastMatch-1, 0
		for end := 1; end < len(tokens); end++ { // a match ends before end
			match := 0
			for match < min(end, mostMatch) && tokens[end-1-match] == tokens[len(tokens)-1-match] {
				match++
			}
			if match > best || match == best && match >= leastMatch {
				best, at = match, end
			}
		}
		var want []int
		if at > 0 {
			want = tokens[at:min(at+5, len(tokens))]
		}
		if got := propose(tokens, 5); !slices.Equal(got, want) {
			t.Fatalf("%v: %v, want %v (%d tokens match)", tokens, got, want, best)
		}
	}
}

// TestLookaheadSameText generates with guesses of all kinds, also to the end of the
// context and of the tokens asked for, with stop strings and penalties, and
// compares with none.
func TestLookaheadSameText(t *testing.T) {
	m := tinyModel(t, WithThreads(2))
	prompt := []int{5, 9, 5, 9, 5}
	for i, o := range []GenerateOptions{
		{MaxTokens: 25},
		{MaxTokens: 25, Temperature: 0.9, TopK: 30, Seed: 4},
		{MaxTokens: 25, Temperature: 1.3, TopP: 0.9, Seed: 5},
		{MaxTokens: 25, Temperature: 0.5, RepetitionPenalty: 1.3, Seed: 6},
		{Temperature: 1, TopK: 3, Seed: 7},
	} {
		for _, size := range []int{40, 18} {
			alone := newSessionOf(t, m, prompt, WithoutLookahead(), WithContext(size))
			want := mustGenerate(t, alone, "", o)
			if want.ProposedTokens != 0 {
				t.Error("a guess without lookahead")
			}
			for kind := range 4 {
				s := newSessionOf(t, m, prompt, WithContext(size))
				if kind < 3 {
					s.lookahead.draft = drafter(want.Tokens, len(prompt), kind)
				} else {
					s.lookahead.draft = func(tokens []int, n int) []int { return tokens[:min(n, len(tokens))] }
				}
				got := mustGenerate(t, s, "", o)
				what := fmt.Sprintf("options %d, context %d, kind %d", i, size, kind)
				if !slices.Equal(got.Tokens, want.Tokens) || got.Text != want.Text || got.Reason != want.Reason || got.CompletionTokens != want.CompletionTokens {
					t.Fatalf("%s: %+v, want %+v", what, got, want)
				}
				if kind == 0 && got.AcceptedTokens < len(want.Tokens)/2 || kind == 1 && got.AcceptedTokens != 0 || got.AcceptedTokens > got.ProposedTokens || kind < 3 && got.ProposedTokens == 0 {
					t.Errorf("%s: %d of %d guessed tokens were accepted", what, got.AcceptedTokens, got.ProposedTokens)
				}
				if !slices.Equal(s.Tokens(), alone.Tokens()) {
					t.Fatalf("%s: the session holds other tokens", what)
				}
				if s.Len() < s.Context() {
					sameLogits(t, what, mustAppend(t, s, 3), mustAppend(t, newSession(t, m), append(alone.Tokens(), 3)...))
				}
				s.Close()
			}
		}
	}
}

// TestLookaheadStops has what ends a text lie within a guess, and the loop left in
// the middle of one.
func TestLookaheadStops(t *testing.T) {
	ctx := context.Background()
	m := tinyModel(t)
	prompt := []int{5, 9, 5, 9, 5}
	o := GenerateOptions{MaxTokens: 30, Temperature: 1, TopK: 100, Seed: 2}
	free := mustGenerate(t, newSessionOf(t, m, prompt, WithoutLookahead()), "", o)
	guessing := func() *Session {
		s := newSessionOf(t, m, prompt)
		s.lookahead.draft, s.lookahead.length = drafter(free.Tokens, len(prompt), 0), mostDrafts
		return s
	}
	for n := 1; n < 12; n++ {
		s := guessing()
		i := 0
		for tok, err := range s.Stream(ctx, "", o) {
			if err != nil {
				t.Fatal(err)
			}
			plain := newSessionOf(t, m, append(slices.Clone(prompt), free.Tokens[:i]...))
			if got, want := tok.LogProb(), plain.logProb(mustAppend(t, plain), free.Tokens[i]); got != want {
				t.Fatalf("token %d: log-probability %v, want %v", i, got, want)
			}
			if i++; i == n {
				break
			}
		}
		if s.Len() != len(prompt)+n {
			t.Fatalf("left after %d tokens, %d are held", n, s.Len()-len(prompt))
		}
		sameLogits(t, "after the loop was left", mustAppend(t, s), mustAppend(t, newSession(t, m), s.Tokens()...))

		end := guessing()
		ending := o
		ending.EndTokens = []int{free.Tokens[n]}
		first := slices.Index(free.Tokens, free.Tokens[n])
		if r := mustGenerate(t, end, "", ending); r.Reason != StopEndToken || !slices.Equal(r.Tokens, free.Tokens[:first]) {
			t.Fatalf("end token %d: %+v", n, r)
		}
		sameLogits(t, "after an end token", mustAppend(t, end), mustAppend(t, newSession(t, m), end.Tokens()...))
	}
	closed := guessing()
	for _, err := range closed.Stream(ctx, "", o) {
		if err == nil {
			closed.Close() // what a caller should not do
		}
	}
}
