package gguf

import (
	"errors"
	"fmt"
)

var (
	// ErrFormat is what every [*FormatError] wraps: the bytes are no GGUF
	// file that this package can read.
	ErrFormat = errors.New("not a valid GGUF file")

	// ErrMissing is wrapped by a [*KeyError] when the file has no such key.
	ErrMissing = errors.New("key is missing")

	// ErrType is wrapped by a [*KeyError] when the value is of another type
	// than the one asked for, or does not fit into it: a negative number where
	// none may be, a text that is not valid UTF-8.
	ErrType = errors.New("value has another type")

	// ErrChanged is wrapped by what [File.Check] returns.
	ErrChanged = errors.New("the file has changed since it was opened")
)

// A FormatError says what is wrong with a file, and where. It wraps
// [ErrFormat].
type FormatError struct {
	Field  string // what was being read: `key "general.name"`, `tensor "output.weight"`, "version"
	Offset int64  // where it begins, in bytes from the start of the file
	Reason string // what is wrong with it and, where that helps, what to do
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s at byte %d: %s", e.Field, e.Offset, e.Reason)
}

// Unwrap returns [ErrFormat].
func (e *FormatError) Unwrap() error { return ErrFormat }

// A KeyError says why a metadata value could not be had. It wraps [ErrMissing]
// or [ErrType].
type KeyError struct {
	Key    string
	Reason string // what was found and what was wanted
	Err    error  // ErrMissing or ErrType
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("key %q: %s", e.Key, e.Reason)
}

// Unwrap returns e.Err.
func (e *KeyError) Unwrap() error { return e.Err }

func formatErrorf(what field, offset int, format string, args ...any) error {
	return &FormatError{Field: what.String(), Offset: int64(offset), Reason: fmt.Sprintf(format, args...)}
}
