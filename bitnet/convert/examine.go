package convert

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/x448/float16"
)

// blockSizes are the numbers of weights with one scale that the types have.
var blockSizes = [...]int{256, 128, 64}

// heldBy says which kinds of types hold a matrix of floats exactly: because all
// that is not zero has one magnitude, in the whole matrix or in each block of a
// row. The magnitudes of blocks must be what float16 holds; a single one need not.
type heldBy struct {
	single bool
	blocks [len(blockSizes)]bool
}

func (h heldBy) and(other heldBy) heldBy {
	h.single = h.single && other.single
	for i := range h.blocks {
		h.blocks[i] = h.blocks[i] && other.blocks[i]
	}
	return h
}

// by reports whether a type holds the matrix.
func (h heldBy) by(typ gguf.TensorType) bool {
	held := h.single
	for i, size := range blockSizes {
		held = held || h.blocks[i] && packings[typ].weights == size
	}
	return held
}

// best returns the type of the largest blocks that holds the matrix.
func (h heldBy) best() gguf.TensorType {
	for _, typ := range []gguf.TensorType{gguf.I2S, gguf.TQ2_0, gguf.PQ2_0} {
		if h.by(typ) {
			return typ
		}
	}
	return gguf.Q2_0
}

// findings are what is known of a matrix of floats.
type findings struct {
	mean  float32 // γ = max(10⁻⁵, mean|w|)
	held  heldBy
	scale float32 // the one magnitude, where held.single
}

// examine looks at all values. Every row is summed up by itself, and the sums are
// added in the order of the rows, so that the result does not depend on threads.
func examine(ctx context.Context, t table) (findings, error) {
	all := tally{findings: findings{held: heldBy{single: true}}}
	for i, size := range blockSizes {
		all.held.blocks[i] = t.cols%size == 0
	}
	err := new(runner).rows(ctx, &all, t.rows, rowFindingsBytes, func() func(int, []byte) error {
		read := t.open()
		values := make([]float32, t.cols)
		return func(row int, dst []byte) error {
			if err := read(row, values); err != nil {
				return err
			}
			storeRowFindings(dst, values)
			return nil
		}
	})
	mean := all.sum / (float64(t.rows) * float64(t.cols))
	all.mean = max(1e-5, float32(mean))
	return all.findings, err
}

// What is found in a row: the sum of magnitudes, the one magnitude of all that is
// not zero, and a byte for each kind of heldBy.
const rowFindingsBytes = 8 + 4 + 1 + len(blockSizes)

func storeRowFindings(dst []byte, values []float32) {
	sum := 0.0
	for _, x := range values {
		sum += float64(abs(x))
	}
	binary.LittleEndian.PutUint64(dst, math.Float64bits(sum))
	magnitude, single := oneMagnitude(values)
	binary.LittleEndian.PutUint32(dst[8:], math.Float32bits(magnitude))
	flags := dst[12:]
	clear(flags)
	if single {
		flags[0] = 1
	}
	for i, size := range blockSizes {
		held := len(values)%size == 0
		for at := 0; held && at < len(values); at += size {
			magnitude, single := oneMagnitude(values[at : at+size])
			held = single && float16.Fromfloat32(magnitude).Float32() == magnitude
		}
		if held {
			flags[1+i] = 1
		}
	}
}

// oneMagnitude returns the magnitude of the values that are not zero, and whether
// they all have the same.
func oneMagnitude(values []float32) (magnitude float32, one bool) {
	for _, x := range values {
		switch a := abs(x); {
		case a == 0 || a == magnitude:
		case magnitude == 0:
			magnitude = a
		default:
			return 0, false
		}
	}
	return magnitude, true
}

// A tally puts together what is found in the rows, which are written to it.
type tally struct {
	findings
	sum float64
}

func (f *tally) Write(rows []byte) (int, error) {
	for at := 0; at < len(rows); at += rowFindingsBytes {
		row := rows[at:]
		f.sum += math.Float64frombits(binary.LittleEndian.Uint64(row))
		magnitude := math.Float32frombits(binary.LittleEndian.Uint32(row[8:]))
		held := heldBy{single: row[12] == 1}
		for i := range held.blocks {
			held.blocks[i] = row[13+i] == 1
		}
		f.held = f.held.and(held)
		switch {
		case f.scale == 0:
			f.scale = magnitude
		case magnitude != 0 && magnitude != f.scale:
			f.held.single = false
		}
	}
	return len(rows), nil
}

// reordered returns the table with the rows in another order.
func (t table) reordered(from func(row int) int) table {
	open := t.open
	t.open = func() func(int, []float32) error {
		read := open()
		return func(row int, values []float32) error { return read(from(row), values) }
	}
	return t
}

// rounded returns the floats rounded to ternary weights of one scale.
func (t table) rounded(scale float32) ternary {
	inverse := 1 / scale
	return ternary{rows: t.rows, cols: t.cols, group: t.cols, single: true, scale: scale, open: func() func(int, []int8, []float32) error {
		read := t.open()
		values := make([]float32, t.cols)
		return func(row int, codes []int8, scales []float32) error {
			if err := read(row, values); err != nil {
				return err
			}
			for i, x := range values {
				codes[i] = int8(max(-1, min(1, math.RoundToEven(float64(float32(x*inverse))))))
			}
			scales[0] = scale
			return nil
		}
	}}
}

// taken returns floats that are ternary as the weights that they are, for a type
// that holds them.
func (t table) taken(typ gguf.TensorType, found findings) ternary {
	weights := ternary{rows: t.rows, cols: t.cols, group: t.cols, single: found.held.single, scale: found.scale}
	if !weights.single {
		weights.group = packings[typ].weights
	}
	weights.open = func() func(int, []int8, []float32) error {
		read := t.open()
		values := make([]float32, t.cols)
		return func(row int, codes []int8, scales []float32) error {
			if err := read(row, values); err != nil {
				return err
			}
			for g := range scales {
				group := values[g*weights.group:][:weights.group]
				magnitude, one := oneMagnitude(group)
				if !one {
					return fmt.Errorf("row %d is not what it was when it was first read: somebody writes to the file", row)
				}
				scales[g] = magnitude
				for i, x := range group {
					code := int8(0)
					if x > 0 {
						code = 1
					} else if x < 0 {
						code = -1
					}
					codes[g*weights.group+i] = code
				}
			}
			return nil
		}
	}
	return weights
}
