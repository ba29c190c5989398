package largepages

import (
	"bytes"
	"os"
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
	data := mapping[skip : skip+size : skip+size]
	if err := unix.Madvise(data, unix.MADV_HUGEPAGE); err != nil {
		unix.Munmap(mapping)
		return nil, err
	}
	return &Memory{data: data, mapping: mapping}, nil
}

// populate touches pages, where possible without giving the processor to this
// goroutine for long.
func (m *Memory) populate(data []byte) {
	if unix.Madvise(data, unix.MADV_POPULATE_WRITE) == nil {
		return
	}
	for at := 0; at < len(data); at += 4096 {
		data[at] = 0
	}
}

func (m *Memory) unmap() error { return unix.Munmap(m.mapping) }
