package constrain

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ECMAScript's white space, and the characters that its point does not stand for.
const (
	spaces = `\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
	// noSpaces are all others.
	noSpaces = `\x00-\x08\x0e-\x1f!-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}`
	point    = `[^\n\r\x{2028}\x{2029}]`
)

// longestExpression bounds the length of a regular expression.
const longestExpression = 64 << 10

// translateRegexp writes an expression as Go's regexp/syntax reads it.
func translateRegexp(s string) (string, error) {
	var out strings.Builder
	inClass := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '[' && !inClass:
			inClass = true
			out.WriteByte(c)
			if strings.HasPrefix(s[i+1:], "^") {
				out.WriteByte('^')
				i++
			}
			if strings.HasPrefix(s[i+1:], "]") {
				return "", unsupported("a class without characters")
			}
		case c == '[' && inClass:
			out.WriteString(`\[`) // what begins a class by name in Go is a character
		case c == ']':
			if !inClass {
				out.WriteByte('\\')
			}
			inClass = false
			out.WriteByte(c)
		case c == '.' && !inClass:
			out.WriteString(point)
		case c == '\\' && i+1 < len(s):
			i++
			switch e := s[i]; e {
			case 's', 'S':
				set := spaces
				if e == 'S' {
					set = noSpaces
				}
				if !inClass {
					set = "[" + set + "]"
				}
				out.WriteString(set)
			case 'u', 'x', 'c':
				r, used, err := escapedRune(s[i:])
				if err != nil {
					return "", err
				}
				fmt.Fprintf(&out, `\x{%x}`, r)
				i += used - 1
			case '0':
				if i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9' {
					return "", unsupported(`\0 before a digit`)
				}
				out.WriteString(`\x00`)
			case 'b':
				if !inClass {
					return "", unsupported(`\b, which looks at neighbours`)
				}
				out.WriteString(`\x08`)
			case 'B', 'A', 'z', 'Z', 'G', 'Q', 'E', 'C', 'a', 'k':
				return "", unsupported(`\` + string(e))
			default:
				out.WriteByte('\\')
				out.WriteByte(e)
			}
		default:
			out.WriteByte(c)
		}
	}
	return out.String(), nil
}

// escapedRune reads uXXXX, u{X…}, xXX or cX, and says how many bytes that are.
func escapedRune(s string) (rune, int, error) {
	bad := fmt.Errorf(`\%.6s is no character`, s)
	hex := func(digits string, used int) (rune, int, error) {
		n, err := strconv.ParseUint(digits, 16, 32)
		if err != nil || n > unicode.MaxRune {
			return 0, 0, bad
		}
		return rune(n), used, nil
	}
	switch {
	case s[0] == 'c' && len(s) > 1 && (s[1]|0x20 >= 'a' && s[1]|0x20 <= 'z'):
		return rune(s[1] & 31), 2, nil
	case s[0] != 'c' && len(s) > 1 && s[1] == '{':
		if end := strings.IndexByte(s, '}'); end > 2 && end < 10 {
			return hex(s[2:end], end+1)
		}
	case s[0] == 'x' && len(s) > 2:
		return hex(s[1:3], 3)
	case s[0] == 'u' && len(s) > 4:
		r, used, err := hex(s[1:5], 5)
		if err != nil || r < 0xd800 || r > 0xdfff {
			return r, used, err
		}
		if r < 0xdc00 && len(s) > 10 && s[5:7] == `\u` {
			if low, _, err := hex(s[7:11], 5); err == nil && low >= 0xdc00 && low <= 0xdfff {
				return (r-0xd800)<<10 + (low - 0xdc00) + 0x10000, 11, nil
			}
		}
		return 0, 0, unsupported(fmt.Sprintf(`\%.5s, half a character`, s))
	}
	return 0, 0, bad
}

// parseRegexp returns the language of the texts that fit a regular expression as a
// whole, in an encoding.
func parseRegexp(s string, encode encoding) (*expr, error) {
	if len(s) > longestExpression {
		return nil, limitError("an expression of %d bytes", len(s))
	}
	if !utf8.ValidString(s) {
		return nil, errors.New("the expression is not valid UTF-8")
	}
	for _, look := range []string{"(?=", "(?!", "(?<=", "(?<!"} {
		if strings.Contains(s, look) {
			return nil, unsupported("looking ahead or back by " + look)
		}
	}
	own, err := translateRegexp(s)
	if err != nil {
		return nil, err
	}
	tree, err := syntax.Parse(own, syntax.ClassNL|syntax.OneLine|syntax.PerlX|syntax.UnicodeGroups)
	var wrong *syntax.Error
	switch {
	case errors.As(err, &wrong) && wrong.Code == syntax.ErrLarge:
		return nil, limitError("%v", wrong.Code)
	case errors.As(err, &wrong) && wrong.Code == syntax.ErrInvalidRepeatSize:
		return nil, limitError("%s repeats more than 1000 times", wrong.Expr)
	case errors.As(err, &wrong):
		return nil, fmt.Errorf("%v: %q", wrong.Code, wrong.Expr)
	case err != nil:
		return nil, err
	}
	p := regexpParser{encode: encode, classes: map[string]*expr{}}
	return p.fromSyntax(tree)
}

// regexpParser makes expressions of what regexp/syntax has read.
type regexpParser struct {
	encode  encoding
	classes map[string]*expr
	ranges  int // of characters, so far
}

// class returns the characters of some ranges, the same expression each time.
func (p *regexpParser) class(ranges []rune) (*expr, error) {
	key := string(ranges)
	x, ok := p.classes[key]
	if !ok {
		if p.ranges += len(ranges); p.ranges > mostRegularNodes {
			return nil, limitError("an expression has more than %d characters and ranges", mostRegularNodes/2)
		}
		var all []*expr
		for pair := range slices.Chunk(ranges, 2) {
			all = append(all, p.encode(pair[0], pair[1]))
		}
		x = either(all...)
		p.classes[key] = x
	}
	return x, nil
}

func (p *regexpParser) fromSyntax(r *syntax.Regexp) (*expr, error) {
	parts := func() ([]*expr, error) {
		all := make([]*expr, len(r.Sub))
		for i, sub := range r.Sub {
			var err error
			if all[i], err = p.fromSyntax(sub); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	repeat := func(min, max int) (*expr, error) {
		part, err := p.fromSyntax(r.Sub[0])
		if err != nil {
			return nil, err
		}
		return times(part, min, max), nil
	}
	switch r.Op {
	case syntax.OpNoMatch:
		return nothing, nil
	case syntax.OpEmptyMatch:
		return empty, nil
	case syntax.OpLiteral:
		all := make([]*expr, len(r.Rune))
		for i, c := range r.Rune {
			forms := []rune{c, c}
			if r.Flags&syntax.FoldCase != 0 {
				for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
					forms = append(forms, f, f)
				}
			}
			var err error
			if all[i], err = p.class(forms); err != nil {
				return nil, err
			}
		}
		return cat(all...), nil
	case syntax.OpCharClass:
		return p.class(r.Rune)
	case syntax.OpAnyChar:
		return p.class([]rune{0, utf8.MaxRune})
	case syntax.OpAnyCharNotNL:
		return p.class([]rune{0, '\n' - 1, '\n' + 1, utf8.MaxRune})
	case syntax.OpBeginText:
		return &expr{kind: begin}, nil
	case syntax.OpEndText:
		return &expr{kind: end}, nil
	case syntax.OpCapture:
		return p.fromSyntax(r.Sub[0])
	case syntax.OpStar:
		return repeat(0, -1)
	case syntax.OpPlus:
		return repeat(1, -1)
	case syntax.OpQuest:
		return repeat(0, 1)
	case syntax.OpRepeat:
		return repeat(r.Min, r.Max)
	case syntax.OpConcat:
		all, err := parts()
		return cat(all...), err
	case syntax.OpAlternate:
		all, err := parts()
		return either(all...), err
	}
	return nil, unsupported(r.String())
}
