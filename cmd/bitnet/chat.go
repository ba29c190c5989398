package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/internal/input"
)

var chatCommand = command{
	name:    "chat",
	summary: "hold a conversation",
	help: `bitnet chat [--model M] [--system S] [flags]

A conversation: one line of standard input is one turn, and the answer goes to
standard output. What a model thinks before it answers is shown dimmed where the
conversation is held on a terminal, and left out elsewhere.

On a terminal lines can be edited, the arrow keys bring back earlier ones, and a
paste of many lines is one turn. A turn goes on in the next line where a line
ends with \ and where Alt-Enter is pressed. Ctrl-C ends an answer and keeps the
conversation; at the prompt it leaves, and so does Ctrl-D. There are commands,
which Tab completes:

` + chatCommandHelp() + `
To say something that begins with such a word, put a space before it.

` + modelHelp + `  --system S        what the model is told before the conversation
  --prompt-file F   say what is in this file first, all of it as one turn; - is
                    standard input
  --max-tokens N    cut an answer after N tokens; 0 means when the context is
                    full (default: 1024)
  --no-drop         forget nothing: where the context is full, the conversation
                    ends; without it the model forgets the oldest turns then
  --no-think        have the model answer at once, without thinking first; an
                    error where its chat template cannot turn that off
` + generationHelp,
	run: chat,
}

// conversation is a chat and what it talks through.
type conversation struct {
	*call
	chat        *bitnet.Chat
	chatOptions []bitnet.ChatOption
	options     bitnet.GenerateOptions
	out         textWriter
	dims        bool // what the model thinks is shown, dimmed
	interactive bool // standard input is a terminal
	signals     chan os.Signal
	read        func() (string, error) // the next turn; io.EOF at the end

	answers uint64         // so many have been asked for
	last    *bitnet.Result // of the last one
}

func chat(c *call) error {
	var model modelFlags
	var generation generationFlags
	flags := c.newFlags()
	model.register(flags, c.settings)
	generation.register(flags, c.settings, 1024)
	system := flags.String("system", "", "")
	promptFile := flags.String("prompt-file", "", "")
	noDrop := flags.Bool("no-drop", false, "")
	noThink := flags.Bool("no-think", false, "")
	if err := parseAlone(flags, c.args); err != nil {
		return err
	}
	if err := checkNames(flags); err != nil {
		return err
	}
	options, err := generation.options(c)
	if err != nil {
		return err
	}
	first := ""
	if *promptFile != "" {
		if first, err = readPrompt(c, *promptFile); err != nil {
			return err
		}
	}
	if err := model.locate(c); err != nil { // while the terminal is as it was
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	// What is typed from now on waits until it is read.
	editor, closeEditor := newEditor(c, completeChatCommand)
	defer closeEditor()
	m, _, err := model.open(c)
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := generation.newSession(m)
	if err != nil {
		return err
	}

	talk := &conversation{
		call:        c,
		options:     options,
		out:         textWriter{w: c.stdout, terminal: isTerminal(c.stdout)},
		interactive: isTerminal(c.stdin),
		signals:     signals,
	}
	if editor != nil {
		talk.read, talk.dims = editor.read, talk.out.terminal
	} else {
		talk.read = readLines(c.stdin, func() {
			if talk.interactive {
				io.WriteString(c.stderr, "> ")
			}
		})
	}
	if *noDrop {
		talk.chatOptions = append(talk.chatOptions, bitnet.WithoutDropping())
	}
	if *noThink {
		talk.chatOptions = append(talk.chatOptions, bitnet.WithoutThinking())
	}
	if generation.seed != nil {
		c.infof("seed %d", *generation.seed)
	}
	signalled, err := talk.interruptible(func(ctx context.Context) error {
		wait := newWait(c)
		defer wait.end()
		var err error
		talk.chat, err = bitnet.NewChat(ctx, s, *system, talk.chatOptions...)
		return err
	})
	if signalled != nil {
		return &interruption{signal: signalled}
	}
	if err != nil {
		return describeSystem(err)
	}
	defer func() { talk.chat.Session().Close() }() // by then another one, perhaps
	if talk.interactive {
		name := m.Config().Name
		if name == "" {
			name = m.Config().Architecture
		}
		c.infof("%s, %d tokens of context. /help lists commands, Ctrl-C ends an answer, Ctrl-D leaves.", name, s.Context())
	}
	if *promptFile != "" {
		if err := talk.answer(first); err != nil {
			return err
		}
	}
	return talk.hold()
}

// interruptible calls f with a context that ends at a signal, which it returns
// if it came while f was at work.
func (t *conversation) interruptible(f func(ctx context.Context) error) (os.Signal, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	came := make(chan os.Signal, 1)
	finished := make(chan struct{})
	go func() {
		defer close(came)
		select {
		case s := <-t.signals:
			came <- s
			cancel()
		case <-finished:
		}
	}()
	err := f(ctx)
	close(finished)
	return <-came, err
}

// hold takes turns until there are no more.
func (t *conversation) hold() error {
	turns := newTurnReader(t.read)
	defer close(turns.wanted)
	for {
		turns.wanted <- struct{}{}
		select {
		case s := <-t.signals:
			if t.interactive {
				io.WriteString(t.stderr, "\n")
				if s == os.Interrupt {
					return nil
				}
			}
			return &interruption{signal: s}
		case said, ok := <-turns.turns:
			if !ok {
				if t.interactive {
					io.WriteString(t.stderr, "\n")
				}
				return turns.err
			}
			var err error
			if t.interactive && isChatCommand(said) {
				err = t.command(said)
			} else if strings.TrimSpace(said) != "" {
				err = t.answer(said)
			}
			if errors.Is(err, errLeave) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
}

// A turnReader reads turns where a signal can be awaited at the same time. It
// reads only when a turn is wanted: on some systems Ctrl-C, which may be meant
// for an answer, ends a read that is under way.
type turnReader struct {
	wanted chan struct{} // the reader's user asks, and closes it when done
	turns  chan string   // closed at the end
	err    error         // valid then
}

func newTurnReader(read func() (string, error)) *turnReader {
	r := &turnReader{wanted: make(chan struct{}, 1), turns: make(chan string, 1)}
	go func() {
		defer close(r.turns)
		for range r.wanted {
			turn, err := read()
			if err == io.EOF {
				return
			}
			if err != nil {
				r.err = fmt.Errorf("reading standard input: %w", err)
				return
			}
			r.turns <- turn
		}
	}()
	return r
}

// readLines returns a function that reads the next line, after prompt.
func readLines(r io.Reader, prompt func()) func() (string, error) {
	scanner := bufio.NewScanner(input.SkipMark(r))
	scanner.Buffer(nil, maxInput)
	return func() (string, error) {
		prompt()
		if scanner.Scan() {
			return scanner.Text(), nil
		}
		if err := scanner.Err(); err != nil {
			return "", err
		}
		return "", io.EOF
	}
}

// answer takes one turn. On a terminal it tells what went wrong and lets the
// conversation go on; everything else ends at the first trouble.
func (t *conversation) answer(said string) error {
	options := t.options
	options.Seed += t.answers // other draws each turn, the same ones each time
	session, dropped := t.chat.Session(), t.chat.Dropped()
	wait := newWait(t.call)
	options.Progress = wait.read
	out := answerWriter{textWriter: t.out, dims: t.dims}
	var writing error
	signalled, err := t.interruptible(func(ctx context.Context) error {
		defer wait.end()
		for token, err := range t.chat.Stream(ctx, said, options) {
			if token.Text != "" || token.Reasoning != "" && t.dims {
				wait.end()
			}
			if writing = out.write(token); writing != nil {
				return nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if writing != nil {
		return writing
	}
	t.answers++
	result := session.Result()
	if out.open || !t.interactive && result != nil {
		if err := writeOut(t.stdout, "\n"); err != nil {
			return err
		}
	}
	if signalled != nil && (!t.interactive || signalled != os.Interrupt) {
		return &interruption{signal: signalled}
	}
	if n := t.chat.Dropped() - dropped; n > 0 {
		t.note("the context is full: the model has forgotten the oldest %d messages", n)
	}
	switch {
	case err != nil && errors.Is(err, context.Canceled) && (result == nil || result.CompletionTokens == 0):
		t.note("interrupted: the turn was taken back")
	case err != nil && errors.Is(err, context.Canceled):
		t.note("interrupted after %d tokens", result.CompletionTokens)
	case err != nil:
		if err = describeTurn(err); !t.interactive {
			return err
		}
		t.note("%s", err)
	case result.Reason == bitnet.StopMaxTokens:
		t.note("cut after %d tokens: --max-tokens allows more", result.CompletionTokens)
	case result.Reason == bitnet.StopContext:
		t.note("the context of %d tokens is full: the answer was cut", session.Context())
	}
	if result != nil {
		t.last = result
		t.debugf("%s, %d tokens of context used", measureTurn(result), session.Len())
	}
	return nil
}

// An answerWriter writes an answer as it comes, and if it dims also what was
// thought ahead of it.
type answerWriter struct {
	textWriter
	dims    bool
	open    bool // a line is
	thought bool // and nothing has been answered
}

func (w *answerWriter) write(token bitnet.Token) error {
	if token.Reasoning != "" && w.dims {
		w.open, w.thought = true, true
		if err := writeOut(w.w, "\x1b[2m"); err != nil {
			return err
		}
		if err := w.textWriter.write(token.Reasoning); err != nil {
			return err
		}
		if err := writeOut(w.w, "\x1b[22m"); err != nil {
			return err
		}
	}
	if token.Text == "" {
		return nil
	}
	w.open = !strings.HasSuffix(token.Text, "\n")
	if w.thought {
		w.thought = false
		token.Text = "\n\n" + token.Text
	}
	return w.textWriter.write(token.Text)
}

// note tells something about the conversation on standard error.
func (t *conversation) note(format string, args ...any) {
	fmt.Fprintf(t.stderr, "[%s]\n", visible(fmt.Sprintf(format, args...)))
}

func measureTurn(r *bitnet.Result) string {
	t := measure(r)
	return fmt.Sprintf("prompt %d tokens at %.1f/s, %d tokens at %.1f/s", r.PromptTokens, t.PromptRate, r.CompletionTokens, t.DecodeRate)
}

func describeSystem(err error) error {
	var full *bitnet.ContextError
	if errors.As(err, &full) {
		return fmt.Errorf("the system's turn has %d tokens and the model's context %d: shorten --system", full.Added, full.Context)
	}
	return err
}

func describeTurn(err error) error {
	var full *bitnet.ContextError
	if errors.As(err, &full) {
		return fmt.Errorf("this turn has %d tokens and the context room for %d of %d: say less, or clear the conversation", full.Added, full.Context-full.Length, full.Context)
	}
	return err
}

// A wait shows on a terminal how long nothing has come yet, and how much has been
// read.
type wait struct {
	stop, ended      chan struct{}
	progress         *progress
	evaluated, total atomic.Int64
}

// read tells how many of how many tokens have been evaluated.
func (w *wait) read(evaluated, total int) {
	w.evaluated.Store(int64(evaluated))
	w.total.Store(int64(total))
}

func newWait(c *call) *wait {
	stop := make(chan struct{})
	w := &wait{stop: stop, ended: make(chan struct{}), progress: newProgress(c, 0)}
	go func() {
		defer close(w.ended)
		if !w.progress.enabled() {
			return
		}
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for seconds := 1; ; seconds++ {
			select {
			case <-tick.C:
				if total := w.total.Load(); total > 0 {
					w.progress.show("reading: %d of %d tokens, %d s", w.evaluated.Load(), total, seconds)
				} else {
					w.progress.show("reading: %d s", seconds)
				}
			case <-stop:
				return
			}
		}
	}()
	return w
}

// end takes the line away. Further calls do nothing.
func (w *wait) end() {
	if w.stop == nil {
		return
	}
	close(w.stop)
	w.stop = nil
	<-w.ended
	w.progress.erase()
}
