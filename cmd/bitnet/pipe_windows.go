package main

import (
	"errors"
	"io"
	"syscall"
)

// closedPipe reports whether err says that nobody reads the output any more.
func closedPipe(err error) bool {
	const errorNoData = syscall.Errno(232) // "the pipe is being closed"
	return errors.Is(err, syscall.ERROR_BROKEN_PIPE) || errors.Is(err, errorNoData) || errors.Is(err, io.ErrClosedPipe)
}
