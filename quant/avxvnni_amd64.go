//go:build !purego

package quant

// avxvnni uses VPDPBUSD on 256 bits in the VEX coding, for processors that have
// it without AVX-512.
var avxvnni = Kernels{
	name:        "avxvnni",
	absMax:      absMaxAVX2,
	roundScaled: roundScaledAVX2,
	codeDots:    codeDotsAVXVNNI,
	dotTokens:   6,
	tileRows:    tileRowsAMD64,
	panelTokens: panelTokensAMD64,
	minPanel:    48,
	packPanel:   packPanelAMD64,
	unpackTile:  unpackTileAVX2,
	mulTile:     mulTileAVXVNNI,
	scaleSums:   scaleSumsAVX2,
	blocks:      blocksAVX2,
	limits:      limits{readAVX2, peakAVXVNNI, 32 * peakProducts},
}

func codeDotsAVXVNNI(sums []int32, codes []byte, q []int8, cols int) {
	codeDotsAMD64(&severalAVXVNNI, codeDotAVXVNNI, sums, codes, q, cols)
}

var severalAVXVNNI = severalDots{2: codeDots2AVXVNNI, codeDots3AVXVNNI, codeDots4AVXVNNI, codeDots5AVXVNNI, codeDots6AVXVNNI}

//go:noescape
func codeDotAVXVNNI(sums []int32, codes []byte, q []int8)

//go:noescape
func codeDots2AVXVNNI(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots3AVXVNNI(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots4AVXVNNI(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots5AVXVNNI(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots6AVXVNNI(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func mulTileAVXVNNI(sums []int32, tile []byte, panel []int8, cols int)

// The same kernels with VPDPBUSD in the EVEX coding, byte for byte the same
// otherwise: tests run them on processors that have AVX-512 but not AVX-VNNI.

func codeDotsEVEX256(sums []int32, codes []byte, q []int8, cols int) {
	codeDotsAMD64(&severalEVEX256, codeDotEVEX256, sums, codes, q, cols)
}

var severalEVEX256 = severalDots{2: codeDots2EVEX256, codeDots3EVEX256, codeDots4EVEX256, codeDots5EVEX256, codeDots6EVEX256}

//go:noescape
func codeDotEVEX256(sums []int32, codes []byte, q []int8)

//go:noescape
func codeDots2EVEX256(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots3EVEX256(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots4EVEX256(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots5EVEX256(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots6EVEX256(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func mulTileEVEX256(sums []int32, tile []byte, panel []int8, cols int)
