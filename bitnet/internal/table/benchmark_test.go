package table

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
	"github.com/gobitnet/gobitnet/quant"
)

// BenchmarkMultiply streams a table from memory, by one thread and by two, and
// multiplies it by several vectors.
func BenchmarkMultiply(b *testing.B) {
	const columns, rows, call = 2560, 49_920, 48
	for _, kind := range allTypes {
		table := randomTable(b, rand.New(rand.NewPCG(1, 1)), kind, rows, columns)
		for _, vectors := range []int{1, kernel.MaxVectors} {
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("%v/%d/threads=%d", kind, vectors, threads), func(b *testing.B) {
					k := quant.Best()
					set, err := kernel.Named(k.Name())
					if err != nil {
						b.Fatal(err)
					}
					var v Vectors
					if err := v.Set(table, k, randomVectors(rand.New(rand.NewPCG(2, 2)), vectors, columns)...); err != nil {
						b.Fatal(err)
					}
					b.SetBytes(int64(len(table.data)))
					for b.Loop() {
						var wait sync.WaitGroup
						for thread := range threads {
							wait.Go(func() {
								dst, s := make([]float32, call*vectors), &Scratch{}
								for lo := thread * call; lo < rows; lo += threads * call {
									if err := table.Multiply(dst, set, lo, lo+call, &v, 0, vectors, s); err != nil {
										panic(err)
									}
								}
							})
						}
						wait.Wait()
					}
				})
			}
		}
	}
}
