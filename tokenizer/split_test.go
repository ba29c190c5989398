package tokenizer

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The splitter's expression in Go's dialect, which has no lookahead and an
// ASCII \s: the alternatives before \s+(?!\S) and, apart, white space.
var (
	referenceStart = regexp.MustCompile(`^(?:` + strings.ReplaceAll(
		`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|[\s]*[\r\n]+`,
		`\s`, `\t-\r\x{85}\p{Z}`) + `)`)
	referenceSpace = regexp.MustCompile(`^[\t-\r\x{85}\p{Z}]+`)
)

func referencePieces(text string) (pieces []string) {
	for text != "" {
		piece := referenceStart.FindString(text)
		if piece == "" {
			piece = referenceSpace.FindString(text)
			// \s+(?!\S): the last character stays if something follows.
			if _, last := utf8.DecodeLastRuneInString(piece); len(piece) < len(text) && last < len(piece) {
				piece = piece[:len(piece)-last]
			}
		}
		pieces = append(pieces, piece)
		text = text[len(piece):]
	}
	return pieces
}

func split(text string) (pieces []string) {
	for text != "" {
		n := pieceLength(text)
		pieces = append(pieces, text[:n])
		text = text[n:]
	}
	return pieces
}

func TestSplit(t *testing.T) {
	for text, want := range map[string][]string{
		"Hello world":      {"Hello", " world"},
		"I'm you'LL we'vE": {"I", "'m", " you", "'LL", " we", "'vE"},
		"it'ſa 'x":         {"it", "'ſ", "a", " '", "x"}, // ſ (U+017F) folds to s
		"'sx'tx'mx'dx":     {"'s", "x", "'t", "x", "'m", "x", "'d", "x"},
		"'rex'vex'llx'rx":  {"'re", "x", "'ve", "x", "'ll", "x", "'rx"},
		"'S'SA'r'":         {"'S", "'S", "A", "'r", "'"},
		"12345 6":          {"123", "45", " ", "6"},
		"²³¼Ⅷ٣x":           {"²³¼", "Ⅷ٣", "x"},
		"a  b   ":          {"a", " ", " b", "   "},
		"  \n \n  x":       {"  \n \n", " ", " x"},
		"x \r\n":           {"x", " \r\n"},
		"\n\n\tfoo":        {"\n\n", "\tfoo"},
		"\t1":              {"\t", "1"},
		"...\r\n\nx":       {"...\r\n\n", "x"},
		" !?\n":            {" !?\n"},
		"\u00a0a\u30001":   {"\u00a0a", "\u3000", "1"},
		"\u2028\u2029":     {"\u2028\u2029"},
		"\u180ea\u200bb":   {"\u180ea", "\u200bb"}, // neither is white space
		"e\u0301e":         {"e", "\u0301e"},       // a mark is no letter
		"<漢字>":             {"<漢字", ">"},
		"🙂🙂 🙂":             {"🙂🙂", " 🙂"},
		"'":                {"'"},
		"'l":               {"'l"},
		"":                 nil,
	} {
		if got := split(text); !slices.Equal(got, want) {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
		if got := referencePieces(text); !slices.Equal(got, want) {
			t.Errorf("%q gives %q with the reference, want %q", text, got, want)
		}
	}
}

// TestSplitCharacters goes through all of Unicode.
func TestSplitCharacters(t *testing.T) {
	classes := map[class]*regexp.Regexp{
		letter:          regexp.MustCompile(`^\p{L}$`),
		number:          regexp.MustCompile(`^\p{N}$`),
		space:           regexp.MustCompile(`^[\t\v\f\x{85}\p{Z}]$`),
		space | newline: regexp.MustCompile(`^[\r\n]$`),
	}
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) || 0x40000 <= r && r < 0xE0000 {
			continue // nothing is assigned in planes 4 to 13
		}
		c := string(r)
		want := class(0)
		for of, expression := range classes {
			if expression.MatchString(c) {
				want |= of
			}
		}
		if got, size := classAt(c, 0); got != want || size != len(c) {
			t.Fatalf("%U has the class %b and %d bytes, want %b and %d", r, got, size, want, len(c))
		}
		if r%101 == 0 || r < 0x180 {
			// Places where the class decides.
			text := "a" + c + c + "1" + c + " " + c + "'" + c + "\n"
			if got, want := split(text), referencePieces(text); !slices.Equal(got, want) {
				t.Fatalf("%U: %q gives %q, want %q", r, text, got, want)
			}
		}
	}
}

// FuzzSplit compares the scanner with regular expressions.
func FuzzSplit(f *testing.F) {
	for _, c := range golden(f) {
		if len(c.Text) < 200 {
			f.Add(c.Text)
		}
	}
	f.Add("'ſ \u0085\u2028\r\n x")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			// What is not valid is refused before; it must only come to an end.
			if got := strings.Join(split(text), ""); got != text {
				t.Fatalf("the pieces of %q join to %q", text, got)
			}
			return
		}
		if got, want := split(text), referencePieces(text); !slices.Equal(got, want) {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	})
}
