package convert

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/quant"
	"github.com/x448/float16"
)

// A ternary is a matrix of ternary weights that can be read row by row.
type ternary struct {
	rows, cols int
	group      int // so many weights of a row share a scale; cols is a multiple of it

	// single says that the whole matrix has one scale, and scale which.
	single bool
	scale  float32

	// open returns a reader for one goroutine. It stores the codes −1, 0 and +1 of
	// a row, and the scale of each group.
	open func() func(row int, codes []int8, scales []float32) error
}

// A packing is how one of the types with a scale for each block stores a block.
type packing struct {
	weights, bytes int
	scaleAt        int // where the float16 scale is
	pack           func(block []byte, codes []int8)
	unpack         func(codes []int8, block []byte)
}

// packings are the types with a scale for each block.
var packings = map[gguf.TensorType]packing{
	gguf.TQ1_0:  {256, 54, 52, packTrits([]run{{0, 32, 5}, {32, 16, 5}, {48, 4, 4}}), unpackTrits([]run{{0, 32, 5}, {32, 16, 5}, {48, 4, 4}})},
	gguf.TQ2_0:  {256, 66, 64, packTQ2, unpackTQ2},
	gguf.Q2_0:   {64, 18, 0, packQ2, unpackQ2},
	gguf.PQ2_0:  {128, 34, 0, packQ2, unpackQ2},
	gguf.PTQ1_0: {128, 28, 26, packTrits([]run{{0, 16, 5}, {16, 8, 5}, {24, 2, 4}}), unpackTrits([]run{{0, 16, 5}, {16, 8, 5}, {24, 2, 4}})},
}

// isTernary reports whether a type holds ternary weights.
func isTernary(t gguf.TensorType) bool {
	_, ok := packings[t]
	return ok || t == gguf.I2S
}

// packTQ2 stores weight 128h+32l+m in bits 2l of byte 32h+m.
func packTQ2(block []byte, codes []int8) {
	for h := range 2 {
		for m := range 32 {
			b := byte(0)
			for l := range 4 {
				b |= byte(codes[128*h+32*l+m]+1) << (2 * l)
			}
			block[32*h+m] = b
		}
	}
}

func unpackTQ2(codes []int8, block []byte) {
	for i := range codes {
		codes[i] = int8(block[i/128*32+i%32]>>(2*(i%128/32))&3) - 1
	}
}

// packQ2 stores weight i in bits 2(i mod 4) of byte i/4, behind the scale.
func packQ2(block []byte, codes []int8) {
	for i := 0; i < len(codes); i += 4 {
		block[2+i/4] = byte(codes[i]+1) | byte(codes[i+1]+1)<<2 | byte(codes[i+2]+1)<<4 | byte(codes[i+3]+1)<<6
	}
}

func unpackQ2(codes []int8, block []byte) {
	for i := range codes {
		codes[i] = int8(block[2+i/4]>>(2*(i%4))&3) - 1
	}
}

// A run is bytes that hold several base-3 digits each: of the next bytes·digits
// weights, byte m has those at m, m+bytes, m+2·bytes …
type run struct{ at, bytes, digits int }

// packTrits stores digits as a fraction: with v the number of five digits, the
// first the most significant, a byte is 256·v/243, rounded up. Multiplied by 3 it
// has the first digit above its eight bits, multiplied by 9 the second, and so on.
// A byte of four digits has zero as the fifth.
func packTrits(runs []run) func(block []byte, codes []int8) {
	return func(block []byte, codes []int8) {
		for _, r := range runs {
			for m := range r.bytes {
				v := 0
				for n := range 5 {
					v *= 3
					if n < r.digits {
						v += int(codes[n*r.bytes+m]) + 1
					}
				}
				block[r.at+m] = byte((v*256 + 242) / 243)
			}
			codes = codes[r.bytes*r.digits:]
		}
	}
}

func unpackTrits(runs []run) func(codes []int8, block []byte) {
	return func(codes []int8, block []byte) {
		for _, r := range runs {
			for m := range r.bytes {
				b := block[r.at+m]
				for n := range r.digits {
					codes[n*r.bytes+m] = int8(int(b)*3>>8) - 1
					b *= 3
				}
			}
			codes = codes[r.bytes*r.digits:]
		}
	}
}

// readTernary returns the weights of a matrix in a ternary type. exact is the
// scale of which the file has a rounded one, nil for none.
func readTernary(data []byte, typ gguf.TensorType, rows, cols int, exact *float32) (ternary, error) {
	if typ == gguf.I2S {
		return readI2S(data, rows, cols)
	}
	p := packings[typ]
	if cols%p.weights != 0 || len(data) != rows*(cols/p.weights)*p.bytes {
		return ternary{}, fmt.Errorf("has %d bytes, which do not fit %d rows of %d weights", len(data), rows, cols)
	}
	blocks := cols / p.weights
	t := ternary{rows: rows, cols: cols, group: p.weights}
	t.open = func() func(int, []int8, []float32) error {
		return func(row int, codes []int8, scales []float32) error {
			for i := range blocks {
				block := data[(row*blocks+i)*p.bytes:][:p.bytes]
				some := codes[i*p.weights:][:p.weights]
				p.unpack(some, block)
				if slices.Max(some) > 1 {
					return fmt.Errorf("row %d, weights from %d on: one is 2, and so not ternary", row, i*p.weights)
				}
				half := float16.Frombits(binary.LittleEndian.Uint16(block[p.scaleAt:]))
				if !half.IsFinite() {
					return fmt.Errorf("row %d, weights from %d on: the scale is %v", row, i*p.weights, half)
				}
				scales[i] = half.Float32()
				if exact != nil && !isZero(some) {
					if half != float16.Fromfloat32(*exact) {
						return fmt.Errorf("row %d, weights from %d on: the scale is %v, which is not the rounded %v of key %s: somebody has changed the tensor; remove the key", row, i*p.weights, half, *exact, exactScaleValues)
					}
					scales[i] = *exact
				}
			}
			return nil
		}
	}
	if exact != nil {
		t.single, t.scale = true, *exact
	}
	return t, nil
}

func readI2S(data []byte, rows, cols int) (ternary, error) {
	if cols%quant.BlockSize != 0 {
		return ternary{}, fmt.Errorf("has rows of %d weights, no multiple of %d: blocks go across rows, which is not supported", cols, quant.BlockSize)
	}
	stride := cols / 4
	if len(data) != rows*stride+quant.ScaleBytes {
		return ternary{}, fmt.Errorf("has %d bytes, which do not fit %d rows of %d weights", len(data), rows, cols)
	}
	scale := math.Float32frombits(binary.LittleEndian.Uint32(data[rows*stride:]))
	if !isFinite(scale) {
		return ternary{}, fmt.Errorf("has the scale %v", scale)
	}
	t := ternary{rows: rows, cols: cols, group: cols, single: true, scale: scale}
	t.open = func() func(int, []int8, []float32) error {
		return func(row int, codes []int8, scales []float32) error {
			if err := quant.Unpack(codes, data[row*stride:][:stride]); err != nil {
				return err
			}
			if slices.Max(codes) > 1 {
				return fmt.Errorf("row %d has the code 3, which is no ternary weight", row)
			}
			scales[0] = scale
			return nil
		}
	}
	return t, nil
}

func isFinite(x float32) bool { return x-x == 0 }

func isZero(codes []int8) bool {
	for _, c := range codes {
		if c != 0 {
			return false
		}
	}
	return true
}

// commonScale returns the scale that all weights from one up to, not including,
// another of a row share, and whether one of them is not zero: the scale of a group
// of zeros says nothing.
func (t ternary) commonScale(row int, codes []int8, scales []float32, from, to int) (scale float32, some bool, err error) {
	scale = scales[from/t.group]
	for g := from / t.group; g*t.group < to; g++ {
		if isZero(codes[max(from, g*t.group):min(to, (g+1)*t.group)]) {
			continue
		}
		if some && scales[g] != scale {
			return 0, false, fmt.Errorf("row %d, weights %d to %d: there are the scales %v and %v where the type has room for one", row, from, to-1, scale, scales[g])
		}
		scale, some = scales[g], true
	}
	return scale, some, nil
}

// halfScale returns a scale in float16, and whether that holds it exactly.
func halfScale(scale float32) (half float16.Float16, exact bool, err error) {
	half = float16.Fromfloat32(scale)
	exact = half.Float32() == scale
	if size := math.Abs(float64(scale)); !exact && (size < 1.0/(1<<14) || size > 65504) {
		return 0, false, fmt.Errorf("the scale %v is outside what float16 holds: choose the type I2_S", scale)
	}
	return half, exact, nil
}

// checkShape refuses a shape that a ternary type has no room for.
func checkShape(typ gguf.TensorType, rows, cols int) error {
	block := packings[typ].weights
	if typ == gguf.I2S {
		block = quant.BlockSize
	}
	if cols%block != 0 {
		return fmt.Errorf("has rows of %d weights; %v needs a multiple of %d", cols, typ, block)
	}
	return nil
}

// encode plans to store the matrix in a ternary type.
func (t ternary) encode(typ gguf.TensorType, run *runner) (encoded, error) {
	if err := checkShape(typ, t.rows, t.cols); err != nil {
		return encoded{}, err
	}
	if typ == gguf.I2S {
		size := int64(t.rows)*int64(t.cols/4) + quant.ScaleBytes
		return encoded{typ, size, func(ctx context.Context, w io.Writer) error { return t.writeI2S(ctx, w, run) }}, nil
	}
	p := packings[typ]
	if t.single {
		if _, _, err := halfScale(t.scale); err != nil {
			return encoded{}, err
		}
	}
	rowBytes := t.cols / p.weights * p.bytes
	write := func(ctx context.Context, w io.Writer) error {
		return run.rows(ctx, w, t.rows, rowBytes, func() func(int, []byte) error {
			read := t.open()
			codes, scales := make([]int8, t.cols), make([]float32, t.cols/t.group)
			return func(row int, dst []byte) error {
				if err := read(row, codes, scales); err != nil {
					return err
				}
				for i := range t.cols / p.weights {
					from := i * p.weights
					scale, _, err := t.commonScale(row, codes, scales, from, from+p.weights)
					if t.single { // also where all is zero
						scale = t.scale
					}
					if err != nil {
						return err
					}
					half, exact, err := halfScale(scale)
					if err == nil && !exact && !t.single {
						err = fmt.Errorf("row %d, weights from %d on: float16 does not hold the scale %v", row, from, scale)
					}
					if err != nil {
						return err
					}
					block := dst[i*p.bytes:][:p.bytes]
					binary.LittleEndian.PutUint16(block[p.scaleAt:], half.Bits())
					p.pack(block, codes[from:from+p.weights])
				}
				return nil
			}
		})
	}
	return encoded{typ, int64(t.rows) * int64(rowBytes), write}, nil
}

// writeI2S finds the one scale while it writes the codes; it stands behind them.
func (t ternary) writeI2S(ctx context.Context, w io.Writer, run *runner) error {
	var mu sync.Mutex
	scale, known := t.scale, t.single
	err := run.rows(ctx, w, t.rows, t.cols/4, func() func(int, []byte) error {
		read := t.open()
		codes, scales := make([]int8, t.cols), make([]float32, t.cols/t.group)
		return func(row int, dst []byte) error {
			if err := read(row, codes, scales); err != nil {
				return err
			}
			if !t.single {
				own, some, err := t.commonScale(row, codes, scales, 0, t.cols)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case some && known && own != scale:
					return fmt.Errorf("row %d has the scale %v and another one %v where I2_S has room for one", row, own, scale)
				case some, !known && row == 0:
					scale, known = own, known || some
				}
			}
			return quant.Pack(dst, codes)
		}
	})
	if err != nil {
		return err
	}
	var trailer [quant.ScaleBytes]byte
	binary.LittleEndian.PutUint32(trailer[:], math.Float32bits(scale))
	_, err = w.Write(trailer[:])
	return err
}
