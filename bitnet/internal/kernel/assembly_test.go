package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gobitnet/gobitnet/testdata/asmtest"
)

func TestInstructions(t *testing.T) { asmtest.ARM64Instructions(t, "instructions_arm64.h") }

// TestBounds gives the kernels slices before and behind which no memory is.
func TestBounds(t *testing.T) {
	forEachSet(t, func(t *testing.T, s *Set) {
		asmtest.Edges(t, func(t *testing.T, at asmtest.Placer) {
			r := rand.New(rand.NewPCG(19, 20))
			normal := func(n int) []float32 { return asmtest.Place(at, vectors(r, n)[0]) }
			halves := func(n int) []uint16 { return asmtest.Place(at, randomHalves(r, n)) }
			same := func(what string, n int, got, want []float32) {
				t.Helper()
				if !slices.EqualFunc(got, want, sameBits) {
					t.Fatalf("%s of %d: %v, want %v", what, n, got, want)
				}
			}
			for _, n := range []int{16, 48, 128, 144} {
				x, y := normal(n), normal(n)
				same("SumSquares", n, []float32{s.SumSquares(x)}, []float32{sumSquaresGeneric(x)})

				got, want := normal(n), make([]float32, n)
				s.Normalize(got, x, y, 1.25)
				normalizeGeneric(want, x, y, 1.25)
				same("Normalize", n, got, want)
				s.Add(got, x)
				addGeneric(want, x)
				same("Add", n, got, want)
				s.ReLUSquaredMul(got, y)
				reluSquaredMulGeneric(want, y)
				same("ReLUSquaredMul", n, got, want)
				s.SiLUMul(got, y)
				siluMulGeneric(want, y)
				same("SiLUMul", n, got, want)

				h, wantH := halves(n), make([]uint16, n)
				s.FloatToHalf(h, x)
				floatToHalfGeneric(wantH, x)
				if !slices.Equal(h, wantH) {
					t.Fatalf("FloatToHalf of %d: %x, want %x", n, h, wantH)
				}

				image, wantImage := asmtest.Place(at, make([]int8, n)), make([]int8, n)
				step, rest, squares := s.QuantizeHalf(image, h)
				wantStep, wantRest, wantSquares := quantizeHalfGeneric(wantImage, h)
				same("QuantizeHalf", n, []float32{step, rest, squares}, []float32{wantStep, wantRest, wantSquares})
				if !slices.Equal(image, wantImage) {
					t.Fatalf("QuantizeHalf of %d: %d, want %d", n, image, wantImage)
				}

				image, wantImage = asmtest.Place(at, make([]int8, n)), make([]int8, n)
				step, rest, squares = s.QuantizeFloat(image, x)
				wantStep, wantRest, wantSquares = quantizeFloatGeneric(wantImage, x)
				same("QuantizeFloat", n, []float32{step, rest, squares}, []float32{wantStep, wantRest, wantSquares})
				if !slices.Equal(image, wantImage) {
					t.Fatalf("QuantizeFloat of %d: %d, want %d", n, image, wantImage)
				}
				s.WidenBrain(got, h)
				WidenBrain(want, h)
				same("WidenBrain", n, got, want)

				for _, rows := range []int{1, 2, 3, 4, 5, 7, 11, 17} {
					floats, x := normal(rows*n), normal(n)
					got, want := normal(rows), make([]float32, rows)
					s.DotsFloat(got, floats, x)
					dotsFloatGeneric(want, floats, x)
					same("DotsFloat", n, got, want)
					for count := 1; count <= MaxVectors; count++ {
						h, x := halves(rows*n), normal(count*n)
						got, want := normal(count*rows), make([]float32, count*rows)
						s.DotsHalf(got, h, x, n)
						dotsHalfGeneric(want, h, x, n)
						same("DotsHalf", n, got, want)

						bytes, integers := make([]int8, rows*n), make([]int16, count*n)
						for i := range bytes {
							bytes[i] = int8(r.Uint32())
						}
						for i := range integers {
							integers[i] = int16(r.Uint32())
						}
						bytes, integers = asmtest.Place(at, bytes), asmtest.Place(at, integers)
						sums, wantSums := asmtest.Place(at, make([]int32, count*rows)), make([]int32, count*rows)
						s.DotsInt8(sums, bytes, integers, n)
						dotsInt8Generic(wantSums, bytes, integers, n)
						if !slices.Equal(sums, wantSums) {
							t.Fatalf("DotsInt8 of %d × %d with %d vectors: %d, want %d", rows, n, count, sums, wantSums)
						}
					}
				}
			}
			for format := range BlockFormats {
				numbers, size := format.Block()
				for _, cols := range []int{256, 768} {
					for _, rows := range []int{1, 2, 3, 4} {
						blocks := make([]byte, rows*cols/numbers*size)
						for i := range blocks {
							blocks[i] = byte(r.IntN(0x7c)) // no scale that is not finite
						}
						n, mins := rows*cols, 0
						if format.Mins() {
							mins = n / UnitSize
						}
						q, wantQ := asmtest.Place(at, make([]int8, n)), make([]int8, n)
						scales, wantScales := normal(n/StretchSize), make([]float32, n/StretchSize)
						least, wantLeast := normal(mins), make([]float32, mins)
						s.Unpack[format](q, scales, least, asmtest.Place(at, blocks))
						format.Unpack(wantQ, wantScales, wantLeast, blocks)
						same("scales", n, scales, wantScales)
						same("minimums", n, least, wantLeast)
						if !slices.Equal(q, wantQ) {
							t.Fatalf("Unpack of format %d: %d, want %d", format, q, wantQ)
						}
						x := make([]int16, cols)
						for i := range x {
							x[i] = max(int16(r.Uint32()), -math.MaxInt16)
							if rows == 4 { // the largest sums
								x[i] = -math.MaxInt16
							}
						}
						x = asmtest.Place(at, x)
						units, sums := normal(cols/UnitSize), normal(cols/UnitSize)
						got, want := normal(rows), make([]float32, rows)
						s.DotsBlocks(got, q, scales, least, x, units, sums, blocks[:len(blocks)/rows*(rows-1)])
						dotsBlocksGeneric(want, q, scales, least, x, units, sums, nil)
						same("DotsBlocks", cols, got, want)
					}
				}
			}
			for n := 1; n <= 70; n++ {
				x := normal(n)
				want := slices.Clone(x)
				largest, sum := s.Softmax(x, 3)
				wantLargest, wantSum := softmaxGeneric(want, 3)
				same("Softmax", n, append(x, largest, sum), append(want, wantLargest, wantSum))
			}
			for rows := 1; rows <= MaxRows; rows++ {
				for _, inner := range []int{1, 4, 7} {
					for groups := 1; groups <= 5; groups++ {
						a, b, wide := normal(rows*inner), halves(groups*inner*16), normal(groups*inner*16)
						c, want := normal(rows*groups*16), make([]float32, rows*groups*16)
						s.MulHalf(c, groups*16, a, inner, rows, b, inner*16, inner, groups)
						mulHalfGeneric(want, groups*16, a, inner, rows, b, inner*16, inner, groups)
						same("MulHalf", inner, c, want)
						s.MulFloat(c, groups*16, a, inner, rows, wide, inner*16, inner, groups)
						mulFloatGeneric(want, groups*16, a, inner, rows, wide, inner*16, inner, groups)
						same("MulFloat", inner, c, want)
					}
				}
			}
		})
	})
}

// TestSoftmaxSpecial mixes numbers for which comparisons have rules of their
// own: NaN, quiet and signalling, infinities and zeros of both signs.
func TestSoftmaxSpecial(t *testing.T) {
	forEachSet(t, func(t *testing.T, s *Set) {
		r := rand.New(rand.NewPCG(21, 22))
		special := []uint32{0x7fc00000, 0xffc00001, 0x7f800001, 0xff800001, 0x7f800000, 0xff800000, 0x80000000, 0, 0xbf800000, 0x00000001}
		for n := 1; n <= 70; n++ {
			for range 40 {
				// A few of them at a time, so that each gets to be the largest.
				few := special[r.IntN(len(special)):]
				few = few[:1+r.IntN(len(few))]
				x := make([]float32, n)
				for i := range x {
					x[i] = math.Float32frombits(few[r.IntN(len(few))])
				}
				want := slices.Clone(x)
				largest, sum := s.Softmax(x, 0.5)
				wantLargest, wantSum := softmaxGeneric(want, 0.5)
				if largest != wantLargest || !sameBits(sum, wantSum) || !slices.EqualFunc(x, want, sameBits) {
					t.Fatalf("%d: %v, %v and %v, want %v, %v and %v", n, largest, sum, x, wantLargest, wantSum, want)
				}
			}
		}
	})
}
