package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
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
standard output. On a terminal, Ctrl-C ends an answer and keeps the
conversation; at the prompt it leaves, and so does Ctrl-D.

` + modelHelp + `  --system S        what the model is told before the conversation
  --max-tokens N    cut an answer after N tokens; 0 means when the context is
                    full (default: 1024)
` + generationHelp,
	run: chat,
}

// conversation is a chat and what it talks through.
type conversation struct {
	*call
	chat        *bitnet.Chat
	options     bitnet.GenerateOptions
	out         textWriter
	interactive bool // standard input is a terminal
	signals     chan os.Signal
}

func chat(c *call) error {
	var model modelFlags
	var generation generationFlags
	flags := newFlags()
	model.register(flags, c.settings)
	generation.register(flags, c.settings, 1024)
	system := flags.String("system", "", "")
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
	m, _, err := model.open(c)
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := m.NewSession()
	if err != nil {
		return err
	}
	defer s.Close()

	talk := &conversation{
		call:        c,
		options:     options,
		out:         textWriter{w: c.stdout, terminal: isTerminal(c.stdout)},
		interactive: isTerminal(c.stdin),
		signals:     make(chan os.Signal, 1),
	}
	signal.Notify(talk.signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(talk.signals)
	if generation.seed != nil {
		c.infof("seed %d", *generation.seed)
	}
	signalled, err := talk.interruptible(func(ctx context.Context) error {
		wait := newWait(c)
		defer wait.end()
		var err error
		talk.chat, err = bitnet.NewChat(ctx, s, *system)
		return err
	})
	if signalled != nil {
		return &interruption{signal: signalled}
	}
	if err != nil {
		return describeSystem(err)
	}
	if talk.interactive {
		name := m.Config().Name
		if name == "" {
			name = m.Config().Architecture
		}
		c.infof("%s, %d tokens of context. Ctrl-C ends an answer, Ctrl-D leaves.", name, s.Context())
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

// hold takes turns until standard input ends.
func (t *conversation) hold() error {
	lines := newLineReader(t.stdin)
	defer close(lines.wanted)
	for turn := uint64(0); ; {
		if t.interactive {
			io.WriteString(t.stderr, "> ")
		}
		lines.wanted <- struct{}{}
		select {
		case s := <-t.signals:
			if t.interactive && s == os.Interrupt {
				io.WriteString(t.stderr, "\n")
				return nil
			}
			return &interruption{signal: s}
		case line, ok := <-lines.lines:
			if !ok {
				if t.interactive {
					io.WriteString(t.stderr, "\n")
				}
				return lines.err
			}
			if line == "" {
				continue
			}
			if err := t.answer(line, turn); err != nil {
				return err
			}
			turn++
		}
	}
}

// A lineReader reads lines where a signal can be awaited at the same time. It
// reads only when a line is wanted: on some systems Ctrl-C, which may be meant
// for an answer, ends a read that is under way.
type lineReader struct {
	wanted chan struct{} // the reader's user asks, and closes it when done
	lines  chan string   // closed at the end
	err    error         // valid then
}

func newLineReader(r io.Reader) *lineReader {
	l := &lineReader{wanted: make(chan struct{}, 1), lines: make(chan string, 1)}
	go func() {
		defer close(l.lines)
		scanner := bufio.NewScanner(input.SkipMark(r))
		scanner.Buffer(nil, maxInput)
		for range l.wanted {
			if !scanner.Scan() {
				break
			}
			l.lines <- scanner.Text()
		}
		if err := scanner.Err(); err != nil {
			l.err = fmt.Errorf("reading standard input: %w", err)
		}
	}()
	return l
}

// answer takes one turn. On a terminal it tells what went wrong and lets the
// conversation go on; everything else ends at the first trouble.
func (t *conversation) answer(said string, turn uint64) error {
	options := t.options
	options.Seed += turn // other draws each turn, the same ones each time
	session, dropped := t.chat.Session(), t.chat.Dropped()
	wait := newWait(t.call)
	written, newline := false, true
	var writing error
	signalled, err := t.interruptible(func(ctx context.Context) error {
		defer wait.end()
		for token, err := range t.chat.Stream(ctx, said, options) {
			if token.Text != "" {
				wait.end()
				if writing = t.out.write(token.Text); writing != nil {
					return nil
				}
				written, newline = true, token.Text[len(token.Text)-1] == '\n'
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
	result := session.Result()
	if written && !newline || !t.interactive && result != nil {
		if err := writeOut(t.stdout, "\n"); err != nil {
			return err
		}
	}
	if n := t.chat.Dropped() - dropped; n > 0 {
		t.note("the context is full: the model has forgotten the oldest %d messages", n)
	}
	if signalled != nil && (!t.interactive || signalled != os.Interrupt) {
		return &interruption{signal: signalled}
	}
	switch {
	case err != nil && errors.Is(err, context.Canceled) && result == nil:
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
		t.debugf("%s, %d tokens of context used", measureTurn(result), session.Len())
	}
	return nil
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
		return fmt.Errorf("this turn has %d tokens and the context room for %d of %d: say less, or start a new conversation", full.Added, full.Context-full.Length, full.Context)
	}
	return err
}

// A wait shows on a terminal how long nothing has come yet.
type wait struct {
	stop, ended chan struct{}
	progress    *progress
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
				w.progress.show("reading: %d s", seconds)
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
