package matrix

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/gobitnet/gobitnet/internal/portable"
)

// filled returns a matrix of random numbers with a wide range of exponents, so
// that another order of a sum gives other bits.
func filled(random *rand.Rand, rows, cols int) Matrix {
	m := New(rows, cols)
	for i := range m.Data {
		m.Data[i] = float32(random.NormFloat64() * math.Exp2(float64(random.IntN(8))))
	}
	return m
}

func transposed(m Matrix) Matrix {
	t := New(m.Cols, m.Rows)
	for i := range m.Rows {
		for j := range m.Cols {
			t.Row(j)[i] = m.Row(i)[j]
		}
	}
	return t
}

// chain is the definition of a product.
func chain(a, b Matrix) Matrix {
	dst := New(a.Rows, b.Cols)
	for i := range dst.Rows {
		for j := range dst.Cols {
			var sum float32
			for k := range a.Cols {
				sum = portable.FMA(a.Row(i)[k], b.Row(k)[j], sum)
			}
			dst.Row(i)[j] = sum
		}
	}
	return dst
}

// guarded returns the numbers in the midst of NaNs, and a function telling
// whether the NaNs are still there.
func guarded(numbers []float32) (inside []float32, whole func() bool) {
	const guard = 64
	all := make([]float32, len(numbers)+2*guard)
	for i := range all {
		all[i] = float32(math.NaN())
	}
	inside = all[guard:][:len(numbers):len(numbers)]
	copy(inside, numbers)
	return inside, func() bool {
		for i := range guard {
			if all[i] == all[i] || all[len(all)-1-i] == all[len(all)-1-i] {
				return false
			}
		}
		return true
	}
}

func requireSameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: number %d is %g, want %g", what, i, got[i], want[i])
		}
	}
}

// requireProducts compares all three products of the shape m×k by k×n with the
// chains.
func requireProducts(t *testing.T, with []*kernels, random *rand.Rand, m, n, k int) {
	t.Helper()
	a, b := filled(random, m, k), filled(random, k, n)
	want := chain(a, b)
	aTransposed, bTransposed := transposed(a), transposed(b)
	for _, operand := range []*Matrix{&a, &b, &aTransposed, &bTransposed} {
		operand.Data, _ = guarded(operand.Data)
	}
	for _, kernels := range with {
		for _, product := range []struct {
			name    string
			compute func(dst Matrix)
		}{
			{"MultiplyTransposed", func(dst Matrix) { multiplyTransposed(kernels, dst, a, bTransposed) }},
			{"Multiply", func(dst Matrix) { multiply(kernels, dst, a, b) }},
			{"TransposedMultiply", func(dst Matrix) { transposedMultiply(kernels, dst, aTransposed, b) }},
		} {
			what := fmt.Sprintf("%s, %s, m=%d n=%d k=%d, %d threads", kernels.name, product.name, m, n, k, runtime.GOMAXPROCS(0))
			dst := filled(random, m, n) // what dst holds before must not matter
			var whole func() bool
			dst.Data, whole = guarded(dst.Data)
			product.compute(dst)
			requireSameBits(t, what, dst.Data, want.Data)
			if !whole() {
				t.Fatalf("%s: written outside dst", what)
			}
		}
	}
}

func withThreads(n int, f func()) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	f()
}

func TestProducts(t *testing.T) {
	sizes := []int{1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 16, 17, 23, 24, 31, 32, 33, 37, 47, 53, 61, 64, 65, 67, 70}
	random := rand.New(rand.NewPCG(3, 4))
	for threads := 1; threads <= 3; threads++ {
		withThreads(threads, func() {
			for _, size := range sizes {
				pick := func() int { return sizes[random.IntN(len(sizes))] }
				requireProducts(t, implementations, random, size, pick(), pick())
				requireProducts(t, implementations, random, pick(), size, pick())
				requireProducts(t, implementations, random, pick(), pick(), size)
			}
			for _, shape := range [][3]int{
				{0, 3, 5}, {3, 0, 5}, {3, 5, 0}, {0, 0, 0},
				{97, 101, 103}, {300, 65, 33}, {5, 700, 61}, // many columns
				{25, 67, 257}, {600, 9, 300}, {9, 288, 300}, {288, 9, 300}, {13, 33, 512}, {30, 50, 1021}, {41, 530, 260}, // long chains
			} {
				requireProducts(t, implementations, random, shape[0], shape[1], shape[2])
			}
		})
	}
}

// Signed zeros, infinities and numbers too small to be normal.
func TestProductsOfUnusualNumbers(t *testing.T) {
	a := Matrix{Rows: 2, Cols: 2, Data: []float32{float32(math.Copysign(0, -1)), 0, 0x1p-100, 0x1p-149}}
	b := Matrix{Rows: 2, Cols: 3, Data: []float32{1, -1, 0x1.8p-49, 1, 2, 0x1p-1}}
	for _, kernels := range implementations {
		dst := New(2, 3)
		multiply(kernels, dst, a, b)
		requireSameBits(t, kernels.name, dst.Data, []float32{0, 0, 0, 0x1p-100, -0x1p-100, 0x1p-148})
		infinite := New(1, 1)
		multiply(kernels, infinite, Matrix{Rows: 1, Cols: 2, Data: []float32{0x1p100, -1}}, Matrix{Rows: 2, Cols: 1, Data: []float32{0x1p100, 7}})
		requireSameBits(t, kernels.name, infinite.Data, []float32{float32(math.Inf(1))})
	}
}

func TestWrongShapesPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"rows":            func() { Multiply(New(2, 3), New(3, 4), New(4, 3)) },
		"columns":         func() { MultiplyTransposed(New(2, 3), New(2, 4), New(4, 4)) },
		"inner dimension": func() { TransposedMultiply(New(2, 3), New(4, 2), New(5, 3)) },
		"short data":      func() { Multiply(New(2, 3), New(2, 4), Matrix{Rows: 4, Cols: 3, Data: make([]float32, 11)}) },
		"negative shape":  func() { Multiply(New(2, 3), New(2, 4), Matrix{Rows: 4, Cols: 3}) },
		"overflow": func() {
			huge := Matrix{Rows: math.MaxInt/2 + 1, Cols: 4}
			Multiply(Matrix{Rows: huge.Rows}, huge, Matrix{Rows: 4})
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestParallel(t *testing.T) {
	for threads := 1; threads <= 5; threads++ {
		withThreads(threads, func() {
			for n := range 20 {
				times := make([]int, n)
				Parallel(n, func(start, end int) {
					for i := start; i < end; i++ {
						times[i]++
					}
				})
				for i, count := range times {
					if count != 1 {
						t.Fatalf("%d threads, %d of %d: %d times", threads, i, n, count)
					}
				}
			}
		})
	}
}

func BenchmarkProducts(b *testing.B) {
	random := rand.New(rand.NewPCG(9, 10))
	for _, kernels := range implementations {
		if kernels == &generic {
			continue
		}
		run := func(name string, m, n, k int, f func()) {
			b.Run(fmt.Sprintf("%s/%s/m=%d,n=%d,k=%d", kernels.name, name, m, n, k), func(b *testing.B) {
				for b.Loop() {
					f()
				}
				b.ReportMetric(2*float64(m)*float64(n)*float64(k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
		for _, shape := range [][2]int{{128, 128}, {256, 256}, {512, 128}, {128, 512}, {400, 256}, {256, 400}, {512, 512}} {
			const tokens = 4096
			out, in := shape[0], shape[1]
			x, y, weights := filled(random, tokens, in), filled(random, tokens, out), filled(random, out, in)
			run("MultiplyTransposed", tokens, out, in, func() { multiplyTransposed(kernels, y, x, weights) })
			run("Multiply", tokens, in, out, func() { multiply(kernels, x, y, weights) })
			run("TransposedMultiply", out, in, tokens, func() { transposedMultiply(kernels, weights, y, x) })
		}
	}
}
