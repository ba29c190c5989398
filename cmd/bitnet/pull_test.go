package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/bitnet/hub"
)

// publisher is a server on this machine in place of Hugging Face. It gives one
// file whatever it is asked for, but for names with "missing" in them.
func publisher(t *testing.T, file string) (s *httptest.Server, env map[string]string) {
	t.Helper()
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "missing") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"one"`)
		http.ServeFile(w, r, file)
	}))
	t.Cleanup(s.Close)
	return s, map[string]string{"HF_ENDPOINT": s.URL, "HF_HOME": t.TempDir(), "BITNET_HOME": filepath.Join(t.TempDir(), "home")}
}

func sumOfFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

func TestPull(t *testing.T) {
	_, env := publisher(t, tiny)
	sum := sumOfFile(t, tiny)
	const name = "hf:someone/tiny/tiny.gguf"
	try := func(status int, says string, args ...string) string {
		t.Helper()
		got, stdout, stderr := bitnetWith(t, env, "", args...)
		if got != status || !strings.Contains(stderr, says) {
			t.Errorf("%q: status %d and %q; want %d and %q", args, got, stderr, status, says)
		}
		return stdout
	}

	// Before it is here.
	for _, args := range [][]string{
		{"run", "--model", name, "--prompt", "a"}, {"chat", "--model", name}, {"tokenize", "--model", name, "a"},
		{"inspect", name}, {"logits", "--model", name, "--tokens", "1", "--out", filepath.Join(t.TempDir(), "x")},
	} {
		try(1, name+" is not on this machine: bitnet pull "+name+" brings it, and so does --pull", args...)
	}
	try(1, "and --offline asks no network", "pull", "--offline", name)
	try(1, name+" is not on this machine", "verify", name)
	try(1, name+" is not on this machine", "rm", name)

	path := filepath.Join(env["BITNET_HOME"], "files", sum)
	if got := try(0, `"synthetic-tiny", bitnet-b1.58, 4 blocks of width 256, context 512. This program runs it.`, "pull", name); got != path+"\n" {
		t.Errorf("printed %q", got)
	}
	if got := sumOfFile(t, path); got != sum {
		t.Errorf("SHA-256 %s", got)
	}
	if got := try(0, "", "pull", "--offline", name); got != path+"\n" {
		t.Errorf("printed %q", got)
	}
	for _, args := range [][]string{
		{"run", "--model", "M", "--prompt", "Hello", "--max-tokens", "4"}, {"tokenize", "--model", "M", "Hello"}, {"chat", "--model", "M"},
	} {
		byName, byPath := append([]string(nil), args...), append([]string(nil), args...)
		byName[2], byPath[2] = name, tiny
		if got, want := try(0, "", byName...), try(0, "", byPath...); got != want {
			t.Errorf("%q: %q, want %q", byName, got, want)
		}
	}
	if got := try(0, "", "inspect", name); !strings.HasPrefix(got, "file       "+name+"\n") {
		t.Errorf("inspect: %.100q", got)
	}
	env["BITNET_MODEL"] = name
	try(0, "ended by", "run", "--prompt", "Hello", "--max-tokens", "4")
	delete(env, "BITNET_MODEL")

	if got := try(0, "whole, as it came", "verify", name); got != sum+"  "+name+"\n" {
		t.Errorf("verify: %q", got)
	}
	if got := try(0, "no model that bitnet models knows", "verify", tiny); got != sum+"  "+tiny+"\n" {
		t.Errorf("verify: %q", got)
	}

	// With --pull what is not here comes.
	other := "hf:someone/other/tiny.gguf"
	try(0, "ended by", "run", "--model", other, "--pull", "--prompt", "Hello", "--max-tokens", "4")
	try(0, "removed "+other+"; its file stays", "rm", other)
	try(0, "", "inspect", "--pull", other)
	try(0, "", "rm", other)
	try(0, "", "tokenize", "--pull", "--model", other, "a")

	// The lists.
	list := try(0, "", "models")
	for _, want := range []string{"2b4t", "1.19 GB", "MIT", name, "yes", "in " + env["BITNET_HOME"]} {
		if !strings.Contains(list, want) {
			t.Errorf("%q is not in %s", want, list)
		}
	}
	var all struct {
		Folder string
		Models []struct {
			Name, SHA256, Path string
			Here               bool
		}
		Unfinished []hub.Part
	}
	if err := json.Unmarshal([]byte(try(0, "", "models", "--json")), &all); err != nil || all.Folder != env["BITNET_HOME"] || all.Unfinished == nil {
		t.Errorf("%+v, %v", all, err)
	}
	here := 0
	for _, m := range all.Models {
		if m.Here {
			here++
			if m.Path != path || m.SHA256 != sum {
				t.Errorf("%+v", m)
			}
		}
	}
	if here != 2 || len(all.Models) != len(hub.Models())+2 {
		t.Errorf("%d of %d models are here", here, len(all.Models))
	}

	// As JSON.
	var done pulled
	if err := json.Unmarshal([]byte(try(0, "", "pull", "--json", name)), &done); err != nil || done != (pulled{"done", name, path, fileSize(t, tiny), sum, true, ""}) {
		t.Errorf("%+v, %v", done, err)
	}
	folder := t.TempDir()
	if got := try(0, "", "pull", name, "--to", folder); got != filepath.Join(folder, "tiny.gguf")+"\n" {
		t.Errorf("printed %q", got)
	}

	// A damaged one.
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	try(1, name+" is damaged: the file has SHA-256", "verify", name)
	try(0, "", "rm", other)
	try(0, "removed "+name+": 3 MB are free", "rm", name)
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is still there")
	}

	// What goes wrong.
	try(1, "answered 404 Not Found: there is no such file", "pull", "hf:someone/missing/x.gguf")
	try(1, "the file has size "+fmt.Sprint(fileSize(t, tiny))+", not 1187801280 as the table of models says", "pull", "2b4t")
	try(1, "SHA-256 "+sum+", not "+strings.Repeat("0", 64), "pull", name+"#sha256="+strings.Repeat("0", 64))
	try(1, "use an https address, or bitnet pull --insecure", "pull", "http://192.0.2.1/x")
	try(2, "neither the name of a model", "pull", "2b5t")
	try(2, "0 names", "pull")
	try(2, "2 names", "pull", "a", "b")
	try(2, "--to is given, but empty", "pull", "2b4t", "--to=")
	try(2, "2 names", "verify", "a", "b")
	try(1, "no such file, and no model of that name", "verify", "nosuch")
	try(2, "0 names", "rm")
	try(2, "unexpected argument", "models", "x")
	try(2, "64 hexadecimal digits", "run", "--model", name+"#sha256=1", "--prompt", "a")
	try(1, "nosuch: there is no such file, and no model of that name: bitnet models lists them", "run", "--model", "nosuch", "--prompt", "a")
	env["HF_ENDPOINT"] = "nonsense"
	try(1, `the endpoint "nonsense" is no address`, "pull", "2b4t")
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestPullUnusable: what this program cannot run is said after it came.
func TestPullUnusable(t *testing.T) {
	for file, says := range map[string]string{
		filepath.Join("..", "..", "go.mod"): "", // no GGUF, and called none
	} {
		_, env := publisher(t, file)
		status, stdout, stderr := bitnetWith(t, env, "", "pull", "--json", "hf:a/b/text")
		if status != 0 || !strings.Contains(stdout, `"runs":false,"reason":"it is no GGUF file"`) || stderr != says {
			t.Errorf("status %d, %s, %s", status, stdout, stderr)
		}
	}
	data, err := os.ReadFile(tiny)
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(t.TempDir(), "foreign.gguf")
	// The key's length stands before it, and the value's before that.
	data = bytes.Replace(data, []byte("bitnet-b1.58"), []byte("foreign-1.58"), 1)
	if err := os.WriteFile(foreign, data, 0o666); err != nil {
		t.Fatal(err)
	}
	_, env := publisher(t, foreign)
	status, _, stderr := bitnetWith(t, env, "", "pull", "hf:a/b/foreign.gguf")
	if status != 0 || !strings.Contains(stderr, `foreign-1.58. This program cannot run it: `) {
		t.Errorf("status %d, %s", status, stderr)
	}
}

func TestAsk(t *testing.T) {
	r, err := hub.Parse("2b4t")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"y\n": true, "YES\nmore": true, "n\n": false, "\n": false, "": false, "yellow\n": false} {
		var errs bytes.Buffer
		in := strings.NewReader(text)
		c := &call{stdin: in, stderr: &errs}
		if got := c.ask(r); got != want || errs.String() != "2b4t is not on this machine. Download it, 1.19 GB? [y/N] " {
			t.Errorf("%q: %v, asked %q", text, got, errs.String())
		}
		if _, after, _ := strings.Cut(text, "\n"); in.Len() != len(after) {
			t.Errorf("%q: %d bytes are left", text, in.Len())
		}
	}
}

func TestPaced(t *testing.T) {
	var told []hub.Progress
	p := paced{every: 30 * time.Millisecond, tell: func(p hub.Progress, rate float64) {
		told = append(told, p)
		if rate <= 0 || rate > 1e9 {
			t.Errorf("%v bytes a second", rate)
		}
	}}
	start := time.Now()
	calls := int64(0)
	for ; len(told) < 3; calls++ {
		p.show(hub.Progress{Bytes: 1000 * calls, Total: -1})
		time.Sleep(time.Millisecond)
	}
	p.end()
	if took := time.Since(start); took < 90*time.Millisecond || told[0].Bytes == 0 {
		t.Errorf("told %v in %v", told, took)
	}
}

// TestPullLines: progress in a pipe, and where it is not wanted.
func TestPullLines(t *testing.T) {
	var errs bytes.Buffer
	c := &call{stderr: &errs, stdout: io.Discard, settings: settings{log: logInfo}}
	p := c.newBar("x\x1b[31m").(*paced)
	p.tell(hub.Progress{Bytes: 250e6, Total: 1e9}, 50e6)
	p.tell(hub.Progress{Bytes: 250e6, Total: -1}, 50e6)
	p.tell(hub.Progress{Bytes: 0, Total: 1e9}, 0)
	if want := `x\x1b[31m: 250 MB of 1.00 GB (25%), 50 MB/s, 15s left` + "\n" + `x\x1b[31m: 250 MB, 50 MB/s` + "\n"; errs.String() != want {
		t.Errorf("told %q", errs.String())
	}
	c.settings.log = logWarn
	if c.newBar("x") != nil {
		t.Error("progress is told where only trouble is wanted")
	}
}
