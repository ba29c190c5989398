package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

const (
	// maxLine is far more than a line of a child takes.
	maxLine = 8 << 20
	// maxComplaint is how much is kept of what a child says about its end.
	maxComplaint = 4 << 10
	// stragglers is how long the output of a child that has ended may stay
	// open, held by some process that it left behind.
	stragglers = 2 * time.Second
)

// runProcess runs a program, this one where none is named, in a process group of
// its own, which it kills when ctx ends, and hands on each line that it writes. It
// returns what the process used, nil where it did not start, and why it did not
// end well, nil where it did.
func (c *console) runProcess(ctx context.Context, program, args []string, stdin *os.File, line func([]byte)) (*receipt.Usage, *receipt.Failure) {
	if len(program) == 0 {
		path, err := os.Executable()
		if err != nil {
			return nil, &receipt.Failure{Kind: receipt.FailureRun, Message: fmt.Sprintf("this program cannot find itself: %v", err)}
		}
		program = []string{path}
	}
	args = append(append([]string(nil), program[1:]...), args...)
	cmd := exec.CommandContext(ctx, program[0], args...)
	lines, complaint := &lineWriter{line: line}, &headWriter{limit: maxComplaint}
	cmd.Stdout, cmd.Stderr = lines, complaint
	if stdin != nil {
		cmd.Stdin = stdin
	}
	cmd.WaitDelay = stragglers
	ownGroup(cmd)
	cmd.Cancel = func() error { return killGroup(cmd) }

	// To be typed again, under a debugger or /usr/bin/time.
	c.debug("starting %q", cmd.Args)

	start := time.Now()
	if err := cmd.Start(); err != nil {
		if cause := stopped(ctx); cause != nil {
			return nil, cause
		}
		return nil, &receipt.Failure{Kind: receipt.FailureRun, Message: fmt.Sprintf("the process cannot be started: %v", err)}
	}
	err := cmd.Wait()
	wall := time.Since(start)
	if errors.Is(err, exec.ErrWaitDelay) {
		_ = killGroup(cmd) // what it has left behind
	}

	var usage *receipt.Usage
	if state := cmd.ProcessState; state != nil {
		usage = &receipt.Usage{
			WallSeconds:   wall.Seconds(),
			UserSeconds:   state.UserTime().Seconds(),
			SystemSeconds: state.SystemTime().Seconds(),
		}
		usage.ProcessorShare = (usage.UserSeconds + usage.SystemSeconds) / usage.WallSeconds
		addKernelUsage(usage, state)
	}
	if err == nil || errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success() {
		return usage, nil
	}
	if cause := stopped(ctx); cause != nil {
		return usage, cause
	}
	failure := &receipt.Failure{Kind: receipt.FailureCrashed, Message: err.Error()}
	if cmd.ProcessState != nil {
		failure.Message = cmd.ProcessState.String()
		if wasKilled(cmd.ProcessState) {
			failure.Kind = receipt.FailureKilled
			failure.Message += ": another process, or the system for want of memory, ended it"
		}
	}
	if first := complaint.firstLine(); first != "" {
		failure.Message += ": " + first
	}
	return usage, failure
}

// The causes of contexts that end because time is up.
var (
	errTimeout       = errors.New("it took longer than --timeout allows")
	errLimitsTimeout = fmt.Errorf("it took longer than %v", limitsTimeout)
)

// stopped says why ctx has ended, nil where it has not.
func stopped(ctx context.Context) *receipt.Failure {
	if ctx.Err() == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause == errTimeout || cause == errLimitsTimeout {
		return &receipt.Failure{Kind: receipt.FailureTimedOut, Message: cause.Error()}
	}
	return &receipt.Failure{Kind: receipt.FailureInterrupted, Message: "it was interrupted"}
}

// lineWriter hands on whole lines.
type lineWriter struct {
	line    func([]byte)
	pending []byte
	skip    bool // the rest of a line that is too long
}

func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		w.add(p[:i])
		if !w.skip {
			w.line(w.pending)
		}
		w.pending, w.skip = w.pending[:0], false
		p = p[i+1:]
	}
	w.add(p)
	return n, nil
}

func (w *lineWriter) add(p []byte) {
	w.skip = w.skip || len(p) > maxLine-len(w.pending)
	if !w.skip {
		w.pending = append(w.pending, p...)
	}
}

// headWriter keeps the beginning of what is written.
type headWriter struct {
	limit int
	head  []byte
}

func (w *headWriter) Write(p []byte) (int, error) {
	w.head = append(w.head, p[:min(len(p), w.limit-len(w.head))]...)
	return len(p), nil
}

// firstLine returns the first line that says something.
func (w *headWriter) firstLine() string {
	for line := range strings.Lines(string(w.head)) {
		if line = strings.TrimSpace(line); line != "" {
			return strings.ToValidUTF8(line, "\uFFFD")
		}
	}
	return ""
}
