//go:build !purego

package kernel

import (
	"math"
	"slices"
	"testing"

	"github.com/klauspost/cpuid/v2"

	"github.com/gobitnet/gobitnet/internal/instructions"
)

// TestSoftmaxFirstZero: where the largest is 0, it has the sign of the first zero,
// as in the definition.
func TestSoftmaxFirstZero(t *testing.T) {
	forEachSet(t, func(t *testing.T, s *Set) {
		negative := float32(math.Copysign(0, -1))
		for n := 1; n <= 40; n++ {
			for first := range n {
				for _, zero := range []float32{0, negative} {
					x := make([]float32, n)
					for i := range x {
						switch {
						case i == first:
							x[i] = zero
						case i > first:
							x[i] = -zero
						case i%2 == 0:
							x[i] = -1
						default:
							x[i] = float32(math.NaN())
						}
					}
					if largest, _ := s.Softmax(x, 2); !sameBits(largest, zero) {
						t.Fatalf("%d with the first zero at %d: %v, want %v", n, first, largest, zero)
					}
				}
			}
		}
	})
}

// TestNamed asks for the float32 kernels of every integer kernels' name.
func TestNamed(t *testing.T) {
	for _, set := range instructions.Sets() {
		got, err := Named(set.Name)
		switch {
		case instructions.Available(set.Float) != (err == nil):
			t.Errorf("%s: %v", set.Name, err)
		case err == nil && got.Name != set.Float:
			t.Errorf("%s goes with %s, want %s", set.Name, got.Name, set.Float)
		}
	}
	if _, err := Named("mmx"); err == nil {
		t.Error("kernels that do not exist have a companion")
	}
	if cpuid.CPU.X64Level() >= 4 && cpuid.CPU.Has(cpuid.AVX512VNNI) != slices.Contains(available, &avx512) {
		t.Error("AVX-512 is not used")
	}
	if cpuid.CPU.X64Level() >= 3 && !slices.Contains(available, &avx2) {
		t.Error("AVX2 is not used")
	}
}
