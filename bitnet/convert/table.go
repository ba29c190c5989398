package convert

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/x448/float16"
)

// A table is a matrix of floats that can be read row by row.
type table struct {
	rows, cols int

	// open returns a reader for one goroutine. It stores the values of a row, all
	// of them finite.
	open func() func(row int, values []float32) error
}

// An encoding is how a type that tables may be stored in has its blocks.
type encoding struct {
	values, bytes int
	encode        func(block []byte, values []float32) error
}

// encodings are the types for tables. F32 is for norms.
var encodings = map[gguf.TensorType]encoding{
	gguf.F32:  {1, 4, encodeF32},
	gguf.F16:  {1, 2, encodeF16},
	gguf.Q8_0: {32, 34, encodeQ8},
	gguf.Q6_K: {256, 210, encodeQ6K},
}

// encode plans to store the table in one of the types of encodings.
func (t table) encode(typ gguf.TensorType, run *runner) (encoded, error) {
	e := encodings[typ]
	if t.cols%e.values != 0 {
		return encoded{}, fmt.Errorf("has rows of %d values; %v needs a multiple of %d", t.cols, typ, e.values)
	}
	rowBytes := t.cols / e.values * e.bytes
	write := func(ctx context.Context, w io.Writer) error {
		return run.rows(ctx, w, t.rows, rowBytes, func() func(int, []byte) error {
			read := t.open()
			values := make([]float32, t.cols)
			return func(row int, dst []byte) error {
				if err := read(row, values); err != nil {
					return err
				}
				for i := range t.cols / e.values {
					if err := e.encode(dst[i*e.bytes:][:e.bytes], values[i*e.values:][:e.values]); err != nil {
						return fmt.Errorf("row %d, values from %d on: %w", row, i*e.values, err)
					}
				}
				return nil
			}
		})
	}
	return encoded{typ, int64(t.rows) * int64(rowBytes), write}, nil
}

// values returns the weights as floats.
func (t ternary) values() table {
	return table{t.rows, t.cols, func() func(int, []float32) error {
		read := t.open()
		codes, scales := make([]int8, t.cols), make([]float32, t.cols/t.group)
		return func(row int, values []float32) error {
			if err := read(row, codes, scales); err != nil {
				return err
			}
			for i, c := range codes {
				values[i] = float32(c) * scales[i/t.group]
			}
			return nil
		}
	}}
}

// decodeRow decodes a row of one of the types of floatBytes, and refuses values
// that are not finite.
func decodeRow(values []float32, typ gguf.TensorType, data []byte, row int) error {
	switch typ {
	case gguf.F32:
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
	case gguf.F16:
		for i := range values {
			values[i] = float16.Frombits(binary.LittleEndian.Uint16(data[2*i:])).Float32()
		}
	case gguf.BF16:
		for i := range values {
			values[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(data[2*i:])) << 16)
		}
	}
	for i, x := range values {
		if !isFinite(x) {
			return fmt.Errorf("row %d, value %d is %v", row, i, x)
		}
	}
	return nil
}

// floatBytes is how many bytes a value takes of the types that store each by
// itself.
var floatBytes = map[gguf.TensorType]int{gguf.F32: 4, gguf.F16: 2, gguf.BF16: 2}

func encodeF32(block []byte, values []float32) error {
	binary.LittleEndian.PutUint32(block, math.Float32bits(values[0]))
	return nil
}

func encodeF16(block []byte, values []float32) error {
	half := float16.Fromfloat32(values[0])
	if !half.IsFinite() {
		return fmt.Errorf("%v is beyond what float16 holds", values[0])
	}
	binary.LittleEndian.PutUint16(block, half.Bits())
	return nil
}

// encodeQ8 stores 32 values as whole numbers from −127 to 127 times a float16
// scale, which the largest gives. They are rounded for the scale as stored.
func encodeQ8(block []byte, values []float32) error {
	largest := float32(0)
	for _, x := range values {
		largest = max(largest, abs(x))
	}
	half := float16.Fromfloat32(largest / 127)
	if !half.IsFinite() {
		return fmt.Errorf("%v is beyond what Q8_0 holds", largest)
	}
	binary.LittleEndian.PutUint16(block, half.Bits())
	scale := half.Float32()
	for i, x := range values {
		block[2+i] = byte(int8(nearest(x, scale, -127, 127)))
	}
	return nil
}

// nearest returns the whole number nearest to x/scale, half to even, within limits.
func nearest(x, scale float32, low, high int) int {
	if scale == 0 {
		return 0
	}
	return int(max(float64(low), min(float64(high), math.RoundToEven(float64(x/scale)))))
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }
