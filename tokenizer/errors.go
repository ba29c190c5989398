package tokenizer

import (
	"errors"
	"fmt"
)

// ErrVocabulary is what every error about a vocabulary wraps: a file that
// contradicts itself, lacks something, or asks for what this package does not
// implement. The details are in [VocabularyError].
var ErrVocabulary = errors.New("vocabulary not usable")

// VocabularyError says which part of a vocabulary is not usable, and why.
//
// errors.Is(err, [ErrVocabulary]) holds for it always, and
// errors.Is(err, [errors.ErrUnsupported]) where the file may be right but
// needs something that this package does not implement.
type VocabularyError struct {
	// Key is the GGUF key or the JSON path at fault, for example
	// "tokenizer.ggml.merges" or "model.vocab".
	Key string
	// Index is the position in the array that Key names, and -1 where the
	// value as a whole is meant.
	Index int
	// Reason says what is wrong, in words.
	Reason string
	// Err is the cause: [errors.ErrUnsupported], an error of the reader below,
	// or nil.
	Err error
}

func (e *VocabularyError) Error() string {
	if e.Index >= 0 {
		return fmt.Sprintf("%s[%d]: %s", e.Key, e.Index, e.Reason)
	}
	return fmt.Sprintf("%s: %s", e.Key, e.Reason)
}

// Unwrap makes errors.Is find [ErrVocabulary] and the cause.
func (e *VocabularyError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrVocabulary}
	}
	return []error{ErrVocabulary, e.Err}
}

// TextError says that a text cannot be encoded, and where the trouble is.
type TextError struct {
	// Offset is the byte of the text, counted from 0, at which it starts.
	Offset int
	// Reason says what is wrong, in words.
	Reason string
}

func (e *TextError) Error() string {
	return fmt.Sprintf("text, byte %d: %s", e.Offset, e.Reason)
}

// malformed reports a vocabulary that contradicts itself or lacks something.
func malformed(key string, index int, format string, arguments ...any) error {
	return &VocabularyError{Key: key, Index: index, Reason: fmt.Sprintf(format, arguments...)}
}

// unsupported reports a vocabulary that needs what is not implemented here.
func unsupported(key string, index int, format string, arguments ...any) error {
	return &VocabularyError{Key: key, Index: index, Reason: fmt.Sprintf(format, arguments...), Err: errors.ErrUnsupported}
}
