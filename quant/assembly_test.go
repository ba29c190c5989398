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
