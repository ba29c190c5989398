//go:build !purego

package matrix

import "github.com/klauspost/cpuid/v2"

// processorKernels returns what this processor can run, fastest first.
func processorKernels() (sets []*kernels) {
	if !cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3) {
		return nil
	}
	if cpuid.CPU.Supports(cpuid.AVX512F) {
		sets = append(sets, &avx512)
	}
	return append(sets, &avx2)
}
