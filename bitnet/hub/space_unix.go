//go:build darwin || dragonfly || freebsd || linux

package hub

import (
	"errors"

	"golang.org/x/sys/unix"
)

// freeSpace returns how many bytes a user may still write in a folder.
func freeSpace(folder string) (int64, bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}

// diskFull reports whether writing failed for want of space.
func diskFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
