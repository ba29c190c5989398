package tokenizer

// llama3Length is the scanner for llama3Expression, for pieces of at most so
// many numbers; with marks among the letters and single numbers, for
// qwen35Expression. The alternatives are tried in the expression's order.
func llama3Length(c *classes, text string, maxNumbers int) int {
	// (?i:'s|'t|'re|'ve|'m|'ll|'d)
	if text[0] == '\'' {
		if n := contractionLength(text); n > 0 {
			return n
		}
	}
	first, size := c.at(text, 0)

	// [^\r\n\p{L}\p{N}]?\p{L}+
	if first&letter != 0 {
		return c.skip(text, size, letter)
	}
	if first&(newline|number) == 0 && size < len(text) {
		if second, n := c.at(text, size); second&letter != 0 {
			return c.skip(text, size+n, letter)
		}
	}

	// \p{N}{1,3}
	if first&number != 0 {
		for range maxNumbers - 1 {
			if size == len(text) {
				break
			}
			next, n := c.at(text, size)
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
	if n := c.skipSymbols(text, end); n > end {
		return c.skip(text, n, newline)
	}

	// What is left starts with white space:
	// \s*[\r\n]+ ends after the last line break of the run,
	// \s+(?!\S) leaves the last character of a run to the word behind it,
	// \s+ takes a single one.
	last, afterBreak := 0, 0
	for end = 0; end < len(text); {
		k, n := c.at(text, end)
		if k&space == 0 {
			break
		}
		last = end
		end += n
		if k&newline != 0 {
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

// contractionLength returns the length of the English contraction, in letters of
// either case, that the text, which starts with an apostrophe, begins with; 0 if
// there is none.
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
