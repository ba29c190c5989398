//go:build unix

package output

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// endingSignals are those that end a process that does not ask for them, and that
// it can ask for.
var endingSignals = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGSYS, syscall.SIGTERM,
}

// heeded returns those of endingSignals that whoever started the process has not
// turned off, as nohup does.
func heeded() []os.Signal {
	var signals []os.Signal
	for _, s := range endingSignals {
		if !signal.Ignored(s) {
			signals = append(signals, s)
		}
	}
	return signals
}

// openThrough opens what is no regular file, without waiting for a reader of a
// pipe that has none.
func openThrough(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
}

// OpenAppend opens a file to be added to, which it makes where there is none.
func OpenAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o666)
}

func isInvalid(err error) bool { return errors.Is(err, syscall.EINVAL) }
