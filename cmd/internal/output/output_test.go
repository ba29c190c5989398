package output

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// wantFiles says what a folder holds, hidden files too.
func wantFiles(t *testing.T, folder string, want int) {
	t.Helper()
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != want {
		t.Errorf("%d files, want %d: %v, %v", len(files), want, files, err)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"first", "second, which is longer", ""} {
		if err := Check(path, 100); err != nil {
			t.Error(err)
		}
		if err := Write(File{path, []byte(text)}); err != nil || read(t, path) != text {
			t.Errorf("%q: %v", read(t, path), err)
		}
	}
	wantFiles(t, dir, 1)

	if err := Check(filepath.Join(dir, "new"), 100); err != nil {
		t.Error(err)
	}
	wantFiles(t, dir, 1) // nothing is made by asking

	missing := filepath.Join(dir, "missing", "file")
	for _, err := range []error{Check(missing, 1), Write(File{missing, nil}), CheckAppend(missing, 1)} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a folder that is not there: %v", err)
		}
	}
	for _, err := range []error{Check(dir, 1), Write(File{dir, nil}), CheckAppend(dir, 1)} {
		if err == nil {
			t.Error("a folder can be written")
		}
	}

	// All files or none.
	other := filepath.Join(dir, "other")
	if err := Write(File{other, []byte("x")}, File{missing, []byte("y")}); err == nil {
		t.Error("into a folder that is not there")
	}
	wantFiles(t, dir, 1)
	if err := Write(File{other, []byte("x")}, File{path, []byte("y")}); err != nil || read(t, other)+read(t, path) != "xy" {
		t.Error(err)
	}

	// What breaks off leaves what was there.
	broken := errors.New("broken")
	err := Replace(path, func(w io.Writer) error {
		w.Write(bytes.Repeat([]byte("z"), 1000))
		return broken
	})
	if !errors.Is(err, broken) || read(t, path) != "y" {
		t.Errorf("%v, holds %q", err, read(t, path))
	}
	wantFiles(t, dir, 2)
}

func TestCheckAppend(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := CheckAppend(path, 100); err != nil {
		t.Error(err)
	}
	wantFiles(t, dir, 0)
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckAppend(path, 100); err != nil || read(t, path) != "text" {
		t.Errorf("%q, %v", read(t, path), err)
	}
	wantFiles(t, dir, 1)
}

func TestStream(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	failure := errors.New("no more")
	err := Stream(path, func(w io.Writer) error { w.Write([]byte("half")); return failure })
	if !errors.Is(err, failure) {
		t.Errorf("error %v", err)
	}
	wantFiles(t, dir, 0)
	stream := func(path, text string) {
		t.Helper()
		_, before := os.Stat(path)
		err := Stream(path, func(w io.Writer) error {
			if _, err := os.Stat(path); (err == nil) != (before == nil) {
				t.Error("the file is there before it is complete")
			}
			_, err := io.WriteString(w, text)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	stream(path, "whole")
	if got := read(t, path); got != "whole" {
		t.Errorf("%q", got)
	}
	if os.Symlink("new", link) != nil {
		return // no links here
	}
	stream(link, "through a link to nothing")
	if got := read(t, filepath.Join(dir, "new")); got != "through a link to nothing" {
		t.Errorf("%q", got)
	}
	wantFiles(t, dir, 3)
	stream(os.DevNull, "nobody reads this")
}
