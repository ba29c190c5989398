package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestServeFlags has what bitnet serve refuses before it serves anything.
func TestServeFlags(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(empty, []byte("# none\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args   string
		status int
		says   string
	}{
		{"--addr", 2, "flag needs an argument"},
		{"--addr=", 2, "--addr is given, but empty"},
		{"--parallel 0", 2, "from 1 to 1024"},
		{"--queue -1", 2, "from 0 to"},
		{"--kv-memory 3", 1, "less than the"},
		{"--kv-memory x", 2, "a size as 2GiB"},
		{"--kv-memory -1GiB", 2, "a size as 2GiB"},
		{"--request-timeout x", 2, "a time as 30s"},
		{"--drain-delay -1s", 2, "a time as 30s"},
		{"--metrics-compat sglang", 2, "it must be vllm"},
		{"--log-format xml", 2, "neither text nor json"},
		{"--context 1000000", 1, "context"},
		{"--api-key-file none", 1, "there is no such file"},
		{"--api-key-file " + empty, 1, "holds no key"},
		{"--model none.gguf", 1, "there is no such file"},
		{"--model a=" + tiny + " --model a=" + tiny, 2, "would be called"},
		{"--model =", 2, "NAME="},
		{"--cors-origins example.org", 1, "origins"},
		{"--addr 127.0.0.1:99999", 1, "listening at"},
		{"--addr unix:/none/none", 1, "listening at"},
		{"model", 2, "unexpected argument"},
	} {
		status, _, stderr := bitnetWith(t, map[string]string{"BITNET_LOG": "warn"}, "", append([]string{"serve"}, strings.Fields(test.args)...)...)
		if status != test.status || !strings.Contains(stderr, test.says) {
			t.Errorf("%s: status %d, said %q", test.args, status, stderr)
		}
	}
}

func TestNamedModels(t *testing.T) {
	for text, want := range map[string]namedModel{
		"2b4t":                     {"2b4t", "2b4t"},
		"m.gguf":                   {"m", "m.gguf"},
		"/a/b/m.gguf":              {"m", "/a/b/m.gguf"},
		"org/name=/a/b/m.gguf":     {"org/name", "/a/b/m.gguf"},
		"hf:owner/repo/model.gguf": {"model", "hf:owner/repo/model.gguf"},
		"x=hf:owner/repo/m.gguf":   {"x", "hf:owner/repo/m.gguf"},
	} {
		if got, err := parseNamedModel(text); err != nil || got != want {
			t.Errorf("%s is %+v, want %+v: %v", text, got, want, err)
		}
	}
	for _, text := range []string{"", "=", "=a", "a="} {
		if got, err := parseNamedModel(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "2GiB": 2 << 30, "1.5 MiB": 3 << 19, "800MB": 800e6, "7kB": 7000, "1TB": 1e12, "5B": 5} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%s is %d, want %d: %v", text, got, want, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "x", "1EiB", "1e300", "NaN", "GiB", "1 2MB"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

// TestListenAt has a socket in the file system, also where a dead one lies, and
// leaves other things alone.
func TestListenAt(t *testing.T) {
	dir, err := os.MkdirTemp("", "b") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	first, err := listenAt("unix:" + path)
	if err != nil {
		t.Skip(err)
	}
	if _, err := listenAt("unix:" + path); err == nil {
		t.Error("two servers listen at one socket")
	}
	first.(*net.UnixListener).SetUnlinkOnClose(false)
	first.Close()
	second, err := listenAt("unix:" + path)
	if err != nil {
		t.Fatalf("a dead socket: %v", err)
	}
	second.Close()
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is left")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenAt("unix:" + path); err == nil {
		t.Error("a file was taken for a socket")
	}
}

// overSocket is a client that reaches a server by a socket in the file system.
func overSocket(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
}

func getJSON(t *testing.T, client *http.Client, url string, v any) int {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err == nil && v != nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return response.StatusCode
}
