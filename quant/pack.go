package quant

import "fmt"

// Pack stores ternary weights, each −1, 0 or +1, as I2_S codes. The number of
// weights is a multiple of [BlockSize], and dst takes a byte for every four.
func Pack(dst []byte, weights []int8) error {
	if len(weights)%BlockSize != 0 || len(dst) != len(weights)/4 {
		return fmt.Errorf("%w: packing %d weights into %d bytes: weights come in blocks of %d and take a byte for every four", ErrShape, len(weights), len(dst), BlockSize)
	}
	for i, w := range weights {
		if w < -1 || w > 1 {
			return fmt.Errorf("weight %d is %d, not −1, 0 or +1", i, w)
		}
	}
	for b := 0; b < len(weights)/BlockSize; b++ {
		block := weights[b*BlockSize : (b+1)*BlockSize]
		for j := 0; j < BlockBytes; j++ {
			dst[b*BlockBytes+j] = byte(block[j]+1)<<6 | byte(block[j+32]+1)<<4 | byte(block[j+64]+1)<<2 | byte(block[j+96]+1)
		}
	}
	return nil
}

// Unpack is the inverse of [Pack]. Code 3, which no ternary model has, becomes
// the weight 2.
func Unpack(dst []int8, codes []byte) error {
	if len(codes)%BlockBytes != 0 || len(dst)/4 != len(codes) || len(dst)%4 != 0 {
		return fmt.Errorf("%w: unpacking %d bytes into %d weights: codes come in blocks of %d bytes, four weights a byte", ErrShape, len(codes), len(dst), BlockBytes)
	}
	for b := 0; b < len(codes)/BlockBytes; b++ {
		block := dst[b*BlockSize : (b+1)*BlockSize]
		for j := 0; j < BlockBytes; j++ {
			c := codes[b*BlockBytes+j]
			block[j] = int8(c>>6) - 1
			block[j+32] = int8(c>>4&3) - 1
			block[j+64] = int8(c>>2&3) - 1
			block[j+96] = int8(c&3) - 1
		}
	}
	return nil
}
