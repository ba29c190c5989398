//go:build !purego

package quant

// readNeon loads data, a positive multiple of 512 bytes.
//
//go:noescape
func readNeon(data []byte)

// peakProducts is the number of multiplications in one step of those below.
const peakProducts = 24

// peakNeon and peakDotprod do steps times peakProducts independent
// multiplications of 8 bytes by 8 and of 16 by 16, summed up.
func peakNeon(steps int)

func peakDotprod(steps int)
