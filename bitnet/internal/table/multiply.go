package table

import (
	"errors"
	"fmt"
	"math"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
	"github.com/gobitnet/gobitnet/quant"
)

// unpackedBytes bounds the rows that are unpacked or widened at a time: they and the
// vector stay in the nearest cache.
const unpackedBytes = 12 << 10

// rowsAtOnce returns how many rows are taken at a time where a number of one takes
// so many bytes. Kernels take two at a time.
func (t *Table) rowsAtOnce(size int) int { return max(unpackedBytes/size/t.columns&^1, 2) }

// Vectors are the right-hand side of products with a table.
type Vectors struct {
	table *Table

	x []float32 // vector after vector, for floating tables

	// 16-bit images of them, for tables in blocks, with the unit and the sum of each
	// kernel.UnitSize.
	image, natural []int16
	units, sums    []float32

	// 8-bit images of them, for ternary tables, each by itself, then, where blocks of
	// the table have scales, of what these leave; and whether a vector has none
	// because it is not finite.
	kernels       *quant.Kernels
	format        quant.Format
	images, rests []*quant.Activations
	rest          []float32
	notFinite     []bool
}

// Set makes vs the vectors, of as many elements as t has columns, for products with
// t. It copies them. Kernels are those that multiply ternary tables.
func (v *Vectors) Set(t *Table, kernels *quant.Kernels, vs ...[]float32) error {
	for i, x := range vs {
		if len(x) != t.columns {
			return fmt.Errorf("vector %d has %d elements where the table has %d columns", i, len(x), t.columns)
		}
	}
	if format := t.matrix.Format(); v.table != t || v.kernels != kernels || v.format != format {
		v.table, v.kernels, v.format, v.images, v.rests = t, kernels, format, nil, nil
	}
	switch t.form {
	case blocked:
		n := len(vs) * t.columns
		v.image, v.natural = grow(v.image, n), grow(v.natural, t.columns)
		v.units, v.sums = grow(v.units, n/kernel.UnitSize), grow(v.sums, n/kernel.UnitSize)
		for i, x := range vs {
			lo, hi := i*t.columns/kernel.UnitSize, (i+1)*t.columns/kernel.UnitSize
			quantize(v.natural, v.units[lo:hi], v.sums[lo:hi], x)
			kernel.Arrange(v.image[i*t.columns:(i+1)*t.columns], v.natural)
		}
	case ternary:
		v.notFinite, v.rest = grow(v.notFinite, len(vs)), grow(v.rest, t.columns)
		for i, x := range vs {
			if err := v.setTernary(t.matrix.Format(), i, x); err != nil {
				return err
			}
		}
	default:
		v.x = v.x[:0]
		for _, x := range vs {
			v.x = append(v.x, x...)
		}
	}
	return nil
}

// setTernary makes the images of a vector.
func (v *Vectors) setTernary(format quant.Format, i int, x []float32) error {
	for _, images := range []*[]*quant.Activations{&v.images, &v.rests} {
		if i == len(*images) {
			a, err := v.kernels.NewActivations(1, len(x), format)
			if err != nil {
				return err
			}
			*images = append(*images, a)
		}
	}
	err := v.images[i].Quantize(0, x)
	if v.notFinite[i] = errors.Is(err, quant.ErrActivation); err != nil || format == quant.I2S {
		if v.notFinite[i] {
			return nil
		}
		return err
	}
	if err := v.images[i].Rest(v.rest, 0, x, format); err != nil {
		return err
	}
	return v.rests[i].Quantize(0, v.rest)
}

// minUnitMax keeps 32767 divided by the largest of a unit's elements finite.
const minUnitMax = 0x1p-100

// quantize stores the 16-bit image of x, and of each kernel.UnitSize elements the
// unit and the product of it and the sum of the image. A unit with elements that are
// not finite is not a number.
func quantize(image []int16, units, sums, x []float32) {
	for u := range units {
		part := x[u*kernel.UnitSize:][:kernel.UnitSize]
		out := image[u*kernel.UnitSize:][:kernel.UnitSize]
		largest, finite := float32(minUnitMax), true
		for _, v := range part {
			largest = max(largest, float32(math.Abs(float64(v))))
			finite = finite && v-v == 0
		}
		if !finite {
			clear(out)
			units[u], sums[u] = float32(math.NaN()), float32(math.NaN())
			continue
		}
		scale, sum := math.MaxInt16/largest, int32(0)
		for i, v := range part {
			out[i] = int16(math.RoundToEven(float64(v * scale)))
			sum += int32(out[i])
		}
		units[u] = largest / math.MaxInt16
		sums[u] = float32(sum) * units[u]
	}
}

// Scratch is the memory that products and rows are made in. No two calls may use
// one at once.
type Scratch struct {
	floats []float32
	quant  quant.Scratch

	// Rows in blocks, unpacked.
	q            []int8
	scales, mins []float32
}

// reserve makes room for some rows of a table in blocks.
func (s *Scratch) reserve(t *Table, rows int) {
	n := rows * t.columns
	s.q, s.scales = grow(s.q, n), grow(s.scales, n/kernel.StretchSize)
	s.mins = s.mins[:0]
	if t.blocks.Mins() {
		s.mins = grow(s.mins, n/kernel.UnitSize)
	}
}

// widen stores the numbers of what has been unpacked.
func (s *Scratch) widen(dst []float32) {
	for i, q := range s.q {
		dst[i] = s.scales[kernel.ScaleOf(i)] * float32(q)
		if len(s.mins) > 0 {
			dst[i] -= s.mins[i/kernel.UnitSize]
		}
	}
}

// Multiply stores the products of the rows from lo up to, not including, hi and
// the vectors from first up to last, at most kernel.MaxVectors of them, in dst: that
// of row r and vector v in dst[(v−first)·(hi−lo)+r−lo]. The vectors were made for
// the table. No product depends on which others are computed with it.
func (t *Table) Multiply(dst []float32, set *kernel.Set, lo, hi int, v *Vectors, first, last int, s *Scratch) error {
	switch t.form {
	case blocked:
		t.multiplyBlocks(dst, set, lo, hi, v, first, last, s)
		return nil
	case ternary:
		return t.multiplyTernary(dst, lo, hi, v, first, last, s)
	}
	if x := v.x[first*t.columns : last*t.columns]; t.kind == gguf.F16 {
		set.DotsHalf(dst, t.halves[lo*t.columns:hi*t.columns], x, t.columns)
	} else {
		t.multiplyFloats(dst, set, lo, hi, x, s)
	}
	return nil
}

// multiplyFloats takes a few rows of float32 or bfloat16 values at a time for all
// vectors.
func (t *Table) multiplyFloats(dst []float32, set *kernel.Set, lo, hi int, x []float32, s *Scratch) {
	rows := hi - lo
	step := t.rowsAtOnce(4)
	for r := lo; r < hi; r += step {
		end := min(r+step, hi)
		var floats []float32
		if t.kind == gguf.BF16 {
			floats = grow(s.floats, (end-r)*t.columns)
			set.WidenBrain(floats, t.halves[r*t.columns:end*t.columns])
			s.floats = floats
		} else {
			floats = t.floats[r*t.columns : end*t.columns]
		}
		for i := range len(x) / t.columns {
			set.DotsFloat(dst[i*rows+r-lo:i*rows+end-lo], floats, x[i*t.columns:(i+1)*t.columns])
		}
	}
}

// multiplyBlocks unpacks a few rows at a time, once for all vectors.
func (t *Table) multiplyBlocks(dst []float32, set *kernel.Set, lo, hi int, v *Vectors, first, last int, s *Scratch) {
	rows, units := hi-lo, t.columns/kernel.UnitSize
	step := t.rowsAtOnce(1)
	for r := lo; r < hi; r += step {
		end := min(r+step, hi)
		s.reserve(t, end-r)
		set.Unpack[t.blocks](s.q, s.scales, s.mins, t.Bytes(r, end))
		ahead := t.Bytes(end, min(end+step, t.rows))
		for i := first; i < last; i++ {
			set.DotsBlocks(dst[(i-first)*rows+r-lo:(i-first)*rows+end-lo], s.q, s.scales, s.mins,
				v.image[i*t.columns:(i+1)*t.columns], v.units[i*units:(i+1)*units], v.sums[i*units:(i+1)*units], ahead)
			ahead = nil
		}
	}
}

// multiplyTernary adds the products with the two images, rows being so few that the
// second finds them in a cache.
func (t *Table) multiplyTernary(dst []float32, lo, hi int, v *Vectors, first, last int, s *Scratch) error {
	rows, m := hi-lo, t.matrix.Slice(lo, hi)
	for i := first; i < last; i++ {
		out := dst[(i-first)*rows : (i-first+1)*rows]
		if v.notFinite[i] {
			for r := range out {
				out[r] = float32(math.NaN())
			}
			continue
		}
		if err := v.kernels.Multiply(out, rows, m, v.images[i], &s.quant); err != nil {
			return err
		}
		if m.Format() == quant.I2S {
			continue
		}
		s.floats = grow(s.floats, rows)
		if err := v.kernels.Multiply(s.floats, rows, m, v.rests[i], &s.quant); err != nil {
			return err
		}
		for r, rest := range s.floats {
			out[r] += rest
		}
	}
	return nil
}

// Quantize stores the 8-bit image of a row of a floating table in dst and returns
// how far from the row it is, as kernel.Set's QuantizeFloat does.
func (t *Table) Quantize(dst []int8, set *kernel.Set, row int, s *Scratch) (step, rest, squares float32) {
	lo, hi := row*t.columns, (row+1)*t.columns
	switch t.kind {
	case gguf.F16:
		return set.QuantizeHalf(dst, t.halves[lo:hi])
	case gguf.BF16:
		s.floats = grow(s.floats, t.columns)
		set.WidenBrain(s.floats, t.halves[lo:hi])
		return set.QuantizeFloat(dst, s.floats)
	default:
		return set.QuantizeFloat(dst, t.floats[lo:hi])
	}
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
