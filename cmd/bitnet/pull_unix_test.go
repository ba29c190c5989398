//go:build unix

package main

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestPullProcess: Ctrl-C in the middle, the same once more, and a proxy.
func TestPullProcess(t *testing.T) {
	program := filepath.Join(t.TempDir(), "bitnet")
	if output, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	var slow, proxied atomic.Bool
	var ranges atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxied.Store(r.URL.Host == "model.example")
		ranges.Store(r.Header.Get("Range"))
		w.Header().Set("ETag", `"one"`)
		if slow.Load() {
			w = &crawl{w}
		}
		http.ServeFile(w, r, tiny)
	}))
	defer s.Close()
	home := filepath.Join(t.TempDir(), "home")
	start := func(args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
		command := exec.Command(program, args...)
		command.Env = append(os.Environ(), "BITNET_HOME="+home, "HF_HOME="+t.TempDir(), "HF_ENDPOINT="+s.URL, "HTTP_PROXY="+s.URL, "NO_PROXY=")
		var out, errs bytes.Buffer
		command.Stdout, command.Stderr = &out, &errs
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		return command, &out, &errs
	}

	slow.Store(true)
	const name = "hf:a/b/tiny.gguf"
	command, out, errs := start("pull", name)
	for i := 0; ; i++ { // until something is there
		if parts, _ := filepath.Glob(filepath.Join(home, "parts", "*.part")); len(parts) == 1 {
			if info, err := os.Stat(parts[0]); err == nil && info.Size() > 200_000 {
				break
			}
		}
		if i == 2000 {
			t.Fatal("nothing comes")
		}
		time.Sleep(5 * time.Millisecond)
	}
	command.Process.Signal(os.Interrupt)
	var exit *exec.ExitError
	if err := command.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("ended with %v", err)
	}
	if said := errs.String(); !strings.HasPrefix(said, "bitnet pull: interrupted after ") || !strings.HasSuffix(said, " of 3 MB, which are kept: the same command goes on from there\n") || out.Len() > 0 {
		t.Errorf("said %q, printed %q", said, out)
	}
	listed, _, _ := start("models")
	if err := listed.Wait(); err != nil || !strings.Contains(listed.Stdout.(*bytes.Buffer).String(), "unfinished: "+name+", ") {
		t.Errorf("%v, listed %s", err, listed.Stdout)
	}
	slow.Store(false)
	command, out, errs = start("pull", name)
	if err := command.Wait(); err != nil || sumOfFile(t, strings.TrimSpace(out.String())) != sumOfFile(t, tiny) {
		t.Errorf("%v, said %q", err, errs)
	}
	if strings.HasPrefix(ranges.Load().(string), "bytes=0-") {
		t.Errorf("began anew with %v", ranges.Load())
	}

	command, _, errs = start("pull", "--insecure", "http://model.example/x.gguf")
	if err := command.Wait(); err != nil || !proxied.Load() {
		t.Errorf("%v, said %q; by the proxy: %v", err, errs, proxied.Load())
	}
	// A pipe that nobody reads ends it quietly.
	command = exec.Command(program, "models")
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()
	command.Env = append(os.Environ(), "BITNET_HOME="+home)
	command.Stdout = writer
	errs.Reset()
	command.Stderr = errs
	if err := command.Run(); err == nil || errs.Len() > 0 {
		t.Errorf("%v, said %q", err, errs)
	}
	writer.Close()
}

// crawl sends some 2 MB a second.
type crawl struct{ http.ResponseWriter }

func (c *crawl) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		var k int
		k, err = c.ResponseWriter.Write(p[:min(len(p), 16<<10)])
		n, p = n+k, p[k:]
		time.Sleep(8 * time.Millisecond)
	}
	return n, err
}
