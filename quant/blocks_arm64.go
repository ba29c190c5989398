//go:build !purego

package quant

// Blocks with scales, on every arm64 set: rows go four by four, from four places for
// one token and as groups of a tile for many. In a group, members take turns after
// four columns. Kernels differ in how they multiply bytes.

const placesARM64 = 4

// A blockRows multiplies rows from four places, each of so many rows, with one token:
// the products of place p go to dst[p·each:(p+1)·each].
type blockRows func(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)

// blockDotsARM64 does what the dots of a format do, by its blockRows.
func blockDotsARM64(multiply blockRows, dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
	rowBytes := len(rows) / len(dst)
	row := func(i int) *byte { return &rows[i*rowBytes] }
	each := len(dst) / placesARM64
	if each > 0 {
		multiply(&dst[0], each, row(0), row(each), row(2*each), row(3*each), &q[0], &scale[0], &sum[0], len(q))
	}
	if done := placesARM64 * each; done < len(dst) {
		// In the place of a row that is missing, the last one comes again.
		var rest [placesARM64]float32
		last := len(dst) - 1
		multiply(&rest[0], 1, row(done), row(min(done+1, last)), row(min(done+2, last)), row(last), &q[0], &scale[0], &sum[0], len(q))
		copy(dst[done:], rest[:])
	}
}

// unpackRowsBlocks unpacks four rows to a group.
type unpackRowsBlocks func(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)

func unpackBlockTileARM64(f Format, unpack unpackRowsBlocks, tile []byte, scales []float32, rows []byte, cols int) {
	rowBytes := f.rowBytes(cols)
	n := len(rows) / rowBytes
	for r := 0; r < n; r += groupSize {
		row := func(i int) *byte { return &rows[min(r+i, n-1)*rowBytes] }
		unpack(&tile[r*cols], &scales[r], row(0), row(1), row(2), row(3), cols)
	}
}

var unpackBlockTile = [formats]func(tile []byte, scales []float32, rows []byte, cols int){
	Q2_0: func(tile []byte, scales []float32, rows []byte, cols int) {
		unpackBlockTileARM64(Q2_0, unpackRowsQ2_0Neon, tile, scales, rows, cols)
	},
	PQ2_0: func(tile []byte, scales []float32, rows []byte, cols int) {
		unpackBlockTileARM64(PQ2_0, unpackRowsPQ2_0Neon, tile, scales, rows, cols)
	},
	TQ2_0: func(tile []byte, scales []float32, rows []byte, cols int) {
		unpackBlockTileARM64(TQ2_0, unpackRowsTQ2_0Neon, tile, scales, rows, cols)
	},
	TQ1_0: func(tile []byte, scales []float32, rows []byte, cols int) {
		unpackBlockTileARM64(TQ1_0, unpackRowsTQ1_0Neon, tile, scales, rows, cols)
	},
	PTQ1_0: func(tile []byte, scales []float32, rows []byte, cols int) {
		unpackBlockTileARM64(PTQ1_0, unpackRowsPTQ1_0Neon, tile, scales, rows, cols)
	},
}

// A mulBlockGroups multiplies two groups of rows with the tokens of a panel.
type mulBlockGroups func(products *float32, rows *byte, scales *float32, tokens *int8, scale *float32, sum *int32, cols int)

func mulBlockTileARM64(multiply mulBlockGroups, products []float32, tile []byte, scales []float32, panel []int8, scale []float32, sum []int32, cols int) {
	for r := 0; r < tileRowsARM64; r += 2 * groupSize {
		multiply(&products[r], &tile[r*cols], &scales[r], &panel[0], &scale[0], &sum[0], cols)
	}
}

var blocksNeon = blockKernels{
	arrange: arrangeGeneric,
	dots: [formats]func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32){
		Q2_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsARM64(blockDotsQ2_0Neon, dst, rows, q, scale, sum)
		},
		PQ2_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsARM64(blockDotsPQ2_0Neon, dst, rows, q, scale, sum)
		},
		TQ2_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsARM64(blockDotsTQ2_0Neon, dst, rows, q, scale, sum)
		},
		TQ1_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsARM64(blockDotsTQ1_0Neon, dst, rows, q, scale, sum)
		},
		PTQ1_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsARM64(blockDotsPTQ1_0Neon, dst, rows, q, scale, sum)
		},
	},
	tileRows:    tileRowsARM64,
	panelTokens: groupSize,
	minPanel:    [formats]int{TQ1_0: 3, TQ2_0: 4, Q2_0: 4, PQ2_0: 4, PTQ1_0: 3},
	packPanel:   packPanelDotprod,
	unpackTile:  unpackBlockTile,
	mulTile: func(products []float32, tile []byte, scales []float32, panel []int8, scale []float32, sum []int32, cols int) {
		mulBlockTileARM64(mulBlockGroupsNeon, products, tile, scales, panel, scale, sum, cols)
	},
}

var blocksDotprod = blockKernels{
	arrange: arrangeGeneric,
	dots: [formats]func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32){
		Q2_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsARM64(blockDotsQ2_0Dotprod, dst, rows, q, scale, sum)
		},
		PQ2_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsARM64(blockDotsPQ2_0Dotprod, dst, rows, q, scale, sum)
		},
		TQ2_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsARM64(blockDotsTQ2_0Dotprod, dst, rows, q, scale, sum)
		},
		TQ1_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsARM64(blockDotsTQ1_0Dotprod, dst, rows, q, scale, sum)
		},
		PTQ1_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsARM64(blockDotsPTQ1_0Dotprod, dst, rows, q, scale, sum)
		},
	},
	tileRows:    tileRowsARM64,
	panelTokens: 2 * groupSize,
	minPanel:    [formats]int{TQ1_0: 3, TQ2_0: 4, Q2_0: 4, PQ2_0: 4, PTQ1_0: 3},
	packPanel:   packPanelDotprod,
	unpackTile:  unpackBlockTile,
	mulTile: func(products []float32, tile []byte, scales []float32, panel []int8, scale []float32, sum []int32, cols int) {
		mulBlockTileARM64(mulBlockGroupsDotprod, products, tile, scales, panel, scale, sum, cols)
	},
}

//go:noescape
func blockDotsQ2_0Neon(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)

//go:noescape
func blockDotsPQ2_0Neon(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)

//go:noescape
func blockDotsTQ2_0Neon(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)

//go:noescape
func blockDotsTQ1_0Neon(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)

//go:noescape
func blockDotsPTQ1_0Neon(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)

//go:noescape
func mulBlockGroupsNeon(products *float32, rows *byte, scales *float32, tokens *int8, scale *float32, sum *int32, cols int)

//go:noescape
func blockDotsQ2_0Dotprod(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)

//go:noescape
func blockDotsPQ2_0Dotprod(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)

//go:noescape
func blockDotsTQ2_0Dotprod(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)

//go:noescape
func blockDotsTQ1_0Dotprod(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)

//go:noescape
func blockDotsPTQ1_0Dotprod(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)

//go:noescape
func mulBlockGroupsDotprod(products *float32, rows *byte, scales *float32, tokens *int8, scale *float32, sum *int32, cols int)

//go:noescape
func unpackRowsQ2_0Neon(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)

//go:noescape
func unpackRowsPQ2_0Neon(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)

//go:noescape
func unpackRowsTQ2_0Neon(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)

//go:noescape
func unpackRowsTQ1_0Neon(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)

//go:noescape
func unpackRowsPTQ1_0Neon(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)
