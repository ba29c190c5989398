package tokenizer

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// reference cuts texts by Go's regular expressions, one after the other.
type referenceSplitter []referenceExpression

// referenceExpression is an expression in Go's dialect, which has no lookahead
// and an ASCII \s: the alternatives before \s+(?!\S), and whether that and \s+
// follow.
type referenceExpression struct {
	start  *regexp.Regexp
	spaces bool
}

const goSpace = `\t-\r\x{85}\p{Z}` // to go between brackets

var leadingSpace = regexp.MustCompile(`^[` + goSpace + `]+`)

func newReferenceSplitter(expressions ...string) (r referenceSplitter) {
	for _, expression := range expressions {
		start, spaces := strings.CutSuffix(expression, `|\s+(?!\S)|\s+`)
		start = strings.ReplaceAll(start, `\s*`, `[\s]*`)
		start = strings.ReplaceAll(start, `\s`, goSpace)
		r = append(r, referenceExpression{regexp.MustCompile(`^(?:` + start + `)`), spaces})
	}
	return r
}

func (r referenceSplitter) pieces(text string) []string {
	parts := []string{text}
	for _, expression := range r {
		var finer []string
		for _, part := range parts {
			finer = append(finer, expression.pieces(part)...)
		}
		parts = finer
	}
	return parts
}

func (e referenceExpression) pieces(text string) (pieces []string) {
	between := 0 // the bytes that nothing has matched
	for rest := text; rest != ""; {
		piece := e.start.FindString(rest)
		if piece == "" && e.spaces {
			piece = leadingSpace.FindString(rest)
			// \s+(?!\S): the last character stays if something follows.
			if _, last := utf8.DecodeLastRuneInString(piece); len(piece) < len(rest) && last < len(piece) {
				piece = piece[:len(piece)-last]
			}
		}
		at := len(text) - len(rest)
		if piece == "" {
			_, size := utf8.DecodeRuneInString(rest)
			between += size
			rest = rest[size:]
		} else {
			if between > 0 {
				pieces = append(pieces, text[at-between:at])
				between = 0
			}
			pieces = append(pieces, piece)
			rest = rest[len(piece):]
		}
	}
	if between > 0 {
		pieces = append(pieces, text[len(text)-between:])
	}
	return pieces
}

// referenceSplitters are the references of all splitters, by the first name.
var referenceSplitters = sync.OnceValue(func() map[string]referenceSplitter {
	all := make(map[string]referenceSplitter)
	for _, s := range splitters {
		all[s.names[0]] = newReferenceSplitter(s.expressions...)
	}
	return all
})

func (s *splitter) pieces(text string) (pieces []string) {
	for text != "" {
		n := s.pieceLength(text)
		pieces = append(pieces, text[:n])
		text = text[n:]
	}
	return pieces
}

// checkSplitters holds all splitters to their expressions.
func checkSplitters(t *testing.T, text string) {
	t.Helper()
	for i := range splitters {
		s := &splitters[i]
		if got, want := s.pieces(text), referenceSplitters()[s.names[0]].pieces(text); !slices.Equal(got, want) {
			t.Errorf("%s: %q gives %q, want %q", s.names[0], text, got, want)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		splitter, text string
		want           []string
	}{
		{"llama-bpe", "Hello world", []string{"Hello", " world"}},
		{"llama-bpe", "I'm you'LL we'vE", []string{"I", "'m", " you", "'LL", " we", "'vE"}},
		{"llama-bpe", "it'ſa 'x", []string{"it", "'ſ", "a", " '", "x"}}, // ſ (U+017F) folds to s
		{"llama-bpe", "'sx'tx'mx'dx", []string{"'s", "x", "'t", "x", "'m", "x", "'d", "x"}},
		{"llama-bpe", "'rex'vex'llx'rx", []string{"'re", "x", "'ve", "x", "'ll", "x", "'rx"}},
		{"llama-bpe", "'S'SA'r'", []string{"'S", "'S", "A", "'r", "'"}},
		{"llama-bpe", "12345 6", []string{"123", "45", " ", "6"}},
		{"llama-bpe", "²³¼Ⅷ٣x", []string{"²³¼", "Ⅷ٣", "x"}},
		{"llama-bpe", "a  b   ", []string{"a", " ", " b", "   "}},
		{"llama-bpe", "  \n \n  x", []string{"  \n \n", " ", " x"}},
		{"llama-bpe", "x \r\n", []string{"x", " \r\n"}},
		{"llama-bpe", "\n\n\tfoo", []string{"\n\n", "\tfoo"}},
		{"llama-bpe", "\t1", []string{"\t", "1"}},
		{"llama-bpe", "...\r\n\nx", []string{"...\r\n\n", "x"}},
		{"llama-bpe", " !?\n", []string{" !?\n"}},
		{"llama-bpe", "\u00a0a\u30001", []string{"\u00a0a", "\u3000", "1"}},
		{"llama-bpe", "\u2028\u2029", []string{"\u2028\u2029"}},
		{"llama-bpe", "\u180ea\u200bb", []string{"\u180ea", "\u200bb"}}, // neither is white space
		{"llama-bpe", "e\u0301e", []string{"e", "\u0301e"}},             // a mark is no letter
		{"llama-bpe", "<漢字>", []string{"<漢字", ">"}},
		{"llama-bpe", "🙂🙂 🙂", []string{"🙂🙂", " 🙂"}},
		{"llama-bpe", "'", []string{"'"}},
		{"llama-bpe", "'l", []string{"'l"}},
		{"llama-bpe", "", nil},
		{"smaug", "you'LL 1234", []string{"you", "'LL", " ", "123", "4"}},
		{"qwen2", "in 2024", []string{"in", " ", "2", "0", "2", "4"}},
		{"qwen2", "e\u0301e", []string{"e", "\u0301e"}},
		{"qwen35", "e\u0301e \u0301 \u0301x!\u0301", []string{"e\u0301e", " \u0301", " \u0301x", "!\u0301"}},
		{"qwen35", "12", []string{"1", "2"}},
		{"gpt-2", "you'll you'LL 'twas", []string{"you", "'ll", " you", "'", "LL", " '", "twas"}},
		{"gpt-2", "in 2024  3", []string{"in", " 2024", " ", " 3"}},
		{"gpt-2", "a\n\n b", []string{"a", "\n\n", " b"}},
		{"gpt-2", "a\n\nb", []string{"a", "\n", "\n", "b"}},
		{"gpt-2", "x = \"y\";", []string{"x", " =", " \"", "y", "\";"}},
		{"starcoder", "in 2024", []string{"in", " ", "2", "0", "2", "4"}},
		{"starcoder", "in  x  1", []string{"in", " ", " x", "  ", "1"}}, // a number ends the text for the blanks
		{"falcon", "it's 5 + 5", []string{"it", "'", "s", " 5", " ", "+", " 5"}},
		{"falcon", "a 1234567 ٣123", []string{"a", " ", "123", "456", "7", " ٣", "123"}},
		{"falcon", "12٣456", []string{"12٣", "456"}},
		{"falcon", "x `$y", []string{"x", " ", "`$", "y"}},
		{"falcon", " 12", []string{" 12"}},
		{"default", " 12 1234 ٣", []string{" ", "12", " ", "123", "4", " ", "٣"}},
		{"default", "x `y", []string{"x", " `", "y"}}, // no punctuation here
		{"default", "it's  =", []string{"it", "'", "s", "  ", "="}},
	} {
		if got := splitterNamed(test.splitter).pieces(test.text); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q gives %q, want %q", test.splitter, test.text, got, test.want)
		}
		checkSplitters(t, test.text)
	}
}

// TestSplitCharacters goes through all of Unicode.
func TestSplitCharacters(t *testing.T) {
	sets := map[class]*regexp.Regexp{
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
		for of, expression := range sets {
			if expression.MatchString(c) {
				want |= of
			}
		}
		if got, size := plainClasses.at(c, 0); got != want || size != len(c) {
			t.Fatalf("%U has the class %b and %d bytes, want %b and %d", r, got, size, want, len(c))
		}
		if r%101 == 0 || r < 0x180 {
			// Places where the class decides.
			checkSplitters(t, "a"+c+c+"1"+c+" "+c+"'"+c+"\n 123"+c+c+" 4")
		}
	}
}

func TestSplitterNames(t *testing.T) {
	known := make(map[string]bool)
	for _, s := range splitters {
		for _, name := range s.names {
			if known[name] {
				t.Errorf("two splitters are called %s", name)
			}
			known[name] = true
			file := newFile()
			file.others["pre"] = name
			if got := tokenTexts(t, file.mustOpen(t), "1"); !slices.Equal(got, []string{"1"}) {
				t.Errorf("%s: 1 gives %q", name, got)
			}
		}
	}
	for _, name := range []string{
		"llama-bpe", "llama3", "llama-v3", "gpt-2", "mpt", "olmo", "phi-2", "jais", "qwen2", "deepseek-r1-qwen", "stablelm2", "qwen35",
		"falcon3", "falcon_e", "falcon", "starcoder", "refact", "command-r", "smollm", "smaug", "dbrx", "glm4", "default",
	} {
		if !known[name] {
			t.Errorf("no splitter is called %s", name)
		}
	}
}

// publishedPreTokenizers are the pre-tokenizers that repositories have for the
// splitters, or would have: none has a file for Falcon's and the default one in
// which they do what the name means in a GGUF.
var publishedPreTokenizers = map[string]object{
	"qwen2":     sequence(splitAt(qwen2Expression), byteLevel(false)),
	"qwen35":    sequence(splitAt(qwen35Expression), byteLevel(false)),
	"falcon3":   sequence(splitAt(llama3Expression), byteLevel(false)),
	"starcoder": sequence(object{"type": "Digits", "individual_digits": true}, byteLevel(true)),
	"falcon":    sequence(splitAt(falconPunctuation), splitAt(gpt2Shorter), splitAt(threeDigits), byteLevel(false)),
	"default":   sequence(splitAt(defaultPunctuation), splitAt(gpt2Expression), object{"type": "Digits", "individual_digits": false}, splitAt(threeDigits), byteLevel(false)),
}

// TestSplittersGolden has the vocabulary of Llama 3 with every splitter.
func TestSplittersGolden(t *testing.T) {
	cases := make(map[string][]goldenCase)
	for _, c := range goldenCases(t, "splitters-golden.jsonl.bz2", 3217) {
		cases[c.Splitter] = append(cases[c.Splitter], c)
	}
	llama3Form, err := json.Marshal(sequence(splitAt(llama3Expression), byteLevel(false)))
	if err != nil {
		t.Fatal(err)
	}
	for name, cases := range cases {
		t.Run(name, func(t *testing.T) {
			metadata := llama3Metadata()
			metadata[keySplitter] = name
			file, err := gguf.Parse(writeGGUF(metadata))
			if err != nil {
				t.Fatal(err)
			}
			tokenizer, err := FromGGUF(file)
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, tokenizer, cases)

			form, err := json.Marshal(publishedPreTokenizers[name])
			if err != nil {
				t.Fatal(err)
			}
			data := bytes.Replace(llama3JSON(), unescapeHTML(llama3Form), unescapeHTML(form), 1)
			if splitterNamed(name).wholePieces == false {
				data = bytes.Replace(data, []byte(`"ignore_merges":true`), []byte(`"ignore_merges":false`), 1)
			}
			if tokenizer, err = fromJSON(data); err != nil {
				t.Fatal(err)
			}
			checkGolden(t, tokenizer, cases)
		})
	}
}

// unescapeHTML undoes what json.Marshal does for web pages.
func unescapeHTML(data []byte) []byte {
	for escaped, plain := range map[string]string{`\u003c`: "<", `\u003e`: ">", `\u0026`: "&"} {
		data = bytes.ReplaceAll(data, []byte(escaped), []byte(plain))
	}
	return data
}

// TestLongRuns fails by never ending if a splitter takes time that grows with the
// square of a text's length.
func TestLongRuns(t *testing.T) {
	for i := range splitters {
		for _, unit := range []string{"a", " ", "1", "٣", "12٣", " 1", "\n", "!", "'", " '", "\u0301", "  \n", "`"} {
			for text := strings.Repeat(unit, 1<<18); text != ""; {
				text = text[splitters[i].pieceLength(text):]
			}
		}
	}
}

// FuzzSplit compares the scanners with regular expressions.
func FuzzSplit(f *testing.F) {
	for _, c := range golden(f) {
		if len(c.Text) < 200 {
			f.Add(c.Text)
		}
	}
	f.Add("'ſ \u0085\u2028\r\n x")
	f.Add(" 123٣4567 `$\u0301e\u0301  1")
	f.Fuzz(func(t *testing.T, text string) {
		if utf8.ValidString(text) {
			checkSplitters(t, text)
			return
		}
		// What is not valid is refused before; it must only come to an end.
		for i := range splitters {
			if got := strings.Join(splitters[i].pieces(text), ""); got != text {
				t.Fatalf("the pieces of %q join to %q", text, got)
			}
		}
	})
}

// Every splitter has a name that is read as the same one, and its expressions with
// the wrong use of whole pieces have none, or another.
func TestSplitterName(t *testing.T) {
	for i := range splitters {
		s := &splitters[i]
		name := (&Tokenizer{splitter: s, wholePieces: s.wholePieces}).Splitter()
		found := splitterNamed(name)
		if found == nil || !slices.Equal(found.expressions, s.expressions) || found.wholePieces != s.wholePieces {
			t.Errorf("%q is called %q", s.names[0], name)
		}
		other := (&Tokenizer{splitter: s, wholePieces: !s.wholePieces}).Splitter()
		if found := splitterNamed(other); other != "" && found.wholePieces == s.wholePieces {
			t.Errorf("%q with whole pieces %t is called %q", s.names[0], !s.wholePieces, other)
		}
	}
	if name := new(Tokenizer).Splitter(); name != "" {
		t.Errorf("without a splitter: %q", name)
	}
}
