// Package portable has the few functions of real numbers that the engine
// needs, computed with the same bits on every platform. Those of package math
// differ: some have assembly on some processors, and the compiler may fuse a
// multiplication with an addition where the processor can. Here every product
// is rounded by an explicit conversion, which forbids that.
package portable

import "math"

const (
	ln2High = 6.93147180369123816490e-01 // ln 2 without its last 21 bits
	ln2Low  = 1.90821492927058770002e-10

	// π/2 in three parts, the first two with so few bits that their product
	// with an integer below 2²⁰ is exact.
	halfPi1 = 1.57079632673412561417e+00
	halfPi2 = 6.07710050630396597660e-11
	halfPi3 = 2.02226624879595063154e-21
)

// Log returns the natural logarithm of a finite x > 0, to about 1 part in
// 10¹⁵: with x = m·2ᵉ and m near 1, e·ln 2 plus the series of the inverse
// hyperbolic tangent, ln m = 2(z + z³/3 + z⁵/5 + …) with z = (m−1)/(m+1).
func Log(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = m*2, e-1
	}
	z := (m - 1) / (m + 1)
	z2 := float64(z * z)
	sum := 0.0
	for k := 23; k >= 1; k -= 2 {
		sum = float64(sum*z2) + 1/float64(k)
	}
	n := float64(e)
	return float64(n*ln2High) + (float64(n*ln2Low) + float64(2*float64(z*sum)))
}

// Exp returns the exponential of x, |x| ≤ 700, to about 1 part in 10¹⁵: the
// Taylor series of what is left of x beyond a multiple of ln 2.
func Exp(x float64) float64 {
	n := math.RoundToEven(float64(x * math.Log2E))
	r := (x - float64(n*ln2High)) - float64(n*ln2Low)
	sum := 1.0
	for k := 14; k >= 1; k-- {
		sum = float64(float64(sum*r)/float64(k)) + 1
	}
	return math.Ldexp(sum, int(n))
}

// Sincos returns the sine and cosine of an angle in radians, |x| ≤ 2²⁰, to
// about 10⁻¹⁵: the Taylor series of what is left beyond a multiple of π/2.
func Sincos(x float64) (sin, cos float64) {
	n := math.RoundToEven(float64(x * (2 / math.Pi)))
	r := ((x - float64(n*halfPi1)) - float64(n*halfPi2)) - float64(n*halfPi3)
	r2 := float64(r * r)
	s, c := 1.0, 1.0
	for k := 18; k >= 2; k -= 2 {
		c = 1 - float64(float64(c*r2)/float64(k*(k-1)))
		s = 1 - float64(float64(s*r2)/float64(k*(k+1)))
	}
	s = float64(s * r)
	switch int64(n) & 3 {
	case 1:
		return c, -s
	case 2:
		return -s, -c
	case 3:
		return -c, s
	}
	return s, c
}
