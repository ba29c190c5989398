//go:build !purego

package quant

// Tiles and panels consist of groups of four rows or tokens. Within a group
// the members take turns: a few columns of the first, the same of the second,
// third and fourth, then the next few columns. After how many columns is up to
// the kernels.
const groupSize = 4

// tileRowsARM64 weighs two things: all panels are read again for each tile, so
// it should not be small; and a tile of 2,560 columns should stay in a
// second-level cache of which there may be no more than 512 KB.
const tileRowsARM64 = 32

func packPanelARM64(panel, q []int8, cols, turn int, packGroup func(group, q *int8, cols int)) {
	tokens, slots := len(q)/cols, len(panel)/cols
	for t := 0; t < slots; t += groupSize {
		group := panel[t*cols : (t+groupSize)*cols]
		if t+groupSize <= tokens {
			packGroup(&group[0], &q[t*cols], cols)
			continue
		}
		clear(group)
		for member := range max(tokens-t, 0) {
			token := q[(t+member)*cols : (t+member+1)*cols]
			for i := 0; i < cols; i += turn {
				copy(group[i*groupSize+member*turn:], token[i:i+turn])
			}
		}
	}
}

func unpackTileARM64(tile, codes []byte, cols int, unpackGroup func(group, row0, row1, row2, row3 *byte, cols int)) {
	rowBytes := cols / 4
	rows := len(codes) / rowBytes
	for r := 0; r < rows; r += groupSize {
		// In the place of a row that is missing, the last one comes again.
		row := func(i int) *byte { return &codes[min(r+i, rows-1)*rowBytes] }
		unpackGroup(&tile[r*cols], row(0), row(1), row(2), row(3), cols)
	}
}
