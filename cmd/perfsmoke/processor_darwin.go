package main

import "golang.org/x/sys/unix"

func lastCache() int64 {
	largest := uint64(0)
	for _, name := range []string{"hw.l3cachesize", "hw.l2cachesize", "hw.perflevel0.l2cachesize"} {
		if n, err := unix.SysctlUint64(name); err == nil && n < 1<<40 {
			largest = max(largest, n)
		}
	}
	return int64(largest)
}

func systemProcessorName() string {
	name, err := unix.Sysctl("machdep.cpu.brand_string")
	if err != nil {
		return ""
	}
	return name
}

// availableMemory returns a half of all memory: what of it is in use is mostly
// there for the asking.
func availableMemory() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil || n > 1<<50 {
		return 0
	}
	return int64(n / 2)
}
