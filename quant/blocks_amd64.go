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
