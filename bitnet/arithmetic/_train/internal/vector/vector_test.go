package vector

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// numbers returns n numbers of many magnitudes, some of them zeros.
func numbers(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		if r.IntN(16) > 0 {
			x[i] = float32(math.Ldexp(r.Float64()*2-1, r.IntN(16)-8))
		}
	}
	return x
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// TestAssembly compares every function with its plain twin.
func TestAssembly(t *testing.T) {
	if !assembly {
		t.Skip("this processor runs the plain functions")
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		n, length := 1+r.IntN(9), 16*(1+r.IntN(6))
		stride := length + r.IntN(20)
		x, y, z, rows, weights := numbers(r, length), numbers(r, length), numbers(r, length), numbers(r, n*stride), numbers(r, n)
		a, b := numbers(r, 1)[0], numbers(r, 1)[0]
		compare := func(name string, fast, plain func(x, y, z, rows, weights []float32)) {
			t.Helper()
			var got, want [][]float32
			for _, side := range []struct {
				f      func(x, y, z, rows, weights []float32)
				result *[][]float32
			}{{fast, &got}, {plain, &want}} {
				args := [][]float32{slices.Clone(x), slices.Clone(y), slices.Clone(z), slices.Clone(rows), slices.Clone(weights)}
				side.f(args[0], args[1], args[2], args[3], args[4])
				*side.result = args
			}
			for i := range got {
				if !sameBits(got[i], want[i]) {
					t.Fatalf("%s: n %d, length %d, stride %d: argument %d\n%v, want\n%v", name, n, length, stride, i, got[i], want[i])
				}
			}
		}
		compare("Dots", func(x, _, _, rows, weights []float32) { Dots(weights, x, rows, stride) },
			func(x, _, _, rows, weights []float32) { dotsPlain(weights, x, rows, stride) })
		compare("Dot", func(x, y, z, _, _ []float32) { z[0] = Dot(x, y) },
			func(x, y, z, _, _ []float32) { dotsPlain(z[:1], x, y, 0) })
		compare("AddCombined", func(x, _, _, rows, weights []float32) { AddCombined(x, weights, rows, stride) },
			func(x, _, _, rows, weights []float32) { addCombinedPlain(x, weights, rows, stride) })
		compare("AddOuter", func(x, _, _, rows, weights []float32) { AddOuter(rows, stride, weights, x) },
			func(x, _, _, rows, weights []float32) { addOuterPlain(rows, stride, weights, x) })
		compare("AbsoluteMaximum", func(x, y, _, _, _ []float32) { y[0] = AbsoluteMaximum(x) },
			func(x, y, _, _, _ []float32) { y[0] = absoluteMaximumPlain(x) })
		compare("RoundTo", func(x, _, _, _, _ []float32) { RoundTo(x, 1+a*a, b) },
			func(x, _, _, _, _ []float32) { roundToPlain(x, 1+a*a, b) })
		compare("Weigh", func(x, y, z, _, _ []float32) { Weigh(z, x, y, a) },
			func(x, y, z, _, _ []float32) { weighPlain(z, x, y, a) })
		compare("AddWeighed", func(x, y, z, _, _ []float32) { AddWeighed(z, x, y, a) },
			func(x, y, z, _, _ []float32) { addWeighedPlain(z, x, y, a) })
		compare("AddDifference", func(x, y, z, _, _ []float32) { AddDifference(z, x, y, a, b) },
			func(x, y, z, _, _ []float32) { addDifferencePlain(z, x, y, a, b) })
		compare("Gated", func(x, y, z, _, _ []float32) { Gated(z, x, y) },
			func(x, y, z, _, _ []float32) { gatedPlain(z, x, y) })
		compare("GatedBackward", func(x, y, z, _, _ []float32) { GatedBackward(x, y, z) },
			func(x, y, z, _, _ []float32) { gatedBackwardPlain(x, y, z) })
	}
}
