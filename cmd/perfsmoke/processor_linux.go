package main

import "os"

func lastCache() int64 { return sysfsLastCache("/sys/devices/system/cpu/cpu0/cache") }

// systemProcessorName returns nothing: where cpuid knows no name, the files of
// the system know none either.
func systemProcessorName() string { return "" }

func availableMemory() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	return memAvailable(string(text))
}
