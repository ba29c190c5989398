//go:build !purego

package quant

import "github.com/gobitnet/gobitnet/internal/instructions"

// processorKernels returns what this processor can run, fastest first.
func processorKernels() (kernels []*Kernels) {
	for _, k := range []*Kernels{&amx, &avx512, &avxvnni, &avx2} {
		if instructions.Available(k.name) && (k != &amx || requestTiles()) {
			kernels = append(kernels, k)
		}
	}
	return kernels
}
