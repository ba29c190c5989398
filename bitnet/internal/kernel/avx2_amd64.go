//go:build !purego

package kernel

// avx2 is the implementation for AVX2, FMA3 and F16C.
// Two ymm registers hold the 16 lanes of a reduction.
var avx2 = Set{
	Name:           "avx2",
	SumSquares:     sumSquaresAVX2,
	Normalize:      normalizeAVX2,
	Add:            addAVX2,
	ReLUSquaredMul: reluSquaredMulAVX2,
	SiLUMul:        siluMulAVX2,
	FloatToHalf:    floatToHalfAVX2,
	MulHalf:        mulHalfAVX2,
	MulFloat:       mulFloatAVX2,
	Softmax:        softmaxAVX2,
	DotsHalf:       dotsHalfAVX2,
	DotsFloat:      dotsFloatAVX2,
	DotsInt8:       dotsInt8AVX2,
	QuantizeHalf:   quantizeHalfAVX2,
	QuantizeFloat:  quantizeFloatAVX2,
	WidenBrain:     widenBrainAVX2,
	Unpack:         unpackAVX2,
	DotsBlocks:     dotsBlocksAVX2,
}

//go:noescape
func sumSquaresAVX2(x []float32) float32

//go:noescape
func normalizeAVX2(dst, x, weight []float32, factor float32)

//go:noescape
func addAVX2(dst, x []float32)

//go:noescape
func reluSquaredMulAVX2(gate, up []float32)

//go:noescape
func siluMulAVX2(gate, up []float32)

//go:noescape
func floatToHalfAVX2(dst []uint16, src []float32)

//go:noescape
func mulHalfAVX2(c []float32, cStride int, a []float32, aStride, rows int, b []uint16, groupStride, inner, groups int)

//go:noescape
func mulFloatAVX2(c []float32, cStride int, a []float32, aStride, rows int, b []float32, groupStride, inner, groups int)

//go:noescape
func softmaxAVX2(x []float32, scale float32) (largest, sum float32)

func dotsHalfAVX2(dst []float32, rows []uint16, x []float32, cols int) {
	if len(x) > cols {
		dotsHalfTiled(dst, rows, x, cols, false)
		return
	}
	dotHalfAVX2(dst[:len(rows)/cols], rows, x)
}

//go:noescape
func dotHalfAVX2(dst []float32, rows []uint16, x []float32)

func dotsInt8AVX2(dst []int32, rows []int8, x []int16, cols int) {
	dotsInt8Tiled(dst, rows, x, cols, false)
}

//go:noescape
func quantizeHalfAVX2(dst []int8, row []uint16) (step, rest, squares float32)
