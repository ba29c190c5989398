package kernel

import (
	"math"

	"github.com/x448/float16"

	"github.com/gobitnet/gobitnet/internal/portable"
)

// generic is the implementation in plain Go, which defines what the others
// compute.
var generic = Set{
	Name:           "generic",
	SumSquares:     sumSquaresGeneric,
	Normalize:      normalizeGeneric,
	Add:            addGeneric,
	ReLUSquaredMul: reluSquaredMulGeneric,
	SiLUMul:        siluMulGeneric,
	FloatToHalf:    floatToHalfGeneric,
	MulHalf:        mulHalfGeneric,
	MulFloat:       mulFloatGeneric,
	Softmax:        softmaxGeneric,
	DotsHalf:       dotsHalfGeneric,
	DotsFloat:      dotsFloatGeneric,
	DotsInt8:       dotsInt8Generic,
	QuantizeHalf:   quantizeHalfGeneric,
	QuantizeFloat:  quantizeFloatGeneric,
	WidenBrain:     WidenBrain,
	Unpack:         unpackGeneric,
	DotsBlocks:     dotsBlocksGeneric,
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
			lane[l] = portable.FMA(v, v, lane[l])
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

func siluMulGeneric(gate, up []float32) {
	for i, g := range gate {
		e := Exp(math.Float32frombits(math.Float32bits(g) | 1<<31))
		m := e
		if g > 0 {
			m = 1
		}
		gate[i] = float32(float32(g*m)/float32(1+e)) * up[i]
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
		c[j] = portable.FMA(a, v, c[j])
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

func dotsHalfGeneric(dst []float32, rows []uint16, x []float32, cols int) {
	n := len(rows) / cols
	for v := range len(x) / cols {
		vector := x[v*cols : (v+1)*cols]
		for r := range n {
			row := rows[r*cols : (r+1)*cols]
			var lane [Lanes]float32
			for i := 0; i+Lanes <= cols; i += Lanes {
				xs := (*[Lanes]float32)(vector[i:])
				for l, h := range (*[Lanes]uint16)(row[i:]) {
					lane[l] = portable.FMA(halfToFloat(h), xs[l], lane[l])
				}
			}
			dst[v*n+r] = sumLanes(&lane)
		}
	}
}

func dotsFloatGeneric(dst []float32, rows []float32, x []float32) {
	for r := range dst {
		var lane [Lanes]float32
		for i, w := range rows[r*len(x) : (r+1)*len(x)] {
			lane[i%Lanes] = portable.FMA(w, x[i], lane[i%Lanes])
		}
		dst[r] = sumLanes(&lane)
	}
}

func dotsInt8Generic(dst []int32, rows []int8, x []int16, cols int) {
	n := len(rows) / cols
	for v := range len(x) / cols {
		vector := x[v*cols : (v+1)*cols]
		for r := range n {
			var sum int32
			for i, w := range rows[r*cols : (r+1)*cols] {
				sum += int32(w) * int32(vector[i])
			}
			dst[v*n+r] = sum
		}
	}
}

func quantizeHalfGeneric(dst []int8, row []uint16) (step, rest, squares float32) {
	return quantize(dst, row, halfToFloat)
}

func quantizeFloatGeneric(dst []int8, row []float32) (step, rest, squares float32) {
	return quantize(dst, row, func(v float32) float32 { return v })
}

func quantize[T uint16 | float32](dst []int8, row []T, widen func(T) float32) (step, rest, squares float32) {
	var largest float32
	for _, v := range row {
		largest = max(largest, float32(math.Abs(float64(widen(v)))))
	}
	step = largest / 127
	var inverse float32
	if largest > 0 {
		inverse = 127 / largest
	}
	if inverse > math.MaxFloat32 {
		inverse = 0
	}
	var restLane, squareLane [Lanes]float32
	for i := range row {
		v := widen(row[i])
		q := float32(min(max(math.RoundToEven(float64(float32(v*inverse))), -127), 127))
		dst[i] = int8(q)
		d := portable.FMA(-q, step, v)
		restLane[i%Lanes] = portable.FMA(d, d, restLane[i%Lanes])
		squareLane[i%Lanes] = portable.FMA(v, v, squareLane[i%Lanes])
	}
	return step, sumLanes(&restLane), sumLanes(&squareLane)
}

// Widen stores float16 values as float32, which is always exact.
func Widen(dst []float32, src []uint16) {
	for i, h := range src {
		dst[i] = halfToFloat(h)
	}
}

// WidenBrain stores bfloat16 values, the upper halves of float32 values, as
// float32.
func WidenBrain(dst []float32, src []uint16) {
	for i, h := range src {
		dst[i] = math.Float32frombits(uint32(h) << 16)
	}
}
