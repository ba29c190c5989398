//go:build !linux

package gguf

func preferLargePages([]byte) {}
