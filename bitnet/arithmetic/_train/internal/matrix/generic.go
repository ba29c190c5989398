package matrix

import "github.com/gobitnet/gobitnet/internal/portable"

// generic is the implementation in plain Go, which defines what the others
// compute.
var generic = kernels{
	name:      "generic",
	rows:      genericRows,
	columns:   genericColumns,
	narrowest: genericColumns,
	tile:      tileGeneric,
	spread:    spreadGeneric,
}

const (
	genericRows    = 4
	genericColumns = 8
)

func tileGeneric(c []float32, cStride int, a []float32, aAlong, aInner int, b []float32, inner, columns int, resume bool) {
	if columns != genericColumns {
		panic("matrix: not the width of a tile")
	}
	checkTile(genericRows, genericColumns, c, cStride, a, aAlong, aInner, b, inner)
	for i := range genericRows {
		row := (*[genericColumns]float32)(c[i*cStride:])
		var sum [genericColumns]float32
		if resume {
			sum = *row
		}
		for k := range inner {
			v := a[i*aAlong+k*aInner]
			for j, w := range (*[genericColumns]float32)(b[k*genericColumns:]) {
				sum[j] = portable.FMA(v, w, sum[j])
			}
		}
		*row = sum
	}
}

func spreadGeneric(dst, src []float32, srcStride, rows, panels, size int) {
	checkSpread(dst, src, srcStride, rows, panels, size)
	for k := range rows {
		row := src[k*srcStride:]
		for j := range panels {
			copy(dst[(j*rows+k)*size:][:size], row[j*size:])
		}
	}
}
