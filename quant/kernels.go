package quant

import (
	"errors"
	"fmt"
	"strings"
)

// ErrKernels is wrapped by the errors of [Named].
var ErrKernels = errors.New("kernels not available")

// Kernels is one implementation of the package's arithmetic. All of them give
// the same bits; they differ in the instructions they use. A Kernels value is
// immutable and shared by any number of goroutines.
type Kernels struct {
	name string

	// absMax returns the largest magnitude in x as float32 bits without the
	// sign. As integers, these order infinity and NaN above every number.
	// len(x) is a positive multiple of 32.
	absMax func(x []float32) uint32

	// roundScaled stores round-half-even(x[i]·s), clamped to −128…127, in q
	// and returns the sum of q. len(x) == len(q), a positive multiple of 32;
	// the values of x are finite.
	roundScaled func(q []int8, x []float32, s float32) int32

	// codeDots computes the products of rows of codes (0…3, not weights) with
	// a few tokens, len(q)/cols of them, from 1 to dotTokens: token t has the
	// activations q[t·cols:(t+1)·cols], and sums[t·rows+r] = Σ code(r, i)·q(t, i)
	// where rows is len(codes)/(cols/4). cols is a positive multiple of
	// BlockSize. Rows are unpacked once for all tokens, if the instructions
	// gain by that.
	codeDots  func(sums []int32, codes []byte, q []int8, cols int)
	dotTokens int

	// Products of many tokens with many rows go tile by tile: a tile of
	// tileRows rows, unpacked to a byte a code, times a panel of panelTokens
	// tokens. Both layouts belong to the implementation.
	tileRows, panelTokens int

	// minPanel is the number of tokens from which on tiles are faster than
	// codeDots. Plain Go has no tiles: it multiplies every number of tokens
	// by codeDots.
	minPanel int

	// packPanel arranges up to panelTokens tokens, q[t·cols:(t+1)·cols] each,
	// as a panel of panelTokens·cols bytes; tokens that are missing are
	// zeros.
	packPanel func(panel []int8, q []int8, cols int)

	// unpackTile arranges up to tileRows rows as a tile of tileRows·cols
	// bytes; rows that are missing may hold anything.
	unpackTile func(tile []byte, codes []byte, cols int)

	// mulTile computes sums[t·tileRows+r] = Σ code(r, i)·q(t, i) for every
	// token t of the panel and row r of the tile.
	mulTile func(sums []int32, tile []byte, panel []int8, cols int)

	// scaleSums computes dst[i] = float32(sums[i]−offset) / s · scale, each
	// operation rounded to float32. len(dst) == len(sums), any length.
	scaleSums func(dst []float32, sums []int32, offset int32, s, scale float32)

	blocks blockKernels
	limits limits
}

// Name returns the name by which [Named] finds the kernels.
func (k *Kernels) Name() string { return k.name }

// TileRows returns how many rows of a matrix are multiplied at once where there
// are many tokens. Slices of a matrix that goroutines share are best multiples
// of it.
func (k *Kernels) TileRows() int { return k.tileRows }

// Available returns every implementation that this processor can run, fastest
// first; the last one is plain Go.
func Available() []*Kernels { return append([]*Kernels(nil), available...) }

// Best returns the fastest implementation that this processor can run.
func Best() *Kernels { return available[0] }

// Named returns the implementation of that name: "generic" is plain Go; on
// amd64 there are "avx2", "avxvnni", "avx512" and "amx", on arm64 "neon" and
// "dotprod". A name that does not exist, or that this processor lacks, is an
// error that wraps [ErrKernels].
func Named(name string) (*Kernels, error) {
	var names []string
	for _, k := range available {
		if k.name == name {
			return k, nil
		}
		names = append(names, k.name)
	}
	return nil, fmt.Errorf("%w: %q: this processor can run %s", ErrKernels, name, strings.Join(names, ", "))
}

// available is filled once, at start-up: processorKernels gives what the
// processor adds to plain Go, fastest first.
var available = append(processorKernels(), &generic)
