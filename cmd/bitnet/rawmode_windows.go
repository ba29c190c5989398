package main

import (
	"os"

	"golang.org/x/sys/windows"
	"golang.org/x/term"
)

// rawMode has a console hand over each key as it is pressed and obey escape
// sequences, and returns how to undo that. Ctrl-C stays a signal.
func rawMode(in, out *os.File) (restore func(), err error) {
	input, output := windows.Handle(in.Fd()), windows.Handle(out.Fd())
	var before, mode uint32
	if err := windows.GetConsoleMode(output, &before); err != nil {
		return nil, err
	}
	if err := windows.SetConsoleMode(output, before|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING); err != nil {
		return nil, err
	}
	state, err := term.MakeRaw(int(input))
	if err != nil {
		windows.SetConsoleMode(output, before)
		return nil, err
	}
	restore = func() {
		term.Restore(int(input), state)
		windows.SetConsoleMode(output, before)
	}
	if err = windows.GetConsoleMode(input, &mode); err == nil {
		err = windows.SetConsoleMode(input, mode|windows.ENABLE_PROCESSED_INPUT)
	}
	if err != nil {
		restore()
		return nil, err
	}
	return restore, nil
}
