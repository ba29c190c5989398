package constrain

import (
	"errors"
	"sync"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/tokenizer"
)

var (
	// ErrConstraint is wrapped by every [*Error].
	ErrConstraint = errors.New("not a usable constraint")
	// ErrTooLarge is wrapped by an [*Error] about what would take too much memory
	// or time.
	ErrTooLarge = errors.New("too large")
)

// An Error says why something cannot be a constraint. It wraps [ErrConstraint], and
// where something is right but not supported [errors.ErrUnsupported].
type Error struct {
	// Place is where the trouble is: a JSON pointer into a schema, such as
	// "/properties/name", or "line 3, column 7" of a grammar. It is empty for the
	// whole of it.
	Place string
	// Keyword is the keyword of a schema that it is about, or empty.
	Keyword string
	// Reason says what is wrong, in words.
	Reason string
	// Err is the cause, or nil.
	Err error
}

func (e *Error) Error() string {
	s := e.Reason
	for _, before := range []string{e.Keyword, e.Place} {
		if before != "" {
			s = before + ": " + s
		}
	}
	return s
}

// Unwrap returns ErrConstraint and the cause.
func (e *Error) Unwrap() []error {
	if e.Err != nil {
		return []error{ErrConstraint, e.Err}
	}
	return []error{ErrConstraint}
}

// A Constraint says what a text may be. It is a [bitnet.Constraint], never changes,
// and may be used by any number of goroutines at once.
type Constraint struct {
	program *program

	mu       sync.Mutex
	machines []*machine // for the vocabularies that it has been used with, the last one first
}

// mostMachines bounds for how many vocabularies a constraint keeps what it has found
// out.
const mostMachines = 4

// Start returns a guide for one text of the tokens of a tokenizer.
func (c *Constraint) Start(t *tokenizer.Tokenizer) (bitnet.Guide, error) {
	return newGuide(c.machine(t), t), nil
}

func (c *Constraint) machine(t *tokenizer.Tokenizer) *machine {
	v := vocabularyOf(t)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, m := range c.machines {
		if m.vocabulary == v {
			copy(c.machines[1:], c.machines[:i])
			c.machines[0] = m
			return m
		}
	}
	m := newMachine(c.program, v)
	c.machines = append([]*machine{m}, c.machines[:min(len(c.machines), mostMachines-1)]...)
	return m
}

// JSON returns the constraint of any JSON value. For an object, compile the schema
// {"type": "object"}.
func JSON() *Constraint { return anyJSON() }

var anyJSON = sync.OnceValue(func() *Constraint {
	c, err := JSONSchema([]byte("true"))
	if err != nil {
		panic(err)
	}
	return c
})

// Choice returns the constraint of a text that is one of some texts.
func Choice(texts []string) (*Constraint, error) {
	all := make([]*expr, len(texts))
	for i, s := range texts {
		if all[i] = text(s); !utf8.ValidString(s) {
			return nil, &Error{Reason: "a choice is not valid UTF-8"}
		}
	}
	if len(all) == 0 {
		return nil, &Error{Reason: "there is nothing to choose from"}
	}
	return regular(either(all...))
}

// Regexp returns the constraint of a text that fits a regular expression from its
// beginning to its end.
func Regexp(expression string) (*Constraint, error) {
	x, err := parseRegexp(expression, runes)
	if err != nil {
		return nil, &Error{Reason: err.Error(), Err: cause(err)}
	}
	return regular(x)
}

// regular returns the constraint of a regular expression.
func regular(x *expr) (*Constraint, error) {
	d, err := determinize(x)
	if err != nil {
		return nil, &Error{Reason: err.Error(), Err: cause(err)}
	}
	if d == nil {
		return nil, &Error{Reason: "no text fits"}
	}
	var r rules
	r.add(is(&terminal{dfa: d}))
	p, err := r.compile(0)
	if err != nil {
		return nil, &Error{Reason: err.Error(), Err: cause(err)}
	}
	return &Constraint{program: p}, nil
}

// unsupported is what may be right but is not supported.
type unsupported string

func (e unsupported) Error() string { return string(e) + ": not supported" }
func (e unsupported) Unwrap() error { return errors.ErrUnsupported }

// cause returns which of the errors that callers may ask for is behind an error.
func cause(err error) error {
	for _, known := range []error{ErrTooLarge, errors.ErrUnsupported} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}
