//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package gguf

import (
	"io"
	"os"
)

// mapFile reads the file, for want of mappings.
func mapFile(file *os.File, size int) (data []byte, unmap func() error, err error) {
	data = make([]byte, size)
	if _, err := io.ReadFull(file, data); err != nil {
		return nil, nil, err
	}
	return data, nil, nil
}
