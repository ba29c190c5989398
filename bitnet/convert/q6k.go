package convert

import (
	"encoding/binary"
	"fmt"

	"github.com/x448/float16"
)

// A block of Q6_K is 16 groups of 16 values. Each value is a whole number from
// −32 to 31, times the group's scale, a whole number of 8 bits, times the block's,
// a float16.
const (
	q6Groups = 16
	q6Group  = 16
	q6Low    = -32
	q6High   = 31
)

// encodeQ6K finds, for each group, the scale with the least sum of squared errors
// among some, and then the whole numbers for the scales as they can be stored.
//
// Every product is rounded to float32 before it is added to something: a processor
// that does both at once would find other bits.
func encodeQ6K(block []byte, values []float32) error {
	var scales [q6Groups]float32
	largest := float32(0) // the scale of the largest magnitude, with its sign
	for g := range scales {
		scales[g] = bestScale(values[g*q6Group:][:q6Group])
		if abs(scales[g]) > abs(largest) {
			largest = scales[g]
		}
	}
	clear(block)
	if largest == 0 {
		return nil
	}
	half := float16.Fromfloat32(largest / -128) // eight bits reach further below zero
	if !half.IsFinite() {
		return fmt.Errorf("%v is beyond what Q6_K holds", largest)
	}
	binary.LittleEndian.PutUint16(block[208:], half.Bits())
	unit := half.Float32()
	for g := range scales {
		factor := nearest(scales[g], unit, -128, 127)
		block[192+g] = byte(int8(factor))
		scale := float32(factor) * unit
		for i, x := range values[g*q6Group:][:q6Group] {
			storeQ6K(block, g*q6Group+i, byte(nearest(x, scale, q6Low, q6High)-q6Low))
		}
	}
	return nil
}

// storeQ6K puts a number of six bits to its place in an empty block: value
// 128h+32k+l has its low four bits in byte 64h+32(k mod 2)+l, in the upper half for
// k above 1, and its high two in byte 128+32h+l, at bit 2k.
func storeQ6K(block []byte, i int, q byte) {
	h, k, l := i/128, i%128/32, i%32
	block[64*h+32*(k%2)+l] |= q & 15 << (4 * (k / 2))
	block[128+32*h+l] |= q >> 4 << (2 * k)
}

// bestScale returns a scale for a group. The value of the largest magnitude is
// tried at −32, at 31 and at places around them; for the whole numbers q that come
// of it, the scale of the least squares is Σxq/Σq², and the squared error that this
// leaves is Σx² − (Σxq)²/Σq².
func bestScale(values []float32) float32 {
	extreme := float32(0)
	for _, x := range values {
		if abs(x) > abs(extreme) {
			extreme = x
		}
	}
	if extreme == 0 {
		return 0
	}
	var shares [q6Group]float32 // of the extreme, so that no square is too small or large
	for i, x := range values {
		shares[i] = x / extreme
	}
	best, gain := float32(0), float32(0)
	for _, place := range q6Places {
		xq, qq := float32(0), float32(0)
		for _, x := range shares {
			// Added to this number and taken away again, a float32 is rounded to a
			// whole number, half to even.
			const round = 3 << 22
			q := float32(x*place) + round - round
			if q > q6High {
				q = q6High
			} else if q < q6Low {
				q = q6Low
			}
			xq += float32(x * q)
			qq += float32(q * q)
		}
		if g := float32(xq*xq) / qq; g > gain {
			best, gain = float32(extreme*float32(xq/qq)), g
		}
	}
	return best
}

// q6Places are the places at which bestScale tries the extreme.
var q6Places = func() (places []float32) {
	for step := -8; step <= 8; step += 4 {
		places = append(places, q6Low+float32(step)/10, q6High+float32(step)/10)
	}
	return places
}()
