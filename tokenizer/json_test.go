package tokenizer

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

// smallJSON returns a tokenizer.json of the 256 bytes, two tokens made of
// them, and some that are added.
func smallJSON() object {
	vocabulary := make(object)
	for b := range 256 {
		vocabulary[writeByteLevel(string([]byte{byte(b)}))] = b
	}
	vocabulary["ab"] = 256
	vocabulary["hello"] = 257
	addedTokens := []object{
		{"id": 258, "content": "<|begin_of_text|>", "special": true, "normalized": false},
		{"id": 259, "content": "<|end_of_text|>", "special": true, "normalized": false},
		{"id": 260, "content": "<tool>", "special": false, "normalized": true},
	}
	file := jsonWith(vocabulary, []any{"a b"}, addedTokens)
	steps := file["post_processor"].(object)["processors"].([]any)
	steps[1].(object)["special_tokens"].(object)["<|begin_of_text|>"].(object)["ids"] = []int{258}
	return file
}

// at returns the object below the keys given; a number is an index.
func at(file any, path ...any) object {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			file = file.(object)[step]
		case int:
			switch list := file.(type) {
			case []any:
				file = list[step]
			case []object:
				file = list[step]
			}
		}
	}
	return file.(object)
}

func marshal(t testing.TB, file any) []byte {
	t.Helper()
	data, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestJSONForms(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(file object)
		text   string
		want   []string
	}{
		{"as published", func(object) {}, "<|begin_of_text|>ab hello<tool>", []string{"<|begin_of_text|>", "ab", " ", "h", "e", "l", "l", "o", "<tool>"}},
		{"whole piece", func(object) {}, "hello", []string{"hello"}},
		{"merges as pairs", func(f object) { at(f, "model")["merges"] = []any{[]string{"a", "b"}} }, "ab1", []string{"ab", "1"}},
		{"merges as both", func(f object) {
			at(f, "model")["merges"] = []any{"a b", []string{"h", "e"}}
			at(f, "model", "vocab")["he"] = 261
		}, "hea", []string{"he", "a"}},
		{"merging always", func(f object) { at(f, "model")["ignore_merges"] = false }, "hello", []string{"h", "e", "l", "l", "o"}},
		{"no ignore_merges", func(f object) { delete(at(f, "model"), "ignore_merges") }, "hello", []string{"h", "e", "l", "l", "o"}},
		{"no model type", func(f object) { delete(at(f, "model"), "type") }, "ab", []string{"ab"}},
		{"empty normalizer", func(f object) { f["normalizer"] = object{"type": "Sequence", "normalizers": []any{}} }, "ab", []string{"ab"}},
		{"no normalizer", func(f object) { delete(f, "normalizer") }, "ab", []string{"ab"}},
		{"no decoder", func(f object) { delete(f, "decoder") }, "ab", []string{"ab"}},
		{"added token in the vocabulary too", func(f object) { at(f, "model", "vocab")["<tool>"] = 260 }, "a<tool>", []string{"a", "<tool>"}},
		{"no added tokens", func(f object) { delete(f, "added_tokens"); delete(f, "post_processor") }, "<tool>", []string{"<", "t", "o", "o", "l", ">"}},
		// Tokens that are searched in normalized text are searched last.
		{"late added token", func(f object) {
			at(f, "added_tokens", 2)["content"] = "a<|end"
		}, "a<|end_of_text|>a<|end", []string{"a", "<|end_of_text|>", "a<|end"}},
		{"early added token", func(f object) {
			at(f, "added_tokens", 2)["content"] = "a<|end"
			at(f, "added_tokens", 2)["normalized"] = false
		}, "a<|end_of_text|>a<|end", []string{"a<|end", "_", "o", "f", "_", "t", "e", "x", "t", "|", ">", "a<|end"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := smallJSON()
			test.change(file)
			tokenizer, err := openBytes(t, marshal(t, file))
			if err != nil {
				t.Fatal(err)
			}
			if got := tokenTexts(t, tokenizer, test.text); !slices.Equal(got, test.want) {
				t.Errorf("%q gives %q, want %q", test.text, got, test.want)
			}
		})
	}
}

func TestJSONEscapes(t *testing.T) {
	data := string(marshal(t, smallJSON()))
	for plain, escaped := range map[string]string{`"ab"`: `"\u0061b"`, `"a b"`: `"a\u0020\u0062"`, `"Ġ"`: `"\u0120"`, `hello`: `h\u0065llo`} {
		changed := strings.Replace(data, plain, escaped, 1)
		if changed == data {
			t.Fatalf("no %s", plain)
		}
		data = changed
	}
	tokenizer, err := openBytes(t, []byte(" \n"+data+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := tokenTexts(t, tokenizer, `ab hello "\`); !slices.Equal(got, []string{"ab", " ", "h", "e", "l", "l", "o", " ", `"`, `\`}) {
		t.Errorf("tokens are %q", got)
	}
}

// TestJSONByteOrderMark opens a file as programs under Windows save it.
func TestJSONByteOrderMark(t *testing.T) {
	data := marshal(t, smallJSON())
	if _, err := openBytes(t, append([]byte("\ufeff\r\n"), data...)); err != nil {
		t.Error(err)
	}
	if _, err := openBytes(t, append([]byte("\ufeff\ufeff"), data...)); !errors.Is(err, ErrVocabulary) {
		t.Errorf("two marks: %v", err)
	}
}

func TestJSONTextEnds(t *testing.T) {
	steps := func(f object) []any { return f["post_processor"].(object)["processors"].([]any) }
	for _, test := range []struct {
		name   string
		change func(file object)
		begin  int
		adds   bool
	}{
		{"template", func(object) {}, 258, true},
		{"other token", func(f object) {
			at(steps(f)[1], "special_tokens", "<|begin_of_text|>")["ids"] = []int{259}
		}, 259, true},
		{"template alone", func(f object) { f["post_processor"] = steps(f)[1] }, 258, true},
		{"template without a token", func(f object) {
			at(steps(f)[1])["single"] = []any{object{"Sequence": object{"id": "A"}}}
		}, 258, false},
		{"no template", func(f object) { f["post_processor"] = steps(f)[0] }, 258, false},
		{"no post-processor", func(f object) { f["post_processor"] = nil }, 258, false},
		{"not special", func(f object) {
			f["post_processor"] = nil
			at(f, "added_tokens", 0)["special"] = false
		}, none, false},
	} {
		file := smallJSON()
		test.change(file)
		tokenizer, err := fromJSON(marshal(t, file))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		id, ok := tokenizer.BeginOfText()
		if !ok {
			id = none
		}
		if id != test.begin || tokenizer.AddsBeginOfText() != test.adds {
			t.Errorf("%s: begin-of-text is %d, added: %t", test.name, id, tokenizer.AddsBeginOfText())
		}
		if id, ok := tokenizer.EndOfText(); id != 259 || !ok || !slices.Equal(tokenizer.EndTokens(), []int{259}) {
			t.Errorf("%s: EndOfText() = %d, %t, EndTokens() = %v", test.name, id, ok, tokenizer.EndTokens())
		}
	}
}

func TestJSONErrors(t *testing.T) {
	model := func(key string, value any) func(object) {
		return func(f object) { at(f, "model")[key] = value }
	}
	vocabulary := func(text string, id any) func(object) {
		return func(f object) { at(f, "model", "vocab")[text] = id }
	}
	addedToken := func(key string, value any) func(object) {
		return func(f object) { at(f, "added_tokens", 2)[key] = value }
	}
	preTokenizer := func(step int, key string, value any) func(object) {
		return func(f object) { at(f, "pre_tokenizer", "pretokenizers", step)[key] = value }
	}
	template := func(key string, value any) func(object) {
		return func(f object) { at(f, "post_processor", "processors", 1)[key] = value }
	}
	special := object{"SpecialToken": object{"id": "<|begin_of_text|>"}}
	text := object{"Sequence": object{"id": "A"}}
	for _, test := range []struct {
		name        string
		change      func(file object)
		key         string
		index       int
		unsupported bool
	}{
		{"empty", func(f object) { clear(f) }, "pre_tokenizer", -1, true},
		{"normalizer", func(f object) { f["normalizer"] = object{"type": "NFKC"} }, "normalizer", -1, true},
		{"token in normal form", func(f object) { f["normalizer"] = object{"type": "NFC"} }, "added_tokens", 2, true},
		{"normalizers", func(f object) {
			f["normalizer"] = object{"type": "Sequence", "normalizers": []any{object{"type": "Prepend"}}}
		}, "normalizer", -1, true},
		{"normalizer no object", func(f object) { f["normalizer"] = "NFC" }, "tokenizer.json", -1, false},
		{"no pre-tokenizer", func(f object) { f["pre_tokenizer"] = nil }, "pre_tokenizer", -1, true},
		{"Falcon's pre-tokenizer", func(f object) {
			f["pre_tokenizer"] = sequence(object{"type": "Punctuation", "behavior": "Contiguous"}, byteLevel(true), object{"type": "Digits"}, splitAt(threeDigits))
		}, "pre_tokenizer", -1, true},
		{"step behind ByteLevel", func(f object) { f["pre_tokenizer"] = sequence(byteLevel(true), splitAt(threeDigits)) }, "pre_tokenizer", -1, true},
		{"no ByteLevel", func(f object) { f["pre_tokenizer"] = splitAt(llama3Expression) }, "pre_tokenizer", -1, true},
		{"other expression", preTokenizer(0, "pattern", object{"Regex": `\s+`}), "pre_tokenizer", -1, true},
		{"split at a string", preTokenizer(0, "pattern", object{"String": llama3Expression}), "pre_tokenizer", -1, true},
		{"split removes", preTokenizer(0, "behavior", "Removed"), "pre_tokenizer", -1, true},
		{"split inverted", preTokenizer(0, "invert", true), "pre_tokenizer", -1, true},
		{"prefix space", preTokenizer(1, "add_prefix_space", true), "pre_tokenizer", -1, true},
		{"regex of its own", preTokenizer(1, "use_regex", true), "pre_tokenizer", -1, true},
		{"other step", preTokenizer(1, "type", "Whitespace"), "pre_tokenizer", -1, true},
		{"other decoder", func(f object) { f["decoder"] = object{"type": "Metaspace"} }, "decoder", -1, true},
		{"other post-processor", func(f object) { f["post_processor"] = object{"type": "BertProcessing"} }, "post_processor", -1, true},
		{"two tokens before a text", template("single", []any{special, special, text}), "post_processor", -1, true},
		{"two tokens after a text", template("single", []any{text, special, special}), "post_processor", -1, true},
		{"text twice", template("single", []any{text, text}), "post_processor", -1, true},
		{"template without text", template("single", []any{special}), "post_processor", -1, true},
		{"template without parts", template("single", []any{}), "post_processor", -1, true},
		{"template of the second text", template("single", []any{object{"Sequence": object{"id": "B"}}}), "post_processor", -1, true},
		{"template of an unknown token", template("special_tokens", object{}), "post_processor", -1, false},
		{"template of no special token", template("special_tokens", object{"<|begin_of_text|>": object{"ids": []int{1}}}), "post_processor", -1, false},
		{"other model", model("type", "Unigram"), "model.type", -1, true},
		{"dropout", model("dropout", 0.1), "model.dropout", -1, true},
		{"unknown token", model("unk_token", "<unk>"), "model.unk_token", -1, true},
		{"prefix", model("continuing_subword_prefix", "##"), "model.continuing_subword_prefix", -1, true},
		{"suffix", model("end_of_word_suffix", "</w>"), "model.end_of_word_suffix", -1, true},
		{"byte fallback", model("byte_fallback", true), "pre_tokenizer", -1, true},
		{"no vocabulary", model("vocab", nil), "model.vocab", -1, false},
		{"vocabulary a list", model("vocab", []any{"a"}), "model.vocab", -1, false},
		{"no token at all", func(f object) { model("vocab", object{})(f); f["added_tokens"] = nil }, "model.vocab", -1, false},
		{"id a text", vocabulary("x", "1"), "model.vocab", -1, false},
		{"id negative", vocabulary("x", -1), "model.vocab", -1, false},
		{"id a fraction", vocabulary("xy", 261.5), "model.vocab", -1, false},
		{"id with exponent", func(f object) { vocabulary("xy", json.RawMessage("1e2"))(f) }, "model.vocab", -1, false},
		{"id beyond", vocabulary("xy", 262), "model.vocab", -1, false},
		{"id huge", vocabulary("xy", uint64(1)<<63), "model.vocab", -1, false},
		{"id overflowing", func(f object) { vocabulary("xy", json.RawMessage("99999999999999999999999999999"))(f) }, "model.vocab", -1, false},
		{"id missing", func(f object) {
			vocabulary("<tool>", 260)(f) // makes up for the missing one in number
			delete(at(f, "model", "vocab"), "hello")
		}, "model.vocab", 257, false},
		{"id twice", vocabulary("xy", 256), "model.vocab", 256, false},
		{"id of an added token", vocabulary("xy", 260), "model.vocab", 260, false},
		{"not byte-level", vocabulary("x y", 261), "model.vocab", 261, false},
		{"half a surrogate pair", func(f object) { at(f, "model")["vocab"] = json.RawMessage(`{"\ud800":0}`); f["added_tokens"] = nil }, "model.vocab", 0, false},
		{"added token elsewhere", vocabulary("<tool>", 261), "model.vocab", 261, false},
		{"added without content", addedToken("content", ""), "added_tokens", 2, false},
		{"added too long", addedToken("content", strings.Repeat("x", maxAddedBytes+1)), "model.vocab", 260, true},
		{"added twice", addedToken("content", "<|end_of_text|>"), "added_tokens", 2, false},
		{"added with the same id", addedToken("id", 259), "added_tokens", 2, false},
		{"added with the id of another", addedToken("id", 'x'), "model.vocab", 'x', false},
		{"added beyond", addedToken("id", uint32(1<<31)), "added_tokens", 2, false},
		{"added id negative", addedToken("id", -1), "tokenizer.json", -1, false},
		{"added single word", addedToken("single_word", true), "added_tokens", 2, true},
		{"added strips left", addedToken("lstrip", true), "added_tokens", 2, true},
		{"added strips right", addedToken("rstrip", true), "added_tokens", 2, true},
		{"no merges", model("merges", nil), "model.merges", -1, false},
		{"merges an object", model("merges", object{"a": "b"}), "model.merges", -1, false},
		{"merge without space", model("merges", []any{"a b", "ab"}), "model.merges", 1, false},
		{"merge a number", model("merges", []any{1}), "model.merges", 0, false},
		{"merge null", model("merges", []any{nil}), "model.merges", 0, false},
		{"merge of one", model("merges", []any{[]any{"a"}}), "model.merges", 0, false},
		{"merge of none", model("merges", []any{[]any{}}), "model.merges", 0, false},
		{"merge of three", model("merges", []any{[]any{"a", "b", "c"}}), "model.merges", 0, false},
		{"merge of numbers", model("merges", []any{[]any{"a", 1}}), "model.merges", 0, false},
		{"merge unknown", model("merges", []any{"a b", "h ello"}), "model.merges", 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := smallJSON()
			test.change(file)
			_, err := openBytes(t, marshal(t, file))
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
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the message is not one line: %q", err)
			}
		})
	}
	for _, data := range []string{"{", "{}{}", "{\"model\":\"\xff\"}", `{"model":{"vocab":{"a":0,}}}`} {
		if _, err := openBytes(t, []byte(data)); !errors.Is(err, ErrVocabulary) {
			t.Errorf("%q: %v", data, err)
		}
	}
}

// FuzzJSON opens any tokenizer.json.
func FuzzJSON(f *testing.F) {
	file := smallJSON()
	f.Add(marshal(f, file), "ab<tool>")
	at(file, "model")["vocab"] = object{"a": 0, "b": 1, "ab": 2}
	at(file, "model")["merges"] = []any{[]string{"a", "b"}}
	delete(file, "added_tokens")
	delete(file, "post_processor")
	f.Add(marshal(f, file), "abba")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		tokenizer, err := fromJSON(data)
		if err != nil {
			if !errors.Is(err, ErrVocabulary) {
				t.Fatalf("the error is not ErrVocabulary: %v", err)
			}
			return
		}
		checkRoundTrip(t, tokenizer, text)
	})
}

// FuzzJSONParts puts any vocabulary and merges into a file that is right
// otherwise.
func FuzzJSONParts(f *testing.F) {
	f.Add([]byte(`{"a":0,"b":1,"ab":2}`), []byte(`["a b"]`), []byte(`[{"id":3,"content":"<x>","special":true}]`), "ab<x>")
	f.Add([]byte(`{ "\u0061" : 0 , "b":1,"ab":2 }`), []byte(`[ [ "a" , "b" ] ]`), []byte(`[]`), "ab")
	f.Add([]byte(`{}`), []byte(`[]`), []byte(`null`), "")
	base := smallJSON()
	delete(base, "post_processor")
	f.Fuzz(func(t *testing.T, vocabulary, merges, addedTokens []byte, text string) {
		if !json.Valid(vocabulary) || !json.Valid(merges) || !json.Valid(addedTokens) {
			return
		}
		at(base, "model")["vocab"] = json.RawMessage(vocabulary)
		at(base, "model")["merges"] = json.RawMessage(merges)
		base["added_tokens"] = json.RawMessage(addedTokens)
		tokenizer, err := fromJSON(marshal(t, base))
		if err != nil {
			if !errors.Is(err, ErrVocabulary) {
				t.Fatalf("the error is not ErrVocabulary: %v", err)
			}
			return
		}
		checkRoundTrip(t, tokenizer, text)
	})
}
