package validate

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/bitnet/constrain"
)

var xgrammar = flag.String("xgrammar", "", "compare masks with the npm package @mlc-ai/web-xgrammar, below this folder")

// grammars mean the same to both. How JSON schemas are spelled is up to each, so that
// their masks cannot be compared. Nor can classes of characters beyond ASCII, of which
// XGrammar takes a first byte and then refuses the second, what is no UTF-8, which it
// allows where a class leaves characters out, and root ::= "(" root ")" | "x", where it
// misses the token )).
var grammars = []string{
	`root ::= "a" | "abc" | "b" [0-9]+`,
	`root ::= "{" pair ("," pair)* "}"` + "\n" + `pair ::= string ":" value` + "\n" + `value ::= string | number | "{" "}"` + "\n" + `string ::= "\"" [^"\\\n]* "\""` + "\n" + `number ::= "-"? [0-9]+ ("." [0-9]+)?`,
	`root ::= expr` + "\n" + `expr ::= term (("+" | "-") term)*` + "\n" + `term ::= [a-z]+ | "(" expr ")"`,
	`root ::= [a-zA-Z ]{3,12} "."`,
	`root ::= ("é" | "日本" | "x")* "!"`,
	`root ::= "Hello" (", " name)? "!"` + "\n" + `name ::= [A-Z] [a-z]*`,
	`root ::= [0-9]{4} "-" [0-1] [0-9] "-" [0-3] [0-9]`,
	`root ::= ([^a-z] | "the" | "of")*`,
}

func notUTF8(text []byte) bool {
	return slices.ContainsFunc(text, func(b byte) bool { return b == 0xc0 || b == 0xc1 || b >= 0xf5 })
}

// TestXGrammar compares masks with XGrammar's, on random walks.
func TestXGrammar(t *testing.T) {
	if *xgrammar == "" {
		t.Skip("without -xgrammar")
	}
	toks := tokenizers(t)
	tok := toks[len(toks)-1]
	stop, ok := tok.EndOfText()
	if !ok {
		t.Fatal("the vocabulary has no end of text")
	}
	type job struct {
		Grammar string `json:"grammar"`
		Walk    []int  `json:"walk"`
	}
	var jobs []job
	var want [][][]int
	var ends [][]bool
	r := rand.New(rand.NewPCG(4, 15))
	for _, g := range grammars {
		c, err := constrain.Grammar(g)
		if err != nil {
			t.Fatal(err)
		}
		for range 6 {
			guide := start(t, c, tok)
			var walk []int
			var masks [][]int
			var complete []bool
			for len(walk) < 12 {
				m := maskFor(tok)
				complete = append(complete, guide.Mask(m))
				ids := m.ids(nil)
				masks = append(masks, ids)
				if len(ids) == 0 {
					break
				}
				id := ids[r.IntN(len(ids))]
				if err := guide.Accept(id); err != nil {
					t.Fatal(err)
				}
				walk = append(walk, id)
			}
			jobs, want, ends = append(jobs, job{g, walk}), append(want, masks), append(ends, complete)
		}
	}
	tokens := make([]string, tok.VocabularySize())
	for id := range tokens {
		tokens[id] = byteLevel(tok.AppendToken(nil, id))
		if tok.IsSpecial(id) {
			tokens[id] = "" // may never come
		}
	}
	tokens[stop] = "<stop>"
	input, err := json.Marshal(map[string]any{"tokens": tokens, "stop": stop, "cases": jobs})
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("node", "xgrammar.mjs", *xgrammar)
	command.Stdin = bytes.NewReader(input)
	output, err := command.Output()
	if err != nil {
		t.Fatal(err, string(err.(*exec.ExitError).Stderr))
	}
	var got [][][]int
	if err := json.Unmarshal(output, &got); err != nil {
		t.Fatal(err)
	}
	compared, differ := 0, 0
	for i := range jobs {
		for step, ids := range want[i] {
			if step >= len(got[i]) || got[i][step] == nil {
				t.Errorf("%s after %q: XGrammar refuses the walk", jobs[i].Grammar, tok.Decode(jobs[i].Walk[:step]))
				break
			}
			if !utf8.ValidString(tok.Decode(jobs[i].Walk[:step])) {
				continue // within a character
			}
			theirs := got[i][step]
			end := slices.Contains(theirs, stop)
			theirs = slices.DeleteFunc(theirs, func(id int) bool { return id == stop || tok.IsSpecial(id) || notUTF8(tok.AppendToken(nil, id)) })
			compared++
			same := slices.Equal(ids, theirs)
			if len(ids) == 1 && !ends[i][step] { // perhaps forced, among others that mean the same
				same = slices.Contains(theirs, ids[0])
			}
			if !same || end != ends[i][step] {
				if differ++; differ < 20 {
					t.Errorf("%s after %q: %d tokens and the end: %t; XGrammar %d, %t", jobs[i].Grammar, tok.Decode(jobs[i].Walk[:step]), len(ids), ends[i][step], len(theirs), end)
					shown := 0
					for _, id := range ids {
						if !slices.Contains(theirs, id) && shown < 5 {
							t.Logf("only here: %q", tok.AppendToken(nil, id))
							shown++
						}
					}
					for _, id := range theirs {
						if !slices.Contains(ids, id) && shown < 10 {
							t.Logf("only there: %q", tok.AppendToken(nil, id))
							shown++
						}
					}
				}
			}
		}
	}
	t.Logf("%d masks compared, %d differ", compared, differ)
}

// byteLevel writes bytes as byte-level vocabularies do: a character for each.
func byteLevel(text []byte) string {
	var out []rune
	for _, b := range text {
		r := rune(b)
		if !(r >= '!' && r <= '~' || r >= 0xa1 && r <= 0xac || r >= 0xae) {
			switch {
			case r <= 0x20:
				r += 0x100
			case r == 0xad:
				r = 0x143
			default:
				r += 0x100 + 0x21 - 0x7f
			}
		}
		out = append(out, r)
	}
	return string(out)
}
