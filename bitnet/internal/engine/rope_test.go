package engine

import (
	"math"
	"testing"
)

func TestRoPE(t *testing.T) {
	for i, size := range []int{16, 96, 128, 16, 96, 128} {
		neighbours := i >= 3
		r := NewRoPE(size, 500000, neighbours)
		for _, first := range []int{0, 1, 4000} {
			sine, cosine := make([]float32, size/2), make([]float32, size/2)
			for token := range 3 {
				r.turn(sine, cosine, first+token)
				x := make([]float32, size)
				for i := range x {
					x[i] = float32(i%7) - 3
				}
				got := append([]float32(nil), x...)
				r.rotate(got, sine, cosine)
				for i := range size / 2 {
					sin, cos := math.Sincos(float64(first+token) * math.Pow(500000, -2*float64(i)/float64(size)))
					one, other := i, i+size/2
					if neighbours {
						one, other = 2*i, 2*i+1
					}
					a, b := float64(x[one]), float64(x[other])
					if math.Abs(float64(got[one])-(a*cos-b*sin)) > 1e-6 || math.Abs(float64(got[other])-(a*sin+b*cos)) > 1e-6 {
						t.Fatalf("size %d, position %d, pair %d: %v, %v", size, first+token, i, got[one], got[other])
					}
				}
			}
		}
	}
}
