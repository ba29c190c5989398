//go:build !purego

package quant

import "testing"

// limits are what BenchmarkLimits measures for kernels of each name.
var limits = map[string]struct {
	peak     func(steps int)
	products int
}{
	"neon":    {peakNeon, 8},
	"dotprod": {peakDotprod, 16},
}

// BenchmarkLimits measures what the processor can do at most: MB/s read from
// memory, to compare with BenchmarkCodeDots, and multiply-adds a second, to
// compare with BenchmarkMultiply512.
func BenchmarkLimits(b *testing.B) {
	data := make([]byte, 256<<20)
	for i := 0; i < len(data); i += 4096 {
		data[i] = 1 // so that the pages are there
	}
	b.Run("read", func(b *testing.B) {
		const size = 1 << 20
		b.SetBytes(size)
		at := 0
		for b.Loop() {
			readNeon(data[at : at+size])
			at = (at + size) % len(data)
		}
	})
	for _, k := range available {
		limit, ok := limits[k.name]
		if !ok {
			continue
		}
		b.Run("multiply/"+k.name, func(b *testing.B) {
			const steps = 1000
			for b.Loop() {
				limit.peak(steps)
			}
			b.ReportMetric(steps*peakProducts*float64(limit.products)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gmac/s")
		})
	}
}
