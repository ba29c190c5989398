package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// The vocabularies of Llama 2 and GPT-2 in the forms that files have them, derived
// from the tokens in testdata.

// readTokens returns the tokens of a file that has their lengths, a byte each,
// before their bytes.
func readTokens(name string, count int) []string {
	data := readTestdata(name)
	lengths, text := data[:count], string(data[count:])
	tokens := make([]string, count)
	for id, length := range lengths {
		tokens[id], text = text[:length], text[length:]
	}
	return tokens
}

var llama2Tokens = sync.OnceValue(func() []string { return readTokens("llama2-tokens.bz2", 32_000) })

const (
	llama2Unknown     = 0
	llama2BeginOfText = 1
	llama2EndOfText   = 2
	llama2Bytes       = 3 // the first of 256
	llama2Pieces      = 259
)

// llama2Score returns the score that the published vocabulary gives a token: runs
// of blanks are joined last.
func llama2Score(id int) float32 {
	switch token := llama2Tokens()[id]; {
	case id < llama2Pieces:
		return 0
	case strings.Trim(token, blankMark) == "":
		return -1e9
	}
	return -float32(id - llama2Pieces)
}

func llama2Metadata() object {
	tokens := llama2Tokens()
	scores, types := make([]float32, len(tokens)), make([]int32, len(tokens))
	for id := range tokens {
		scores[id] = llama2Score(id)
		switch {
		case id == llama2Unknown:
			types[id] = 2
		case id < llama2Bytes:
			types[id] = 3
		case id < llama2Pieces:
			types[id] = 6
		default:
			types[id] = 1
		}
	}
	return object{
		keyModel: "llama", keySplitter: "default", keyTokens: tokens, keyScores: scores, keyTokenTypes: types,
		keyBeginOfText: uint32(llama2BeginOfText), keyEndOfText: uint32(llama2EndOfText), keyUnknown: uint32(llama2Unknown),
		keyAddsBeginOfText: true, keyAddsEndOfText: false, keyAddsBlank: true,
	}
}

var llama2Tokenizer = sync.OnceValue(func() *Tokenizer {
	file, err := gguf.Parse(writeGGUF(llama2Metadata()))
	if err != nil {
		panic(err)
	}
	t, err := FromGGUF(file)
	if err != nil {
		panic(err)
	}
	return t
})

// llama2JSON returns what Llama 2 repositories publish as tokenizer.json.
func llama2JSON() object {
	vocabulary := make(object)
	ids := make(map[string]int)
	for id, token := range llama2Tokens() {
		vocabulary[token], ids[token] = id, id
	}
	// Every way to join two tokens to a third is a merge, in the order of the
	// joined token's score, the left and the right token.
	type merge struct {
		left, right string
		score       float32
	}
	var all []merge
	for id, token := range llama2Tokens()[llama2Pieces:] {
		for cut := range token {
			_, isToken := ids[token[:cut]]
			_, areTokens := ids[token[cut:]]
			if isToken && areTokens {
				all = append(all, merge{token[:cut], token[cut:], llama2Score(llama2Pieces + id)})
			}
		}
	}
	slices.SortFunc(all, func(a, b merge) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(ids[a.left], ids[b.left]), cmp.Compare(ids[a.right], ids[b.right]))
	})
	merges := make([]string, len(all))
	for i, m := range all {
		merges[i] = m.left + " " + m.right
	}
	return sentencePieceJSON(vocabulary, merges)
}

// sentencePieceJSON returns a tokenizer.json as Llama 2 repositories have it, but
// for the vocabulary.
func sentencePieceJSON(vocabulary object, merges []string) object {
	var addedTokens []object
	for id, token := range []string{"<unk>", "<s>", "</s>"} {
		addedTokens = append(addedTokens, object{
			"id": id, "content": token, "special": true,
			"single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
		})
	}
	blank := object{"String": " "}
	mark := object{"String": blankMark}
	begin := object{"SpecialToken": object{"id": "<s>", "type_id": 0}}
	text := object{"Sequence": object{"id": "A", "type_id": 0}}
	return object{
		"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": addedTokens,
		"normalizer": object{"type": "Sequence", "normalizers": []any{
			object{"type": "Prepend", "prepend": blankMark},
			object{"type": "Replace", "pattern": blank, "content": blankMark},
		}},
		"pre_tokenizer": nil,
		"post_processor": object{
			"type": "TemplateProcessing", "single": []any{begin, text}, "pair": []any{begin, text, begin, text},
			"special_tokens": object{"<s>": object{"id": "<s>", "ids": []int{llama2BeginOfText}, "tokens": []string{"<s>"}}},
		},
		"decoder": object{"type": "Sequence", "decoders": []any{
			object{"type": "Replace", "pattern": mark, "content": " "},
			object{"type": "ByteFallback"},
			object{"type": "Fuse"},
			object{"type": "Strip", "content": " ", "start": 1, "stop": 0},
		}},
		"model": object{
			"type": "BPE", "dropout": nil, "unk_token": "<unk>", "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
			"fuse_unk": true, "byte_fallback": true, "vocab": vocabulary, "merges": merges,
		},
	}
}

func TestLlama2Golden(t *testing.T) {
	for _, form := range []struct {
		name string
		data []byte
	}{
		{"GGUF", writeGGUF(llama2Metadata())},
		{"tokenizer.json", writeJSON(llama2JSON())},
	} {
		t.Run(form.name, func(t *testing.T) {
			tokenizer, err := openBytes(t, form.data)
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, tokenizer, goldenCases(t, "llama2-golden.jsonl.bz2", 411))
			if id, ok := tokenizer.BeginOfText(); id != llama2BeginOfText || !ok || !tokenizer.AddsBeginOfText() {
				t.Errorf("BeginOfText() = %d, %t, added: %t", id, ok, tokenizer.AddsBeginOfText())
			}
			if id, ok := tokenizer.EndOfText(); id != llama2EndOfText || !ok || tokenizer.AddsEndOfText() {
				t.Errorf("EndOfText() = %d, %t, added: %t", id, ok, tokenizer.AddsEndOfText())
			}
			if got := tokenizer.EndTokens(); !slices.Equal(got, []int{llama2EndOfText}) {
				t.Errorf("EndTokens() = %v", got)
			}
		})
	}
}

var gpt2Tokens = sync.OnceValue(func() []string { return readTokens("gpt2-tokens.bz2", 50_256) })

const gpt2EndOfText = 50_256

// gpt2Merges derives the merges: each token but the bytes is joined from the two
// that merging with the merges before leaves of it.
var gpt2Merges = sync.OnceValue(func() (merges []string) {
	tokens := gpt2Tokens()
	ids := make(map[string]int)
	for id, token := range tokens {
		ids[token] = id
	}
	for id, token := range tokens[256:] {
		parts := strings.Split(writeByteLevel(token), "")
		for i := range parts {
			parts[i] = token[i : i+1]
		}
		for len(parts) > 2 {
			best, bestID := -1, 256+id
			for i := range len(parts) - 1 {
				if joined, ok := ids[parts[i]+parts[i+1]]; ok && joined < bestID {
					best, bestID = i, joined
				}
			}
			if best < 0 {
				panic(fmt.Sprintf("token %d, %q, is not the result of a merge", 256+id, token))
			}
			parts[best] += parts[best+1]
			parts = slices.Delete(parts, best+1, best+2)
		}
		merges = append(merges, writeByteLevel(parts[0])+" "+writeByteLevel(parts[1]))
	}
	return merges
})

func TestGPT2Golden(t *testing.T) {
	var tokens []string
	vocabulary := make(object)
	types := make([]int32, 0, gpt2EndOfText+1)
	for id, token := range gpt2Tokens() {
		written := writeByteLevel(token)
		tokens, types = append(tokens, written), append(types, 1)
		vocabulary[written] = id
	}
	const end = "<|endoftext|>"
	tokens, types = append(tokens, end), append(types, 3)
	contents := jsonWith(vocabulary, gpt2Merges(), []object{{"id": gpt2EndOfText, "content": end, "special": true}})
	contents["pre_tokenizer"] = byteLevel(true)
	contents["post_processor"] = byteLevel(true)
	at(contents, "model")["ignore_merges"] = false
	for _, form := range []struct {
		name string
		data []byte
	}{
		{"GGUF", writeGGUF(object{
			keyModel: "gpt2", keySplitter: "gpt-2", keyTokens: tokens, keyTokenTypes: types, keyMerges: gpt2Merges(),
			keyBeginOfText: uint32(gpt2EndOfText), keyEndOfText: uint32(gpt2EndOfText),
		})},
		{"tokenizer.json", writeJSON(contents)},
	} {
		t.Run(form.name, func(t *testing.T) {
			tokenizer, err := openBytes(t, form.data)
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, tokenizer, goldenCases(t, "gpt2-golden.jsonl.bz2", 431))
			if id, ok := tokenizer.EndOfText(); id != gpt2EndOfText || !ok || tokenizer.AddsBeginOfText() {
				t.Errorf("EndOfText() = %d, %t, begin-of-text added: %t", id, ok, tokenizer.AddsBeginOfText())
			}
		})
	}
}
