package kernel

// A BlockFormat is a way to store numbers in blocks, as integers of a few bits
// with a float16 scale. The formats are those of the ggml library, under its names.
type BlockFormat uint8

// The formats. A number is its integer times the scale of its stretch of 16 or 32
// numbers; in Q4_K a minimum of the stretch is subtracted from that.
const (
	Q8_0 BlockFormat = iota // 8 bits, a scale for each 32
	Q5_0                    // 5 bits, a scale for each 32
	Q4_0                    // 4 bits, a scale for each 32
	Q6_K                    // 6 bits, a scale of 8 bits for each 16
	Q4_K                    // 4 bits, a scale and a minimum of 6 bits for each 32
	Q3_K                    // 3 bits, a scale of 6 bits for each 16
	BlockFormats
)

const (
	// StretchSize is how many numbers have a scale in common once they have been
	// unpacked.
	StretchSize = 16
	// UnitSize is how many elements of a vector have a unit in common, and how
	// many numbers of a row a minimum.
	UnitSize = 32
	// BlockColumns divides the length of the rows that can be multiplied.
	BlockColumns = 128
)

// ScaleOf returns which of the scales that Unpack stores is that of number i. Of each
// BlockColumns numbers the scales of the stretches with an even number come first, so
// that a register of eight, each half of it, has those of one half of each unit.
func ScaleOf(i int) int {
	stretch := i / StretchSize
	return stretch&^7 | stretch&1<<2 | stretch>>1&3
}

var blockLayouts = [BlockFormats]struct {
	numbers, bytes int // of a block
	mins           bool
}{
	Q8_0: {32, 34, false},
	Q5_0: {32, 22, false},
	Q4_0: {32, 18, false},
	Q6_K: {256, 210, false},
	Q4_K: {256, 144, true},
	Q3_K: {256, 110, false},
}

// Block returns how many numbers a block has and how many bytes it takes.
func (f BlockFormat) Block() (numbers, bytes int) {
	return blockLayouts[f].numbers, blockLayouts[f].bytes
}

// Mins reports whether the format has minimums.
func (f BlockFormat) Mins() bool { return blockLayouts[f].mins }

// Unpack takes blocks apart, as a Set's Unpack does, in plain Go.
func (f BlockFormat) Unpack(q []int8, scales, mins []float32, blocks []byte) {
	unpackGeneric[f](q, scales, mins, blocks)
}

// Arrange puts every UnitSize elements of a vector's image into the order in which
// DotsBlocks takes them: those with an even number, then the others.
func Arrange(dst, x []int16) {
	for at := 0; at < len(x); at += UnitSize {
		unit, out := (*[UnitSize]int16)(x[at:]), (*[UnitSize]int16)(dst[at:])
		for i := range UnitSize / 2 {
			out[i], out[UnitSize/2+i] = unit[2*i], unit[2*i+1]
		}
	}
}
