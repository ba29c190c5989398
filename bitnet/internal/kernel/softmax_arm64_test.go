//go:build !purego

package kernel

import (
	"math"
	"testing"
)

// TestSoftmaxZero: where the largest is 0, it has the sign of the first zero,
// as in the definition.
func TestSoftmaxZero(t *testing.T) {
	negative := float32(math.Copysign(0, -1))
	for n := 1; n <= 40; n++ {
		for first := range n {
			for _, zero := range []float32{0, negative} {
				x := make([]float32, n)
				for i := range x {
					switch {
					case i < first:
						x[i] = -1
					case i == first:
						x[i] = zero
					default:
						x[i] = -zero
					}
				}
				if largest, _ := softmaxNeon(x, 2); !sameBits(largest, zero) {
					t.Fatalf("%d with the first zero at %d: %v, want %v", n, first, largest, zero)
				}
			}
		}
	}
}
