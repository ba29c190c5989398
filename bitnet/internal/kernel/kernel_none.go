//go:build purego || (!amd64 && !arm64)

package kernel

func processorSets() []*Set { return nil }

func companion(string) string { return "generic" }
