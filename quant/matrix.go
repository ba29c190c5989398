package quant

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

const (
	// BlockSize is the number of weights in one I2_S block. The length of a
	// row is a multiple of it.
	BlockSize = 128
	// BlockBytes is the number of bytes in which a block is stored.
	BlockBytes = 32
	// ScaleBytes is the space that a tensor keeps for its scale behind the
	// weights; the scale is the float32 in the first four of these bytes.
	ScaleBytes = 32

	// maxColumns bounds a row so that the sum of a row, at most
	// 3·128 a column, stays within an int32 with room to spare.
	maxColumns = 1 << 20
)

// ErrShape is wrapped by every error about lengths that do not fit each other.
var ErrShape = errors.New("lengths do not fit")

// ErrScale is wrapped by errors about a scale that is not a finite number.
var ErrScale = errors.New("scale is not finite")

// A Matrix is a view of a stored matrix: Rows rows of Cols ternary weights, with
// their scale or scales. It holds no copy of the weights; whoever made it keeps
// their bytes unchanged while it is in use. Matrices are values and may be shared
// by goroutines.
type Matrix struct {
	format     Format
	rows, cols int
	codes      []byte // with their scales, where blocks have them
	scale      float32
}

// TensorBytes returns the size of a rows × cols tensor as stored: for [I2S] a
// quarter of a byte for each weight, and [ScaleBytes]; for the others, the bytes
// of their blocks. Columns are a multiple of the weights in a block, and of 128.
func (f Format) TensorBytes(rows, cols int) (int, error) {
	if f >= formats {
		return 0, fmt.Errorf("%w: format %d is none", ErrShape, f)
	}
	if rows <= 0 || cols <= 0 || cols%f.columns() != 0 || cols > maxColumns {
		return 0, fmt.Errorf("%w: a matrix of %d × %d: rows must be positive and columns a multiple of %d up to %d", ErrShape, rows, cols, f.columns(), maxColumns)
	}
	if rows > (math.MaxInt-f.trailer())/f.rowBytes(cols) {
		return 0, fmt.Errorf("%w: a matrix of %d × %d is too large for this platform", ErrShape, rows, cols)
	}
	return rows*f.rowBytes(cols) + f.trailer(), nil
}

// NewMatrix reads a stored tensor of [Format.TensorBytes] bytes. The matrix
// refers to tensor, which must stay unchanged while it is used; it may begin at
// any address.
//
// An I2_S scale that is not finite is an error. The scales of blocks are not
// read here: one that is infinite or not a number makes products so.
func NewMatrix(format Format, rows, cols int, tensor []byte) (Matrix, error) {
	size, err := format.TensorBytes(rows, cols)
	if err != nil {
		return Matrix{}, err
	}
	if len(tensor) != size {
		return Matrix{}, fmt.Errorf("%w: a matrix of %d × %d takes %d bytes, not %d", ErrShape, rows, cols, size, len(tensor))
	}
	m := Matrix{format: format, rows: rows, cols: cols, scale: 1}
	n := size - format.trailer()
	m.codes = tensor[:n:n]
	if format == I2S {
		m.scale = math.Float32frombits(binary.LittleEndian.Uint32(tensor[n:]))
		if m.scale-m.scale != 0 {
			return Matrix{}, fmt.Errorf("%w: %v", ErrScale, m.scale)
		}
	}
	return m, nil
}

// Format returns how the weights are stored.
func (m Matrix) Format() Format { return m.format }

// Rows returns the number of rows: the length of a product.
func (m Matrix) Rows() int { return m.rows }

// Cols returns the number of columns: the length of the vectors it multiplies.
func (m Matrix) Cols() int { return m.cols }

// Scale returns the factor that all weights share: 1 where blocks have scales of
// their own.
func (m Matrix) Scale() float32 { return m.scale }

// Codes returns the stored codes in the order of the rows: for [I2S] a quarter of
// a byte for each weight, for the others blocks with their scales. They are what
// the matrix was made of, not a copy.
func (m Matrix) Codes() []byte { return m.codes }

// WithCodes returns the matrix with its codes at another place, to which
// [Matrix.Codes] have been copied. It panics where the length is another one.
func (m Matrix) WithCodes(codes []byte) Matrix {
	if len(codes) != len(m.codes) {
		panic("quant: codes of another length")
	}
	m.codes = codes
	return m
}

// Slice returns a view of the rows from lo up to, not including, hi, cut to
// the rows that there are.
func (m Matrix) Slice(lo, hi int) Matrix {
	lo = min(max(lo, 0), m.rows)
	hi = min(max(hi, lo), m.rows)
	stride := m.format.rowBytes(m.cols)
	m.codes = m.codes[lo*stride : hi*stride : hi*stride]
	m.rows = hi - lo
	return m
}

// Widen stores the weights of a row in dst, which holds Cols values: codes times
// scales, exact.
func (m Matrix) Widen(dst []float32, row int) error {
	if row < 0 || row >= m.rows || len(dst) != m.cols {
		return fmt.Errorf("%w: row %d of %d × %d weights into %d values", ErrShape, row, m.rows, m.cols, len(dst))
	}
	l, rowBytes := &layouts[m.format], m.format.rowBytes(m.cols)
	codes := m.codes[row*rowBytes : (row+1)*rowBytes]
	var weights [BlockSize]int8
	var unpacked [256]byte
	for at := 0; at < m.cols; at += l.weights {
		block := codes[at/l.weights*l.bytes:][:l.bytes]
		out := dst[at : at+l.weights]
		if m.format == I2S {
			if err := Unpack(weights[:], block); err != nil {
				return err
			}
			for i, w := range weights {
				out[i] = m.scale * float32(w)
			}
			continue
		}
		unpackBlock(unpacked[:l.weights], block, m.format)
		d := blockScale(block, m.format)
		for i := range out {
			out[i] = d * (float32(unpacked[l.form.place(i)]) - 1)
		}
	}
	return nil
}
