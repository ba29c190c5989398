package tokenizer

import (
	"fmt"
	"math"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// EncodeOption changes what [Tokenizer.Encode] does.
type EncodeOption func(*encodeOptions)

type encodeOptions struct {
	beginOfText bool
	plain       bool
	after       int
}

// AddBeginOfText puts the begin-of-text token before the text. Without it
// nothing is added. Encode fails if the vocabulary has no such token.
func AddBeginOfText() EncodeOption {
	return func(o *encodeOptions) { o.beginOfText = true }
}

// PlainText makes "<|eot_id|>" in the text the ten characters it is written
// with, not the special token. Whatever a person or a document wrote should be
// encoded so, lest it end the turn it is part of and start another. Without the
// option special tokens are recognised.
//
// Tokens that a vocabulary has added without calling them special (user-defined
// in a GGUF) are ordinary words to the model, and found in plain text as well.
func PlainText() EncodeOption {
	return func(o *encodeOptions) { o.plain = true }
}

// After says that the text goes on behind a token, in the same sequence. A
// SentencePiece vocabulary then puts no blank before it, unless the token is a
// special or added one. It changes nothing with other vocabularies, nor does a
// negative id.
func After(token int) EncodeOption {
	return func(o *encodeOptions) { o.after = token }
}

// maxEncodedBytes keeps places in a text within 32 bits.
const maxEncodedBytes = math.MaxInt32

// Encode returns the token ids of a text. The text must be valid UTF-8, and
// gets nothing added unless an option says so. The slice is the caller's.
//
// Special tokens, and others that the vocabulary has added to those that
// merging gives, are found first; where several start at a place, the longest
// counts. What lies between them is cut into pieces and merged.
//
// A SentencePiece vocabulary as a rule wants a blank before a text, and behind
// each special or added token, which its tokens then contain.
//
// The error is a [*TextError] if the text is not valid UTF-8, is longer than
// 2 GiB or has a byte that no token of the vocabulary stands for.
func (t *Tokenizer) Encode(text string, options ...EncodeOption) ([]int, error) {
	chosen := encodeOptions{after: none}
	for _, option := range options {
		option(&chosen)
	}
	if len(text) > maxEncodedBytes {
		return nil, &TextError{Offset: maxEncodedBytes, Reason: "the text is too long; encode it in parts"}
	}
	if !utf8.ValidString(text) {
		return nil, &TextError{Offset: invalidOffset(text), Reason: "not valid UTF-8"}
	}
	// English has more than four bytes to a token.
	ids := make([]int, 0, len(text)/4+2)
	if chosen.beginOfText {
		if t.beginOfText == none {
			return nil, malformed("begin-of-text", none, "the vocabulary names no such token that could be added")
		}
		ids = append(ids, t.beginOfText)
	}
	searches := t.found
	if chosen.plain {
		searches = t.foundPlain
	}
	e := encoder{Tokenizer: t, ids: ids, after: chosen.after}
	if missing := e.encode(text, searches); missing >= 0 {
		reason := fmt.Sprintf("no token of the vocabulary stands for the byte 0x%02x", text[missing])
		if t.composes {
			reason = "no token of the vocabulary stands for a byte of what this is in normal form C"
		}
		return nil, &TextError{Offset: missing, Reason: reason}
	}
	return e.ids, nil
}

// invalidOffset returns where the first bytes lie that are not valid UTF-8.
func invalidOffset(text string) int {
	for i, r := range text {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				return i
			}
		}
	}
	return len(text)
}

// encoder is the state of one call of Encode.
type encoder struct {
	*Tokenizer
	ids   []int
	after int // the token before the first of ids
}

// encode appends the ids of a text in which the first of the searches finds added
// tokens, and the others in what is left between them. If a byte has no token, its
// index in the text is returned, else -1.
func (e *encoder) encode(text string, searches []*addedTokens) (missing int) {
	if len(searches) == 0 {
		return e.encodePieces(text)
	}
	for done := 0; ; {
		token, at, found := searches[0].next(text[done:])
		between := text[done:]
		if found {
			between = text[done : done+at]
		}
		if missing = e.encode(between, searches[1:]); missing >= 0 {
			return done + missing
		}
		if !found {
			return -1
		}
		e.ids = append(e.ids, int(token.id))
		done += at + len(token.text)
	}
}

// encodePieces appends the ids of a text without added tokens.
func (e *encoder) encodePieces(text string) (missing int) {
	switch {
	case text == "":
		return -1
	case e.sentencePieces != nil:
		before := e.after
		if len(e.ids) > 0 {
			before = e.ids[len(e.ids)-1]
		}
		e.ids = e.sentencePieces.append(e.ids, text, e.startsText(before))
		return -1
	case e.composes && !norm.NFC.IsNormalString(text):
		missing = e.encodeNormal(norm.NFC.String(text))
		if missing < 0 {
			return -1
		}
		// Find the characters whose normal form has that byte.
		var parts norm.Iter
		parts.InitString(norm.NFC, text)
		at := 0
		for size := 0; size <= missing && !parts.Done(); size += len(parts.Next()) {
			at = parts.Pos()
		}
		return at
	}
	return e.encodeNormal(text)
}

// encodeNormal cuts a text into pieces and appends their ids.
func (e *encoder) encodeNormal(text string) (missing int) {
	for done := 0; done < len(text); {
		piece := text[done : done+e.pieceLength(text[done:])]
		known := false
		if e.wholePieces {
			var id uint32
			if id, known = e.vocabulary.findText(piece); known {
				e.ids = append(e.ids, int(id))
			}
		}
		if !known {
			if e.ids, missing = e.appendMerged(e.ids, piece); missing >= 0 {
				return done + missing
			}
		}
		done += len(piece)
	}
	return -1
}
