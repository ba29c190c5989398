// Package arithmetic is a small BitNet b1.58 model that was trained in this
// project and travels inside the program: nothing has to be downloaded.
//
//	m, err := arithmetic.Open()
//
// It is of the architecture of the published models, small enough to be trained
// on two cores in a few hours. Decoded greedily it continues
//
//	2+2=              with 4           sums and differences of 0 to 99
//	7*8=              with 56          products of 0 to 12
//	two plus two is   with four        sums in words below 20
//	7 8 9 10          with 11 12 13 …  counting, to the end of the next ten
//
// and answers the same questions as the turns of a conversation ("What is
// 2+2?", by [bitnet.Chat]). It stops by itself after the answer. To everything
// else it says that it only knows small sums. The README beside this file tells
// how it was made and how often it is right.
//
// Importing this package adds the file, less than a megabyte, to a program;
// importing bitnet alone does not.
package arithmetic

import (
	"bytes"
	_ "embed"

	"github.com/gobitnet/gobitnet/bitnet"
)

//go:embed arithmetic.gguf
var file []byte

// Open opens the model, as [bitnet.OpenBytes] does. The caller closes it when
// done. All models that are open share the weights.
func Open(opts ...bitnet.Option) (*bitnet.Model, error) { return bitnet.OpenBytes(file, opts...) }

// File returns a reader of the model's GGUF file, for whoever wants to store,
// hash or look into it. Each call returns one of its own.
func File() *bytes.Reader { return bytes.NewReader(file) }
