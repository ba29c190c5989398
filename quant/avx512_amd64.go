//go:build !purego

package quant

// avx512 uses the 512-bit VNNI instruction VPDPBUSD, which adds four products
// of an unsigned and a signed byte to an int32 without saturating.
var avx512 = Kernels{
	name:        "avx512",
	absMax:      absMaxAVX2,
	roundScaled: roundScaledAVX2,
	codeDots:    codeDotsAVX512,
	dotTokens:   8,
	tileRows:    tileRowsAMD64,
	panelTokens: panelTokensAMD64,
	minPanel:    36,
	packPanel:   packPanelAMD64,
	unpackTile:  unpackTileAVX512,
	mulTile:     mulTileAVX512,
	scaleSums:   scaleSumsAVX2,
	blocks:      blocksAVX512,
	limits:      limits{readAVX512, peakAVX512, 64 * peakProducts},
}

func codeDotsAVX512(sums []int32, codes []byte, q []int8, cols int) {
	codeDotsAMD64(&severalAVX512, codeDotAVX512, sums, codes, q, cols)
}

var severalAVX512 = severalDots{2: codeDots2AVX512, codeDots3AVX512, codeDots4AVX512, codeDots5AVX512, codeDots6AVX512, codeDots7AVX512, codeDots8AVX512}

//go:noescape
func codeDotAVX512(sums []int32, codes []byte, q []int8)

//go:noescape
func codeDots2AVX512(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots3AVX512(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots4AVX512(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots5AVX512(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots6AVX512(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots7AVX512(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots8AVX512(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

func unpackTileAVX512(tile, codes []byte, cols int) {
	groups := len(codes) / (groupRows * cols / 4)
	for g := range groups {
		unpackGroupAVX512(&tile[g*groupRows*cols], &codes[g*groupRows*cols/4], cols)
	}
	unpackRows(tile[groups*groupRows*cols:], codes[groups*groupRows*cols/4:], cols)
}

// unpackGroupAVX512 unpacks groupRows rows of codes into one group of a tile.
//
//go:noescape
func unpackGroupAVX512(group, codes *byte, cols int)

//go:noescape
func mulTileAVX512(sums []int32, tile []byte, panel []int8, cols int)
