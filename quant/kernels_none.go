//go:build purego || (!amd64 && !arm64)

package quant

func processorKernels() []*Kernels { return nil }
