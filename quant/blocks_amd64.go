//go:build !purego

package quant

// placesAMD64 is how many rows the amd64 kernels for blocks with scales take at
// once.
const placesAMD64 = 8

// A blockRows multiplies rows from eight places, each of so many rows, with one
// token: row r of place p is at rows[p·stride + r·(bytes of a row)], and its product
// goes to dst[p·each+r].
type blockRows func(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)

// blockDotsAMD64 does what the dots of a format do, by its blockRows.
func blockDotsAMD64(multiply blockRows, dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
	rowBytes := len(rows) / len(dst)
	if each := len(dst) / placesAMD64; each > 0 {
		multiply(&dst[0], each, &rows[0], each*rowBytes, &q[0], &scale[0], &sum[0], len(q))
		if len(dst)%placesAMD64 != 0 {
			// The last eight, some of them again.
			first := len(dst) - placesAMD64
			multiply(&dst[first], 1, &rows[first*rowBytes], rowBytes, &q[0], &scale[0], &sum[0], len(q))
		}
		return
	}
	for r := range dst {
		var same [placesAMD64]float32 // the same row in all places
		multiply(&same[0], 1, &rows[r*rowBytes], 0, &q[0], &scale[0], &sum[0], len(q))
		dst[r] = same[0]
	}
}

// unpackRowsBlocks unpacks eight rows, stride bytes apart, into half of a group.
type unpackRowsBlocks func(tile *byte, scales *float32, rows *byte, stride, cols int)

// unpackBlockTileAMD64 is the unpackTile of a format, by its unpackRowsBlocks. Tiles
// and panels are those of I2_S.
func unpackBlockTileAMD64(f Format, unpack unpackRowsBlocks, tile []byte, scales []float32, rows []byte, cols int) {
	const eight = placesAMD64
	rowBytes := f.rowBytes(cols)
	n := len(rows) / rowBytes
	for r := 0; r < n; r += eight {
		at := r/groupRows*groupRows*cols + r%groupRows*4
		if n-r < eight {
			unpackBlockRows(f, tile[at:], scales[r:], rows[r*rowBytes:], cols)
			return
		}
		unpack(&tile[at], &scales[r], &rows[r*rowBytes], rowBytes, cols)
	}
}

// unpackBlockRows does so for fewer rows.
func unpackBlockRows(f Format, half []byte, scales []float32, rows []byte, cols int) {
	l := &layouts[f]
	var codes [256]byte
	for r := range len(rows) / f.rowBytes(cols) {
		for at := 0; at < cols; at += l.weights {
			block := rows[(r*cols+at)/l.weights*l.bytes:][:l.bytes]
			unpackBlock(codes[:l.weights], block, f)
			for i := 0; i < l.weights; i += 4 {
				copy(half[(at+i)*groupRows+r*4:], codes[i:i+4])
			}
			for i := 0; i < l.weights; i += activationBlock {
				scales[(at+i)/activationBlock*tileRowsAMD64+r] = blockScale(block, f)
			}
		}
	}
}
