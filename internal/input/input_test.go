package input

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, info, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if data, err := io.ReadAll(f); string(data) != "text" || err != nil || info.Size() != 4 {
		t.Errorf("%q, %v, %d bytes", data, err, info.Size())
	}
	if _, _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "open ") {
		t.Errorf("no file: %v", err)
	}
	var wrong *fs.PathError
	if _, _, err := Open(dir); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "a folder") {
		t.Errorf("a folder: %v", err)
	}
	if _, _, err := Open(os.DevNull); err == nil {
		t.Error("a device is opened")
	}
}

func TestMark(t *testing.T) {
	const mark = "\ufeff"
	for text, want := range map[string]string{
		"": "", "a": "a", "2+2=": "2+2=", mark: "", mark + "2+2=": "2+2=", mark + mark: mark,
		"\xef": "\xef", "\xef\xbb": "\xef\xbb", "\xef\xbba": "\xef\xbba", "a" + mark: "a" + mark,
	} {
		if got := TrimMark([]byte(text)); string(got) != want {
			t.Errorf("TrimMark(%q) is %q", text, got)
		}
		for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			if got, err := io.ReadAll(SkipMark(r)); string(got) != want || err != nil {
				t.Errorf("SkipMark(%q) gives %q, %v", text, got, err)
			}
		}
	}
}

// TestSkipMarkDoesNotWait has a reader that would wait for more than one line.
func TestSkipMarkDoesNotWait(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	go w.Write([]byte("a"))
	b := make([]byte, 16)
	if n, err := SkipMark(r).Read(b); string(b[:n]) != "a" || err != nil {
		t.Errorf("%q, %v", b[:n], err)
	}
}

func TestKind(t *testing.T) {
	for start, want := range map[string]string{
		"version https://git-lfs.github.com/spec/v1\noid sha256:42\nsize 1\n": "Git LFS pointer",
		"<!DOCTYPE html>\n<html><head></head></html>":                         "web page",
		"\ufeff\r\n  <HTML>": "web page",
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error>": "web page",
		"PK\x03\x04\x14\x00":   "zip",
		"\x1f\x8b\x08\x00":     "gzip",
		"\x28\xb5\x2f\xfd\x04": "zstd",
		"\xfd7zXZ\x00\x00":     "xz",
		"BZh91AY":              "bzip2",
		"lmgg\x01\x00\x00\x00": "GGML",
		"fmgg\x01\x00\x00\x00": "GGMF",
		"tjgg\x03\x00\x00\x00": "GGJT",
		"algg\x01\x00\x00\x00": "adapter",
		"\x80\x02\x8a\x0a":     "PyTorch",
		"\x48\x02\x00\x00\x00\x00\x00\x00{\"__metadata__\":": "safetensors",
		"{\"error\":\"Repository not found\"}":               "JSON",
		"Entry not found":                                    `text that begins with "Entry not found"`,
		strings.Repeat("\x00", 64):                           "download",
		"\xff\xfe2\x00+\x00":                                 "UTF-16",
		"GGUF\x03\x00\x00\x00":                               "GGUF",
	} {
		if got := Kind([]byte(start)); !strings.Contains(got, want) {
			t.Errorf("%q is %q, want %q in it", start, got, want)
		}
	}
	for _, start := range []string{"", "G", "GGU", "hello", "\x01\x02\x03\x04\x05\x06\x07\x08\x09", "\xef\xbb\xbf"} {
		if got := Kind([]byte(start)); got != "" {
			t.Errorf("%q is %q, want nothing", start, got)
		}
	}
}

func FuzzKind(f *testing.F) {
	f.Add([]byte("version https://git-lfs.github.com/spec/v1\n"))
	f.Add([]byte("\ufeff <HTML>"))
	f.Add([]byte("\x48\x02\x00\x00\x00\x00\x00\x00{"))
	f.Add([]byte("Entry not found"))
	f.Fuzz(func(t *testing.T, start []byte) {
		// It becomes part of an error, which is one line of text.
		if what := Kind(start); !utf8.ValidString(what) || strings.ContainsAny(what, "\n\r\x00\x1b") || len(what) > 400 {
			t.Errorf("%q is %q", start, what)
		}
	})
}
