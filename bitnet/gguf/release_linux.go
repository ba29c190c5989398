package gguf

import (
	"os"
	"syscall"
	"unsafe"
)

// Release tells the system that this process will not need the memory of a view
// into the file, such as [Tensor.Data], for a while: its whole pages, and what
// shares a large page with them, no longer count as resident. The view stays
// valid; reading it again takes the pages from the system's file cache, or from
// the disk if they have left it. It does nothing for a File from [Parse], for
// slices that are not part of the file, and on systems other than Linux.
func (f *File) Release(data []byte) {
	if len(data) == 0 {
		return
	}
	if !f.release(data) {
		for _, part := range f.parts {
			if part.release(data) {
				return
			}
		}
	}
}

// release reports whether data is a view into this file, and releases it.
func (f *File) release(data []byte) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.mapping == nil {
		return false
	}
	base := uintptr(unsafe.Pointer(unsafe.SliceData(f.data)))
	first := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	if first < base || first-base > uintptr(len(f.data)) || uintptr(len(data)) > uintptr(len(f.data))-(first-base) {
		return false
	}
	page := uintptr(os.Getpagesize())
	begin := (first - base + page - 1) &^ (page - 1) // the mapping begins at a page
	end := (first - base + uintptr(len(data))) &^ (page - 1)
	if begin < end {
		// Advice: nothing is lost if the system does not take it.
		syscall.Madvise(f.data[begin:end], syscall.MADV_DONTNEED)
	}
	return true
}
