package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// llama3Pattern is the expression with which Llama 3 cuts a text into pieces,
// as tokenizer.json files carry it. pieceLength is its hand-written
// equivalent; the string serves to recognise it.
const llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

// class says which of the pattern's sets a character is in.
type class uint8

const (
	letter  class = 1 << iota // \p{L}
	number                    // \p{N}
	space                     // \s, the property White_Space
	newline                   // [\r\n]; always with space
)

// asciiClass is the class of each ASCII character.
var asciiClass = func() (table [utf8.RuneSelf]class) {
	for c := range table {
		table[c] = classOf(rune(c))
	}
	return table
}()

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

// classAt returns the class and the length in bytes of the character at i.
func classAt(text string, i int) (class, int) {
	if c := text[i]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, size := utf8.DecodeRuneInString(text[i:])
	return classOf(r), size
}

// pieceLength returns the length in bytes of the first piece of a text that
// is not empty and valid UTF-8. The alternatives of the pattern are tried in
// its order.
func pieceLength(text string) int {
	// (?i:'s|'t|'re|'ve|'m|'ll|'d)
	if text[0] == '\'' {
		if n := contractionLength(text); n > 0 {
			return n
		}
	}
	first, size := classAt(text, 0)

	// [^\r\n\p{L}\p{N}]?\p{L}+
	if first&letter != 0 {
		return skip(text, size, letter)
	}
	if first&(newline|number) == 0 && size < len(text) {
		if second, n := classAt(text, size); second&letter != 0 {
			return skip(text, size+n, letter)
		}
	}

	// \p{N}{1,3}
	if first&number != 0 {
		for range 2 {
			if size == len(text) {
				break
			}
			next, n := classAt(text, size)
			if next&number == 0 {
				break
			}
			size += n
		}
		return size
	}

	// ?[^\s\p{L}\p{N}]+[\r\n]* with the optional space before it
	end := 0
	if text[0] == ' ' {
		end = 1
	}
	if n := skipSymbols(text, end); n > end {
		return skip(text, n, newline)
	}

	// What is left starts with white space:
	// \s*[\r\n]+ ends after the last line break of the run,
	// \s+(?!\S) leaves the last character of a run to the word behind it,
	// \s+ takes a single one.
	last, afterBreak := 0, 0
	for end = 0; end < len(text); {
		c, n := classAt(text, end)
		if c&space == 0 {
			break
		}
		last = end
		end += n
		if c&newline != 0 {
			afterBreak = end
		}
	}
	if afterBreak > 0 {
		return afterBreak
	}
	if end < len(text) && last > 0 {
		return last
	}
	return end
}

// skip returns the end of the run of characters of a class that starts at i.
func skip(text string, i int, of class) int {
	for i < len(text) {
		c, n := classAt(text, i)
		if c&of == 0 {
			break
		}
		i += n
	}
	return i
}

// skipSymbols returns the end of the run of characters at i that are neither
// white space nor letter nor number.
func skipSymbols(text string, i int) int {
	for i < len(text) {
		c, n := classAt(text, i)
		if c != 0 {
			break
		}
		i += n
	}
	return i
}

// contractionLength returns the length of the English contraction that the
// text, which starts with an apostrophe, begins with; 0 if there is none.
func contractionLength(text string) int {
	const longS = "\u017F" // ſ, which case folding makes an s
	if len(text) < 2 {
		return 0
	}
	switch text[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(text) > 2 && text[2]|0x20 == 'e' {
			return 3
		}
	case 'l':
		if len(text) > 2 && text[2]|0x20 == 'l' {
			return 3
		}
	}
	if len(text) > len(longS) && text[1:1+len(longS)] == longS {
		return 1 + len(longS)
	}
	return 0
}
