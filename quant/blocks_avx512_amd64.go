//go:build !purego

package quant

// blocksAVX512 multiplies tiles by 512-bit VNNI. It is blocksAVX2 in everything else:
// a token's products wait for memory.
//
// minPanel is reckoned from Intel's tables of instructions, not measured: a block of a
// row takes a token some 6 cycles, 12 where five weights lie in a byte; as part of a
// tile it takes 6 for up to six tokens, and 7 or 10 to unpack.
var blocksAVX512 = blockKernels{
	arrange:     blocksAVX2.arrange,
	dots:        blocksAVX2.dots,
	tileRows:    blocksAVX2.tileRows,
	panelTokens: blocksAVX2.panelTokens,
	minPanel:    [formats]int{TQ1_0: 2, TQ2_0: 3, Q2_0: 3, PQ2_0: 3, PTQ1_0: 2},
	packPanel:   blocksAVX2.packPanel,
	unpackTile:  blocksAVX2.unpackTile,
	mulTile:     mulBlockTileAVX512,
}

//go:noescape
func mulBlockTileAVX512(products []float32, tile []byte, scales []float32, panel []int8, scale []float32, sum []int32, cols int)
