package vector

import "math"

// fma returns x·y+z, rounded once to float32. The float64 product is exact; the
// sum is rounded to odd where it is not, so that rounding it again is right
// (Boldo and Melquiond, IEEE Transactions on Computers 57(4)).
func fma(x, y, z float32) float32 {
	p, c := float64(float64(x)*float64(y)), float64(z)
	s := p + c
	if s-s != 0 {
		return float32(s)
	}
	b := s - p
	rest := (p - (s - b)) + (c - b)
	if bits := math.Float64bits(s); rest != 0 && bits&1 == 0 {
		if (rest > 0) == (s > 0) {
			bits++
		} else {
			bits--
		}
		s = math.Float64frombits(bits)
	}
	return float32(s)
}
