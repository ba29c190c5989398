package synthetic

import "fmt"

const (
	bytesTokens   = 256
	specialTokens = 256
	minVocabulary = bytesTokens + specialTokens
	maxVocabulary = 1_000_000
	maxPartRunes  = 6
)

// The numbers of tokenizer.ggml.token_type.
const (
	normalToken  = 1
	controlToken = 3
)

type vocabulary struct {
	tokens                 []string
	types                  []int32
	merges                 []string
	beginOfText, endOfText uint32
}

// makeVocabulary makes a vocabulary for byte-level byte-pair encoding: the
// bytes, then made-up words, each by one merge of two tokens before it, then
// the special tokens of Llama 3.
func makeVocabulary(size int) *vocabulary {
	v := &vocabulary{}
	add := func(token string, kind int32) {
		v.tokens = append(v.tokens, token)
		v.types = append(v.types, kind)
	}
	for _, r := range byteRunes() {
		add(string(r), normalToken)
	}
	// Words are made of small letters; some begin with a space, for which
	// "Ġ" stands.
	type part struct {
		text  string
		runes int
	}
	var beginnings, continuations []part
	for letter := 'a'; letter <= 'z'; letter++ {
		continuations = append(continuations, part{string(letter), 1})
	}
	beginnings = append(beginnings, part{"Ġ", 1})
	known := map[string]bool{}
	r := newRandom(uint64(size), 0)
	pick := func(parts []part) part { return parts[r.next()%uint64(len(parts))] }
	for len(v.tokens) < size-specialTokens {
		parts := &continuations
		if r.next()>>63 == 0 {
			parts = &beginnings
		}
		left, right := pick(*parts), pick(continuations)
		joined := part{left.text + right.text, left.runes + right.runes}
		if known[joined.text] {
			continue
		}
		known[joined.text] = true
		if joined.runes <= maxPartRunes { // of the others, there are no longer words
			*parts = append(*parts, joined)
		}
		add(joined.text, normalToken)
		v.merges = append(v.merges, left.text+" "+right.text)
	}
	v.beginOfText, v.endOfText = uint32(len(v.tokens)), uint32(len(v.tokens))+1
	for _, name := range specialNames() {
		add(name, controlToken)
	}
	return v
}

// byteRunes returns the sign for each byte in byte-level vocabularies, in the
// order of GPT-2's and Llama 3's tokens: printable Latin-1 signs stand for
// themselves and come first, U+0100 and so on stand for the others.
func byteRunes() []rune {
	var printable, others []rune
	for b := rune(0); b < 256; b++ {
		if '!' <= b && b <= '~' || '¡' <= b && b <= '¬' || '®' <= b {
			printable = append(printable, b)
		} else {
			others = append(others, 0x100+rune(len(others)))
		}
	}
	return append(printable, others...)
}

// specialNames returns Llama 3's special tokens, in their order.
func specialNames() []string {
	names := make([]string, specialTokens)
	known := map[int]string{0: "begin_of_text", 1: "end_of_text", 6: "start_header_id", 7: "end_header_id", 9: "eot_id"}
	reserved := 0
	for i := range names {
		name, ok := known[i]
		if !ok {
			name = fmt.Sprintf("reserved_special_token_%d", reserved)
			reserved++
		}
		names[i] = "<|" + name + "|>"
	}
	return names
}
