// Package table holds the tables of a model that are not ternary, the embedding
// and the output head, in the types that files have them in: rows of numbers that
// are looked up one at a time or multiplied with vectors. What a row's numbers are
// as float32, and what a product is, is defined to the bit.
package table

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
)

// A Table is a matrix of numbers of one type. It does not change.
type Table struct {
	kind          gguf.TensorType
	rows, columns int
	rowBytes      int
	data          []byte

	// The same as numbers, for types that have a number in each element.
	halves []uint16 // F16 and BF16
	floats []float32
}

// New makes a table of rows of columns numbers each, which lie in data one after
// the other as a file has them. It keeps data and reads from it, save where the
// address or the platform do not allow that: there it makes a copy.
func New(kind gguf.TensorType, rows, columns int, data []byte) (*Table, error) {
	t := &Table{kind: kind, rows: rows, columns: columns, data: data}
	switch kind {
	case gguf.F16, gguf.BF16:
		t.rowBytes = 2 * columns
	case gguf.F32:
		t.rowBytes = 4 * columns
	default:
		return nil, fmt.Errorf("it is of type %v; those that can be read are F32, F16 and BF16", kind)
	}
	if columns < kernel.Lanes || columns%kernel.Lanes != 0 {
		return nil, fmt.Errorf("rows of %d numbers are no multiple of %d", columns, kernel.Lanes)
	}
	if rows < 1 || len(data)/t.rowBytes < rows {
		return nil, fmt.Errorf("%d bytes do not hold %d rows of %d numbers", len(data), rows, columns)
	}
	t.data = data[:rows*t.rowBytes]
	switch kind {
	case gguf.F16, gguf.BF16:
		t.halves = numbers[uint16](t.data)
	case gguf.F32:
		t.floats = numbers[float32](t.data)
	}
	return t, nil
}

// numbers returns little-endian numbers as a slice, which is a view of data where
// that is possible.
func numbers[T uint16 | float32](data []byte) []T {
	var zero T
	size := int(unsafe.Sizeof(zero))
	littleEndian := binary.NativeEndian.Uint16([]byte{1, 0}) == 1
	first := unsafe.Pointer(unsafe.SliceData(data))
	if littleEndian && uintptr(first)%unsafe.Alignof(zero) == 0 {
		return unsafe.Slice((*T)(first), len(data)/size)
	}
	x := make([]T, len(data)/size)
	if _, err := binary.Decode(data, binary.LittleEndian, x); err != nil {
		panic(err) // x is as long as data
	}
	return x
}

// Type returns the type of the numbers.
func (t *Table) Type() gguf.TensorType { return t.kind }

// Rows returns the number of rows.
func (t *Table) Rows() int { return t.rows }

// Columns returns how many numbers a row has.
func (t *Table) Columns() int { return t.columns }

// Bytes returns the rows from lo up to, not including, hi as they lie in memory.
func (t *Table) Bytes(lo, hi int) []byte { return t.data[lo*t.rowBytes : hi*t.rowBytes] }

// Widen stores a row as float32 in dst, of Columns.
func (t *Table) Widen(dst []float32, row int) {
	lo, hi := row*t.columns, (row+1)*t.columns
	switch t.kind {
	case gguf.F16:
		kernel.Widen(dst, t.halves[lo:hi])
	case gguf.BF16:
		kernel.WidenBrain(dst, t.halves[lo:hi])
	case gguf.F32:
		copy(dst, t.floats[lo:hi])
	}
}
