package quant

import "fmt"

// Resident returns the format in which weights of format f are best kept in memory
// once they are copied anyway: two bits a weight where f has five weights in a byte,
// else f. Taking bytes apart into five takes longer than reading the 21% or 22% more
// that two bits a weight need. Products are the same, bit by bit, but the two formats
// may want their activations in different forms.
func (f Format) Resident() Format {
	switch f {
	case TQ1_0:
		return TQ2_0
	case PTQ1_0:
		return PQ2_0
	}
	return f
}

// Repack stores the matrix in its format's [Format.Resident] in tensor, which has
// [Format.TensorBytes] of that, and returns the matrix that refers to it.
func (m Matrix) Repack(tensor []byte) (Matrix, error) {
	f := m.format.Resident()
	if f == m.format {
		return Matrix{}, fmt.Errorf("%w: %v weights are packed as they should be", ErrShape, f)
	}
	repacked, err := NewMatrix(f, m.rows, m.cols, tensor)
	if err != nil {
		return Matrix{}, err
	}
	from, to := layouts[m.format].bytes, layouts[f].bytes
	for block, codes := m.codes, tensor; len(block) > 0; block, codes = block[from:], codes[to:] {
		if f == TQ2_0 {
			repackTQ((*[66]byte)(codes), (*[54]byte)(block))
		} else {
			repackPTQ((*[34]byte)(codes), (*[28]byte)(block))
		}
	}
	return repacked, nil
}

// digits has the digits of a byte to the base of three, the first in the lowest byte.
var digits = func() (table [256]uint64) {
	for b := range table {
		var codes [5]byte
		unpackTrits(codes[:], []byte{byte(b)})
		for n, code := range codes {
			table[b] |= uint64(code) << (8 * n)
		}
	}
	return table
}()

func digit(b byte, n int) byte { return byte(digits[b] >> (8 * n)) }

func repackTQ(codes *[66]byte, block *[54]byte) {
	first, second, last := block[:32], block[32:48], block[48:52]
	for m, b := range first {
		d := digits[b]
		codes[m] = byte(d | d>>6 | d>>12 | d>>18)
		codes[32+m] = byte(d >> 32)
	}
	for m, b := range second {
		codes[32+m] |= digit(b, 0)<<2 | digit(b, 2)<<4 | digit(b, 4)<<6
		codes[48+m] |= digit(b, 1)<<2 | digit(b, 3)<<4 | digit(last[m%4], m/4)<<6
	}
	copy(codes[64:], block[52:])
}

func repackPTQ(codes *[34]byte, block *[28]byte) {
	copy(codes[:2], block[26:])
	weights := codes[2:]
	for i := 0; i < 24; i += 4 {
		// Four neighbours become one byte, for each of their digits.
		d := digits[block[i]] | digits[block[i+1]]<<2 | digits[block[i+2]]<<4 | digits[block[i+3]]<<6
		at, apart := i/4, 4
		if i >= 16 {
			at, apart = 20+(i-16)/4, 2
		}
		for n := range 5 {
			weights[at+n*apart] = byte(d >> (8 * n))
		}
	}
	d := digits[block[24]] | digits[block[25]]<<2
	weights[30] = byte(d | d>>8<<4)
	weights[31] = byte(d>>16 | d>>24<<4)
}
