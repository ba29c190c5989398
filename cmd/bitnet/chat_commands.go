package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/internal/input"
)

// chatCommands are what can be said to the program instead of the model.
var chatCommands = []struct{ name, argument, help string }{
	{"/help", "", "list these commands"},
	{"/clear", "", "forget the conversation, but not what the system said"},
	{"/undo", "", "take back the last turn and its answer"},
	{"/retry", "", "answer the last turn again, with other draws"},
	{"/system", "TEXT", "tell the model this before the conversation; off takes it\naway, nothing shows it"},
	{"/save", "FILE", "write the conversation to a file, as JSON"},
	{"/load", "FILE", "go on with a conversation that was saved"},
	{"/stats", "", "how long the conversation and how fast the last answer is"},
	{"/exit", "", "leave"},
}

func chatCommandHelp() string {
	var b strings.Builder
	for _, c := range chatCommands {
		help := strings.ReplaceAll(c.help, "\n", "\n"+strings.Repeat(" ", 20))
		fmt.Fprintf(&b, "  %-18s%s\n", strings.TrimSpace(c.name+" "+c.argument), help)
	}
	return b.String()
}

var commandWord = regexp.MustCompile(`^/[a-z]+$`)

// isChatCommand reports whether what was said is a command, or a word that looks
// like one. A path is none, nor is a text of several lines.
func isChatCommand(said string) bool {
	word, _, _ := strings.Cut(said, " ")
	return commandWord.MatchString(word) && !strings.Contains(said, "\n")
}

// completeChatCommand returns the commands that a line may be the beginning of.
func completeChatCommand(line string) (candidates []string) {
	if line == "" {
		return nil
	}
	for _, c := range chatCommands {
		if strings.HasPrefix(c.name, line) {
			name := c.name
			if c.argument != "" {
				name += " "
			}
			candidates = append(candidates, name)
		}
	}
	return candidates
}

// errLeave ends the conversation.
var errLeave = errors.New("leaving")

// command does what a command says. What goes wrong is told.
func (t *conversation) command(line string) error {
	name, argument, _ := strings.Cut(line, " ")
	argument = strings.TrimSpace(argument)
	known := false
	for _, c := range chatCommands {
		if c.name != name {
			continue
		}
		known = true
		if argument != "" && c.argument == "" {
			t.note("%s stands alone", name)
			return nil
		}
	}
	if !known {
		t.note("there is no command %s: /help lists them; a space before it says it to the model", name)
		return nil
	}
	var err error
	switch name {
	case "/help":
		io.WriteString(t.stderr, chatCommandHelp())
	case "/clear":
		err = t.resume(t.system())
	case "/undo":
		if said, ok := t.chat.Undo(); ok {
			t.note("took back: %s", excerpt(said))
		} else {
			t.note("nothing has been said")
		}
	case "/retry":
		return t.retry()
	case "/system":
		err = t.setSystem(argument)
	case "/save":
		err = t.save(argument)
	case "/load":
		err = t.load(argument)
	case "/stats":
		t.stats()
	case "/exit":
		return errLeave
	}
	if err != nil {
		var stop *interruption
		if errors.As(err, &stop) {
			return err
		}
		t.note("%v", err)
	}
	return nil
}

// system returns the messages of the system that the conversation begins with.
func (t *conversation) system() []bitnet.Message {
	messages := t.chat.Messages()
	n := slices.IndexFunc(messages, func(m bitnet.Message) bool { return m.Role != bitnet.RoleSystem })
	if n < 0 {
		n = len(messages)
	}
	return messages[:n]
}

// resume goes on with another conversation. After an error it is the old one.
func (t *conversation) resume(messages []bitnet.Message) error {
	wait := newWait(t.call)
	signalled, err := t.interruptible(func(ctx context.Context) error {
		defer wait.end()
		chat, err := bitnet.ResumeChat(ctx, t.chat.Session(), messages, t.chatOptions...)
		if err == nil {
			t.chat = chat
		}
		return err
	})
	if signalled != nil && signalled != os.Interrupt {
		return &interruption{signal: signalled}
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted: the conversation is as before")
	}
	var full *bitnet.ContextError
	if errors.As(err, &full) {
		return fmt.Errorf("%d tokens do not fit the context of %d", full.Added+full.Length, full.Context)
	}
	return err
}

// retry has the last turn answered again. Where no answer comes the old one
// stays.
func (t *conversation) retry() error {
	before := t.chat.Fork()
	said, ok := t.chat.Undo()
	if !ok {
		before.Session().Close()
		t.note("nothing has been said")
		return nil
	}
	left := len(t.chat.Messages())
	err := t.answer(said)
	if len(t.chat.Messages()) == left {
		t.chat, before = before, t.chat
	}
	before.Session().Close()
	if err == nil && t.options.Temperature == 0 {
		t.note("the likeliest answer is always the same: --temperature draws others")
	}
	return err
}

func (t *conversation) setSystem(text string) error {
	system := t.system()
	if text == "" {
		if len(system) == 0 {
			t.note("the system has said nothing")
		}
		for _, message := range system {
			t.note("%s", message.Content)
		}
		return nil
	}
	messages := t.chat.Messages()[len(system):]
	if text != "off" {
		messages = slices.Insert(messages, 0, bitnet.Message{Role: bitnet.RoleSystem, Content: text})
	}
	return t.resume(messages)
}

func (t *conversation) stats() {
	session, messages := t.chat.Session(), len(t.chat.Messages())
	forgotten := ""
	if n := t.chat.Dropped(); n > 0 {
		forgotten = fmt.Sprintf(", %d of them forgotten", n)
	}
	t.note("%d messages%s; the last answer left %d of %d tokens of context in use", messages, forgotten, session.Len(), session.Context())
	if t.last != nil {
		t.note("the last answer: %s", measureTurn(t.last))
	}
}

// A savedChat is what a file of a conversation holds.
type savedChat struct {
	Messages []bitnet.Message `json:"messages"`
}

func (t *conversation) save(path string) error {
	if path == "" {
		return errors.New("name a file: /save FILE")
	}
	saved := savedChat{t.chat.Messages()}
	err := writeFile(atHome(path), func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(saved)
	})
	if err == nil {
		t.note("saved %d messages in %s", len(saved.Messages), path)
	}
	return err
}

func (t *conversation) load(path string) error {
	if path == "" {
		return errors.New("name a file: /load FILE")
	}
	messages, err := readChat(atHome(path))
	if err != nil {
		return fmt.Errorf("cannot load %s: %w", path, err)
	}
	if err := t.resume(messages); err != nil {
		return fmt.Errorf("cannot go on with %s: %w", path, err)
	}
	for i, message := range messages {
		if i >= len(messages)-2 && message.Role != bitnet.RoleSystem {
			t.note("the %s: %s", message.Role, excerpt(message.Content))
		}
	}
	forgotten := ""
	if n := t.chat.Dropped(); n > 0 {
		forgotten = fmt.Sprintf(" without the oldest %d, which do not fit the context", n)
	}
	t.note("going on with the %d messages of %s%s: %d tokens", len(messages), path, forgotten, t.chat.Session().Len())
	return nil
}

// readChat reads a conversation that save has written, or another program.
func readChat(path string) ([]bitnet.Message, error) {
	f, _, err := input.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxInput+1))
	if err != nil {
		return nil, cause(err)
	}
	if len(data) > maxInput {
		return nil, fmt.Errorf("it is longer than %d bytes", maxInput)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("it is not valid UTF-8")
	}
	var saved savedChat
	if err := json.Unmarshal(input.TrimMark(data), &saved); err != nil {
		return nil, fmt.Errorf(`it is no conversation, {"messages":[{"role":"user","content":"…"}]}: %w`, err)
	}
	if saved.Messages == nil {
		return nil, errors.New(`it is no conversation: it has no "messages"`)
	}
	return saved.Messages, nil
}

// atHome returns the path that a shell would make of one that begins with ~/.
func atHome(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}

// excerpt returns the beginning of a text, in one line.
func excerpt(text string) string {
	const limit = 60
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > limit {
		runes = append(runes[:limit], '…')
	}
	return string(runes)
}
