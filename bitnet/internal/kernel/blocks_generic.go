package kernel

import (
	"encoding/binary"

	"github.com/gobitnet/gobitnet/internal/portable"
)

var unpackGeneric = [BlockFormats]func(q []int8, scales, mins []float32, blocks []byte){
	Q8_0: unpackQ8_0Generic,
	Q5_0: unpackQ5_0Generic,
	Q4_0: unpackQ4_0Generic,
	Q6_K: unpackQ6_KGeneric,
	Q4_K: unpackQ4_KGeneric,
	Q3_K: unpackQ3_KGeneric,
}

// littleHalf reads a float16 value.
func littleHalf(b []byte) float32 { return halfToFloat(binary.LittleEndian.Uint16(b)) }

// setScales stores the scale of the 32 numbers from number at on.
func setScales(scales []float32, at int, scale float32) {
	scales[ScaleOf(at)], scales[ScaleOf(at+StretchSize)] = scale, scale
}

// unpackQ8_0Generic: a block is a scale and 32 bytes.
func unpackQ8_0Generic(q []int8, scales, _ []float32, blocks []byte) {
	for at := 0; at < len(q); at, blocks = at+32, blocks[34:] {
		setScales(scales, at, littleHalf(blocks))
		for i, b := range blocks[2:34] {
			q[at+i] = int8(b)
		}
	}
}

// unpackQ4_0Generic: a block is a scale and 16 bytes, number j in the low half of
// byte j, number 16+j in the high one, each 8 too large.
func unpackQ4_0Generic(q []int8, scales, _ []float32, blocks []byte) {
	for at := 0; at < len(q); at, blocks = at+32, blocks[18:] {
		setScales(scales, at, littleHalf(blocks))
		for i, b := range blocks[2:18] {
			q[at+i], q[at+16+i] = int8(b&15)-8, int8(b>>4)-8
		}
	}
}

// unpackQ5_0Generic: as Q4_0, with the fifth bit of number j in bit j of four bytes
// between the scale and the others, each number 16 too large.
func unpackQ5_0Generic(q []int8, scales, _ []float32, blocks []byte) {
	for at := 0; at < len(q); at, blocks = at+32, blocks[22:] {
		setScales(scales, at, littleHalf(blocks))
		fifth := binary.LittleEndian.Uint32(blocks[2:])
		for i, b := range blocks[6:22] {
			q[at+i] = int8(b&15|byte(fifth>>i&1<<4)) - 16
			q[at+16+i] = int8(b>>4|byte(fifth>>(16+i)&1<<4)) - 16
		}
	}
}

// unpackQ6_KGeneric: a block is the low four bits of its numbers in 128 bytes, their
// high two bits in 64, 16 scales as signed bytes and their common factor. Of 128
// numbers, the lower halves of 64 bytes have the first 64, the upper halves the
// others; and of 32 bytes each two bits, from the lowest, have 32. Each number
// is 32 too large.
func unpackQ6_KGeneric(q []int8, scales, _ []float32, blocks []byte) {
	for ; len(q) > 0; q, scales, blocks = q[256:], scales[16:], blocks[210:] {
		d := littleHalf(blocks[208:])
		for i, s := range blocks[192:208] {
			scales[ScaleOf(16*i)] = d * float32(int8(s))
		}
		for half := range 2 {
			low, high := blocks[64*half:][:64], blocks[128+32*half:][:32]
			out := q[128*half:][:128]
			for i := range 64 {
				out[i] = int8(low[i]&15|high[i%32]>>(i/32*2)&3<<4) - 32
				out[64+i] = int8(low[i]>>4|high[i%32]>>(4+i/32*2)&3<<4) - 32
			}
		}
	}
}

// unpackQ4_KGeneric: a block is a factor for the scales, one for the minimums, eight
// of each in 12 bytes, and its numbers in 128: of each 32 bytes the lower halves
// have 32 numbers, the upper halves the next 32.
func unpackQ4_KGeneric(q []int8, scales, mins []float32, blocks []byte) {
	for ; len(q) > 0; q, scales, mins, blocks = q[256:], scales[16:], mins[8:], blocks[144:] {
		d, dmin := littleHalf(blocks), littleHalf(blocks[2:])
		packed := blocks[4:16]
		for i := range 4 {
			// Six bits each: those of the last four are in two places.
			scale, least := packed[i]&63, packed[4+i]&63
			mins[i] = dmin * float32(least)
			setScales(scales, 32*i, d*float32(scale))
			scale, least = packed[8+i]&15|packed[i]>>6<<4, packed[8+i]>>4|packed[4+i]>>6<<4
			mins[4+i] = dmin * float32(least)
			setScales(scales, 128+32*i, d*float32(scale))
		}
		for i, b := range blocks[16:144] {
			at := i/32*64 + i%32
			q[at], q[at+32] = int8(b&15), int8(b>>4)
		}
	}
}

// unpackQ3_KGeneric: a block is the third bits of its numbers in 32 bytes, their low
// two bits in 64, 16 scales of six bits in 12, each 32 too large, and their common
// factor. Bit k of the first 32 bytes belongs to the numbers from 32k on, and of
// 32 of the others each two bits, from the lowest, have 32 numbers. Each is 4
// too large.
func unpackQ3_KGeneric(q []int8, scales, _ []float32, blocks []byte) {
	for ; len(q) > 0; q, scales, blocks = q[256:], scales[16:], blocks[110:] {
		d := littleHalf(blocks[108:])
		packed := blocks[96:108]
		for i := range 16 {
			low, high := packed[i%8]>>(i/8*4)&15, packed[8+i%4]>>(i/4*2)&3
			scales[ScaleOf(16*i)] = d * float32(int8(low|high<<4)-32)
		}
		for i := range 256 {
			low, high := blocks[32+i/128*32+i%32]>>(i%128/32*2)&3, blocks[i%32]>>(i/32)&1
			q[i] = int8(low|high<<2) - 4
		}
	}
}

func dotsBlocksGeneric(dst []float32, q []int8, scales, mins []float32, x []int16, units, sums []float32, _ []byte) {
	cols := len(x)
	for r := range dst {
		var lane [Lanes]float32
		for b, unit := range units {
			at := r*cols + b*UnitSize
			row, even, odd := q[at:at+UnitSize], x[b*UnitSize:][:UnitSize/2], x[b*UnitSize+UnitSize/2:][:UnitSize/2]
			for j := range UnitSize / 4 {
				four := int32(row[4*j])*int32(even[2*j]) + int32(row[4*j+1])*int32(odd[2*j]) +
					int32(row[4*j+2])*int32(even[2*j+1]) + int32(row[4*j+3])*int32(odd[2*j+1])
				l := &lane[(b*UnitSize/4+j)%Lanes]
				*l = portable.FMA(float32(four), float32(scales[ScaleOf(at+4*j)]*unit), *l)
			}
		}
		dst[r] = sumLanes(&lane)
		if len(mins) > 0 {
			var lane [Lanes]float32
			for b, sum := range sums {
				lane[b%Lanes] = portable.FMA(mins[r*len(sums)+b], sum, lane[b%Lanes])
			}
			dst[r] -= sumLanes(&lane)
		}
	}
}
