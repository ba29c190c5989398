//go:build !linux && !darwin

package main

func lastCache() int64 { return 0 }

func systemProcessorName() string { return "" }

func availableMemory() int64 { return 0 }
