//go:build !purego

package quant

import "github.com/gobitnet/gobitnet/internal/instructions"

// processorKernels returns what this processor can run, fastest first.
func processorKernels() (kernels []*Kernels) {
	for _, k := range []*Kernels{&dotprod, &neon} {
		if instructions.Available(k.name) {
			kernels = append(kernels, k)
		}
	}
	return kernels
}
