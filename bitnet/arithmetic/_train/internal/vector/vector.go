// Package vector has the loops over rows of numbers that training spends its
// time in beside the matrix products. Every function gives the same bits in plain
// Go and in assembly. Lengths of rows are multiples of 16, which is checked.
//
// A strided list of rows is a slice whose rows begin stride numbers apart.
package vector

import "github.com/gobitnet/gobitnet/internal/portable"

// lanes is the number of partial sums of a dot product, and the unit of all
// lengths.
const lanes = 16

// Dot returns the dot product of a and b: number i goes to partial sum i%16 by
// a fused multiply-add, in ascending order, and the partial sums are added up
// pairwise, l with l+8, l+4, l+2, l+1.
func Dot(a, b []float32) float32 {
	check(len(a), len(b))
	var dst [1]float32
	if assembly {
		dotsLanes(&dst[0], 1, &a[0], len(a), &b[0], 0)
	} else {
		dotsPlain(dst[:], a, b, 0)
	}
	return dst[0]
}

// Dots sets dst[j] to the dot product of x and row j.
func Dots(dst, x, rows []float32, stride int) {
	if len(dst) == 0 {
		return
	}
	checkRows(len(dst), len(x), rows, stride)
	if assembly {
		dotsLanes(&dst[0], len(dst), &x[0], len(x), &rows[0], stride)
	} else {
		dotsPlain(dst, x, rows, stride)
	}
}

func dotsPlain(dst, x, rows []float32, stride int) {
	for j := range dst {
		var sum [lanes]float32
		for i, v := range rows[j*stride:][:len(x)] {
			sum[i%lanes] = portable.FMA(x[i], v, sum[i%lanes])
		}
		for width := lanes / 2; width > 0; width /= 2 {
			for l := range width {
				sum[l] += sum[l+width]
			}
		}
		dst[j] = sum[0]
	}
}

// AddCombined adds weights[j] times row j to y, for each j in ascending order,
// by fused multiply-adds.
func AddCombined(y, weights, rows []float32, stride int) {
	if len(weights) == 0 {
		return
	}
	checkRows(len(weights), len(y), rows, stride)
	if assembly {
		addCombinedLanes(&y[0], len(y), &weights[0], len(weights), &rows[0], stride)
	} else {
		addCombinedPlain(y, weights, rows, stride)
	}
}

func addCombinedPlain(y, weights, rows []float32, stride int) {
	for j, w := range weights {
		for i, v := range rows[j*stride:][:len(y)] {
			y[i] = portable.FMA(w, v, y[i])
		}
	}
}

// AddOuter adds weights[j]·x to row j, by fused multiply-adds.
func AddOuter(rows []float32, stride int, weights, x []float32) {
	if len(weights) == 0 {
		return
	}
	checkRows(len(weights), len(x), rows, stride)
	if assembly {
		addOuterLanes(&rows[0], stride, &weights[0], len(weights), &x[0], len(x))
	} else {
		addOuterPlain(rows, stride, weights, x)
	}
}

func addOuterPlain(rows []float32, stride int, weights, x []float32) {
	for j, w := range weights {
		row := rows[j*stride:][:len(x)]
		for i, v := range x {
			row[i] = portable.FMA(w, v, row[i])
		}
	}
}

// AbsoluteMaximum returns the largest magnitude in x, no NaN among it.
func AbsoluteMaximum(x []float32) float32 {
	check(len(x), len(x))
	if assembly {
		return absoluteMaximumLanes(&x[0], len(x))
	}
	return absoluteMaximumPlain(x)
}

func absoluteMaximumPlain(x []float32) float32 {
	largest := float32(0)
	for _, v := range x {
		largest = max(largest, v, -v)
	}
	return largest
}

// RoundTo replaces each number by the nearest multiple of unit: its product with
// 1/unit, which the caller gives, to the nearest integer, ties to even, times
// unit. The integers are below 2²².
func RoundTo(x []float32, inverse, unit float32) {
	check(len(x), len(x))
	if assembly {
		roundToLanes(&x[0], len(x), inverse, unit)
	} else {
		roundToPlain(x, inverse, unit)
	}
}

func roundToPlain(x []float32, inverse, unit float32) {
	const magic = 3 << 22
	for i, v := range x {
		x[i] = (float32(float32(v*inverse)+magic) - magic) * unit
	}
}

// Weigh sets dst to x·factor·w.
func Weigh(dst, x, w []float32, factor float32) {
	check(len(x), len(dst))
	check(len(x), len(w))
	if assembly {
		weighLanes(&dst[0], &x[0], &w[0], len(x), factor)
	} else {
		weighPlain(dst, x, w, factor)
	}
}

func weighPlain(dst, x, w []float32, factor float32) {
	for i, v := range x {
		dst[i] = float32(v*factor) * w[i]
	}
}

// AddWeighed adds x·factor·w to dst.
func AddWeighed(dst, x, w []float32, factor float32) {
	check(len(x), len(dst))
	check(len(x), len(w))
	if assembly {
		addWeighedLanes(&dst[0], &x[0], &w[0], len(x), factor)
	} else {
		addWeighedPlain(dst, x, w, factor)
	}
}

func addWeighedPlain(dst, x, w []float32, factor float32) {
	for i, v := range x {
		dst[i] += float32(float32(v*factor) * w[i])
	}
}

// AddDifference adds x·a − y·b to dst.
func AddDifference(dst, x, y []float32, a, b float32) {
	check(len(x), len(dst))
	check(len(x), len(y))
	if assembly {
		addDifferenceLanes(&dst[0], &x[0], &y[0], len(x), a, b)
	} else {
		addDifferencePlain(dst, x, y, a, b)
	}
}

func addDifferencePlain(dst, x, y []float32, a, b float32) {
	for i, v := range x {
		dst[i] += float32(v*a) - float32(y[i]*b)
	}
}

// Gated sets dst to relu(gate)²·up.
func Gated(dst, gate, up []float32) {
	check(len(dst), len(gate))
	check(len(dst), len(up))
	if assembly {
		gatedLanes(&dst[0], &gate[0], &up[0], len(dst))
	} else {
		gatedPlain(dst, gate, up)
	}
}

func gatedPlain(dst, gate, up []float32) {
	for i, v := range gate {
		g := max(v, 0)
		dst[i] = float32(g*g) * up[i]
	}
}

// GatedBackward replaces gate and up by their gradients, given dy, that of
// relu(gate)²·up.
func GatedBackward(gate, up, dy []float32) {
	check(len(dy), len(gate))
	check(len(dy), len(up))
	if assembly {
		gatedBackwardLanes(&gate[0], &up[0], &dy[0], len(dy))
	} else {
		gatedBackwardPlain(gate, up, dy)
	}
}

func gatedBackwardPlain(gate, up, dy []float32) {
	for i, v := range dy {
		g := max(gate[i], 0)
		gate[i] = float32(float32(g+g)*up[i]) * v
		up[i] = float32(g*g) * v
	}
}

func check(n, m int) {
	if n != m || n == 0 || n%lanes != 0 {
		panic("vector: lengths differ or are no multiple of 16")
	}
}

func checkRows(n, length int, rows []float32, stride int) {
	check(length, length)
	if stride < 0 || (n-1)*stride+length > len(rows) {
		panic("vector: rows lie outside their slice")
	}
}
