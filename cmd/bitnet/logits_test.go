package main

import (
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLogits(t *testing.T) {
	for _, test := range []struct {
		model, cache string
		cosine       float64
	}{
		{"tiny", "float32", 0.9999},
		{"tiny", "float16", 0.998},
		{"micro-untied", "float32", 0.9999},
		{"micro-untied", "float16", 0.998},
	} {
		dir := filepath.Join("..", "..", "testdata", "reference", test.model)
		ids, err := os.ReadFile(filepath.Join(dir, "ids.txt"))
		if err != nil {
			t.Fatal(err)
		}
		list := strings.Fields(string(ids))
		exact := readFloats(t, filepath.Join(dir, "exact.f32"))
		out := filepath.Join(t.TempDir(), "logits.f32")
		stdout, stderr := succeed(t, "logits", "--model", filepath.Join(dir, "model.gguf"), "--tokens", strings.Join(list, ","), "--out", out, "--kv-cache", test.cache)
		if stdout != "" || stderr != "" {
			t.Errorf("printed %q and said %q", stdout, stderr)
		}
		got := readFloats(t, out)
		if len(got) != len(exact) {
			t.Fatalf("%s: %d values, want %d", test.model, len(got), len(exact))
		}
		width := len(exact) / len(list)
		for i := range list {
			if c := cosine(got[i*width:(i+1)*width], exact[i*width:(i+1)*width]); !(c >= test.cosine) {
				t.Errorf("%s with a %s cache: cosine %v at position %d", test.model, test.cache, c, i)
			}
		}
		if files, err := os.ReadDir(filepath.Dir(out)); err != nil || len(files) != 1 {
			t.Errorf("%d files are left (%v)", len(files), err)
		}
	}
}

func readFloats(t *testing.T, path string) []float32 {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, len(data)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return x
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i, v := range a {
		ab += float64(v) * float64(b[i])
		aa += float64(v) * float64(v)
		bb += float64(b[i]) * float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}

// The file is replaced when all is there, and otherwise left alone.
func TestLogitsFile(t *testing.T) {
	dir := t.TempDir()
	out, link := filepath.Join(dir, "out"), filepath.Join(dir, "link")
	if err := os.WriteFile(out, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(out, func(w io.Writer) error {
		w.Write(make([]byte, 3<<20))
		return os.ErrDeadlineExceeded
	}); err != os.ErrDeadlineExceeded {
		t.Errorf("error is %v", err)
	}
	if data, err := os.ReadFile(out); err != nil || string(data) != "old" {
		t.Errorf("after an error the file holds %d bytes (%v)", len(data), err)
	}
	if err := os.Symlink("out", link); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	succeed(t, "logits", "--model", tiny, "--tokens", "1 2", "--out", link)
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced (%v)", err)
	}
	if data, err := os.ReadFile(out); err != nil || len(data) != 2*4096*4 {
		t.Errorf("the file holds %d bytes (%v)", len(data), err)
	}
	succeed(t, "logits", "--model", tiny, "--tokens", "1", "--out", os.DevNull)
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s is a regular file now (%v)", os.DevNull, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("%d files are left (%v)", len(files), err)
	}
}
