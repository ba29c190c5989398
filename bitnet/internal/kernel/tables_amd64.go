//go:build !purego

package kernel

// unpackAVX2 and dotsBlocksAVX2 serve all sets: rows in blocks are limited by
// memory, and by unpacking them.
var unpackAVX2 = [BlockFormats]func(q []int8, scales, mins []float32, blocks []byte){
	Q8_0: unpackQ8_0AVX2,
	Q5_0: unpackQ5_0AVX2,
	Q4_0: unpackQ4_0AVX2,
	Q6_K: unpackQ6_KAVX2,
	Q4_K: unpackQ4_KAVX2,
	Q3_K: unpackQ3_KAVX2,
}

//go:noescape
func unpackQ8_0AVX2(q []int8, scales, mins []float32, blocks []byte)

//go:noescape
func unpackQ5_0AVX2(q []int8, scales, mins []float32, blocks []byte)

//go:noescape
func unpackQ4_0AVX2(q []int8, scales, mins []float32, blocks []byte)

//go:noescape
func unpackQ6_KAVX2(q []int8, scales, mins []float32, blocks []byte)

//go:noescape
func unpackQ4_KAVX2(q []int8, scales, mins []float32, blocks []byte)

//go:noescape
func unpackQ3_KAVX2(q []int8, scales, mins []float32, blocks []byte)

//go:noescape
func dotsBlocksAVX2(dst []float32, q []int8, scales, mins []float32, x []int16, units, sums []float32, ahead []byte)

// What follows serves all sets, too: it is limited by memory or runs once.

//go:noescape
func dotsFloatAVX2(dst []float32, rows []float32, x []float32)

//go:noescape
func quantizeFloatAVX2(dst []int8, row []float32) (step, rest, squares float32)

//go:noescape
func widenBrainAVX2(dst []float32, src []uint16)
