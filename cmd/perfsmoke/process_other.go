//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly

package main

import (
	"os"
	"os/exec"

	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

func ownGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }

func wasKilled(*os.ProcessState) bool { return false }

// addKernelUsage adds nothing: this system does not say more than the times.
func addKernelUsage(*receipt.Usage, *os.ProcessState) {}

// surviveClosedPipes does nothing: this system has no signal for them.
func surviveClosedPipes() {}
