package largepages

import (
	"bytes"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Available reports whether the system gives large pages to those who ask.
func Available() bool {
	setting, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	return err == nil && (bytes.Contains(setting, []byte("[always]")) || bytes.Contains(setting, []byte("[madvise]")))
}

// New reserves memory of a size, which is positive.
func New(size int) (*Memory, error) {
	mapping, err := unix.Mmap(-1, 0, size+pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	skip := -int(uintptr(unsafe.Pointer(&mapping[0]))) & (pageSize - 1)
	return &Memory{data: mapping[skip : skip+size : skip+size], mapping: mapping, ending: make(chan struct{})}, nil
}

// enlarge makes one large page: of the small ones that are there, which Linux 6.1
// was the first to do when asked, or by touching where there are none. Elsewhere
// the system does it when it finds the time. All of it is advice.
func (m *Memory) enlarge(data []byte) {
	unix.Madvise(data, unix.MADV_HUGEPAGE)
	if unix.Madvise(data, unix.MADV_COLLAPSE) == nil || unix.Madvise(data, unix.MADV_POPULATE_WRITE) == nil {
		return
	}
	for at := 0; at < len(data); at += pageSize {
		atomic.AddUint32((*uint32)(unsafe.Pointer(&data[at])), 0) // a write that changes nothing
	}
}

func (m *Memory) unmap() error { return unix.Munmap(m.mapping) }
