//go:build !linux

package gguf

// Release tells the system that this process will not need the memory of a view
// into the file for a while. It does nothing on this system.
func (f *File) Release(data []byte) {}
