//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// rawMode has a terminal hand over each key as it is pressed, and returns how to
// undo that. Two things stay: Ctrl-C is a signal, and a line break begins a line.
// Nothing stops the program or ends it with the terminal in this state.
func rawMode(in, _ *os.File) (restore func(), err error) {
	fd := int(in.Fd())
	state, err := term.MakeRaw(fd)
	if err != nil {
		return nil, err
	}
	signal.Ignore(unix.SIGPIPE) // writing into a closed pipe is an error
	restore = func() {
		term.Restore(fd, state)
		signal.Reset(unix.SIGPIPE)
	}
	mode, err := unix.IoctlGetTermios(fd, getTermios)
	if err == nil {
		mode.Lflag |= unix.ISIG
		mode.Oflag |= unix.OPOST
		mode.Cc[unix.VSUSP], mode.Cc[unix.VQUIT] = noCharacter, noCharacter
		err = unix.IoctlSetTermios(fd, setTermios, mode)
	}
	if err != nil {
		restore()
		return nil, err
	}
	return restore, nil
}
