//go:build !purego

package quant

// amx multiplies tiles with the matrix instructions of AMX-INT8. It is avx512
// in everything else.
var amx = Kernels{
	name:        "amx",
	absMax:      absMaxAVX2,
	roundScaled: roundScaledAVX2,
	codeDots:    codeDotsAVX512,
	dotTokens:   8,
	tileRows:    tileRowsAMX,
	panelTokens: panelTokensAMX,
	minPanel:    12, // unpacking takes as long as codeDots for eight tokens
	packPanel:   packPanelAMX,
	unpackTile:  unpackTileAVX512,
	mulTile:     mulTileAMX,
	scaleSums:   scaleSumsAVX2,
	blocks:      blocksAVX512,
	limits:      limits{readAVX512, multiplyAMX, 6 * 16 * 16 * 64},
}

// One AMX register holds 16 rows of 64 bytes. TDPBSUD multiplies one of 16
// tokens × 64 activations by one of 16 × 16 rows × 4 codes, and adds to one of
// 16 tokens × 16 rows, which has the order of mulTile's sums.
//
// A group of a tile, [cols/4][16 rows][4 codes], is a sequence of registers
// already. A panel is two groups of 16 tokens, [cols/64][16 tokens][64
// activations] each, so that both operands are read from one end to the other.
// 128 rows reuse a panel often enough that it may come from the third cache
// level, and together with it they still fit into the second, 1.1 MB at 6,912
// columns, where a call multiplies 28 million pairs.
const (
	tileRowsAMX    = 128
	panelTokensAMX = 32
	groupTokensAMX = 16
	stepAMX        = 64
)

func packPanelAMX(panel, q []int8, cols int) {
	tokens := len(q) / cols
	for first := 0; first < panelTokensAMX; first += groupTokensAMX {
		group := panel[first*cols : (first+groupTokensAMX)*cols]
		if tokens-first >= groupTokensAMX {
			packGroupAMX(&group[0], &q[first*cols], cols)
			continue
		}
		clear(group)
		for token := first; token < tokens; token++ {
			for i := 0; i < cols; i += stepAMX {
				copy(group[i*groupTokensAMX+(token-first)*stepAMX:], q[token*cols+i:][:stepAMX])
			}
		}
	}
}

// packGroupAMX packs groupTokensAMX tokens of cols activations each.
//
//go:noescape
func packGroupAMX(group, q *int8, cols int)

//go:noescape
func mulTileAMX(sums []int32, tile []byte, panel []int8, cols int)

// peakAMX multiplies the same two registers rounds·6 times into six registers
// of sums, which do not wait for each other, and stores one of these: what
// benchmarks take for the limit.
//
//go:noescape
func peakAMX(sums *[256]int32, q *[1024]int8, codes *[1024]byte, rounds int)

// storeTileConfig stores how the thread's tile registers are configured, zeros
// where they are not: tests see with it that they have been released.
//
//go:noescape
func storeTileConfig(config *[64]byte)

// multiplyAMX multiplies into six registers, with nothing to load. A product of
// two registers is one of 16 × 16 × 64 bytes.
func multiplyAMX(steps int) {
	var sums [256]int32
	var q [1024]int8
	var codes [1024]byte
	peakAMX(&sums, &q, &codes, steps)
}
