//go:build !purego

package quant

import (
	"slices"

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
	evex256.limits.multiply = peakEVEX256
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.AVX512F, cpuid.AVX512VL, cpuid.AVX512VNNI) {
		available = slices.Insert(available, len(available)-1, &evex256)
	}
}
