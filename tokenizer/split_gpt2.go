package tokenizer

import "strings"

// gpt2Length is the scanner for gpt2Expression. The text ends for it at the first
// character that is apart, and must not begin with one.
func gpt2Length(c *classes, text string) int {
	// 's|'t|'re|'ve|'m|'ll|'d
	if text[0] == '\'' {
		for _, contraction := range [...]string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
			if strings.HasPrefix(text, contraction) {
				return len(contraction)
			}
		}
	}

	//  ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+
	first, size := c.at(text, 0)
	if text[0] == ' ' && len(text) > 1 {
		if second, n := c.at(text, 1); second&(space|apart) == 0 {
			first, size = second, 1+n
		}
	}
	switch {
	case first&letter != 0:
		return c.skip(text, size, letter)
	case first&number != 0:
		return c.skip(text, size, number)
	case first&space == 0:
		return c.skipSymbols(text, size)
	}

	// \s+(?!\S) leaves the last character of a run to the word behind it, \s+
	// takes a single one.
	last, end := 0, 0
	for end < len(text) {
		k, n := c.at(text, end)
		if k&space == 0 {
			if k&apart == 0 && last > 0 {
				return last
			}
			break
		}
		last = end
		end += n
	}
	return end
}

// starcoderLength has each number be a piece.
func starcoderLength(text string) int {
	if first, size := numbersApart.at(text, 0); first&apart != 0 {
		return size
	}
	return gpt2Length(numbersApart, text)
}

// falconLength has each run of punctuation be a piece, and each three digits, also
// behind a blank or other numbers.
func falconLength(text string) int {
	c := falconPunctuationApart
	if first, _ := c.at(text, 0); first&apart != 0 {
		return c.skip(text, 0, apart)
	}
	blank := 0
	if text[0] == ' ' {
		blank = 1
	}
	if n := numbersLength(c, text, blank); n > 0 {
		return n
	}
	return gpt2Length(c, text)
}

// defaultLength does the same, but that no blank is in a piece with numbers.
func defaultLength(text string) int {
	c := defaultPunctuationApart
	if first, _ := c.at(text, 0); first&apart != 0 {
		return c.skip(text, 0, apart)
	}
	if n := numbersLength(c, text, 0); n > 0 {
		return n
	}
	if text[0] == ' ' && len(text) > 1 {
		if second, _ := c.at(text, 1); second&number != 0 {
			return 1
		}
	}
	return gpt2Length(c, text)
}

// numbersLength returns the length of the first piece of a text that has numbers
// from i on, after nothing or a blank: three digits, or what comes before them.
// It returns 0 where there is no number.
func numbersLength(c *classes, text string, i int) int {
	digits, found := 0, false
	for i < len(text) {
		k, n := c.at(text, i)
		if k&number == 0 {
			break
		}
		i, found = i+n, true
		if n > 1 {
			digits = 0
			continue
		}
		if digits++; digits == 3 {
			if i == digits {
				return digits
			}
			return i - digits
		}
	}
	if !found {
		return 0
	}
	return i
}
