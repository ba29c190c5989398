//go:build !purego

package kernel

// processorSets returns what this processor can run, fastest first.
func processorSets() []*Set { return nil }

// companion names the set that needs nothing beyond what the integer kernels
// of that name need.
func companion(string) string { return "generic" }
