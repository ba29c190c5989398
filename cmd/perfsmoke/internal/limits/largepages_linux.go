package limits

import (
	"syscall"
	"unsafe"
)

// preferLargePages asks the system for large pages, with which reading is fastest,
// before the memory is used for the first time.
func preferLargePages(words []uint64) {
	const page = 4096
	if len(words) < 2*page {
		return
	}
	data := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words))
	start := -uintptr(unsafe.Pointer(&data[0])) % page
	syscall.Madvise(data[start:], syscall.MADV_HUGEPAGE)
}
