package constrain

import (
	"fmt"
	"math/bits"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/tokenizer"
)

// mostForced bounds how many bytes are looked for that must come next.
const mostForced = 256

// guide follows one text. Its methods are those of bitnet.Guide.
type guide struct {
	machine   *machine
	tokenizer *tokenizer.Tokenizer
	state     *state
	forced    []int // the tokens that come next, before there is a choice again
}

func newGuide(m *machine, t *tokenizer.Tokenizer) *guide {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := &guide{machine: m, tokenizer: t, state: m.first()}
	g.force()
	return g
}

// Mask sets the bits of the tokens that may come next, and reports whether the text
// may end here.
func (g *guide) Mask(mask []uint64) (end bool) {
	if len(g.forced) > 0 {
		id := g.forced[0]
		mask[id>>6] |= 1 << (id & 63)
		return false
	}
	g.machine.mu.Lock()
	defer g.machine.mu.Unlock()
	copy(mask, g.machine.mask(g.state))
	return g.state.complete
}

// Accept goes on with a token.
func (g *guide) Accept(id int) error {
	m := g.machine
	m.mu.Lock()
	defer m.mu.Unlock()
	next := dead
	if id >= 0 && id < m.vocabulary.size() && (len(g.forced) == 0 || g.forced[0] == id) {
		if token := m.vocabulary.token(int32(id)); len(token) > 0 {
			next = g.state
			for _, b := range token {
				if next = m.step(next, b); next == dead {
					break
				}
			}
		}
	}
	if next == dead {
		return fmt.Errorf("token %d may not follow here", id)
	}
	g.state = next
	if len(g.forced) > 0 {
		g.forced = g.forced[1:]
	}
	if len(g.forced) == 0 {
		g.force()
	}
	return nil
}

// force finds the tokens that come next where the text has no choice. They are
// those that the tokenizer makes of this text, up to the first that could be a
// longer one if what follows were known.
func (g *guide) force() {
	m := g.machine
	var text []byte
	for s := g.state; !s.complete && len(text) < mostForced; {
		b, one := only(&s.leads)
		if !one {
			break
		}
		if s = m.step(s, b); s == dead {
			break
		}
		text = append(text, b)
	}
	for len(text) > 0 && !utf8.Valid(text) {
		text = text[:len(text)-1]
	}
	if len(text) == 0 {
		return
	}
	// It goes on behind a word: SentencePiece begins only a text with a blank.
	before, ok := g.tokenizer.TokenID("a")
	if !ok {
		before = -1
	}
	ids, err := g.tokenizer.Encode(string(text), tokenizer.PlainText(), tokenizer.After(before))
	if err != nil {
		return
	}
	for _, id := range ids {
		token := m.vocabulary.token(int32(id))
		if len(token) == 0 || len(token) > len(text) || string(text[:len(token)]) != string(token) || m.vocabulary.extends(text) {
			return
		}
		g.forced = append(g.forced, id)
		text = text[len(token):]
	}
}

// only returns the byte of a set that has just one.
func only(s *byteSet) (b byte, one bool) {
	for i, word := range s {
		if word == 0 {
			continue
		}
		if one || word&(word-1) != 0 {
			return 0, false
		}
		b, one = byte(64*i+bits.TrailingZeros64(word)), true
	}
	return b, one
}
