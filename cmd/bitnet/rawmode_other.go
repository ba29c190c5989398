//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package main

import (
	"errors"
	"os"
)

// rawMode cannot do here what it does elsewhere: lines are read as the system
// hands them over.
func rawMode(_, _ *os.File) (restore func(), err error) { return nil, errors.ErrUnsupported }
