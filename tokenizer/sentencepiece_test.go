package tokenizer

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// plainSentencePieces joins the pair of neighbours with the highest score, the
// leftmost of equals, as long as there is one: the definition, with strings, marks
// for blanks, and nothing cut apart.
type plainSentencePieces struct {
	ids    map[string]int
	scores map[string]float32
}

var plainLlama2 = sync.OnceValue(func() *plainSentencePieces {
	p := &plainSentencePieces{make(map[string]int), make(map[string]float32)}
	for id, token := range llama2Tokens() {
		if id >= llama2Pieces {
			p.ids[token], p.scores[token] = id, llama2Score(id)
		}
	}
	return p
})

func (p *plainSentencePieces) encode(text string) (ids []int) {
	if text == "" {
		return nil
	}
	symbols := strings.Split(strings.ReplaceAll(" "+text, " ", blankMark), "")
	for {
		best := -1
		var highest float32
		for i := range len(symbols) - 1 {
			if score, ok := p.scores[symbols[i]+symbols[i+1]]; ok && (best < 0 || score > highest) {
				best, highest = i, score
			}
		}
		if best < 0 {
			break
		}
		symbols[best] += symbols[best+1]
		symbols = slices.Delete(symbols, best+1, best+2)
	}
	for _, symbol := range symbols {
		if id, ok := p.ids[symbol]; ok {
			ids = append(ids, id)
			continue
		}
		for _, b := range []byte(symbol) {
			ids = append(ids, llama2Bytes+int(b))
		}
	}
	return ids
}

func TestSentencePieces(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	alphabet := []string{" ", "  ", "\n", "▁", "the", "er", "in", "0", "12", "漢", "字", "é", "🙂", "..", "</s", "a", "e", "▁t", "ſ", "\x00"}
	for range 2000 {
		var text strings.Builder
		for range random.IntN(40) {
			text.WriteString(alphabet[random.IntN(len(alphabet))])
		}
		checkLlama2(t, text.String())
	}
}

// checkLlama2 compares a text's tokens, in the plain form, with the definition.
func checkLlama2(t *testing.T, text string) {
	t.Helper()
	ids, err := llama2Tokenizer().Encode(text, PlainText())
	if want := plainLlama2().encode(text); err != nil || !slices.Equal(ids, want) {
		t.Errorf("Encode(%q) = %v, %v, want %v", text, ids, err, want)
	}
	if got, want := llama2Tokenizer().Decode(ids), strings.ReplaceAll(text, blankMark, " "); got != want {
		t.Errorf("Encode and Decode make %q of %q", got, text)
	}
}

// FuzzSentencePieces checks texts with the vocabulary of Llama 2.
func FuzzSentencePieces(f *testing.F) {
	for _, c := range goldenCases(f, "llama2-golden.jsonl.bz2", 411) {
		if len(c.Text) < 200 {
			f.Add(c.Text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if utf8.ValidString(text) && len(text) < 2000 { // the definition takes time that grows with the square
			checkLlama2(t, text)
		}
	})
}

// newSentencePieceFile returns a vocabulary of unknown, begin- and end-of-text, the
// bytes and further tokens with scores from 0 down, in marks.
func newSentencePieceFile(tokens ...string) *vocabularyFile {
	f := &vocabularyFile{tokens: []string{"<unk>", "<s>", "</s>"}, others: object{"model": "llama"}}
	types := []int32{2, 3, 3}
	for b := range 256 {
		f.tokens, types = append(f.tokens, fmt.Sprintf("<0x%02X>", b)), append(types, 6)
	}
	f.tokens = append(f.tokens, tokens...)
	scores := make([]float32, len(f.tokens))
	for i := range tokens {
		types = append(types, 1)
		scores[llama2Pieces+i] = -float32(i)
	}
	f.types, f.others["scores"] = types, scores
	return f
}

// set changes a key, and the type of a token, the first behind the bytes being 0.
func (f *vocabularyFile) set(key string, value any) *vocabularyFile {
	f.others[key] = value
	return f
}

func (f *vocabularyFile) withPieceType(token int, number int32) *vocabularyFile {
	f.types.([]int32)[llama2Pieces+token] = number
	return f
}

func TestSentencePieceTokens(t *testing.T) {
	tokenizer := newSentencePieceFile("▁", "a", "b", "c", "ab", "▁ab", "bc", "xy", "tool", "old").
		withPieceType(8, 4).withPieceType(9, 5).mustOpen(t)
	for _, test := range []struct {
		text string
		want []string
	}{
		{"ab", []string{" ab"}},
		{" ab", []string{" ", " ab"}},
		{"ab ab", []string{" ab", " ab"}},
		{"abc", []string{" ab", "c"}}, // "ab" has a higher score than "bc"
		{"xy", []string{" ", "xy"}},   // although neither letter is a token
		{"x", []string{" ", "x"}},     // a byte
		{"é", []string{" ", "\xc3", "\xa9"}},
		{"a\n", []string{" ", "a", "\n"}},
		{"▁ab", []string{" ", " ab"}},
		{"old", []string{" ", "o", "l", "d"}}, // unused
		{"", nil},
		// A blank before each text between added tokens.
		{"</s>", []string{"</s>"}},
		{"ab</s>ab", []string{" ab", "</s>", " ab"}},
		{"ab</s> ab", []string{" ab", "</s>", " ", " ab"}},
		{"toolab", []string{"tool", " ab"}},
	} {
		if got := tokenTexts(t, tokenizer, test.text); !slices.Equal(got, test.want) {
			t.Errorf("%q gives %q, want %q", test.text, got, test.want)
		}
		ids, err := tokenizer.Encode(test.text)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := tokenizer.Decode(ids), strings.ReplaceAll(test.text, blankMark, " "); got != want {
			t.Errorf("%q decodes to %q", test.text, got)
		}
	}
	if id, ok := tokenizer.TokenID("\n"); id != llama2Bytes+'\n' || !ok {
		t.Errorf("TokenID of a line break = %d, %t", id, ok)
	}
	if id, ok := tokenizer.TokenID("<0x0A>"); ok {
		t.Errorf("TokenID(<0x0A>) = %d", id)
	}
}

// TestAfter has texts that go on, in parts.
func TestAfter(t *testing.T) {
	tokenizer := llama2Tokenizer()
	var ids []int
	var text []byte
	previous := -1
	for _, part := range []string{"Hello", " world", "", "</s>", "Bye", "."} {
		more, err := tokenizer.Encode(part, After(previous))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range more {
			text = tokenizer.AppendNext(text, previous, id)
			previous = id
		}
		ids = append(ids, more...)
	}
	const want = "Hello world</s>Bye."
	if string(text) != want || tokenizer.Decode(ids) != want {
		t.Errorf("the parts join to %q, all tokens to %q, want %q", text, tokenizer.Decode(ids), want)
	}
	whole, err := tokenizer.Encode(want, AddBeginOfText())
	if err != nil || !slices.Equal(whole[1:], ids) || tokenizer.Decode(whole) != "<s>"+want {
		t.Errorf("Encode = %v, %v, want %v behind begin-of-text", whole, err, ids)
	}
	// A part that is decoded on its own is a text.
	if got := tokenizer.Decode(ids[1:2]); got != "world" {
		t.Errorf("a part decodes to %q", got)
	}
	if got := string(tokenizer.AppendToken(nil, ids[1])); got != " world" {
		t.Errorf("AppendToken gives %q", got)
	}
	// Byte-level vocabularies have no such blank.
	if got, err := llama3Tokenizer().Encode("Hi", After(9906)); err != nil || !slices.Equal(got, []int{13347}) {
		t.Errorf("Encode = %v, %v", got, err)
	}
}

func TestSentencePieceDefaults(t *testing.T) {
	begin := func(t *Tokenizer) any { id, ok := t.BeginOfText(); return []any{id, ok, t.AddsBeginOfText()} }
	end := func(t *Tokenizer) any { id, ok := t.EndOfText(); return []any{id, ok, t.AddsEndOfText()} }
	first := func(text string) func(*Tokenizer) any {
		return func(tokenizer *Tokenizer) any {
			ids, err := tokenizer.Encode(text)
			return []any{ids, err}
		}
	}
	const a, blank = llama2Pieces, llama2Pieces + 1
	file := func() *vocabularyFile { return newSentencePieceFile("a", "▁") }
	noBytes := func() *vocabularyFile {
		f := file()
		f.tokens, f.types = []string{"<unk>", "<s>", "a", "▁"}, []int32{2, 3, 1, 1}
		f.others["scores"] = make([]float32, 4)
		return f
	}
	for _, test := range []struct {
		name string
		file *vocabularyFile
		get  func(*Tokenizer) any
		want any
	}{
		{"begin-of-text is 1", file(), begin, []any{1, true, true}},
		{"begin-of-text is named", file().set("bos_token_id", uint32(2)), begin, []any{2, true, true}},
		{"begin-of-text is not added", file().set("add_bos_token", false), begin, []any{1, true, false}},
		{"no begin-of-text", (&vocabularyFile{tokens: []string{"<unk>", "a"}, types: []int32{2, 1}, others: object{"model": "llama", "scores": make([]float32, 2)}}), begin, []any{0, false, false}},
		{"end-of-text is 2", file(), end, []any{2, true, false}},
		{"end-of-text is added", file().set("add_eos_token", true), end, []any{2, true, true}},
		{"space prefix", file(), first("a"), []any{[]int{blank, a}, error(nil)}},
		{"no space prefix", file().set("add_space_prefix", false), first("a</s>a"), []any{[]int{a, 2, a}, error(nil)}},
		{"unknown, once for a run", noBytes(), first("xéa x"), []any{[]int{3, 0, 2, 3, 0}, error(nil)}},
		{"unknown by name", noBytes().set("unknown_token_id", uint32(1)), first("x"), []any{[]int{3, 1}, error(nil)}},
		{"blanks are kept", file().set("remove_extra_whitespaces", false), first(" a"), []any{[]int{blank, blank, a}, error(nil)}},
	} {
		if got := test.get(test.file.mustOpen(t)); fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestSplitterDefaults has what goes with the names of splitters where a file says
// nothing else.
func TestSplitterDefaults(t *testing.T) {
	for _, test := range []struct {
		splitter string
		others   object
		id       int // of begin-of-text
		adds     bool
		whole    bool
	}{
		{"llama-bpe", object{"bos_token_id": uint32(256)}, 256, true, true},
		{"llama-bpe", nil, none, false, true},
		{"falcon3", object{"bos_token_id": uint32(256)}, 256, true, true},
		{"falcon3", object{"bos_token_id": uint32(256), "add_bos_token": false}, 256, false, true},
		{"falcon3", nil, 11, true, true}, // as the engines that its files were made for
		{"falcon_e", nil, 11, true, true},
		{"qwen2", object{"bos_token_id": uint32(256)}, 256, false, false},
		{"qwen2", object{"bos_token_id": uint32(256), "add_bos_token": true}, 256, true, false},
		{"qwen2", nil, none, false, false},
		{"gpt-2", object{"bos_token_id": uint32(256)}, 256, false, false},
		{"smaug", object{"bos_token_id": uint32(256)}, 256, false, false},
		{"default", object{"bos_token_id": uint32(256)}, 256, false, false},
	} {
		file := newFile("<s>", "hello").withType(0, 3).set("pre", test.splitter)
		file.types.([]int32)[11] = 3
		for key, value := range test.others {
			file.set(key, value)
		}
		tokenizer := file.mustOpen(t)
		id, ok := tokenizer.BeginOfText()
		if !ok {
			id = none
		}
		if id != test.id || tokenizer.AddsBeginOfText() != test.adds {
			t.Errorf("%s with %v: begin-of-text is %d, added: %t", test.splitter, test.others, id, tokenizer.AddsBeginOfText())
		}
		ids, err := tokenizer.Encode("hello")
		if err != nil || (len(ids) == 1) != test.whole {
			t.Errorf("%s: Encode = %v, %v, want it whole: %t", test.splitter, ids, err, test.whole)
		}
	}
	// An ordinary token 11 is no begin-of-text.
	if id, ok := newFile().set("pre", "falcon3").mustOpen(t).BeginOfText(); ok {
		t.Errorf("begin-of-text is %d", id)
	}
}

func TestSentencePieceErrors(t *testing.T) {
	file := func() *vocabularyFile { return newSentencePieceFile("a", "▁a") }
	for _, test := range []struct {
		name        string
		file        *vocabularyFile
		key         string
		index       int
		unsupported bool
	}{
		{"no scores", file().set("scores", nil), keyScores, -1, false},
		{"scores no floats", file().set("scores", make([]int32, 261)), keyScores, -1, false},
		{"scores short", file().set("scores", make([]float32, 260)), keyScores, -1, false},
		{"score no number", file().set("scores", slices.Concat(make([]float32, 260), []float32{float32(math.NaN())})), keyScores, 260, false},
		{"no types", file().set("token_type", nil), keyTokenTypes, -1, false},
		{"type 7", file().withPieceType(0, 7), keyTokenTypes, 259, true},
		{"no byte", file().withPieceType(0, 6), keyTokens, 259, false},
		{"byte missing and nothing unknown", func() *vocabularyFile {
			f := file().withPieceType(-1, 1)
			f.types.([]int32)[0] = 1
			return f
		}(), keyTokens, -1, false},
		{"token not UTF-8", newSentencePieceFile("\xff"), keyTokens, 259, false},
		{"unknown beyond", file().set("unknown_token_id", uint32(261)), keyUnknown, -1, false},
		{"blanks removed", file().set("remove_extra_whitespaces", true), "tokenizer.ggml.remove_extra_whitespaces", -1, true},
		{"space prefix no bool", file().set("add_space_prefix", "yes"), keyAddsBlank, -1, false},
	} {
		_, err := test.file.open(t)
		var detail *VocabularyError
		if !errors.Is(err, ErrVocabulary) || !errors.As(err, &detail) {
			t.Errorf("%s: the error is %v, want a VocabularyError", test.name, err)
			continue
		}
		if detail.Key != test.key || detail.Index != test.index || errors.Is(err, errors.ErrUnsupported) != test.unsupported {
			t.Errorf("%s: %v (unsupported: %t), want it about %s[%d]", test.name, err, !test.unsupported, test.key, test.index)
		}
	}
}

// TestScoreOrder has scores of all kinds in the order that they ask for.
func TestScoreOrder(t *testing.T) {
	scores := []float64{math.Inf(1), 1e9, 1, math.SmallestNonzeroFloat32, 0, -math.SmallestNonzeroFloat32, -1, -1e9, math.Inf(-1)}
	for i := range len(scores) - 1 {
		if a, b := scoreOrder(float32(scores[i])), scoreOrder(float32(scores[i+1])); a >= b || b == noRank {
			t.Errorf("the order of %g and %g is %d and %d", scores[i], scores[i+1], a, b)
		}
	}
	if scoreOrder(0) != scoreOrder(float32(math.Copysign(0, -1))) {
		t.Error("two zeros differ")
	}
}

// TestSentencePieceMegabytes fails by never ending if merging takes time that grows
// with the square of a text's length.
func TestSentencePieceMegabytes(t *testing.T) {
	for _, unit := range []string{"a", " ", "=", "漢", "🙂", "\n", "ab "} {
		text := strings.Repeat(unit, 1<<20/len(unit))
		ids, err := llama2Tokenizer().Encode(text)
		if err != nil || llama2Tokenizer().Decode(ids) != text {
			t.Errorf("a megabyte of %q does not decode to itself: %v", unit, err)
		}
	}
}

// smallSentencePieceJSON returns a tokenizer.json in the form of Llama 2's, with a
// few of its tokens.
func smallSentencePieceJSON() object {
	vocabulary := make(object)
	for id, token := range llama2Tokens()[:llama2Pieces] {
		vocabulary[token] = id
	}
	for i, token := range []string{"▁", "a", "b", "H", "i", "▁▁", "▁▁▁", "▁a", "▁b", "Hi", "▁Hi"} {
		vocabulary[token] = llama2Pieces + i
	}
	return sentencePieceJSON(vocabulary, []string{"▁ a", "▁ b", "H i", "▁ Hi", "▁ ▁", "▁▁ ▁"})
}

// changed returns the tokenizer of that file, changed.
func changed(change func(object)) (*Tokenizer, error) {
	file := smallSentencePieceJSON()
	change(file)
	return fromJSON(writeJSON(file))
}

func TestSentencePieceJSON(t *testing.T) {
	metaspace := func(fields object) func(object) {
		step := object{"type": "Metaspace", "replacement": blankMark}
		for key, value := range fields {
			step[key] = value
		}
		return func(f object) {
			f["normalizer"], f["pre_tokenizer"] = nil, step
			f["decoder"] = object{"type": "Metaspace", "replacement": blankMark, "prepend_scheme": "always", "split": false}
		}
	}
	for _, test := range []struct {
		name   string
		change func(object)
		want   map[string][]string
	}{
		{"published", func(object) {}, map[string][]string{
			"Hi": {" Hi"}, " Hi": {" ", " Hi"}, "a</s>b": {" a", "</s>", " b"}, "   a": {"   ", " a"}, "\x01": {" ", "\x01"},
		}},
		{"no prefix", func(f object) {
			f["normalizer"] = object{"type": "Replace", "pattern": object{"String": " "}, "content": blankMark}
			f["pre_tokenizer"] = object{"type": "Split", "pattern": object{"String": " "}, "behavior": "MergedWithPrevious", "invert": false}
		}, map[string][]string{"Hi": {"Hi"}, " Hi": {" Hi"}, "a</s>b": {"a", "</s>", "b"}}},
		{"Metaspace", metaspace(object{"prepend_scheme": "always", "split": false}), map[string][]string{
			"Hi": {" Hi"}, " Hi": {" Hi"}, "a</s>b": {" a", "</s>", " b"}, "   a": {"  ", " a"},
		}},
		{"Metaspace first", metaspace(object{"prepend_scheme": "first", "split": false}), map[string][]string{
			"Hi": {" Hi"}, "a</s>b": {" a", "</s>", "b"},
		}},
		{"Metaspace never", metaspace(object{"prepend_scheme": "never", "split": false}), map[string][]string{"Hi Hi": {"Hi", " Hi"}}},
		{"old Metaspace", metaspace(object{"add_prefix_space": true}), map[string][]string{"Hi": {" Hi"}, "   a": {" ", " ", " a"}}},
		{"old Metaspace without prefix", metaspace(object{"add_prefix_space": false}), map[string][]string{"Hi": {"Hi"}}},
	} {
		tokenizer, err := changed(test.change)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		for text, want := range test.want {
			if got := tokenTexts(t, tokenizer, text); !slices.Equal(got, want) {
				t.Errorf("%s: %q gives %q, want %q", test.name, text, got, want)
			}
		}
	}
}

func TestSentencePieceJSONErrors(t *testing.T) {
	step := func(key string, value any) func(object) {
		return func(f object) { f[key] = value }
	}
	model := func(key string, value any) func(object) {
		return func(f object) { at(f, "model")[key] = value }
	}
	metaspace := func(fields object) func(object) {
		fields["type"], fields["replacement"] = "Metaspace", blankMark
		return func(f object) { f["normalizer"], f["pre_tokenizer"] = nil, fields }
	}
	for _, test := range []struct {
		name   string
		change func(object)
		key    string
	}{
		{"other normalizer", step("normalizer", object{"type": "NFC"}), "normalizer"},
		{"other prefix", step("normalizer", object{"type": "Prepend", "prepend": "x"}), "normalizer"},
		{"replaces something else", step("normalizer", object{"type": "Replace", "pattern": object{"String": "x"}, "content": blankMark}), "normalizer"},
		{"replaces by an expression", step("normalizer", object{"type": "Replace", "pattern": object{"Regex": " "}, "content": blankMark}), "normalizer"},
		{"no mark", step("normalizer", nil), "normalizer"},
		{"two marks", step("pre_tokenizer", object{"type": "Metaspace", "replacement": blankMark}), "pre_tokenizer"},
		{"other pre-tokenizer", step("pre_tokenizer", byteLevel(true)), "pre_tokenizer"},
		{"other mark", func(f object) {
			f["normalizer"], f["pre_tokenizer"] = nil, object{"type": "Metaspace", "replacement": "_"}
		}, "pre_tokenizer"},
		{"other scheme", metaspace(object{"prepend_scheme": "last"}), "pre_tokenizer"},
		{"other decoder", step("decoder", object{"type": "ByteLevel"}), "decoder"},
		{"whole pieces", model("ignore_merges", true), "model.ignore_merges"},
		{"unknown token not there", model("unk_token", "<what>"), "model.unk_token"},
		{"unknown one by one", func(f object) {
			model("fuse_unk", false)(f)
			vocabulary := at(f, "model", "vocab")
			vocabulary["x"] = vocabulary["<0x41>"]
			delete(vocabulary, "<0x41>")
		}, "model.fuse_unk"},
		{"merge of a byte", model("merges", []string{"<0x41> a"}), "model.merges"},
		{"token in normal form", func(f object) { at(f, "added_tokens", 0)["normalized"] = true }, "added_tokens"},
	} {
		_, err := changed(test.change)
		var detail *VocabularyError
		if !errors.As(err, &detail) || detail.Key != test.key {
			t.Errorf("%s: %v, want a VocabularyError about %s", test.name, err, test.key)
		}
	}
}

// TestNormalForm has a tokenizer.json ask for Unicode's normal form C.
func TestNormalForm(t *testing.T) {
	file := smallJSON()
	at(file, "added_tokens", 2)["normalized"] = false
	file["normalizer"] = object{"type": "NFC"}
	tokenizer, err := fromJSON(marshal(t, file))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"e\u0301": "é", "<tool>e\u0301 a": "<tool>é a", "\u212b": "Å", "plain": "plain"} {
		ids, err := tokenizer.Encode(text)
		if got := tokenizer.Decode(ids); err != nil || got != want {
			t.Errorf("%q becomes %q, %v, want %q", text, got, err, want)
		}
	}
	// The place of a character without a token is that in the text.
	delete(at(file, "model", "vocab"), writeByteLevel("\xa9"))
	at(file, "model", "vocab")["he"] = 0xa9
	if tokenizer, err = fromJSON(marshal(t, file)); err != nil {
		t.Fatal(err)
	}
	_, err = tokenizer.Encode("<tool>A\u030a e\u0301")
	var detail *TextError
	if !errors.As(err, &detail) || detail.Offset != len("<tool>A\u030a ") {
		t.Errorf("the error is %v", err)
	}
}

// TestTemplateEnds has a tokenizer.json add end-of-text, as those of models that
// make embeddings do.
func TestTemplateEnds(t *testing.T) {
	file := smallJSON()
	text := object{"Sequence": object{"id": "A"}}
	end := object{"SpecialToken": object{"id": "<|end_of_text|>"}}
	file["post_processor"] = object{
		"type": "TemplateProcessing", "single": []any{text, end},
		"special_tokens": object{"<|end_of_text|>": object{"ids": []int{259}}},
	}
	tokenizer, err := fromJSON(marshal(t, file))
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := tokenizer.EndOfText(); id != 259 || !ok || !tokenizer.AddsEndOfText() || tokenizer.AddsBeginOfText() {
		t.Errorf("end-of-text is %d, %t, added: %t; begin-of-text added: %t", id, ok, tokenizer.AddsEndOfText(), tokenizer.AddsBeginOfText())
	}
}

// FuzzSentencePieceVocabulary builds vocabularies of anything.
func FuzzSentencePieceVocabulary(f *testing.F) {
	f.Add("a\nb\nab\n▁ab", []byte{1, 1, 1, 1}, []byte{4, 3, 2, 1}, uint32(0), true, "abab ab")
	f.Add("<x>\ntool\n▁\n<0x41>", []byte{3, 4, 1, 6}, []byte{}, uint32(9), false, "<x>tool ▁")
	f.Add("aa\naaaa", []byte{1, 5}, []byte{1}, uint32(261), true, "aaaaaaa")
	f.Fuzz(func(t *testing.T, tokens string, types, scores []byte, unknown uint32, blank bool, text string) {
		file := newSentencePieceFile(strings.Split(tokens, "\n")...)
		for i, number := range types {
			if llama2Pieces+i < len(file.tokens) {
				file.withPieceType(i, int32(number))
			}
		}
		all := file.others["scores"].([]float32)
		for i, score := range scores {
			if llama2Pieces+i < len(all) {
				all[llama2Pieces+i] = float32(int8(score))
			}
		}
		file.set("unknown_token_id", unknown).set("add_space_prefix", blank)
		tokenizer, err := file.open(t)
		if err != nil {
			if !errors.Is(err, ErrVocabulary) {
				t.Fatalf("the error is not ErrVocabulary: %v", err)
			}
			return
		}
		for _, options := range [][]EncodeOption{nil, {PlainText()}} {
			ids, err := tokenizer.Encode(text, options...)
			if utf8.ValidString(text) == (err != nil) {
				t.Fatalf("Encode(%q): %v", text, err)
			}
			for _, id := range ids {
				if id < 0 || id >= tokenizer.VocabularySize() {
					t.Errorf("Encode(%q) gives the id %d of %d", text, id, tokenizer.VocabularySize())
				}
			}
			tokenizer.Decode(ids)
		}
	})
}

// TestDamaged changes bytes of vocabularies: each gives an error or a tokenizer,
// soon and without much memory.
func TestDamaged(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	short := func(count int) object { // of Llama 2's tokens the first
		metadata := llama2Metadata()
		metadata[keyTokens] = metadata[keyTokens].([]string)[:count]
		metadata[keyScores] = metadata[keyScores].([]float32)[:count]
		metadata[keyTokenTypes] = metadata[keyTokenTypes].([]int32)[:count]
		return metadata
	}
	byteLevel := newFile("ab", "<s>").withType(1, 3)
	qwen := object{keyModel: "gpt2", keySplitter: "qwen2", keyTokens: byteLevel.tokens, keyTokenTypes: byteLevel.types, keyMerges: []string{"a b"}, keyEndOfText: uint32(257), keyAddsEndOfText: true}
	small := smallJSON()
	small["pre_tokenizer"] = publishedPreTokenizers["starcoder"]
	for name, data := range map[string][]byte{
		"SentencePiece GGUF":           writeGGUF(short(400)),
		"byte-level GGUF":              writeGGUF(qwen),
		"byte-level tokenizer.json":    writeJSON(small),
		"SentencePiece tokenizer.json": writeJSON(smallSentencePieceJSON()),
	} {
		open := func(data []byte) (*Tokenizer, error) {
			if !strings.HasSuffix(name, "GGUF") {
				return fromJSON(data)
			}
			file, err := gguf.Parse(data)
			if err != nil {
				return nil, err
			}
			return FromGGUF(file)
		}
		if _, err := open(data); err != nil {
			t.Fatalf("%s, whole: %v", name, err)
		}
		opened := 0
		for range 400 {
			damaged := slices.Clone(data)
			for range 1 + random.IntN(4) {
				damaged[random.IntN(len(damaged))] = byte(random.Uint32())
			}
			if random.IntN(4) == 0 {
				damaged = damaged[:random.IntN(len(damaged))]
			}
			start := time.Now()
			tokenizer, err := open(damaged)
			if err == nil {
				opened++
				ids, err := tokenizer.Encode("Hello, wörld 12345 <s>  \n")
				if err == nil {
					tokenizer.Decode(ids)
				}
			} else if !errors.Is(err, ErrVocabulary) && !errors.Is(err, gguf.ErrFormat) {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("%s: takes %v", name, took)
			}
		}
		if opened == 0 || opened == 400 {
			t.Errorf("%s: %d of 400 can be opened", name, opened)
		}
	}
}
