package main

import "math"

// exp returns the exponential of x, |x| ≤ 700, to about 1 part in 10¹⁴, with the
// same bits everywhere: 2ⁿ by its exponent times the Taylor series of the rest,
// which is at most half of ln 2.
func exp(x float64) float64 {
	const magic = 3 << 51 // adding it rounds to an integer
	n := float64(x*math.Log2E) + magic - magic
	r := (x - float64(n*6.93147180369123816490e-01)) - float64(n*1.90821492927058770002e-10)
	sum := 1. / 6227020800
	sum = float64(sum*r) + 1./479001600
	sum = float64(sum*r) + 1./39916800
	sum = float64(sum*r) + 1./3628800
	sum = float64(sum*r) + 1./362880
	sum = float64(sum*r) + 1./40320
	sum = float64(sum*r) + 1./5040
	sum = float64(sum*r) + 1./720
	sum = float64(sum*r) + 1./120
	sum = float64(sum*r) + 1./24
	sum = float64(sum*r) + 1./6
	sum = float64(sum*r) + 1./2
	sum = float64(sum*r) + 1
	sum = float64(sum*r) + 1
	return sum * math.Float64frombits(uint64(int64(n)+1023)<<52)
}
