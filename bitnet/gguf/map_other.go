//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package gguf

import (
	"io"
	"os"
)

// A mapping is what was read of a file.
type mapping struct{ data []byte }

// mapFile reads the file, for want of mappings, and closes it.
func mapFile(file *os.File, size int) (*mapping, error) {
	defer file.Close()
	m := &mapping{make([]byte, size)}
	if _, err := io.ReadFull(file, m.data); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *mapping) unmap() error { return nil }

func (m *mapping) changed() string { return "" }
