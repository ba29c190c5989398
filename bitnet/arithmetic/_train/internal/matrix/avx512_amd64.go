//go:build !purego

package matrix

// avx512 has the largest tiles that leave registers for the operands.
var avx512 = kernels{
	name:      "avx512",
	rows:      8,
	columns:   48,
	narrowest: 16,
	tile:      tileAVX512,
	spread:    spreadAVX2,
}

func tileAVX512(c []float32, cStride int, a []float32, aAlong, aInner int, b []float32, inner, columns int, resume bool) {
	checkTile(8, columns, c, cStride, a, aAlong, aInner, b, inner)
	switch columns {
	case 48:
		tile8x48(&c[0], cStride, &a[0], aAlong, aInner, &b[0], inner, resume)
	case 32:
		tile8x32(&c[0], cStride, &a[0], aAlong, aInner, &b[0], inner, resume)
	case 16:
		tile8x16(&c[0], cStride, &a[0], aAlong, aInner, &b[0], inner, resume)
	default:
		panic("matrix: not the width of a tile")
	}
}

//go:noescape
func tile8x48(c *float32, cStride int, a *float32, aAlong, aInner int, b *float32, inner int, resume bool)

//go:noescape
func tile8x32(c *float32, cStride int, a *float32, aAlong, aInner int, b *float32, inner int, resume bool)

//go:noescape
func tile8x16(c *float32, cStride int, a *float32, aAlong, aInner int, b *float32, inner int, resume bool)
