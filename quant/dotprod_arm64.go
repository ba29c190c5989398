//go:build !purego

package quant

// dotprod uses SDOT, which adds four products of bytes to each of four sums:
// 16 multiply-adds an instruction.
//
// minPanel is reckoned from Arm's tables of instructions, not measured: for 128
// codes, a Cortex-A76 or Neoverse N1 takes 21 cycles to multiply them with four
// tokens in codeDots, but in a tile 14 to unpack them and 32 for each panel of
// eight tokens.
var dotprod = Kernels{
	name:        "dotprod",
	absMax:      absMaxNeon,
	roundScaled: roundScaledNeon,
	codeDots:    codeDotsDotprod,
	dotTokens:   4,
	tileRows:    tileRowsARM64,
	panelTokens: 2 * groupSize,
	minPanel:    21,
	packPanel:   packPanelDotprod,
	unpackTile:  unpackTileDotprod,
	mulTile:     mulTileDotprod,
	scaleSums:   scaleSumsNeon,
	blocks:      blocksDotprod,
	limits:      limits{readNeon, peakDotprod, 16 * peakProducts},
}

func codeDotsDotprod(sums []int32, codes []byte, q []int8, cols int) {
	if len(q) == cols {
		codeDotDotprod(sums, codes, q)
	} else {
		codeDotsFewDotprod(sums, codes, q, cols)
	}
}

//go:noescape
func codeDotDotprod(sums []int32, codes []byte, q []int8)

// codeDotsFewDotprod is codeDots for 2 to 4 tokens.
//
//go:noescape
func codeDotsFewDotprod(sums []int32, codes []byte, q []int8, cols int)

// In a group, the members take turns after four columns: four codes of each
// fill a register that SDOT multiplies with the same four of one token.
const turnDotprod = 4

func packPanelDotprod(panel, q []int8, cols int) {
	packPanelARM64(panel, q, cols, turnDotprod, packGroupDotprod)
}

//go:noescape
func packGroupDotprod(group, q *int8, cols int)

func unpackTileDotprod(tile, codes []byte, cols int) {
	unpackTileARM64(tile, codes, cols, unpackGroupDotprod)
}

//go:noescape
func unpackGroupDotprod(group, row0, row1, row2, row3 *byte, cols int)

func mulTileDotprod(sums []int32, tile []byte, panel []int8, cols int) {
	for r := 0; r < tileRowsARM64; r += 2 * groupSize {
		mulGroupsDotprod(&sums[r], &tile[r*cols], &panel[0], cols)
	}
}

// mulGroupsDotprod multiplies two groups of rows with two groups of tokens.
//
//go:noescape
func mulGroupsDotprod(sums *int32, rows *byte, tokens *int8, cols int)
