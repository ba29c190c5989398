package constrain

import (
	"fmt"
	"unicode/utf8"
)

// expr is an expression of a language over bytes. Regular expressions, grammars
// and schemas become such expressions first. They are never changed once they are
// made, and may be shared.
type expr struct {
	kind     kind
	text     string    // literal
	set      *byteSet  // bytes
	parts    []*expr   // sequence, choice; repeat has one
	min, max int       // repeat; max is −1 where there is no bound
	rule     int       // call
	terminal *terminal // token
	object   *object   // members
}

type kind uint8

const (
	literal  kind = iota // these bytes
	bytes1               // one byte of a set
	sequence             // one after the other
	choice               // one of them; of none, nothing at all
	repeat               // so many times
	call                 // what a rule says
	token                // what a terminal says
	members              // the members of a JSON object
	begin                // the beginning of the text, in regular expressions
	end                  // its end
)

var empty = &expr{kind: literal}

// nothing is the language without any text.
var nothing = &expr{kind: choice}

func text(s string) *expr { return &expr{kind: literal, text: s} }

func cat(parts ...*expr) *expr {
	if len(parts) == 1 {
		return parts[0]
	}
	return &expr{kind: sequence, parts: parts}
}

func either(parts ...*expr) *expr {
	if len(parts) == 1 {
		return parts[0]
	}
	return &expr{kind: choice, parts: parts}
}

func times(x *expr, min, max int) *expr {
	return &expr{kind: repeat, parts: []*expr{x}, min: min, max: max}
}

func maybe(x *expr) *expr { return times(x, 0, 1) }

func is(t *terminal) *expr { return &expr{kind: token, terminal: t} }

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

func (s *byteSet) add(lo, hi byte) {
	for b := int(lo); b <= int(hi); b++ {
		s[b>>6] |= 1 << (b & 63)
	}
}

func between(lo, hi byte) *expr {
	s := new(byteSet)
	s.add(lo, hi)
	return &expr{kind: bytes1, set: s}
}

// anyOf is one of the bytes of a text.
func anyOf(bytes string) *expr {
	s := new(byteSet)
	for i := range len(bytes) {
		s.add(bytes[i], bytes[i])
	}
	return &expr{kind: bytes1, set: s}
}

var digit = between('0', '9')

// size estimates how many nodes an expression takes. It stops counting beyond
// most.
func (x *expr) size(most int) int {
	n := 0
	switch x.kind {
	case literal:
		n = len(x.text)
	case bytes1, call, token, begin, end:
		n = 1
	case members:
		n = 1
		for _, p := range x.object.listed {
			n += 2 * (len(p.key) + 4)
		}
	case sequence, choice:
		n = 1
		for _, p := range x.parts {
			if n += p.size(most - n); n > most {
				return n
			}
		}
	case repeat:
		n = x.parts[0].size(most)
		count := max(x.max, x.min+1)
		if n > 0 && count > most/n {
			return most + 1
		}
		n *= count
	}
	return n
}

// regular reports whether the expression calls no rule and has no terminal in it.
func (x *expr) regular() bool {
	switch x.kind {
	case call, token, members:
		return false
	}
	for _, p := range x.parts {
		if !p.regular() {
			return false
		}
	}
	return true
}

// runes returns the UTF-8 forms of the characters from lo to hi, without
// surrogates, which have none.
func runes(lo, hi rune) *expr {
	var all []*expr
	add := func(lo, hi rune) {
		// Cut where the number of bytes changes, and where surrogates lie.
		for _, last := range []rune{0x7f, 0x7ff, 0xd7ff, 0xdfff, 0xffff, utf8.MaxRune} {
			if lo > hi {
				return
			}
			if part := min(hi, last); lo <= part {
				if last != 0xdfff {
					all = append(all, utf8Range(lo, part)...)
				}
				lo = part + 1
			}
		}
	}
	add(lo, hi)
	return either(all...)
}

// utf8Range returns byte sequences for characters of one length.
func utf8Range(lo, hi rune) []*expr {
	var a, b [utf8.UTFMax]byte
	n := utf8.EncodeRune(a[:], lo)
	utf8.EncodeRune(b[:], hi)
	if n == 1 {
		return []*expr{between(a[0], b[0])}
	}
	// Cut until all bytes but one range are equal or full.
	for i := 1; i < n; i++ {
		low := rune(1)<<(6*i) - 1 // the last i bytes
		if lo&^low != hi&^low {
			if lo&low != 0 {
				return append(utf8Range(lo, lo|low), utf8Range(lo|low+1, hi)...)
			}
			if hi&low != low {
				return append(utf8Range(lo, hi&^low-1), utf8Range(hi&^low, hi)...)
			}
		}
	}
	parts := make([]*expr, n)
	for i := range parts {
		parts[i] = between(a[i], b[i])
	}
	return []*expr{cat(parts...)}
}

// limitError says that something would become too large.
func limitError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrTooLarge}, args...)...)
}
