//go:build !linux && !purego

package quant

// requestTiles reports that tile registers are not used on this system.
func requestTiles() bool { return false }
