package gguf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writePart writes a file with the tensors of the given names, each of 64 bytes
// of its name's first letter.
func writePart(t *testing.T, path string, set map[string]any, tensors ...string) {
	t.Helper()
	var file bytes.Buffer
	w := NewWriter(&file)
	for _, key := range []string{"general.name", keyPart, keyParts, keyPartTensors} {
		if value, ok := set[key]; ok {
			if err := w.Set(key, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range tensors {
		err := w.AddTensor(name, []int{64}, I8, func(w io.Writer) error {
			_, err := w.Write(bytes.Repeat([]byte(name[:1]), 64))
			return err
		})
		if err != nil {
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

// writeParts writes a model of five tensors in three files and returns their
// paths.
func writeParts(t *testing.T) (paths []string) {
	prefix := filepath.Join(t.TempDir(), "model")
	for i, tensors := range [][]string{{"a", "b"}, {"c"}, {"d", "e"}} {
		path := fmt.Sprintf("%s-%05d-of-00003.gguf", prefix, i+1)
		set := map[string]any{keyPart: uint16(i), keyParts: uint16(3), keyPartTensors: int32(5)}
		if i == 0 {
			set["general.name"] = "in parts"
		}
		writePart(t, path, set, tensors...)
		paths = append(paths, path)
	}
	return paths
}

func TestParts(t *testing.T) {
	paths := writeParts(t)
	f, err := Open(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := int64(0)
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if !slices.Equal(f.Paths(), paths) || f.Size() != size {
		t.Errorf("paths %v, %d bytes; want %v, %d", f.Paths(), f.Size(), paths, size)
	}
	if name, err := f.Text("general.name"); name != "in parts" || err != nil {
		t.Errorf("name %q, %v", name, err)
	}
	var names []string
	for _, x := range f.Tensors() {
		names = append(names, x.Name)
		found, ok := f.Tensor(x.Name)
		if want := bytes.Repeat([]byte(x.Name), 64); !ok || !bytes.Equal(x.Data, want) || !bytes.Equal(found.Data, want) {
			t.Errorf("tensor %s holds %q, found by name %q", x.Name, x.Data, found.Data)
		}
		f.Release(x.Data) // of whichever file
		if x.Data[0] != x.Name[0] {
			t.Errorf("tensor %s has gone", x.Name)
		}
	}
	if want := []string{"a", "b", "c", "d", "e"}; !slices.Equal(names, want) {
		t.Errorf("tensors %v, want %v", names, want)
	}
	if err := f.Check(); err != nil {
		t.Error(err)
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
}

func TestPartsErrors(t *testing.T) {
	other := func(i int, set map[string]any, tensors ...string) func(paths []string) string {
		return func(paths []string) string {
			all := map[string]any{keyPart: uint16(i), keyParts: uint16(3), keyPartTensors: int32(5)}
			for key, value := range set {
				all[key] = value
			}
			writePart(t, paths[i], all, tensors...)
			return paths[0]
		}
	}
	for name, c := range map[string]struct {
		change func(paths []string) string
		want   string
		is     error
	}{
		"a part is missing":    {func(p []string) string { os.Remove(p[1]); return p[0] }, "part 1 of 3: part 2: ", fs.ErrNotExist},
		"the second one":       {func(p []string) string { return p[1] }, "part 2 of 3 of a model; open the first", ErrFormat},
		"another name":         {func(p []string) string { os.Rename(p[0], p[0]+".gguf"); return p[0] + ".gguf" }, "must end in -00001-of-00003.gguf", ErrFormat},
		"a part twice":         {other(1, map[string]any{keyPart: uint16(2)}, "c"), "00002-of-00003.gguf is part 3 of 3", ErrFormat},
		"of another model":     {other(2, map[string]any{keyParts: uint16(4)}, "d", "e"), "00003-of-00003.gguf is part 3 of 4", ErrFormat},
		"a whole file":         {other(2, map[string]any{keyParts: uint16(0)}, "d", "e"), "00003-of-00003.gguf is part 1 of 1", ErrFormat},
		"a tensor twice":       {other(2, nil, "d", "c"), `tensor "c", which a part before it has`, ErrFormat},
		"a tensor is missing":  {other(2, nil, "d"), "is 5, but the parts have 4", ErrFormat},
		"a number too large":   {other(0, map[string]any{keyPart: uint16(3)}, "a", "b"), "where split.no is 3", ErrFormat},
		"too many parts":       {other(0, map[string]any{keyParts: uint32(1 << 31)}, "a", "b"), "at most 1024", ErrFormat},
		"a wrong type":         {other(0, map[string]any{keyParts: "3"}, "a", "b"), "integer", ErrFormat},
		"a part is cut off":    {func(p []string) string { os.Truncate(p[2], 100); return p[0] }, "00003-of-00003.gguf", ErrFormat},
		"a part is a download": {func(p []string) string { os.WriteFile(p[2], []byte("<html>"), 0o600); return p[0] }, "web page", ErrFormat},
	} {
		path := c.change(writeParts(t))
		f, err := Open(path)
		if f != nil || !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q and the path %s in it", name, err, c.want, path)
		}
	}
	// In memory there are no others.
	data, err := os.ReadFile(writeParts(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(data); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "part 1 of 3") {
		t.Errorf("in memory: %v", err)
	}
}

func TestWrongFiles(t *testing.T) {
	for start, want := range map[string]string{
		"version https://git-lfs.github.com/spec/v1\noid sha256:42\n": "Git LFS pointer",
		"<!DOCTYPE html>":        "web page",
		"PK\x03\x04\x00\x00":     "zip",
		"tjgg\x03\x00\x00\x00":   "GGJT",
		"hello":                  "not a GGUF file",
		"GGUF\x01\x00\x00\x00":   "not supported",
		"GGUF\x00\x00\x00\x03":   "big-endian",
		string(make([]byte, 99)): "download",
	} {
		_, err := Open(writeFile(t, []byte(start)))
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", start, err, want)
		}
	}
}
