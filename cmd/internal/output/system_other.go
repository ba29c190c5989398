//go:build !unix

package output

import (
	"os"
	"syscall"
)

// endingSignals are those that end a process that does not ask for them, and that
// it can ask for.
var endingSignals = []os.Signal{os.Interrupt, syscall.SIGTERM}

func heeded() []os.Signal { return endingSignals }

// openThrough opens what is no regular file.
func openThrough(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
}

// OpenAppend opens a file to be added to, which it makes where there is none.
func OpenAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
}

func isInvalid(error) bool { return false }
