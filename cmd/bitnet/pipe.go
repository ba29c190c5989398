//go:build !windows && !plan9

package main

import (
	"errors"
	"io"
	"syscall"
)

// closedPipe reports whether err says that nobody reads the output any more.
func closedPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}
