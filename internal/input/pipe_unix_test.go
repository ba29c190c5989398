//go:build unix

package input

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOpenDoesNotWait opens what nobody writes into.
func TestOpenDoesNotWait(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Skip(err)
	}
	defer listener.Close()
	for path, want := range map[string]string{pipe: "a pipe", socket: "a socket"} {
		done := make(chan error, 1)
		go func() {
			_, _, err := Open(path)
			done <- err
		}()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "regular file") || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v", want, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s is waited for", want)
		}
	}
}
