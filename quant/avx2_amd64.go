//go:build !purego

package quant

// avx2 multiplies unsigned by signed bytes with VPMADDUBSW, whose sums of 16
// bits are widened before they can saturate.
var avx2 = Kernels{
	name:        "avx2",
	absMax:      absMaxAVX2,
	roundScaled: roundScaledAVX2,
	codeDots:    codeDotsAVX2,
	dotTokens:   8,
	tileRows:    tileRowsAMD64,
	panelTokens: panelTokensAMD64,
	minPanel:    48,
	packPanel:   packPanelAMD64,
	unpackTile:  unpackTileAVX2,
	mulTile:     mulTileAVX2,
	scaleSums:   scaleSumsAVX2,
	blocks:      blocksAVX2,
	limits:      limits{readAVX2, peakAVX2, 32 * peakProducts},
}

//go:noescape
func absMaxAVX2(x []float32) uint32

//go:noescape
func roundScaledAVX2(q []int8, x []float32, s float32) int32

func codeDotsAVX2(sums []int32, codes []byte, q []int8, cols int) {
	codeDotsAMD64(&severalAVX2, codeDotAVX2, sums, codes, q, cols)
}

var severalAVX2 = severalDots{2: codeDots2AVX2, codeDots3AVX2, codeDots4AVX2, codeDots5AVX2, codeDots6AVX2, codeDots7AVX2, codeDots8AVX2}

//go:noescape
func codeDotAVX2(sums []int32, codes []byte, q []int8)

//go:noescape
func codeDots2AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots3AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots4AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots5AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots6AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots7AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

//go:noescape
func codeDots8AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

func unpackTileAVX2(tile, codes []byte, cols int) {
	groups := len(codes) / (groupRows * cols / 4)
	for g := range groups {
		unpackGroupAVX2(&tile[g*groupRows*cols], &codes[g*groupRows*cols/4], cols)
	}
	unpackRows(tile[groups*groupRows*cols:], codes[groups*groupRows*cols/4:], cols)
}

// unpackGroupAVX2 unpacks groupRows rows of codes into one group of a tile.
//
//go:noescape
func unpackGroupAVX2(group, codes *byte, cols int)

//go:noescape
func mulTileAVX2(sums []int32, tile []byte, panel []int8, cols int)

//go:noescape
func scaleSumsAVX2(dst []float32, sums []int32, offset int32, s, scale float32)
