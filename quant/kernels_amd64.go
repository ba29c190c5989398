//go:build !purego

package quant

import "github.com/klauspost/cpuid/v2"

// processorKernels returns what this processor can run, fastest first.
func processorKernels() (kernels []*Kernels) {
	hasAVX2 := cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3, cpuid.F16C)
	if hasAVX2 && cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL, cpuid.AVX512VNNI) {
		if hasAMX() {
			kernels = append(kernels, &amx)
		}
		kernels = append(kernels, &avx512)
	}
	if hasAVX2 && cpuid.CPU.Supports(cpuid.AVXVNNI) {
		kernels = append(kernels, &avxvnni)
	}
	if hasAVX2 {
		kernels = append(kernels, &avx2)
	}
	return kernels
}
