//go:build !linux

package largepages

import "errors"

// Available reports whether the system gives large pages to those who ask.
func Available() bool { return false }

// New reserves memory of a size, which is positive.
func New(size int) (*Memory, error) { return nil, errors.ErrUnsupported }

func (m *Memory) enlarge(data []byte) {}

func (m *Memory) unmap() error { return nil }
