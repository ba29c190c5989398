package constrain

import (
	"encoding/binary"
	"slices"
)

// node is a state of a nondeterministic automaton, which reads a byte of a set, or
// goes on without one.
type node struct {
	kind nodeKind
	set  *byteSet
	next int32   // what follows
	more []int32 // fork: all that follow
	to   int32   // the rule or the terminal that is called; a counter's bound
}

type nodeKind uint8

const (
	accept nodeKind = iota
	reads           // a byte
	fork            // goes on in several ways
	calls           // a rule, and then next
	tokens          // a terminal, and then next
	counts          // one more, if the counter is below its bound, or has none (−1)
	enough          // goes on if the counter has reached its bound
	begins          // at the beginning of the text
	ends            // at its end
)

// dfa is a deterministic automaton over bytes. State 0 is dead, 1 the start, and
// from every state but 0 an accepting one can be reached.
type dfa struct {
	class   [256]uint8
	classes int
	next    []int32 // [state·classes + class]
	accepts []bool
	leads   []byteSet // the bytes by which a state is left alive
}

func (d *dfa) states() int { return len(d.accepts) }

func (d *dfa) step(state int32, b byte) int32 {
	return d.next[int(state)*d.classes+int(d.class[b])]
}

// ends reports whether an accepting state has no way on.
func (d *dfa) ends(state int32) bool { return d.leads[state] == byteSet{} }

func (d *dfa) matches(text string) bool {
	state := int32(1)
	for i := 0; i < len(text) && state != 0; i++ {
		state = d.step(state, text[i])
	}
	return d.accepts[state]
}

// classesOf gives bytes that no set tells apart the same number.
func classesOf(sets []*byteSet) (class [256]uint8, n int) {
	var ids [256]int
	n = 1
	for _, s := range sets {
		// Split each class by the set.
		var split [256]int // of a class, the new one of the bytes in the set, plus 1
		var outside [256]bool
		for b := range 256 {
			if !s.has(byte(b)) {
				outside[ids[b]] = true
			}
		}
		for b := range 256 {
			if old := ids[b]; s.has(byte(b)) && outside[old] {
				if split[old] == 0 {
					split[old] = n + 1
					n++
				}
				ids[b] = split[old] - 1
			}
		}
		if n == 256 {
			break
		}
	}
	for b, id := range ids {
		class[b] = uint8(id)
	}
	return class, n
}

// regularNodes are the nodes of a regular expression.
type regularNodes []node

func (r *regularNodes) add(n node) int32 {
	*r = append(*r, n)
	return int32(len(*r) - 1)
}

// build adds nodes of an expression that goes on at next and returns the first.
func (r *regularNodes) build(x *expr, next int32) (int32, error) {
	if len(*r) > mostRegularNodes {
		return 0, limitError("an expression takes more than %d steps", mostRegularNodes)
	}
	var err error
	switch x.kind {
	case literal:
		for i := len(x.text) - 1; i >= 0; i-- {
			set := new(byteSet)
			set.add(x.text[i], x.text[i])
			next = r.add(node{kind: reads, set: set, next: next})
		}
	case bytes1:
		next = r.add(node{kind: reads, set: x.set, next: next})
	case sequence:
		for i := len(x.parts) - 1; i >= 0 && err == nil; i-- {
			next, err = r.build(x.parts[i], next)
		}
	case choice:
		more := make([]int32, len(x.parts))
		for i, p := range x.parts {
			if more[i], err = r.build(p, next); err != nil {
				return 0, err
			}
		}
		next = r.add(node{kind: fork, more: more})
	case repeat:
		part := x.parts[0]
		if count := max(x.max, x.min+1); count > mostRegularNodes || part.size(mostRegularNodes) > 0 && count > mostRegularNodes/part.size(mostRegularNodes) {
			return 0, limitError("a repetition takes more than %d steps", mostRegularNodes)
		}
		return repeated(x, next, r.add, r.build, func(i int32, more []int32) { (*r)[i].more = more })
	case begin:
		next = r.add(node{kind: begins, next: next})
	case end:
		next = r.add(node{kind: ends, next: next})
	default:
		panic("not a regular expression")
	}
	return next, err
}

// repeated writes a repetition out.
func repeated(x *expr, next int32, add func(node) int32, build func(*expr, int32) (int32, error), set func(int32, []int32)) (int32, error) {
	var err error
	part := x.parts[0]
	at := next
	if x.max < 0 {
		at = add(node{kind: fork})
		first, err := build(part, at)
		if err != nil {
			return 0, err
		}
		set(at, []int32{first, next})
	} else {
		for range x.max - x.min {
			first, err := build(part, at)
			if err != nil {
				return 0, err
			}
			at = add(node{kind: fork, more: []int32{first, next}})
		}
	}
	for range x.min {
		if at, err = build(part, at); err != nil {
			return 0, err
		}
	}
	return at, nil
}

// determinize makes the deterministic automaton of a regular expression. Its size
// is bounded; an expression that exceeds the bound is an error.
func determinize(x *expr) (*dfa, error) {
	nodes := regularNodes{{kind: accept}}
	start, err := nodes.build(x, 0)
	if err != nil {
		return nil, err
	}
	var sets []*byteSet
	seen := map[byteSet]bool{}
	for i := range nodes {
		if n := &nodes[i]; n.kind == reads && !seen[*n.set] {
			seen[*n.set] = true
			sets = append(sets, n.set)
		}
	}
	s := subsets{nodes: nodes, mark: make([]int32, len(nodes)), index: map[string]int32{}}
	class, classes := classesOf(sets)
	var sample [256]byte
	for b := 255; b >= 0; b-- {
		sample[class[b]] = byte(b)
	}
	d := &dfa{class: class, classes: classes}
	s.add(nil, false) // dead
	s.close([]int32{start}, true, false)
	s.add(s.out, true)
	for at := 0; at < len(s.sets); at++ {
		d.next = append(d.next, make([]int32, classes)...)
		if at == 0 {
			d.accepts = append(d.accepts, false)
			continue
		}
		s.close(s.sets[at], at == 1, true)
		d.accepts = append(d.accepts, slices.Contains(s.out, 0))
		if s.work += len(s.sets[at]) * classes; s.work > mostRegularWork || len(s.sets) > mostStates {
			return nil, limitError("the automaton of an expression has more than %d states", mostStates)
		}
		for c := range classes {
			var from []int32
			for _, n := range s.sets[at] {
				if n := &nodes[n]; n.kind == reads && n.set.has(sample[c]) {
					from = append(from, n.next)
				}
			}
			if len(from) > 0 {
				s.close(from, false, false)
				d.next[at*classes+c] = s.add(s.out, false)
			}
		}
	}
	return d.trim()
}

type subsets struct {
	nodes []node
	mark  []int32
	round int32
	out   []int32
	sets  [][]int32
	index map[string]int32
	work  int
}

// close puts what is reached from nodes without a byte into s.out.
func (s *subsets) close(from []int32, beginning, ending bool) {
	s.round++
	s.out = s.out[:0]
	stack := append([]int32(nil), from...)
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if s.mark[i] == s.round {
			continue
		}
		s.mark[i] = s.round
		s.work++
		switch n := &s.nodes[i]; n.kind {
		case fork:
			stack = append(stack, n.more...)
		case begins:
			if beginning {
				stack = append(stack, n.next)
			}
		case ends:
			s.out = append(s.out, i)
			if ending {
				stack = append(stack, n.next)
			}
		default:
			s.out = append(s.out, i)
		}
	}
}

// add returns the number of a set of nodes. The beginning of the text is a state of
// its own.
func (s *subsets) add(set []int32, beginning bool) int32 {
	set = slices.Clone(set)
	slices.Sort(set)
	key := make([]byte, 0, 4*len(set)+1)
	for _, n := range set {
		key = binary.LittleEndian.AppendUint32(key, uint32(n))
	}
	if beginning {
		key = append(key, 1)
	}
	if i, ok := s.index[string(key)]; ok {
		return i
	}
	i := int32(len(s.sets))
	s.index[string(key)] = i
	s.sets = append(s.sets, set)
	return i
}

// trim leaves out the states from which nothing is accepted, and notes by which
// bytes the others are left. Where nothing is accepted at all it returns nil.
func (d *dfa) trim() (*dfa, error) {
	n := d.states()
	before := make([][]int32, n)
	for s := range n {
		for _, to := range d.next[s*d.classes : (s+1)*d.classes] {
			before[to] = append(before[to], int32(s))
		}
	}
	alive := make([]bool, n)
	var queue []int32
	for s, accepts := range d.accepts {
		if accepts {
			alive[s] = true
			queue = append(queue, int32(s))
		}
	}
	for len(queue) > 0 {
		s := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, from := range before[s] {
			if !alive[from] {
				alive[from] = true
				queue = append(queue, from)
			}
		}
	}
	if n < 2 || !alive[1] {
		return nil, nil
	}
	number := make([]int32, n)
	count := 1
	for s := range n {
		if alive[s] {
			number[s] = int32(count)
			count++
		}
	}
	t := &dfa{class: d.class, classes: d.classes, next: make([]int32, count*d.classes), accepts: make([]bool, count), leads: make([]byteSet, count)}
	for s := range n {
		g := int(number[s])
		if g == 0 {
			continue
		}
		t.accepts[g] = d.accepts[s]
		for c := range d.classes {
			t.next[g*d.classes+c] = number[d.next[s*d.classes+c]]
		}
	}
	for g := range count {
		for b := range 256 {
			if t.step(int32(g), byte(b)) != 0 {
				t.leads[g].add(byte(b), byte(b))
			}
		}
	}
	return t, nil
}

// product combines two automata: it accepts what keep says of what each of them
// accepts. A text that one of them has no state for any more is not accepted by it.
func product(a, b *dfa, keep func(a, b bool) bool) (*dfa, error) {
	var sets []*byteSet
	for _, d := range []*dfa{a, b} {
		of := make([]byteSet, d.classes)
		for i := range 256 {
			of[d.class[i]].add(byte(i), byte(i))
		}
		for c := range of {
			sets = append(sets, &of[c])
		}
	}
	class, classes := classesOf(sets)
	var sample [256]byte
	for i := 255; i >= 0; i-- {
		sample[class[i]] = byte(i)
	}
	d := &dfa{class: class, classes: classes}
	type pair struct{ a, b int32 }
	pairs := []pair{{0, 0}, {1, 1}}
	index := map[pair]int32{{0, 0}: 0, {1, 1}: 1}
	for at := 0; at < len(pairs); at++ {
		if len(pairs) > mostStates {
			return nil, limitError("two expressions that must hold together take more than %d states", mostStates)
		}
		p := pairs[at]
		d.accepts = append(d.accepts, keep(a.accepts[p.a], b.accepts[p.b]))
		for c := range classes {
			q := pair{a.step(p.a, sample[c]), b.step(p.b, sample[c])}
			i, ok := index[q]
			if !ok {
				i = int32(len(pairs))
				index[q] = i
				pairs = append(pairs, q)
			}
			d.next = append(d.next, i)
		}
	}
	return d.trim()
}

// inQuotes returns the automaton of the same texts between quotation marks, which
// they have none of that ends a text.
func (d *dfa) inQuotes() *dfa {
	n := d.states()
	q := &dfa{class: d.class, classes: d.classes + 1}
	old := d.class['"']
	q.class['"'] = uint8(d.classes)
	q.next = make([]int32, (n+2)*q.classes)
	q.accepts = make([]bool, n+2)
	// The start of d comes after the new start; all others keep their numbers.
	moved := func(state int32) int32 {
		if state == 1 {
			return int32(n)
		}
		return state
	}
	for state := range int32(n) {
		row := q.next[int(moved(state))*q.classes:]
		for c := range d.classes {
			row[c] = moved(d.next[int(state)*d.classes+c])
		}
		row[d.classes] = moved(d.next[int(state)*d.classes+int(old)])
		if d.accepts[state] {
			row[d.classes] = int32(n + 1)
		}
	}
	q.accepts[n+1] = true
	q.next[1*q.classes+d.classes] = int32(n)
	return must(q.trim())
}

func both(a, b bool) bool    { return a && b }
func without(a, b bool) bool { return a && !b }
