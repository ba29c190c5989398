package main

import (
	"errors"
	"io"
)

// closedPipe reports whether err says that nobody reads the output any more.
func closedPipe(err error) bool { return errors.Is(err, io.ErrClosedPipe) }
