package kernel

import (
	"fmt"
	"slices"

	"github.com/gobitnet/gobitnet/internal/instructions"
)

// Lanes is the number of partial results of a reduction. Vector lengths are
// multiples of it where nothing else is said.
const Lanes = 16

// MaxRows is the largest number of rows of the left operand of MulHalf and
// MulFloat.
const MaxRows = 4

// MaxVectors is the largest number of vectors that DotsHalf and DotsInt8 multiply
// rows by at once.
const MaxVectors = 8

// A Set is one implementation of the float arithmetic.
type Set struct {
	// Name is "generic", or names the instructions that are used.
	Name string

	// SumSquares returns Σ x[i]², in lanes.
	SumSquares func(x []float32) float32

	// Normalize stores (x[i]·factor)·weight[i] in dst[i], rounded twice. dst
	// may be x. All three have one length.
	Normalize func(dst, x, weight []float32, factor float32)

	// Add adds x[i] to dst[i].
	Add func(dst, x []float32)

	// ReLUSquaredMul stores (g·g)·up[i] with g = max(gate[i], 0) in gate[i],
	// rounded twice; a NaN in gate counts as 0 in g.
	ReLUSquaredMul func(gate, up []float32)

	// SiLUMul stores (g·m/(1+e))·up[i] in gate[i], rounded after each
	// operation, with g = gate[i], e = exp(−|g|) (see Exp), and m = 1 where g is
	// above 0, e elsewhere. A NaN stays one, and −∞ becomes one.
	SiLUMul func(gate, up []float32)

	// FloatToHalf rounds to float16, half to even, beyond the largest to
	// infinity. A NaN stays a NaN, of no particular bits.
	FloatToHalf func(dst []uint16, src []float32)

	// MulHalf computes c[r·cStride+16g+j] for the rows r (1 to MaxRows), the
	// groups g and the columns j of a group (0…15): a chain over i = 0…inner−1
	// of fused multiply-adds of a[r·aStride+i] and
	// b[g·groupStride+16i+j], a float16. inner and groups are at least 1.
	MulHalf func(c []float32, cStride int, a []float32, aStride, rows int, b []uint16, groupStride, inner, groups int)

	// MulFloat is MulHalf for a float32 b.
	MulFloat func(c []float32, cStride int, a []float32, aStride, rows int, b []float32, groupStride, inner, groups int)

	// Softmax scales x by scale, takes the largest scaled value (a NaN is
	// never the largest; of nothing but NaNs it is −Inf), replaces each by
	// exp(x[i]−largest) (see Exp) and returns the largest and, in lanes by
	// plain addition, the sum of the results. Any length from 1 on.
	Softmax func(x []float32, scale float32) (largest, sum float32)

	// DotsHalf multiplies len(rows)/cols rows of float16 values by len(x)/cols
	// vectors, 1 to MaxVectors, and stores the product, in lanes, of row r and
	// vector v in dst[v·(len(rows)/cols)+r].
	DotsHalf func(dst []float32, rows []uint16, x []float32, cols int)

	// DotsFloat is DotsHalf for len(dst) rows of float32 values and one vector.
	DotsFloat func(dst []float32, rows []float32, x []float32)

	// DotsInt8 is DotsHalf for exact products of 8-bit integers and vectors of
	// 16-bit ones. The caller sees to it that 128·Σ|x[i]| of each vector fits
	// an int32.
	DotsInt8 func(dst []int32, rows []int8, x []int16, cols int)

	// QuantizeHalf stores the 8-bit image of a row of float16 values in dst:
	// with step = max|v|/127, q = round-half-even(v·(127/max|v|)) clamped to
	// ±127, and 0 where all values are 0. It returns step, Σ(v − q·step)² and
	// Σ v², both in lanes, the differences by fused multiply-add. Where a
	// value is infinite or a NaN, squares is not finite and the rest
	// anything.
	QuantizeHalf func(dst []int8, row []uint16) (step, rest, squares float32)

	// QuantizeFloat is QuantizeHalf for a row of float32 values. The image is 0 also
	// where 127/max|v| is beyond float32, and squares are not finite also where
	// their sum is.
	QuantizeFloat func(dst []int8, row []float32) (step, rest, squares float32)

	// WidenBrain stores bfloat16 values, the upper halves of float32 values, as
	// float32.
	WidenBrain func(dst []float32, src []uint16)

	// Unpack takes blocks of each format apart: into integers, one scale for each
	// StretchSize of them and, where the format has them, one minimum for each
	// UnitSize. len(q) is that of whole blocks.
	Unpack [BlockFormats]func(q []int8, scales, mins []float32, blocks []byte)

	// DotsBlocks multiplies len(dst) rows that have been unpacked by one vector of
	// len(x) elements, a multiple of BlockColumns: 16-bit integers from −32767 up,
	// as Arrange leaves them, with a unit for each UnitSize. The integer products of
	// four neighbours are summed up, which is exact, and these sums times scale·unit,
	// rounded, are added up in lanes. From that, where there are minimums, is
	// subtracted the sum in lanes of the minimums times sums, the products of each
	// unit and the sum of its elements. ahead, which may be empty, is a hint: the
	// blocks that are unpacked next, to be fetched from memory meanwhile.
	DotsBlocks func(dst []float32, q []int8, scales, mins []float32, x []int16, units, sums []float32, ahead []byte)
}

// Available returns every implementation that this processor can run, fastest
// first; the last one is plain Go.
func Available() []*Set { return append([]*Set(nil), available...) }

// Named returns the implementation that goes with the integer kernels of that
// name in package quant. That there is none is a mistake in this project.
func Named(quantKernels string) (*Set, error) {
	set, _ := instructions.Named(quantKernels)
	for _, s := range available {
		if s.Name == set.Float {
			return s, nil
		}
	}
	return nil, fmt.Errorf("no float32 kernels go with the %q kernels", quantKernels)
}

// available is what this processor can run.
var available = append(slices.DeleteFunc(processorSets(), func(s *Set) bool { return !instructions.Available(s.Name) }), &generic)
