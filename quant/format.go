package quant

// A Format says how the weights of a ternary matrix are stored, and with it in
// what form they want the activations that they are multiplied with.
type Format uint8

// The formats, under the names of the ggml library and of its forks.
const (
	// I2S has one scale for all weights of a matrix. Activations have one scale
	// for each token, as BitNet models were trained.
	I2S Format = iota

	// The others have a float16 scale for each block of weights, and activations
	// one for each block of 64.

	TQ1_0  // blocks of 256, five weights in a byte
	TQ2_0  // blocks of 256, two bits a weight
	Q2_0   // blocks of 64, two bits a weight
	PQ2_0  // blocks of 128, two bits a weight
	PTQ1_0 // blocks of 128, five weights in a byte
	formats
)

// A layout is how a format stores blocks of weights.
type layout struct {
	name    string
	weights int // of a block
	bytes   int // of a block
	scale   int // offset of a block's scale in its bytes, where blocks have one
	codes   int // offset of its codes
	form    form
}

var layouts = [formats]layout{
	I2S:    {name: "I2_S", weights: BlockSize, bytes: BlockBytes, form: tokens},
	TQ1_0:  {"TQ1_0", 256, 54, 52, 0, ordered},
	TQ2_0:  {"TQ2_0", 256, 66, 64, 0, ordered},
	Q2_0:   {"Q2_0", 64, 18, 0, 2, quarters},
	PQ2_0:  {"PQ2_0", 128, 34, 0, 2, quarters},
	PTQ1_0: {"PTQ1_0", 128, 28, 26, 0, ordered},
}

// activationBlock is how many activations have a scale in common, for the formats
// whose weights have scales in blocks. Each such block lies in one block of weights.
const activationBlock = 64

// A form is how activations are kept for some formats.
type form uint8

const (
	tokens  form = iota // one scale for each token
	ordered             // a scale for each block, and the activations in their order
	// Likewise, and the activations of a block are in the order in which a vector of
	// bytes holds the codes of four neighbours: those whose number leaves no
	// remainder when it is divided by four, then those that leave 1, 2 and 3.
	quarters
	forms
)

// place returns where the activation of a column is, or the code beside it.
func (f form) place(column int) int {
	if f != quarters {
		return column
	}
	const quarter = activationBlock / 4
	at := column % activationBlock
	return column - at + at%4*quarter + at/4
}

// String returns the format's usual name, such as "I2_S".
func (f Format) String() string {
	if f >= formats {
		return "unknown format"
	}
	return layouts[f].name
}

// columns is a number of which the length of a row must be a multiple.
func (f Format) columns() int { return max(layouts[f].weights, BlockSize) }

// rowBytes returns how many bytes a row of so many weights takes.
func (f Format) rowBytes(cols int) int { return cols / layouts[f].weights * layouts[f].bytes }

// trailer is the space that a tensor takes behind its rows.
func (f Format) trailer() int {
	if f == I2S {
		return ScaleBytes
	}
	return 0
}
