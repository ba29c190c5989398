package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

// A lateWriter sees to it that files are there before anything is written to it.
type lateWriter struct {
	t     *testing.T
	files []string
	bytes.Buffer
}

func (w *lateWriter) Write(p []byte) (int, error) {
	for _, path := range w.files {
		if _, err := os.Stat(path); err != nil {
			w.t.Errorf("%q is printed before: %v", p, err)
		}
	}
	return w.Buffer.Write(p)
}

func TestFilesComeFirst(t *testing.T) {
	for _, actions := range []string{"", "true"} {
		dir := t.TempDir()
		files := []string{filepath.Join(dir, "receipt.json"), filepath.Join(dir, "history.jsonl")}
		c := modelConsole(map[string]string{"GITHUB_ACTIONS": actions})
		out := &lateWriter{t: t, files: files}
		c.stdout, c.stderr = out, &bytes.Buffer{}
		if status := dispatch(c, []string{"--synthetic", "tiny", "--receipt", files[0], "--history", files[1]}); status != exitOK || out.Len() == 0 {
			t.Errorf("status %d, output %q", status, out)
		}
	}
}

// A file that cannot be written is told of before the run, which goes on.
func TestUnwritableFiles(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing", "file")
	good := filepath.Join(dir, "good")
	for _, test := range [][]string{
		{"--receipt", missing, "--history", good},
		{"--receipt", good, "--history", missing},
		{"--receipt", dir},
	} {
		status, out, stderr := run(t, modelConsole(nil), append(test, "--synthetic", "tiny")...)
		warning, running := strings.Index(stderr, "warning: "+test[0]+": "), strings.Index(stderr, "running")
		if slices.Contains(test, missing) && test[0] != "--receipt" {
			warning = strings.Index(stderr, "warning: --history: ")
		}
		if status != exitOK || warning < 0 && test[1] != good || warning > running || !strings.Contains(out, "decoding") {
			t.Errorf("%q: status %d, output %q, errors %q", test, status, out, stderr)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

// processOf returns a process of this program.
func processOf(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], append([]string{asItself}, args...)...)
	cmd.Env = append(os.Environ(), "PERFSMOKE_TEST_CACHE="+testCache)
	return cmd
}

// A reader that has gone changes nothing.
func TestClosedPipe(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a closed pipe is another thing there")
	}
	tinyModel(t)
	dir := t.TempDir()
	path, history := filepath.Join(dir, "receipt.json"), filepath.Join(dir, "history.jsonl")
	for name, args := range map[string][]string{
		"run":     {"--synthetic", "tiny", "--receipt", path, "--history", history},
		"compare": {"compare", positiveExample, positiveExample},
		"comment": {"comment", positiveExample},
		"verify":  {"verify", positiveExample},
		"plot":    {"plot", writeHistory(t, madeHistory(20, 1))},
	} {
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		reader.Close()
		cmd := processOf(args...)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = writer, &stderr
		err = cmd.Run()
		writer.Close()
		if err != nil || strings.Contains(stderr.String(), "broken pipe") {
			t.Errorf("%s: %v, errors %q", name, err, &stderr)
		}
	}
	r, err := receipt.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	wantGood(t, r)
	if runs, _, err := readHistory(history); err != nil || len(runs) != 1 {
		t.Errorf("%v, %v", runs, err)
	}
}

// Whatever signal ends a run that is making a model, no part of the model is left,
// and the receipt says that the run was interrupted.
func TestSignalsLeaveNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals")
	}
	for _, s := range []os.Signal{syscall.Signal(1), os.Interrupt, syscall.Signal(3), syscall.Signal(6), syscall.SIGTERM} {
		cache, dir := t.TempDir(), t.TempDir()
		path := filepath.Join(dir, "receipt.json")
		cmd := processOf("--synthetic", "2b4t", "--receipt", path)
		cmd.Env = append(os.Environ(), "PERFSMOKE_TEST_CACHE="+cache)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			if files, _ := os.ReadDir(cache); len(files) > 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("no model is being made")
			}
		}
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitFailed {
			t.Errorf("%v: %v", s, err)
		}
		for folder, want := range map[string]int{cache: 0, dir: 1} {
			if files, _ := os.ReadDir(folder); len(files) != want {
				t.Errorf("%v: left behind: %v", s, files)
			}
		}
		if r, err := receipt.Read(path); err != nil || r.Failure == nil || r.Failure.Kind != receipt.FailureInterrupted {
			t.Errorf("%v: %v, %v", s, r, err)
		}
	}
}
