//go:build purego || (!amd64 && !arm64)

package threads

func pause() {}
