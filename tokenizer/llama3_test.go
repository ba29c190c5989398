package tokenizer

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// The vocabulary of Llama 3 in the forms that files have it, derived from the
// ranked tokens in testdata.

const testdata = "../testdata/tokenizer/"

// llama3Ranks returns the ranked tokens.
var llama3Ranks = sync.OnceValue(func() []string {
	const (
		count = 128_000
		// Of the ranks in tiktoken's format.
		wantSum = "82e9d31979e92ab929cd544440f129d9ecd797b69e327f80f17e1c50d5551b55"
	)
	file, err := os.Open(testdata + "llama3-tokens.gz")
	if err != nil {
		panic(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		panic(err)
	}
	data, err := io.ReadAll(unzipped)
	if err != nil {
		panic(err)
	}
	lengths, text := data[:count], string(data[count:])
	tokens := make([]string, count)
	sum := sha256.New()
	for rank, length := range lengths {
		tokens[rank], text = text[:length], text[length:]
		fmt.Fprintf(sum, "%s %d\n", base64.StdEncoding.EncodeToString([]byte(tokens[rank])), rank)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != wantSum {
		panic("llama3-tokens.gz is not the Llama 3 vocabulary: SHA-256 " + got)
	}
	return tokens
})

// llama3Vocabulary is a vocabulary as files write it down.
type llama3Vocabulary struct {
	tokens []string // in the byte-level alphabet
	types  []int32
	merges []string
}

const (
	llama3BeginOfText = 128_000
	llama3EndOfText   = 128_001
	llama3EndOfTurn   = 128_009
)

var llama3 = sync.OnceValue(func() (v llama3Vocabulary) {
	ranked := llama3Ranks()
	rankOf := make(map[string]int, len(ranked))
	for rank, token := range ranked {
		rankOf[token] = rank
		v.tokens = append(v.tokens, writeByteLevel(token))
		v.types = append(v.types, 1)
	}
	// Every way to join two tokens to a third is a merge, in the order of the
	// ranks of the joined, the left and the right token.
	for _, token := range ranked {
		var splits [][2]int
		for cut := 1; cut < len(token); cut++ {
			left, isToken := rankOf[token[:cut]]
			right, areTokens := rankOf[token[cut:]]
			if isToken && areTokens {
				splits = append(splits, [2]int{left, right})
			}
		}
		slices.SortFunc(splits, func(a, b [2]int) int {
			return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
		})
		for _, split := range splits {
			v.merges = append(v.merges, v.tokens[split[0]]+" "+v.tokens[split[1]])
		}
	}
	named := map[int]string{
		0: "<|begin_of_text|>", 1: "<|end_of_text|>",
		6: "<|start_header_id|>", 7: "<|end_header_id|>", 9: "<|eot_id|>",
	}
	reserved := 0
	for i := range 256 {
		name, ok := named[i]
		if !ok {
			name = fmt.Sprintf("<|reserved_special_token_%d|>", reserved)
			reserved++
		}
		v.tokens = append(v.tokens, name)
		v.types = append(v.types, 3)
	}
	return v
})

// writeByteLevel writes bytes in the byte-level alphabet: those that are
// printable as they are, the others as characters from U+0100 on.
func writeByteLevel(token string) string {
	var written strings.Builder
	for i := range len(token) {
		written.WriteRune(byteLevelRunes()[token[i]])
	}
	return written.String()
}

var byteLevelRunes = sync.OnceValue(func() (runes [256]rune) {
	next := rune(256)
	for b := range rune(256) {
		switch {
		case b > 32 && b < 127, b > 160 && b != 173:
			runes[b] = b
		default:
			runes[b] = next
			next++
		}
	}
	return runes
})

// llama3GGUF returns a GGUF without tensors that has what the published
// BitNet-b1.58-2B-4T file has below "tokenizer.".
var llama3GGUF = sync.OnceValue(func() []byte { return writeGGUF(llama3Metadata()) })

func llama3Metadata() object {
	v := llama3()
	return object{
		"general.architecture":            "bitnet-b1.58",
		"bitnet-b1.58.vocab_size":         uint32(len(v.tokens)),
		"tokenizer.ggml.add_bos_token":    true,
		"tokenizer.ggml.model":            "gpt2",
		"tokenizer.ggml.tokens":           v.tokens,
		"tokenizer.ggml.scores":           make([]float32, len(v.tokens)),
		"tokenizer.ggml.token_type":       v.types,
		"tokenizer.ggml.merges":           v.merges,
		"tokenizer.ggml.bos_token_id":     uint32(llama3BeginOfText),
		"tokenizer.ggml.eos_token_id":     uint32(llama3EndOfText),
		"tokenizer.ggml.padding_token_id": uint32(llama3EndOfText),
	}
}

// writeGGUF returns a GGUF without tensors that has this metadata.
func writeGGUF(metadata object) []byte {
	var file bytes.Buffer
	w := gguf.NewWriter(&file)
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		if err := w.Set(key, metadata[key]); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return file.Bytes()
}

// llama3JSON returns what Llama 3 repositories publish as tokenizer.json.
var llama3JSON = sync.OnceValue(func() []byte {
	v := llama3()
	vocabulary := make(object)
	var addedTokens []object
	for id, token := range v.tokens {
		if id < llama3BeginOfText {
			vocabulary[token] = id
			continue
		}
		addedTokens = append(addedTokens, object{
			"id": id, "content": token, "special": true,
			"single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
		})
	}
	return writeJSON(jsonWith(vocabulary, v.merges, addedTokens))
})

// writeJSON returns a tokenizer.json.
func writeJSON(contents object) []byte {
	var file bytes.Buffer
	encoder := json.NewEncoder(&file)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(contents); err != nil {
		panic(err)
	}
	return file.Bytes()
}

type object = map[string]any

// jsonWith returns a tokenizer.json as Llama 3 repositories have it, but for
// the vocabulary.
func jsonWith(vocabulary object, merges any, addedTokens []object) object {
	bos := object{"SpecialToken": object{"id": "<|begin_of_text|>", "type_id": 0}}
	text := object{"Sequence": object{"id": "A", "type_id": 0}}
	return object{
		"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": addedTokens, "normalizer": nil,
		"pre_tokenizer": sequence(splitAt(llama3Expression), byteLevel(false)),
		"post_processor": object{"type": "Sequence", "processors": []any{
			object{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
			object{
				"type": "TemplateProcessing", "single": []any{bos, text}, "pair": []any{bos, text},
				"special_tokens": object{"<|begin_of_text|>": object{"id": "<|begin_of_text|>", "ids": []int{llama3BeginOfText}, "tokens": []string{"<|begin_of_text|>"}}},
			},
		}},
		"decoder": object{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
		"model": object{
			"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
			"fuse_unk": false, "byte_fallback": false, "ignore_merges": true, "vocab": vocabulary, "merges": merges,
		},
	}
}

// sequence returns a pre-tokenizer of several steps.
func sequence(steps ...any) object { return object{"type": "Sequence", "pretokenizers": steps} }

func splitAt(expression string) object {
	return object{"type": "Split", "pattern": object{"Regex": expression}, "behavior": "Isolated", "invert": false}
}

func byteLevel(splits bool) object {
	return object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": splits}
}

// llama3Tokenizer returns the tokenizer of the GGUF.
var llama3Tokenizer = sync.OnceValue(func() *Tokenizer {
	file, err := gguf.Parse(llama3GGUF())
	if err != nil {
		panic(err)
	}
	t, err := FromGGUF(file)
	if err != nil {
		panic(err)
	}
	return t
})

// openBytes opens a file with these contents.
func openBytes(t testing.TB, data []byte) (*Tokenizer, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vocabulary")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return Open(path)
}

// Llama3File writes the GGUF to a file, for the examples.
func Llama3File() (path string, remove func()) {
	directory, err := os.MkdirTemp("", "tokenizer")
	if err != nil {
		panic(err)
	}
	path = filepath.Join(directory, "llama3.gguf")
	if err := os.WriteFile(path, llama3GGUF(), 0o600); err != nil {
		panic(err)
	}
	return path, func() { os.RemoveAll(directory) }
}
