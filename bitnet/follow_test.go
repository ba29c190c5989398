package bitnet

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestFollow has one session follow texts that share beginnings of random
// lengths, and compares it with a new session for each.
func TestFollow(t *testing.T) {
	ctx := context.Background()
	m := tinyModel(t)
	s := newSession(t, m)
	r := rand.New(rand.NewPCG(11, 1))
	ids := []int{1}
	for range 40 {
		held := s.Tokens()
		ids = slices.Clone(ids[:r.IntN(len(ids)+1)])
		for range r.IntN(250) {
			if len(ids) < s.Context() {
				ids = append(ids, r.IntN(3)) // few of them, so that some agree by chance
			}
		}
		if r.IntN(3) == 0 && s.Len() > 0 { // tokens that have not been evaluated
			mustGenerate(t, s, "", GenerateOptions{MaxTokens: 2})
			held = s.Tokens()
		}
		heads := headsComputed(t, m)
		kept, err := s.Follow(ctx, ids)
		if err != nil {
			t.Fatal(err)
		}
		common := 0
		for common < min(len(held), len(ids)) && held[common] == ids[common] {
			common++
		}
		if kept != common || !slices.Equal(s.Tokens(), ids) || headsComputed(t, m) != heads {
			t.Fatalf("kept %d of %d tokens, want %d; the session holds the right ones: %t; logits were computed: %t",
				kept, len(ids), common, slices.Equal(s.Tokens(), ids), headsComputed(t, m) != heads)
		}
		if len(ids) == 0 {
			if _, err := s.Append(ctx, nil); !errors.Is(err, ErrEmpty) {
				t.Fatalf("after following nothing: %v", err)
			}
			continue
		}
		sameLogits(t, "after Follow", mustAppend(t, s), mustAppend(t, newSession(t, m), ids...))
	}
}

func headsComputed(t *testing.T, m *Model) (n uint64) {
	t.Helper()
	counts, err := m.KernelCounts(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for name, count := range counts {
		if len(name) > 4 && name[:4] == "head" {
			n += count
		}
	}
	return n
}

func TestFollowErrors(t *testing.T) {
	m := tinyModel(t)
	s := newSession(t, m)
	mustAppend(t, s, 1, 2, 3, 4)
	var token *TokenError
	if kept, err := s.Follow(context.Background(), []int{1, 2, 9, 4096}); kept != 0 || !errors.As(err, &token) || token.Index != 3 {
		t.Errorf("an unknown token: kept %d, %v", kept, err)
	}
	var full *ContextError
	if kept, err := s.Follow(context.Background(), make([]int, 513)); kept != 0 || !errors.As(err, &full) || full.Added != 513 {
		t.Errorf("too many tokens: kept %d, %v", kept, err)
	}
	if want := []int{1, 2, 3, 4}; !slices.Equal(s.Tokens(), want) {
		t.Errorf("after refused tokens the session holds %v, want %v", s.Tokens(), want)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if kept, err := s.Follow(ended, []int{1, 2, 8, 9}); kept != 2 || !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: kept %d, %v", kept, err)
	}
	if want := []int{1, 2}; !slices.Equal(s.Tokens(), want) {
		t.Errorf("after an ended context the session holds %v, want %v", s.Tokens(), want)
	}
	sameLogits(t, "after an ended context", mustAppend(t, s, 5), mustAppend(t, newSession(t, m), 1, 2, 5))
	s.Close()
	if _, err := s.Follow(context.Background(), []int{1}); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed session: %v", err)
	}
}

func TestStreamTokens(t *testing.T) {
	m := tinyModel(t)
	o := GenerateOptions{MaxTokens: 9, Temperature: 1, Seed: 5}
	s := newSession(t, m)
	want := mustGenerate(t, s, "Hello", o)
	ids := s.Tokens()[:want.PromptTokens]
	other := newSession(t, m)
	var tokens []int
	text := ""
	for token, err := range other.StreamTokens(context.Background(), ids, o) {
		if err != nil {
			t.Fatal(err)
		}
		tokens, text = append(tokens, token.ID), text+token.Text
	}
	if !slices.Equal(tokens, want.Tokens) || text != want.Text || other.Result().PromptTokens != want.PromptTokens {
		t.Errorf("got %v, %q after %d tokens, want %v, %q after %d", tokens, text, other.Result().PromptTokens, want.Tokens, want.Text, want.PromptTokens)
	}
	for token, err := range other.StreamTokens(context.Background(), []int{-1}, o) {
		if token.ID != -1 || !errors.Is(err, ErrToken) {
			t.Errorf("an unknown token: %v, %v", token, err)
		}
	}
	if other.Result() != nil {
		t.Error("a result of a prompt that was refused")
	}
}
