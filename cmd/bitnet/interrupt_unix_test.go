//go:build unix

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet"
)

// TestSignals sends signals to the program itself.
func TestSignals(t *testing.T) {
	program := filepath.Join(t.TempDir(), "bitnet")
	if output, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	whole := expected(t, "Hello", bitnet.GenerateOptions{}).Text
	for _, test := range []struct {
		signal syscall.Signal
		status int
		says   string
	}{
		{syscall.SIGINT, 130, "bitnet run: interrupted after "},
		{syscall.SIGTERM, 143, "bitnet run: terminated after "},
	} {
		// Slow enough to be interrupted before the context is full.
		command := exec.Command(program, "run", "--model", tiny, "--prompt", "Hello", "--max-tokens", "0", "--threads", "1")
		command.Env = append(os.Environ(), "BITNET_CPU=generic")
		var errs bytes.Buffer
		command.Stderr = &errs
		stdout, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 1)
		if _, err := io.ReadFull(stdout, first); err != nil {
			t.Fatal(err)
		}
		if err := command.Process.Signal(test.signal); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(stdout)
		if err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := command.Wait(); !errors.As(err, &exit) || exit.ExitCode() != test.status {
			t.Errorf("%v: ended with %v, want status %d", test.signal, err, test.status)
		}
		text := string(first) + string(rest)
		if !strings.HasPrefix(whole, text) || len(text) == len(whole) {
			t.Errorf("%v: text %q is not the beginning of %q", test.signal, text, whole)
		}
		if said := errs.String(); !strings.HasPrefix(said, test.says) || strings.Count(said, "\n") != 1 {
			t.Errorf("%v: said %q", test.signal, said)
		}
	}

	// Output into a closed pipe ends quietly.
	command := exec.Command(program, "inspect", tiny)
	var errs bytes.Buffer
	command.Stderr = &errs
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()
	command.Stdout = writer
	if err := command.Run(); err == nil || errs.Len() > 0 {
		t.Errorf("into a closed pipe: %v, said %q", err, errs.String())
	}
	writer.Close()
	if err := writeOut(&failingWriter{0, syscall.EPIPE}, "text"); !closedPipe(err) {
		t.Errorf("%v is not seen as a closed pipe", err)
	}
}
