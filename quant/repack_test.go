package quant

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// TestRepack holds repacked weights against the formats' descriptions, and their
// products against those of the weights as they were.
func TestRepack(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	const rows, cols = 19, 768
	for _, f := range []Format{TQ1_0, PTQ1_0} {
		data := randomBlocks(r, f, rows, cols)
		m, err := NewMatrix(f, rows, cols, data)
		if err != nil {
			t.Fatal(err)
		}
		size, _ := f.Resident().TensorBytes(rows, cols)
		tensor := randomCodes(r, size)
		repacked, err := m.Repack(tensor)
		if err != nil {
			t.Fatal(err)
		}
		for row := range rows {
			for i := range cols {
				code, scale := storedWeight(f, data[row*len(data)/rows:], i)
				gotCode, gotScale := storedWeight(f.Resident(), tensor[row*size/rows:], i)
				if gotCode != code || gotScale != scale {
					t.Fatalf("%v: weight %d of row %d is code %d of %v, want %d of %v", f, i, row, gotCode, gotScale, code, scale)
				}
			}
		}
		forEachKernels(t, func(t *testing.T, k *Kernels) {
			for _, tokens := range []int{1, 50} {
				x := randomVectors(r, tokens, cols)
				got, want := make([]float32, tokens*rows), make([]float32, tokens*rows)
				if err := k.Multiply(want, rows, m, blockActivations(t, k, f, x), new(Scratch)); err != nil {
					t.Fatal(err)
				}
				if err := k.Multiply(got, rows, repacked, blockActivations(t, k, f.Resident(), x), new(Scratch)); err != nil {
					t.Fatal(err)
				}
				for i := range got {
					if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
						t.Fatalf("%v, %d tokens: product %d is %v, want %v", f, tokens, i, got[i], want[i])
					}
				}
			}
		})
		if _, err := m.Repack(tensor[1:]); !errors.Is(err, ErrShape) {
			t.Errorf("%v into a short tensor: %v", f, err)
		}
		if _, err := repacked.Repack(tensor); !errors.Is(err, ErrShape) {
			t.Errorf("%v, repacked again: %v", f, err)
		}
	}
}

func BenchmarkRepack(b *testing.B) {
	for _, f := range []Format{TQ1_0, PTQ1_0} {
		b.Run(f.String(), func(b *testing.B) {
			const rows, cols = 640, 2560
			m, err := NewMatrix(f, rows, cols, randomBlocks(rand.New(rand.NewPCG(5, 5)), f, rows, cols))
			if err != nil {
				b.Fatal(err)
			}
			size, _ := f.Resident().TensorBytes(rows, cols)
			tensor := make([]byte, size)
			b.SetBytes(int64(len(m.Codes())))
			for b.Loop() {
				if _, err := m.Repack(tensor); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
