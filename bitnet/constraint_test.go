package bitnet

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gobitnet/gobitnet/tokenizer"
)

// hashed allows tokens by a hash of those before: now one, now a few, now many, with
// the end now and then.
type hashed struct {
	seed   uint64
	finish bool // ends only where nothing else is allowed
}

func (h hashed) Start(t *tokenizer.Tokenizer) (Guide, error) {
	return &hashedGuide{hashed: h, vocabulary: t.VocabularySize()}, nil
}

type hashedGuide struct {
	hashed
	vocabulary int
	tokens     []int
}

func (g *hashedGuide) Mask(allowed []uint64) bool {
	r := rand.New(rand.NewPCG(g.seed, uint64(len(g.tokens))))
	for _, id := range g.tokens {
		r = rand.New(rand.NewPCG(r.Uint64(), uint64(id)))
	}
	n := 1
	switch r.IntN(4) {
	case 0:
		n = 2 + r.IntN(20)
	case 1:
		n = g.vocabulary / 2
	case 2:
		n = g.vocabulary * 3
	}
	end := r.IntN(10) == 0
	if g.finish {
		if end = len(g.tokens) == 9; end {
			return true
		}
	}
	for range n {
		id := r.IntN(g.vocabulary)
		allowed[id/64] |= 1 << (id % 64)
	}
	return end
}

func (g *hashedGuide) Accept(id int) error {
	mask := make([]uint64, (g.vocabulary+63)/64)
	if g.Mask(mask); mask[id/64]>>(id%64)&1 == 0 {
		return fmt.Errorf("token %d was not allowed", id)
	}
	g.tokens = append(g.tokens, id)
	return nil
}

// slowly generates as ARITHMETIC.md says it: all logits each time, those of tokens
// that may not come at −∞.
func slowly(t *testing.T, m *Model, prompt []int, o GenerateOptions) (tokens []int, ended bool) {
	t.Helper()
	s := newSession(t, m)
	logits := slices.Clone(mustAppend(t, s, prompt...))
	guide, err := o.Constraint.Start(m.Tokenizer())
	if err != nil {
		t.Fatal(err)
	}
	ends := append(m.Tokenizer().EndTokens(), o.EndTokens...)
	s.sampling.seed(o.Seed)
	for len(tokens) < o.MaxTokens {
		mask := make([]uint64, (len(logits)+63)/64)
		end := guide.Mask(mask)
		for _, id := range ends {
			mask[id/64] &^= 1 << (id % 64)
		}
		var text []int
		for id := range logits {
			if mask[id/64]>>(id%64)&1 != 0 {
				text = append(text, id)
			}
		}
		var id int
		switch {
		case end && len(text) == 0:
			id = ends[0]
		case !end && len(text) == 1:
			id = text[0]
		default:
			if end {
				text = append(text, ends...)
			}
			masked := slices.Repeat([]float32{float32(math.Inf(-1))}, len(logits))
			changed := s.sampling.change(logits, s.tokens, tokens, &o)
			for _, id := range text {
				masked[id] = changed[id]
			}
			id = s.draw(nil, masked, &o)
		}
		if slices.Contains(ends, id) {
			return tokens, true
		}
		tokens = append(tokens, id)
		if err := guide.Accept(id); err != nil {
			t.Fatal(err)
		}
		logits = slices.Clone(mustAppend(t, s, id))
	}
	return tokens, false
}

// TestConstraintIsTheSlowWay compares what is chosen from few logits, from the
// largest ones and without any with what is chosen from all, with guesses of what
// comes next that are right, wrong, and right at times.
func TestConstraintIsTheSlowWay(t *testing.T) {
	prompt := []int{5, 9, 5, 9, 5}
	for _, options := range [][]Option{{WithThreads(2)}, {WithoutScreen()}} {
		m := tinyModel(t, options...)
		forced, proposed, ends := 0, 0, 0
		for i, o := range []GenerateOptions{
			{},
			{Temperature: 1.2, Seed: 3},
			{Temperature: 0.8, TopK: 5, Seed: 4},
			{Temperature: 0.9, TopP: 0.7, MinP: 0.01, Seed: 5},
			{Temperature: 1, TopK: 40, RepetitionPenalty: 1.2, PresencePenalty: 0.3, Seed: 6},
			{LogitBias: map[int]float64{3: 5, 70: -5, 600: 8}, FrequencyPenalty: 1},
			{Temperature: 1, Seed: 8, EndTokens: []int{77}, Alternatives: 2},
		} {
			for seed := range uint64(4) {
				o.MaxTokens, o.Constraint = 30, hashed{seed: seed, finish: seed == 3}
				want, ended := slowly(t, m, prompt, o)
				if ended {
					ends++
				}
				for kind := range 4 {
					s := newSessionOf(t, m, prompt)
					s.lookahead.off = kind == 3
					s.lookahead.draft = drafter(want, len(prompt), kind)
					got := mustGenerate(t, s, "", o)
					if !slices.Equal(got.Tokens, want) || (got.Reason == StopEndToken) != ended {
						t.Fatalf("options %d, seed %d, guesses %d: %v, ended by %s; want %v, ended: %t", i, seed, kind, got.Tokens, got.Reason, want, ended)
					}
					if o.Alternatives > 0 && got.ForcedTokens > 0 {
						t.Error("alternatives of tokens that the model was not asked for")
					}
					forced, proposed = forced+got.ForcedTokens, proposed+got.AcceptedTokens
					if held := s.Tokens(); !ended && !slices.Equal(held[len(prompt):], want) {
						t.Fatalf("the session holds %v, not %v", held, want)
					}
					s.Close()
				}
			}
		}
		if forced == 0 || proposed == 0 || ends == 0 {
			t.Errorf("%d tokens without a choice, %d guesses that were right, %d ends: not all has been tried", forced, proposed, ends)
		}
	}
}

// TestConstraintLogProb asks for the probability of each token, also of those that
// came without the model.
func TestConstraintLogProb(t *testing.T) {
	m := tinyModel(t)
	o := GenerateOptions{MaxTokens: 20, Constraint: hashed{seed: 1}}
	prompt := []int{5, 9}
	s, twin := newSessionOf(t, m, prompt), newSession(t, m)
	logits := mustAppend(t, twin, prompt...)
	forced := 0
	for token, err := range s.Stream(context.Background(), "", o) {
		if err != nil {
			t.Fatal(err)
		}
		if token.ID < 0 {
			continue
		}
		want := twin.logProb(logits, token.ID)
		for range 2 {
			if got := token.LogProb(); got != want {
				t.Fatalf("token %d: %v, want %v", token.ID, got, want)
			}
		}
		if token.forced {
			forced++
		}
		logits = mustAppend(t, twin, token.ID)
	}
	if forced == 0 {
		t.Error("no token without a choice: nothing has been tested")
	}
}

// TestConstraintWithoutEndTokens ends a text that must end though no token says so.
func TestConstraintWithoutEndTokens(t *testing.T) {
	m := tinyModel(t)
	m.endTokens = nil
	r := mustGenerate(t, newSessionOf(t, m, []int{5, 9}), "", GenerateOptions{Constraint: hashed{finish: true}})
	if r.Reason != StopEndToken || len(r.Tokens) != 9 || r.CompletionTokens != 9 {
		t.Errorf("%+v", r)
	}
}

type broken struct{ start, accept, none error }

func (b broken) Start(*tokenizer.Tokenizer) (Guide, error) { return b, b.start }
func (b broken) Accept(int) error                          { return b.accept }
func (b broken) Mask(allowed []uint64) bool {
	if b.none == nil {
		allowed[0] = 0xf0
	}
	return false
}

func TestConstraintErrors(t *testing.T) {
	m := tinyModel(t)
	s := newSessionOf(t, m, []int{5, 9})
	trouble := errors.New("trouble")
	generate := func(c Constraint) (*Result, error) {
		return s.Generate(context.Background(), "", GenerateOptions{MaxTokens: 3, Constraint: c})
	}
	var option *OptionError
	if r, err := generate(broken{start: trouble}); r != nil || !errors.As(err, &option) || option.Option != "Constraint" || !errors.Is(err, trouble) {
		t.Errorf("%v, %v", r, err)
	}
	if r, err := generate(broken{none: trouble}); r != nil || !errors.Is(err, ErrNothingAllowed) {
		t.Errorf("%v, %v", r, err)
	}
	if r, err := generate(broken{accept: trouble}); r == nil || r.CompletionTokens != 1 || r.Reason != StopError || !errors.Is(err, trouble) {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := generate(nil); err != nil || r.CompletionTokens != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}
