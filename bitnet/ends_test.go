package bitnet

import (
	"errors"
	"slices"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// withEnd copies the tiny model so that one token is a special one of this text,
// and with further keys. Its vocabulary has no merges.
func withEnd(t *testing.T, id int, text string, set map[string]any) *Model {
	t.Helper()
	path, _, _ := reference(t, "tiny", "exact.f32")
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tokens, types := vocabularyOf(t, f)
	tokens[id], types[id] = text, 3
	all := map[string]any{"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types, "tokenizer.ggml.merges": []string{}}
	for key, value := range set {
		all[key] = value
	}
	return openModel(t, rewrite(t, path, all, nil))
}

// vocabularyOf returns a file's tokens and their types.
func vocabularyOf(t *testing.T, f *gguf.File) (tokens []string, types []int32) {
	t.Helper()
	list, err := f.Array("tokenizer.ggml.tokens", gguf.String)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range list.Strings() {
		tokens = append(tokens, string(token))
	}
	if list, err = f.Array("tokenizer.ggml.token_type", gguf.Int32); err != nil {
		t.Fatal(err)
	}
	for _, number := range list.Ints() {
		types = append(types, int32(number))
	}
	return tokens, types
}

// TestWaysToEnd has the fourth token that a model generates end the text in every
// way that a file or a caller can ask for.
func TestWaysToEnd(t *testing.T) {
	_, ids, _ := reference(t, "tiny", "exact.f32")
	generate := func(m *Model, o GenerateOptions) *Result {
		t.Helper()
		s := newSession(t, m)
		mustAppend(t, s, ids[:8]...)
		o.MaxTokens = 8
		r, err := s.Generate(t.Context(), "", o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	all := generate(tinyModel(t), GenerateOptions{}).Tokens
	end := all[3]
	if slices.Contains(all[:3], end) || len(all) < 8 {
		t.Fatalf("the model generates %v: choose another prompt", all)
	}
	for name, c := range map[string]struct {
		text    string
		set     map[string]any
		options GenerateOptions
		want    StopReason
	}{
		"nothing":           {"<|mark|>", nil, GenerateOptions{}, StopMaxTokens},
		"eos_token_id":      {"<|mark|>", map[string]any{"tokenizer.ggml.eos_token_id": uint32(end)}, GenerateOptions{}, StopEndToken},
		"eot_token_id":      {"<|mark|>", map[string]any{"tokenizer.ggml.eot_token_id": uint32(end)}, GenerateOptions{}, StopEndToken},
		"eom_token_id":      {"<|mark|>", map[string]any{"tokenizer.ggml.eom_token_id": uint32(end)}, GenerateOptions{}, StopEndToken},
		"the name":          {"<|im_end|>", nil, GenerateOptions{}, StopEndToken},
		"EndTokens":         {"<|mark|>", nil, GenerateOptions{EndTokens: []int{0, end}}, StopEndToken},
		"Stop":              {"<|mark|>", nil, GenerateOptions{Stop: []string{"never", "<|mark|>"}}, StopString},
		"Stop and the name": {"<|im_end|>", nil, GenerateOptions{Stop: []string{"<|im_end|>"}}, StopString},
		"Stop in a part":    {"<|mark|>", nil, GenerateOptions{Stop: []string{"mark"}}, StopMaxTokens},
	} {
		r := generate(withEnd(t, end, c.text, c.set), c.options)
		want := all[:3]
		if c.want == StopMaxTokens {
			want = all
		}
		if r.Reason != c.want || !slices.Equal(r.Tokens, want) {
			t.Errorf("%s: %s after %v, want %s after %v", name, r.Reason, r.Tokens, c.want, want)
		}
	}

	var wrong *TokenError
	m := tinyModel(t)
	for _, id := range []int{-1, m.Config().VocabularySize} {
		_, err := newSession(t, m).Generate(t.Context(), "x", GenerateOptions{EndTokens: []int{1, id}})
		if !errors.Is(err, ErrOption) || !errors.As(err, &wrong) || wrong.ID != id || wrong.Index != 1 {
			t.Errorf("end token %d: %v", id, err)
		}
	}
}

// TestBeginOfText has a file ask for begin-of-text before a prompt, or for none.
func TestBeginOfText(t *testing.T) {
	path, _, _ := reference(t, "tiny", "exact.f32")
	for _, c := range []struct {
		asks any
		want bool
	}{{nil, true}, {true, true}, {false, false}} {
		m := openModel(t, rewrite(t, path, map[string]any{"tokenizer.ggml.add_bos_token": c.asks}, nil))
		s := newSession(t, m)
		if _, err := s.Generate(t.Context(), "text", GenerateOptions{MaxTokens: 1}); err != nil {
			t.Fatal(err)
		}
		begin, _ := m.Tokenizer().BeginOfText()
		if got := s.Tokens()[0] == begin; got != c.want {
			t.Errorf("add_bos_token %v: begin-of-text first: %t", c.asks, got)
		}
		chat := newSession(t, m)
		if _, err := NewChat(t.Context(), chat, "Be brief."); err != nil {
			t.Fatal(err)
		}
		if got := chat.Tokens()[0] == begin; got != c.want {
			t.Errorf("add_bos_token %v: a chat begins with begin-of-text: %t", c.asks, got)
		}
	}
	// Without one there is nothing to continue.
	m := openModel(t, rewrite(t, path, map[string]any{"tokenizer.ggml.add_bos_token": false}, nil))
	if _, err := newSession(t, m).Generate(t.Context(), "", GenerateOptions{}); err != ErrEmpty {
		t.Errorf("an empty prompt: %v", err)
	}
}
