//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startServe starts the program and waits until it serves.
func startServe(t *testing.T, program string, prepare func(*exec.Cmd), args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	command := exec.Command(program, append([]string{"serve", "--log-format", "json"}, args...)...)
	if prepare != nil {
		prepare(command)
	}
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill() })
	var log bytes.Buffer
	lines := bufio.NewReader(stderr)
	for !strings.Contains(log.String(), `"serving"`) {
		line, err := lines.ReadString('\n')
		log.WriteString(line)
		if err != nil {
			t.Fatalf("%v after %s", err, log.String())
		}
	}
	go io.Copy(io.Discard, lines)
	return command, &log
}

// TestServe runs the program: on a socket in the file system, with keys and metrics
// apart, and ends it in each way.
func TestServe(t *testing.T) {
	dir, err := os.MkdirTemp("", "b") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	program, socket, keys := filepath.Join(dir, "bitnet"), filepath.Join(dir, "s"), filepath.Join(dir, "keys")
	if output, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	if err := os.WriteFile(keys, []byte("# whose\nfirst\n  second \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	metrics := freeAddress(t)
	client := overSocket(socket)
	command, _ := startServe(t, program, nil, "--addr", "unix:"+socket, "--api-key-file", keys, "--metrics-addr", metrics, "--model", "t/tiny="+tiny, "--model", "sums="+filepath.Join("..", "..", "bitnet", "arithmetic", "arithmetic.gguf"), "--drain-delay", "0.5s")
	if status := getJSON(t, client, "http://x/v1/models", nil); status != http.StatusUnauthorized {
		t.Errorf("without a key: %d", status)
	}
	for _, key := range []string{"first", "second"} {
		r, _ := http.NewRequest("GET", "http://x/v1/models/t/tiny", nil)
		r.Header.Set("Authorization", "Bearer "+key)
		if response, err := client.Do(r); err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("with %s: %v %v", key, response, err)
		}
	}
	if response, err := http.Get("http://" + metrics + "/metrics"); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("metrics: %v %v", response, err)
	} else if text, _ := io.ReadAll(response.Body); !strings.Contains(string(text), "\ngo_goroutines ") || !strings.Contains(string(text), "\nbitnet_requests_running 0") {
		t.Errorf("metrics: %s", text)
	}
	// SIGTERM: at first not ready, but still there; then gone with status 0.
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); getJSON(t, client, "http://x/readyz", nil) != http.StatusServiceUnavailable; {
		if time.Now().After(end) {
			t.Fatal("it stays ready")
		}
	}
	if err := command.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if _, err := os.Lstat(socket); err == nil {
		t.Error("the socket is left")
	}

	// A second signal does not wait.
	command, _ = startServe(t, program, nil, "--addr", "unix:"+socket, "--drain-delay", "10m")
	start := time.Now()
	command.Process.Signal(os.Interrupt)
	for end := time.Now().Add(5 * time.Second); getJSON(t, client, "http://x/readyz", nil) != http.StatusServiceUnavailable; {
		if time.Now().After(end) {
			t.Fatal("it stays ready")
		}
	}
	command.Process.Signal(syscall.SIGTERM)
	if err := command.Wait(); err != nil || time.Since(start) > 20*time.Second {
		t.Errorf("it ended with %v after %v", err, time.Since(start))
	}

	// A socket that systemd hands over, and word to it.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "n"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	word := func() string {
		t.Helper()
		buffer := make([]byte, 100)
		notify.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := notify.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		return string(buffer[:n])
	}
	command, _ = startServe(t, "/bin/sh", func(c *exec.Cmd) {
		// The variable must name the process, which only itself knows.
		c.Args = append([]string{"/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`, program}, c.Args[1:]...)
		c.ExtraFiles = []*os.File{file}
		c.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "n"))
	}, "--drain-delay", "0")
	if got := word(); got != "READY=1" {
		t.Errorf("systemd is told %q", got)
	}
	if status := getJSON(t, http.DefaultClient, fmt.Sprintf("http://%s/health", listener.Addr()), nil); status >= 500 && status != http.StatusServiceUnavailable {
		t.Errorf("at systemd's socket: %d", status)
	}
	http.DefaultClient.CloseIdleConnections()
	command.Process.Signal(syscall.SIGTERM)
	if got := word(); got != "STOPPING=1" {
		t.Errorf("systemd is told %q", got)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
