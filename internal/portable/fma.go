package portable

import "math"

// FMA returns x·y+z, rounded once to float32.
//
// The product of two float32 is exact in a float64, so s below is x·y+z
// rounded to 53 bits. Rounding it again to float32 gives another result than
// rounding once only where s lies halfway between two neighbouring float32: no
// other s can have crossed such a midpoint, because midpoints are float64
// values themselves. These cases, and results so small that float32 has fewer
// bits there, take the slow path.
func FMA(x, y, z float32) float32 {
	s := float64(x)*float64(y) + float64(z)
	bits := math.Float64bits(s)
	const smallestNormal = (1023 - 126) << 52
	if bits&(1<<29-1) == 1<<28 || bits&^(1<<63) < smallestNormal {
		return fmaHalfway(x, y, z)
	}
	return float32(s)
}

// fmaHalfway rounds to odd on the way: where the float64 sum is not exact, its
// last bit is set, so that the second rounding sees which way the rest lies.
// (Boldo and Melquiond, "Emulation of a FMA and correctly-rounded sums: proved
// algorithms using rounding to odd", IEEE Transactions on Computers 57(4).)
func fmaHalfway(x, y, z float32) float32 {
	p, c := float64(x)*float64(y), float64(z)
	s := p + c
	if s == 0 || math.IsInf(s, 0) || s != s {
		return float32(s)
	}
	// Knuth's two-sum: s + rest is p + c exactly.
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
