//go:build !purego

package kernel

import "unsafe"

// Several vectors are multiplied by tiles: a few rows and up to tileVectors
// vectors at a time, as many as there are registers for their sums. Each number
// that is read, and each float16 that is widened, then serves several products.
const (
	tileVectors = 4

	// A block of halfRows rows and halfColumns columns, the vectors' columns and
	// the sums beside it fit the nearest cache.
	halfRows    = 12
	halfColumns = 640

	// A block of int8Rows whole rows fits the second one, and tileVectors
	// vectors the nearest.
	int8Rows = 16
)

// tileGroup returns the vectors of one of several groups, alike in size and of
// tileVectors at most.
func tileGroup(g, groups, vectors int) (first, end int) {
	return g * vectors / groups, (g + 1) * vectors / groups
}

// dotsHalfTiled is DotsHalf for several vectors. While a block of rows is
// computed, the next one is on its way from memory: rows lie behind each other,
// and each step of a tile asks for so many bytes from ahead on that all of them
// have been asked for in the end.
func dotsHalfTiled(dst []float32, rows []uint16, x []float32, cols int, useAVX512 bool) {
	n, vectors := len(rows)/cols, len(x)/cols
	dst = dst[:n*vectors]
	groups := (vectors + tileVectors - 1) / tileVectors
	perStep := 48 / groups // 3 rows of 16 columns, in two passes
	if useAVX512 {
		perStep = 128 / groups // 4 rows of 16 columns
	}

	// The lanes of row r and vector v of a block begin at (v·halfRows+r)·Lanes.
	// Sums in one cache line each are loaded and stored fastest.
	var buffer [MaxVectors*halfRows*Lanes + 16]float32
	sums := buffer[-uintptr(unsafe.Pointer(&buffer))%64/4:][:vectors*halfRows*Lanes]

	for r := 0; r < n; r += halfRows {
		count := min(halfRows, n-r)
		ahead := uintptr(unsafe.Pointer(&rows[r*cols])) + uintptr(2*halfRows*cols)
		clear(sums)
		for c := 0; c < cols; c += halfColumns {
			width := min(halfColumns, cols-c)
			for g := range groups {
				v, end := tileGroup(g, groups, vectors)
				if useAVX512 {
					ahead = tileHalfAVX512(&sums[v*halfRows*Lanes], &rows[r*cols+c], &x[v*cols+c], cols, width, count, end-v, ahead, perStep)
				} else {
					ahead = tileHalfAVX2(&sums[v*halfRows*Lanes], &rows[r*cols+c], &x[v*cols+c], cols, width, count, end-v, ahead, perStep)
				}
			}
		}
		for v := range vectors {
			sumLanesAVX2(dst[v*n+r:v*n+r+count], &sums[v*halfRows*Lanes])
		}
	}
}

// dotsInt8Tiled is DotsInt8 in the same way.
func dotsInt8Tiled(dst []int32, rows []int8, x []int16, cols int, useAVX512 bool) {
	n, vectors := len(rows)/cols, len(x)/cols
	dst = dst[:n*vectors]
	groups := (vectors + tileVectors - 1) / tileVectors
	perStep := 32 / groups // 2 rows of 16 columns
	if useAVX512 {
		perStep = 128 / groups // 4 rows of 32 columns
	}
	for r := 0; r < n; r += int8Rows {
		count := min(int8Rows, n-r)
		ahead := uintptr(unsafe.Pointer(&rows[r*cols])) + uintptr(int8Rows*cols)
		for g := range groups {
			v, end := tileGroup(g, groups, vectors)
			if useAVX512 {
				ahead = tileInt8AVX512(&dst[v*n+r], n, &rows[r*cols], &x[v*cols], cols, count, end-v, ahead, perStep)
			} else {
				ahead = tileInt8AVX2(&dst[v*n+r], n, &rows[r*cols], &x[v*cols], cols, count, end-v, ahead, perStep)
			}
		}
	}
}

// tileHalfAVX2 adds to the sums of count rows, at most halfRows, and of 2 to
// tileVectors vectors the products of the next width columns. Rows and vectors
// are cols apart. It may write the sums of up to 2 rows behind the last. ahead
// is where to fetch from, perStep by how much it advances in a step; it returns
// where it is in the end.
//
//go:noescape
func tileHalfAVX2(sums *float32, rows *uint16, x *float32, cols, width, count, vectors int, ahead uintptr, perStep int) uintptr

// tileHalfAVX512 is tileHalfAVX2, and may write the sums of up to 3 rows behind
// the last.
//
//go:noescape
func tileHalfAVX512(sums *float32, rows *uint16, x *float32, cols, width, count, vectors int, ahead uintptr, perStep int) uintptr

// tileInt8AVX2 stores the products of count rows and 1 to tileVectors vectors
// of cols columns; those of one vector are n from those of the next.
//
//go:noescape
func tileInt8AVX2(dst *int32, n int, rows *int8, x *int16, cols, count, vectors int, ahead uintptr, perStep int) uintptr

// tileInt8AVX512 is tileInt8AVX2 for 2 vectors or more.
//
//go:noescape
func tileInt8AVX512(dst *int32, n int, rows *int8, x *int16, cols, count, vectors int, ahead uintptr, perStep int) uintptr

// sumLanesAVX2 adds up the lanes of len(dst) sums by the fixed tree.
//
//go:noescape
func sumLanesAVX2(dst []float32, sums *float32)
