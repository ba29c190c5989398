package quant_test

import (
	"encoding/binary"
	"fmt"
	"log"
	"math"

	"github.com/gobitnet/gobitnet/quant"
)

// A matrix of two rows is packed as a model file stores it, and multiplied by
// one vector.
func Example() {
	const rows, cols = 2, 128
	weights := make([]int8, rows*cols)
	for i := range cols {
		weights[i] = 1                  // the first row adds everything up,
		weights[cols+i] = int8(i%3) - 1 // the second has −1, 0, +1, −1, …
	}
	size, err := quant.I2S.TensorBytes(rows, cols)
	if err != nil {
		log.Fatal(err)
	}
	tensor := make([]byte, size)
	codes := tensor[:size-quant.ScaleBytes]
	if err := quant.Pack(codes, weights); err != nil {
		log.Fatal(err)
	}
	binary.LittleEndian.PutUint32(tensor[len(codes):], math.Float32bits(0.5))

	matrix, err := quant.NewMatrix(quant.I2S, rows, cols, tensor)
	if err != nil {
		log.Fatal(err)
	}
	kernels := quant.Best()
	activations, err := kernels.NewActivations(1, cols, quant.I2S)
	if err != nil {
		log.Fatal(err)
	}
	x := make([]float32, cols)
	for i := range x {
		x[i] = float32(i)
	}
	if err := activations.Quantize(0, x); err != nil {
		log.Fatal(err)
	}
	products := make([]float32, rows)
	var scratch quant.Scratch
	if err := kernels.Multiply(products, rows, matrix, activations, &scratch); err != nil {
		log.Fatal(err)
	}
	fmt.Println(products)
	// Output: [4064 -21]
}

// Codes can be multiplied row by row, exactly.
func ExampleKernels_Dot() {
	weights, q := make([]int8, 128), make([]int8, 128)
	for i := range weights {
		weights[i], q[i] = 1, 127
	}
	codes := make([]byte, 32)
	if err := quant.Pack(codes, weights); err != nil {
		log.Fatal(err)
	}
	product, err := quant.Best().Dot(codes, q)
	fmt.Println(product, err)
	// Output: 16256 <nil>
}
