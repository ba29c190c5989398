package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// An editor reads what a person types at a terminal: with the cursor keys, a
// history of what was said before, several lines where they are wanted, and
// pastes of any length.
//
// In the line that is edited, lineBreak stands for a line break and a mark for a
// paste that is too long to be edited. golang.org/x/term takes every character
// for one column wide; so one of two columns, as Chinese has, is followed by a
// filler that is never shown.
type editor struct {
	terminal *term.Terminal
	size     func() (width, height int, err error) // of the terminal
	complete func(line string) []string            // what a line may be going to be

	left   bool     // Ctrl-D was pressed in an empty line
	said   []string // earlier turns as they were edited, the latest last
	pastes []string // marks, each followed by its text
}

const (
	lineBreak = "↵"
	filler    = "\ufdd0" // in no text
)

const (
	// A paste of more characters or lines is a mark in the line.
	maxShownPaste = 400
	maxShownLines = 5
	// The editor of golang.org/x/term takes no more characters in a line.
	maxEditedLine = 4096
)

// newEditor returns an editor on a terminal, which close gives back as it was. It
// returns nil where lines cannot be edited: then they are read as the system hands
// them over.
//
// Until then the terminal also keeps what is typed and pasted while nobody reads.
func newEditor(c *call, complete func(string) []string) (e *editor, close func()) {
	if !isTerminal(c.stdin) || !isTerminal(c.stderr) || os.Getenv("TERM") == "dumb" {
		return nil, func() {}
	}
	in, out := c.stdin.(*os.File), c.stderr.(*os.File)
	restore, err := rawMode(in, out)
	if err != nil {
		return nil, func() {}
	}
	e = makeEditor(in, out, complete)
	e.size = func() (int, int, error) { return term.GetSize(int(out.Fd())) }
	e.terminal.SetBracketedPasteMode(true)
	return e, func() {
		e.terminal.SetBracketedPasteMode(false)
		restore()
	}
}

// makeEditor returns an editor for a terminal in raw mode of 80 columns.
func makeEditor(in io.Reader, out io.Writer, complete func(string) []string) *editor {
	e := &editor{
		complete: complete,
		size:     func() (int, int, error) { return 80, 24, nil },
	}
	keys := &keyReader{source: in, pasted: e.pasted}
	e.terminal = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{readerFunc(func(p []byte) (int, error) {
		if e.left {
			return 0, io.EOF
		}
		n, err := keys.Read(p)
		e.resize() // before anything is drawn
		return n, err
	}), writerFunc(func(p []byte) (int, error) {
		_, err := out.Write(bytes.ReplaceAll(p, []byte(filler), nil))
		return len(p), err
	})}, "")
	e.terminal.History = (*history)(e)
	e.terminal.AutoCompleteCallback = e.key
	return e
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (e *editor) resize() {
	if width, height, err := e.size(); err == nil {
		e.terminal.SetSize(width, height)
	}
}

// read returns what is said next. The error is [io.EOF] where Ctrl-D ended the
// conversation.
func (e *editor) read() (string, error) {
	e.resize()
	var lines []string
	for prompt, more := "> ", true; more; prompt = ". " {
		e.terminal.SetPrompt(prompt)
		line, err := e.terminal.ReadLine()
		if err != nil {
			return "", err
		}
		if e.left {
			return "", io.EOF
		}
		line, more = strings.CutSuffix(line, `\`)
		lines = append(lines, line)
	}
	line := strings.Join(lines, lineBreak)
	if line != "" && (len(e.said) == 0 || e.said[len(e.said)-1] != line) {
		e.said = append(e.said, line)
	}
	return e.expand(line), nil
}

// pasted returns what stands for a paste in the line: itself, if it is short.
func (e *editor) pasted(text string) string {
	shown := strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", lineBreak)
	printable := func(r rune) bool { return unicode.IsPrint(r) && r != utf8.RuneError }
	if utf8.RuneCountInString(shown) <= maxShownPaste && strings.Count(shown, lineBreak) < maxShownLines &&
		strings.IndexFunc(shown, func(r rune) bool { return !printable(r) }) < 0 {
		return shown
	}
	return e.mark(text)
}

// mark keeps a text and returns what stands for it in the line.
func (e *editor) mark(text string) string {
	lines := strings.Count(strings.TrimSuffix(text, "\n"), "\n") + 1
	unit := "lines"
	if lines == 1 {
		unit = "line"
	}
	mark := fmt.Sprintf("[paste %d: %d %s, %d bytes]", len(e.pastes)/2+1, lines, unit, len(text))
	e.pastes = append(e.pastes, mark, text)
	return mark
}

// expand returns what an edited line says.
func (e *editor) expand(line string) string {
	return strings.NewReplacer(append([]string{filler, "", lineBreak, "\n"}, e.pastes...)...).Replace(line)
}

// key is told each key that puts something into the line, and those of keyReader,
// before anything is done about them. It returns what the line becomes and where
// the cursor then is, or false where that is left to the editor.
func (e *editor) key(line string, at int, key rune) (string, int, bool) {
	before, after := line[:at], line[at:]
	first, last := firstCharacter(after), lastCharacter(before)
	switch key {
	case '\t':
		return e.completed(line, at)
	case keyLeft:
		return line, at - len(last), true
	case keyRight:
		return line, at + len(first), true
	case keyErase:
		before = before[:at-len(last)]
		return before + after, len(before), true
	case keyDelete:
		e.left = line == ""
		return before + after[len(first):], at, true
	}
	if !unicode.IsPrint(key) {
		return "", 0, false
	}
	full := utf8.RuneCountInString(line) >= maxEditedLine
	switch {
	case full && len(before) >= len(after): // nothing of it is lost
		before = e.mark(e.expand(before))
	case full:
		after = e.mark(e.expand(after))
	case !isWide(key):
		return "", 0, false
	}
	before += string(key)
	if isWide(key) {
		before += filler
	}
	return before + after, len(before), true
}

// isWide reports whether a character takes two columns.
func isWide(r rune) bool {
	kind := width.LookupRune(r).Kind()
	return kind == width.EastAsianWide || kind == width.EastAsianFullwidth
}

// firstCharacter returns the first character of a line, with its filler.
func firstCharacter(line string) string {
	_, n := utf8.DecodeRuneInString(line)
	if strings.HasPrefix(line[n:], filler) {
		n += len(filler)
	}
	return line[:n]
}

// lastCharacter returns the last character of a line, with its filler.
func lastCharacter(line string) string {
	bare := strings.TrimSuffix(line, filler)
	_, n := utf8.DecodeLastRuneInString(bare)
	return line[len(bare)-n:]
}

func (e *editor) completed(line string, at int) (string, int, bool) {
	if at < len(line) {
		return line, at, true
	}
	candidates := e.complete(line)
	if len(candidates) == 0 {
		return line, at, true
	}
	common := candidates[0]
	for _, candidate := range candidates[1:] {
		for !strings.HasPrefix(candidate, common) {
			common = common[:len(common)-1]
		}
	}
	if common == line && len(candidates) > 1 {
		fmt.Fprintf(e.terminal, "%s\n", strings.Join(candidates, " "))
	}
	return common, len(common), true
}

// A history is what the arrow keys bring back. read adds to it, whole turns.
type history editor

func (h *history) Add(string)      {}
func (h *history) Len() int        { return len(h.said) }
func (h *history) At(i int) string { return h.said[len(h.said)-1-i] }
