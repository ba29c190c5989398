//go:build !purego

package kernel

var unpackNeon = [BlockFormats]func(q []int8, scales, mins []float32, blocks []byte){
	Q8_0: unpackQ8_0Neon,
	Q5_0: unpackQ5_0Neon,
	Q4_0: unpackQ4_0Neon,
	Q6_K: unpackQ6_KNeon,
	Q4_K: unpackQ4_KNeon,
	Q3_K: unpackQ3_KNeon,
}

//go:noescape
func unpackQ8_0Neon(q []int8, scales, mins []float32, blocks []byte)

//go:noescape
func unpackQ5_0Neon(q []int8, scales, mins []float32, blocks []byte)

//go:noescape
func unpackQ4_0Neon(q []int8, scales, mins []float32, blocks []byte)

//go:noescape
func unpackQ6_KNeon(q []int8, scales, mins []float32, blocks []byte)

//go:noescape
func unpackQ4_KNeon(q []int8, scales, mins []float32, blocks []byte)

//go:noescape
func unpackQ3_KNeon(q []int8, scales, mins []float32, blocks []byte)

//go:noescape
func dotsBlocksNeon(dst []float32, q []int8, scales, mins []float32, x []int16, units, sums []float32, ahead []byte)

//go:noescape
func dotsFloatNeon(dst []float32, rows []float32, x []float32)

//go:noescape
func quantizeFloatNeon(dst []int8, row []float32) (step, rest, squares float32)

//go:noescape
func widenBrainNeon(dst []float32, src []uint16)
