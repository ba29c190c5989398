package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/internal/input"
	"golang.org/x/term"
)

// maxInput limits what is read from standard input, far beyond what any
// context holds.
const maxInput = 256 << 20

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// sameFile reports whether two streams are the same file or pipe.
func sameFile(a, b any) bool {
	f, ok := a.(*os.File)
	g, both := b.(*os.File)
	if !ok || !both {
		return false
	}
	one, err := f.Stat()
	if err != nil {
		return false
	}
	other, err := g.Stat()
	return err == nil && os.SameFile(one, other)
}

// readInput reads all of standard input, or of the file with this name, less a
// byte-order mark before it.
func readInput(in io.Reader, name string) (string, error) {
	data, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, cause(err))
	}
	if len(data) > maxInput {
		return "", fmt.Errorf("%s is longer than %d bytes: give less text", name, maxInput)
	}
	return string(input.TrimMark(data)), nil
}

func (c *call) warnf(format string, args ...any) {
	fmt.Fprintf(c.stderr, "warning: %s\n", visible(fmt.Sprintf(format, args...)))
}

func (c *call) infof(format string, args ...any) {
	if c.settings.log >= logInfo {
		fmt.Fprintf(c.stderr, "%s\n", visible(fmt.Sprintf(format, args...)))
	}
}

func (c *call) debugf(format string, args ...any) {
	if c.settings.log >= logDebug {
		fmt.Fprintf(c.stderr, "debug: %s\n", visible(fmt.Sprintf(format, args...)))
	}
}

// visible replaces what is not to be printed as it is (control characters,
// invisible ones, bytes that are no text) by Go's escapes: nothing that comes
// from a file or an argument gives orders to a terminal or begins a new line.
func visible(text string) string { return escape(text, unicode.IsPrint) }

// harmless does the same with control characters only, other than line breaks
// and tabs: what is left is text in any language.
func harmless(text string) string {
	return escape(text, func(r rune) bool { return r == '\n' || r == '\t' || !unicode.IsControl(r) })
}

func escape(text string, safe func(rune) bool) string {
	if utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !safe(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if safe(r) && (r != utf8.RuneError || n > 1) {
			b.WriteString(text[:n])
		} else {
			quoted := strconv.Quote(text[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[n:]
	}
	return b.String()
}

// A textWriter writes generated text: to a terminal without what could give it
// orders, to everything else as it is.
type textWriter struct {
	w        io.Writer
	terminal bool
}

func (t textWriter) write(text string) error {
	if text == "" {
		return nil
	}
	if t.terminal {
		text = harmless(text)
	}
	return writeOut(t.w, text)
}

// writeOut writes to standard output.
func writeOut(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("writing standard output: %w", err)
	}
	return nil
}

// progress shows on a terminal how far work has come, in one line that goes
// away again.
type progress struct {
	w     io.Writer // nil where there is no terminal
	shown int       // characters on the line
	next  time.Time // when to show something again
}

// newProgress returns a progress that shows nothing for a while: what is done
// by then needs no words.
func newProgress(c *call, quiet time.Duration) *progress {
	p := &progress{next: time.Now().Add(quiet)}
	if isTerminal(c.stderr) {
		p.w = c.stderr
	}
	return p
}

func (p *progress) enabled() bool { return p.w != nil }

// show replaces the line, but not more often than can be read.
func (p *progress) show(format string, args ...any) {
	now := time.Now()
	if p.w == nil || now.Before(p.next) {
		return
	}
	p.next = now.Add(100 * time.Millisecond)
	line := fmt.Sprintf(format, args...)
	n := utf8.RuneCountInString(line)
	fmt.Fprintf(p.w, "\r%s%s", line, strings.Repeat(" ", max(p.shown-n, 0)))
	p.shown = n
}

// erase takes the line away.
func (p *progress) erase() {
	if p.w != nil && p.shown > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.shown))
		p.shown = 0
	}
}

// An interruption is the signal that ended the work.
type interruption struct {
	signal os.Signal
	done   string // how far the work had come
}

func (e *interruption) Error() string {
	word := "interrupted"
	if e.signal == syscall.SIGTERM {
		word = "terminated"
	}
	if e.done != "" {
		word += " " + e.done
	}
	return word
}

// status is what shells expect of a program that ended by the signal.
func (e *interruption) status() int {
	if e.signal == syscall.SIGTERM {
		return 128 + 15
	}
	return 128 + 2
}

// interruptible returns a context that ends at the first Ctrl-C or SIGTERM. A
// second one ends the process at once. The caller calls stop when done.
func interruptible() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			cancel(&interruption{signal: s})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// interrupted returns the interruption that ended ctx, or nil.
func interrupted(ctx context.Context) *interruption {
	i, _ := context.Cause(ctx).(*interruption)
	return i
}
