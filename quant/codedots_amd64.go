//go:build !purego

package quant

// severalDots has, at the index of a number of tokens, the function that
// multiplies so many at once. It does what a codeDots does, for a multiple of
// four rows; stride leads from one token's sums to the next's.
type severalDots [9]func(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)

// codeDotsAMD64 is the codeDots of a set that has these functions for several
// tokens, and one for one token and any number of rows.
func codeDotsAMD64(several *severalDots, one func(sums []int32, codes []byte, q []int8), sums []int32, codes []byte, q []int8, cols int) {
	rowBytes := cols / 4
	rows, tokens := len(codes)/rowBytes, len(q)/cols
	if tokens == 1 || rows < 4 {
		for t := range tokens {
			one(sums[t*rows:(t+1)*rows], codes, q[t*cols:(t+1)*cols])
		}
		return
	}
	_ = sums[tokens*rows-1]
	multiply := several[tokens]
	multiply(&sums[0], rows, &codes[0], rows&^3, &q[0], cols)
	if rows&3 != 0 {
		// The last four, some of them again.
		multiply(&sums[rows-4], rows, &codes[(rows-4)*rowBytes], 4, &q[0], cols)
	}
}
