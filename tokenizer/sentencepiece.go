package tokenizer

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// blankMark is how a SentencePiece vocabulary writes a blank, and how it reads
// one, too: a text with this character is the same to it as one with a blank.
const blankMark = "▁"

// sentencePieces merges characters to tokens, for vocabularies that
// SentencePiece made (Kudo and Richardson, "SentencePiece: A simple and language
// independent subword tokenizer and detokenizer for Neural Text Processing",
// 2018).
//
// A text starts with one symbol for each character. As long as any two
// neighbours join to a token, the pair whose token has the highest score, the
// leftmost of equals, becomes one symbol. A character that is no token in the
// end becomes a token for each of its bytes.
//
// Nothing cuts the text into pieces before that. But two neighbours between
// which no token of the vocabulary goes on can be cut apart, as they never join,
// and what joins on one side of them is nothing to the other. So nearly all
// words, with the blanks before them, are merged on their own.
type sentencePieces struct {
	vocabulary   *vocabulary
	unknown      int          // stands for characters without tokens, none if there is none
	byteTokens   [256]uint32  // id + 1 of the token for a byte; 0 for none
	goesOn       [1024]uint64 // a bit for two bytes, the last and the first of neighbours in a token
	longest      int          // bytes of the longest token
	prefix       prefix       // the blank before a text
	splitsBlanks bool         // each blank begins a piece, which no token crosses
	order        []uint32     // by token: those with higher scores are smaller. Or, without scores:
	merges       *mergeTable  // which tokens join, in which order
	met          []uint32     // by token: whether its text, as a piece, gives it; atomic
}

// prefix says where Encode puts a blank before a text, so that a word gets the
// same token there as behind another word.
type prefix struct {
	wanted      bool
	afterTokens bool // behind each added token, too
	unlessBlank bool // not where there is one
}

// newSentencePieces prepares a vocabulary, whose tokens have been entered. The
// key is for errors.
func newSentencePieces(v *vocabulary, unknown int, key string) (*sentencePieces, error) {
	s := &sentencePieces{vocabulary: v, unknown: unknown, met: make([]uint32, v.size())}
	for id, k := range v.kinds {
		token := v.token(uint32(id))
		switch {
		case k == byteValue:
			if known := &s.byteTokens[token[0]]; *known == 0 {
				*known = uint32(id + 1)
			}
		case k == ordinary || k == added:
			s.longest = max(s.longest, len(token))
			for i := 1; i < len(token); i++ {
				pair := bytePair(token[i-1], token[i])
				s.goesOn[pair/64] |= 1 << (pair % 64)
			}
		}
	}
	for b, id := range s.byteTokens {
		if id == 0 && unknown == none {
			return nil, malformed(key, none, "has no token for the byte 0x%02X, and none for what is unknown", b)
		}
	}
	return s, nil
}

// scoreOrder returns a number that is smaller for a higher score.
func scoreOrder(score float32) uint32 {
	order := math.Float32bits(score + 0) // no -0
	if order>>31 == 0 {
		return 1<<31 - 1 - order
	}
	return order
}

// append appends the ids of a text without added tokens. starts says that the
// text begins where a blank goes before it.
func (s *sentencePieces) append(ids []int, text string, starts bool) []int {
	text = strings.ReplaceAll(text, blankMark, " ")
	if starts && !(s.prefix.unlessBlank && strings.HasPrefix(text, " ")) {
		text = " " + text
	}
	m := symbolMerger{sentencePieces: s, first: len(ids)}
	start := 0
	for i := 1; i < len(text); i++ {
		pair := bytePair(text[i-1], text[i])
		cut := s.goesOn[pair/64]>>(pair%64)&1 == 0 && utf8.RuneStart(text[i])
		if cut || s.splitsBlanks && text[i] == ' ' {
			ids = m.append(ids, text[start:i])
			start = i
		}
	}
	return m.append(ids, text[start:])
}

// symbolMerger merges pieces of a text, one after the other.
type symbolMerger struct {
	*sentencePieces
	first   int // the index of the text's first id
	text    string
	symbols []symbol
	waiting pairHeap
}

// symbol is a token, or a character that is none, in the list that merging
// shortens.
type symbol struct {
	start, end     uint32 // in the text
	token          uint32 // id + 1, 0 for a character that is no token
	previous, next uint32
	joinOrder      uint32 // of joining with the next symbol: the smallest comes first, noRank if they do not join
	joined         uint32 // the token that they become
}

// append appends the ids of a piece.
func (m *symbolMerger) append(ids []int, piece string) []int {
	// Most pieces are tokens that merging gives back. Which ones do is found out
	// when they are met first, and always found the same, whoever is quicker.
	id, known := m.vocabulary.findText(piece)
	if !known {
		return m.merge(ids, piece)
	}
	const unmet, whole, divided = 0, 1, 2
	if atomic.LoadUint32(&m.met[id]) == unmet {
		found := uint32(divided)
		if merged := m.merge(nil, piece); len(merged) == 1 && merged[0] == int(id) {
			found = whole
		}
		atomic.StoreUint32(&m.met[id], found)
	}
	if atomic.LoadUint32(&m.met[id]) == whole {
		return append(ids, int(id))
	}
	return m.merge(ids, piece)
}

// merge appends the ids of a piece, in time that grows as n log n with its length.
// It works as Tokenizer.appendMergedLong does.
func (m *symbolMerger) merge(ids []int, piece string) []int {
	m.text, m.symbols, m.waiting = piece, slices.Grow(m.symbols[:0], len(piece)), m.waiting[:0]
	for i := 0; i < len(piece); {
		size, token := 1, m.vocabulary.byteIDs[piece[i]]
		if piece[i] >= utf8.RuneSelf {
			_, size = utf8.DecodeRuneInString(piece[i:])
			id, known := m.vocabulary.findText(piece[i : i+size])
			token = id + 1
			if !known {
				token = 0
			}
		}
		n := uint32(len(m.symbols))
		m.symbols = append(m.symbols, symbol{start: uint32(i), end: uint32(i + size), token: token, previous: n - 1, next: n + 1})
		i += size
	}
	end := uint32(len(m.symbols))
	m.waiting = slices.Grow(m.waiting, len(m.symbols))
	for i := range end {
		if m.join(i); m.symbols[i].joinOrder != noRank {
			m.waiting = append(m.waiting, newRankedPair(m.symbols[i].joinOrder, i))
		}
	}
	m.waiting.order()
	for len(m.waiting) > 0 {
		order, at := m.waiting.pop()
		left := &m.symbols[at]
		if left.joinOrder != order {
			continue
		}
		right := &m.symbols[left.next]
		right.joinOrder = noRank
		left.token, left.end, left.next = left.joined+1, right.end, right.next
		if left.next < end {
			m.symbols[left.next].previous = at
		}
		m.push(at)
		if at > 0 {
			m.push(left.previous)
		}
	}
	for i := uint32(0); i < end; i = m.symbols[i].next {
		if token := m.symbols[i].token; token > 0 {
			ids = append(ids, int(token-1))
		} else {
			ids = m.appendBytes(ids, piece[m.symbols[i].start:m.symbols[i].end])
		}
	}
	return ids
}

// push has a symbol wait for joining with the next one, if they do.
func (m *symbolMerger) push(at uint32) {
	if m.join(at); m.symbols[at].joinOrder != noRank {
		m.waiting.push(newRankedPair(m.symbols[at].joinOrder, at))
	}
}

// join finds out what a symbol and the next one join to.
func (m *symbolMerger) join(at uint32) {
	left := &m.symbols[at]
	left.joinOrder = noRank
	if left.next == uint32(len(m.symbols)) {
		return
	}
	right := &m.symbols[left.next]
	if m.merges != nil {
		if left.token > 0 && right.token > 0 {
			if rank := m.merges.rank(left.token-1, right.token-1); rank != noRank {
				left.joinOrder, left.joined = rank, m.merges.results[rank]
			}
		}
		return
	}
	if int(right.end-left.start) > m.longest {
		return
	}
	if id, known := m.vocabulary.findText(m.text[left.start:right.end]); known {
		left.joinOrder, left.joined = m.order[id], id
	}
}

// appendBytes appends the ids of a character that is no token: one for each
// byte, or, where one of them is missing, that for what is unknown, once for
// characters in a row.
func (m *symbolMerger) appendBytes(ids []int, character string) []int {
	for i := range len(character) {
		if m.byteTokens[character[i]] == 0 {
			if len(ids) > m.first && ids[len(ids)-1] == m.unknown {
				return ids
			}
			return append(ids, m.unknown)
		}
	}
	for i := range len(character) {
		ids = append(ids, int(m.byteTokens[character[i]]-1))
	}
	return ids
}

// appendBlanks appends what a SentencePiece token stands for, which is written
// with marks for blanks.
func appendBlanks(dst, written []byte) []byte {
	for {
		mark := bytes.Index(written, []byte(blankMark))
		if mark < 0 {
			return append(dst, written...)
		}
		dst = append(append(dst, written[:mark]...), ' ')
		written = written[mark+len(blankMark):]
	}
}

// byteWritten returns the byte that a token such as <0x0A> stands for.
func byteWritten(written []byte) (b byte, ok bool) {
	if len(written) != len("<0x00>") || string(written[:3]) != "<0x" || written[5] != '>' {
		return 0, false
	}
	for _, digit := range written[3:5] {
		switch {
		case '0' <= digit && digit <= '9':
			b = b<<4 | (digit - '0')
		case 'A' <= digit && digit <= 'F':
			b = b<<4 | (digit - 'A' + 10)
		default:
			return 0, false
		}
	}
	return b, true
}
