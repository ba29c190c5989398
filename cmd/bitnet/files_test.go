package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// changedModel writes the tiny model with further keys.
func changedModel(t *testing.T, path string, set map[string]any) {
	t.Helper()
	f, err := gguf.Open(tiny)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var file bytes.Buffer
	w := gguf.NewWriter(&file)
	for _, key := range f.Keys() {
		value, _ := f.Value(key)
		if err := w.Set(key, value); err != nil {
			t.Fatal(err)
		}
	}
	for key, value := range set {
		if err := w.Set(key, value); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range f.Tensors() {
		if err := w.AddTensor(x.Name, x.Dims, x.Type, func(w io.Writer) error { _, err := w.Write(x.Data); return err }); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFilesThatDoNotDo names what people have in a model's place, and what asks
// for more than can be done, in every command that opens it.
func TestFilesThatDoNotDo(t *testing.T) {
	dir := t.TempDir()
	file := func(name, contents string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(contents), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	part := filepath.Join(dir, "m-00001-of-00002.gguf")
	changedModel(t, part, map[string]any{"split.no": uint16(0), "split.count": uint16(2)})
	for path, want := range map[string]string{
		file("lfs.gguf", "version https://git-lfs.github.com/spec/v1\noid sha256:42\nsize 1187801280\n"): "a Git LFS pointer",
		file("html.gguf", "<!DOCTYPE html>\n<html></html>"):                                              "a web page",
		file("safetensors.gguf", "\x40\x00\x00\x00\x00\x00\x00\x00{\"__metadata__\":{}}"):                "safetensors",
		part: "part 1 of 2: part 2: open ",
		dir:  "a folder, not a regular file",
	} {
		for _, args := range [][]string{
			{"run", "--model", path, "--prompt", "x"}, {"chat", "--model", path}, {"inspect", path},
			{"tokenize", "--tokenizer", path, "x"}, {"logits", "--model", path, "--tokens", "1", "--out", filepath.Join(dir, "out")},
			{"run", "--model", tiny, "--tokenizer", path, "--prompt", "x"},
		} {
			status, stdout, stderr := bitnetWith(t, nil, "", args...)
			if status != 1 || stdout != "" || !strings.Contains(stderr, want) || !strings.Contains(stderr, path) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("%q: status %d, printed %q and said %q; want %q", args, status, stdout, stderr, want)
			}
		}
	}

	asking := filepath.Join(dir, "asking.gguf")
	changedModel(t, asking, map[string]any{"bitnet-b1.58.attention.sliding_window": uint32(4)})
	const reason = "key bitnet-b1.58.attention.sliding_window: is 4: that is attention to a sliding window, which is not supported"
	if status, _, stderr := bitnetWith(t, nil, "", "run", "--model", asking, "--prompt", "x"); status != 1 || !strings.Contains(stderr, reason) {
		t.Errorf("run: status %d, said %q", status, stderr)
	}
	if got, _ := succeed(t, "inspect", asking); !strings.Contains(got, "run        no: "+reason) {
		t.Errorf("inspect says\n%s", got)
	}
}

// TestByteOrderMark has texts as programs under Windows write them.
func TestByteOrderMark(t *testing.T) {
	const mark = "\ufeff"
	for _, args := range [][]string{
		{"run", "--model", tiny, "--max-tokens", "8"}, {"chat", "--model", tiny, "--max-tokens", "8"}, {"tokenize", "--model", tiny},
	} {
		status, want, _ := bitnetWith(t, nil, "Hello there\n", args...)
		if status != 0 || want == "" {
			t.Fatalf("%q: status %d, %q", args, status, want)
		}
		if status, got, stderr := bitnetWith(t, nil, mark+"Hello there\n", args...); status != 0 || got != want {
			t.Errorf("%q with a mark: status %d, %q, %s; want %q", args, status, got, stderr, want)
		}
	}
	if status, _, stderr := bitnetWith(t, nil, mark, "run", "--model", tiny); status != 2 || !strings.Contains(stderr, "standard input is empty") {
		t.Errorf("nothing but a mark: status %d, %s", status, stderr)
	}
}
