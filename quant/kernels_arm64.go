//go:build !purego

package quant

import (
	"runtime"

	"github.com/klauspost/cpuid/v2"
	"golang.org/x/sys/cpu"
)

// processorKernels returns what this processor can run, fastest first. All
// have NEON. Apple's all have dot products; golang.org/x/sys/cpu knows about
// Windows, where cpuid does not.
func processorKernels() (kernels []*Kernels) {
	if runtime.GOOS == "darwin" || cpuid.CPU.Supports(cpuid.ASIMDDP) || cpu.ARM64.HasASIMDDP {
		kernels = append(kernels, &dotprod)
	}
	return append(kernels, &neon)
}
