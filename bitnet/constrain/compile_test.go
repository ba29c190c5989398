package constrain

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

// accepts reports whether a whole text fits, and whether its beginning may.
func (c *Constraint) accepts(t testing.TB, text string) (whole, begun bool) {
	m := newMachine(c.program, vocabularyOf(openTokenizer(t)))
	s := m.first()
	for i := range len(text) {
		if s = m.step(s, text[i]); s == dead {
			return false, false
		}
	}
	return s.complete, true
}

func TestAccepts(t *testing.T) {
	for _, c := range []struct{ kind, language, fits, not string }{
		{"schema", `{"type":"integer","minimum":-3,"maximum":12}`, `-3 -1 0 9 10 12`, `-4 13 -0 00 01 1.0 12e1`},
		{"schema", `{"type":"integer","exclusiveMinimum":99.5,"exclusiveMaximum":1000}`, `100 999`, `99 1000 99.7`},
		{"schema", `{"type":"number","minimum":0.25,"exclusiveMaximum":3}`, `0.25 0.250 0.3 1 2.99999 2.0`, `0 0.2 0.24999 3 3.0 -1 2e0 .5`},
		{"schema", `{"type":"number","exclusiveMinimum":-1.5,"maximum":-0.5}`, `-1.4999 -1 -0.5 -0.50`, `-1.5 -1.50 -0.49 0 -0.4999 1`},
		{"schema", `{"type":"number","exclusiveMaximum":0}`, `-0.1 -3`, `0 -0 -0.0 0.0 1`},
		{"schema", `{"multipleOf":6,"minimum":-20,"type":"number"}`, `0 6 -6 -18 600`, `3 -24 6.0 06`},
		{"schema", `{"type":"integer","multipleOf":1.5,"maximum":9}`, `3 6 9 0 -3`, `1 2 4 12`},
		{"schema", `{"type":"number"}`, `0 -0 1.5 1e5 -2.50E-12`, `+1 01 .5 1. 1e 1e400`},
		{"schema", `{"minLength":2,"maxLength":3,"type":"string"}`, `"ab" "abc" "\u00e9\n" "日本" "\ud83d\ude00x" "😀x"`, `"a" "abcd" "\n" "😀" "\ud83d\ude00" "\ud83dx" "ab`},
		{"schema", `{"pattern":"^a.c$","type":"string"}`, `"abc" "a\"c" "a\\c" "aéc"`, `"xabc" "ac" "a\nc"`},
		{"schema", `{"pattern":"b|^$","type":"string"}`, `"" "b" "abc"`, `"a"`},
		{"schema", `{"enum":["a",1,[true,{"b":null}]]}`, `"a" 1 [true,{"b":null}]`, `"b" 1.0 [true] 11`},
		{"schema", `{"enum":["a",1,null,"abc"],"type":"string","maxLength":1}`, `"a"`, `1 null "abc"`},
		{"schema", `{"type":"object","properties":{"b":{"type":"null"},"a":{"type":"null"}},"required":["a"],"additionalProperties":false}`,
			`{"a":null} {"b":null,"a":null}`, `{} {"b":null} {"a":null,"b":null} {"a":null,} {"c":null,"a":null} {"a":null,"a":null}`},
		{"schema", `{"type":"object","properties":{"a":{"type":"null"}},"additionalProperties":{"type":"boolean"}}`,
			`{} {"a":null} {"a":null,"b":true} {"c":true,"d":false} {"aa":true} {"":true}`, `{"a":true} {"b":true,"a":null} {"b":null} {"\u0061":true}`},
		{"schema", `{"type":"array","items":{"type":"null"},"minItems":2,"maxItems":300}`,
			`[null,null] [` + strings.Repeat("null,", 299) + `null]`, `[] [null] [null,null,] [` + strings.Repeat("null,", 300) + `null]`},
		{"schema", `{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":{"const":3},"minItems":1}`, `[1] [1,2] [1,2,3,3]`, `[] [2] [1,3] [1,2,3,2]`},
		{"schema", `{"$schema":"http://json-schema.org/draft-07/schema#","type":"array","items":[{"const":1}],"additionalItems":{"const":3}}`, `[] [1] [1,3]`, `[3] [1,1]`},
		{"schema", `{"type":"string","format":"date"}`, `"2024-02-29" "2000-02-29" "1999-12-31"`, `"2023-02-29" "1900-02-29" "2023-04-31" "2023-13-01" "2023-1-01"`},
		{"schema", `{"type":"string","format":"time"}`, `"23:59:60Z" "00:00:00.5+01:30"`, `"24:00:00Z" "12:00:60Z" "12:00:00"`},
		{"schema", `{"type":"string","format":"ipv6"}`, `"::" "::1" "1:2:3:4:5:6:7:8" "1::8" "::ffff:1.2.3.4" "1:2:3:4:5:6:7::"`, `":" "1:2:3" "1::2::3" "12345::" "1:2:3:4:5:6:7:8:9" "::256.1.1.1"`},
		{"schema", `{"type":"string","format":"uri"}`, `"https://a.b/c?d=e#f" "mailto:x@y" "urn:a:b"`, `"a" "http://" "//a" "http://a b"`},
		{"regexp", `a+b?`, `a aab`, `b abb`},
		{"regexp", `(?i)k\s?`, "k K \u212a k\u00a0", `kk`},
		{"grammar", "root ::= \"(\" root \")\" | \"x\"{2,3}", `xx ((xxx))`, `x (xx xxxx`},
		{"grammar", "root ::= ([a-c] | \"é\")+ end # comment\n\nend ::= \".\" |\n  \"!\"", `a. éb!`, `. a`},
		{"choice", "", `red green`, `r redgreen blue`},
	} {
		var made *Constraint
		var err error
		switch c.kind {
		case "schema":
			made, err = JSONSchema([]byte(c.language))
		case "regexp":
			made, err = Regexp(c.language)
		case "grammar":
			made, err = Grammar(c.language)
		case "choice":
			made, err = Choice([]string{"red", "green"})
		}
		if err != nil {
			t.Errorf("%s: %v", c.language, err)
			continue
		}
		for _, text := range strings.Split(c.fits, " ") {
			if whole, _ := made.accepts(t, text); !whole {
				t.Errorf("%s: %s does not fit", c.language, text)
			}
		}
		for _, text := range strings.Split(c.not, " ") {
			if whole, _ := made.accepts(t, text); whole {
				t.Errorf("%s: %s fits", c.language, text)
			}
		}
	}
}

// TestRegexpIsGo compares with Go's own matching, of expressions and texts made at
// random.
func TestRegexpIsGo(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var make func(depth int) string
	make = func(depth int) string {
		if depth == 0 || r.IntN(3) == 0 {
			return []string{"a", "b", "[ab]", "[^a]", "é", "", "^", "$", `\d`, "(?i:B)"}[r.IntN(10)]
		}
		switch x := make(depth - 1); r.IntN(6) {
		case 0:
			return x + make(depth-1)
		case 1:
			return "(" + x + "|" + make(depth-1) + ")"
		case 2:
			return "(?:" + x + ")*"
		case 3:
			return "(" + x + ")+?"
		case 4:
			return fmt.Sprintf("(?:%s){%d,%d}", x, r.IntN(2), 1+r.IntN(3))
		default:
			return "(?:" + x + ")?"
		}
	}
	fitting := 0
	for range 600 {
		expression := make(4)
		reference, err := regexp.Compile(`\A(?:` + expression + `)\z`)
		if err != nil {
			continue
		}
		c, err := Regexp(expression)
		if err != nil && err.Error() != "no text fits" {
			t.Fatalf("%s: %v", expression, err)
		}
		for range 30 {
			var text string
			for range r.IntN(6) {
				text += []string{"a", "b", "B", "é", "1"}[r.IntN(5)]
			}
			want := reference.MatchString(text)
			got := false
			if c != nil {
				got, _ = c.accepts(t, text)
			}
			if got != want {
				t.Fatalf("%s, %q: fits %t, want %t", expression, text, got, want)
			}
			if want {
				fitting++
			}
		}
	}
	if fitting < 300 {
		t.Errorf("only %d texts that fit", fitting)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ kind, text, place, keyword string }{
		{"schema", `{"properties":{"a/b":{"not":{}}}}`, "/properties/a~1b", "not"},
		{"schema", `{"type":"object","properties":{"a":{"anyOf":[{},{"uniqueItems":true}]}}}`, "/properties/a/anyOf/1", "uniqueItems"},
		{"schema", `{"$ref":"http://elsewhere/x"}`, "", "$ref"},
		{"schema", `{"$ref":"#/nowhere"}`, "", "$ref"},
		{"schema", `{"items":{"pattern":"(?=a)"},"type":"array"}`, "/items", "pattern"},
		{"schema", `{"format":"idn-email"}`, "", "format"},
		{"schema", `{"oneOf":[{"type":"integer"},{"minimum":3}]}`, "", "oneOf"},
		{"schema", `{"multipleOf":0.1}`, "", "multipleOf"},
		{"schema", `{"typo":1}`, "", "typo"},
		{"schema", `{"allOf":[{"$ref":"#"}]}`, "", ""},
		{"schema", `{"anyOf":[{"$ref":"#"},{"type":"null"}]}`, "", ""},
		{"schema", `{"type":"object","required":["a"],"properties":{"a":{"$ref":"#"}}}`, "", ""},
		{"schema", `{"a":1,"a":2}`, "/a", ""},
		{"schema", `{"type":"nothing"}`, "", "type"},
		{"schema", `[]`, "", ""}, {"schema", `{`, "", ""}, {"schema", `{} {}`, "", ""}, {"schema", "\"\xff\"", "", ""}, {"schema", ``, "", ""},
		{"schema", `{"minLength":3,"maxLength":2,"type":"string"}`, "", ""},
		{"schema", `{"$schema":"http://json-schema.org/draft-04/schema#"}`, "", "$schema"},
		{"regexp", `(`, "", ""}, {"regexp", `\bx`, "", ""}, {"regexp", `(a)\1`, "", ""}, {"regexp", "[b-a]", "", ""}, {"regexp", `a^b`, "", ""}, {"regexp", "\xff", "", ""},
		{"grammar", "root ::= \"a\" |\n  b", "line 2, column 3", ""},
		{"grammar", "root ::= \"é\" \"b", "line 1, column 14", ""},
		{"grammar", "a ::= \"x\"", "", ""},
		{"grammar", "root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1", ""},
		{"grammar", "root ::= x\nx ::= \"a\"? root | \"b\"", "line 2, column 1", ""},
		{"grammar", "root ::= <eot>", "line 1, column 10", ""},
		{"grammar", "root ::= [z-a]", "line 1, column 11", ""},
		{"grammar", "root ::= \"a\"{3,2}", "line 1, column 13", ""},
		{"grammar", "root ::= (\"a\"", "line 1, column 14", ""},
		{"grammar", "root = \"a\"", "line 1, column 6", ""},
		{"grammar", "root ::= a \"b\"\na ::= a", "", ""},
		{"choice", "", "", ""},
	} {
		var err error
		switch c.kind {
		case "schema":
			_, err = JSONSchema([]byte(c.text))
		case "regexp":
			_, err = Regexp(c.text)
		case "grammar":
			_, err = Grammar(c.text)
		case "choice":
			_, err = Choice(nil)
		}
		var own *Error
		if !errors.As(err, &own) || !errors.Is(err, ErrConstraint) {
			t.Errorf("%s: %v", c.text, err)
		} else if own.Place != c.place || own.Keyword != c.keyword {
			t.Errorf("%s: at %q, keyword %q: %v", c.text, own.Place, own.Keyword, err)
		}
	}
}

// TestExplosive has what grows beyond all bounds be an error, or be no trouble.
func TestExplosive(t *testing.T) {
	many := func(n int, format string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = strings.ReplaceAll(format, "@", fmt.Sprint(i))
		}
		return strings.Join(all, ",")
	}
	nested := func(n int, open, inner, shut string) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
	}
	tok := openTokenizer(t)
	for _, c := range []struct{ kind, text string }{
		{"regexp", `(a|b)*a(a|b){20}`},
		{"regexp", `(x+x+)+y`},
		{"regexp", `((a{1,100}){1,100}){1,100}`},
		{"regexp", `(\pL{1,100}){1,100}`},
		{"regexp", `(a?){1000}a{1000}`},
		{"regexp", nested(2000, "(", "a", ")*")},
		{"regexp", strings.Repeat("(a|b|ab)*", 2000)},
		{"regexp", strings.Repeat(`\pL`, 20000)},
		{"grammar", "root ::= \"a\"{1000000}"},
		{"grammar", "root ::= (((\"a\"{1000}){1000}){1000}){1000}"},
		{"grammar", "root ::= ((((x{150}){150}){150}){150}){150}\nx ::= \"a\" | \"(\" root \")\""},
		{"grammar", "root ::= \"a\" root | \"a\" root \"b\" | \"a\""},
		{"grammar", "root ::= \"a\" (root \"b\" | root \"c\" | root root)?"},
		{"grammar", "root ::= (x | root2)*\nx ::= \"a\"*\nroot2 ::= x x x"},
		{"grammar", "root ::= x{100000}\nx ::= y*\ny ::= \"a\" x"},
		{"grammar", "root ::= " + nested(150, "(", `"a" | root2`, ")*") + "\nroot2 ::= \"b\" root"},
		{"grammar", "root ::= " + nested(10000, "(", `"a"`, ")")},
		{"schema", `{"allOf":[` + many(20, `{"anyOf":[{"minimum":@},{"maximum":-@},{"multipleOf":2}]}`) + `]}`},
		{"schema", `{"allOf":[` + many(20, `{"anyOf":[{"properties":{"a@":{"$ref":"#"}}},{"properties":{"b@":{"$ref":"#"}}}]}`) + `]}`},
		{"schema", `{"allOf":[` + many(12, `{"pattern":"(a|b)*a(a|b){@}"}`) + `],"type":"string"}`},
		{"schema", `{"type":"array","minItems":1000000000,"items":{"type":"array","minItems":1000000000}}`},
		{"schema", `{"type":"string","minLength":1000000000}`},
		{"schema", `{"type":"string","maxLength":1000000000,"pattern":"a"}`},
		{"schema", `{"type":"integer","multipleOf":999983}`},
		{"schema", `{"type":"integer","multipleOf":997,"maximum":1e19}`},
		{"schema", `{"minimum":1e400}`},
		{"schema", `{"minimum":1e999999999}`},
		{"schema", `{"minimum":0.` + strings.Repeat("1", 390) + `,"exclusiveMaximum":0.` + strings.Repeat("2", 390) + `}`},
		{"schema", `{"enum":[` + many(20000, `"value number @"`) + `]}`},
		{"schema", `{"properties":{` + many(1900, `"p@":{"type":"integer"}`) + `},"maxProperties":900}`},
		{"schema", `{"properties":{` + many(1900, `"p@":{"type":"integer"}`) + `}}`},
		{"schema", `{"patternProperties":{` + many(12, `"a.*@":{}`) + `}}`},
		{"schema", `{"patternProperties":{` + many(3, `"(a|b)*a(a|b){1@}$":{}`) + `}}`},
		{"schema", nested(250, `{"properties":{"a":`, `{}`, `}}`)},
		{"schema", nested(100000, `{"not":`, `{}`, `}`)},
		{"schema", `{"oneOf":[` + many(200, `{"type":"object","properties":{"k":{"const":@}},"required":["k"]}`) + `]}`},
		{"schema", `{"oneOf":[` + many(40, `{"oneOf":[`+strings.TrimSuffix(strings.Repeat(`{"type":"object","properties":{"k":{"enum":[@]}},"required":["k"]},`, 20), ",")+`]}`) + `]}`},
		{"schema", `{"$ref":"#/$defs/0","$defs":{` + nested(3000, `"x":{"allOf":[{"$ref":"#/$defs/0"},{"type":"null"}]},`, `"0":{}`, ``) + `}}`},
	} {
		start := time.Now()
		var made *Constraint
		var err error
		switch c.kind {
		case "regexp":
			made, err = Regexp(c.text)
		case "grammar":
			made, err = Grammar(c.text)
		case "schema":
			made, err = JSONSchema([]byte(c.text))
		}
		if err == nil {
			g, err := made.Start(tok)
			if err == nil {
				mask := make([]uint64, (tok.VocabularySize()+63)/64)
				for range 20 {
					clear(mask)
					g.Mask(mask)
					id := -1
					for i, word := range mask {
						if word != 0 {
							for id = 64 * i; word&1 == 0; word >>= 1 {
								id++
							}
						}
					}
					if id < 0 || g.Accept(id) != nil {
						break
					}
				}
			}
		}
		took := time.Since(start)
		t.Logf("%v: %.60s: %.100v", took.Round(time.Millisecond), c.text, err)
		if took > 20*time.Second {
			t.Errorf("%.60s takes %v", c.text, took)
		}
	}
}
