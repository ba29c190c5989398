//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package gguf

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A mapping is a file in memory. The file stays open to be asked what has become
// of it.
type mapping struct {
	data     []byte
	file     *os.File
	fd       int
	modified unix.Timespec
}

// mapFile maps a file, which belongs to the mapping from then on.
func mapFile(file *os.File, size int) (*mapping, error) {
	m := &mapping{file: file, fd: int(file.Fd())}
	var err error
	if m.data, err = unix.Mmap(m.fd, 0, size, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		file.Close()
		return nil, fmt.Errorf("map the file: %w", err)
	}
	var now unix.Stat_t
	if err := unix.Fstat(m.fd, &now); err != nil {
		m.unmap()
		return nil, os.NewSyscallError("fstat", err)
	}
	m.modified = now.Mtim
	preferLargePages(m.data)
	return m, nil
}

func (m *mapping) unmap() error {
	err := unix.Munmap(m.data)
	if e := m.file.Close(); err == nil {
		err = e
	}
	return err
}

// changed says what has become of the file, nothing where it is as it was.
func (m *mapping) changed() string {
	var now unix.Stat_t
	if err := unix.Fstat(m.fd, &now); err != nil {
		return fmt.Sprintf("its size cannot be asked for: %v", err)
	}
	switch {
	case now.Size < int64(len(m.data)):
		return fmt.Sprintf("%d of its %d bytes are left", now.Size, len(m.data))
	case now.Mtim != m.modified:
		return "it has been written to"
	}
	return ""
}
