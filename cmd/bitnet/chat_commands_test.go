package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
)

// talkTo holds a conversation with the built-in model at a terminal, and returns
// what was answered and told.
func talkTo(t *testing.T, options bitnet.GenerateOptions, turns ...string) (talk *conversation, answered, told string) {
	t.Helper()
	m, err := arithmetic.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	history, err := bitnet.NewChat(context.Background(), s, "")
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	talk = &conversation{
		call:        &call{stdout: &out, stderr: &errs},
		chat:        history,
		options:     options,
		out:         textWriter{w: &out},
		interactive: true,
		read: func() (string, error) {
			if len(turns) == 0 {
				return "", io.EOF
			}
			turn := turns[0]
			turns = turns[1:]
			return turn, nil
		},
	}
	if err := talk.hold(); err != nil {
		t.Fatal(err)
	}
	return talk, out.String(), errs.String()
}

func TestChatCommands(t *testing.T) {
	for _, test := range []struct {
		turns          string // separated by |
		answered, told string
		messages       int
	}{
		{"What is 2+2?|/undo|/undo", "4\n", "[took back: What is 2+2?]\n[nothing has been said]\n\n", 0},
		{"What is 2+2?|What is 3+3?|/undo|What is 4+4?", "4\n6\n8\n", "[took back: What is 3+3?]\n\n", 4},
		{"What is 2+2?|/retry", "4\n4\n", "[the likeliest answer is always the same: --temperature draws others]\n\n", 2},
		{"/retry", "", "[nothing has been said]\n\n", 0},
		{"/system Answer briefly.|What is 2+2?|/system|/clear|/system|/system off|/system", "4\n",
			"[Answer briefly.]\n[Answer briefly.]\n[the system has said nothing]\n\n", 0},
		{"What is 2+2?|/stats now|/stats", "4\n",
			"[/stats stands alone]\n[2 messages; the last answer left 17 of 512 tokens of context in use]\n[the last answer: prompt 14 tokens at N/s, 2 tokens at N/s]\n\n", 2},
		{"/what|/exit|What is 2+2?", "", "[there is no command /what: /help lists them; a space before it says it to the model]\n", 0},
		{" /exit|/usr/bin is a path|/help\nme", strings.Repeat("I only know small sums.\n", 3), "\n", 6},
		{"   |What is 2+2?", "4\n", "\n", 2},
		{"/save|/load|/load " + os.DevNull + "|/load no such file", "", "[name a file: /save FILE]\n[name a file: /load FILE]\n[cannot load " + os.DevNull + ": is a device, not a regular file]\n[cannot load no such file: no such file or directory]\n\n", 0},
	} {
		talk, answered, told := talkTo(t, bitnet.GenerateOptions{}, strings.Split(test.turns, "|")...)
		told = regexp.MustCompile(`\d+\.\d/s`).ReplaceAllString(told, "N/s")
		told = strings.ReplaceAll(told, "The system cannot find the file specified.", "no such file or directory")
		if answered != test.answered || told != test.told || len(talk.chat.Messages()) != test.messages {
			t.Errorf("%q: answered %q and told %q, want %q and %q; %d messages, want %d",
				test.turns, answered, told, test.answered, test.told, len(talk.chat.Messages()), test.messages)
		}
	}
	if _, _, told := talkTo(t, bitnet.GenerateOptions{}, "/help"); told != chatCommandHelp()+"\n" {
		t.Errorf("/help tells %q", told)
	}
}

// With a temperature, each try draws anew, and the conversation is the last one.
func TestRetryDraws(t *testing.T) {
	turns := []string{"Tell me a story about a dog."}
	for range 20 {
		turns = append(turns, "/retry")
	}
	talk, answered, _ := talkTo(t, bitnet.GenerateOptions{Temperature: 20, MaxTokens: 6, Seed: 1}, turns...)
	answers := strings.Split(answered, "\n")
	slices.Sort(answers)
	if n := len(slices.Compact(answers)); n < 10 {
		t.Errorf("only %d different answers of 20: %q", n, answered)
	}
	messages := talk.chat.Messages()
	if len(messages) != 2 || !strings.Contains(answered, strings.TrimSuffix(messages[1].Content, "\n")) {
		t.Errorf("the conversation is %q", messages)
	}
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "talk.json")
	first, answered, told := talkTo(t, bitnet.GenerateOptions{}, "/system Answer briefly.", "What is 2+2?", `"<é>"\ & 😀`, "/save "+path, "What is 3+4?")
	if !strings.HasSuffix(answered, "7\n") || told != "[saved 5 messages in "+path+"]\n\n" {
		t.Errorf("answered %q and told %q", answered, told)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"{\n  \"messages\": [\n    {\n      \"role\": \"system\",\n      \"content\": \"Answer briefly.\"\n    },\n", `"\"<é>\"\\ & 😀"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %q in\n%s", want, data)
		}
	}
	second, answered, told := talkTo(t, bitnet.GenerateOptions{}, "What is 9+9?", "/load "+path, "What is 3+4?")
	if answered != "18\n7\n" || !strings.HasPrefix(told, "[the user: \"<é>\"\\ & 😀]\n[the assistant: I only know small sums.]\n[going on with the 5 messages of "+path+": ") {
		t.Errorf("answered %q and told %q", answered, told)
	}
	if !slices.Equal(first.chat.Messages(), second.chat.Messages()) || !slices.Equal(first.chat.Session().Tokens(), second.chat.Session().Tokens()) {
		t.Errorf("the conversation went on as %q, loaded as %q", first.chat.Messages(), second.chat.Messages())
	}

	for content, says := range map[string]string{
		``:                 "it is no conversation",
		`[]`:               "it is no conversation",
		`{"a":1}`:          `it has no "messages"`,
		`{"messages":[1]}`: "it is no conversation",
		`{"messages":[{"role":"tool","content":"x"}]}`:                                   `"tool" is none of system, user and assistant`,
		"{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}":                      "not valid UTF-8",
		`{"messages":[{"role":"system","content":"` + strings.Repeat("1 ", 600) + `"}]}`: "do not fit the context of 512",
	} {
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		talk, _, told := talkTo(t, bitnet.GenerateOptions{}, "What is 2+2?", "/load "+path)
		if !strings.Contains(told, says) || len(talk.chat.Messages()) != 2 {
			t.Errorf("%.40q: told %q, want %q; %d messages are left", content, told, says, len(talk.chat.Messages()))
		}
	}
	// A file that cannot be written whole leaves the old one.
	if _, _, told := talkTo(t, bitnet.GenerateOptions{}, "/save "+filepath.Join(path, "x")); !strings.HasPrefix(told, "[cannot write ") {
		t.Errorf("told %q", told)
	}
}

func TestChatWithPromptFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "question")
	if err := os.WriteFile(path, []byte("What is\n2+2?\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, want, _ := talkTo(t, bitnet.GenerateOptions{}, "What is\n2+2?", "What is 3+3?")
	if status, got, stderr := bitnetWith(t, nil, "What is 3+3?\n", "chat", "--prompt-file", path); status != 0 || got != want {
		t.Errorf("status %d, answered %q, want %q (%s)", status, got, want, stderr)
	}
	_, want, _ = talkTo(t, bitnet.GenerateOptions{}, "What is\n2+2?")
	if status, got, stderr := bitnetWith(t, nil, "What is\n2+2?\n", "chat", "--prompt-file", "-"); status != 0 || got != want {
		t.Errorf("status %d, answered %q, want %q (%s)", status, got, want, stderr)
	}
}
