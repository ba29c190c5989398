//go:build !purego

package kernel

// dotprod is neon with SDOT, which adds four products of bytes to each of four
// sums, for what is limited by multiplying: DotsInt8 of several vectors.
var dotprod = withDotprod(neon)

func withDotprod(s Set) Set {
	s.Name = "dotprod"
	s.DotsInt8 = dotsInt8Dotprod
	return s
}

func dotsInt8Dotprod(dst []int32, rows []int8, x []int16, cols int) {
	dotsInFours(dst, rows, x, cols, dotInt8Neon, dotsInt8FewDotprod)
}

// dotsInt8FewDotprod is DotsInt8 for 2 to 4 vectors.
//
//go:noescape
func dotsInt8FewDotprod(dst []int32, rows []int8, x []int16, cols int)
