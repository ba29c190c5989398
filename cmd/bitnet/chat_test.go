package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet"
)

func TestChat(t *testing.T) {
	m, err := bitnet.Open(tiny)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	talk, err := bitnet.NewChat(context.Background(), s, "Be kind.")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for turn, said := range []string{"Hello", "And <|eot_id|> you?"} {
		result, err := talk.Send(context.Background(), said, bitnet.GenerateOptions{MaxTokens: 12, Temperature: 1, Seed: 7 + uint64(turn)})
		if err != nil {
			t.Fatal(err)
		}
		want.WriteString(result.Text)
		if !strings.HasSuffix(result.Text, "\n") {
			want.WriteString("\n")
		}
	}
	status, stdout, stderr := bitnetWith(t, nil, "Hello\n\nAnd <|eot_id|> you?\r\n", "chat", "--model", tiny, "--system", "Be kind.", "--max-tokens", "12", "--temperature", "1", "--seed", "7")
	if status != 0 || stdout != want.String() {
		t.Errorf("status %d, got %q, want %q (%s)", status, stdout, want.String(), stderr)
	}
	if !strings.HasPrefix(stderr, "seed 7\n") || strings.Contains(stderr, "> ") {
		t.Errorf("said %q", stderr)
	}
	if status, stdout, _ := bitnetWith(t, nil, "", "chat", "--model", tiny); status != 0 || stdout != "" {
		t.Errorf("nothing said: status %d and %q", status, stdout)
	}
}

func TestChatWithFullContext(t *testing.T) {
	var out, errs bytes.Buffer
	status := run([]string{"chat", "--model", tiny, "--max-tokens", "0"}, strings.NewReader("Hello\nWho are you?\n"), &out, &errs, func(string) string { return "" })
	const full = "[the context of 512 tokens is full: the answer was cut]\n"
	if status != 0 || !strings.HasSuffix(errs.String(), full+"[the context is full: the model has forgotten the oldest 2 messages]\n"+full) {
		t.Errorf("status %d, said %q", status, errs.String())
	}
	errs.Reset()
	status = run([]string{"chat", "--model", tiny, "--max-tokens", "0", "--no-drop", "--context", "100"}, strings.NewReader("Hello\nWho are you?\n"), &out, &errs, func(string) string { return "" })
	if status != 1 || !strings.HasSuffix(errs.String(), "the context room for 0 of 100: say less, or clear the conversation\n") {
		t.Errorf("--no-drop: status %d, said %q", status, errs.String())
	}
}

// watcher hands on what is written to it.
type watcher func(text string)

func (w watcher) Write(p []byte) (int, error) {
	w(string(p))
	return len(p), nil
}

// On a terminal Ctrl-C ends the answer and keeps the conversation; at the
// prompt it leaves.
func TestChatInterrupted(t *testing.T) {
	m, err := bitnet.Open(tiny)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	history, err := bitnet.NewChat(context.Background(), s, "")
	if err != nil {
		t.Fatal(err)
	}
	signals := make(chan os.Signal, 1)
	first := true
	stdout := watcher(func(string) {
		if first {
			first = false
			signals <- os.Interrupt
		}
	})
	prompts := make(chan struct{})
	var said strings.Builder
	stderr := watcher(func(text string) {
		said.WriteString(text)
		if text == "> " {
			prompts <- struct{}{}
		}
	})
	stdin, keyboard := io.Pipe()
	defer keyboard.Close()
	talk := &conversation{
		call:        &call{stdin: stdin, stdout: stdout, stderr: stderr},
		chat:        history,
		options:     bitnet.GenerateOptions{MaxTokens: 200},
		out:         textWriter{w: stdout, terminal: true},
		interactive: true,
		signals:     signals,
		read:        readLines(stdin, func() { io.WriteString(stderr, "> ") }),
	}
	ended := make(chan error, 1)
	go func() { ended <- talk.hold() }()
	<-prompts
	io.WriteString(keyboard, "Hello\n")
	<-prompts
	interrupted := s.Len()
	io.WriteString(keyboard, "Again\n")
	<-prompts
	signals <- os.Interrupt
	if err := <-ended; err != nil {
		t.Errorf("leaving: %v", err)
	}
	if got := regexp.MustCompile(`\d+`).ReplaceAllString(said.String(), "N"); got != "> [interrupted after N tokens]\n> [cut after N tokens: --max-tokens allows more]\n> \n" {
		t.Errorf("said %q", said.String())
	}
	if interrupted >= 200 {
		t.Errorf("after the interrupted answer the conversation holds %d tokens", interrupted)
	}
	if text := m.Tokenizer().Decode(s.Tokens()); !strings.Contains(text, "User: Hello<|eot_id|>Assistant: ") || !strings.Contains(text, "<|eot_id|>User: Again<|eot_id|>Assistant: ") {
		t.Errorf("the conversation is %q", text)
	}
}

func TestAnswerWriter(t *testing.T) {
	tokens := []bitnet.Token{{Reasoning: "Let me"}, {Reasoning: " \x1b[0mthink"}, {}, {Text: "Yes"}, {Text: "!\n"}}
	for _, c := range []struct {
		dims   bool
		tokens int
		want   string
		open   bool
	}{
		{true, 5, "\x1b[2mLet me\x1b[22m\x1b[2m \\x1b[0mthink\x1b[22m\n\nYes!\n", false},
		{true, 2, "\x1b[2mLet me\x1b[22m\x1b[2m \\x1b[0mthink\x1b[22m", true},
		{false, 5, "Yes!\n", false},
		{false, 4, "Yes", true},
		{false, 2, "", false},
	} {
		var out bytes.Buffer
		w := answerWriter{textWriter: textWriter{w: &out, terminal: true}, dims: c.dims}
		for _, token := range tokens[:c.tokens] {
			if err := w.write(token); err != nil {
				t.Fatal(err)
			}
		}
		if out.String() != c.want || w.open != c.open {
			t.Errorf("%+v: %q, a line is open: %t", c, out.String(), w.open)
		}
	}

	status, _, stderr := bitnetWith(t, nil, "Hello\n", "chat", "--model", tiny, "--no-think")
	if status != 1 || !strings.Contains(stderr, "enable_thinking") {
		t.Errorf("--no-think: status %d, said %q", status, stderr)
	}
}
