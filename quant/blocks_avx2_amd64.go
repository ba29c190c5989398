//go:build !purego

package quant

// A token takes eight rows at a time, and tiles are multiplied as those of I2_S, with
// the scales after each block.
var blocksAVX2 = blockKernels{
	arrange: arrangeAVX2,
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
	tileRows:    tileRowsAMD64,
	panelTokens: panelTokensAMD64,
	minPanel:    [formats]int{TQ1_0: 3, TQ2_0: 6, Q2_0: 5, PQ2_0: 6, PTQ1_0: 3},
	packPanel:   packPanelAMD64,
	unpackTile: [formats]func(tile []byte, scales []float32, rows []byte, cols int){
		TQ1_0: func(tile []byte, scales []float32, rows []byte, cols int) {
			unpackBlockTileAMD64(TQ1_0, unpackRowsTQ1_0AVX2, tile, scales, rows, cols)
		},
		TQ2_0: func(tile []byte, scales []float32, rows []byte, cols int) {
			unpackBlockTileAMD64(TQ2_0, unpackRowsTQ2_0AVX2, tile, scales, rows, cols)
		},
		Q2_0: func(tile []byte, scales []float32, rows []byte, cols int) {
			unpackBlockTileAMD64(Q2_0, unpackRowsQ2_0AVX2, tile, scales, rows, cols)
		},
		PQ2_0: func(tile []byte, scales []float32, rows []byte, cols int) {
			unpackBlockTileAMD64(PQ2_0, unpackRowsPQ2_0AVX2, tile, scales, rows, cols)
		},
		PTQ1_0: func(tile []byte, scales []float32, rows []byte, cols int) {
			unpackBlockTileAMD64(PTQ1_0, unpackRowsPTQ1_0AVX2, tile, scales, rows, cols)
		},
	},
	mulTile: mulBlockTileAVX2,
}

//go:noescape
func arrangeAVX2(q []int8)

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

//go:noescape
func unpackRowsTQ1_0AVX2(tile *byte, scales *float32, rows *byte, stride, cols int)

//go:noescape
func unpackRowsTQ2_0AVX2(tile *byte, scales *float32, rows *byte, stride, cols int)

//go:noescape
func unpackRowsQ2_0AVX2(tile *byte, scales *float32, rows *byte, stride, cols int)

//go:noescape
func unpackRowsPQ2_0AVX2(tile *byte, scales *float32, rows *byte, stride, cols int)

//go:noescape
func unpackRowsPTQ1_0AVX2(tile *byte, scales *float32, rows *byte, stride, cols int)

//go:noescape
func mulBlockTileAVX2(products []float32, tile []byte, scales []float32, panel []int8, scale []float32, sum []int32, cols int)
