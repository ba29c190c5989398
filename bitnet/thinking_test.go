package bitnet

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wholeThinking says of a whole text what is thought and what is answered.
var wholeThinking = regexp.MustCompile(`(?s)^\n*<think>\n*(.*?)\n*(?:</think>\n*(.*))?$`)

func TestThinkingSplitter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	parts := []string{"<think>", "</think>", "\n", "\n\n", "<", "</", "think>", "</thin", "a", "é", " ", "<think", "b</think>c"}
	thought, answered := 0, 0
	for range 20000 {
		text := ""
		if r.IntN(2) == 0 {
			text = strings.Repeat("\n", r.IntN(3)) + thinkOpen
		}
		for range r.IntN(8) {
			text += parts[r.IntN(len(parts))]
		}
		want := []string{"", text}
		if match := wholeThinking.FindStringSubmatch(text); match != nil {
			want = match[1:]
			thought++
		}
		var s thinkingSplitter
		var reasoning, answer, rest string
		for rest = text; rest != ""; {
			n := 1 + r.IntN(len(rest))
			more, answered := s.add(rest[:n])
			reasoning, answer, rest = reasoning+more, answer+answered, rest[n:]
		}
		certain := answer
		more, last := s.end()
		if reasoning, answer = reasoning+more, answer+last; reasoning != want[0] || answer != want[1] {
			t.Fatalf("%q: thought %q, answered %q, want %q", text, reasoning, answer, want)
		}
		if certain != "" {
			answered++
		}
	}
	if thought < 5000 || answered < 5000 {
		t.Errorf("%d texts have thinking, %d an answer before the end", thought, answered)
	}
}

// thinkingModel returns a model that thinks the second token, "hm<", and the third
// of what it generates after the messages, and answers with those from the fifth
// on. Its vocabulary has no merges.
func thinkingModel(t *testing.T, messages []Message, opts ...ChatOption) (m *Model, generated []int) {
	t.Helper()
	template := templateSource(t, "chatml-thinking")
	set := map[string]any{"tokenizer.ggml.merges": []string{}, "tokenizer.ggml.add_bos_token": false}
	before := withTemplate(t, template, []string{"<|im_start|>", "<|im_end|>"}, 3, set)
	prompt, err := before.EncodeChat(messages, opts...)
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(t, before)
	for token, err := range s.StreamTokens(t.Context(), prompt, GenerateOptions{MaxTokens: 10}) {
		if err != nil {
			t.Fatal(err)
		}
		generated = append(generated, token.ID)
	}
	tokens, types := vocabularyOf(t, before.file)
	for id, token := range tokens {
		if token == thinkOpen || token == thinkClose {
			tokens[id], types[id] = token[:len(token)-1]+"|unused>", 3
		}
	}
	for i, mark := range []string{0: thinkOpen, 1: "hm<", 3: thinkClose} {
		if id := generated[i]; mark != "" {
			if slices.Contains(prompt, id) || slices.Index(generated, id) != i {
				t.Fatalf("%d is no token to be called %s: choose another prompt", id, mark)
			}
			tokens[id], types[id] = mark, 4
		}
	}
	path := before.file.Paths()[0]
	return openModel(t, rewrite(t, path, map[string]any{"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types}, nil)), generated
}

func TestChatThinks(t *testing.T) {
	ctx := t.Context()
	first := []Message{{Role: RoleUser, Content: "Why?"}}
	m, generated := thinkingModel(t, first)
	text := func(ids []int) string { return strings.Trim(visibleText(m, ids), "\n") }
	reasoning, answer := text(generated[1:3]), text(generated[4:])
	o := GenerateOptions{MaxTokens: 10}
	decoded := func(c *Chat) string { return m.Tokenizer().Decode(c.Session().Tokens()) }
	encoded := func(messages []Message, opts ...ChatOption) string {
		t.Helper()
		ids, err := m.EncodeChat(messages, opts...)
		if err != nil {
			t.Fatal(err)
		}
		return m.Tokenizer().Decode(ids)
	}

	c := mustChat(t, m, "")
	var streamed Token
	for token, err := range c.Stream(ctx, "Why?", o) {
		if err != nil {
			t.Fatal(err)
		}
		streamed.Text += token.Text
		streamed.Reasoning += token.Reasoning
	}
	r := c.Session().Result()
	if r.Reasoning != reasoning || r.Text != answer || streamed.Reasoning != reasoning || streamed.Text != answer || !slices.Equal(r.Tokens, generated) {
		t.Errorf("thought %q, answered %q; streamed %q and %q; want %q and %q", r.Reasoning, r.Text, streamed.Reasoning, streamed.Text, reasoning, answer)
	}
	said := append(first, Message{Role: RoleAssistant, Content: answer, Reasoning: reasoning})
	if !slices.Equal(c.Messages(), said) {
		t.Errorf("the messages are %q, want %q", c.Messages(), said)
	}
	// The session holds the answer as the next turn reads it, in the tokens that it
	// was generated in.
	if want := encoded(append(said, Message{Role: RoleUser, Content: "And?"})); !strings.HasPrefix(want, decoded(c)) {
		t.Errorf("the session holds %q, want the beginning of %q", decoded(c), want)
	}
	if ids := c.Session().Tokens(); !slices.Equal(ids[len(ids)-2-len(generated[4:]):len(ids)-2], generated[4:]) {
		t.Errorf("the session holds %v, which does not end with %v", ids, generated[4:])
	}
	held := c.Session().Tokens()
	if _, err := c.Send(ctx, "And?", o); err != nil {
		t.Fatal(err)
	}
	if now := c.Session().Tokens(); !slices.Equal(now[:len(held)], held) {
		t.Errorf("the next turn does not follow %v but %v", held, now)
	}

	// Resumed, the session holds the same text.
	again, err := ResumeChat(ctx, newSession(t, m), said)
	if err != nil || decoded(again) != m.Tokenizer().Decode(held) {
		t.Errorf("resumed: %v, %q, want %q", err, decoded(again), m.Tokenizer().Decode(held))
	}

	// An answer that a stop string cuts, and one that is cut while it thinks.
	runes := []rune(answer)
	stop := string(runes[len(runes)-2:])
	c = mustChat(t, m, "")
	if r, err = c.Send(ctx, "Why?", GenerateOptions{MaxTokens: 10, Stop: []string{stop}}); err != nil {
		t.Fatal(err)
	}
	shown, _, _ := strings.Cut(answer, stop)
	if r.Reason != StopString || r.Text != shown || r.Reasoning != reasoning || !strings.HasSuffix(decoded(c), shown+"<|im_end|>\n") {
		t.Errorf("stopped at %q: %q and %q, the session holds %q", stop, r.Reasoning, r.Text, decoded(c))
	}
	c = mustChat(t, m, "")
	streamed = Token{}
	for token, err := range c.Stream(ctx, "Why?", GenerateOptions{MaxTokens: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		streamed.Text += token.Text
		streamed.Reasoning += token.Reasoning
	}
	r = c.Session().Result()
	if r.Text != "" || r.Reasoning != "hm<" || streamed.Text != "" || streamed.Reasoning != "hm<" || !strings.HasSuffix(decoded(c), "<|im_start|>assistant\n<|im_end|>\n") {
		t.Errorf("cut while it thinks: %q and %q, the session holds %q", r.Reasoning, r.Text, decoded(c))
	}

	// Nobody asks a session to tell them apart.
	s := newSession(t, m)
	prompt, _ := m.EncodeChat(first)
	for range s.StreamTokens(ctx, prompt, o) {
	}
	if r := s.Result(); r.Reasoning != "" || r.Text != visibleText(m, generated) {
		t.Errorf("a session: %q and %q", r.Reasoning, r.Text)
	}

	c = mustChat(t, m, "", WithoutThinking())
	if r, err = c.Send(ctx, "Why?", o); err != nil {
		t.Fatal(err)
	}
	if want := encoded(first, WithoutThinking()); !strings.HasSuffix(want, "assistant\n<think>\n\n</think>\n\n") || r.PromptTokens != len(plainTokens(m, want)) {
		t.Errorf("without thinking %d tokens were read, want those of %q", r.PromptTokens, want)
	}
	if strings.Contains(decoded(c), thinkOpen) || r.Reasoning != "" {
		t.Errorf("without thinking the session holds %q; thought %q", decoded(c), r.Reasoning)
	}
}

// plainTokens returns the tokens of a text with its special ones.
func plainTokens(m *Model, text string) []int {
	ids, err := m.Tokenizer().Encode(text)
	if err != nil {
		panic(err)
	}
	return ids
}
