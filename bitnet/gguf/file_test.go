package gguf

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func writeFile(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpen(t *testing.T) {
	data := fixture()
	f, err := Open(writeFile(t, data))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !bytes.Equal(f.data, data) {
		t.Error("the mapping differs from the file")
	}
	checkParsedFixture(t, f.data, f, 3)
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none.gguf")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: error is %v", err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "regular file") || !strings.Contains(err.Error(), dir) {
		t.Errorf("directory: error is %v", err)
	}
	for name, data := range map[string][]byte{
		"empty": {}, "one byte": {'G'}, "text": []byte("hello"), "cut off": fixture()[:100],
	} {
		path := writeFile(t, data)
		f, err := Open(path)
		var format *FormatError
		if f != nil || !errors.As(err, &format) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestCloseTwice(t *testing.T) {
	f, err := Open(writeFile(t, fixture()))
	if err != nil {
		t.Fatal(err)
	}
	keys, text := f.Keys(), ""
	if text, err = f.Text("general.architecture"); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}()
	}
	wait.Wait()
	// Copies outlive the mapping.
	if keys[0] != "general.architecture" || text != "bitnet-b1.58" {
		t.Errorf("key %q, text %q", keys[0], text)
	}
	if f.Size() != int64(len(fixture())) {
		t.Errorf("size %d", f.Size())
	}
	f.Release(nil) // of a closed file, and of nothing
}

func TestSHA256(t *testing.T) {
	r := header(3, 1, 0).tensor("t", I8, 0, 9<<20).pad(32) // more than is read at once
	r = append(r, bytes.Repeat([]byte{3}, 9<<20)...)
	f, err := Open(writeFile(t, r))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]*File{"mapped": f, "parsed": parsed} {
		if sum, err := f.SHA256(); err != nil || sum != sha256.Sum256(r) {
			t.Errorf("%s: %x, %v; want %x", name, sum, err, sha256.Sum256(r))
		}
	}
	paths := writeParts(t)
	several, err := Open(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	defer several.Close()
	var all []byte
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	if sum, err := several.SHA256(); err != nil || sum != sha256.Sum256(all) {
		t.Errorf("in several files: %x, %v; want %x", sum, err, sha256.Sum256(all))
	}
	// Close while it is read: it is read to the end, or there is an error.
	done := make(chan struct{})
	go func() {
		defer close(done)
		if sum, err := f.SHA256(); err == nil && sum != sha256.Sum256(r) || err != nil && !errors.Is(err, fs.ErrClosed) {
			t.Errorf("while it is closed: %x, %v", sum, err)
		}
	}()
	f.Close()
	<-done
	if sum, err := f.SHA256(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %x, %v", sum, err)
	}
}

// Any number of goroutines may read a file, and release parts of it while
// others read them.
func TestConcurrentUse(t *testing.T) {
	const size = 1 << 20
	r := header(3, 1, 1).key("k", Array).u32(uint32(String)).u64(2).str("a").str("b").tensor("t", I8, 0, size).pad(32)
	r = append(r, bytes.Repeat([]byte{3}, size)...)
	f, err := Open(writeFile(t, r))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var wait sync.WaitGroup
	for range 4 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for range 20 {
				x, _ := f.Tensor("t")
				if n := bytes.Count(x.Data, []byte{3}); n != size {
					t.Errorf("%d of %d bytes", n, size)
				}
				f.Release(x.Data[:size/2])
				v, _ := f.Value("k")
				if v.String() != `["a", "b"]` {
					t.Errorf("value is %v", v)
				}
			}
		}()
	}
	wait.Wait()
}

// Release must not touch memory that is not the file's.
func TestReleaseOfForeignMemory(t *testing.T) {
	f, err := Open(writeFile(t, fixture()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parsed, err := Parse(fixture())
	if err != nil {
		t.Fatal(err)
	}
	foreign := bytes.Repeat([]byte{7}, 1<<20)
	f.Release(foreign)
	parsed.Release(foreign)
	parsed.Release(parsed.Tensors()[0].Data)
	if n := bytes.Count(foreign, []byte{7}); n != len(foreign) {
		t.Errorf("%d of %d bytes are left", n, len(foreign))
	}
}
