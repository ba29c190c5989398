//go:build !purego

package quant

// avxvnni uses VPDPBUSD on 256 bits in the VEX coding, for processors that have
// it without AVX-512.
var avxvnni = Kernels{
	name:        "avxvnni",
	absMax:      absMaxAVX2,
	roundScaled: roundScaledAVX2,
	codeDots:    codeDotsAVXVNNI,
	dotTokens:   4,
	tileRows:    tileRowsAMD64,
	panelTokens: panelTokensAMD64,
	minPanel:    9,
	packPanel:   packPanelAMD64,
	unpackTile:  unpackTileAVX2,
	mulTile:     mulTileAVXVNNI,
	scaleSums:   scaleSumsAVX2,
	limits:      limits{readAVX2, peakAVXVNNI, 32 * peakProducts},
}

func codeDotsAVXVNNI(sums []int32, codes []byte, q []int8, cols int) {
	rows := len(codes) / (cols / 4)
	for t := range len(q) / cols {
		codeDotAVXVNNI(sums[t*rows:(t+1)*rows], codes, q[t*cols:(t+1)*cols])
	}
}

//go:noescape
func codeDotAVXVNNI(sums []int32, codes []byte, q []int8)

//go:noescape
func mulTileAVXVNNI(sums []int32, tile []byte, panel []int8, cols int)

// The same kernels with VPDPBUSD in the EVEX coding, byte for byte the same
// otherwise: tests run them on processors that have AVX-512 but not AVX-VNNI.

func codeDotsEVEX256(sums []int32, codes []byte, q []int8, cols int) {
	rows := len(codes) / (cols / 4)
	for t := range len(q) / cols {
		codeDotEVEX256(sums[t*rows:(t+1)*rows], codes, q[t*cols:(t+1)*cols])
	}
}

//go:noescape
func codeDotEVEX256(sums []int32, codes []byte, q []int8)

//go:noescape
func mulTileEVEX256(sums []int32, tile []byte, panel []int8, cols int)
