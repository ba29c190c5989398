package gguf

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// A mapping is a file in memory. As long as there is one, Windows lets nobody cut
// the file.
type mapping struct {
	data    []byte
	address uintptr
}

// mapFile maps a file and closes it: the mapping stays.
func mapFile(file *os.File, size int) (*mapping, error) {
	defer file.Close()
	object, err := syscall.CreateFileMapping(syscall.Handle(file.Fd()), nil, syscall.PAGE_READONLY, 0, 0, nil)
	if err != nil {
		return nil, fmt.Errorf("map the file: %w", os.NewSyscallError("CreateFileMapping", err))
	}
	defer syscall.CloseHandle(object) // the view keeps it alive
	address, err := syscall.MapViewOfFile(object, syscall.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, fmt.Errorf("map the file: %w", os.NewSyscallError("MapViewOfFile", err))
	}
	// The address is that of memory outside the Go heap; reading it through a
	// pointer to the variable tells vet that no heap object is meant.
	return &mapping{unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), size), address}, nil
}

func (m *mapping) unmap() error {
	return os.NewSyscallError("UnmapViewOfFile", syscall.UnmapViewOfFile(m.address))
}

func (m *mapping) changed() string { return "" }
