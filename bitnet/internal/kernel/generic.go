package kernel

import (
	"math"

	"github.com/x448/float16"
)

// generic is the implementation in plain Go, which defines what the others
// compute.
var generic = Set{
	Name:           "generic",
	SumSquares:     sumSquaresGeneric,
	Normalize:      normalizeGeneric,
	Add:            addGeneric,
	ReLUSquaredMul: reluSquaredMulGeneric,
	FloatToHalf:    floatToHalfGeneric,
	MulHalf:        mulHalfGeneric,
	MulFloat:       mulFloatGeneric,
	Softmax:        softmaxGeneric,
	DotsHalf:       dotsHalfGeneric,
	DotsInt8:       dotsInt8Generic,
	QuantizeHalf:   quantizeHalfGeneric,
}

// fma returns x·y+z, rounded once to float32.
//
// The product of two float32 is exact in a float64, so s below is x·y+z
// rounded to 53 bits. Rounding it again to float32 gives another result than
// rounding once only where s lies halfway between two neighbouring float32: no
// other s can have crossed such a midpoint, because midpoints are float64
// values themselves. These cases, and results so small that float32 has fewer
// bits there, take the slow path.
func fma(x, y, z float32) float32 {
	s := float64(x)*float64(y) + float64(z)
	bits := math.Float64bits(s)
	const smallestNormal = (1023 - 126) << 52
	if bits&(1<<29-1) == 1<<28 || bits&^(1<<63) < smallestNormal {
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

// sumLanes adds up partial results by the fixed tree.
func sumLanes(lane *[Lanes]float32) float32 {
	for width := Lanes / 2; width > 0; width /= 2 {
		for l := range width {
			lane[l] += lane[l+width]
		}
	}
	return lane[0]
}

func sumSquaresGeneric(x []float32) float32 {
	var lane [Lanes]float32
	for i := 0; i+Lanes <= len(x); i += Lanes {
		for l, v := range (*[Lanes]float32)(x[i:]) {
			lane[l] = fma(v, v, lane[l])
		}
	}
	return sumLanes(&lane)
}

func normalizeGeneric(dst, x, weight []float32, factor float32) {
	for i, v := range x {
		dst[i] = float32(v*factor) * weight[i]
	}
}

func addGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] += v
	}
}

func reluSquaredMulGeneric(gate, up []float32) {
	for i, g := range gate {
		if !(g > 0) {
			g = 0
		}
		gate[i] = float32(g*g) * up[i]
	}
}

func floatToHalfGeneric(dst []uint16, src []float32) {
	for i, v := range src {
		dst[i] = float16.Fromfloat32(v).Bits()
	}
}

// halfToFloat widens a float16, which is always exact.
func halfToFloat(h uint16) float32 { return float16.Frombits(h).Float32() }

func mulHalfGeneric(c []float32, cStride int, a []float32, aStride, rows int, b []uint16, groupStride, inner, groups int) {
	var column [Lanes]float32
	for g := range groups {
		for r := range rows {
			clear(c[r*cStride+g*Lanes : r*cStride+(g+1)*Lanes])
		}
		for i := range inner {
			for j, h := range (*[Lanes]uint16)(b[g*groupStride+i*Lanes:]) {
				column[j] = halfToFloat(h)
			}
			for r := range rows {
				mulColumnGroup((*[Lanes]float32)(c[r*cStride+g*Lanes:]), a[r*aStride+i], &column)
			}
		}
	}
}

func mulFloatGeneric(c []float32, cStride int, a []float32, aStride, rows int, b []float32, groupStride, inner, groups int) {
	for g := range groups {
		for r := range rows {
			clear(c[r*cStride+g*Lanes : r*cStride+(g+1)*Lanes])
		}
		for i := range inner {
			column := (*[Lanes]float32)(b[g*groupStride+i*Lanes:])
			for r := range rows {
				mulColumnGroup((*[Lanes]float32)(c[r*cStride+g*Lanes:]), a[r*aStride+i], column)
			}
		}
	}
}

func mulColumnGroup(c *[Lanes]float32, a float32, b *[Lanes]float32) {
	for j, v := range b {
		c[j] = fma(a, v, c[j])
	}
}

func softmaxGeneric(x []float32, scale float32) (largest, sum float32) {
	largest = float32(math.Inf(-1))
	for i, v := range x {
		v *= scale
		x[i] = v
		if v > largest {
			largest = v
		}
	}
	var lane [Lanes]float32
	for i, v := range x {
		p := Exp(v - largest)
		x[i] = p
		lane[i%Lanes] += p
	}
	return largest, sumLanes(&lane)
}

func dotsHalfGeneric(dst []float32, rows []uint16, x []float32) {
	n := len(x)
	for r := range dst {
		row := rows[r*n : (r+1)*n]
		var lane [Lanes]float32
		for i := 0; i+Lanes <= n; i += Lanes {
			v := (*[Lanes]float32)(x[i:])
			for l, h := range (*[Lanes]uint16)(row[i:]) {
				lane[l] = fma(halfToFloat(h), v[l], lane[l])
			}
		}
		dst[r] = sumLanes(&lane)
	}
}

func dotsInt8Generic(dst []int32, rows []int8, x []int16) {
	n := len(x)
	for r := range dst {
		var sum int32
		for i, w := range rows[r*n : (r+1)*n] {
			sum += int32(w) * int32(x[i])
		}
		dst[r] = sum
	}
}

func quantizeHalfGeneric(dst []int8, row []uint16) (step, rest, squares float32) {
	var largest float32
	for _, h := range row {
		largest = max(largest, halfToFloat(h&0x7fff))
	}
	step = largest / 127
	var inverse float32
	if largest > 0 {
		inverse = 127 / largest
	}
	var restLane, squareLane [Lanes]float32
	for i, h := range row {
		v := halfToFloat(h)
		q := float32(min(max(math.RoundToEven(float64(float32(v*inverse))), -127), 127))
		dst[i] = int8(q)
		d := fma(-q, step, v)
		restLane[i%Lanes] = fma(d, d, restLane[i%Lanes])
		squareLane[i%Lanes] = fma(v, v, squareLane[i%Lanes])
	}
	return step, sumLanes(&restLane), sumLanes(&squareLane)
}

// Widen stores float16 values as float32, which is always exact.
func Widen(dst []float32, src []uint16) {
	for i, h := range src {
		dst[i] = halfToFloat(h)
	}
}
