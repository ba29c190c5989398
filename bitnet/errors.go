package bitnet

import (
	"errors"
	"fmt"
)

// What can be asked of an error by errors.Is. Errors about the file itself wrap
// gguf.ErrFormat, gguf.ErrMissing, gguf.ErrType or gguf.ErrChanged, those about
// its vocabulary tokenizer.ErrVocabulary.
//
// The text of an error names no package, neither here nor in the packages
// beneath: an error may pass through several of them, and whoever prints it says
// once whose it is.
var (
	// ErrModel is wrapped by every [*ModelError].
	ErrModel = errors.New("not a usable BitNet model")
	// ErrToken is wrapped by every [*TokenError].
	ErrToken = errors.New("no such token")
	// ErrContext is wrapped by every [*ContextError].
	ErrContext = errors.New("does not fit the context")
	// ErrOption is wrapped by every [*OptionError].
	ErrOption = errors.New("unusable option")
	// ErrNothingAllowed says that a constraint allows no token of the vocabulary.
	ErrNothingAllowed = errors.New("the constraint allows no token of the vocabulary here")
	// ErrSave is wrapped by every [*SaveError].
	ErrSave = errors.New("not a usable saved session")
	// ErrNotFinite says that the model's arithmetic came to an infinity or to
	// something that is not a number, which only a damaged model does.
	ErrNotFinite = errors.New("the model computed a value that is not finite; its file is damaged")
	// ErrEmpty says that a session without tokens was asked what comes next, or that
	// a text without tokens was to be embedded.
	ErrEmpty = errors.New("there are no tokens: give it some text first")
	// ErrClosed says that a model or session was used after Close.
	ErrClosed = errors.New("a model or session was used after Close")
)

// A ModelError says what about a model is not as this package needs it.
type ModelError struct {
	Part   string // what it is about: "key …", "tensor …"
	Reason string // what is wrong with it
	Err    error  // the cause, where another package found it; may be nil
}

func (e *ModelError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Part, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Part, e.Reason)
}

// Unwrap returns ErrModel and the cause.
func (e *ModelError) Unwrap() []error {
	if e.Err != nil {
		return []error{ErrModel, e.Err}
	}
	return []error{ErrModel}
}

// A BrokenError says that the computation of a model has panicked, which is a
// mistake in this package. The model can no longer be used: everything that its
// sessions are asked fails with this error. Another one may be opened.
type BrokenError struct {
	Value any    // what the panic was about
	Stack []byte // where it happened
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("the model is broken by an internal error: %v: open it again, and please report this", e.Value)
}

// A TokenError names a token id that the vocabulary does not have.
type TokenError struct {
	ID         int
	Index      int // its place in the ids that were given
	Vocabulary int // ids are below this
}

func (e *TokenError) Error() string {
	return fmt.Sprintf("token %d at index %d: ids go from 0 to %d", e.ID, e.Index, e.Vocabulary-1)
}

// Unwrap returns ErrToken.
func (e *TokenError) Unwrap() error { return ErrToken }

// A ContextError says that tokens were to be added beyond what a session holds.
type ContextError struct {
	Length  int // tokens in the session
	Added   int // tokens to be added
	Context int // tokens that it can hold
}

func (e *ContextError) Error() string {
	return fmt.Sprintf("%d tokens after %d do not fit a context of %d: shorten the prompt, truncate the session or open it with a larger context", e.Added, e.Length, e.Context)
}

// Unwrap returns ErrContext.
func (e *ContextError) Unwrap() error { return ErrContext }

// An OptionError says what is wrong with an option.
type OptionError struct {
	Option string
	Reason string
	Err    error // the cause, where another package found it; may be nil
}

func (e *OptionError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("option %s: %v", e.Option, e.Err)
	}
	return fmt.Sprintf("option %s: %s", e.Option, e.Reason)
}

// Unwrap returns ErrOption and the cause.
func (e *OptionError) Unwrap() []error {
	if e.Err != nil {
		return []error{ErrOption, e.Err}
	}
	return []error{ErrOption}
}

// A SaveError says why a session cannot be restored.
type SaveError struct {
	Reason string
	Err    error // io.ErrUnexpectedEOF where it is cut short; may be nil
}

func (e *SaveError) Error() string { return "saved session: " + e.Reason }

// Unwrap returns ErrSave and the cause.
func (e *SaveError) Unwrap() []error {
	if e.Err != nil {
		return []error{ErrSave, e.Err}
	}
	return []error{ErrSave}
}
