// Package validate holds package constrain to what others say of JSON schemas: two
// validators and the official test suite, which one of them carries. It is a module
// of its own, so that nobody who uses the SDK gets them.
//
//	go test .
//	go test -outputs 50000 -vocabulary llama3.gguf -v -timeout 1h .
package validate

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
	"github.com/gobitnet/gobitnet/bitnet/constrain"
	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/tokenizer"
	google "github.com/google/jsonschema-go/jsonschema"
	santhosh "github.com/santhosh-tekuri/jsonschema/v6"
)

var (
	outputs    = flag.Int("outputs", 2000, "texts generated at random")
	vocabulary = flag.String("vocabulary", "", "also use the vocabulary of this file")
)

// vocabularies are the built-in model's and the one that was named.
var vocabularies = sync.OnceValues(func() ([]*tokenizer.Tokenizer, error) {
	data, err := io.ReadAll(arithmetic.File())
	if err != nil {
		return nil, err
	}
	f, err := gguf.Parse(data)
	if err != nil {
		return nil, err
	}
	own, err := tokenizer.FromGGUF(f)
	all := []*tokenizer.Tokenizer{own}
	if err == nil && *vocabulary != "" {
		var other *tokenizer.Tokenizer
		other, err = tokenizer.Open(*vocabulary)
		all = append(all, other)
	}
	return all, err
})

func tokenizers(t testing.TB) []*tokenizer.Tokenizer {
	t.Helper()
	all, err := vocabularies()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// suiteGroup is a schema of the official suite, with its instances.
type suiteGroup struct {
	File        string
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema"`
	Tests       []struct {
		Description string          `json:"description"`
		Data        json.RawMessage `json:"data"`
		Valid       bool            `json:"valid"`
	} `json:"tests"`
}

func suite(t testing.TB) (all []suiteGroup) {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/jsonschema-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, draft := range []string{"draft2020-12", "draft7"} {
		files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "jsonschema", "testdata", draft, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatal("no suite", err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var groups []suiteGroup
			if err := json.Unmarshal(data, &groups); err != nil {
				t.Fatal(file, err)
			}
			for _, g := range groups {
				g.File = draft + "/" + filepath.Base(file)
				if draft == "draft7" {
					g.Schema = inDraft7(t, g.Schema)
				}
				all = append(all, g)
			}
		}
	}
	return all
}

// inDraft7 says in a schema of the suite which draft it is.
func inDraft7(t testing.TB, schema json.RawMessage) json.RawMessage {
	schema = bytes.TrimSpace(schema)
	if schema[0] != '{' || bytes.Contains(schema, []byte(`"$schema"`)) {
		return schema
	}
	rest := bytes.TrimSpace(schema[1:])
	separator := ","
	if rest[0] == '}' {
		separator = ""
	}
	return json.RawMessage(`{"$schema":"http://json-schema.org/draft-07/schema#"` + separator + string(rest))
}

// validators are two that know nothing of each other.
type validators struct {
	google   *google.Resolved
	santhosh *santhosh.Schema
}

func validatorsOf(schema []byte) (v validators, err error) {
	var g google.Schema
	if err := json.Unmarshal(schema, &g); err != nil {
		return v, fmt.Errorf("google: %w", err)
	}
	if v.google, err = g.Resolve(nil); err != nil {
		return v, fmt.Errorf("google: %w", err)
	}
	document, err := santhosh.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return v, err
	}
	c := santhosh.NewCompiler()
	c.AssertFormat()
	c.UseLoader(nothingLoads{})
	if err := c.AddResource("schema.json", document); err != nil {
		return v, err
	}
	v.santhosh, err = c.Compile("schema.json")
	return v, err
}

type nothingLoads struct{}

func (nothingLoads) Load(url string) (any, error) { return nil, fmt.Errorf("%s is not here", url) }

func (v validators) check(text string) error {
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return fmt.Errorf("it does not parse: %w", err)
	}
	if err := v.google.Validate(value); err != nil {
		return fmt.Errorf("google: %w", err)
	}
	exact, err := santhosh.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	if err := v.santhosh.Validate(exact); err != nil {
		return fmt.Errorf("santhosh: %w", err)
	}
	return nil
}

func start(t testing.TB, c *constrain.Constraint, tok *tokenizer.Tokenizer) bitnet.Guide {
	t.Helper()
	g, err := c.Start(tok)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

type mask []uint64

func maskFor(tok *tokenizer.Tokenizer) mask { return make(mask, (tok.VocabularySize()+63)/64) }

func (m mask) has(id int) bool { return m[id/64]>>(id%64)&1 != 0 }

func (m mask) ids(to []int) []int {
	to = to[:0]
	for i, word := range m {
		for ; word != 0; word &= word - 1 {
			to = append(to, 64*i+bits.TrailingZeros64(word))
		}
	}
	return to
}

func (m mask) count() (n int) {
	for _, word := range m {
		n += bits.OnesCount64(word)
	}
	return n
}

// pick returns one of the tokens, by its rank.
func (m mask) pick(rank int) int {
	for i, word := range m {
		if n := bits.OnesCount64(word); rank >= n {
			rank -= n
			continue
		}
		for ; rank > 0; rank-- {
			word &= word - 1
		}
		return 64*i + bits.TrailingZeros64(word)
	}
	panic("no such rank")
}

// accepts says how the tokens of a text are taken: whether all of them are allowed
// and the text may end behind them, in the tokenizer's own cut, and in any.
func accepts(t testing.TB, c *constrain.Constraint, tok *tokenizer.Tokenizer, text string) (canonical, any bool) {
	before, ok := tok.TokenID("a")
	if !ok {
		before = -1
	}
	ids, err := tok.Encode(text, tokenizer.PlainText(), tokenizer.After(before))
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, c, tok)
	m := maskFor(tok)
	canonical = true
	for _, id := range ids {
		clear(m)
		if g.Mask(m); !m.has(id) {
			canonical = false
			break
		}
		if err := g.Accept(id); err != nil {
			t.Fatal(err)
		}
	}
	if canonical {
		clear(m)
		if g.Mask(m) {
			return true, true
		}
		canonical = false
	}
	return false, anyCut(t, c, tok, text, nil, map[string]bool{}, new(int))
}

// anyCut looks for tokens that make up a text. What was forced makes the state
// depend on the tokens, not on the text alone.
func anyCut(t testing.TB, c *constrain.Constraint, tok *tokenizer.Tokenizer, rest string, before []int, seen map[string]bool, tries *int) bool {
	if *tries++; *tries > 2000 {
		return false
	}
	g := start(t, c, tok)
	for _, id := range before {
		if err := g.Accept(id); err != nil {
			t.Fatal(err)
		}
	}
	m := maskFor(tok)
	end := g.Mask(m)
	if rest == "" {
		return end
	}
	key := fmt.Sprint(rest, m.ids(nil))
	if seen[key] {
		return false
	}
	seen[key] = true
	var fit []int
	for _, id := range m.ids(nil) {
		if text := string(tok.AppendToken(nil, id)); strings.HasPrefix(rest, text) {
			fit = append(fit, id)
		}
	}
	slices.SortFunc(fit, func(a, b int) int { return len(tok.AppendToken(nil, b)) - len(tok.AppendToken(nil, a)) })
	for _, id := range fit {
		if anyCut(t, c, tok, rest[len(tok.AppendToken(nil, id)):], append(slices.Clone(before), id), seen, tries) {
			return true
		}
	}
	return false
}

// variants are the spellings of an instance that constraints know: without white
// space, whole numbers as such, the members in some order.
func variants(d *json.Decoder) (all []string) {
	t, err := d.Token()
	if err != nil {
		panic(err)
	}
	join := func(open, shut string, parts [][]string) []string {
		texts := []string{""}
		for i, options := range parts {
			var longer []string
			for _, text := range texts {
				for _, option := range options {
					if i > 0 {
						option = "," + option
					}
					longer = append(longer, text+option)
				}
			}
			texts = longer
		}
		for i := range texts {
			texts[i] = open + texts[i] + shut
		}
		return texts
	}
	switch t := t.(type) {
	case nil:
		return []string{"null"}
	case bool:
		return []string{fmt.Sprint(t)}
	case json.Number:
		if n, ok := new(big.Rat).SetString(t.String()); ok && n.IsInt() {
			return []string{n.Num().String()}
		}
		return []string{t.String()}
	case string:
		return []string{quote(t)}
	case json.Delim:
		if t == '[' {
			var parts [][]string
			for d.More() {
				parts = append(parts, variants(d))
			}
			d.Token()
			return join("[", "]", parts)
		}
		var parts [][]string
		for d.More() {
			name, _ := d.Token()
			var member []string
			for _, value := range variants(d) {
				member = append(member, quote(name.(string))+":"+value)
			}
			parts = append(parts, member)
		}
		d.Token()
		for _, order := range orders(len(parts)) {
			ordered := make([][]string, len(parts))
			for i, at := range order {
				ordered[i] = parts[at]
			}
			all = append(all, join("{", "}", ordered)...)
		}
	}
	return all
}

func orders(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, shorter := range orders(n - 1) {
		for at := n - 1; at >= 0; at-- {
			all = append(all, slices.Insert(slices.Clone(shorter), at, n-1))
		}
		if n > 5 {
			all = all[:1] // too many to try
		}
	}
	return all
}

func quote(s string) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err)
	}
	text := strings.TrimSuffix(out.String(), "\n")
	for _, separator := range []string{"\u2028", "\u2029"} {
		text = strings.ReplaceAll(text, fmt.Sprintf(`\u%x`, []rune(separator)[0]), separator)
	}
	return text
}

// TestSuite has the valid instances of the official suite be allowed token by token,
// and the others not, for every schema that compiles. It prints what does not.
func TestSuite(t *testing.T) {
	refused := map[string]int{}
	var passed, schemas, wrong int
	notCanonical := 0
	for _, g := range suite(t) {
		c, err := constrain.JSONSchema(g.Schema)
		if err != nil {
			e, ok := err.(*constrain.Error)
			if !ok {
				t.Fatalf("%s, %s: %v is no *Error", g.File, g.Description, err)
			}
			refused[e.Keyword]++
			if e.Keyword == "" {
				t.Logf("%s, %s: %v", g.File, g.Description, err)
			}
			continue
		}
		schemas++
		for _, tok := range tokenizers(t) {
			for _, test := range g.Tests {
				d := json.NewDecoder(bytes.NewReader(test.Data))
				d.UseNumber()
				canonical, any := false, false
				for _, text := range variants(d) {
					c, a := accepts(t, c, tok, text)
					canonical, any = canonical || c, any || a
				}
				if any != test.Valid {
					wrong++
					t.Errorf("%s, %s, %s: allowed %t, valid %t: %s of %s", g.File, g.Description, test.Description, any, test.Valid, test.Data, g.Schema)
					continue
				}
				if passed++; any && !canonical {
					notCanonical++
					t.Logf("%s: %s is allowed, but not as the tokenizer cuts it", g.File, test.Data)
				}
			}
		}
	}
	t.Logf("%d schemas compile; %d instances passed, %d of them not in the tokenizer's cut; wrong %d", schemas, passed, notCanonical, wrong)
	t.Logf("refused when compiled, by keyword: %v", refused)
}

// random generates a text from masks, uniformly over the tokens that are allowed.
// After some tokens it prefers what brings it to an end.
func random(t testing.TB, r *rand.Rand, c *constrain.Constraint, tok *tokenizer.Tokenizer, most int) (string, bool) {
	g := start(t, c, tok)
	m := maskFor(tok)
	var text []byte
	for n := 0; n < 20*most; n++ {
		clear(m)
		end := g.Mask(m)
		count := m.count()
		if count == 0 && !end {
			t.Fatalf("nothing may follow %q", text)
		}
		if end && (n > most || r.IntN(count+1) == 0 || r.IntN(4) == 0) {
			return string(text), true
		}
		id := m.pick(r.IntN(count))
		if n > most {
			best := -1
			for range 20 {
				at := m.pick(r.IntN(count))
				if s := closing(string(tok.AppendToken(nil, at))); s > best {
					best, id = s, at
				}
			}
			for _, short := range []string{`"`, `}`, `]`, `null`, `0`} {
				if at, ok := tok.TokenID(short); ok && m.has(at) && r.IntN(2) == 0 {
					id = at
					break
				}
			}
		}
		text = tok.AppendToken(text, id)
		if err := g.Accept(id); err != nil {
			t.Fatalf("after %q: %v", text, err)
		}
	}
	return string(text), false
}

// closing says how much a token looks like one that ends something.
func closing(text string) int {
	switch {
	case strings.ContainsAny(text, `{[`):
		return 0
	case strings.ContainsAny(text, `}]`):
		return 3
	case strings.ContainsAny(text, `"`):
		return 2
	}
	return 1
}

// schemas are those of the suite, those that people write, and some made at random.
// Not all of them compile.
func schemas(t testing.TB) (all [][]byte) {
	for _, g := range suite(t) {
		all = append(all, g.Schema)
	}
	for _, s := range everyday {
		if _, err := constrain.JSONSchema([]byte(s)); err != nil {
			t.Errorf("%s: %v", s, err)
		}
		all = append(all, []byte(s))
	}
	r := rand.New(rand.NewPCG(1, 15))
	for range 400 {
		s, err := json.Marshal(randomSchema(r, 3))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// TestSoundness generates texts at random under many schemas, and asks both
// validators.
func TestSoundness(t *testing.T) {
	var texts [][]byte
	var all []*constrain.Constraint
	var checks []validators
	add := func(schema []byte) {
		c, err := constrain.JSONSchema(schema)
		if err != nil {
			return
		}
		v, err := validatorsOf(schema)
		if err != nil {
			return // not here, or not for both
		}
		texts, all, checks = append(texts, schema), append(all, c), append(checks, v)
	}
	for _, s := range schemas(t) {
		add(s)
	}
	t.Logf("%d schemas", len(all))
	if len(all) < 400 {
		t.Error("fewer than 400 schemas")
	}
	toks := tokenizers(t)
	r := rand.New(rand.NewPCG(3, 15))
	whole, wrong, long := 0, 0, 0
	for i := 0; whole < *outputs && wrong < 10; i++ {
		at := i % len(all)
		text, ended := random(t, r, all[at], toks[i/len(all)%len(toks)], 5+r.IntN(60))
		if !ended {
			long++
			if long > *outputs {
				t.Fatal("texts do not end")
			}
			continue
		}
		whole++
		if err := checks[at].check(text); err != nil {
			wrong++
			t.Errorf("%s\nof %s\n%v", text, texts[at], err)
		}
	}
	t.Logf("%d texts, %d wrong; %d more did not end in time", whole, wrong, long)
}
