package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// Options say what to make. The zero value of each is the usual.
type Options struct {
	// Type is the ternary type of the projections: gguf.I2S, TQ1_0, TQ2_0, Q2_0,
	// PQ2_0 or PTQ1_0. Zero is, from a folder, I2_S, or the type with the largest
	// blocks that holds the weights exactly; from a GGUF it is what is there.
	Type gguf.TensorType

	// Embedding is the type of the embedding and of a separate output head:
	// gguf.F16, Q8_0 or Q6_K. Zero is, from a folder, F16, or Type where that has
	// blocks with scales and the table is ternary in them; from a GGUF what is
	// there.
	Embedding gguf.TensorType

	// Progress, if there is one, is told how many bytes of the tensors have been
	// written, of how many. Floats must all be looked at before the first byte is
	// written; how many bytes of them have been is counted first, by itself.
	Progress func(done, total int64)
}

// A Report says what has been made.
type Report struct {
	Architecture string
	Type         gguf.TensorType // of the projections
	Embedding    gguf.TensorType
	Rounded      int // projections whose scale is in float16, rounded
}

// ErrConvert is what every [*Error] wraps.
var ErrConvert = errors.New("cannot be converted")

// An Error says what about a model cannot be converted.
type Error struct {
	Part   string // what it is about: a file, "tensor …", "key …"
	Reason string // what is wrong with it and, where that helps, what to do
	Err    error  // the cause, where another package found it; may be nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Part, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Part, e.Reason)
}

// Unwrap returns ErrConvert and the cause.
func (e *Error) Unwrap() []error {
	if e.Err != nil {
		return []error{ErrConvert, e.Err}
	}
	return []error{ErrConvert}
}

func errorf(part, format string, args ...any) error {
	return &Error{Part: part, Reason: fmt.Sprintf(format, args...)}
}

// about says what an error is about, if that is not said yet.
func about(part string, err error) error {
	if err == nil || errors.As(err, new(*Error)) {
		return err
	}
	return &Error{Part: part, Err: err}
}

// unlessEnded is about, unless the error is that ctx has ended.
func unlessEnded(ctx context.Context, part string, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return about(part, err)
}

// Write writes the model in a folder or a GGUF file to w, as a GGUF. Where an error
// comes back, what has been written is no file of use. It ends early, with the
// cause, when ctx does. What is wrong with the model is an [*Error]; errors of the
// file system and of w are wrapped.
func Write(ctx context.Context, w io.Writer, path string, o Options) (Report, error) {
	if err := o.check(); err != nil {
		return Report{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return Report{}, err
	}
	if info.IsDir() {
		return convertFolder(ctx, w, path, o)
	}
	return convertFile(ctx, w, path, o)
}

func (o Options) check() error {
	if o.Type != 0 && !isTernary(o.Type) {
		return errorf("option Type", "%v is no ternary type that can be written", o.Type)
	}
	switch o.Embedding {
	case 0, gguf.F16, gguf.Q8_0, gguf.Q6_K:
		return nil
	}
	return errorf("option Embedding", "%v cannot be written; there are F16, Q8_0 and Q6_K", o.Embedding)
}

// A plan is a file to be written. Every tensor is known before the first byte.
type plan struct {
	keys    []key
	tensors []planned
}

type key struct {
	name  string
	value any
}

type planned struct {
	name string
	dims []int
	encoded
}

// An encoded is a tensor's type, its size in bytes, and how these are written.
type encoded struct {
	typ   gguf.TensorType
	size  int64
	write func(ctx context.Context, w io.Writer) error
}

func (p *plan) set(name string, value any) { p.keys = append(p.keys, key{name, value}) }

// write writes the file.
func (p *plan) write(ctx context.Context, w io.Writer, progress func(done, total int64)) error {
	out := gguf.NewWriter(w)
	for _, k := range p.keys {
		if err := out.Set(k.name, k.value); err != nil {
			return about("metadata", err)
		}
	}
	total := int64(0)
	for _, t := range p.tensors {
		total += t.size
	}
	written := int64(0)
	count := func(n int) {
		written += int64(n)
		if progress != nil {
			progress(written, total)
		}
	}
	for _, t := range p.tensors {
		err := out.AddTensor(t.name, t.dims, t.typ, func(w io.Writer) error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			// What comes of the writer keeps its kind; the rest is about the tensor.
			counted := &countingWriter{w: w, count: count}
			err := t.write(ctx, counted)
			if counted.err != nil {
				return err
			}
			return unlessEnded(ctx, "tensor "+t.name, err)
		})
		if err != nil {
			return about("tensor "+t.name, err)
		}
	}
	err := out.Close()
	if own := new(Error); errors.As(err, &own) {
		return own // which names the tensor by itself
	}
	return err
}

type countingWriter struct {
	w     io.Writer
	count func(n int)
	err   error
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.count(n)
	c.err = err
	return n, err
}

// fileType returns the value of general.file_type for a file whose projections are
// of a type. Where not all agree on one, it is that for "not said here".
func fileType(t gguf.TensorType) uint32 {
	switch t {
	case gguf.I2S:
		return 40
	case gguf.TQ1_0:
		return 36
	case gguf.TQ2_0:
		return 37
	}
	return 1024
}

// The keys of scales that float16 does not hold: the names of tensors, and of each
// its scale.
const (
	exactScaleNames  = "convert.exact_scale.names"
	exactScaleValues = "convert.exact_scale.values"
)

// setExactScales adds the keys of exact scales.
func (p *plan) setExactScales(names []string, values []float32) {
	if len(names) > 0 {
		p.set(exactScaleNames, names)
		p.set(exactScaleValues, values)
	}
}
