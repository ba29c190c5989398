//go:build !purego

package kernel

import (
	"math"
	"slices"
	"testing"

	"github.com/klauspost/cpuid/v2"
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

// TestCompanion: the float kernels never need more of the processor than the
// integer kernels that they go with, and nothing less than it has is chosen.
func TestCompanion(t *testing.T) {
	for quantKernels, want := range map[string]string{
		"generic": "generic", "neon": "generic", "": "generic",
		"avx2": "avx2", "avxvnni": "avx2", "avx512": "avx512", "amx": "avx512",
	} {
		if got := companion(quantKernels); got != want {
			t.Errorf("%q goes with %q, want %q", quantKernels, got, want)
		}
		if !slices.ContainsFunc(available, func(s *Set) bool { return s.Name == want }) {
			want = "generic"
		}
		if got := Named(quantKernels).Name; got != want {
			t.Errorf("%q gives %q, want %q", quantKernels, got, want)
		}
	}
	if cpuid.CPU.X64Level() >= 4 && cpuid.CPU.Has(cpuid.AVX512VNNI) && Named("avx512").Name != "avx512" {
		t.Error("AVX-512 is not used")
	}
	if cpuid.CPU.X64Level() >= 3 && Named("avx2").Name != "avx2" {
		t.Error("AVX2 is not used")
	}
}
