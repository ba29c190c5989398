package constrain

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/gobitnet/gobitnet/tokenizer"
)

// vocabularyPath has 4,096 tokens, of characters and of parts of them.
const vocabularyPath = "../../testdata/reference/tiny/model.gguf"

var testTokenizer = sync.OnceValues(func() (*tokenizer.Tokenizer, error) { return tokenizer.Open(vocabularyPath) })

func openTokenizer(t testing.TB) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := testTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func mustStart(t testing.TB, c *Constraint) *guide {
	t.Helper()
	g, err := c.Start(openTokenizer(t))
	if err != nil {
		t.Fatal(err)
	}
	return g.(*guide)
}

// checkMasks walks at random and compares each mask with what comes of feeding every
// token byte by byte to a machine that has none: a token is allowed if and only if
// there is a way on.
func checkMasks(t testing.TB, c *Constraint, seed uint64, walks, steps int) {
	t.Helper()
	v := vocabularyOf(openTokenizer(t))
	plain := newMachine(c.program, v)
	r := rand.New(rand.NewPCG(seed, 1))
	for range walks {
		g := mustStart(t, c)
		at := plain.first()
		var text []byte
		for range steps {
			mask := make([]uint64, v.words())
			end := g.Mask(mask)
			forced := len(g.forced) > 0
			if end != at.complete {
				t.Fatalf("after %q: it may end: %t, want %t", text, end, at.complete)
			}
			if at.leads == (byteSet{}) && !end {
				t.Fatalf("after %q there is no way on", text)
			}
			var allowed []int32
			for id := range int32(v.size()) {
				has := mask[id>>6]>>(id&63)&1 != 0
				want := len(v.token(id)) > 0
				for s, i := at, 0; want && i < len(v.token(id)); i++ {
					s = plain.step(s, v.token(id)[i])
					want = s != dead
				}
				if forced && has && !want || !forced && has != want {
					t.Fatalf("after %q, token %d (%q): allowed %t, want %t", text, id, v.token(id), has, want)
				}
				if has {
					allowed = append(allowed, id)
				}
			}
			if forced && len(allowed) != 1 {
				t.Fatalf("after %q: %d tokens where one is forced", text, len(allowed))
			}
			if len(allowed) == 0 {
				break
			}
			id := allowed[r.IntN(len(allowed))]
			text = append(text, v.token(id)...)
			if err := g.Accept(int(id)); err != nil {
				t.Fatalf("after %q: %v", text, err)
			}
			for _, b := range v.token(id) {
				at = plain.step(at, b)
			}
		}
	}
}

var schemaSeeds = []string{
	`true`, `{"type":"object"}`,
	`{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string","maxLength":5}},"required":["a"],"additionalProperties":false}`,
	`{"type":"object","properties":{"a":{"const":"é\n"}},"required":["b"],"additionalProperties":{"type":"null"},"minProperties":2,"maxProperties":3}`,
	`{"type":"object","patternProperties":{"^x":{"type":"boolean"}},"properties":{"xy":{}}}`,
	`{"type":"array","items":{"type":"number","minimum":-1.5,"exclusiveMaximum":20},"minItems":1,"maxItems":40}`,
	`{"type":"array","prefixItems":[{"enum":[1,"b",null,[2,{"c":3}]]},{"type":"integer","multipleOf":7}],"items":false}`,
	`{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"next":{"$ref":"#/$defs/n"}},"additionalProperties":false}}}`,
	`{"type":"string","minLength":2,"maxLength":70}`, `{"type":"string","pattern":"^[a-zé]+$|x"}`, `{"type":"string","pattern":"a","maxLength":4}`,
	`{"anyOf":[{"type":"string","maxLength":2},{"type":"string","minLength":4}]}`,
	`{"oneOf":[{"type":"object","properties":{"k":{"const":1}},"required":["k"]},{"type":"object","properties":{"k":{"const":2}},"required":["k"]}]}`,
	`{"allOf":[{"minimum":3},{"type":"integer","maximum":1000}]}`, `{"type":"string","format":"ipv6"}`, `{"type":"string","format":"date-time"}`,
	`{"type":"array","items":{"type":"array","items":{"type":"string","maxLength":1},"maxItems":300},"maxItems":300}`,
}

var regexpSeeds = []string{
	``, `[0-9]+`, `a*b?c{2,3}`, `(?i)straße|x`, `[^a-z]{0,4}`, `\s\S\d\D\w\W`, `.*`, `^a$|b`, `\u00e9\x41\cA`, `(a|ab)(c|bcd)*`, `[\s\-\]]`, `\p{Lu}\p{Greek}`, `(x+x+)+y`, `日本?`,
}

var grammarSeeds = []string{
	`root ::= "a"`,
	"root ::= item (\",\" item)* # list\nitem ::= [0-9]+ | \"(\" root \")\"",
	"root ::= expr\nexpr ::= term (\"+\" term)*\nterm ::= \"x\" | \"(\" expr \")\"",
	"root ::= \"a\" root \"b\" | \"\"",
	"root ::= [^\\n\"\\x41]{2,5} .? \"\\u00e9\"",
	"root ::= (\"ab\" ws){300}\nws ::= [ \\t]*",
	"root ::= a | b\na ::= \"x\" b?\nb ::= \"y\" a?",
}

func TestMasks(t *testing.T) {
	compile := func(kind string, all []string, f func(string) (*Constraint, error)) {
		for _, s := range all {
			t.Run(kind+"/"+s, func(t *testing.T) {
				c, err := f(s)
				if err != nil {
					t.Fatal(err)
				}
				checkMasks(t, c, 1, 4, 12)
			})
		}
	}
	compile("schema", schemaSeeds, func(s string) (*Constraint, error) { return JSONSchema([]byte(s)) })
	compile("regexp", regexpSeeds, Regexp)
	compile("grammar", grammarSeeds, Grammar)
	compile("choice", []string{"a"}, func(string) (*Constraint, error) { return Choice([]string{"yes", "yesterday", "no", "日本"}) })
}

// TestForget has a machine forget what it knows all the time.
func TestForget(t *testing.T) {
	c, err := JSONSchema([]byte(schemaSeeds[2]))
	if err != nil {
		t.Fatal(err)
	}
	want, got := mustStart(t, c), mustStart(t, c)
	got.machine = newMachine(c.program, want.machine.vocabulary)
	got.state = got.machine.first()
	r := rand.New(rand.NewPCG(5, 1))
	for range 40 {
		got.machine.room = -1
		a, b := make([]uint64, want.machine.vocabulary.words()), make([]uint64, want.machine.vocabulary.words())
		if want.Mask(a) != got.Mask(b) || !slices.Equal(a, b) {
			t.Fatal("masks differ")
		}
		var ids []int
		for id := range want.machine.vocabulary.size() {
			if a[id>>6]>>(id&63)&1 != 0 {
				ids = append(ids, id)
			}
		}
		if len(ids) == 0 {
			return
		}
		id := ids[r.IntN(len(ids))]
		if err := want.Accept(id); err != nil {
			t.Fatal(err)
		}
		if err := got.Accept(id); err != nil {
			t.Fatal(err)
		}
	}
}

// TestShared has several goroutines use one constraint.
func TestShared(t *testing.T) {
	c, err := JSONSchema([]byte(schemaSeeds[3]))
	if err != nil {
		t.Fatal(err)
	}
	openTokenizer(t)
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() { checkMasks(t, c, uint64(i), 2, 10) })
	}
	group.Wait()
}

// TestForcedText has text without a choice be cut as the tokenizer cuts it.
func TestForcedText(t *testing.T) {
	c, err := JSONSchema([]byte(`{"type":"object","properties":{"temperature":{"const":"the whole of it"}},"required":["temperature"],"additionalProperties":false}`))
	if err != nil {
		t.Fatal(err)
	}
	tok := openTokenizer(t)
	const text = `{"temperature":"the whole of it"}`
	ids, err := tok.Encode(text, tokenizer.PlainText())
	if err != nil {
		t.Fatal(err)
	}
	guide := mustStart(t, c)
	forced := 0
	for i, id := range ids {
		mask := make([]uint64, (tok.VocabularySize()+63)/64)
		if guide.Mask(mask) {
			t.Fatal("it may end too early")
		}
		if mask[id/64]>>(id%64)&1 == 0 {
			t.Fatalf("token %d of %v is not allowed", i, ids)
		}
		count := 0
		for _, word := range mask {
			for ; word != 0; word &= word - 1 {
				count++
			}
		}
		if count == 1 {
			forced++
		}
		if err := guide.Accept(id); err != nil {
			t.Fatal(err)
		}
	}
	if forced < 4 {
		t.Errorf("%d tokens of %d without a choice", forced, len(ids))
	}
	if err := guide.Accept(ids[0]); err == nil {
		t.Error("a token behind the end is accepted")
	}
}

func FuzzJSONSchema(f *testing.F) {
	for _, s := range schemaSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := JSONSchema([]byte(s))
		checkCompiled(t, c, err)
	})
}

func FuzzRegexp(f *testing.F) {
	for _, s := range regexpSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Regexp(s)
		checkCompiled(t, c, err)
	})
}

func FuzzGrammar(f *testing.F) {
	for _, s := range grammarSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Grammar(s)
		checkCompiled(t, c, err)
	})
}

// checkCompiled holds masks to their twin, and errors to their type.
func checkCompiled(t *testing.T, c *Constraint, err error) {
	t.Helper()
	if err != nil {
		if e, ok := err.(*Error); !ok || e.Reason == "" || c != nil {
			t.Fatalf("%v, %v", c, err)
		}
		return
	}
	checkMasks(t, c, 3, 1, 4)
}

func BenchmarkMask(b *testing.B) {
	for _, schema := range []string{`{"type":"string"}`, `{"type":"string","maxLength":100}`, `{"type":"string","pattern":"^[a-z]+$"}`} {
		c, err := JSONSchema([]byte(schema))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(schema), func(b *testing.B) {
			g := mustStart(b, c)
			inside := g.machine.step(g.machine.first(), '"')
			for b.Loop() {
				inside.mask = nil
				g.machine.mask(inside)
			}
		})
	}
}
