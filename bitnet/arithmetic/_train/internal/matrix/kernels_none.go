//go:build !amd64 || purego

package matrix

func processorKernels() []*kernels { return nil }
