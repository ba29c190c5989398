package constrain

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// terminal is a word of a language: an automaton that calls nothing. What tokens do
// inside of it depends on its state alone, so that it is worked out once for a
// vocabulary (local.go) and serves wherever the word stands.
//
// Strings have a counter beside the state: of their characters, or the place in
// the names that they must not be.
type terminal struct {
	dfa    *dfa
	inside int32 // of strings, the state between two characters; else 0
	shared bool  // by all constraints: what is worked out is kept with the vocabulary

	min, max int        // characters, where inside is not 0; max is −1 for no bound
	except   *nameNodes // names that the string must not be, or nil
}

// start returns the counter before the first byte.
func (t *terminal) start() int32 {
	if t.except != nil {
		return 1
	}
	return 0
}

// bounded reports whether it is a string that can become too long.
func (t *terminal) bounded() bool { return t.inside != 0 && t.except == nil && t.max >= 0 }

// step returns the state and the counter after a byte, state 0 where it may not
// follow.
func (t *terminal) step(state, count int32, b byte) (int32, int32) {
	next := t.dfa.step(state, b)
	if t.inside == 0 || next == 0 {
		return next, count
	}
	if t.except != nil {
		switch {
		case state == 1:
		case state == t.inside && b == '"':
			if t.except.isName(count) {
				return 0, 0
			}
		default:
			count = t.except.step(count, b)
		}
		return next, count
	}
	if state == t.inside {
		if b == '"' {
			if int(count) < t.min {
				return 0, 0
			}
		} else if t.max < 0 {
			count = min(count+1, int32(t.min))
		} else if int(count) >= t.max {
			return 0, 0
		} else {
			count++
		}
	}
	return next, count
}

// leads returns the bytes that may come next.
func (t *terminal) leads(state, count int32) byteSet {
	set := t.dfa.leads[state]
	if state == 0 || state != t.inside {
		return set
	}
	var quote byteSet
	quote.add('"', '"')
	switch {
	case t.except != nil && t.except.isName(count), t.except == nil && int(count) < t.min:
		set[0] &^= quote[0]
	case t.except == nil && t.max >= 0 && int(count) >= t.max:
		set = quote
	}
	return set
}

// nameNodes are the nodes of a tree of names, of which 1 is the root and 0 is
// outside of the tree.
type nameNodes struct {
	next []map[byte]int32
	name []bool
}

func namesOf(names []string) *nameNodes {
	t := &nameNodes{next: make([]map[byte]int32, 2), name: make([]bool, 2)}
	for _, name := range names {
		at := int32(1)
		for i := range len(name) {
			to := t.next[at][name[i]]
			if to == 0 {
				to = int32(len(t.next))
				t.next, t.name = append(t.next, nil), append(t.name, false)
				if t.next[at] == nil {
					t.next[at] = map[byte]int32{}
				}
				t.next[at][name[i]] = to
			}
			at = to
		}
		t.name[at] = true
	}
	return t
}

func (t *nameNodes) step(at int32, b byte) int32 { return t.next[at][b] }
func (t *nameNodes) isName(at int32) bool        { return t.name[at] }

// encoding writes the characters from lo to hi in a form.
type encoding func(lo, hi rune) *expr

// quoted are the characters from lo to hi as they stand in a JSON string: as they
// are, or in the shortest form where they cannot be. So each has one form.
func quoted(lo, hi rune) *expr {
	var all []*expr
	for r := lo; r <= min(hi, '\\'); r++ {
		if short := shortEscape(r); short != "" {
			all = append(all, text(short))
		} else if r < 0x20 {
			all = append(all, text(control(r)))
		}
	}
	for _, plain := range [][2]rune{{0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, utf8.MaxRune}} {
		if a, b := max(lo, plain[0]), min(hi, plain[1]); a <= b {
			all = append(all, runes(a, b))
		}
	}
	return either(all...)
}

func control(r rune) string { return fmt.Sprintf(`\u%04x`, r) }

func shortEscape(r rune) string {
	if i := strings.IndexRune("\"\\\b\f\n\r\t", r); i >= 0 {
		return `\` + `"\bfnrt`[i:i+1]
	}
	return ""
}

// quote returns a string as JSON, each character as quoted has it.
func quote(s string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range s {
		switch short := shortEscape(r); {
		case short != "":
			out.WriteString(short)
		case r < 0x20:
			out.WriteString(control(r))
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
	return out.String()
}

// anyCharacter is a character of a JSON string in all its forms. Surrogates come in
// pairs only.
func anyCharacter() *expr {
	hex := anyOf("0123456789abcdefABCDEF")
	return either(
		runes(0x20, '"'-1), runes('"'+1, '\\'-1), runes('\\'+1, utf8.MaxRune),
		cat(text(`\`), anyOf(`"\/bfnrt`)),
		cat(text(`\u`), either(
			cat(anyOf("0123456789abcefABCEF"), hex, hex, hex),
			cat(anyOf("dD"), anyOf("01234567"), hex, hex),
			cat(anyOf("dD"), anyOf("89abAB"), hex, hex, text(`\u`), anyOf("dD"), anyOf("cdefCDEF"), hex, hex),
		)))
}

// terminals that all constraints share.
var shared = sync.OnceValue(func() (s struct {
	text, name, number, integer *terminal
}) {
	str := func(character *expr) *terminal {
		d := must(determinize(cat(text(`"`), times(character, 0, -1), text(`"`))))
		return &terminal{dfa: d, inside: d.step(1, '"'), shared: true, max: -1}
	}
	s.text = str(anyCharacter())
	s.name = str(quoted(0, utf8.MaxRune))
	whole := either(text("0"), cat(between('1', '9'), times(digit, 0, mostDigits-1)))
	s.integer = &terminal{dfa: must(determinize(either(whole, cat(text("-"), between('1', '9'), times(digit, 0, mostDigits-1))))), shared: true}
	s.number = &terminal{dfa: must(determinize(cat(maybe(text("-")), whole,
		maybe(cat(text("."), times(digit, 1, mostDigits))),
		maybe(cat(anyOf("eE"), maybe(anyOf("+-")), times(digit, 1, 2)))))), shared: true}
	return s
})

// must is for expressions that are part of this package.
func must(d *dfa, err error) *dfa {
	if err != nil {
		panic(err)
	}
	return d
}

// stringOf returns the strings of so many characters.
func stringOf(min, max int) *terminal {
	t := shared().text
	if min == 0 && max < 0 {
		return t
	}
	return &terminal{dfa: t.dfa, inside: t.inside, shared: true, min: min, max: max}
}

// nameExcept returns the strings that are none of some names, in the spelling of
// quoted.
func nameExcept(names []string) *terminal {
	t := shared().name
	if len(names) == 0 {
		return t
	}
	inner := make([]string, len(names))
	for i, name := range names {
		q := quote(name)
		inner[i] = q[1 : len(q)-1]
	}
	return &terminal{dfa: t.dfa, inside: t.inside, shared: true, max: -1, except: namesOf(inner)}
}
