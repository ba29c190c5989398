//go:build !purego

package quant

// readAVX2 and readAVX512 load data, a positive multiple of 512 bytes.
//
//go:noescape
func readAVX2(data []byte)

//go:noescape
func readAVX512(data []byte)

// peakProducts is the number of multiplications in one step of those below.
const peakProducts = 24

// peakAVX2, peakEVEX256, peakAVXVNNI and peakAVX512 do steps times peakProducts
// independent multiplications of two registers of bytes, summed up.
func peakAVX2(steps int)

func peakAVXVNNI(steps int)

func peakEVEX256(steps int)

func peakAVX512(steps int)
