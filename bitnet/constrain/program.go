package constrain

import "slices"

// Bounds of what is compiled. What exceeds them is ErrTooLarge.
const (
	mostRegularNodes = 100_000 // nodes of one regular expression
	mostStates       = 20_000  // states of its deterministic automaton
	mostRegularWork  = 4 << 20 // steps of making it
	mostNodes        = 200_000 // nodes of all rules
	mostRules        = 20_000
	mostWritten      = 256 // nodes of a repetition that is written out, instead of counted
	mostDigits       = 20  // of a number, before and after the point
)

// program is a grammar: rules that call each other, as nondeterministic automata.
// It never changes once it is made.
type program struct {
	nodes     []node
	start     []int32 // of each rule
	terminals []*terminal
}

// object are the members of a JSON object: the listed ones in their order, then any
// others.
type object struct {
	listed []property
	others *expr // a whole member, name and value; nil for none
	least  int   // of the others; 0 or 1
}

type property struct {
	key      string // as it stands in JSON, with its colon
	value    *expr
	required bool
}

var (
	blank = maybe(text(" "))
	comma = cat(text(","), blank)
)

// rules collects the rules of a language.
type rules struct {
	all []*expr // nil for one that is still to come
}

func (r *rules) reserve() int {
	r.all = append(r.all, nil)
	return len(r.all) - 1
}

func (r *rules) add(x *expr) *expr {
	i := r.reserve()
	r.all[i] = x
	return &expr{kind: call, rule: i}
}

// compile makes the program of a language that starts with a rule. What cannot
// produce anything is left out first, so that every state that is reached can also
// be left; nil says that nothing at all can be produced.
func (r *rules) compile(start int) (*program, error) {
	if len(r.all) > mostRules {
		return nil, limitError("there are more than %d rules", mostRules)
	}
	productive := r.whether((*expr).productive)
	if !productive[start] {
		return nil, nil
	}
	b := builder{rules: r, p: &program{}, productive: productive, nullable: r.whether((*expr).nullable), terminals: map[*terminal]int32{}}
	b.numbers = make([]int32, len(r.all))
	b.number(start)
	for at := 0; at < len(b.queue); at++ {
		start, err := b.rule(b.queue[at])
		if err != nil {
			return nil, err
		}
		b.p.start[at] = start
	}
	for _, at := range b.p.leftRecursive() {
		if b.queue[at] >= 0 { // else it is a repetition in one of the others
			return nil, &leftRecursion{rule: b.queue[at]}
		}
	}
	return b.p, nil
}

// whether says of each rule whether something holds that can hold only more often
// when it holds of more rules.
func (r *rules) whether(holds func(x *expr, rules []bool) bool) []bool {
	known := make([]bool, len(r.all))
	// A rule is looked at again when it has become known of one that it calls.
	callers := make([][]int, len(r.all))
	queue := make([]int, len(r.all))
	for i, x := range r.all {
		queue[i] = i
		x.visit(func(c *expr) {
			if c.kind == call {
				callers[c.rule] = append(callers[c.rule], i)
			}
		})
	}
	for len(queue) > 0 {
		i := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if !known[i] && holds(r.all[i], known) {
			known[i] = true
			queue = append(queue, callers[i]...)
		}
	}
	return known
}

func (x *expr) visit(f func(*expr)) {
	f(x)
	for _, p := range x.parts {
		p.visit(f)
	}
	if x.kind == members {
		for _, p := range x.object.listed {
			p.value.visit(f)
		}
		if x.object.others != nil {
			x.object.others.visit(f)
		}
	}
}

func (x *expr) productive(rules []bool) bool {
	switch x.kind {
	case sequence:
		for _, p := range x.parts {
			if !p.productive(rules) {
				return false
			}
		}
	case choice:
		return slices.ContainsFunc(x.parts, func(p *expr) bool { return p.productive(rules) })
	case repeat:
		return x.min == 0 || x.parts[0].productive(rules)
	case call:
		return rules[x.rule]
	case bytes1:
		return *x.set != byteSet{}
	case members:
		for _, p := range x.object.listed {
			if p.required && !p.value.productive(rules) {
				return false
			}
		}
		return x.object.least == 0 || x.object.others.productive(rules)
	}
	return true
}

type builder struct {
	*rules
	p          *program
	productive []bool // of each rule
	nullable   []bool
	numbers    []int32 // of a rule, its number in the program plus 1
	queue      []int
	counted    []*expr // repetitions that are rules of their own, by queue entries below 0
	terminals  map[*terminal]int32
}

// number returns the number of a rule in the program.
func (b *builder) number(rule int) int32 {
	if b.numbers[rule] == 0 {
		b.queue = append(b.queue, rule)
		b.p.start = append(b.p.start, 0)
		b.numbers[rule] = int32(len(b.queue))
	}
	return b.numbers[rule] - 1
}

// rule builds an entry of the queue.
func (b *builder) rule(entry int) (start int32, err error) {
	last := b.add(node{kind: accept})
	if entry >= 0 {
		return b.build(b.all[entry], last)
	}
	x := b.counted[-entry-1]
	loop := b.add(node{kind: fork})
	first, err := b.build(x.parts[0], loop)
	if err != nil {
		return 0, err
	}
	bound := int32(x.max)
	if x.max < 0 {
		bound = -int32(x.min) - 1 // no bound: counts up to min and stays there
	}
	one := b.add(node{kind: counts, next: first, to: bound})
	out := b.add(node{kind: enough, next: last, to: int32(x.min)})
	b.p.nodes[loop].more = []int32{one, out}
	return loop, nil
}

func (b *builder) add(n node) int32 {
	b.p.nodes = append(b.p.nodes, n)
	return int32(len(b.p.nodes) - 1)
}

func (b *builder) reads(c byte, next int32) int32 {
	set := new(byteSet)
	set.add(c, c)
	return b.add(node{kind: reads, set: set, next: next})
}

// build adds the nodes of an expression that goes on at next, and returns the first.
func (b *builder) build(x *expr, next int32) (int32, error) {
	if len(b.p.nodes) > mostNodes {
		return 0, limitError("the rules take more than %d steps", mostNodes)
	}
	var err error
	switch x.kind {
	case literal:
		for i := len(x.text) - 1; i >= 0; i-- {
			next = b.reads(x.text[i], next)
		}
	case bytes1:
		next = b.add(node{kind: reads, set: x.set, next: next})
	case sequence:
		for i := len(x.parts) - 1; i >= 0 && err == nil; i-- {
			next, err = b.build(x.parts[i], next)
		}
	case choice:
		var more []int32
		for _, p := range x.parts {
			if !p.productive(b.productive) {
				continue
			}
			first, err := b.build(p, next)
			if err != nil {
				return 0, err
			}
			more = append(more, first)
		}
		if next = more[0]; len(more) > 1 {
			next = b.add(node{kind: fork, more: more})
		}
	case repeat:
		return b.repeat(x, next)
	case call:
		next = b.add(node{kind: calls, to: b.number(x.rule), next: next})
	case token:
		i, ok := b.terminals[x.terminal]
		if !ok {
			i = int32(len(b.p.terminals))
			b.terminals[x.terminal] = i
			b.p.terminals = append(b.p.terminals, x.terminal)
		}
		next = b.add(node{kind: tokens, to: i, next: next})
	case members:
		return b.members(x.object, next)
	default:
		panic("not an expression of a rule")
	}
	return next, err
}

func (b *builder) repeat(x *expr, next int32) (int32, error) {
	part := x.parts[0]
	if !part.productive(b.productive) || x.max == 0 {
		return next, nil
	}
	if x.size(mostWritten) <= mostWritten || x.max < 0 && x.min <= 1 {
		return repeated(x, next, b.add, b.build, func(i int32, more []int32) { b.p.nodes[i].more = more })
	}
	if part.nullable(b.nullable) {
		return 0, limitError("what may be empty is repeated up to %d times", max(x.max, x.min))
	}
	b.counted = append(b.counted, x)
	b.queue = append(b.queue, -len(b.counted))
	b.p.start = append(b.p.start, 0)
	return b.add(node{kind: calls, to: int32(len(b.queue) - 1), next: next}), nil
}

// nullable reports whether an expression can be empty, where it is known of rules.
func (x *expr) nullable(rules []bool) bool {
	isNullable := func(p *expr) bool { return p.nullable(rules) }
	switch x.kind {
	case literal:
		return x.text == ""
	case bytes1:
		return false
	case token:
		return x.terminal.dfa.accepts[1]
	case sequence:
		return !slices.ContainsFunc(x.parts, func(p *expr) bool { return !isNullable(p) })
	case choice:
		return slices.ContainsFunc(x.parts, isNullable)
	case repeat:
		return x.min == 0 || isNullable(x.parts[0])
	case call:
		return rules[x.rule]
	case members:
		return x.object.least == 0 && !slices.ContainsFunc(x.object.listed, func(p property) bool { return p.required })
	}
	return true
}

// members builds what stands between the braces of an object. There are two ways
// through the listed members, one on which none has been written yet and one on
// which a comma comes before the next.
func (b *builder) members(o *object, next int32) (int32, error) {
	first, rest := next, next
	if o.others != nil && o.others.productive(b.productive) {
		loop := b.add(node{kind: fork})
		another, err := b.build(cat(comma, o.others), loop)
		if err != nil {
			return 0, err
		}
		b.p.nodes[loop].more = []int32{another, next}
		one, err := b.build(o.others, loop)
		if err != nil {
			return 0, err
		}
		rest, first = loop, b.add(node{kind: fork, more: []int32{one, next}})
		if o.least > 0 {
			rest, first = another, one
		}
	}
	for i := len(o.listed) - 1; i >= 0; i-- {
		p := &o.listed[i]
		if !p.value.productive(b.productive) {
			continue
		}
		value, err := b.build(cat(text(p.key), blank, p.value), rest)
		if err != nil {
			return 0, err
		}
		later, err := b.build(comma, value)
		if err != nil {
			return 0, err
		}
		if p.required {
			first, rest = value, later
		} else {
			first = b.add(node{kind: fork, more: []int32{value, first}})
			rest = b.add(node{kind: fork, more: []int32{later, rest}})
		}
	}
	return first, nil
}

// leftRecursive returns rules that come to themselves before they have read a byte,
// by way of each other, so that they would be called without end.
func (p *program) leftRecursive() []int {
	empty := p.nullables()
	const (
		unseen = iota
		open
		done
	)
	state := make([]uint8, len(p.start))
	seen := make([]int32, len(p.nodes))
	type frame struct {
		rule    int32
		pending []int32
	}
	for root := range p.start {
		if state[root] != unseen {
			continue
		}
		stack := []frame{{int32(root), []int32{p.start[root]}}}
		state[root] = open
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if len(top.pending) == 0 {
				state[top.rule] = done
				stack = stack[:len(stack)-1]
				continue
			}
			i := top.pending[len(top.pending)-1]
			top.pending = top.pending[:len(top.pending)-1]
			if seen[i] == top.rule+1 {
				continue
			}
			seen[i] = top.rule + 1
			switch n := &p.nodes[i]; n.kind {
			case fork:
				top.pending = append(top.pending, n.more...)
			case counts, enough:
				top.pending = append(top.pending, n.next)
			case tokens:
				if p.terminals[n.to].dfa.accepts[1] {
					top.pending = append(top.pending, n.next)
				}
			case calls:
				if empty[n.to] {
					top.pending = append(top.pending, n.next)
				}
				switch state[n.to] {
				case open:
					var cycle []int
					for i := len(stack) - 1; ; i-- {
						if cycle = append(cycle, int(stack[i].rule)); stack[i].rule == n.to {
							return cycle
						}
					}
				case unseen:
					state[n.to] = open
					stack = append(stack, frame{n.to, []int32{p.start[n.to]}})
				}
			}
		}
	}
	return nil
}

// leftRecursion names a rule that calls itself first.
type leftRecursion struct{ rule int }

func (e *leftRecursion) Error() string { return "a rule calls itself before it reads anything" }

// nullables says of each rule whether it may be empty.
func (p *program) nullables() []bool {
	empty := make([]bool, len(p.start))
	for changed := true; changed; {
		changed = false
		for r := len(p.start) - 1; r >= 0; r-- {
			if empty[r] {
				continue
			}
			seen := map[int32]bool{}
			pending := []int32{p.start[r]}
			for len(pending) > 0 && !empty[r] {
				i := pending[len(pending)-1]
				pending = pending[:len(pending)-1]
				if seen[i] {
					continue
				}
				seen[i] = true
				switch n := &p.nodes[i]; n.kind {
				case accept:
					empty[r], changed = true, true
				case fork:
					pending = append(pending, n.more...)
				case counts:
					pending = append(pending, n.next)
				case enough:
					if n.to <= 0 {
						pending = append(pending, n.next)
					}
				case tokens:
					if p.terminals[n.to].dfa.accepts[1] {
						pending = append(pending, n.next)
					}
				case calls:
					if empty[n.to] {
						pending = append(pending, n.next)
					}
				}
			}
		}
	}
	return empty
}
