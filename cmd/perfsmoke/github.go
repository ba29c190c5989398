package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
)

// gitHub speaks to the runner of GitHub Actions: it writes workflow commands
// to the step's output and appends to the files that the runner names. Outside
// of GitHub Actions every method does nothing.
//
// What the methods are given may come from a model, a file name or a child
// process; none of it can end a command early or start another one.
//
// The commands are described at
// https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands.
type gitHub struct {
	active      bool
	out         io.Writer
	summaryFile string
	outputFile  string
}

// newGitHub returns the runner that the environment describes, which env looks
// up. Workflow commands go to out, the step's standard output.
func newGitHub(env func(string) string, out io.Writer) *gitHub {
	return &gitHub{
		active:      env("GITHUB_ACTIONS") == "true",
		out:         out,
		summaryFile: env("GITHUB_STEP_SUMMARY"),
		outputFile:  env("GITHUB_OUTPUT"),
	}
}

// Group starts a fold in the log of the step; EndGroup ends it.
func (g *gitHub) Group(title string) { g.command("group", title) }

// EndGroup ends the fold that Group started.
func (g *gitHub) EndGroup() { g.command("endgroup", "") }

// Notice annotates the workflow run with text.
func (g *gitHub) Notice(text string) { g.command("notice", text) }

// Warning annotates the workflow run with a warning.
func (g *gitHub) Warning(text string) { g.command("warning", text) }

// Untrusted calls write with a writer to the step's output. The runner obeys no
// workflow command in what is written there, so that a child's output or a
// model's text can be shown as it is. Outside of GitHub Actions the writer is
// the plain output.
func (g *gitHub) Untrusted(write func(io.Writer) error) error {
	if !g.active {
		return write(g.out)
	}
	// The runner ignores all commands up to one that is named by this token,
	// and nothing that is written meanwhile can know it.
	token := "perfsmoke-" + rand.Text()
	g.command("stop-commands", token)
	line := &lineEnds{out: g.out, ended: true}
	defer func() {
		if !line.ended {
			fmt.Fprintln(g.out)
		}
		g.command(token, "")
	}()
	return write(line)
}

// Summary appends Markdown to the summary page of the step. The caller has
// escaped what it did not write itself: see markdownCode.
func (g *gitHub) Summary(markdown string) error {
	if !g.active || g.summaryFile == "" {
		return nil
	}
	if !strings.HasSuffix(markdown, "\n") {
		markdown += "\n"
	}
	return appendFile(g.summaryFile, markdown)
}

// Output sets an output of the step, which later steps read as
// steps.<id>.outputs.<key>.
func (g *gitHub) Output(key, value string) error {
	if !validOutputKey(key) {
		return fmt.Errorf("output name %q: use letters, digits, '-' and '_', and start with a letter or '_'", key)
	}
	if !g.active || g.outputFile == "" {
		return nil
	}
	end := "end_of_" + key
	for strings.Contains(value, end) {
		end += "_"
	}
	return appendFile(g.outputFile, key+"<<"+end+"\n"+value+"\n"+end+"\n")
}

func (g *gitHub) command(name, text string) {
	if g.active {
		fmt.Fprintf(g.out, "::%s::%s\n", name, commandData.Replace(printable(text, '\n')))
	}
}

// commandData escapes the text of a workflow command, as the runner undoes it.
var commandData = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")

func validOutputKey(key string) bool {
	for i, c := range []byte(key) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return key != ""
}

// markdownCode returns Markdown that shows text as one piece of code, wherever
// in a line it stands, in a cell of a table too. Nothing in the text acts: no
// markup, link, mention of a person, reference to an issue, or line break.
func markdownCode(text string) string {
	var b strings.Builder
	// GitHub looks for mentions and references in what the Markdown renders to,
	// but not within a code element. Markdown, though, is read within it as
	// anywhere, hence every sign that could mean something is written by number.
	b.WriteString("<code>")
	for _, r := range printable(text) {
		switch {
		case r >= 0x80 || strings.ContainsRune(" -,/()%", r) || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z':
			b.WriteRune(r)
		default:
			b.WriteString("&#" + strconv.Itoa(int(r)) + ";")
		}
	}
	b.WriteString("</code>")
	return b.String()
}

// printable returns text with every sign replaced that is neither printable
// nor kept: line breaks and tabs by a space, the others (escapes to a terminal,
// reversals of the direction of writing, broken UTF-8) by U+FFFD.
func printable(text string, keep ...rune) string {
	return strings.Map(func(r rune) rune {
		for _, k := range keep {
			if r == k {
				return r
			}
		}
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// lineEnds passes on what is written and remembers whether a line is open.
type lineEnds struct {
	out   io.Writer
	ended bool
}

func (l *lineEnds) Write(p []byte) (int, error) {
	n, err := l.out.Write(p)
	if n > 0 {
		l.ended = p[n-1] == '\n'
	}
	return n, err
}

// A commandBreaker passes on what is written with a space put into whatever the
// runner could take for the beginning of a command: "::" where a line begins,
// before which it skips space, and the older "##[" anywhere in a line.
type commandBreaker struct {
	out    io.Writer
	line   bool // something that is no space stands in the line
	colon  bool // and it is a colon, the last thing so far
	hashes int  // how many of them stand last
}

func (b *commandBreaker) Write(p []byte) (int, error) {
	broken := make([]byte, 0, len(p)+1)
	for _, sign := range p {
		if b.colon && sign == ':' || b.hashes >= 2 && sign == '[' {
			broken = append(broken, ' ')
		}
		b.colon = !b.line && sign == ':'
		switch {
		case sign == '\n' || sign == '\r':
			b.line = false
		case sign > ' ' && sign < 0x80: // beyond ASCII there are more spaces
			b.line = true
		}
		if sign == '#' {
			b.hashes++
		} else {
			b.hashes = 0
		}
		broken = append(broken, sign)
	}
	if _, err := b.out.Write(broken); err != nil {
		return 0, err
	}
	return len(p), nil
}

// appendFile adds text to the end of a file in a single write, so that the
// text of several processes does not mix.
func appendFile(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
