//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package main

import (
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// wasKilled reports whether a signal ended the process that no fault of its own
// raises.
func wasKilled(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return false
	}
	switch status.Signal() {
	case syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL, syscall.SIGFPE, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGSYS:
		return false
	}
	return true
}

func addKernelUsage(u *receipt.Usage, state *os.ProcessState) {
	r, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return
	}
	unit := int64(1 << 10)
	if runtime.GOOS == "darwin" {
		unit = 1
	}
	number := func(n int64) *int64 { return &n }
	u.PeakMemoryBytes = number(int64(r.Maxrss) * unit)
	u.MajorPageFaults = number(int64(r.Majflt))
	u.MinorPageFaults = number(int64(r.Minflt))
	u.VoluntaryContextSwitches = number(int64(r.Nvcsw))
	u.InvoluntaryContextSwitches = number(int64(r.Nivcsw))
}

// surviveClosedPipes lets the program go on where nobody reads its output any more:
// writing then gives an error, as it does to any other file.
func surviveClosedPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
