package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gobitnet/gobitnet/internal/portable"
)

// forEachSet runs a test over every implementation that this processor has,
// plain Go included.
func forEachSet(t *testing.T, test func(t *testing.T, s *Set)) {
	t.Helper()
	for _, s := range available {
		t.Run(s.Name, func(t *testing.T) { test(t, s) })
	}
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// vectors yields vectors of every length that is asked for: ordinary numbers,
// and ones whose magnitudes are far apart, denormal or zero.
func vectors(r *rand.Rand, n int) [][]float32 {
	kinds := []func() float32{
		func() float32 { return float32(r.NormFloat64()) },
		func() float32 { return float32(math.Ldexp(r.NormFloat64(), r.IntN(60)-30)) },
		func() float32 { return math.Float32frombits(r.Uint32() & 0x80ffffff) },
		func() float32 { return float32(math.Copysign(0, r.NormFloat64())) },
		func() float32 { return float32(r.IntN(9) - 4) },
	}
	var all [][]float32
	for _, f := range kinds {
		x := make([]float32, n)
		for i := range x {
			x[i] = f()
		}
		all = append(all, x)
	}
	return all
}

func randomHalves(r *rand.Rand, n int) []uint16 {
	h := make([]uint16, n)
	for i := range h {
		h[i] = uint16(r.Uint32())
		if h[i]&0x7c00 == 0x7c00 { // infinities and NaNs are tested apart
			h[i] ^= 0x4000
		}
	}
	return h
}

func TestExp(t *testing.T) {
	for x := float32(0); x >= expCutoff; x -= 1. / 4096 {
		got, want := float64(Exp(x)), math.Exp(float64(x))
		if math.Abs(got-want) > 1.5e-7*want {
			t.Fatalf("exp(%v) = %v, want %v", x, got, want)
		}
	}
	for _, x := range []float32{-86.1, -1e30, float32(math.Inf(-1)), float32(math.NaN())} {
		if got := Exp(x); got != 0 {
			t.Errorf("exp(%v) = %v, want 0", x, got)
		}
	}
	if Exp(0) != 1 || Exp(float32(math.Copysign(0, -1))) != 1 {
		t.Error("exp(0) is not 1")
	}
}

// The generic forms are held against double precision, the others against the
// generic ones, to the bit.

func TestSumSquares(t *testing.T) {
	forEachSet(t, func(t *testing.T, s *Set) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, n := range []int{16, 32, 48, 128, 640, 2560, 6912} {
			for kind, x := range vectors(r, n) {
				got, want := s.SumSquares(x), sumSquaresGeneric(x)
				if !sameBits(got, want) {
					t.Fatalf("%d of kind %d: %x, want %x", n, kind, got, want)
				}
				exact := 0.0
				for _, v := range x {
					exact += float64(v) * float64(v)
				}
				if math.Abs(float64(got)-exact) > 1e-5*exact+1e-40 {
					t.Fatalf("%d of kind %d: %v, in double precision %v", n, kind, got, exact)
				}
			}
		}
	})
}

func TestElementwise(t *testing.T) {
	forEachSet(t, func(t *testing.T, s *Set) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, n := range []int{16, 32, 48, 128, 640, 2560} {
			for kind, x := range vectors(r, n) {
				y := vectors(r, n)[kind]
				if n == 32 {
					x[3], y[5] = float32(math.NaN()), float32(math.Inf(1))
				}
				check := func(what string, got []float32, want func(i int) float32) {
					t.Helper()
					for i, g := range got {
						w := want(i)
						if !sameBits(g, w) && !(g != g && w != w) {
							t.Fatalf("%s: %d of kind %d: %x at %d, want %x", what, n, kind, g, i, w)
						}
					}
				}
				dst := make([]float32, n)
				s.Normalize(dst, x, y, 0.37)
				check("Normalize", dst, func(i int) float32 {
					return float32(float64(float32(float64(x[i])*float64(float32(0.37)))) * float64(y[i]))
				})
				copy(dst, x)
				s.Add(dst, y)
				check("Add", dst, func(i int) float32 { return float32(float64(x[i]) + float64(y[i])) })
				copy(dst, x)
				s.ReLUSquaredMul(dst, y)
				check("ReLUSquaredMul", dst, func(i int) float32 {
					g := 0.0
					if x[i] > 0 {
						g = float64(x[i])
					}
					return float32(float64(float32(g*g)) * float64(y[i]))
				})
			}
		}
	})
}

// TestSiLUMul takes numbers of every size and sign, and those that have rules of
// their own.
func TestSiLUMul(t *testing.T) {
	forEachSet(t, func(t *testing.T, s *Set) {
		r := rand.New(rand.NewPCG(23, 24))
		special := []uint32{0, 0x80000000, 1, 0x80000001, 0x42ac0000, 0xc2ac0000, 0xc2ac0001, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001}
		for _, n := range []int{16, 32, 48, 128, 1040} {
			kinds := append(vectors(r, n), make([]float32, n), make([]float32, n))
			for i := range n {
				kinds[len(kinds)-2][i] = float32(r.NormFloat64() * 40)
				kinds[len(kinds)-1][i] = math.Float32frombits(special[r.IntN(len(special))])
			}
			for kind, gate := range kinds {
				for _, up := range vectors(r, n) {
					got, want := append([]float32(nil), gate...), append([]float32(nil), gate...)
					s.SiLUMul(got, up)
					siluMulGeneric(want, up)
					for i, g := range gate {
						if !sameBits(got[i], want[i]) && !(got[i] != got[i] && want[i] != want[i]) {
							t.Fatalf("%d of kind %d: %x for %x, want %x", n, kind, got[i], g, want[i])
						}
						wide := float64(g)
						exact := wide / (1 + math.Exp(-wide)) * float64(up[i])
						switch {
						case g != g || math.IsInf(wide, -1):
							if got[i] == got[i] {
								t.Fatalf("%v becomes %v", g, got[i])
							}
						case math.Abs(exact) <= math.MaxFloat32:
							// Below −86 the exponential function is 0.
							if tolerance := 1e-6*math.Abs(exact) + 1e-35*math.Abs(float64(up[i])) + 1e-44; math.Abs(float64(got[i])-exact) > tolerance {
								t.Fatalf("SiLU(%v)·%v = %v, in double precision %v", g, up[i], got[i], exact)
							}
						}
					}
				}
			}
		}
	})
}

func TestFloatToHalf(t *testing.T) {
	forEachSet(t, func(t *testing.T, s *Set) {
		r := rand.New(rand.NewPCG(7, 8))
		src, dst := make([]float32, 1<<16), make([]uint16, 1<<16)
		fill := func(f func(i int) float32) {
			for i := range src {
				src[i] = f(i)
			}
			s.FloatToHalf(dst, src)
		}
		fill(func(i int) float32 { return halfToFloat(uint16(i)) })
		for i, h := range dst {
			if int(h) != i && i&0x7fff <= 0x7c00 {
				t.Fatalf("%#x becomes %#x", i, h)
			}
			if i&0x7fff > 0x7c00 && h&0x7fff <= 0x7c00 {
				t.Fatalf("the NaN %#x becomes %#x", i, h)
			}
		}
		// Halfway between neighbours, and a little to each side of that.
		for _, offset := range []int32{-1, 0, 1} {
			fill(func(i int) float32 {
				low, high := halfToFloat(uint16(i)), halfToFloat(uint16(i+1))
				if i&0x7fff >= 0x7bff {
					low, high = 1, 2
				}
				return math.Float32frombits(uint32(int32(math.Float32bits((low+high)/2)) + offset))
			})
			for i, h := range dst {
				if i&0x7fff >= 0x7bff {
					continue
				}
				want := uint16(i)
				if offset > 0 || offset == 0 && i&1 == 1 {
					want++
				}
				if h != want {
					t.Fatalf("%v, halfway past %#x and %d, becomes %#x", src[i], i, offset, h)
				}
			}
		}
		fill(func(int) float32 { return math.Float32frombits(r.Uint32()) })
		for i, h := range dst {
			var want [1]uint16
			floatToHalfGeneric(want[:], src[i:i+1])
			if src[i] == src[i] && h != want[0] {
				t.Fatalf("%x becomes %#x, want %#x", src[i], h, want[0])
			}
		}
	})
}

func TestMul(t *testing.T) {
	forEachSet(t, func(t *testing.T, s *Set) {
		r := rand.New(rand.NewPCG(9, 10))
		for rows := 1; rows <= MaxRows; rows++ {
			for _, inner := range []int{1, 2, 3, 16, 37, 64, 128} {
				for groups := 1; groups <= 9; groups++ {
					groupStride := inner*16 + 16*r.IntN(3)
					aStride, cStride := inner+r.IntN(5), groups*16+r.IntN(7)
					b := randomHalves(r, (groups-1)*groupStride+inner*16)
					wide := make([]float32, len(b))
					for i, h := range b {
						wide[i] = halfToFloat(h)
					}
					a := vectors(r, (rows-1)*aStride+inner)[groups%2]
					half := make([]float32, (rows-1)*cStride+groups*16+1)
					for i := range half {
						half[i] = -77
					}
					float := append([]float32(nil), half...)
					last := len(half) - 1
					s.MulHalf(half[:last], cStride, a, aStride, rows, b, groupStride, inner, groups)
					s.MulFloat(float[:last], cStride, a, aStride, rows, wide, groupStride, inner, groups)
					for i := range half {
						row, column := i/cStride, i%cStride
						want, exact, size := float32(-77), -77.0, 0.0
						if row < rows && column < groups*16 && i < last {
							want, exact = 0, 0
							for k := range inner {
								v := wide[column/16*groupStride+k*16+column%16]
								want = portable.FMA(a[row*aStride+k], v, want)
								exact += float64(a[row*aStride+k]) * float64(v)
								size += math.Abs(float64(a[row*aStride+k]) * float64(v))
							}
						}
						if !sameBits(half[i], want) || !sameBits(float[i], want) {
							t.Fatalf("%d rows × %d × %d groups: at row %d, column %d %x and %x, want %x", rows, inner, groups, row, column, half[i], float[i], want)
						}
						if math.Abs(float64(want)-exact) > 1e-5*size+1e-40 {
							t.Fatalf("%v, in double precision %v", want, exact)
						}
					}
				}
			}
		}
	})
}

func TestSoftmax(t *testing.T) {
	forEachSet(t, func(t *testing.T, s *Set) {
		r := rand.New(rand.NewPCG(11, 12))
		for n := 1; n <= 130; n++ {
			for _, spread := range []float64{0, 1, 30, 400} {
				x := make([]float32, n+1)
				for i := range x {
					x[i] = float32(r.NormFloat64() * spread)
				}
				switch {
				case spread == 30 && n%7 == 0:
					x[n/2] = float32(math.NaN())
				case spread == 30 && n%7 == 1:
					x[n/2] = float32(math.Inf(-1))
				case spread == 30 && n%7 == 2:
					for i := range x {
						x[i] = float32(math.NaN())
					}
				}
				x[n] = 55
				want := append([]float32(nil), x...)
				gotLargest, gotSum := s.Softmax(x[:n], 0.125)
				wantLargest, wantSum := softmaxGeneric(want[:n], 0.125)
				if gotLargest != wantLargest || !sameBits(gotSum, wantSum) {
					t.Fatalf("%d: %v and %v, want %v and %v", n, gotLargest, gotSum, wantLargest, wantSum)
				}
				for i := range x {
					if !sameBits(x[i], want[i]) {
						t.Fatalf("%d: %x at %d, want %x", n, x[i], i, want[i])
					}
				}
			}
		}
	})
}

// dotShapes calls f with shapes that products come in: columns and rows on both
// sides of where kernels cut them, and every number of vectors.
func dotShapes(f func(rows, cols, count int)) {
	for _, cols := range []int{16, 48, 128, 656, 1360} {
		for _, rows := range []int{1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 17, 29} {
			for count := 1; count <= MaxVectors; count++ {
				f(rows, cols, count)
			}
		}
	}
}

func TestDotsHalf(t *testing.T) {
	forEachSet(t, func(t *testing.T, s *Set) {
		r := rand.New(rand.NewPCG(13, 14))
		dotShapes(func(rows, cols, count int) {
			h := randomHalves(r, rows*cols)
			kinds := vectors(r, cols)
			var x []float32
			for v := range count {
				x = append(x, kinds[(rows+v)%len(kinds)]...)
			}
			got, want := make([]float32, count*rows+1), make([]float32, count*rows+1)
			got[count*rows], want[count*rows] = 5, 5
			s.DotsHalf(got[:count*rows], h, x, cols)
			dotsHalfGeneric(want[:count*rows], h, x, cols)
			for i := range got {
				if !sameBits(got[i], want[i]) {
					t.Fatalf("%d × %d with %d vectors: product %d is %x, want %x", rows, cols, count, i, got[i], want[i])
				}
			}
			for i, got := range got[:count*rows] {
				row, vector := h[i%rows*cols:], x[i/rows*cols:]
				exact, size := 0.0, 0.0
				for k := range cols {
					p := float64(halfToFloat(row[k])) * float64(vector[k])
					exact, size = exact+p, size+math.Abs(p)
				}
				if math.Abs(float64(got)-exact) > 1e-5*size+1e-40 {
					t.Fatalf("%d × %d with %d vectors: product %d is %v, in double precision %v", rows, cols, count, i, got, exact)
				}
			}
		})
	})
}

func TestDotsInt8(t *testing.T) {
	forEachSet(t, func(t *testing.T, s *Set) {
		r := rand.New(rand.NewPCG(15, 16))
		dotShapes(func(rows, cols, count int) {
			w, x := make([]int8, rows*cols), make([]int16, count*cols)
			for i := range w {
				w[i] = int8(r.Uint32())
			}
			budget := min((1<<31-1)/128/cols, 32767)
			for i := range x {
				x[i] = int16(r.IntN(2*budget+1) - budget)
			}
			// The last row and the last vector have the largest product there is.
			for i := range cols {
				w[(rows-1)*cols+i], x[(count-1)*cols+i] = -128, int16(-budget)
			}
			got := make([]int32, count*rows+1)
			got[count*rows] = 5
			s.DotsInt8(got[:count*rows], w, x, cols)
			for v := range count {
				for row := range rows {
					var want int64
					for i, w := range w[row*cols : (row+1)*cols] {
						want += int64(w) * int64(x[v*cols+i])
					}
					if got := got[v*rows+row]; int64(got) != want {
						t.Fatalf("%d × %d with %d vectors: row %d, vector %d is %d, want %d", rows, cols, count, row, v, got, want)
					}
				}
			}
			if got[count*rows] != 5 {
				t.Fatal("wrote past the end")
			}
		})
	})
}

func TestQuantizeHalf(t *testing.T) {
	forEachSet(t, func(t *testing.T, s *Set) {
		r := rand.New(rand.NewPCG(17, 18))
		for _, n := range []int{16, 48, 128, 384, 2560} {
			for trial := range 20 {
				row := randomHalves(r, n)
				for i := range row {
					switch {
					case trial == 0:
						row[i] &= 0x8000 // zeros of both signs
					case trial == 1:
						row[i] &= 0x83ff // denormal
					case trial > 4:
						floatToHalfGeneric(row[i:i+1], []float32{float32(r.NormFloat64())})
					}
				}
				got, want := make([]int8, n+1), make([]int8, n+1)
				got[n], want[n] = 5, 5
				gotStep, gotRest, gotSquares := s.QuantizeHalf(got[:n], row)
				wantStep, wantRest, wantSquares := quantizeHalfGeneric(want[:n], row)
				if !sameBits(gotStep, wantStep) || !sameBits(gotRest, wantRest) || !sameBits(gotSquares, wantSquares) {
					t.Fatalf("%d, trial %d: %x, %x, %x, want %x, %x, %x", n, trial, gotStep, gotRest, gotSquares, wantStep, wantRest, wantSquares)
				}
				largest, rest, squares := 0.0, 0.0, 0.0
				for i, h := range row {
					if got[i] != want[i] {
						t.Fatalf("%d, trial %d: %d at %d, want %d", n, trial, got[i], i, want[i])
					}
					v := float64(halfToFloat(h))
					d := v - float64(got[i])*float64(gotStep)
					largest, rest, squares = max(largest, math.Abs(v)), rest+d*d, squares+v*v
				}
				if got[n] != 5 {
					t.Fatal("wrote past the end")
				}
				if gotStep != float32(largest)/127 || math.Abs(rest-float64(gotRest)) > 1e-5*rest+1e-12*squares || math.Abs(squares-float64(gotSquares)) > 1e-5*squares {
					t.Fatalf("%d, trial %d: %v, %v, %v, in double precision %v, %v, %v", n, trial, gotStep, gotRest, gotSquares, largest/127, rest, squares)
				}
				if rest > float64(n)*(0.51*largest/127)*(0.51*largest/127)+1e-30 {
					t.Fatalf("%d, trial %d: off by more than half a step: %v", n, trial, rest)
				}
				row[r.IntN(n)] = []uint16{0x7c00, 0xfc00, 0x7e01}[trial%3]
				if _, _, squares := s.QuantizeHalf(got[:n], row); squares-squares == 0 {
					t.Fatalf("squares of a row that is not finite: %v", squares)
				}
			}
		}
	})
}

func TestQuantizeFloat(t *testing.T) {
	forEachSet(t, func(t *testing.T, s *Set) {
		r := rand.New(rand.NewPCG(23, 24))
		for _, n := range []int{16, 48, 128, 2560} {
			for kind, row := range vectors(r, n) {
				got, want := make([]int8, n+1), make([]int8, n+1)
				got[n], want[n] = 5, 5
				gotStep, gotRest, gotSquares := s.QuantizeFloat(got[:n], row)
				wantStep, wantRest, wantSquares := quantizeFloatGeneric(want[:n], row)
				if !sameBits(gotStep, wantStep) || !sameBits(gotRest, wantRest) || !sameBits(gotSquares, wantSquares) || !slices.Equal(got, want) {
					t.Fatalf("%d of kind %d: %x, %x, %x and %d, want %x, %x, %x and %d", n, kind, gotStep, gotRest, gotSquares, got, wantStep, wantRest, wantSquares, want)
				}
				largest, rest, squares := 0.0, 0.0, 0.0
				for i, v := range row {
					d := float64(v) - float64(got[i])*float64(gotStep)
					largest, rest, squares = max(largest, math.Abs(float64(v))), rest+d*d, squares+float64(v)*float64(v)
				}
				if gotStep != float32(largest)/127 || math.Abs(rest-float64(gotRest)) > 1e-5*rest+1e-12*squares+1e-40 || math.Abs(squares-float64(gotSquares)) > 1e-5*squares+1e-40 {
					t.Fatalf("%d of kind %d: %v, %v, %v, in double precision %v, %v, %v", n, kind, gotStep, gotRest, gotSquares, largest/127, rest, squares)
				}
				row[r.IntN(n)] = []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}[kind%3]
				if _, _, squares := s.QuantizeFloat(got[:n], row); squares-squares == 0 {
					t.Fatalf("squares of a row that is not finite: %v", squares)
				}
			}
		}
	})
}

func TestDotsFloat(t *testing.T) {
	forEachSet(t, func(t *testing.T, s *Set) {
		r := rand.New(rand.NewPCG(25, 26))
		for _, cols := range []int{16, 48, 128, 640} {
			kinds := vectors(r, cols)
			for rows := 1; rows <= len(kinds); rows++ {
				h, x := slices.Concat(kinds[:rows]...), kinds[rows%len(kinds)]
				got := make([]float32, rows+1)
				got[rows] = 5
				s.DotsFloat(got[:rows], h, x)
				for row := range rows {
					var want [1]float32
					dotsFloatGeneric(want[:], h[row*cols:(row+1)*cols], x)
					exact, size := 0.0, 0.0
					for i := range cols {
						p := float64(h[row*cols+i]) * float64(x[i])
						exact, size = exact+p, size+math.Abs(p)
					}
					if !sameBits(got[row], want[0]) || math.Abs(float64(got[row])-exact) > 1e-5*size+1e-40 {
						t.Fatalf("%d × %d: row %d is %v, want %v, in double precision %v", rows, cols, row, got[row], want[0], exact)
					}
				}
				if got[rows] != 5 {
					t.Fatal("wrote past the end")
				}
			}
		}
	})
}

func eachSet(b *testing.B, run func(b *testing.B, s *Set)) {
	for _, s := range available {
		b.Run(s.Name, func(b *testing.B) { run(b, s) })
	}
}

// eachVectors runs a benchmark for several numbers of vectors, with every set.
func eachVectors(b *testing.B, run func(b *testing.B, s *Set, vectors int)) {
	for _, vectors := range []int{1, 2, 4, MaxVectors} {
		b.Run(fmt.Sprint(vectors), func(b *testing.B) {
			eachSet(b, func(b *testing.B, s *Set) { run(b, s, vectors) })
		})
	}
}

// BenchmarkHead streams a float16 head from memory and multiplies it by several
// vectors.
func BenchmarkHead(b *testing.B) {
	const n, rows, call = 2560, 49_920, 48
	h := randomHalves(rand.New(rand.NewPCG(1, 1)), n*rows)
	x := make([]float32, 0, n*MaxVectors)
	for range MaxVectors {
		x = append(x, vectors(rand.New(rand.NewPCG(2, 2)), n)[0]...)
	}
	dst := make([]float32, call*MaxVectors)
	eachVectors(b, func(b *testing.B, s *Set, vectors int) {
		b.SetBytes(2 * n * rows)
		for b.Loop() {
			for lo := 0; lo < rows; lo += call {
				s.DotsHalf(dst[:call*vectors], h[lo*n:(lo+call)*n], x[:vectors*n], n)
			}
		}
	})
}

// BenchmarkHeadScreen is BenchmarkHead for the 8-bit screen of a head.
func BenchmarkHeadScreen(b *testing.B) {
	const n, rows, call = 2560, 49_920, 48
	w := make([]int8, n*rows)
	for i := range w {
		w[i] = int8(i * 7)
	}
	x := make([]int16, n*MaxVectors)
	for i := range x {
		x[i] = int16(i*31%4000 - 2000)
	}
	dst := make([]int32, call*MaxVectors)
	eachVectors(b, func(b *testing.B, s *Set, vectors int) {
		b.SetBytes(n * rows)
		for b.Loop() {
			for lo := 0; lo < rows; lo += call {
				s.DotsInt8(dst[:call*vectors], w[lo*n:(lo+call)*n], x[:vectors*n], n)
			}
		}
	})
}

// BenchmarkAttention is the attention of one group of 4 heads over 4,096
// positions in chunks of 128, heads of 128.
func BenchmarkAttention(b *testing.B) {
	const chunk, head, chunks = 128, 128, 32
	r := rand.New(rand.NewPCG(1, 1))
	for _, kind := range []string{"float16", "float32"} {
		k, v := randomHalves(r, chunks*chunk*head), randomHalves(r, chunks*chunk*head)
		wideK, wideV := make([]float32, len(k)), make([]float32, len(k))
		for i := range k {
			wideK[i], wideV[i] = halfToFloat(k[i]), halfToFloat(v[i])
		}
		q := vectors(r, 4*head)[0]
		b.Run(kind, func(b *testing.B) {
			eachSet(b, func(b *testing.B, s *Set) {
				scores, out := make([]float32, 4*chunk), make([]float32, 4*head)
				for b.Loop() {
					for c := range chunks {
						at := c * chunk * head
						if kind == "float16" {
							s.MulHalf(scores, chunk, q, head, 4, k[at:], head*16, head, chunk/16)
						} else {
							s.MulFloat(scores, chunk, q, head, 4, wideK[at:], head*16, head, chunk/16)
						}
						for row := range 4 {
							s.Softmax(scores[row*chunk:(row+1)*chunk], 0.088)
						}
						if kind == "float16" {
							s.MulHalf(out, head, scores, chunk, 4, v[at:], chunk*16, chunk, head/16)
						} else {
							s.MulFloat(out, head, scores, chunk, 4, wideV[at:], chunk*16, chunk, head/16)
						}
					}
				}
				b.ReportMetric(2*4*head*chunk*chunks*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gfma/s")
			})
		})
	}
}

func Example_lanes() {
	var lane [Lanes]float32
	for i := range lane {
		lane[i] = float32(i)
	}
	fmt.Println(sumLanes(&lane))
	// Output: 120
}
