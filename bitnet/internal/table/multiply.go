package table

import (
	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
)

// Vectors are the right-hand side of products with a table.
type Vectors struct {
	n int
	x []float32 // vector after vector
}

// Set makes vs the vectors, of Columns elements each. It copies them.
func (v *Vectors) Set(t *Table, vs ...[]float32) {
	v.n, v.x = len(vs), v.x[:0]
	for _, x := range vs {
		v.x = append(v.x, x...)
	}
}

// Len returns the number of vectors.
func (v *Vectors) Len() int { return v.n }

// Scratch is the memory that Multiply works in. No two calls may use one at once.
type Scratch struct {
	floats []float32
}

// Multiply stores the products of the rows from lo up to, not including, hi and
// the vectors from first up to last, at most kernel.MaxVectors of them, in dst: that
// of row r and vector v in dst[(v−first)·(hi−lo)+r−lo]. No product depends on
// which others are computed with it.
func (t *Table) Multiply(dst []float32, set *kernel.Set, lo, hi int, v *Vectors, first, last int, s *Scratch) {
	x := v.x[first*t.columns : last*t.columns]
	from, to := lo*t.columns, hi*t.columns
	switch t.kind {
	case gguf.F16:
		set.DotsHalf(dst, t.halves[from:to], x, t.columns)
	case gguf.BF16:
		s.floats = grow(s.floats, to-from)
		set.WidenBrain(s.floats, t.halves[from:to])
		set.DotsFloat(dst, s.floats, x, t.columns)
	case gguf.F32:
		set.DotsFloat(dst, t.floats[from:to], x, t.columns)
	}
}

// Quantize stores the 8-bit image of a row in dst and returns how far from the row
// it is, as kernel.Set's QuantizeFloat does.
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
