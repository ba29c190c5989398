//go:build !purego

package kernel

import (
	"runtime"

	"github.com/klauspost/cpuid/v2"
	"golang.org/x/sys/cpu"
)

// processorSets returns what this processor can run, fastest first: all have
// NEON, and those that have dot products are found as in package quant.
func processorSets() (sets []*Set) {
	if runtime.GOOS == "darwin" || cpuid.CPU.Supports(cpuid.ASIMDDP) || cpu.ARM64.HasASIMDDP {
		sets = append(sets, &dotprod)
	}
	return append(sets, &neon)
}

// companion names the set that needs nothing beyond what the integer kernels
// of that name need.
func companion(quantKernels string) string {
	switch quantKernels {
	case "dotprod", "neon":
		return quantKernels
	}
	return "generic"
}
