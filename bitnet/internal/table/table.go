// Package table holds the tables of a model, the embedding and the output head, in
// the types that files have them in: rows of numbers that are looked up one at a
// time or multiplied with vectors. What a row's numbers are as float32, and what a
// product is, is defined to the bit.
package table

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
	"github.com/gobitnet/gobitnet/quant"
)

// A Table is a matrix of numbers of one type. Only [Table.Move] and
// [Table.MoveMatrix] change it.
type Table struct {
	kind          gguf.TensorType
	rows, columns int
	rowBytes      int
	data          []byte

	// The same as the type wants it.
	halves []uint16           // F16 and BF16
	floats []float32          // F32
	blocks kernel.BlockFormat // of the types in blockFormats
	matrix quant.Matrix       // of those in ternaryFormats
	form   form
}

// A form is how products with a table are computed.
type form uint8

const (
	floating form = iota // number by number
	blocked              // in stretches of integers
	ternary              // by package quant
)

var blockFormats = map[gguf.TensorType]kernel.BlockFormat{
	gguf.Q8_0: kernel.Q8_0,
	gguf.Q5_0: kernel.Q5_0,
	gguf.Q4_0: kernel.Q4_0,
	gguf.Q6_K: kernel.Q6_K,
	gguf.Q4_K: kernel.Q4_K,
	gguf.Q3_K: kernel.Q3_K,
}

var ternaryFormats = map[gguf.TensorType]quant.Format{
	gguf.I2S:    quant.I2S,
	gguf.TQ1_0:  quant.TQ1_0,
	gguf.TQ2_0:  quant.TQ2_0,
	gguf.Q2_0:   quant.Q2_0,
	gguf.PQ2_0:  quant.PQ2_0,
	gguf.PTQ1_0: quant.PTQ1_0,
}

// New makes a table of the first rows of columns numbers each, which lie in data
// one after the other as a file has them: all of a tensor's bytes. It keeps data and
// reads from it, save where the address or the platform do not allow that: there it
// makes a copy.
func New(kind gguf.TensorType, rows, columns int, data []byte) (*Table, error) {
	t := &Table{kind: kind, rows: rows, columns: columns}
	multiple, rowBytes, trailer := kernel.Lanes, 0, 0
	format, isTernary := TernaryFormat(kind)
	blocks, isBlocked := blockFormats[kind]
	switch {
	case kind == gguf.F16 || kind == gguf.BF16:
		rowBytes = 2 * columns
	case kind == gguf.F32:
		rowBytes = 4 * columns
	case isBlocked:
		numbers, size := blocks.Block()
		t.form, t.blocks = blocked, blocks
		multiple, rowBytes = max(numbers, kernel.BlockColumns), columns/numbers*size
	case isTernary:
		one, err := format.TensorBytes(1, columns)
		if err != nil {
			return nil, err
		}
		two, err := format.TensorBytes(2, columns)
		if err != nil {
			return nil, err
		}
		t.form, rowBytes = ternary, two-one
		trailer = one - rowBytes
	default:
		return nil, fmt.Errorf("it is of type %v, which is not read; requantize the file with --token-embedding-type and --output-tensor-type Q8_0, Q6_K or F16 (F32, BF16, Q5_0, Q4_0, Q4_K, Q3_K and ternary types are read too)", kind)
	}
	if columns < multiple || columns%multiple != 0 {
		return nil, fmt.Errorf("rows of %d numbers are no multiple of %d, as %v needs here", columns, multiple, kind)
	}
	all := (len(data) - trailer) / rowBytes
	if rows < 1 || all < rows {
		return nil, fmt.Errorf("%d bytes do not hold %d rows of %d numbers of type %v", len(data), rows, columns, kind)
	}
	t.rowBytes, t.data = rowBytes, data[:rows*rowBytes]
	switch {
	case isTernary:
		m, err := quant.NewMatrix(format, all, columns, data)
		if err != nil {
			return nil, err
		}
		t.matrix = m.Slice(0, rows)
	case kind == gguf.F32:
		t.floats = numbers[float32](t.data)
	case t.form == floating:
		t.halves = numbers[uint16](t.data)
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

// Floating reports whether the numbers are floating-point ones, each by itself.
func (t *Table) Floating() bool { return t.form == floating }

// TernaryFormat returns the format in which package quant multiplies tables and
// matrices of a type; ok is false where it is not a ternary one.
func TernaryFormat(kind gguf.TensorType) (f quant.Format, ok bool) {
	f, ok = ternaryFormats[kind]
	return f, ok
}

// Rows returns the number of rows.
func (t *Table) Rows() int { return t.rows }

// Columns returns how many numbers a row has.
func (t *Table) Columns() int { return t.columns }

// Bytes returns the rows from lo up to, not including, hi as they lie in memory.
func (t *Table) Bytes(lo, hi int) []byte { return t.data[lo*t.rowBytes : hi*t.rowBytes] }

// Move has a table in blocks read its rows at another place, to which its Bytes have
// been copied. Nobody uses the table meanwhile.
func (t *Table) Move(rows []byte) { t.data = rows }

// Matrix returns the matrix that a ternary table is; ok is false for others.
func (t *Table) Matrix() (m quant.Matrix, ok bool) { return t.matrix, t.form == ternary }

// MoveMatrix has a ternary table read its rows from a matrix of the same numbers,
// whatever its format. Nobody uses the table meanwhile.
func (t *Table) MoveMatrix(m quant.Matrix) {
	t.matrix, t.data = m, m.Codes()
	t.rowBytes = len(t.data) / t.rows
}

// Widen stores a row as float32 in dst, of Columns, with working memory that no two
// calls may use at once.
func (t *Table) Widen(dst []float32, row int, s *Scratch) error {
	lo, hi := row*t.columns, (row+1)*t.columns
	switch {
	case t.form == ternary:
		return t.matrix.Widen(dst, row)
	case t.form == blocked:
		s.reserve(t, 1)
		t.blocks.Unpack(s.q, s.scales, s.mins, t.Bytes(row, row+1))
		s.widen(dst)
	case t.kind == gguf.F16:
		kernel.Widen(dst, t.halves[lo:hi])
	case t.kind == gguf.BF16:
		kernel.WidenBrain(dst, t.halves[lo:hi])
	default:
		copy(dst, t.floats[lo:hi])
	}
	return nil
}
