package quant

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gobitnet/gobitnet/testdata/asmtest"
)

func TestInstructions(t *testing.T) { asmtest.ARM64Instructions(t, "instructions_arm64.h") }

// TestBounds gives the kernels slices before and behind which no memory is.
func TestBounds(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		asmtest.Edges(t, func(t *testing.T, at asmtest.Placer) {
			r := rand.New(rand.NewPCG(13, 14))
			for _, cols := range columnCounts {
				x := make([]float32, cols)
				for i := range x {
					x[i] = float32(r.NormFloat64())
				}
				x = asmtest.Place(at, x)
				if got, want := k.absMax(x), absMaxGeneric(x); got != want {
					t.Fatalf("absMax of %d: %#x, want %#x", cols, got, want)
				}
				q, wantQ := asmtest.Place(at, make([]int8, cols)), make([]int8, cols)
				if got, want := k.roundScaled(q, x, 40), roundScaledGeneric(wantQ, x, 40); got != want || !slices.Equal(q, wantQ) {
					t.Fatalf("roundScaled of %d: %d, want %d", cols, got, want)
				}
				for rows := 1; rows <= 20; rows++ {
					codes := asmtest.Place(at, randomCodes(r, rows*cols/4))
					// From four rows on, every number of tokens, at least twice.
					tokens := 1 + rows%k.dotTokens
					tokenQ := asmtest.Place(at, randomActivations(r, tokens*cols))
					sums, want := asmtest.Place(at, make([]int32, tokens*rows)), make([]int32, tokens*rows)
					k.codeDots(sums, codes, tokenQ, cols)
					codeDotsGeneric(want, codes, tokenQ, cols)
					if !slices.Equal(sums, want) {
						t.Fatalf("codeDots of %d × %d with %d tokens: %d, want %d", rows, cols, tokens, sums, want)
					}
					scaled, wantScaled := asmtest.Place(at, make([]float32, len(sums))), make([]float32, len(sums))
					k.scaleSums(scaled, sums, 77, 0.3, 0.7)
					scaleSumsGeneric(wantScaled, sums, 77, 0.3, 0.7)
					if !slices.Equal(scaled, wantScaled) {
						t.Fatalf("scaleSums of %d: %v, want %v", len(sums), scaled, wantScaled)
					}
				}
				if k.mulTile == nil {
					continue
				}
				for _, size := range [][2]int{{1, 1}, {k.tileRows, k.panelTokens}, {k.tileRows - 1, max(k.panelTokens-1, 1)}} {
					rows, tokens := max(size[0], 1), size[1]
					codes := asmtest.Place(at, randomCodes(r, rows*cols/4))
					tokenQ := asmtest.Place(at, randomActivations(r, tokens*cols))
					tile := asmtest.Place(at, make([]byte, k.tileRows*cols))
					panel := asmtest.Place(at, make([]int8, k.panelTokens*cols))
					sums := asmtest.Place(at, make([]int32, k.tileRows*k.panelTokens))
					k.packPanel(panel, tokenQ, cols)
					k.unpackTile(tile, codes, cols)
					k.mulTile(sums, tile, panel, cols)
					want := make([]int32, rows)
					for token := range tokens {
						codeDotsGeneric(want, codes, tokenQ[token*cols:(token+1)*cols], cols)
						if got := sums[token*k.tileRows:][:rows]; !slices.Equal(got, want) {
							t.Fatalf("mulTile of %s: token %d: %d, want %d", fmt.Sprint(rows, cols, tokens), token, got, want)
						}
					}
				}
			}
		})
	})
}

// TestBlockBounds does so for the kernels of blocks with scales.
func TestBlockBounds(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		asmtest.Edges(t, func(t *testing.T, at asmtest.Placer) {
			r := rand.New(rand.NewPCG(15, 16))
			b := &k.blocks
			for _, f := range blockFormats {
				const size = activationBlock
				for _, cols := range []int{f.columns(), 2 * f.columns(), 5 * f.columns()} {
					arranged, want := asmtest.Place(at, randomActivations(r, cols)), make([]int8, cols)
					copy(want, arranged)
					b.arrange(arranged)
					arrangeGeneric(want)
					if !slices.Equal(arranged, want) {
						t.Fatalf("arrange of %d", cols)
					}

					rowBytes := f.rowBytes(cols)
					products := func(rows []byte, q []int8, scale []float32, sum []int32) []float32 {
						dst := make([]float32, len(rows)/rowBytes)
						blockDotsGeneric(f, dst, rows, q, scale, sum)
						return dst
					}
					tokens := max(b.panelTokens, 1)
					q, scale, sum := randomImages(r, tokens, cols)
					for n := 1; n <= 20; n++ {
						rows := asmtest.Place(at, randomBlocks(r, f, n, cols))
						dst := asmtest.Place(at, make([]float32, n))
						blocks := cols / size
						tokenQ, tokenScale, tokenSum := asmtest.Place(at, q[:cols]), asmtest.Place(at, scale[:blocks]), asmtest.Place(at, sum[:blocks])
						b.dots[f](dst, rows, tokenQ, tokenScale, tokenSum)
						if want := products(rows, tokenQ, tokenScale, tokenSum); !slices.Equal(dst, want) {
							t.Fatalf("%v: dots of %d × %d: %v, want %v", f, n, cols, dst, want)
						}
					}
					if b.mulTile == nil {
						continue
					}
					scale, sum = asmtest.Place(at, scale), asmtest.Place(at, sum)
					for _, n := range []int{1, 7, 8, 9, 15, 16, 17, b.tileRows - 1, b.tileRows} {
						rows := asmtest.Place(at, randomBlocks(r, f, n, cols))
						tile := asmtest.Place(at, make([]byte, b.tileRows*cols))
						scales := asmtest.Place(at, make([]float32, b.tileRows*cols/size))
						panel := asmtest.Place(at, make([]int8, tokens*cols))
						dst := asmtest.Place(at, make([]float32, b.tileRows*tokens))
						there := 1 + n%tokens // the others are missing
						b.packPanel(panel, asmtest.Place(at, q[:there*cols]), cols)
						b.unpackTile[f](tile, scales, rows, cols)
						b.mulTile(dst, tile, scales, panel, scale, sum, cols)
						for token := range there {
							first := token * cols / size
							want := products(rows, q[token*cols:(token+1)*cols], scale[first:first+cols/size], sum[first:first+cols/size])
							if got := dst[token*b.tileRows:][:n]; !slices.Equal(got, want) {
								t.Fatalf("%v: mulTile of %d × %d: token %d: %v, want %v", f, n, cols, token, got, want)
							}
						}
					}
				}
			}
		})
	})
}

// randomImages returns activations as kernels get them.
func randomImages(r *rand.Rand, tokens, cols int) (q []int8, scale []float32, sum []int32) {
	q = make([]int8, tokens*cols)
	for i := range q {
		q[i] = int8(r.IntN(255) - 127)
	}
	for at := 0; at < len(q); at += activationBlock {
		scale = append(scale, float32(r.ExpFloat64()))
		sum = append(sum, sumOf(q[at:at+activationBlock]))
	}
	return q, scale, sum
}

// TestLongestRow has the longest rows that there may be, of the largest codes
// and activations: sums in 32 bits come closest to an overflow.
func TestLongestRow(t *testing.T) {
	codes := slices.Repeat([]byte{0xff}, 5*maxColumns/4)
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		for _, v := range []int8{-128, 127} {
			for _, tokens := range []int{1, 2, k.dotTokens} {
				q := slices.Repeat([]int8{v}, tokens*maxColumns)
				sums := make([]int32, 5*tokens)
				k.codeDots(sums, codes, q, maxColumns)
				for i, got := range sums {
					if want := 3 * int32(v) * maxColumns; got != want {
						t.Fatalf("sum %d of %d with %d tokens: %d, want %d", i, v, tokens, got, want)
					}
				}
			}
		}
	})
}
