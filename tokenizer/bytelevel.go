package tokenizer

// A byte-level vocabulary is written as printable text: each of the 256 bytes
// has a character of its own. Bytes that are printable in Latin-1 stand for
// themselves, and the other 68 take the characters from U+0100 on, in the
// order of the bytes. So the space is Ġ (U+0120) and the newline Ċ (U+010A).
// The mapping is that of GPT-2 (Radford et al., "Language Models are
// Unsupervised Multitask Learners", 2019).

// byteLevelEnd is the first code point past all characters of the alphabet.
const byteLevelEnd = 0x100 + 68

// notByteLevel marks the code points below byteLevelEnd that stand for no byte.
const notByteLevel = -1

// byteLevelBytes gives the byte that a character of the alphabet stands for.
var byteLevelBytes = func() (table [byteLevelEnd]int16) {
	for i := range table {
		table[i] = notByteLevel
	}
	next := 0x100
	for b := range 0x100 {
		printable := '!' <= b && b <= '~' || '¡' <= b && b <= '¬' || '®' <= b && b <= 'ÿ'
		if printable {
			table[b] = int16(b)
		} else {
			table[next] = int16(b)
			next++
		}
	}
	return table
}()

// appendByteLevel appends the bytes that a token's written form stands for,
// and reports whether all of it is of the byte-level alphabet.
func appendByteLevel(dst, written []byte) ([]byte, bool) {
	// Most tokens are ASCII, many of them behind a space.
	if len(written) > 2 && written[0] == 0xC4 && written[1] == 0xA0 {
		dst = append(dst, ' ')
		written = written[2:]
	}
	if standForThemselves(written) {
		return append(dst, written...), true
	}
	for i := 0; i < len(written); i++ {
		// Every character of the alphabet has one or two bytes in UTF-8, so
		// this decodes all there can be; anything else is refused.
		character := int(written[i])
		if character >= 0x80 {
			if character < 0xC2 || character > 0xDF || i+1 == len(written) || written[i+1]&0xC0 != 0x80 {
				return dst, false
			}
			i++
			character = (character&0x1F)<<6 | int(written[i]&0x3F)
		}
		if character >= byteLevelEnd || byteLevelBytes[character] == notByteLevel {
			return dst, false
		}
		dst = append(dst, byte(byteLevelBytes[character]))
	}
	return dst, true
}

// standForThemselves reports whether all bytes are printable ASCII, eight at a
// time.
func standForThemselves(written []byte) bool {
	const ones = 0x0101010101010101
	if len(written) < 8 {
		return printable(headOf(written)&^(0xff<<56) | '!'*ones<<(8*len(written)))
	}
	for i := 0; i+8 < len(written); i += 8 {
		if !printable(word(written[i : i+8])) {
			return false
		}
	}
	return printable(word(written[len(written)-8:]))
}

// printable reports whether each of eight bytes is one of '!' to '~'.
func printable(bytes uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	// Nothing is carried from one byte to the next.
	return bytes&high == 0 && ((bytes|high)-'!'*ones)&high == high && (bytes+ones)&high == 0
}
