package safetensors

import (
	"errors"
	"fmt"
)

// ErrFormat is what every [*FormatError] wraps.
var ErrFormat = errors.New("not a valid safetensors file")

// A FormatError says what is wrong with a file. It wraps [ErrFormat].
type FormatError struct {
	File   string // its path; empty where it has none
	Field  string // what was being read: `tensor "lm_head.weight"`, "header"
	Reason string // what is wrong with it and, where that helps, what to do
}

func (e *FormatError) Error() string {
	text := fmt.Sprintf("%s: %s", e.Field, e.Reason)
	if e.File != "" {
		text = e.File + ": " + text
	}
	return text
}

// Unwrap returns [ErrFormat].
func (e *FormatError) Unwrap() error { return ErrFormat }

func formatErrorf(field, format string, args ...any) error {
	return &FormatError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// inFile adds the path to an error about a file's contents.
func inFile(path string, err error) error {
	var format *FormatError
	if errors.As(err, &format) && format.File == "" {
		format.File = path
	}
	return err
}
