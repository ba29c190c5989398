//go:build !purego

package matrix

var avx2 = kernels{
	name:      "avx2",
	rows:      6,
	columns:   16,
	narrowest: 16,
	tile:      tileAVX2,
	spread:    spreadAVX2,
	dot:       dotAVX2,
	addScaled: addScaledAVX2,
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

func dotAVX2(sum *[lanes]float32, a, b []float32) {
	b = b[:len(a)]
	dotLanes(sum, &a[0], &b[0], len(a)/lanes)
}

func addScaledAVX2(y []float32, s float32, x []float32) {
	x = x[:len(y)]
	addScaledLanes(&y[0], s, &x[0], len(y)/lanes)
}

//go:noescape
func tile6x16(c *float32, cStride int, a *float32, aAlong, aInner int, b *float32, inner int, resume bool)

// dotLanes adds the products of groups·lanes numbers to the partial sums.
//
//go:noescape
func dotLanes(sum *[lanes]float32, a, b *float32, groups int)

//go:noescape
func addScaledLanes(y *float32, s float32, x *float32, groups int)

// spreadEights is spread for panels of eights·8 columns.
//
//go:noescape
func spreadEights(dst, src *float32, srcStride, rows, panels, eights int)
