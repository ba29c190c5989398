package kernel

import (
	"math"

	"github.com/gobitnet/gobitnet/internal/portable"
)

// The constants of Exp. ln2High has so few bits that its product with a small
// integer is exact; ln2High + ln2Low is ln 2 to about 50 bits.
const (
	expCutoff float32 = -86
	log2e     float32 = 1.44269504088896340736
	// Adding roundShift to a number below 2²² in magnitude rounds it to an
	// integer, half to even, and leaves that integer in the low bits.
	roundShift float32 = 3 << 22
	ln2High    float32 = 0.693359375
	ln2Low     float32 = -2.12194440054690582767e-4
)

// expSeries are 1/7!, 1/6!, … 1/1!, 1/0!: the Taylor series of the exponential
// function, whose rest is below 5·10⁻⁹ for the |r| ≤ 0.35 that it is used for.
var expSeries = [8]float32{1. / 5040, 1. / 720, 1. / 120, 1. / 24, 1. / 6, 1. / 2, 1, 1}

// Exp returns the exponential of x ≤ 0, with a relative error below 1.5·10⁻⁷.
// For x below −86, where the result nears the smallest normal float32, and for
// a NaN it is 0.
//
// With n the integer nearest to x·log₂e and r = x − n·ln 2, it is the Taylor
// series of r, in Horner's form, times 2ⁿ.
func Exp(x float32) float32 {
	if !(x >= expCutoff) {
		return 0
	}
	shifted := portable.FMA(x, log2e, roundShift)
	n := shifted - roundShift
	r := portable.FMA(n, -ln2Low, portable.FMA(n, -ln2High, x))
	p := expSeries[0]
	for _, c := range expSeries[1:] {
		p = portable.FMA(p, r, c)
	}
	return math.Float32frombits(math.Float32bits(p) + math.Float32bits(shifted)<<23)
}
