package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// typed is what a person types, in pieces that are read one by one.
type typed []string

func (t *typed) Read(p []byte) (int, error) {
	if len(*t) == 0 {
		return 0, io.EOF
	}
	n := copy(p, (*t)[0])
	if (*t)[0] = (*t)[0][n:]; (*t)[0] == "" {
		*t = (*t)[1:]
	}
	return n, nil
}

// readAll returns the turns that keys come to, and the screen at the end.
func readAll(t *testing.T, keys ...string) (turns []string, shown *screen) {
	t.Helper()
	input := typed(keys)
	shown = &screen{}
	e := makeEditor(&input, shown, completeChatCommand)
	for {
		turn, err := e.read()
		if errors.Is(err, io.EOF) {
			return turns, shown
		}
		if err != nil {
			t.Fatal(err)
		}
		turns = append(turns, turn)
	}
}

func TestEditor(t *testing.T) {
	const up, down, left, right = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[C"
	paste := func(text string) string { return pasteStart + text + pasteEnd }
	long := strings.Repeat("a long line\twith a tab\n", 40)
	spaces := strings.Repeat(" ", 6000)
	for _, test := range []struct {
		keys string
		want []string
	}{
		{"hello\r", []string{"hello"}},
		{"hello\nthere\r", []string{"hello", "there"}},
		{"helo" + left + "l\r", []string{"hello"}},
		{"xhello\x01\x04\r", []string{"hello"}}, // Ctrl-A, Ctrl-D
		{"xhello\x1b[1~\x1b[3~\x1b[4~!\r", []string{"hello!"}},
		{"one two" + "\x1b[1;5D" + "and \r", []string{"one and two"}},
		{"one two\x1bb" + "and \r", []string{"one and two"}},
		{"one two\x17three\r", []string{"one three"}},
		{"hellp\x7fo\r", []string{"hello"}},
		{"one\rtwo\r" + up + up + "!\r", []string{"one", "two", "one!"}},
		{"one\rtwo\r" + up + up + down + "\r", []string{"one", "two", "two"}},
		{"one\r\rone\r" + up + up + "\r", []string{"one", "", "one", "one"}},
		{"/he\t\r", []string{"/help"}},
		{"/s\ty\t\r", []string{"/system "}},
		{"he\tllo\r", []string{"hello"}},
		// Lines that go on, and come back as one.
		{`one\` + "\rtwo\r" + up + "!\r", []string{"one\ntwo", "one\ntwo!"}},
		{"one\x1b\rtwo\r", []string{"one\ntwo"}},
		// Pastes.
		{paste("What is\r2+2?\r") + "\r", []string{"What is\n2+2?"}},
		{"look: " + paste("one\ntwo") + " done\r", []string{"look: one\ntwo done"}},
		{"look: " + paste("one\r\ntwo") + left + left + "X\r", []string{"look: one\ntXwo"}},
		{"> " + paste(long) + "\r", []string{"> " + long}},
		{paste(long) + paste("and "+long) + "\r" + up + "!\r", []string{long + "and " + long, long + "and " + long + "!"}},
		{paste(long) + "\x7f\r", []string{"[paste 1: 40 lines, 920 bytes"}},
		{paste("a\x1b[31mb") + "\r", []string{"a\x1b[31mb"}},
		{paste("\xff") + "\r", []string{"\xff"}},
		{paste("") + "x\r", []string{"x"}},
		// Longer than the editor's line.
		{spaces + "end\r", []string{spaces + "end"}},
		{"begin" + spaces + "end\x01>\r", []string{">begin" + spaces + "end"}},
		{spaces + "\x01" + strings.Repeat("b", 6000) + "\r", []string{strings.Repeat("b", 6000) + spaces}},
		// Characters of two columns.
		{"你好\x7f\x7f\x7f世界" + left + "新" + right + "!\r", []string{"世新界!"}},
		{"你好\x01\x04\x1b[3~🙂\r", []string{"🙂"}},
		{paste("你\n好") + left + "们\r" + up + "\x7f\r", []string{"你\n们好", "你\n们"}},
		// The end.
		{"one\r\x04two\r", []string{"one"}},
		{"one\r\x03two\r", []string{"one"}},
		{"one\x04\r", []string{"one"}},
		{"one", nil},
	} {
		if got, _ := readAll(t, test.keys); !slices.Equal(got, test.want) {
			t.Errorf("%.60q: %.60q, want %.60q", test.keys, got, test.want)
		}
		if len(test.keys) > 3000 {
			continue
		}
		// In the pieces in which a slow line brings it.
		var pieces []string
		for rest := test.keys; rest != ""; {
			n := min(len(rest), 3)
			for ; rest[n-1] == '\x1b' && n < len(rest); n++ {
			}
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		if got, _ := readAll(t, pieces...); !slices.Equal(got, test.want) {
			t.Errorf("%.60q in pieces: %.60q, want %.60q", test.keys, got, test.want)
		}
	}
	// The Escape key does nothing.
	if got, _ := readAll(t, "one", "\x1b", "two\r"); !slices.Equal(got, []string{"onetwo"}) {
		t.Errorf("with Escape: %q", got)
	}
}

// A screen is a terminal of 80 columns that shows the line under the cursor.
type screen struct {
	cells  []rune // of all rows; a wide character is followed by a 0
	cursor int
}

func (s *screen) Write(p []byte) (int, error) {
	text := string(p)
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		text = text[n:]
		switch {
		case r == '\r':
			s.cursor -= s.cursor % 80
		case r == '\n':
			s.cursor += 80
		case r == '\x1b':
			end := strings.IndexFunc(text, func(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' })
			n := 1
			fmt.Sscanf(text[:end], "[%d", &n)
			switch text[end] {
			case 'A':
				s.cursor -= 80 * n
			case 'B':
				s.cursor += 80 * n
			case 'C':
				s.cursor += n
			case 'D':
				s.cursor -= n
			}
			text = text[end+1:]
		default:
			s.put(r)
			if kind := width.LookupRune(r).Kind(); kind == width.EastAsianWide || kind == width.EastAsianFullwidth {
				s.put(0)
			}
		}
	}
	return len(p), nil
}

func (s *screen) put(r rune) {
	for len(s.cells) <= s.cursor {
		s.cells = append(s.cells, ' ')
	}
	s.cells[s.cursor] = r
	s.cursor++
}

func (s *screen) line() string {
	text := string(s.cells[s.cursor-s.cursor%80:])
	return strings.TrimRight(strings.ReplaceAll(text, "\x00", ""), " ")
}

// TestEditorScreen looks at what is shown, and where the cursor stands.
func TestEditorScreen(t *testing.T) {
	for _, test := range []struct {
		keys, line string
		column     int
	}{
		{"hello\x1b[D\x1b[Dx", "> helxlo", 6},
		{"你好\x7f", "> 你", 4},
		{"你好\x1b[Dab", "> 你ab好", 6},
		{"你好\x01\x04", "> 好", 2},
		{pasteStart + "a\nb" + pasteEnd, "> a↵b", 5},
		{"one\r你\rx\x1b[A", "> 你", 4},
	} {
		if _, shown := readAll(t, test.keys); shown.line() != test.line || shown.cursor%80 != test.column {
			t.Errorf("%q: %q with the cursor in column %d, want %q and %d", test.keys, shown.line(), shown.cursor%80, test.line, test.column)
		}
	}
	if _, shown := readAll(t, "/s\t\t"); !strings.Contains(string(shown.cells), "/system  /save  /stats") {
		t.Errorf("completing shows %q", string(shown.cells))
	}
}

// FuzzKeys cuts what is typed in two at any place: that changes nothing, other
// than after the first character of a sequence.
func FuzzKeys(f *testing.F) {
	f.Add("a\x1b[200~b\r\nc\x1b[201~\x1b[D\x7f你\x1b\r", 5)
	f.Add("\x1b[200~\x1b[20", 9)
	f.Fuzz(func(t *testing.T, keys string, at int) {
		read := func(pieces ...string) string {
			input := typed(slices.DeleteFunc(pieces, func(s string) bool { return s == "" }))
			k := &keyReader{source: &input, pasted: func(text string) string { return "<" + text + ">" }}
			data, err := io.ReadAll(k)
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
		at = min(max(at, 0), len(keys))
		if keys == "\x1b" || keys[:at] == "\x1b" || keys[at:] == "\x1b" || len(keys) > 4000 {
			return
		}
		whole := read(keys)
		if cut := read(keys[:at], keys[at:]); cut != whole {
			t.Errorf("%q and %q are %q, together %q", keys[:at], keys[at:], cut, whole)
		}
	})
}
