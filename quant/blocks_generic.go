package quant

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"

	"github.com/gobitnet/gobitnet/internal/portable"
)

var blocksGeneric = blockKernels{
	arrange: arrangeGeneric,
	dots: [formats]func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32){
		TQ1_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsGeneric(TQ1_0, dst, rows, q, scale, sum)
		},
		TQ2_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsGeneric(TQ2_0, dst, rows, q, scale, sum)
		},
		Q2_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsGeneric(Q2_0, dst, rows, q, scale, sum)
		},
		PQ2_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsGeneric(PQ2_0, dst, rows, q, scale, sum)
		},
		PTQ1_0: func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
			blockDotsGeneric(PTQ1_0, dst, rows, q, scale, sum)
		},
	},
	minPanel: [formats]int{TQ1_0: math.MaxInt, TQ2_0: math.MaxInt, Q2_0: math.MaxInt, PQ2_0: math.MaxInt, PTQ1_0: math.MaxInt}, // dots is the only way here
}

func arrangeGeneric(q []int8) {
	const quarter = activationBlock / 4
	for g := 0; g < len(q); g += activationBlock {
		block := [activationBlock]int8(q[g:])
		for i, v := range block {
			q[g+i%4*quarter+i/4] = v
		}
	}
}

// blockDotsGeneric is the definition: for each row, block of activations by block
// in ascending order, the exact sum of weights times activations is multiplied by
// the product of the two scales and added, in one rounding.
func blockDotsGeneric(f Format, dst []float32, rows []byte, q []int8, scale []float32, sum []int32) {
	l := &layouts[f]
	rowBytes := f.rowBytes(len(q))
	var codes [256]byte
	for r := range dst {
		row := rows[r*rowBytes : (r+1)*rowBytes]
		y := float32(0)
		for at := 0; at < len(q); at += l.weights {
			block := row[:l.bytes]
			row = row[l.bytes:]
			unpackBlock(codes[:l.weights], block, f)
			d := blockScale(block, f)
			for i := 0; i < l.weights; i += activationBlock {
				g := (at + i) / activationBlock
				product := -sum[g]
				for j, v := range q[at+i : at+i+activationBlock] {
					product += int32(codes[i+j]) * int32(v)
				}
				y = portable.FMA(float32(product), float32(d*scale[g]), y)
			}
		}
		dst[r] = y
	}
}

// blockScale returns the scale of a block.
func blockScale(block []byte, f Format) float32 {
	return float16.Frombits(binary.LittleEndian.Uint16(block[layouts[f].scale:])).Float32()
}

// unpackBlock stores the codes of a block, a byte each, in the order of the
// format's form: for two bits a code, the lowest bits of all bytes come first.
func unpackBlock(codes, block []byte, f Format) {
	l := &layouts[f]
	packed := block[l.codes:]
	switch f {
	case Q2_0:
		unpackBits(codes, packed[:16])
	case PQ2_0:
		unpackBits(codes[:64], packed[:16])
		unpackBits(codes[64:], packed[16:32])
	case TQ2_0:
		unpackBits(codes[:128], packed[:32])
		unpackBits(codes[128:], packed[32:64])
	case TQ1_0:
		unpackTrits(codes[:160], packed[:32])
		unpackTrits(codes[160:240], packed[32:48])
		unpackTrits(codes[240:], packed[48:52])
	case PTQ1_0:
		unpackTrits(codes[:80], packed[:16])
		unpackTrits(codes[80:120], packed[16:24])
		unpackTrits(codes[120:], packed[24:26])
	}
}

func unpackBits(codes, packed []byte) {
	n := len(packed)
	for i, b := range packed {
		codes[i], codes[n+i], codes[2*n+i], codes[3*n+i] = b&3, b>>2&3, b>>4&3, b>>6
	}
}

// unpackTrits stores the first digit of every byte, then the second, and so on,
// four or five of them. A byte is a fraction of 256, and its digits are those
// of the fraction to the base of three: multiplied by three, the part above 256 is
// the next digit.
func unpackTrits(codes, packed []byte) {
	n := len(packed)
	for i, b := range packed {
		for at := i; at < len(codes); at += n {
			codes[at] = byte(uint16(b) * 3 >> 8)
			b *= 3
		}
	}
}
