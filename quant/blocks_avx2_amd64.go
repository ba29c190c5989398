//go:build !purego

package quant

var blocksAVX2 = blockKernels{
	arrange: arrangeGeneric,
	dots: [formats]func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32){
		TQ1_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsAMD64(blockDotsTQ1_0AVX2, dst, rows, q, scale, sum)
		},
		TQ2_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsAMD64(blockDotsTQ2_0AVX2, dst, rows, q, scale, sum)
		},
		Q2_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsAMD64(blockDotsQ2_0AVX2, dst, rows, q, scale, sum)
		},
		PQ2_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsAMD64(blockDotsPQ2_0AVX2, dst, rows, q, scale, sum)
		},
		PTQ1_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsAMD64(blockDotsPTQ1_0AVX2, dst, rows, q, scale, sum)
		},
	},
	minPanel: 1<<60,
}

//go:noescape
func blockDotsTQ1_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)

//go:noescape
func blockDotsTQ2_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)

//go:noescape
func blockDotsQ2_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)

//go:noescape
func blockDotsPQ2_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)

//go:noescape
func blockDotsPTQ1_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)
