package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// class says which of the sets that splitters tell apart a character is in.
type class uint8

const (
	letter  class = 1 << iota // \p{L}
	number                    // \p{N}
	space                     // \s, the property White_Space
	newline                   // [\r\n]; always with space
	apart                     // what an earlier expression of the splitter has cut out
)

func classOf(r rune) class {
	switch {
	case r == '\r' || r == '\n':
		return space | newline
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return 0
}

// classes is the way in which a splitter sorts characters.
type classes struct {
	ascii [utf8.RuneSelf]class
	of    func(rune) class
}

func newClasses(of func(rune) class) *classes {
	c := &classes{of: of}
	for r := range c.ascii {
		c.ascii[r] = of(rune(r))
	}
	return c
}

// The ways in which splitters sort characters.
var (
	plainClasses = newClasses(classOf)

	// withMarks has marks, such as accents that are characters of their own,
	// among the letters.
	withMarks = newClasses(func(r rune) class {
		c := classOf(r)
		if c == 0 && unicode.IsMark(r) {
			return letter
		}
		return c
	})

	numbersApart = newClasses(func(r rune) class {
		c := classOf(r)
		if c == number {
			return number | apart
		}
		return c
	})

	falconPunctuationApart  = newClasses(punctuationApart("$+<=>^~|`"))
	defaultPunctuationApart = newClasses(punctuationApart("$+<=>^~|"))
)

// punctuationApart has \p{P} and some symbols apart.
func punctuationApart(symbols string) func(rune) class {
	return func(r rune) class {
		if unicode.IsPunct(r) || strings.ContainsRune(symbols, r) {
			return apart
		}
		return classOf(r)
	}
}

// at returns the class and the length in bytes of the character at i.
func (c *classes) at(text string, i int) (class, int) {
	if b := text[i]; b < utf8.RuneSelf {
		return c.ascii[b], 1
	}
	r, size := utf8.DecodeRuneInString(text[i:])
	return c.of(r), size
}

// skip returns the end of the run of characters of a class that starts at i.
func (c *classes) skip(text string, i int, of class) int {
	for i < len(text) {
		k, n := c.at(text, i)
		if k&of == 0 {
			break
		}
		i += n
	}
	return i
}

// skipSymbols returns the end of the run of characters at i that are in none of
// the sets.
func (c *classes) skipSymbols(text string, i int) int {
	for i < len(text) {
		k, n := c.at(text, i)
		if k != 0 {
			break
		}
		i += n
	}
	return i
}
