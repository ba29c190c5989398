//go:build linux || darwin

package output

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

// A new file has the permissions that the mask leaves; one that was there keeps
// its own.
func TestPermissions(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o027))
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := Write(File{path, []byte("1")}); err != nil || mode(t, path) != 0o640 {
		t.Errorf("%v, %v", mode(t, path), err)
	}
	for _, want := range []fs.FileMode{0o600, 0o666, 0o444} {
		if err := os.Chmod(path, want); err != nil {
			t.Fatal(err)
		}
		if err := Write(File{path, []byte("2")}); err != nil || mode(t, path) != want {
			t.Errorf("%v instead of %v, %v", mode(t, path), want, err)
		}
	}
}

func TestSymbolicLinks(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "there", "file")
	if err := os.Mkdir(filepath.Dir(target), 0o700); err != nil {
		t.Fatal(err)
	}
	link := func(name, to string) string {
		path := filepath.Join(dir, name)
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	relative := link("relative", "there/file") // to nothing yet
	through := link("through", relative)
	for n, path := range []string{through, relative, through} {
		text := string(rune('a' + n))
		if err := Check(path, 10); err != nil {
			t.Error(err)
		}
		if err := Write(File{path, []byte(text)}); err != nil || read(t, target) != text {
			t.Errorf("%s: %v", path, err)
		}
		if mode(t, path)&fs.ModeSymlink == 0 || mode(t, target)&fs.ModeSymlink != 0 {
			t.Errorf("%s: is %v, its target %v", path, mode(t, path), mode(t, target))
		}
	}
	wantFiles(t, filepath.Dir(target), 1)
	wantFiles(t, dir, 3)
	round := link("round", filepath.Join(dir, "round"))
	if err := Write(File{round, nil}); err == nil {
		t.Error("a link to itself is written to")
	}
}

// A pipe is written to, and stays one; without a reader nobody waits.
func TestPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	for _, f := range []func() error{func() error { return Check(pipe, 10) }, func() error { return CheckAppend(pipe, 10) }} {
		if err := f(); err != nil {
			t.Error(err)
		}
	}
	if err := Write(File{pipe, []byte("x")}); err == nil {
		t.Error("without a reader")
	}
	got := make(chan string)
	go func() {
		f, err := os.Open(pipe)
		if err != nil {
			t.Error(err)
		}
		data, _ := io.ReadAll(f)
		got <- string(data)
	}()
	// As soon as the reader is there. To ask is no end of the file to it.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if err := Check(pipe, 10); err != nil {
			t.Fatal(err)
		}
		if err := Write(File{pipe, []byte("text")}); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if text := <-got; text != "text" || mode(t, pipe)&fs.ModeNamedPipe == 0 {
		t.Errorf("%q, %v", text, mode(t, pipe))
	}
}

// A device is written to, and stays one, also for who may replace it.
func TestDevice(t *testing.T) {
	dir := t.TempDir()
	for name, number := range map[string]int{"null": 1<<8 | 3, "full": 1<<8 | 7} {
		path := filepath.Join(dir, name)
		if runtime.GOOS != "linux" || syscall.Mknod(path, syscall.S_IFCHR|0o666, number) != nil {
			path = "/dev/" + name // which only the root could replace
			if os.Getuid() == 0 {
				t.Skip("no device to try with")
			}
		}
		before := mode(t, path)
		if before&fs.ModeCharDevice == 0 {
			t.Skipf("%s is no device: %v", path, before)
		}
		if err := Check(path, 10); errors.Is(err, fs.ErrPermission) {
			t.Skip(err) // devices mean nothing in this folder
		}
		err := Write(File{path, []byte("text")})
		if want := map[string]error{"full": syscall.ENOSPC}[name]; !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if after := mode(t, path); after != before {
			t.Errorf("%s: is %v, was %v", name, after, before)
		}
	}
}

// No signal ends the process between a temporary file and its end.
func TestSignals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, s := range endingSignals {
		r := holdSignals()
		if err := syscall.Kill(syscall.Getpid(), s.(syscall.Signal)); err != nil {
			t.Fatal(err)
		}
		if err := Write(File{path, []byte(s.String())}); err != nil || read(t, path) != s.String() {
			t.Error(err)
		}
		time.Sleep(5 * time.Millisecond) // for the signal to come
		r()
		wantFiles(t, filepath.Dir(path), 1)
	}
}
