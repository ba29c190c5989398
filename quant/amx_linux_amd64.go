//go:build !purego

package quant

import "syscall"

// requestTiles asks for the right to use AMX's tile registers, which Linux
// grants to a whole process once and for all. Version 5.16 was the first to
// know the question.
func requestTiles() bool {
	const (
		archReqXCompPerm  = 0x1023
		xfeatureXTileData = 18
	)
	_, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archReqXCompPerm, xfeatureXTileData, 0)
	return errno == 0
}
