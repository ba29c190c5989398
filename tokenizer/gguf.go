package tokenizer

import (
	"bytes"
	"errors"
	"sync"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// The metadata that describes a vocabulary.
const (
	keyModel           = "tokenizer.ggml.model"
	keySplitter        = "tokenizer.ggml.pre"
	keyTokens          = "tokenizer.ggml.tokens"
	keyTokenTypes      = "tokenizer.ggml.token_type"
	keyMerges          = "tokenizer.ggml.merges"
	keyBeginOfText     = "tokenizer.ggml.bos_token_id"
	keyEndOfText       = "tokenizer.ggml.eos_token_id"
	keyEndOfTurn       = "tokenizer.ggml.eot_token_id"
	keyEndOfMessage    = "tokenizer.ggml.eom_token_id" // before the answer of a tool
	keyAddsBeginOfText = "tokenizer.ggml.add_bos_token"
)

// ggufRefused are the keys that ask for something that is not implemented where
// they are true.
var ggufRefused = []struct{ key, asks string }{
	{"tokenizer.ggml.add_space_prefix", "a space before every text"},
	{"tokenizer.ggml.add_eos_token", "end-of-text behind every text"},
	{"tokenizer.ggml.add_sep_token", "a separator behind every text"},
	{"tokenizer.ggml.remove_extra_whitespaces", "one blank for several"},
}

// ggufKinds translates the numbers of tokenizer.ggml.token_type: from 1 on
// normal, unknown, control, user-defined and unused. The sixth, byte, belongs
// to vocabularies of another kind.
var ggufKinds = [...]kind{1: ordinary, 2: special, 3: special, 4: added, 5: unused}

// FromGGUF builds a tokenizer from the metadata of a GGUF. It keeps nothing of
// the file, which may be closed afterwards.
//
// It reads, all below "tokenizer.ggml.": model (must be gpt2), pre (if there
// is one, must name Llama 3's splitter), tokens, token_type (without it all
// tokens are normal but those that the next keys name), bos_token_id,
// eos_token_id, eot_token_id and eom_token_id (which end a text, a turn, a
// message), add_bos_token (true if it is missing and there is a begin-of-text
// token, as Llama 3 has it) and merges. What else would change the tokens of a
// text (add_space_prefix, add_eos_token …) must be false.
//
// Of tokens with the same text, the first is the one that Encode gives; all of
// them decode. The error is a [VocabularyError].
func FromGGUF(f *gguf.File) (*Tokenizer, error) {
	if err := checkGGUFModel(f); err != nil {
		return nil, err
	}
	t := &Tokenizer{wholePieces: true}
	tokens, err := ggufStrings(f, keyTokens, maxTokens)
	if err != nil {
		return nil, err
	}
	if tokens.Len() == 0 {
		return nil, malformed(keyTokens, none, "has no token")
	}
	if t.beginOfText, err = ggufTokenID(f, keyBeginOfText, tokens.Len()); err != nil {
		return nil, err
	}
	var ends [3]int
	for i, key := range [...]string{keyEndOfText, keyEndOfTurn, keyEndOfMessage} {
		if ends[i], err = ggufTokenID(f, key, tokens.Len()); err != nil {
			return nil, err
		}
	}
	t.endOfText = ends[0]
	if t.addsBeginOfText, err = ggufAddsBeginOfText(f, t.beginOfText); err != nil {
		return nil, err
	}
	kinds, err := ggufTokenKinds(f, tokens.Len(), append(ends[:], t.beginOfText))
	if err != nil {
		return nil, err
	}
	if t.vocabulary, err = ggufVocabulary(tokens, kinds); err != nil {
		return nil, err
	}
	var search addedSearch
	for id, k := range kinds {
		if k == added || k == special {
			search.add(addedToken{text: string(t.vocabulary.token(uint32(id))), id: uint32(id)}, k, false)
		}
	}
	t.found, t.foundPlain = search.build()
	t.setEndTokens(ends[:]...)

	merges, err := ggufStrings(f, keyMerges, maxMerges)
	if err != nil {
		return nil, err
	}
	t.merges, err = ggufMerges(merges, t.vocabulary)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// checkGGUFModel refuses what would be tokenized wrongly here.
func checkGGUFModel(f *gguf.File) error {
	model, err := f.Text(keyModel)
	if err != nil {
		return keyError(keyModel, err)
	}
	if model != "gpt2" {
		return unsupported(keyModel, none, "is %.40q; only gpt2, byte-level BPE, is implemented", model)
	}
	if _, ok := f.Value(keySplitter); ok {
		splitter, err := f.Text(keySplitter)
		if err != nil {
			return keyError(keySplitter, err)
		}
		switch splitter {
		case "llama-bpe", "llama3", "llama-v3":
		default:
			return unsupported(keySplitter, none, "is %.40q; only llama-bpe, the splitter of Llama 3, is implemented", splitter)
		}
	}
	for _, refused := range ggufRefused {
		if _, ok := f.Value(refused.key); !ok {
			continue
		}
		asked, err := f.Bool(refused.key)
		if err != nil {
			return keyError(refused.key, err)
		}
		if asked {
			return unsupported(refused.key, none, "asks for %s, which is not implemented", refused.asks)
		}
	}
	return nil
}

// keyError turns an error of the GGUF reader about a key into one of this
// package that wraps it.
func keyError(key string, err error) error {
	reason := err.Error()
	var detail *gguf.KeyError
	if errors.As(err, &detail) {
		reason = detail.Reason
	}
	return &VocabularyError{Key: key, Index: none, Reason: reason, Err: err}
}

// ggufStrings returns an array of at most limit strings.
func ggufStrings(f *gguf.File, key string, limit int) (gguf.Value, error) {
	value, err := f.Array(key, gguf.String)
	if err != nil {
		return gguf.Value{}, keyError(key, err)
	}
	if value.Len() > limit {
		return gguf.Value{}, unsupported(key, none, "has %d elements; at most %d are implemented", value.Len(), limit)
	}
	return value, nil
}

// ggufTokenID returns the token that a key names, none without the key.
func ggufTokenID(f *gguf.File, key string, tokens int) (int, error) {
	if _, ok := f.Value(key); !ok {
		return none, nil
	}
	id, err := f.Uint(key)
	if err != nil {
		return none, keyError(key, err)
	}
	if id >= uint64(tokens) {
		return none, malformed(key, none, "is %d, but %s has %d elements", id, keyTokens, tokens)
	}
	return int(id), nil
}

func ggufAddsBeginOfText(f *gguf.File, beginOfText int) (bool, error) {
	if _, ok := f.Value(keyAddsBeginOfText); !ok {
		return beginOfText != none, nil
	}
	adds, err := f.Bool(keyAddsBeginOfText)
	if err != nil {
		return false, keyError(keyAddsBeginOfText, err)
	}
	if adds && beginOfText == none {
		return false, malformed(keyAddsBeginOfText, none, "is true, but %s is missing", keyBeginOfText)
	}
	return adds, nil
}

// ggufTokenKinds returns the kind of each token. Named are those that other keys
// name.
func ggufTokenKinds(f *gguf.File, tokens int, named []int) ([]kind, error) {
	kinds := make([]kind, tokens)
	if _, ok := f.Value(keyTokenTypes); !ok {
		for _, id := range named {
			if id != none {
				kinds[id] = special
			}
		}
		return kinds, nil
	}
	types, err := f.Array(keyTokenTypes, gguf.Int32, gguf.Uint32, gguf.Int8, gguf.Uint8, gguf.Int16, gguf.Uint16, gguf.Int64)
	if err != nil {
		return nil, keyError(keyTokenTypes, err)
	}
	if types.Len() != tokens {
		return nil, malformed(keyTokenTypes, none, "has %d elements where %s has %d", types.Len(), keyTokens, tokens)
	}
	for id, number := range types.Ints() {
		if number < 1 || number >= int64(len(ggufKinds)) {
			return nil, unsupported(keyTokenTypes, id, "is %d; only 1 to %d (normal, unknown, control, user-defined, unused) are implemented", number, len(ggufKinds)-1)
		}
		kinds[id] = ggufKinds[number]
	}
	return kinds, nil
}

func ggufVocabulary(tokens gguf.Value, kinds []kind) (*vocabulary, error) {
	half, size, secondSize := tokens.Len()/2, 0, 0
	for id, written := range tokens.Strings() {
		size += len(written)
		if id >= half {
			secondSize += len(written)
		}
	}
	if size > maxTextBytes {
		return nil, unsupported(keyTokens, none, "has %d bytes of text; at most %d are implemented", size, maxTextBytes)
	}
	// Two goroutines share the work.
	v, second := newVocabulary(tokens.Len(), size), newVocabulary(tokens.Len()-half, secondSize)
	var secondError error
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		secondError = appendGGUFTokens(second, tokens, kinds, half, tokens.Len())
	}()
	err := appendGGUFTokens(v, tokens, kinds, 0, half)
	wait.Wait()
	if err == nil {
		err = secondError
	}
	if err != nil {
		return nil, err
	}
	v.appendTokens(second)
	v.enterTokens()
	return v, nil
}

// appendGGUFTokens appends the tokens from one up to, not including, another.
func appendGGUFTokens(v *vocabulary, tokens gguf.Value, kinds []kind, from, to int) error {
	for id, written := range tokens.Strings() {
		if id >= to {
			break
		}
		if id < from {
			continue
		}
		if err := v.appendToken(keyTokens, id, written, kinds[id]); err != nil {
			return err
		}
	}
	if v.size() != to-from {
		return malformed(keyTokens, from+v.size(), "is missing; the file has changed while it was read")
	}
	return nil
}

func ggufMerges(merges gguf.Value, v *vocabulary) (*mergeTable, error) {
	return buildMerges(v, keyMerges, merges.Len(), func(from int, yield func(left, right []byte) bool) error {
		for i, written := range merges.Strings() {
			if i < from {
				continue
			}
			space := bytes.IndexByte(written, ' ')
			if space < 0 {
				return malformed(keyMerges, i, "is %.40q, not two tokens with a space between them", written)
			}
			if !yield(written[:space], written[space+1:]) {
				break
			}
		}
		return nil
	})
}
