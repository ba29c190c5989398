//go:build !purego

package kernel

// neon needs nothing beyond the first ARMv8-A. The lanes of a reduction are
// four registers of four.
var neon = Set{
	Name:           "neon",
	SumSquares:     sumSquaresNeon,
	Normalize:      normalizeNeon,
	Add:            addNeon,
	ReLUSquaredMul: reluSquaredMulNeon,
	FloatToHalf:    floatToHalfNeon,
	MulHalf:        mulHalfNeon,
	MulFloat:       mulFloatNeon,
	Softmax:        softmaxNeon,
	DotsHalf:       dotsHalfNeon,
	DotsInt8:       dotsInt8Neon,
	QuantizeHalf:   quantizeHalfNeon,
}

//go:noescape
func sumSquaresNeon(x []float32) float32

//go:noescape
func normalizeNeon(dst, x, weight []float32, factor float32)

//go:noescape
func addNeon(dst, x []float32)

//go:noescape
func reluSquaredMulNeon(gate, up []float32)

//go:noescape
func floatToHalfNeon(dst []uint16, src []float32)

func mulHalfNeon(c []float32, cStride int, a []float32, aStride, rows int, b []uint16, groupStride, inner, groups int) {
	if rows == 1 {
		mulHalf1Neon(&c[0], &a[0], &b[0], groupStride, inner, groups)
		return
	}
	// In the place of a row that is missing, the last one is computed again.
	r2, r3 := min(2, rows-1), rows-1
	mulHalf4Neon(&c[0], &c[cStride], &c[r2*cStride], &c[r3*cStride],
		&a[0], &a[aStride], &a[r2*aStride], &a[r3*aStride],
		&b[0], groupStride, inner, groups)
}

//go:noescape
func mulHalf1Neon(c, a *float32, b *uint16, groupStride, inner, groups int)

//go:noescape
func mulHalf4Neon(c0, c1, c2, c3, a0, a1, a2, a3 *float32, b *uint16, groupStride, inner, groups int)

func mulFloatNeon(c []float32, cStride int, a []float32, aStride, rows int, b []float32, groupStride, inner, groups int) {
	if rows == 1 {
		mulFloat1Neon(&c[0], &a[0], &b[0], groupStride, inner, groups)
		return
	}
	r2, r3 := min(2, rows-1), rows-1
	mulFloat4Neon(&c[0], &c[cStride], &c[r2*cStride], &c[r3*cStride],
		&a[0], &a[aStride], &a[r2*aStride], &a[r3*aStride],
		&b[0], groupStride, inner, groups)
}

//go:noescape
func mulFloat1Neon(c, a, b *float32, groupStride, inner, groups int)

//go:noescape
func mulFloat4Neon(c0, c1, c2, c3, a0, a1, a2, a3, b *float32, groupStride, inner, groups int)

//go:noescape
func softmaxNeon(x []float32, scale float32) (largest, sum float32)

func dotsHalfNeon(dst []float32, rows []uint16, x []float32, cols int) {
	n := len(rows) / cols
	for v := range len(x) / cols {
		dotHalfNeon(dst[v*n:(v+1)*n], rows, x[v*cols:(v+1)*cols])
	}
}

//go:noescape
func dotHalfNeon(dst []float32, rows []uint16, x []float32)

func dotsInt8Neon(dst []int32, rows []int8, x []int16, cols int) {
	n := len(rows) / cols
	for v := range len(x) / cols {
		dotInt8Neon(dst[v*n:(v+1)*n], rows, x[v*cols:(v+1)*cols])
	}
}

//go:noescape
func dotInt8Neon(dst []int32, rows []int8, x []int16)

//go:noescape
func quantizeHalfNeon(dst []int8, row []uint16) (step, rest, squares float32)
