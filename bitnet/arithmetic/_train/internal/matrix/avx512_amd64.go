//go:build !purego

package matrix

// avx512 has tiles twice as high and wide. Dot is one chain for each partial
// sum, so that wider registers would wait just as long, and AddScaled waits for
// the memory.
var avx512 = kernels{
	name:      "avx512",
	rows:      12,
	columns:   32,
	tile:      tileAVX512,
	dot:       dotAVX2,
	addScaled: addScaledAVX2,
}

func tileAVX512(c []float32, cStride int, a []float32, aAlong, aInner int, b []float32, inner int, resume bool) {
	checkTile(12, 32, c, cStride, a, aAlong, aInner, b, inner)
	tile12x32(&c[0], cStride, &a[0], aAlong, aInner, &b[0], inner, resume)
}

//go:noescape
func tile12x32(c *float32, cStride int, a *float32, aAlong, aInner int, b *float32, inner int, resume bool)
