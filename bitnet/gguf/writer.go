package gguf

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// A Writer writes a GGUF file of version 3: metadata with [Writer.Set], tensors
// with [Writer.AddTensor], and with [Writer.Close] everything into the
// underlying writer, in the order of the calls. It never holds a tensor's bytes.
// One goroutine at a time may use it.
type Writer struct {
	w         io.Writer
	metadata  bytes.Buffer
	keys      map[string]bool
	alignment int
	tensors   []pendingTensor
	names     map[string]bool
	closed    bool
}

type pendingTensor struct {
	name  string
	dims  []int
	typ   TensorType
	size  int64
	write func(w io.Writer) error
}

var errClosed = errors.New("the writer is closed already")

// NewWriter returns a Writer to w. Nothing is written before Close.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, keys: map[string]bool{}, names: map[string]bool{}, alignment: DefaultAlignment}
}

// Set adds a metadata value, which is copied. The Go type gives the type in the
// file: uint8 to uint64, int8 to int64, float32, float64, bool, string, or a
// slice of one of these. A [Value] of another file is copied as it is. The types
// int and uint have no counterpart in the format and are refused, as is a key
// that was set before. Setting "general.alignment" changes the alignment of the
// file.
func (w *Writer) Set(key string, value any) error {
	if w.closed {
		return errClosed
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("set key %q: %s", key, fmt.Sprintf(format, args...))
	}
	switch reason := checkName(key); {
	case reason != "":
		return fail("the key %s", reason)
	case w.keys[key]:
		return fail("it is set already")
	case len(w.keys) == maxKeys:
		return fail("a file has at most %d keys", maxKeys)
	}
	encoded, err := appendValue(nil, value)
	if err != nil {
		return fail("%v", err)
	}
	if key == AlignmentKey {
		n, ok := value.(uint32)
		if v, isValue := value.(Value); isValue && v.typ == Uint32 {
			n, ok = binary.LittleEndian.Uint32(v.data), true
		}
		if !ok || !validAlignment(uint64(n)) {
			return fail("is %v of type %T; a uint32 that is a power of two from %d to %d is needed", value, value, minAlignment, maxAlignment)
		}
		w.alignment = int(n)
	}
	w.keys[key] = true
	w.metadata.Write(appendString(nil, key))
	w.metadata.Write(encoded)
	return nil
}

// AddTensor adds a tensor: its name, its dimensions with the fastest-running one
// first, and its type, whose size must be known to this package. Close calls
// write once, in the order of the tensors, to have exactly the tensor's bytes
// written; it is an error to write more or fewer.
func (w *Writer) AddTensor(name string, dims []int, typ TensorType, write func(w io.Writer) error) error {
	if w.closed {
		return errClosed
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("add tensor %q: %s", name, fmt.Sprintf(format, args...))
	}
	switch reason := checkName(name); {
	case reason != "":
		return fail("the name %s", reason)
	case w.names[name]:
		return fail("there is one of that name already")
	case len(w.tensors) == maxTensors:
		return fail("a file has at most %d tensors", maxTensors)
	case len(dims) > maxDims:
		return fail("has %d dimensions; at most %d are supported", len(dims), maxDims)
	case write == nil:
		return fail("the function that writes its bytes is nil")
	}
	for i, d := range dims {
		if d < 1 {
			return fail("has %d as dimension %d; at least 1 is needed", d, i)
		}
	}
	size, known, reason := typ.size(dims)
	if reason != "" {
		return fail("%s", reason)
	}
	if !known {
		return fail("the size of type %v is not known", typ)
	}
	w.names[name] = true
	w.tensors = append(w.tensors, pendingTensor{
		name: name, dims: append([]int(nil), dims...), typ: typ, size: size, write: write,
	})
	return nil
}

// Close writes the file. It does not close the underlying writer. After an error
// what was written so far is no valid file. Further calls return an error and
// write nothing.
func (w *Writer) Close() error {
	if w.closed {
		return errClosed
	}
	w.closed = true

	head := []byte(Magic)
	head = binary.LittleEndian.AppendUint32(head, maxVersion)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(w.tensors)))
	head = binary.LittleEndian.AppendUint64(head, uint64(len(w.keys)))
	head = append(head, w.metadata.Bytes()...)
	offset := int64(0)
	for _, t := range w.tensors {
		head = appendString(head, t.name)
		head = binary.LittleEndian.AppendUint32(head, uint32(len(t.dims)))
		for _, d := range t.dims {
			head = binary.LittleEndian.AppendUint64(head, uint64(d))
		}
		head = binary.LittleEndian.AppendUint32(head, uint32(t.typ))
		head = binary.LittleEndian.AppendUint64(head, uint64(offset))
		next := alignUp(offset+t.size, w.alignment)
		if next < offset {
			return fmt.Errorf("tensor %q: the file gets more bytes than a 64-bit number holds", t.name)
		}
		offset = next
	}
	padding := make([]byte, w.alignment)
	pad := func(size int64) []byte { return padding[:alignUp(size, w.alignment)-size] }
	head = append(head, pad(int64(len(head)))...)

	out := bufio.NewWriterSize(w.w, 1<<16)
	if _, err := out.Write(head); err != nil {
		return err
	}
	for _, t := range w.tensors {
		counted := &exactWriter{w: out, left: t.size}
		err := t.write(counted)
		if err == nil {
			err = counted.finish()
		}
		if err != nil {
			return fmt.Errorf("write tensor %q: %w", t.name, err)
		}
		if _, err := out.Write(pad(t.size)); err != nil {
			return err
		}
	}
	return out.Flush()
}

var errTooMany = errors.New("more bytes were written than its type and dimensions give")

// exactWriter passes on what is written and refuses more than it was made for.
// It keeps the first error, in case the function that writes drops it.
type exactWriter struct {
	w    io.Writer
	left int64
	err  error
}

func (e *exactWriter) Write(b []byte) (n int, err error) {
	if e.err == nil && int64(len(b)) > e.left {
		e.err = errTooMany
	}
	if e.err == nil {
		n, e.err = e.w.Write(b)
		e.left -= int64(n)
	}
	return n, e.err
}

func (e *exactWriter) finish() error {
	if e.err == nil && e.left != 0 {
		return fmt.Errorf("%d bytes fewer were written than its type and dimensions give", e.left)
	}
	return e.err
}

func appendString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}

func appendType(b []byte, t ValueType) []byte {
	return binary.LittleEndian.AppendUint32(b, uint32(t))
}

// appendValue appends the value's type and the value.
func appendValue(b []byte, value any) ([]byte, error) {
	switch x := value.(type) {
	case uint8:
		return appendNumber(b, Uint8, x)
	case int8:
		return appendNumber(b, Int8, x)
	case uint16:
		return appendNumber(b, Uint16, x)
	case int16:
		return appendNumber(b, Int16, x)
	case uint32:
		return appendNumber(b, Uint32, x)
	case int32:
		return appendNumber(b, Int32, x)
	case uint64:
		return appendNumber(b, Uint64, x)
	case int64:
		return appendNumber(b, Int64, x)
	case float32:
		return appendNumber(b, Float32, x)
	case float64:
		return appendNumber(b, Float64, x)
	case bool:
		return appendNumber(b, Bool, x)
	case []uint8:
		return appendNumbers(b, Uint8, x)
	case []int8:
		return appendNumbers(b, Int8, x)
	case []uint16:
		return appendNumbers(b, Uint16, x)
	case []int16:
		return appendNumbers(b, Int16, x)
	case []uint32:
		return appendNumbers(b, Uint32, x)
	case []int32:
		return appendNumbers(b, Int32, x)
	case []uint64:
		return appendNumbers(b, Uint64, x)
	case []int64:
		return appendNumbers(b, Int64, x)
	case []float32:
		return appendNumbers(b, Float32, x)
	case []float64:
		return appendNumbers(b, Float64, x)
	case []bool:
		return appendNumbers(b, Bool, x)
	case string:
		if !utf8.ValidString(x) {
			return nil, errors.New("the string is not valid UTF-8")
		}
		return appendString(appendType(b, String), x), nil
	case []string:
		b = binary.LittleEndian.AppendUint64(appendType(appendType(b, Array), String), uint64(len(x)))
		for i, s := range x {
			if !utf8.ValidString(s) {
				return nil, fmt.Errorf("the string %d is not valid UTF-8", i)
			}
			b = appendString(b, s)
		}
		return b, nil
	case Value:
		if x.data == nil {
			return nil, errors.New("the value is the zero Value")
		}
		b = appendType(b, x.typ)
		switch x.typ {
		case Array:
			b = binary.LittleEndian.AppendUint64(appendType(b, x.elemType), uint64(x.length))
		case String:
			b = binary.LittleEndian.AppendUint64(b, uint64(len(x.data)))
		}
		return append(b, x.data...), nil
	}
	return nil, fmt.Errorf("a value of Go type %T has no type in the format; convert it to one that has, such as uint32", value)
}

// appendNumber appends a type and a number, or an array's header and numbers:
// data is whatever binary.Append takes.
func appendNumber(b []byte, t ValueType, number any) ([]byte, error) {
	return binary.Append(appendType(b, t), binary.LittleEndian, number)
}

func appendNumbers[T any](b []byte, t ValueType, numbers []T) ([]byte, error) {
	b = appendType(appendType(b, Array), t)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(numbers)))
	return binary.Append(b, binary.LittleEndian, numbers)
}
