package bitnet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// sentencePieceModel is the tiny model with a vocabulary of words, each with a
// blank before it.
func sentencePieceModel(t *testing.T) *Model {
	t.Helper()
	const special, ordinary, byteValue = 3, 1, 6
	path, _, _ := reference(t, "tiny", "exact.f32")
	size := tinyModel(t).Config().VocabularySize
	tokens, types := []string{"<unk>", "<s>", "</s>"}, []int32{2, special, special}
	for b := range 256 {
		tokens, types = append(tokens, fmt.Sprintf("<0x%02X>", b)), append(types, byteValue)
	}
	for len(tokens) < size {
		tokens, types = append(tokens, fmt.Sprintf("▁w%d", len(tokens))), append(types, ordinary)
	}
	return openModel(t, rewrite(t, path, map[string]any{
		"tokenizer.ggml.model": "llama", "tokenizer.ggml.merges": nil,
		"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types, "tokenizer.ggml.scores": make([]float32, size),
		"tokenizer.ggml.bos_token_id": uint32(1), "tokenizer.ggml.eos_token_id": uint32(2),
	}, nil))
}

// TestSentencePieceText has a text that begins lose its blank, and one that goes
// on keep it, token by token as in the result.
func TestSentencePieceText(t *testing.T) {
	m := sentencePieceModel(t)
	word := func(id int) string { return strings.TrimPrefix(m.Tokenizer().Decode([]int{id}), " ") }
	first, _ := m.Tokenizer().TokenID(" w300")
	second, _ := m.Tokenizer().TokenID(" w301")
	for _, test := range []struct {
		name   string
		held   []int // by the session
		goesOn bool
	}{
		{"an empty session", nil, false},
		{"behind a word", []int{1, first}, true},
		{"behind begin-of-text", []int{1}, false},
		{"behind another special token", []int{1, first, 2}, false},
	} {
		s := newSession(t, m)
		if test.held != nil {
			mustAppend(t, s, test.held...)
		}
		var streamed strings.Builder
		var ids []int
		for token, err := range s.Stream(t.Context(), "", GenerateOptions{MaxTokens: 4, LogitBias: map[int]float64{1: -1e6, 2: -1e6, 0: -1e6}}) {
			if err != nil {
				t.Fatal(err)
			}
			streamed.WriteString(token.Text)
			ids = append(ids, token.ID)
		}
		want := m.Tokenizer().Decode(append([]int{second}, ids...))[len(word(second)):]
		if !test.goesOn {
			want = strings.TrimPrefix(want, " ")
		}
		if got := streamed.String(); got != want || s.Result().Text != want {
			t.Errorf("%s: streams %q, results in %q, want %q", test.name, got, s.Result().Text, want)
		}
	}
	// A prompt gets its blank only where a text begins.
	s := newSession(t, m)
	for _, prompt := range []string{"w300", " w301"} {
		if _, err := s.Generate(t.Context(), prompt, GenerateOptions{MaxTokens: 1, LogitBias: map[int]float64{first: 1e6}}); err != nil {
			t.Fatal(err)
		}
	}
	want := []int{1}
	for _, prompt := range []string{" w300", " w301"} { // no merges lead to these tokens
		for _, b := range []byte(prompt) {
			want = append(want, 3+int(b))
		}
		want = append(want, first)
	}
	if got := s.Tokens(); !slices.Equal(got, want) {
		t.Errorf("the session holds %v, want %v", got, want)
	}
}

// TestSentencePieceChat has an answer follow its head without a blank between them.
func TestSentencePieceChat(t *testing.T) {
	m := openModel(t, rewrite(t, sentencePieceModel(t).file.Paths()[0], map[string]any{templateKey: templateSource(t, "falcon3")}, nil))
	ids, err := m.EncodeChat([]Message{{Role: RoleUser, Content: "a"}, {Role: RoleAssistant, Content: "b"}, {Role: RoleUser, Content: "c"}})
	if err != nil {
		t.Fatal(err)
	}
	const want = "<s> <|user|>\na\n<|assistant|>\nb</s> \n<|user|>\nc\n<|assistant|>\n"
	if got := m.Tokenizer().Decode(ids); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
