package quant

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// BenchmarkBlockDots multiplies one token by matrices that come from memory, and by
// one that the second-level cache holds, in turns with reading memory: the metrics
// are medians of bytes a second, and of their share of what is read at most; and the
// best rate, which on a busy machine is the kernel's own.
func BenchmarkBlockDots(b *testing.B) {
	data := randomCodes(rand.New(rand.NewPCG(1, 1)), 256<<20)
	for _, k := range available {
		for _, f := range blockFormats {
			for _, place := range []string{"memory", "cache"} {
				b.Run(fmt.Sprintf("%s/%v/%s", k.name, f, place), func(b *testing.B) {
					rows, cols := 9728, 2560
					if place == "cache" {
						rows = 640
					}
					size, _ := f.TensorBytes(rows, cols)
					a := blockActivations(b, k, f, randomVectors(rand.New(rand.NewPCG(2, 2)), 1, cols))
					dst := make([]float32, rows)
					var scratch Scratch
					var rates, shares []float64
					at := 0
					for b.Loop() {
						if place == "memory" {
							at = (at + 2*size) % (len(data) - 2*size)
						}
						m, err := NewMatrix(f, rows, cols, data[at:at+size])
						if err != nil {
							b.Fatal(err)
						}
						start := time.Now()
						k.ReadMemory(data[at+size : at+2*size])
						limit := float64(size) / time.Since(start).Seconds()
						start = time.Now()
						if err := k.Multiply(dst, rows, m, a, &scratch); err != nil {
							b.Fatal(err)
						}
						rate := float64(size) / time.Since(start).Seconds()
						rates, shares = append(rates, rate), append(shares, rate/limit)
					}
					slices.Sort(rates)
					slices.Sort(shares)
					b.ReportMetric(rates[len(rates)/2]/1e9, "GB/s")
					b.ReportMetric(shares[len(shares)/2]*100, "%limit")
					b.ReportMetric(rates[len(rates)-1]/1e9, "best-GB/s")
				})
			}
		}
	}
}

// BenchmarkBlockTokens multiplies several tokens, in turns with registers: the metrics
// are medians of multiply-adds a second, and of their share of what the multipliers do
// at most; and the share of the best rate in the best limit.
func BenchmarkBlockTokens(b *testing.B) {
	for _, k := range available {
		for _, f := range blockFormats {
			const rows, cols = 640, 2560
			m, err := NewMatrix(f, rows, cols, randomBlocks(rand.New(rand.NewPCG(4, 4)), f, rows, cols))
			if err != nil {
				b.Fatal(err)
			}
			for _, tokens := range []int{1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 96, 512} {
				b.Run(fmt.Sprintf("%s/%v/%d", k.name, f, tokens), func(b *testing.B) {
					a := blockActivations(b, k, f, randomVectors(rand.New(rand.NewPCG(3, 3)), tokens, cols))
					dst := make([]float32, tokens*rows)
					var scratch Scratch
					var rates, limits, shares []float64
					for b.Loop() {
						start := time.Now()
						limit := float64(k.MultiplyRegisters(max(rows*cols*tokens, 1<<22))) / time.Since(start).Seconds()
						start = time.Now()
						for p := range a.Panels() {
							if err := a.Pack(p); err != nil {
								b.Fatal(err)
							}
						}
						if err := k.Multiply(dst, rows, m, a, &scratch); err != nil {
							b.Fatal(err)
						}
						rate := float64(rows*cols*tokens) / time.Since(start).Seconds()
						rates, limits, shares = append(rates, rate), append(limits, limit), append(shares, rate/limit)
					}
					slices.Sort(rates)
					slices.Sort(shares)
					b.ReportMetric(rates[len(rates)/2]/1e9, "Gmac/s")
					b.ReportMetric(shares[len(shares)/2]*100, "%limit")
					b.ReportMetric(slices.Max(rates)/slices.Max(limits)*100, "best-%limit")
				})
			}
		}
	}
}
