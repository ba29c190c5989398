//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package gguf

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// TestCheck changes files while they are open.
func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(path string) error
		want   string // nothing: it is no change
	}{
		"read":      {func(path string) error { _, err := os.ReadFile(path); return err }, ""},
		"renamed":   {func(path string) error { return os.Rename(path, path+".old") }, ""},
		"removed":   {os.Remove, ""},
		"cut":       {func(path string) error { return os.Truncate(path, 100) }, "100 of its"},
		"emptied":   {func(path string) error { return os.Truncate(path, 0) }, "0 of its"},
		"rewritten": {func(path string) error { return os.WriteFile(path, fixture(), 0o600) }, "written to"},
		"replaced": {func(path string) error {
			if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}, ""},
	} {
		path := writeFile(t, fixture())
		old := time.Now().Add(-time.Hour) // so that a coarse clock sees the change
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Check(); err != nil {
			t.Errorf("%s: before: %v", name, err)
		}
		if err := c.change(path); err != nil {
			t.Fatal(err)
		}
		err = f.Check()
		if c.want == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.want != "" && (!errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path)) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if err := f.Check(); err != nil {
			t.Errorf("%s: after Close: %v", name, err)
		}
	}

	paths := writeParts(t)
	f, err := Open(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n := testing.AllocsPerRun(100, func() { f.Check() }); n != 0 {
		t.Errorf("Check allocates %v times", n)
	}
	if err := os.Truncate(paths[2], 10); err != nil {
		t.Fatal(err)
	}
	if err := f.Check(); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), paths[2]) {
		t.Errorf("a part is cut: %v", err)
	}
	if _, err := f.SHA256(); !errors.Is(err, ErrChanged) {
		t.Errorf("the sum of a part that is cut: %v", err)
	}
	path := writeFile(t, append(fixture(), make([]byte, 1<<20)...))
	if f, err = Open(path); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := f.SHA256(); !errors.Is(err, ErrChanged) {
		t.Errorf("the sum of a file whose end is gone: %v", err)
	}
}

func BenchmarkCheck(b *testing.B) {
	path := b.TempDir() + "/model.gguf"
	if err := os.WriteFile(path, fixture(), 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for b.Loop() {
		if err := f.Check(); err != nil {
			b.Fatal(err)
		}
	}
}
