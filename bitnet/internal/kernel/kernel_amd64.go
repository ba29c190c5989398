//go:build !purego

package kernel

import "github.com/klauspost/cpuid/v2"

// processorSets returns what this processor can run, fastest first.
func processorSets() []*Set {
	var sets []*Set
	if cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL, cpuid.AVX512VNNI) {
		sets = append(sets, &avx512)
	}
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3, cpuid.F16C) {
		sets = append(sets, &avx2)
	}
	return sets
}

// companion names the set that needs nothing beyond what the integer kernels
// of that name need.
func companion(quantKernels string) string {
	switch quantKernels {
	case "avx512", "amx":
		return "avx512"
	case "avx2", "avxvnni":
		return "avx2"
	}
	return "generic"
}

// expConstants are the constants of Exp, for the assembly, which reads
// expSeries too.
var expConstants = [...]float32{expCutoff, log2e, roundShift, ln2High, ln2Low}
