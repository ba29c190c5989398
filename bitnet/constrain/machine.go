package constrain

import (
	"encoding/binary"
	"slices"
	"sync"
)

// machine follows texts through a program, for the tokens of a vocabulary. What it
// finds out it keeps, within bounds, for all who use it.
//
// A state of it is a set of configurations: where in a rule or a terminal the text
// may stand, and what is to follow after that, a stack. Stacks share their
// frames, and a call at the end of a rule needs none.
type machine struct {
	program    *program
	vocabulary *vocabulary
	class      [256]uint8 // bytes that no state tells apart
	classes    int

	mu     sync.Mutex
	states map[string]*state
	frames map[frameKey]*frame
	locals map[localKey]*local
	serial uint32
	room   int    // bytes that may still be kept before all is forgotten
	era    uint32 // how often that has happened

	// Working memory.
	marks   map[configuration]bool
	pending []configuration
	key     []byte
	path    [longestToken + 1]*state
}

// roomFor bounds what a machine keeps, in bytes.
const roomFor = 8 << 20

// mostConfigurations bounds a state: what can be read in more ways at once is not
// allowed.
const mostConfigurations = 1024

type configuration struct {
	terminal int32  // −1 in a rule
	at       int32  // the node, or the state of the terminal; done for the end of the text
	count    int32  // the counter of the rule or of the terminal
	after    *frame // what follows, nil for the end of the text
}

const done = -1

// frame is what follows after a call.
type frame struct {
	frameKey
	serial uint32
}

type frameKey struct {
	node, count int32
	after       *frame
}

// state is what can be read next. Its parts are computed as they are needed.
type state struct {
	configurations []configuration
	next           []*state // by class; nil where it is not known
	leads          byteSet
	complete       bool // the text may end here
	era            uint32
	mask           []uint64
}

var dead = &state{}

func newMachine(p *program, v *vocabulary) *machine {
	m := &machine{program: p, vocabulary: v, marks: map[configuration]bool{}}
	var sets []*byteSet
	for i := range p.nodes {
		if n := &p.nodes[i]; n.kind == reads {
			sets = append(sets, n.set)
		}
	}
	for _, t := range p.terminals {
		of := make([]byteSet, t.dfa.classes)
		for b := range 256 {
			of[t.dfa.class[b]].add(byte(b), byte(b))
		}
		for c := range of {
			sets = append(sets, &of[c])
		}
		if t.except != nil {
			for _, next := range t.except.next {
				for b := range next {
					set := new(byteSet)
					set.add(b, b)
					sets = append(sets, set)
				}
			}
		}
	}
	m.class, m.classes = classesOf(sets)
	m.forget()
	return m
}

// forget drops what is kept. States that somebody holds stay what they are.
func (m *machine) forget() {
	m.states = map[string]*state{}
	m.frames = map[frameKey]*frame{}
	m.locals = map[localKey]*local{}
	m.room = roomFor
	m.era++
}

// spend notes that memory has been taken.
func (m *machine) spend(bytes int) { m.room -= bytes }

// first returns the state before the text.
func (m *machine) first() *state {
	return m.close(configuration{terminal: -1, at: m.program.start[0]})
}

// step returns the state after a byte.
func (m *machine) step(s *state, b byte) *state {
	c := m.class[b]
	if next := s.next[c]; next != nil {
		return next
	}
	next := dead
	if s.leads.has(b) {
		clear(m.marks)
		m.pending = m.pending[:0]
		for _, c := range s.configurations {
			if c.at == done {
				continue
			}
			if c.terminal < 0 {
				if n := &m.program.nodes[c.at]; n.set.has(b) {
					m.pending = append(m.pending, configuration{-1, n.next, c.count, c.after})
				}
			} else if at, count := m.program.terminals[c.terminal].step(c.at, c.count, b); at != 0 {
				m.pending = append(m.pending, configuration{c.terminal, at, count, c.after})
			}
		}
		next = m.settle()
	}
	if s.era == m.era { // what is forgotten elsewhere must not live on here
		s.next[c] = next
	}
	return next
}

// close returns the state of a configuration, with all that it leads to without a
// byte.
func (m *machine) close(c configuration) *state {
	clear(m.marks)
	m.pending = append(m.pending[:0], c)
	return m.settle()
}

// settle returns the state of the pending configurations.
func (m *machine) settle() *state {
	if m.room < 0 {
		m.forget()
	}
	var found []configuration
	for len(m.pending) > 0 {
		c := m.pending[len(m.pending)-1]
		m.pending = m.pending[:len(m.pending)-1]
		if m.marks[c] {
			continue
		}
		if len(m.marks) > 8*mostConfigurations || len(found) > mostConfigurations {
			return dead
		}
		m.marks[c] = true
		if c.at == done {
			found = append(found, c)
			continue
		}
		if c.terminal >= 0 {
			d := m.program.terminals[c.terminal].dfa
			if d.accepts[c.at] {
				m.pop(c.after)
			}
			if !d.ends(c.at) {
				found = append(found, c)
			}
			continue
		}
		switch n := &m.program.nodes[c.at]; n.kind {
		case accept:
			m.pop(c.after)
		case reads:
			found = append(found, c)
		case fork:
			for _, next := range n.more {
				c.at = next
				m.pending = append(m.pending, c)
			}
		case calls:
			m.pending = append(m.pending, configuration{-1, m.program.start[n.to], 0, m.push(n.next, c)})
		case tokens:
			m.pending = append(m.pending, configuration{n.to, 1, m.program.terminals[n.to].start(), m.push(n.next, c)})
		case counts:
			c.at = n.next
			if n.to < 0 {
				c.count = min(c.count+1, -n.to-1)
				m.pending = append(m.pending, c)
			} else if c.count < n.to {
				c.count++
				m.pending = append(m.pending, c)
			}
		case enough:
			if c.count >= n.to {
				c.at = n.next
				m.pending = append(m.pending, c)
			}
		}
	}
	return m.intern(found)
}

// pop goes on after a call.
func (m *machine) pop(f *frame) {
	c := configuration{terminal: -1, at: done}
	if f != nil {
		c = configuration{-1, f.node, f.count, f.after}
	}
	m.pending = append(m.pending, c)
}

// push returns what follows a call in a configuration.
func (m *machine) push(next int32, c configuration) *frame {
	if m.program.nodes[next].kind == accept {
		return c.after
	}
	key := frameKey{next, c.count, c.after}
	f := m.frames[key]
	if f == nil {
		m.serial++
		f = &frame{key, m.serial}
		m.frames[key] = f
		m.spend(100)
	}
	return f
}

// intern returns the one state of some configurations.
func (m *machine) intern(found []configuration) *state {
	if len(found) == 0 {
		return dead
	}
	slices.SortFunc(found, configuration.compare)
	m.key = m.key[:0]
	for _, c := range found {
		m.key = binary.LittleEndian.AppendUint32(m.key, uint32(c.terminal))
		m.key = binary.LittleEndian.AppendUint32(m.key, uint32(c.at))
		m.key = binary.LittleEndian.AppendUint32(m.key, uint32(c.count))
		m.key = binary.LittleEndian.AppendUint32(m.key, c.after.number())
	}
	if s, ok := m.states[string(m.key)]; ok {
		return s
	}
	s := &state{configurations: found, next: make([]*state, m.classes), era: m.era}
	for _, c := range found {
		var set byteSet
		switch {
		case c.at == done:
			s.complete = true
		case c.terminal >= 0:
			set = m.program.terminals[c.terminal].leads(c.at, c.count)
		default:
			set = *m.program.nodes[c.at].set
		}
		for i := range set {
			s.leads[i] |= set[i]
		}
	}
	m.states[string(m.key)] = s
	m.spend(len(m.key) + 40*len(found) + 8*m.classes + 200)
	return s
}

func (f *frame) number() uint32 {
	if f == nil {
		return 0
	}
	return f.serial
}

func (a configuration) compare(b configuration) int {
	for _, d := range [...]int64{
		int64(a.terminal) - int64(b.terminal), int64(a.at) - int64(b.at), int64(a.count) - int64(b.count),
		int64(a.after.number()) - int64(b.after.number()),
	} {
		if d != 0 {
			return int(d>>62 | 1)
		}
	}
	return 0
}
