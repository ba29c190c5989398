package constrain

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	longestGrammar = 1 << 20 // bytes
	deepestGroup   = 200
)

// Grammar returns the constraint of a text that the rule root of a grammar produces.
// The grammar is written in llama.cpp's form of Backus and Naur's, GBNF.
func Grammar(grammar string) (*Constraint, error) {
	p := grammarParser{text: grammar, names: map[string]int{}, defined: map[string]int{}}
	if err := p.parse(); err != nil {
		return nil, err
	}
	return p.compile()
}

type grammarParser struct {
	text    string
	at      int
	depth   int
	rules   rules
	names   map[string]int // number of a rule
	used    []use          // where each was first named
	defined map[string]int // where the name of a rule stands
}

type use struct {
	name string
	at   int
}

func (p *grammarParser) fail(at int, err error, format string, args ...any) error {
	before := p.text[:min(at, len(p.text))]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	return &Error{Place: fmt.Sprintf("line %d, column %d", line, column), Reason: fmt.Sprintf(format, args...), Err: err}
}

// space goes on to what is not white space or a comment. Line breaks count as white
// space inside of parentheses and where a rule has to go on.
func (p *grammarParser) space(breaks bool) {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == ' ', c == '\t', breaks && (c == '\n' || c == '\r'):
			p.at++
		case c == '#':
			for p.at < len(p.text) && p.text[p.at] != '\n' && p.text[p.at] != '\r' {
				p.at++
			}
		default:
			return
		}
	}
}

func (p *grammarParser) has(prefix string) bool { return strings.HasPrefix(p.text[p.at:], prefix) }

func (p *grammarParser) parse() error {
	if len(p.text) > longestGrammar {
		return &Error{Reason: fmt.Sprintf("a grammar of %d bytes", len(p.text)), Err: ErrTooLarge}
	}
	if !utf8.ValidString(p.text) {
		return &Error{Reason: "the grammar is not valid UTF-8"}
	}
	for p.space(true); p.at < len(p.text); p.space(true) {
		at := p.at
		name := p.name()
		if name == "" {
			return p.fail(at, nil, "a rule must begin with its name")
		}
		if _, ok := p.defined[name]; ok {
			return p.fail(at, nil, "the rule %s is there already", name)
		}
		p.defined[name] = at
		p.space(false)
		if !p.has("::=") {
			return p.fail(p.at, nil, "::= must follow the name of a rule")
		}
		p.at += len("::=")
		p.space(true)
		x, err := p.alternatives(false)
		if err != nil {
			return err
		}
		if p.at < len(p.text) && !p.has("\n") && !p.has("\r") {
			return p.fail(p.at, nil, "unexpected %q", p.text[p.at:p.at+1])
		}
		if x.regular() && x.size(mostRegularNodes) <= mostRegularNodes {
			switch d, err := determinize(x); {
			case err == nil && d == nil:
				x = nothing
			case err == nil:
				x = is(&terminal{dfa: d})
			} // else it may do as a rule
		}
		p.rules.all[p.rule(name, at)] = x
	}
	return nil
}

func (p *grammarParser) rule(name string, at int) int {
	i, ok := p.names[name]
	if !ok {
		i = p.rules.reserve()
		p.names[name] = i
		p.used = append(p.used, use{name, at})
	}
	return i
}

func (p *grammarParser) name() string {
	from := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			break
		}
		p.at++
	}
	return p.text[from:p.at]
}

func (p *grammarParser) alternatives(nested bool) (*expr, error) {
	if p.depth++; p.depth > deepestGroup {
		return nil, p.fail(p.at, ErrTooLarge, "more than %d parentheses inside each other", deepestGroup)
	}
	defer func() { p.depth-- }()
	var all []*expr
	for {
		x, err := p.sequence(nested)
		if err != nil {
			return nil, err
		}
		if all = append(all, x); !p.has("|") {
			return either(all...), nil
		}
		p.at++
		p.space(true)
	}
}

func (p *grammarParser) sequence(nested bool) (*expr, error) {
	var all []*expr
	for p.at < len(p.text) {
		at := p.at
		var x *expr
		var err error
		switch c := p.text[p.at]; {
		case c == '"':
			x, err = p.quoted()
		case c == '[':
			x, err = p.class()
		case c == '.':
			p.at++
			x = runes(0, utf8.MaxRune)
		case c == '(':
			p.at++
			p.space(true)
			if x, err = p.alternatives(true); err == nil {
				if !p.has(")") {
					err = p.fail(p.at, nil, "the parenthesis that opens in %s is not closed", p.place(at))
				} else {
					p.at++
				}
			}
		case c == '<', c == '!':
			err = p.fail(at, errors.ErrUnsupported, "tokens as such are not supported: write the text that they stand for")
		default:
			name := p.name()
			if name == "" {
				return cat(all...), nil
			}
			x = &expr{kind: call, rule: p.rule(name, at)}
		}
		if err != nil {
			return nil, err
		}
		p.space(nested)
		for {
			repeated, err := p.repetition(x)
			if err != nil {
				return nil, err
			}
			if repeated == x {
				break
			}
			x = repeated
			p.space(nested)
		}
		all = append(all, x)
	}
	return cat(all...), nil
}

func (p *grammarParser) place(at int) string {
	return p.fail(at, nil, "").(*Error).Place
}

// repetition reads what may stand behind x and says how often it comes.
func (p *grammarParser) repetition(x *expr) (*expr, error) {
	at := p.at
	switch {
	case p.has("*"):
		p.at++
		return times(x, 0, -1), nil
	case p.has("+"):
		p.at++
		return times(x, 1, -1), nil
	case p.has("?"):
		p.at++
		return times(x, 0, 1), nil
	case !p.has("{"):
		return x, nil
	}
	end := strings.IndexByte(p.text[at:], '}')
	if end < 0 {
		return nil, p.fail(at, nil, "the brace is not closed")
	}
	low, high, both := strings.Cut(p.text[at+1:at+end], ",")
	least, err := strconv.Atoi(strings.TrimSpace(low))
	most := least
	if both {
		if high = strings.TrimSpace(high); high == "" {
			most = -1
		} else if err == nil {
			most, err = strconv.Atoi(high)
		}
	}
	switch {
	case err != nil || least < 0 || most < -1 || most >= 0 && most < least:
		return nil, p.fail(at, nil, "%s says of no repetition how often", p.text[at:at+end+1])
	case least > mostNodes || most > mostNodes:
		return nil, p.fail(at, ErrTooLarge, "%s are more than %d repetitions", p.text[at:at+end+1], mostNodes)
	}
	p.at += end + 1
	return times(x, least, most), nil
}

func (p *grammarParser) quoted() (*expr, error) {
	from := p.at
	p.at++
	var s strings.Builder
	for {
		if p.at >= len(p.text) || p.has("\n") {
			return nil, p.fail(from, nil, "the quotation mark is not closed")
		}
		if p.has(`"`) {
			p.at++
			return text(s.String()), nil
		}
		c, err := p.character()
		if err != nil {
			return nil, err
		}
		s.WriteRune(c)
	}
}

// character reads one character of a text or a class.
func (p *grammarParser) character() (rune, error) {
	if !p.has(`\`) {
		c, size := utf8.DecodeRuneInString(p.text[p.at:])
		p.at += size
		return c, nil
	}
	at := p.at
	p.at += 2
	if p.at > len(p.text) {
		return 0, p.fail(at, nil, "nothing follows the backslash")
	}
	digits := 0
	switch c := p.text[at+1]; c {
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case '\\', '"', '[', ']', '-', '^':
		return rune(c), nil
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		return 0, p.fail(at, nil, `\%c is no character`, c)
	}
	end := min(p.at+digits, len(p.text))
	n, err := strconv.ParseUint(p.text[p.at:end], 16, 32)
	if err != nil || end-p.at < digits || n > utf8.MaxRune || n >= 0xd800 && n < 0xe000 {
		return 0, p.fail(at, nil, "%s is no character", p.text[at:end])
	}
	p.at = end
	return rune(n), nil
}

func (p *grammarParser) class() (*expr, error) {
	from := p.at
	p.at++
	not := p.has("^")
	if not {
		p.at++
	}
	var ranges [][2]rune
	for !p.has("]") {
		if p.at >= len(p.text) || p.has("\n") {
			return nil, p.fail(from, nil, "the bracket is not closed")
		}
		at := p.at
		lo, err := p.character()
		if err != nil {
			return nil, err
		}
		hi := lo
		if p.has("-") && !p.has("-]") {
			p.at++
			if p.at >= len(p.text) {
				return nil, p.fail(from, nil, "the bracket is not closed")
			}
			if hi, err = p.character(); err != nil {
				return nil, err
			}
		}
		if hi < lo {
			return nil, p.fail(at, nil, "the range ends before it begins")
		}
		ranges = append(ranges, [2]rune{lo, hi})
	}
	p.at++
	if not {
		ranges = complement(ranges)
	}
	var all []*expr
	for _, r := range ranges {
		all = append(all, runes(r[0], r[1]))
	}
	return either(all...), nil
}

// complement returns the characters that are in none of some ranges.
func complement(ranges [][2]rune) [][2]rune {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b [2]rune) int { return int(a[0] - b[0]) })
	var rest [][2]rune
	next := rune(0)
	for _, r := range ranges {
		if r[0] > next {
			rest = append(rest, [2]rune{next, r[0] - 1})
		}
		next = max(next, r[1]+1)
	}
	if next <= utf8.MaxRune {
		rest = append(rest, [2]rune{next, utf8.MaxRune})
	}
	return rest
}

func (p *grammarParser) compile() (*Constraint, error) {
	for i, x := range p.rules.all {
		if x == nil {
			return nil, p.fail(p.used[i].at, nil, "there is no rule %s", p.used[i].name)
		}
	}
	root, ok := p.names["root"]
	if !ok {
		return nil, &Error{Reason: "the grammar has no rule root"}
	}
	program, err := p.rules.compile(root)
	var left *leftRecursion
	switch {
	case errors.As(err, &left):
		name := p.used[left.rule].name
		return nil, p.fail(p.defined[name], errors.ErrUnsupported, "the rule %s comes to itself before it reads anything", name)
	case err != nil:
		return nil, &Error{Reason: err.Error(), Err: cause(err)}
	case program == nil:
		return nil, &Error{Reason: "no text fits the rule root"}
	}
	return &Constraint{program: program}, nil
}
