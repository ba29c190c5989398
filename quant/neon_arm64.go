//go:build !purego

package quant

// neon needs nothing beyond the first ARMv8-A. It multiplies bytes to sums of
// 16 bits, which are widened before they can overflow.
//
// minPanel is reckoned from Arm's tables of instructions, not measured: on a
// Cortex-A72 multiplying takes all the time either way, and tiles gain nothing;
// on a Cortex-A53, which does one thing at a time, they gain a tenth once there
// are so many panels that unpacking does not count.
var neon = Kernels{
	name:        "neon",
	absMax:      absMaxNeon,
	roundScaled: roundScaledNeon,
	codeDots:    codeDotsNeon,
	dotTokens:   4,
	tileRows:    tileRowsARM64,
	panelTokens: groupSize,
	minPanel:    32,
	packPanel:   packPanelNeon,
	unpackTile:  unpackTileNeon,
	mulTile:     mulTileNeon,
	scaleSums:   scaleSumsNeon,
	blocks:      blocksNeon,
	limits:      limits{readNeon, peakNeon, 8 * peakProducts},
}

//go:noescape
func absMaxNeon(x []float32) uint32

//go:noescape
func roundScaledNeon(q []int8, x []float32, s float32) int32

func codeDotsNeon(sums []int32, codes []byte, q []int8, cols int) {
	if len(q) == cols {
		codeDotNeon(sums, codes, q)
	} else {
		codeDotsFewNeon(sums, codes, q, cols)
	}
}

//go:noescape
func codeDotNeon(sums []int32, codes []byte, q []int8)

// codeDotsFewNeon is codeDots for 2 to 4 tokens.
//
//go:noescape
func codeDotsFewNeon(sums []int32, codes []byte, q []int8, cols int)

// In a group, the members take turns after 16 columns: a register holds those
// of one row or token.
const turnNeon = 16

func packPanelNeon(panel, q []int8, cols int) {
	packPanelARM64(panel, q, cols, turnNeon, packGroupNeon)
}

//go:noescape
func packGroupNeon(group, q *int8, cols int)

func unpackTileNeon(tile, codes []byte, cols int) {
	unpackTileARM64(tile, codes, cols, unpackGroupNeon)
}

//go:noescape
func unpackGroupNeon(group, row0, row1, row2, row3 *byte, cols int)

func mulTileNeon(sums []int32, tile []byte, panel []int8, cols int) {
	for r := 0; r < tileRowsARM64; r += groupSize {
		mulGroupNeon(&sums[r], &tile[r*cols], &panel[0], cols)
	}
}

// mulGroupNeon multiplies a group of rows with a group of tokens.
//
//go:noescape
func mulGroupNeon(sums *int32, rows *byte, tokens *int8, cols int)

//go:noescape
func scaleSumsNeon(dst []float32, sums []int32, offset int32, s, scale float32)
