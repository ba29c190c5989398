package constrain

import (
	"bytes"
	"math"
	"slices"
)

// The tokens that may follow in a state are those that may follow in any of its
// configurations. In a terminal, what a token does before the terminal's end
// depends on nothing but the state in there: that is a local. It knows the tokens
// that stay inside, and of those that go beyond the end, the rest behind it, laid
// out as a small tree. Only these rests are walked for each stack anew. Inside a
// JSON string of Llama 3's vocabulary they are 1 token in 40.

// localKey names a state of an automaton.
type localKey struct {
	dfa     *dfa
	state   int32
	bounded bool // for strings with a bound
}

// local is what the tokens of a vocabulary do in a state of a terminal.
type local struct {
	// few are the tokens that stay inside, where they are few. Otherwise stay is
	// the mask of them, or in strings with a bound stay[n] the mask of those by
	// which no more than n characters begin, and more are the tokens by which
	// more than mostStarts do.
	few  []ending
	stay [][]uint64
	more []ending
	// ended are the tokens that end where the terminal does, rests those that go
	// on behind it, each with its ending.
	ended  []ending
	rests  []restNode
	ending []ending
	// crowded says that there are too many rests to keep.
	crowded bool
}

// ending is a token, with the number of characters that begin in its part before
// the end of a string.
type ending struct{ token, starts int32 }

type restNode struct {
	skip     int32
	from, to int32 // the tokens that end here, in local.ending
	depth    uint16
	char     byte
}

const (
	mostStarts = 32     // characters by which masks are told apart
	mostFew    = 1024   // tokens that are listed rather than masked
	mostRests  = 30_000 // bytes of rests
)

// localOf returns the local of a terminal's state, which is computed the first
// time.
func (m *machine) localOf(t *terminal, at int32) *local {
	key := localKey{t.dfa, at, t.bounded()}
	v := m.vocabulary
	if t.shared {
		v.mu.Lock()
		defer v.mu.Unlock()
		l := v.locals[key]
		if l == nil {
			l = v.newLocal(t, at)
			v.locals[key] = l
		}
		return l
	}
	l := m.locals[key]
	if l == nil {
		l = v.newLocal(t, at)
		m.locals[key] = l
		m.spend(l.bytes() + 200)
	}
	return l
}

func (l *local) bytes() int {
	n := 8*(len(l.few)+len(l.more)+len(l.ended)+len(l.ending)) + 16*len(l.rests)
	for _, mask := range l.stay {
		n += 8 * len(mask)
	}
	return n
}

type rest struct {
	text []byte
	ending
}

func (v *vocabulary) newLocal(t *terminal, at int32) *local {
	l := &local{}
	d := t.dfa
	next, classes := d.next, d.classes
	var states, starts [longestToken + 1]int32
	states[0] = at
	stay := staying{v: v, bounded: t.bounded()}
	var rests []rest
	size := 0
	for i := 0; i < len(v.nodes); {
		n := &v.nodes[i]
		from, begun := states[n.depth], starts[n.depth]
		if t.inside != 0 && from == t.inside && n.char != '"' {
			begun++
		}
		to := next[int(from)*classes+int(d.class[n.char])]
		if to == 0 {
			i = int(n.skip)
			continue
		}
		states[n.depth+1], starts[n.depth+1] = to, begun
		if d.accepts[to] && !l.crowded {
			for j := i + 1; j < int(n.skip) && size <= mostRests; j++ {
				if token := v.nodes[j].token; token >= 0 {
					text := v.token(token)[n.depth+1:]
					rests = append(rests, rest{text, ending{token, begun}})
					size += len(text)
				}
			}
			l.crowded = size > mostRests
		}
		if n.token >= 0 {
			if !d.ends(to) {
				stay.add(n.token, begun)
			}
			if d.accepts[to] {
				l.ended = append(l.ended, ending{n.token, begun})
			}
		}
		i++
	}
	stay.keep(l)
	if !l.crowded {
		l.lay(rests)
	}
	return l
}

// staying collects the tokens that stay inside of a terminal.
type staying struct {
	v       *vocabulary
	bounded bool
	few     []ending // while they are
	masks   [mostStarts + 1][]uint64
	more    []ending
}

func (s *staying) add(token, starts int32) {
	if len(s.few) <= mostFew {
		s.few = append(s.few, ending{token, starts})
		if len(s.few) > mostFew {
			for _, e := range s.few {
				s.put(e)
			}
		}
		return
	}
	s.put(ending{token, starts})
}

func (s *staying) put(e ending) {
	at := 0
	if s.bounded {
		if at = int(e.starts); at > mostStarts {
			s.more = append(s.more, e)
			return
		}
	}
	if s.masks[at] == nil {
		s.masks[at] = make([]uint64, s.v.words())
	}
	allow(s.masks[at], e.token)
}

func (s *staying) keep(l *local) {
	if len(s.few) <= mostFew {
		l.few = s.few
		return
	}
	l.more = s.more
	if !s.bounded {
		l.stay = s.masks[:1:1]
		return
	}
	l.stay = s.masks[:]
	for n, mask := range l.stay {
		if mask == nil {
			mask = make([]uint64, s.v.words())
			l.stay[n] = mask
		}
		if n > 0 {
			for i, word := range l.stay[n-1] {
				mask[i] |= word
			}
		}
	}
}

// lay makes the tree of the rests.
func (l *local) lay(rests []rest) {
	slices.SortFunc(rests, func(a, b rest) int { return bytes.Compare(a.text, b.text) })
	var open []int32
	var before []byte
	for _, r := range rests {
		common := 0
		for common < len(before) && common < len(r.text) && before[common] == r.text[common] {
			common++
		}
		for len(open) > common {
			l.rests[open[len(open)-1]].skip = int32(len(l.rests))
			open = open[:len(open)-1]
		}
		for at := common; at < len(r.text); at++ {
			open = append(open, int32(len(l.rests)))
			end := int32(len(l.ending))
			l.rests = append(l.rests, restNode{depth: uint16(at), char: r.text[at], from: end, to: end})
		}
		last := &l.rests[open[len(open)-1]]
		l.ending = append(l.ending, r.ending)
		last.to = int32(len(l.ending))
		before = r.text
	}
	for _, at := range open {
		l.rests[at].skip = int32(len(l.rests))
	}
}

// mask returns the tokens that may follow in a state. It belongs to the state.
func (m *machine) mask(s *state) []uint64 {
	if s.mask != nil {
		return s.mask
	}
	mask := make([]uint64, m.vocabulary.words())
	var others []configuration
	for _, c := range s.configurations {
		if c.at != done && (c.terminal < 0 || !m.allowInside(mask, c)) {
			others = append(others, c)
		}
	}
	if len(others) > 0 {
		m.allowAll(mask, others)
	}
	m.vocabulary.double(mask)
	if s.era == m.era {
		s.mask = mask
		m.spend(8 * len(mask))
	}
	return mask
}

// allowAll tries all tokens in some configurations.
func (m *machine) allowAll(mask []uint64, some []configuration) {
	v := m.vocabulary
	m.path[0] = m.intern(some)
	for i := 0; i < len(v.nodes); {
		n := &v.nodes[i]
		to := m.step(m.path[n.depth], n.char)
		if to == dead {
			i = int(n.skip)
			continue
		}
		m.path[n.depth+1] = to
		if n.token >= 0 {
			allow(mask, n.token)
		}
		i++
	}
}

// allowInside allows the tokens of a configuration in a terminal. It reports false
// where all tokens have to be tried.
func (m *machine) allowInside(mask []uint64, c configuration) bool {
	t, v := m.program.terminals[c.terminal], m.vocabulary
	l := m.localOf(t, c.at)
	if l.crowded && c.after != nil {
		return false
	}
	least, most := int32(0), int32(math.MaxInt32) // characters that may begin
	if t.inside != 0 && t.except == nil {
		least = max(int32(t.min)-c.count, 0)
		if t.max >= 0 {
			most = int32(t.max) - c.count
		}
	}
	for _, list := range [...][]ending{l.few, l.more} {
		for _, e := range list {
			if e.starts <= most {
				allow(mask, e.token)
			}
		}
	}
	if len(l.stay) > 0 {
		for i, word := range l.stay[min(int(most), len(l.stay)-1)] {
			mask[i] |= word
		}
	}
	allowed := func(e ending, rest int) bool {
		if e.starts < least || e.starts > most {
			return false
		}
		if t.except == nil {
			return true
		}
		at, state := c.count, c.at
		token := v.token(e.token)
		for _, b := range token[:len(token)-rest] {
			if state, at = t.step(state, at, b); state == 0 {
				return false
			}
		}
		return true
	}
	for _, e := range l.ended {
		if allowed(e, 0) {
			allow(mask, e.token)
		}
	}
	if c.after == nil {
		return true
	}
	m.path[0] = m.close(configuration{-1, c.after.node, c.after.count, c.after.after})
	for i := 0; i < len(l.rests); {
		n := &l.rests[i]
		to := m.step(m.path[n.depth], n.char)
		if to == dead {
			i = int(n.skip)
			continue
		}
		m.path[n.depth+1] = to
		for _, e := range l.ending[n.from:n.to] {
			if allowed(e, int(n.depth)+1) {
				allow(mask, e.token)
			}
		}
		i++
	}
	return true
}
