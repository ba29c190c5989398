package gguf

import (
	"fmt"
	"math"
	"math/bits"
)

// A TensorType says how a tensor's elements are stored. The numbers are those
// of the ggml library; files may hold others, which are named by their number.
type TensorType uint32

// The tensor types. Those named F, BF or I and a number of bits store each
// element by itself; the others store blocks of 32, 64, 128 or 256 elements.
const (
	F32     TensorType = 0
	F16     TensorType = 1
	Q4_0    TensorType = 2
	Q4_1    TensorType = 3
	Q5_0    TensorType = 6
	Q5_1    TensorType = 7
	Q8_0    TensorType = 8
	Q8_1    TensorType = 9
	Q2_K    TensorType = 10
	Q3_K    TensorType = 11
	Q4_K    TensorType = 12
	Q5_K    TensorType = 13
	Q6_K    TensorType = 14
	Q8_K    TensorType = 15
	IQ2_XXS TensorType = 16
	IQ2_XS  TensorType = 17
	IQ3_XXS TensorType = 18
	IQ1_S   TensorType = 19
	IQ4_NL  TensorType = 20
	IQ3_S   TensorType = 21
	IQ2_S   TensorType = 22
	IQ4_XS  TensorType = 23
	I8      TensorType = 24
	I16     TensorType = 25
	I32     TensorType = 26
	I64     TensorType = 27
	F64     TensorType = 28
	IQ1_M   TensorType = 29
	BF16    TensorType = 30
	TQ1_0   TensorType = 34
	TQ2_0   TensorType = 35

	// I2S holds ternary weights, 2 bits each in blocks of 128, followed by one
	// float32 scale and 28 bytes of padding for the whole tensor: a tensor of n
	// weights takes n/4 + 32 bytes.
	I2S TensorType = 36

	// Ternary weights with a float16 scale for each block of 64 or 128. The last
	// two are known to the fork of ggml that their models come with only. Older
	// files have PQ2_0 under the number of Q2_0; where the places of its tensors
	// tell so, their type is PQ2_0 here.
	Q2_0   TensorType = 42
	PQ2_0  TensorType = 142
	PTQ1_0 TensorType = 143
)

// layout is how many elements a block has and how many bytes it takes. A type
// without blockElements has a size that is unknown, or that is computed in size.
type layout struct {
	name          string
	blockElements int64
	blockBytes    int64
}

const (
	i2sBlockElements = 128 // a tensor's length is a multiple of this
	i2sTrailerBytes  = 32  // scale and padding after the weights
)

var layouts = map[TensorType]layout{
	F32:     {"F32", 1, 4},
	F16:     {"F16", 1, 2},
	Q4_0:    {"Q4_0", 32, 18},
	Q4_1:    {"Q4_1", 32, 20},
	Q5_0:    {"Q5_0", 32, 22},
	Q5_1:    {"Q5_1", 32, 24},
	Q8_0:    {"Q8_0", 32, 34},
	Q8_1:    {"Q8_1", 32, 36},
	Q2_K:    {"Q2_K", 256, 84},
	Q3_K:    {"Q3_K", 256, 110},
	Q4_K:    {"Q4_K", 256, 144},
	Q5_K:    {"Q5_K", 256, 176},
	Q6_K:    {"Q6_K", 256, 210},
	Q8_K:    {"Q8_K", 256, 292},
	IQ2_XXS: {"IQ2_XXS", 256, 66},
	IQ2_XS:  {"IQ2_XS", 256, 74},
	IQ3_XXS: {"IQ3_XXS", 256, 98},
	IQ1_S:   {"IQ1_S", 256, 50},
	IQ4_NL:  {"IQ4_NL", 32, 18},
	IQ3_S:   {"IQ3_S", 256, 110},
	IQ2_S:   {"IQ2_S", 256, 82},
	IQ4_XS:  {"IQ4_XS", 256, 136},
	I8:      {"I8", 1, 1},
	I16:     {"I16", 1, 2},
	I32:     {"I32", 1, 4},
	I64:     {"I64", 1, 8},
	F64:     {"F64", 1, 8},
	IQ1_M:   {"IQ1_M", 256, 56},
	BF16:    {"BF16", 1, 2},
	TQ1_0:   {"TQ1_0", 256, 54},
	TQ2_0:   {"TQ2_0", 256, 66},
	I2S:     {name: "I2_S"},
	37:      {name: "I8_S (type 37)"},
	38:      {name: "TL1 (type 38)"},
	39:      {name: "TL2 or MXFP4 (type 39)"}, // ggml and its fork for BitNet number them alike
	Q2_0:    {"Q2_0", 64, 18},
	PQ2_0:   {"PQ2_0", 128, 34},
	PTQ1_0:  {"PTQ1_0", 128, 28},
}

// String returns the type's usual name, such as "F16" or "I2_S", and its number
// where it has none or where its size is not known.
func (t TensorType) String() string {
	if l, ok := layouts[t]; ok {
		return l.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// elementCount returns the product of dims, which must be positive, and false
// if it is above the largest int64.
func elementCount(dims []int) (int64, bool) {
	product := uint64(1)
	for _, d := range dims {
		high, low := bits.Mul64(product, uint64(d))
		if high != 0 || low > math.MaxInt64 {
			return 0, false
		}
		product = low
	}
	return int64(product), true
}

// size returns how many bytes a tensor of this type and these dimensions takes;
// known is false if the type's layout is not known. The reason, if not empty,
// says why no tensor can be of this type and shape.
func (t TensorType) size(dims []int) (size int64, known bool, reason string) {
	n, ok := elementCount(dims)
	if !ok {
		return 0, false, fmt.Sprintf("has dimensions %v, whose product is above the largest 64-bit number", dims)
	}
	if t == I2S {
		if n%i2sBlockElements != 0 {
			return 0, false, fmt.Sprintf("has %d elements; %v needs a multiple of %d", n, t, i2sBlockElements)
		}
		return n/4 + i2sTrailerBytes, true, ""
	}
	l := layouts[t]
	if l.blockElements == 0 {
		return 0, false, ""
	}
	row := int64(1)
	if len(dims) > 0 {
		row = int64(dims[0])
	}
	if row%l.blockElements != 0 {
		return 0, false, fmt.Sprintf("has rows of %d elements; %v needs a multiple of %d", row, t, l.blockElements)
	}
	blocks := n / l.blockElements
	if blocks > math.MaxInt64/l.blockBytes {
		return 0, false, fmt.Sprintf("of type %v and dimensions %v has more bytes than a 64-bit number holds", t, dims)
	}
	return blocks * l.blockBytes, true, ""
}
