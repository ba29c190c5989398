package tokenizer

import (
	"bytes"
	"errors"
	"math"
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
	keyScores          = "tokenizer.ggml.scores"
	keyBeginOfText     = "tokenizer.ggml.bos_token_id"
	keyEndOfText       = "tokenizer.ggml.eos_token_id"
	keyEndOfTurn       = "tokenizer.ggml.eot_token_id"
	keyEndOfMessage    = "tokenizer.ggml.eom_token_id" // before the answer of a tool
	keyUnknown         = "tokenizer.ggml.unknown_token_id"
	keyAddsBeginOfText = "tokenizer.ggml.add_bos_token"
	keyAddsEndOfText   = "tokenizer.ggml.add_eos_token"
	keyAddsBlank       = "tokenizer.ggml.add_space_prefix"
)

// ggufRefused are the keys that ask for something that is not implemented where
// they are true.
var ggufRefused = []struct{ key, asks string }{
	{"tokenizer.ggml.add_sep_token", "a separator behind every text"},
	{"tokenizer.ggml.remove_extra_whitespaces", "one blank for several"},
}

// ggufForm is what the two kinds of vocabulary differ in: a splitter, or none for
// SentencePiece, and what holds where a file says nothing.
type ggufForm struct {
	splitter                        *splitter
	addsBeginOfText, addsBlank      bool
	beginOfText, endOfText, unknown int
}

// ggufSentencePiece has the numbers that SentencePiece gives unless it is told
// otherwise.
var ggufSentencePiece = ggufForm{addsBeginOfText: true, addsBlank: true, unknown: 0, beginOfText: 1, endOfText: 2}

// ggufFormOf returns the form of a file's vocabulary.
func ggufFormOf(f *gguf.File) (ggufForm, error) {
	model, err := f.Text(keyModel)
	switch {
	case err != nil:
		return ggufForm{}, keyError(keyModel, err)
	case model == "llama":
		return ggufSentencePiece, nil
	case model != "gpt2":
		return ggufForm{}, unsupported(keyModel, none, "is %.40q; only gpt2, byte-level BPE, and llama, SentencePiece, are implemented", model)
	}
	s := &splitters[0] // the published BitNet names none
	if _, ok := f.Value(keySplitter); ok {
		name, err := f.Text(keySplitter)
		if err != nil {
			return ggufForm{}, keyError(keySplitter, err)
		}
		if s = splitterNamed(name); s == nil {
			return ggufForm{}, unsupported(keySplitter, none, "is %.40q, a splitter that is not implemented; use another file of the same vocabulary, such as its tokenizer.json", name)
		}
	}
	return ggufForm{splitter: s, addsBeginOfText: s.addsBeginOfText, beginOfText: s.beginOfText, endOfText: none, unknown: none}, nil
}

// ggufKinds translates the numbers of tokenizer.ggml.token_type: from 1 on
// normal, unknown, control, user-defined, unused and byte, of which only
// SentencePiece has the last.
var ggufKinds = [...]kind{1: ordinary, 2: special, 3: special, 4: added, 5: unused, 6: byteValue}

// FromGGUF builds a tokenizer from the metadata of a GGUF. It keeps nothing of
// the file, which may be closed afterwards.
//
// It reads, all below "tokenizer.ggml.":
//   - model: gpt2 for byte-level BPE, llama for SentencePiece;
//   - tokens and token_type (without it all tokens are normal but those that the
//     next keys name; SentencePiece needs it);
//   - bos_token_id, eos_token_id, eot_token_id and eom_token_id, which begin a
//     text and end a text, a turn, a message;
//   - add_bos_token and add_eos_token. Without the first, begin-of-text is added
//     where there is one and the kind of vocabulary has it so: SentencePiece, the
//     splitters of Llama 3 and Falcon 3, and where no splitter is named;
//   - for gpt2 pre, the name of a splitter (Llama 3's if there is none), and
//     merges;
//   - for llama scores, unknown_token_id, and add_space_prefix (true if it is
//     missing). Special tokens 1, 2 and 0 are begin-of-text, end-of-text and
//     unknown where no key names these.
//
// What else would change the tokens of a text (remove_extra_whitespaces,
// add_space_prefix with gpt2 …) must be false.
//
// Of tokens with the same text, the first is the one that Encode gives; all of
// them decode. The error is a [VocabularyError].
func FromGGUF(f *gguf.File) (*Tokenizer, error) {
	form, err := ggufFormOf(f)
	if err != nil {
		return nil, err
	}
	for _, refused := range ggufRefused {
		if asked, err := ggufBool(f, refused.key, false); err != nil {
			return nil, err
		} else if asked {
			return nil, unsupported(refused.key, none, "asks for %s, which is not implemented", refused.asks)
		}
	}
	addsBlank, err := ggufBool(f, keyAddsBlank, form.addsBlank)
	if err != nil {
		return nil, err
	}
	if addsBlank && form.splitter != nil {
		return nil, unsupported(keyAddsBlank, none, "asks for a blank before every text, which is not implemented for byte-level BPE")
	}
	tokens, err := ggufStrings(f, keyTokens, maxTokens)
	if err != nil {
		return nil, err
	}
	if tokens.Len() == 0 {
		return nil, malformed(keyTokens, none, "has no token")
	}
	t := new(Tokenizer)
	var endOfTurn, endOfMessage int
	unknown := none
	namedTokens := []struct {
		key   string
		id    *int
		usual int
	}{
		{keyBeginOfText, &t.beginOfText, form.beginOfText},
		{keyEndOfText, &t.endOfText, form.endOfText},
		{keyEndOfTurn, &endOfTurn, none},
		{keyEndOfMessage, &endOfMessage, none},
		{keyUnknown, &unknown, form.unknown},
	}
	if form.splitter != nil {
		namedTokens = namedTokens[:4] // byte-level BPE knows every byte
	}
	var ids []int
	for _, named := range namedTokens {
		if *named.id, err = ggufTokenID(f, named.key, tokens.Len()); err != nil {
			return nil, err
		}
		ids = append(ids, *named.id)
	}
	kinds, err := ggufTokenKinds(f, form, tokens.Len(), ids)
	if err != nil {
		return nil, err
	}
	for _, named := range namedTokens {
		if *named.id == none && named.usual != none && named.usual < len(kinds) && kinds[named.usual] == special {
			*named.id = named.usual
		}
	}
	if t.addsBeginOfText, err = ggufAdds(f, keyAddsBeginOfText, form.addsBeginOfText, keyBeginOfText, t.beginOfText); err != nil {
		return nil, err
	}
	if t.addsEndOfText, err = ggufAdds(f, keyAddsEndOfText, false, keyEndOfText, t.endOfText); err != nil {
		return nil, err
	}
	if t.vocabulary, err = ggufVocabulary(tokens, kinds, form.splitter == nil); err != nil {
		return nil, err
	}
	var search addedSearch
	for id, k := range kinds {
		if k == added || k == special {
			search.add(addedToken{text: string(t.vocabulary.token(uint32(id))), id: uint32(id)}, k, false)
		}
	}
	t.found, t.foundPlain = search.build()
	t.setEndTokens(t.endOfText, endOfTurn, endOfMessage)

	if form.splitter == nil {
		if t.sentencePieces, err = newSentencePieces(t.vocabulary, unknown, keyTokens); err != nil {
			return nil, err
		}
		t.sentencePieces.prefix = prefix{wanted: addsBlank, afterTokens: true}
		if t.sentencePieces.order, err = ggufScores(f, tokens.Len()); err != nil {
			return nil, err
		}
		return t, nil
	}
	t.splitter, t.pieceLength, t.wholePieces = form.splitter, form.splitter.pieceLength, form.splitter.wholePieces
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

// ggufBool returns what a key says, and what is usual without it.
func ggufBool(f *gguf.File, key string, usual bool) (bool, error) {
	if _, ok := f.Value(key); !ok {
		return usual, nil
	}
	said, err := f.Bool(key)
	if err != nil {
		return false, keyError(key, err)
	}
	return said, nil
}

// ggufAdds returns whether a token, which another key names, is added to texts.
func ggufAdds(f *gguf.File, key string, usual bool, idKey string, id int) (bool, error) {
	adds, err := ggufBool(f, key, usual && id != none)
	if adds && id == none {
		return false, malformed(key, none, "is true, but %s is missing", idKey)
	}
	return adds, err
}

// ggufScores returns the order of tokens by their scores.
func ggufScores(f *gguf.File, tokens int) ([]uint32, error) {
	scores, err := f.Array(keyScores, gguf.Float32)
	if err != nil {
		return nil, keyError(keyScores, err)
	}
	if scores.Len() != tokens {
		return nil, malformed(keyScores, none, "has %d elements where %s has %d", scores.Len(), keyTokens, tokens)
	}
	order := make([]uint32, tokens)
	for id, score := range scores.Floats() {
		if math.IsNaN(score) {
			return nil, malformed(keyScores, id, "is not a number")
		}
		order[id] = scoreOrder(float32(score))
	}
	return order, nil
}

// ggufTokenKinds returns the kind of each token. Named are those that other keys
// name.
func ggufTokenKinds(f *gguf.File, form ggufForm, tokens int, named []int) ([]kind, error) {
	kinds := make([]kind, tokens)
	allowed := len(ggufKinds)
	if form.splitter != nil {
		allowed-- // no byte
	}
	if _, ok := f.Value(keyTokenTypes); !ok && form.splitter != nil {
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
		if number < 1 || number >= int64(allowed) {
			return nil, unsupported(keyTokenTypes, id, "is %d; only 1 to %d (normal, unknown, control, user-defined, unused; byte for SentencePiece) are implemented", number, allowed-1)
		}
		kinds[id] = ggufKinds[number]
	}
	return kinds, nil
}

func ggufVocabulary(tokens gguf.Value, kinds []kind, sentencePiece bool) (*vocabulary, error) {
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
	v.sentencePiece, second.sentencePiece = sentencePiece, sentencePiece
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
