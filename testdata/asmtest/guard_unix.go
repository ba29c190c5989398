//go:build linux || darwin

package asmtest

import (
	"syscall"
	"unsafe"
)

// Place copies a slice of numbers to the edge of its memory.
func Place[T any](p Placer, s []T) []T {
	p.t.Helper()
	page := syscall.Getpagesize()
	var element T
	size := len(s) * int(unsafe.Sizeof(element))
	inner := max((size+page-1)/page, 1) * page
	memory, err := syscall.Mmap(-1, 0, inner+2*page, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := syscall.Munmap(memory); err != nil {
			p.t.Error(err)
		}
	})
	accessible := memory[page : page+inner]
	if err := syscall.Mprotect(accessible, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
		p.t.Fatal(err)
	}
	first := 0
	if p.atEnd {
		first = inner - size
	}
	placed := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(accessible[first:]))), len(s))
	copy(placed, s)
	return placed
}
