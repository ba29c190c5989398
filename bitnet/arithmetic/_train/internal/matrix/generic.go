package matrix

import "math"

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

// FMA returns x·y+z, rounded once to float32.
//
// The product of two float32 is exact in a float64, so s below is x·y+z rounded
// to 53 bits. Rounding it again to float32 differs from rounding once only where
// s lies halfway between two neighbouring float32, which are float64 values
// themselves, so that no other s can have crossed one. These cases, and results
// so small that float32 has fewer bits there, take the slow path.
func FMA(x, y, z float32) float32 {
	s := float64(x)*float64(y) + float64(z)
	b := math.Float64bits(s)
	const smallestNormal = (1023 - 126) << 52
	if b&(1<<29-1) == 1<<28 || b&^(1<<63) < smallestNormal {
		return fmaHalfway(x, y, z)
	}
	return float32(s)
}

// fmaHalfway rounds to odd on the way: where the float64 sum is not exact, its
// last bit is set, so that the second rounding sees which way the rest lies.
// (Boldo and Melquiond, "Emulation of a FMA and correctly-rounded sums: proved
// algorithms using rounding to odd", IEEE Transactions on Computers 57(4).)
func fmaHalfway(x, y, z float32) float32 {
	p, c := float64(x)*float64(y), float64(z)
	s := p + c
	if s == 0 || math.IsInf(s, 0) || s != s {
		return float32(s)
	}
	// Knuth's two-sum: s + rest is p + c exactly.
	b := s - p
	rest := (p - (s - b)) + (c - b)
	if bits := math.Float64bits(s); rest != 0 && bits&1 == 0 {
		if (rest > 0) == (s > 0) {
			bits++
		} else {
			bits--
		}
		s = math.Float64frombits(bits)
	}
	return float32(s)
}

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
				sum[j] = FMA(v, w, sum[j])
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
