package gguf

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

func mapFile(file *os.File, size int) (data []byte, unmap func() error, err error) {
	mapping, err := syscall.CreateFileMapping(syscall.Handle(file.Fd()), nil, syscall.PAGE_READONLY, 0, 0, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("map the file: %w", os.NewSyscallError("CreateFileMapping", err))
	}
	defer syscall.CloseHandle(mapping) // the view keeps it alive
	address, err := syscall.MapViewOfFile(mapping, syscall.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, nil, fmt.Errorf("map the file: %w", os.NewSyscallError("MapViewOfFile", err))
	}
	// The address is that of memory outside the Go heap; reading it through a
	// pointer to the variable tells vet that no heap object is meant.
	data = unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), size)
	return data, func() error {
		return os.NewSyscallError("UnmapViewOfFile", syscall.UnmapViewOfFile(address))
	}, nil
}
