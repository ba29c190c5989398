package tokenizer

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// EncodeOption changes what [Tokenizer.Encode] does.
type EncodeOption func(*encodeOptions)

type encodeOptions struct {
	beginOfText bool
	plain       bool
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

// maxEncodedBytes keeps places in a text within 32 bits.
const maxEncodedBytes = math.MaxInt32

// Encode returns the token ids of a text. The text must be valid UTF-8, and
// gets nothing added unless an option says so. The slice is the caller's.
//
// Special tokens, and others that the vocabulary has added to those that
// merging gives, are found first; where several start at a place, the longest
// counts. What lies between them is cut into pieces and merged.
//
// The error is a [*TextError] if the text is not valid UTF-8, is longer than
// 2 GiB or has a byte that no token of the vocabulary stands for.
func (t *Tokenizer) Encode(text string, options ...EncodeOption) ([]int, error) {
	var chosen encodeOptions
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
	ids, missing := t.appendText(ids, text, searches)
	if missing >= 0 {
		return nil, &TextError{Offset: missing, Reason: fmt.Sprintf("no token of the vocabulary stands for the byte 0x%02x", text[missing])}
	}
	return ids, nil
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

// appendText appends the ids of a text in which the first of the searches
// finds added tokens, and the others in what is left between them. If a byte
// has no token, its index in the text is returned, else -1.
func (t *Tokenizer) appendText(ids []int, text string, searches []*addedTokens) (_ []int, missing int) {
	if len(searches) == 0 {
		return t.appendPieces(ids, text)
	}
	for done := 0; ; {
		token, at, found := searches[0].next(text[done:])
		between := text[done:]
		if found {
			between = text[done : done+at]
		}
		if ids, missing = t.appendText(ids, between, searches[1:]); missing >= 0 {
			return ids, done + missing
		}
		if !found {
			return ids, -1
		}
		ids = append(ids, int(token.id))
		done += at + len(token.text)
	}
}

// appendPieces appends the ids of a text without added tokens.
func (t *Tokenizer) appendPieces(ids []int, text string) (_ []int, missing int) {
	for done := 0; done < len(text); {
		piece := text[done : done+pieceLength(text[done:])]
		known := false
		if t.wholePieces {
			var id uint32
			if id, known = t.vocabulary.findText(piece); known {
				ids = append(ids, int(id))
			}
		}
		if !known {
			if ids, missing = t.appendMerged(ids, piece); missing >= 0 {
				return ids, done + missing
			}
		}
		done += len(piece)
	}
	return ids, -1
}
