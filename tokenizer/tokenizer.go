package tokenizer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/internal/input"
)

// Tokenizer turns text into the token ids of one vocabulary, and back. It
// never changes, and any number of goroutines may use it at once.
type Tokenizer struct {
	vocabulary *vocabulary

	// Byte-level BPE has a splitter and merges; SentencePiece has neither, but
	// sentencePieces.
	splitter    *splitter
	pieceLength func(text string) int // the splitter's
	merges      *mergeTable
	// wholePieces says that a piece that is a token needs no merging.
	wholePieces    bool
	sentencePieces *sentencePieces

	// composes says that texts are brought to Unicode's normal form C.
	composes bool

	// found are the searches for added tokens, one after the other, and
	// foundPlain those without special tokens. The ones behind the first see the
	// text in normal form.
	found, foundPlain []*addedTokens

	beginOfText, endOfText         int // -1 for none
	addsBeginOfText, addsEndOfText bool
	endTokens                      []int
}

// none stands for a token that the vocabulary does not have.
const none = -1

// maxJSONBytes is the size up to which Open reads a tokenizer.json, which has
// to be in memory as a whole. Published ones have up to some 30 MB.
const maxJSONBytes = 256 << 20

// Open reads the vocabulary of a file: a GGUF, of which only the metadata is
// looked at, or a Hugging Face tokenizer.json. Which one it is, is told by the
// contents.
//
// A byte-order mark before a tokenizer.json is passed over. Errors of the file
// system and of GGUF parsing ([gguf.ErrFormat]) come as they are, with the path,
// and what is not a regular file is refused; all others are a [VocabularyError].
func Open(path string) (*Tokenizer, error) {
	file, info, err := input.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	start := make([]byte, input.KindBytes)
	n, err := io.ReadFull(file, start)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	start = start[:n]

	switch {
	case bytes.HasPrefix(start, []byte(gguf.Magic)):
		f, err := gguf.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		t, err := FromGGUF(f)
		return t, withPath(path, err)
	case bytes.HasPrefix(bytes.TrimLeft(input.TrimMark(start), " \t\r\n"), []byte("{")):
		t, err := readJSON(io.MultiReader(bytes.NewReader(start), file), info.Size())
		return t, withPath(path, err)
	}
	const wanted = "neither a GGUF nor a tokenizer.json"
	if kind := input.Kind(start); kind != "" {
		return nil, withPath(path, unsupported("file", none, "is %s, but this is %s", wanted, kind))
	}
	return nil, withPath(path, unsupported("file", none, "is %s; give one of these", wanted))
}

func withPath(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("open %s: %w", path, err)
}

// readJSON reads a tokenizer.json of about the given size.
func readJSON(r io.Reader, size int64) (*Tokenizer, error) {
	var data bytes.Buffer
	data.Grow(int(min(size, maxJSONBytes)) + bytes.MinRead)
	if _, err := data.ReadFrom(io.LimitReader(r, maxJSONBytes+1)); err != nil {
		return nil, err
	}
	if data.Len() > maxJSONBytes {
		return nil, unsupported("file", none, "has more than %d bytes, too many for a tokenizer.json", maxJSONBytes)
	}
	return fromJSON(input.TrimMark(data.Bytes()))
}

// Decode returns the text of tokens, special ones as they are written. An id
// that the vocabulary does not have gives nothing.
//
// A token need not end where a character does: a part of a token sequence may
// decode to a string that starts or ends within a UTF-8 character. All tokens
// of a text together give the text exactly, but for what a vocabulary does not
// keep: a tokenizer.json may ask for Unicode's normal form C, and SentencePiece
// takes ▁ (U+2581) for a blank.
//
// Decode takes its tokens for a whole text and so leaves out the blank that
// SentencePiece wants before it. The parts of a sequence join to the text only
// where each is appended behind the one before, with [Tokenizer.AppendNext].
func (t *Tokenizer) Decode(ids []int) string {
	size := 0
	for _, id := range ids {
		if t.has(id) {
			size += len(t.vocabulary.token(uint32(id)))
		}
	}
	var text strings.Builder
	text.Grow(size)
	previous := none
	for _, id := range ids {
		text.Write(t.next(previous, id))
		previous = id
	}
	return text.String()
}

// AppendToken appends the bytes of one token to dst and returns the extended
// slice; it appends nothing for an id that the vocabulary does not have. The
// bytes may be a part of a UTF-8 character.
//
// These are all bytes of the token, also the blank that Encode has put before a
// text. AppendNext knows where that is.
func (t *Tokenizer) AppendToken(dst []byte, id int) []byte {
	if !t.has(id) {
		return dst
	}
	return append(dst, t.vocabulary.token(uint32(id))...)
}

// AppendNext appends what a token adds to a text that ends with the token
// previous, negative for none. That is AppendToken, but that a blank at the
// beginning of a text is left out where Encode has put it there: with most
// SentencePiece vocabularies before the first token and behind special and added
// ones.
func (t *Tokenizer) AppendNext(dst []byte, previous, id int) []byte {
	return append(dst, t.next(previous, id)...)
}

// next returns the bytes that AppendNext appends.
func (t *Tokenizer) next(previous, id int) []byte {
	if !t.has(id) {
		return nil
	}
	token := t.vocabulary.token(uint32(id))
	if t.sentencePieces != nil && t.vocabulary.kinds[id] == ordinary && t.startsText(previous) {
		token = bytes.TrimPrefix(token, []byte(" "))
	}
	return token
}

// startsText reports whether SentencePiece puts a blank before a text that comes
// behind the token previous, which is negative where there is none.
func (t *Tokenizer) startsText(previous int) bool {
	switch {
	case !t.sentencePieces.prefix.wanted:
		return false
	case !t.has(previous) || previous == t.beginOfText:
		return true
	}
	k := t.vocabulary.kinds[previous]
	return t.sentencePieces.prefix.afterTokens && (k == special || k == added)
}

func (t *Tokenizer) has(id int) bool { return 0 <= id && id < t.vocabulary.size() }

// VocabularySize returns the number of tokens. Ids run from 0 to one below it.
func (t *Tokenizer) VocabularySize() int { return t.vocabulary.size() }

// TokenID returns the id of the token with exactly this text, special tokens
// included, and whether there is one that Encode can give.
func (t *Tokenizer) TokenID(text string) (id int, ok bool) {
	for _, search := range t.found {
		if id, ok := search.find(text); ok {
			return int(id), true
		}
	}
	if id, ok := t.vocabulary.findText(text); ok {
		return int(id), true
	}
	if t.sentencePieces != nil && len(text) == 1 {
		if id := t.sentencePieces.byteTokens[text[0]]; id > 0 {
			return int(id - 1), true
		}
	}
	return 0, false
}

// IsSpecial reports whether a token is a special one: a mark such as
// begin-of-text or end-of-turn that no plain text contains.
func (t *Tokenizer) IsSpecial(id int) bool {
	return t.has(id) && t.vocabulary.kinds[id] == special
}

// BeginOfText returns the token that starts every sequence, and whether the
// vocabulary names one.
func (t *Tokenizer) BeginOfText() (id int, ok bool) {
	return max(t.beginOfText, 0), t.beginOfText != none
}

// EndOfText returns the token that ends a sequence, and whether the vocabulary
// names one. A tokenizer.json has no place for it; there it is the special
// token <|end_of_text|>, </s> or <|endoftext|>.
func (t *Tokenizer) EndOfText() (id int, ok bool) {
	return max(t.endOfText, 0), t.endOfText != none
}

// endNames are the texts of special tokens by which models end a text or a turn.
// Files as a rule name one of them and leave the others to whoever knows: the
// published BitNet b1.58 2B4T names <|end_of_text|> and ends its turns by
// <|eot_id|>, Qwen's name <|im_end|> and end texts by <|endoftext|>.
var endNames = []string{
	"<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", // Llama 3, BitNet
	"<|endoftext|>", "<|im_end|>", // Falcon, Qwen
	"</s>",                                        // Llama 2
	"<|end_of_turn|>", "<end_of_turn>", "<|end|>", // OpenChat, Gemma, Phi
	"<｜end▁of▁sentence｜>", // DeepSeek's Qwen
}

// setEndTokens keeps the end tokens that a file names, none for those that it
// does not, and those that are known by their text.
func (t *Tokenizer) setEndTokens(named ...int) {
	add := func(id int) {
		if id != none && !slices.Contains(t.endTokens, id) {
			t.endTokens = append(t.endTokens, id)
		}
	}
	for _, id := range named {
		add(id)
	}
	for _, name := range endNames {
		// An ordinary token of this text would be a piece of one.
		if id, ok := t.TokenID(name); ok && t.vocabulary.kinds[id] != ordinary {
			add(id)
		}
	}
}

// EndTokens returns the tokens by which a model says that its text or its turn is
// at an end: those that the vocabulary names, end-of-text first, and special ones
// with the names that models use, such as <|eot_id|> and <|im_end|>. The slice is
// the caller's.
func (t *Tokenizer) EndTokens() []int { return slices.Clone(t.endTokens) }

// AddsBeginOfText reports whether the model wants begin-of-text before every
// sequence. Encode adds it only when it is told to, with [AddBeginOfText].
func (t *Tokenizer) AddsBeginOfText() bool { return t.addsBeginOfText }

// AddsEndOfText reports whether the model wants end-of-text behind every text, as
// models that make embeddings do. Encode never adds it.
func (t *Tokenizer) AddsEndOfText() bool { return t.addsEndOfText }

// Splitter returns the name that a GGUF has, as tokenizer.ggml.pre, for how the
// tokenizer cuts texts into pieces and whether a piece that is a token needs no
// merging. It is "" where there is no name for both together, and for SentencePiece.
func (t *Tokenizer) Splitter() string {
	if t.splitter == nil {
		return ""
	}
	for i := range splitters {
		if s := &splitters[i]; slices.Equal(s.expressions, t.splitter.expressions) && s.wholePieces == t.wholePieces {
			return s.names[0]
		}
	}
	return ""
}
