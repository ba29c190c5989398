//go:build !purego

package matrix

var avx2 = kernels{
	name:      "avx2",
	rows:      6,
	columns:   16,
	narrowest: 16,
	tile:      tileAVX2,
	spread:    spreadAVX2,
}

func tileAVX2(c []float32, cStride int, a []float32, aAlong, aInner int, b []float32, inner, columns int, resume bool) {
	if columns != 16 {
		panic("matrix: not the width of a tile")
	}
	checkTile(6, 16, c, cStride, a, aAlong, aInner, b, inner)
	tile6x16(&c[0], cStride, &a[0], aAlong, aInner, &b[0], inner, resume)
}

func spreadAVX2(dst, src []float32, srcStride, rows, panels, size int) {
	if size%8 != 0 {
		spreadGeneric(dst, src, srcStride, rows, panels, size)
		return
	}
	checkSpread(dst, src, srcStride, rows, panels, size)
	spreadEights(&dst[0], &src[0], srcStride, rows, panels, size/8)
}

//go:noescape
func tile6x16(c *float32, cStride int, a *float32, aAlong, aInner int, b *float32, inner int, resume bool)

// spreadEights is spread for panels of eights·8 columns.
//
//go:noescape
func spreadEights(dst, src *float32, srcStride, rows, panels, eights int)
