package engine

import (
	"math"
	"testing"
)

func TestRoPE(t *testing.T) {
	for _, size := range []int{16, 96, 128} {
		r := NewRoPE(size, 500000)
		for _, first := range []int{0, 1, 4000} {
			sine, cosine := make([]float32, size/2), make([]float32, size/2)
			for token := range 3 {
				r.turn(sine, cosine, first+token)
				x := make([]float32, size)
				for i := range x {
					x[i] = float32(i%7) - 3
				}
				got := append([]float32(nil), x...)
				rotate(got, sine, cosine)
				for i := range size / 2 {
					sin, cos := math.Sincos(float64(first+token) * math.Pow(500000, -2*float64(i)/float64(size)))
					a, b := float64(x[i]), float64(x[i+size/2])
					if math.Abs(float64(got[i])-(a*cos-b*sin)) > 1e-6 || math.Abs(float64(got[i+size/2])-(a*sin+b*cos)) > 1e-6 {
						t.Fatalf("size %d, position %d, pair %d: %v, %v", size, first+token, i, got[i], got[i+size/2])
					}
				}
			}
		}
	}
}
