//go:build linux

// Command init is the only program of the emulated machine: it runs the command
// line in /command, one argument a line after the directory to run it in, says
// how it ended, and switches the machine off.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

func main() {
	status, err := run()
	if err != nil {
		fmt.Println("init:", err)
	}
	fmt.Printf("exit status %d\n", status)
	time.Sleep(time.Second) // until the serial port has sent all
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() (status int, err error) {
	for _, mount := range [][2]string{{"proc", "/proc"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}} {
		if err := syscall.Mount(mount[0], mount[1], mount[0], 0, ""); err != nil {
			return 125, fmt.Errorf("mounting %s: %w", mount[1], err)
		}
	}
	text, err := os.ReadFile("/command")
	if err != nil {
		return 125, err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	command := exec.Command(lines[1], lines[2:]...)
	command.Dir = lines[0]
	// Go's garbage collector has AVX-512 code, which does not survive Bochs.
	command.Env = []string{"PATH=/", "HOME=/tmp", "GODEBUG=cpu.avx512vl=off"}
	command.Stdout, command.Stderr = os.Stdout, os.Stdout
	err = command.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), err
	}
	if err != nil {
		return 125, err
	}
	return 0, nil
}
