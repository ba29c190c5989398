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
// are medians of bytes a second, and of their share of what is read at most.
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
