//go:build !purego

package quant

import (
	"slices"
	"testing"

	"github.com/klauspost/cpuid/v2"
)

// evex256 is avxvnni in another coding of its one special instruction, which
// processors run that have AVX-512 but not AVX-VNNI. Here it stands among the
// available kernels, so that every test runs over it.
var evex256 = avxvnni

func init() {
	evex256.name = "evex256"
	evex256.codeDots = codeDotsEVEX256
	evex256.mulTile = mulTileEVEX256
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.AVX512F, cpuid.AVX512VL, cpuid.AVX512VNNI) {
		available = slices.Insert(available, len(available)-1, &evex256)
	}
}

// limits are what BenchmarkLimits measures for kernels of each name.
var limits = map[string]struct {
	read          func([]byte)
	peak          func(steps int)
	registerBytes int
}{
	"avx2":    {readAVX2, peakAVX2, 32},
	"avxvnni": {readAVX2, peakAVXVNNI, 32},
	"evex256": {readAVX2, peakEVEX256, 32},
	"avx512":  {readAVX512, peakAVX512, 64},
}

// BenchmarkLimits measures what the processor can do at most: MB/s read from
// memory, to compare with BenchmarkCodeDots, and multiply-adds a second, to
// compare with BenchmarkMultiply512.
func BenchmarkLimits(b *testing.B) {
	data := make([]byte, 256<<20)
	for i := 0; i < len(data); i += 4096 {
		data[i] = 1 // so that the pages are there
	}
	for _, k := range available {
		limit, ok := limits[k.name]
		if !ok {
			continue
		}
		b.Run("read/"+k.name, func(b *testing.B) {
			const size = 1 << 20
			b.SetBytes(size)
			at := 0
			for b.Loop() {
				limit.read(data[at : at+size])
				at = (at + size) % len(data)
			}
		})
		b.Run("multiply/"+k.name, func(b *testing.B) {
			const steps = 1000
			for b.Loop() {
				limit.peak(steps)
			}
			b.ReportMetric(steps*peakProducts*float64(limit.registerBytes)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gmac/s")
		})
	}
}
