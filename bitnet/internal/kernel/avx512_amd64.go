//go:build !purego

package kernel

// avx512 is the implementation for AVX-512, with its 16-bit integer dot product (VNNI).
// A zmm register holds the 16 lanes of a reduction.
var avx512 = Set{
	Name:           "avx512",
	SumSquares:     sumSquaresAVX512,
	Normalize:      normalizeAVX512,
	Add:            addAVX512,
	ReLUSquaredMul: reluSquaredMulAVX512,
	SiLUMul:        siluMulAVX512,
	FloatToHalf:    floatToHalfAVX512,
	MulHalf:        mulHalfAVX512,
	MulFloat:       mulFloatAVX512,
	Softmax:        softmaxAVX512,
	DotsHalf:       dotsHalfAVX512,
	DotsFloat:      dotsFloatAVX2,
	DotsInt8:       dotsInt8AVX512,
	QuantizeHalf:   quantizeHalfAVX512,
	QuantizeFloat:  quantizeFloatAVX2,
	WidenBrain:     widenBrainAVX2,
	Unpack:         unpackAVX2,
	DotsBlocks:     dotsBlocksAVX2,
}

//go:noescape
func sumSquaresAVX512(x []float32) float32

//go:noescape
func normalizeAVX512(dst, x, weight []float32, factor float32)

//go:noescape
func addAVX512(dst, x []float32)

//go:noescape
func reluSquaredMulAVX512(gate, up []float32)

//go:noescape
func siluMulAVX512(gate, up []float32)

//go:noescape
func floatToHalfAVX512(dst []uint16, src []float32)

//go:noescape
func mulHalfAVX512(c []float32, cStride int, a []float32, aStride, rows int, b []uint16, groupStride, inner, groups int)

//go:noescape
func mulFloatAVX512(c []float32, cStride int, a []float32, aStride, rows int, b []float32, groupStride, inner, groups int)

//go:noescape
func softmaxAVX512(x []float32, scale float32) (largest, sum float32)

func dotsHalfAVX512(dst []float32, rows []uint16, x []float32, cols int) {
	if len(x) > cols {
		dotsHalfTiled(dst, rows, x, cols, true)
		return
	}
	dotHalfAVX512(dst[:len(rows)/cols], rows, x)
}

//go:noescape
func dotHalfAVX512(dst []float32, rows []uint16, x []float32)

func dotsInt8AVX512(dst []int32, rows []int8, x []int16, cols int) {
	if len(x) > cols {
		dotsInt8Tiled(dst, rows, x, cols, true)
		return
	}
	dotInt8AVX512(dst[:len(rows)/cols], rows, x)
}

//go:noescape
func dotInt8AVX512(dst []int32, rows []int8, x []int16)

//go:noescape
func quantizeHalfAVX512(dst []int8, row []uint16) (step, rest, squares float32)
