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
	SiLUMul:        siluMulNeon,
	FloatToHalf:    floatToHalfNeon,
	MulHalf:        mulHalfNeon,
	MulFloat:       mulFloatNeon,
	Softmax:        softmaxNeon,
	DotsHalf:       dotsHalfNeon,
	DotsFloat:      dotsFloatNeon,
	DotsInt8:       dotsInt8Neon,
	QuantizeHalf:   quantizeHalfNeon,
	QuantizeFloat:  quantizeFloatNeon,
	WidenBrain:     widenBrainNeon,
	Unpack:         unpackNeon,
	DotsBlocks:     dotsBlocksNeon,
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
func siluMulNeon(gate, up []float32)

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

// dotsInFours takes four vectors at a time, in whose products there are as many
// lanes as there are registers for. A single one has a kernel of its own.
func dotsInFours[D, R, X any](dst []D, rows []R, x []X, cols int, one func(dst []D, rows []R, x []X), few func(dst []D, rows []R, x []X, cols int)) {
	n := len(rows) / cols
	for len(x) > 4*cols {
		few(dst[:4*n], rows, x[:4*cols], cols)
		dst, x = dst[4*n:], x[4*cols:]
	}
	if len(x) == cols {
		one(dst, rows, x)
	} else {
		few(dst, rows, x, cols)
	}
}

func dotsHalfNeon(dst []float32, rows []uint16, x []float32, cols int) {
	dotsInFours(dst, rows, x, cols, dotHalfNeon, dotsHalfFewNeon)
}

//go:noescape
func dotHalfNeon(dst []float32, rows []uint16, x []float32)

// dotsHalfFewNeon is dotsHalfNeon for 2 to 4 vectors.
//
//go:noescape
func dotsHalfFewNeon(dst []float32, rows []uint16, x []float32, cols int)

func dotsInt8Neon(dst []int32, rows []int8, x []int16, cols int) {
	dotsInFours(dst, rows, x, cols, dotInt8Neon, dotsInt8FewNeon)
}

//go:noescape
func dotInt8Neon(dst []int32, rows []int8, x []int16)

// dotsInt8FewNeon is dotsInt8Neon for 2 to 4 vectors.
//
//go:noescape
func dotsInt8FewNeon(dst []int32, rows []int8, x []int16, cols int)

//go:noescape
func quantizeHalfNeon(dst []int8, row []uint16) (step, rest, squares float32)
