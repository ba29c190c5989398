//go:build purego || (!amd64 && !arm64)

package kernel

func processorSets() []*Set { return nil }
