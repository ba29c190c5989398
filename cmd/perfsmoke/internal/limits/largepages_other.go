//go:build !linux

package limits

func preferLargePages([]uint64) {}
