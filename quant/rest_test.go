package quant

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// TestRest asks that image and rest give back a vector, and that products with both
// are far closer to double precision than those with the image alone.
func TestRest(t *testing.T) {
	const rows, cols = 20, 512
	for _, k := range Available() {
		for _, format := range blockFormats {
			r := rand.New(rand.NewPCG(31, uint64(format)))
			data := randomBlocks(r, format, rows, cols)
			for n := range rows * cols / layouts[format].weights {
				setScale(format, data, n, 0x3c00) // no row outweighs the others
			}
			m, err := NewMatrix(format, rows, cols, data)
			if err != nil {
				t.Fatal(err)
			}
			x, rest := make([]float32, cols), make([]float32, cols)
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			products := func(x []float32) (*Activations, []float32) {
				a, err := k.NewActivations(2, cols, format)
				if err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(a.Quantize(0, make([]float32, cols)), a.Quantize(1, x)); err != nil {
					t.Fatal(err)
				}
				for p := range a.Panels() {
					if err := a.Pack(p); err != nil {
						t.Fatal(err)
					}
				}
				y := make([]float32, 2*rows)
				if err := k.Multiply(y, rows, m, a, &Scratch{}); err != nil {
					t.Fatal(err)
				}
				return a, y[rows:]
			}
			a, coarse := products(x)
			if err := a.Rest(rest, 1, x, format); err != nil {
				t.Fatal(err)
			}
			for i, v := range rest {
				if math.Abs(float64(v)) > 0.51*5/127 || math.Abs(float64(v)) > math.Abs(float64(x[i]))+0.51*5/127 {
					t.Fatalf("%s, %v: of %v the image leaves %v", k.Name(), format, x[i], v)
				}
			}
			_, fine := products(rest)
			off, offBoth, w := 0.0, 0.0, make([]float32, cols)
			for n := range rows {
				if err := m.Widen(w, n); err != nil {
					t.Fatal(err)
				}
				exact := 0.0
				for i, v := range x {
					exact += float64(w[i]) * float64(v)
				}
				off = max(off, math.Abs(float64(coarse[n])-exact))
				offBoth = max(offBoth, math.Abs(float64(coarse[n]+fine[n])-exact))
			}
			if offBoth > off/50 {
				t.Errorf("%s, %v: products are off by %v, with the rest still by %v", k.Name(), format, off, offBoth)
			}
			for _, err := range []error{
				a.Rest(rest, 2, x, format), a.Rest(rest[1:], 1, x, format), a.Rest(rest, 1, x[1:], format),
				a.Rest(rest, 1, x, I2S), a.Rest(rest, 1, x, formats),
			} {
				if !errors.Is(err, ErrShape) {
					t.Errorf("%v where the shape is wrong", err)
				}
			}
		}
	}
}
