package tokenizer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// vocabularyFile is what a GGUF says of a vocabulary.
type vocabularyFile struct {
	tokens []string
	types  any
	merges []string
	// others are further keys, below "tokenizer.ggml.". A nil value removes
	// what would be there otherwise.
	others map[string]any
}

// newFile returns a vocabulary of the 256 bytes, in the order of their values,
// and of further tokens without any merge.
func newFile(tokens ...string) *vocabularyFile {
	f := &vocabularyFile{others: make(map[string]any)}
	types := make([]int32, 256+len(tokens))
	for b := range 256 {
		f.tokens = append(f.tokens, writeByteLevel(string([]byte{byte(b)})))
	}
	f.tokens = append(f.tokens, tokens...)
	for i := range types {
		types[i] = 1
	}
	f.types = types
	return f
}

// withType sets the type of a token, the first of those that newFile was given
// being 0.
func (f *vocabularyFile) withType(token int, number int32) *vocabularyFile {
	f.types.([]int32)[256+token] = number
	return f
}

func (f *vocabularyFile) open(t testing.TB) (*Tokenizer, error) {
	t.Helper()
	var data bytes.Buffer
	w := gguf.NewWriter(&data)
	tokens, merges := validUTF8(f.tokens), validUTF8(f.merges)
	values := map[string]any{"model": "gpt2", "tokens": tokens, "token_type": f.types, "merges": merges}
	for key, value := range f.others {
		values[key] = value
	}
	for key, value := range values {
		if value == nil {
			continue
		}
		if err := w.Set("tokenizer.ggml."+key, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	written := bytes.Replace(data.Bytes(), stringArray(tokens), stringArray(f.tokens), 1)
	written = bytes.Replace(written, stringArray(merges), stringArray(f.merges), 1)
	file, err := gguf.Parse(written)
	if err != nil {
		t.Fatal(err)
	}
	return FromGGUF(file)
}

// validUTF8 returns texts of the same lengths that are valid UTF-8, as the
// writer, unlike the reader, wants them.
func validUTF8(texts []string) []string {
	valid := make([]string, len(texts))
	for i, text := range texts {
		if utf8.ValidString(text) {
			valid[i] = text
		} else {
			valid[i] = strings.Repeat("?", len(text))
		}
	}
	return valid
}

// stringArray returns the elements of an array as a GGUF has them.
func stringArray(texts []string) (array []byte) {
	for _, text := range texts {
		array = binary.LittleEndian.AppendUint64(array, uint64(len(text)))
		array = append(array, text...)
	}
	return array
}

func (f *vocabularyFile) mustOpen(t testing.TB) *Tokenizer {
	t.Helper()
	tokenizer, err := f.open(t)
	if err != nil {
		t.Fatal(err)
	}
	return tokenizer
}

// tokenTexts encodes a text and returns the text of each token.
func tokenTexts(t testing.TB, tokenizer *Tokenizer, text string, options ...EncodeOption) (texts []string) {
	t.Helper()
	ids, err := tokenizer.Encode(text, options...)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		texts = append(texts, string(tokenizer.AppendToken(nil, id)))
	}
	return texts
}

func TestVocabularyErrors(t *testing.T) {
	with := func(f *vocabularyFile, key string, value any) *vocabularyFile {
		f.others[key] = value
		return f
	}
	withMerges := func(f *vocabularyFile, merges ...string) *vocabularyFile {
		f.merges = merges
		return f
	}
	for _, test := range []struct {
		name        string
		file        *vocabularyFile
		key         string
		index       int
		unsupported bool
	}{
		{"no model", with(newFile(), "model", nil), keyModel, -1, false},
		{"other model", with(newFile(), "model", "bert"), keyModel, -1, true},
		{"model no text", with(newFile(), "model", uint32(1)), keyModel, -1, false},
		{"other splitter", with(newFile(), "pre", "deepseek-llm"), keySplitter, -1, true},
		{"splitter without a name", with(newFile(), "pre", ""), keySplitter, -1, true},
		{"splitter no text", with(newFile(), "pre", true), keySplitter, -1, false},
		{"space prefix", with(newFile(), "add_space_prefix", true), "tokenizer.ggml.add_space_prefix", -1, true},
		{"space prefix no bool", with(newFile(), "add_space_prefix", uint8(0)), "tokenizer.ggml.add_space_prefix", -1, false},
		{"adds no end of text", with(newFile(), "add_eos_token", true), keyAddsEndOfText, -1, false},
		{"adds end of text no bool", with(newFile(), "add_eos_token", "yes"), keyAddsEndOfText, -1, false},
		{"separator added", with(newFile(), "add_sep_token", true), "tokenizer.ggml.add_sep_token", -1, true},
		{"blanks removed", with(newFile(), "remove_extra_whitespaces", true), "tokenizer.ggml.remove_extra_whitespaces", -1, true},
		{"end of turn beyond", with(newFile("x"), "eot_token_id", uint32(257)), keyEndOfTurn, -1, false},
		{"end of message no number", with(newFile("x"), "eom_token_id", "x"), keyEndOfMessage, -1, false},
		{"no tokens", with(newFile(), "tokens", nil), keyTokens, -1, false},
		{"empty tokens", &vocabularyFile{types: []int32{}}, keyTokens, -1, false},
		{"tokens no texts", with(newFile(), "tokens", []uint32{1}), keyTokens, -1, false},
		{"token not byte-level", newFile("ab", "a b"), keyTokens, 257, false},
		{"token not UTF-8", newFile("\xff"), keyTokens, 256, false},
		{"token cut off", newFile("ab\xc4"), keyTokens, 256, false},
		{"token with an overlong a", newFile("\xc1\xa1"), keyTokens, 256, false},
		{"token of continuation bytes", newFile("\x81\xa1"), keyTokens, 256, false},
		{"token with U+0144", newFile("ab\u0144"), keyTokens, 256, false},
		{"special not UTF-8", newFile("<\xff>").withType(0, 3), keyTokens, 256, false},
		{"special too long", newFile(strings.Repeat("x", maxAddedBytes+1)).withType(0, 3), keyTokens, 256, true},
		{"types short", with(newFile(), "token_type", []int32{1, 1}), keyTokenTypes, -1, false},
		{"types long", with(newFile(), "token_type", make([]int32, 300)), keyTokenTypes, -1, false},
		{"types no integers", with(newFile(), "token_type", make([]float32, 256)), keyTokenTypes, -1, false},
		{"type byte", newFile("x").withType(0, 6), keyTokenTypes, 256, true},
		{"type 0", newFile("x").withType(0, 0), keyTokenTypes, 256, true},
		{"type -1", newFile("x").withType(0, -1), keyTokenTypes, 256, true},
		{"no merges", with(newFile(), "merges", nil), keyMerges, -1, false},
		{"merges no texts", with(newFile(), "merges", []int32{1}), keyMerges, -1, false},
		{"merge without space", withMerges(newFile("ab"), "a b", "ab"), keyMerges, 1, false},
		{"merge of two spaces", withMerges(newFile("ab"), "a  b"), keyMerges, 0, false},
		{"merge of three", withMerges(newFile("ab"), "a b c"), keyMerges, 0, false},
		{"merge not UTF-8", withMerges(newFile("ab"), "a b", "\xc4 b"), keyMerges, 1, false},
		{"left unknown", withMerges(newFile("ab"), "xy b"), keyMerges, 0, false},
		{"right unknown", withMerges(newFile("ab"), "a xy"), keyMerges, 0, false},
		{"left empty", withMerges(newFile("ab"), " b"), keyMerges, 0, false},
		{"right empty", withMerges(newFile("ab"), "a b", "a "), keyMerges, 1, false},
		{"result unknown", withMerges(newFile("ab"), "a b", "a c"), keyMerges, 1, false},
		{"result special", withMerges(newFile("ab").withType(0, 3), "a b"), keyMerges, 0, false},
		{"result unused", withMerges(newFile("ab").withType(0, 5), "a b"), keyMerges, 0, false},
		{"merge twice", withMerges(newFile("ab", "cd"), "a b", "c d", "a b"), keyMerges, 2, false},
		{"begin of text beyond", with(newFile("x"), "bos_token_id", uint32(257)), keyBeginOfText, -1, false},
		{"begin of text huge", with(newFile("x"), "bos_token_id", uint64(1)<<63), keyBeginOfText, -1, false},
		{"begin of text negative", with(newFile("x"), "bos_token_id", int32(-1)), keyBeginOfText, -1, false},
		{"end of text beyond", with(newFile("x"), "eos_token_id", uint32(1<<31)), keyEndOfText, -1, false},
		{"end of text no number", with(newFile("x"), "eos_token_id", "x"), keyEndOfText, -1, false},
		{"adds what is not there", with(newFile("x"), "add_bos_token", true), keyAddsBeginOfText, -1, false},
		{"adds no bool", with(newFile("x"), "add_bos_token", "yes"), keyAddsBeginOfText, -1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.file.open(t)
			var detail *VocabularyError
			if !errors.Is(err, ErrVocabulary) || !errors.As(err, &detail) {
				t.Fatalf("the error is %v, want a VocabularyError", err)
			}
			if detail.Key != test.key || detail.Index != test.index {
				t.Errorf("the error is about %s[%d], want %s[%d]: %v", detail.Key, detail.Index, test.key, test.index, err)
			}
			if got := errors.Is(err, errors.ErrUnsupported); got != test.unsupported {
				t.Errorf("ErrUnsupported is %t, want %t: %v", got, test.unsupported, err)
			}
			if text := err.Error(); strings.Contains(text, "\n") || !strings.Contains(text, test.key) {
				t.Errorf("the message is not one line that names the key: %q", text)
			}
		})
	}
}

// TestMergeResult has a merge whose result is behind that of the merge before,
// but for a token with the same bytes that no merge may give.
func TestMergeResult(t *testing.T) {
	const special, unusedType = 3, 5
	for _, number := range []int32{special, unusedType} {
		file := newFile("ab", "bc", "bc", "cd", "de").withType(1, number)
		file.merges = []string{"a b", "b c", "c d", "d e"}
		ids, err := file.mustOpen(t).Encode("bcbc", PlainText())
		if err != nil || !slices.Equal(ids, []int{258, 258}) {
			t.Errorf("with bc of type %d before, bcbc gives %v, %v", number, ids, err)
		}
	}
}

// TestMergeErrorAnywhere puts the fault in each of the parts in which merges
// are looked up.
func TestMergeErrorAnywhere(t *testing.T) {
	const count = 4 * tokenBatch
	var tokens, merges []string
	for i := range count {
		left, right := 'a'+rune(i/20), 'a'+rune(i%20)
		tokens = append(tokens, string([]rune{left, right}))
		merges = append(merges, string([]rune{left, ' ', right}))
	}
	for _, at := range []int{0, 1, tokenBatch - 1, tokenBatch, count/2 - 1, count / 2, count - 1} {
		for _, fault := range []string{"a", "a €", "zz z", "x y"} {
			file := newFile(tokens...)
			file.merges = slices.Clone(merges)
			file.merges[at] = fault
			_, err := file.open(t)
			var detail *VocabularyError
			if !errors.As(err, &detail) || detail.Key != keyMerges || detail.Index != at {
				t.Errorf("%q as merge %d: %v", fault, at, err)
			}
		}
	}
}

func TestTextEnds(t *testing.T) {
	for _, test := range []struct {
		name   string
		others map[string]any
		id     int
		ok     bool
		adds   bool
	}{
		{"none", nil, 0, false, false},
		{"not said", map[string]any{"bos_token_id": uint32(256)}, 256, true, true},
		{"no", map[string]any{"bos_token_id": uint32(256), "add_bos_token": false}, 256, true, false},
		{"yes", map[string]any{"bos_token_id": uint32(256), "add_bos_token": true}, 256, true, true},
		{"token 0", map[string]any{"bos_token_id": int64(0)}, 0, true, true},
	} {
		file := newFile("<s>").withType(0, 3)
		file.others = test.others
		tokenizer := file.mustOpen(t)
		if id, ok := tokenizer.BeginOfText(); id != test.id || ok != test.ok {
			t.Errorf("%s: BeginOfText() = %d, %t", test.name, id, ok)
		}
		if got := tokenizer.AddsBeginOfText(); got != test.adds {
			t.Errorf("%s: AddsBeginOfText() = %t", test.name, got)
		}
		if id, ok := tokenizer.EndOfText(); ok {
			t.Errorf("%s: EndOfText() = %d", test.name, id)
		}
		ids, err := tokenizer.Encode("x", AddBeginOfText())
		if test.ok && !slices.Equal(ids, []int{test.id, 'x'}) {
			t.Errorf("%s: Encode = %v, %v", test.name, ids, err)
		}
		if !test.ok && !errors.Is(err, ErrVocabulary) {
			t.Errorf("%s: Encode = %v, %v", test.name, ids, err)
		}
	}
}

func TestEndTokens(t *testing.T) {
	const ordinary, special, userDefined, unused = 1, 3, 4, 5
	for _, test := range []struct {
		name   string
		tokens []string
		types  []int32
		others map[string]any
		want   []int
	}{
		{"none", []string{"<s>"}, []int32{special}, nil, nil},
		{"by id", []string{"a", "b", "c"}, []int32{special, special, special}, map[string]any{"eos_token_id": uint32(258), "eot_token_id": uint32(256), "eom_token_id": uint32(257)}, []int{258, 256, 257}},
		{"one id for all", []string{"a"}, []int32{special}, map[string]any{"eos_token_id": uint32(256), "eot_token_id": uint32(256), "eom_token_id": uint32(256)}, []int{256}},
		{"by name", []string{"<|im_start|>", "<|im_end|>", "<|endoftext|>"}, []int32{special, special, special}, nil, []int{258, 257}},
		{"by id and name", []string{"<|endoftext|>", "<|im_end|>"}, []int32{special, special}, map[string]any{"eos_token_id": uint32(257)}, []int{257, 256}},
		{"Llama 3", []string{"<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"}, []int32{special, special, special}, map[string]any{"eos_token_id": uint32(256)}, []int{256, 258, 257}},
		{"Llama 2", []string{"<unk>", "<s>", "</s>"}, []int32{2, special, special}, map[string]any{"eos_token_id": uint32(258)}, []int{258}},
		{"Falcon 3", []string{"<s>", "</s>", "<|endoftext|>"}, []int32{special, special, special}, map[string]any{"eos_token_id": uint32(258)}, []int{258, 257}},
		{"Falcon-E", []string{"<|im_end|>", "<|end_of_text|>"}, []int32{special, special}, map[string]any{"eos_token_id": uint32(257)}, []int{257, 256}},
		{"Gemma", []string{"<end_of_turn>"}, []int32{special}, nil, []int{256}},
		{"others", []string{"<|end_of_turn|>", "<|end|>"}, []int32{special, special}, nil, []int{256, 257}},
		{"user-defined", []string{"<|im_end|>"}, []int32{userDefined}, nil, []int{256}},
		{"a piece of text", []string{"<|im_end|>"}, []int32{ordinary}, nil, nil},
		{"unused", []string{"<|im_end|>"}, []int32{unused}, nil, nil},
		{"false is nothing", []string{"<s>"}, []int32{special}, map[string]any{"add_eos_token": false, "remove_extra_whitespaces": false}, nil},
	} {
		file := newFile(test.tokens...)
		for i, number := range test.types {
			file.withType(i, number)
		}
		for key, value := range test.others {
			file.others[key] = value
		}
		if got := file.mustOpen(t).EndTokens(); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	// Without types, those that keys name are special.
	file := newFile("a", "b")
	file.types, file.others["eot_token_id"] = nil, uint32(257)
	if tokenizer := file.mustOpen(t); !tokenizer.IsSpecial(257) || tokenizer.IsSpecial(256) {
		t.Error("the end of a turn is not special, or another token is")
	}
}

func TestWithoutTokenTypes(t *testing.T) {
	file := newFile("<s>", "</s>", "<x>")
	file.types = nil
	file.others["bos_token_id"] = uint32(256)
	file.others["eos_token_id"] = uint32(257)
	tokenizer := file.mustOpen(t)
	want := []string{"<s>", "</s>", "<", "x", ">"}
	if got := tokenTexts(t, tokenizer, "<s></s><x>"); !slices.Equal(got, want) {
		t.Errorf("tokens are %q, want %q", got, want)
	}
}

func TestAddedTokens(t *testing.T) {
	const special, userDefined = 3, 4
	file := newFile("<a>", "<a>b", "<a>bc>", "tool", "tool", "", "hello")
	for i, number := range []int32{special, special, special, userDefined, special, special, special} {
		file.withType(i, number)
	}
	tokenizer := file.mustOpen(t)
	for _, test := range []struct {
		text        string
		want, plain []string
	}{
		// The longest of those that start at a place, the first place first.
		{"<a>", []string{"<a>"}, []string{"<", "a", ">"}},
		{"<a>bc", []string{"<a>b", "c"}, nil},
		{"<a>bc>", []string{"<a>bc>"}, nil},
		{"<<a>a", []string{"<", "<a>", "a"}, nil},
		{"<a", []string{"<", "a"}, []string{"<", "a"}},
		// What is not special is found in plain text too.
		{"atoolb", []string{"a", "tool", "b"}, []string{"a", "tool", "b"}},
		// A special token is not made of plain text, though it is a piece.
		{"hello", []string{"hello"}, []string{"h", "e", "l", "l", "o"}},
		{"", nil, nil},
	} {
		if got := tokenTexts(t, tokenizer, test.text); !slices.Equal(got, test.want) {
			t.Errorf("%q gives %q, want %q", test.text, got, test.want)
		}
		if test.plain != nil {
			if got := tokenTexts(t, tokenizer, test.text, PlainText()); !slices.Equal(got, test.plain) {
				t.Errorf("%q gives %q when plain, want %q", test.text, got, test.plain)
			}
		}
	}
	// Of two with the same text, the first.
	if id, ok := tokenizer.TokenID("tool"); id != 259 || !ok {
		t.Errorf("TokenID(tool) = %d, %t, want 259", id, ok)
	}
}

func TestDuplicateTokens(t *testing.T) {
	file := newFile("ab", "ab", "a")
	file.merges = []string{"a b"}
	tokenizer := file.mustOpen(t)
	ids, err := tokenizer.Encode("ab a")
	if err != nil || !slices.Equal(ids, []int{256, ' ', 'a'}) {
		t.Errorf("Encode gives %v, %v, want the first of the same tokens", ids, err)
	}
	if got := tokenizer.Decode([]int{256, 257, 258}); got != "ababa" {
		t.Errorf("Decode gives %q", got)
	}
}

func TestUnusedTokens(t *testing.T) {
	const unusedType = 5
	tokenizer := newFile("pad").withType(0, unusedType).mustOpen(t)
	if got := tokenTexts(t, tokenizer, "pad"); !slices.Equal(got, []string{"p", "a", "d"}) {
		t.Errorf("pad gives %q", got)
	}
	if id, ok := tokenizer.TokenID("pad"); ok {
		t.Errorf("TokenID(pad) = %d", id)
	}
	if got := tokenizer.Decode([]int{256}); got != "pad" {
		t.Errorf("the unused token decodes to %q", got)
	}
}

func TestMissingByte(t *testing.T) {
	tokenizer := (&vocabularyFile{tokens: []string{"a", "b", "ab", "cd"}, types: []int32{1, 1, 1, 1}, merges: []string{"a b"}}).mustOpen(t)
	for _, test := range []struct {
		text   string
		offset int
	}{
		{"ab", -1}, {"aabb", -1}, {"cd", -1}, {"abc", 2}, {"ab,ab", 2}, {strings.Repeat("ab", 100) + "é", 200},
	} {
		ids, err := tokenizer.Encode(test.text)
		if test.offset < 0 {
			if err != nil || tokenizer.Decode(ids) != test.text {
				t.Errorf("Encode(%q) = %v, %v", test.text, ids, err)
			}
			continue
		}
		var detail *TextError
		if !errors.As(err, &detail) || detail.Offset != test.offset {
			t.Errorf("Encode(%q) = %v, %v, want a TextError at %d", test.text, ids, err, test.offset)
		}
	}
}

// FuzzVocabulary builds vocabularies of anything.
func FuzzVocabulary(f *testing.F) {
	f.Add("ab\nbc\nabc", []byte{1, 1, 1}, "b c\na b\na bc", uint32(256), "abc bca")
	f.Add("<s>\n<s>x\ntool", []byte{3, 3, 4}, "", uint32(257), "<s>x<s>tool")
	f.Add("ĠĠ\né\n\n", []byte{1, 5, 1, 2}, "Ġ Ġ", uint32(9), "  \n")
	f.Add("\xff\n\xc4", []byte{5, 3}, "\xc4 a", uint32(1), "a")
	f.Add("a\na\na", []byte{1, 4, 3}, "a a", uint32(0), "aaa")
	f.Fuzz(func(t *testing.T, tokens string, types []byte, merges string, beginOfText uint32, text string) {
		file := newFile(strings.Split(tokens, "\n")...)
		all := file.types.([]int32)
		for i, number := range types {
			if i < len(all)-256 {
				all[256+i] = int32(number)
			}
		}
		if merges != "" {
			file.merges = strings.Split(merges, "\n")
		}
		file.others["bos_token_id"] = beginOfText
		tokenizer, err := file.open(t)
		if err != nil {
			if !errors.Is(err, ErrVocabulary) {
				t.Fatalf("the error is not ErrVocabulary: %v", err)
			}
			return
		}
		checkRoundTrip(t, tokenizer, text)
	})
}

// checkRoundTrip checks what holds for a text with any vocabulary.
func checkRoundTrip(t *testing.T, tokenizer *Tokenizer, text string) {
	t.Helper()
	for _, options := range [][]EncodeOption{nil, {PlainText()}} {
		ids, err := tokenizer.Encode(text, options...)
		if err != nil {
			var detail *TextError
			if !errors.As(err, &detail) || detail.Offset < 0 || detail.Offset >= len(text) {
				t.Fatalf("Encode(%q): %v", text, err)
			}
			continue
		}
		if got := tokenizer.Decode(ids); got != text {
			t.Errorf("Encode and Decode make %q of %q", got, text)
		}
		for _, id := range ids {
			if id < 0 || id >= tokenizer.VocabularySize() {
				t.Errorf("Encode(%q) gives the id %d of %d", text, id, tokenizer.VocabularySize())
			}
			if options != nil && tokenizer.IsSpecial(id) {
				t.Errorf("plain text %q gives the special token %d", text, id)
			}
		}
	}
}
