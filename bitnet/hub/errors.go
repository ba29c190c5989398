package hub

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// ErrNotHere says that the store has no file of a name.
var ErrNotHere = errors.New("is not on this machine")

// A ReferenceError says why a text names no model.
type ReferenceError struct {
	Text   string
	Reason string // what is wrong with it and what to do
}

func (e *ReferenceError) Error() string { return fmt.Sprintf("%q %s", e.Text, e.Reason) }

// A StatusError is a server's refusal.
type StatusError struct {
	Host       string
	Code       int           // of HTTP
	RetryAfter time.Duration // what the server asked for; 0 where it did not
	Hint       string        // what to do
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s answered %d %s", e.Host, e.Code, http.StatusText(e.Code))
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	return text
}

// A MismatchError says that a file is not the one that it should be.
type MismatchError struct {
	What string // "SHA-256", "size"
	Got  string
	Want string
	From string // who wants it: "the table of models", "the server", …
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("the file has %s %s, not %s as %s says", e.What, e.Got, e.Want, e.From)
}

// A SpaceError says that a disk has no room for a file.
type SpaceError struct {
	Folder string
	Needed int64 // bytes; 0 where nobody knows how many
	Free   int64 // bytes
}

func (e *SpaceError) Error() string {
	if e.Needed == 0 {
		return fmt.Sprintf("there is no more room in %s: make some, or choose another folder", e.Folder)
	}
	return fmt.Sprintf("%s needs %s more and has %s free: make room, or choose another folder", e.Folder, FormatBytes(e.Needed), FormatBytes(e.Free))
}

// An UnfinishedError says how far a download has come that did not end. What is
// there is kept, and the next Pull of the same goes on from it.
type UnfinishedError struct {
	Bytes int64 // that are there
	Total int64 // of the whole file; -1 where it is not known
	Err   error // why it ended: errors.Is and errors.As find it
}

func (e *UnfinishedError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UnfinishedError) Unwrap() error { return e.Err }

// FormatBytes writes a size as people read it: "1.19 GB", with powers of 1000.
func FormatBytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1e6:
		return fmt.Sprintf("%.0f KB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}
