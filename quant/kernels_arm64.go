//go:build !purego

package quant

// processorKernels returns what this processor can run, fastest first.
func processorKernels() []*Kernels { return nil }
