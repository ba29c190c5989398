//go:build !purego

package quant

// The amd64 kernels share the layout of tiles and panels.
//
// A tile is groups of 16 rows. A group holds, for every four columns, the 16
// rows' four codes each, a byte a code: [cols/4][16 rows][4 codes]. So a vector
// register takes the same four columns of 16 or 8 rows, and a product of four
// columns lands in the row's own 32-bit lane: sums are never added across.
//
// A panel holds, for every four columns, each token's four activations:
// [cols/4][6 tokens][4 activations], to be broadcast to all lanes.
const (
	groupRows        = 16
	tileRowsAMD64    = 64
	panelTokensAMD64 = 6
)

// unpackRows unpacks fewer rows than a group has.
func unpackRows(group, codes []byte, cols int) {
	for row := range len(codes) / (cols / 4) {
		for b := range cols / BlockSize {
			block := codes[row*cols/4+b*BlockBytes:][:BlockBytes]
			for j, code := range block {
				// Column j/4·4 of the block, and 32, 64 and 96 after it.
				const field = 32 / 4 * groupRows * 4
				out := group[((b*BlockSize+j)/4*groupRows+row)*4+j%4:]
				out[0] = code >> 6
				out[field] = code >> 4 & 3
				out[2*field] = code >> 2 & 3
				out[3*field] = code & 3
			}
		}
	}
}

func packPanelAMD64(panel, q []int8, cols int) {
	if len(q) == panelTokensAMD64*cols {
		packSixTokens(&panel[0], &q[0], cols)
		return
	}
	clear(panel)
	for token := range len(q) / cols {
		for i := 0; i < cols; i += 4 {
			*(*[4]int8)(panel[i*panelTokensAMD64+token*4:]) = [4]int8(q[token*cols+i:])
		}
	}
}

// packSixTokens packs a full panel.
//
//go:noescape
func packSixTokens(panel, q *int8, cols int)
