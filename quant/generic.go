package quant

import "math"

// generic is the implementation in plain Go: the definition of what all others
// compute.
var generic = Kernels{
	name:        "generic",
	absMax:      absMaxGeneric,
	roundScaled: roundScaledGeneric,
	codeDots:    codeDotsGeneric,
	dotTokens:   4,
	tileRows:    16,
	minPanel:    math.MaxInt, // codeDots is faster for any number of them
	scaleSums:   scaleSumsGeneric,
	blocks:      blocksGeneric,
	limits:      limits{readGeneric, multiplyGeneric, productsGeneric},
}

func absMaxGeneric(x []float32) (largest uint32) {
	for _, v := range x {
		largest = max(largest, math.Float32bits(v)&0x7fffffff)
	}
	return largest
}

func roundScaledGeneric(q []int8, x []float32, s float32) (sum int32) {
	for i, v := range x {
		r := int8(min(max(math.RoundToEven(float64(float32(v*s))), -128), 127))
		q[i] = r
		sum += int32(r)
	}
	return sum
}

func codeDotsGeneric(sums []int32, codes []byte, q []int8, cols int) {
	rowBytes := cols / 4
	rows := len(codes) / rowBytes
	for r := range rows {
		row := codes[r*rowBytes : (r+1)*rowBytes]
		if len(q) == 4*cols {
			sums[r], sums[rows+r], sums[2*rows+r], sums[3*rows+r] = codeDots4Generic(row, q, cols)
			continue
		}
		for t := range len(q) / cols {
			sums[t*rows+r] = codeDotGeneric(row, q[t*cols:(t+1)*cols])
		}
	}
}

func codeDots4Generic(row []byte, q []int8, cols int) (s0, s1, s2, s3 int32) {
	q0, q1, q2, q3 := q[:cols], q[cols:2*cols], q[2*cols:3*cols], q[3*cols:4*cols]
	for b := range len(row) / BlockBytes {
		c := (*[BlockBytes]byte)(row[b*BlockBytes:])
		v0, v1 := (*[BlockSize]int8)(q0[b*BlockSize:]), (*[BlockSize]int8)(q1[b*BlockSize:])
		v2, v3 := (*[BlockSize]int8)(q2[b*BlockSize:]), (*[BlockSize]int8)(q3[b*BlockSize:])
		for j, code := range c {
			a, b, c, d := int32(code>>6), int32(code>>4&3), int32(code>>2&3), int32(code&3)
			s0 += a*int32(v0[j]) + b*int32(v0[j+32]) + c*int32(v0[j+64]) + d*int32(v0[j+96])
			s1 += a*int32(v1[j]) + b*int32(v1[j+32]) + c*int32(v1[j+64]) + d*int32(v1[j+96])
			s2 += a*int32(v2[j]) + b*int32(v2[j+32]) + c*int32(v2[j+64]) + d*int32(v2[j+96])
			s3 += a*int32(v3[j]) + b*int32(v3[j+32]) + c*int32(v3[j+64]) + d*int32(v3[j+96])
		}
	}
	return s0, s1, s2, s3
}

func codeDotGeneric(row []byte, q []int8) (sum int32) {
	for b := range len(row) / BlockBytes {
		c := (*[BlockBytes]byte)(row[b*BlockBytes:])
		v := (*[BlockSize]int8)(q[b*BlockSize:])
		for j, code := range c {
			sum += int32(code>>6)*int32(v[j]) + int32(code>>4&3)*int32(v[j+32]) +
				int32(code>>2&3)*int32(v[j+64]) + int32(code&3)*int32(v[j+96])
		}
	}
	return sum
}

func scaleSumsGeneric(dst []float32, sums []int32, offset int32, s, scale float32) {
	for i, sum := range sums {
		dst[i] = float32(float32(sum-offset)/s) * scale
	}
}
