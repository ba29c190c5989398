package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/hub"
	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

// TestNamedModel runs a model that was pulled, by its name.
func TestNamedModel(t *testing.T) {
	folder, path := t.TempDir(), filepath.Join(t.TempDir(), "receipt.json")
	c := func() *console { return modelConsole(map[string]string{"BITNET_HOME": folder}) }
	name := "file:" + tinyModel(t)
	args := []string{"--model", name, "--max-tokens", "2", "--repeat", "1", "--receipt", path}

	// Before it is here there is nothing to run.
	_, _, stderr := run(t, c(), args...)
	if !strings.Contains(stderr, "model_missing") || !strings.Contains(stderr, "is not on this machine: bitnet pull "+name+" brings it") {
		t.Errorf("errors %q", stderr)
	}

	r, err := hub.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	e, err := (&hub.Store{Folder: folder}).Pull(t.Context(), r, hub.PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := run(t, c(), args...); status != exitOK {
		t.Errorf("status %d, errors %q", status, stderr)
	}
	got, err := receipt.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	wantGood(t, got)
	if got.Model.File != filepath.Base(tinyModel(t)) || got.Model.SHA256 != e.SHA256 || got.Model.Bytes != e.Bytes {
		t.Errorf("model %+v", got.Model)
	}
	if status, out, stderr := run(t, c(), "verify", path, "--replay", "--model", name); status != exitOK || !strings.Contains(out, "confirmed") {
		t.Errorf("status %d, output %q, errors %q", status, out, stderr)
	}

	// A damaged one is not run as what it was.
	data, err := os.ReadFile(e.Path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(e.Path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, _, stderr := run(t, c(), args...); !strings.Contains(stderr, "is damaged") {
		t.Errorf("errors %q", stderr)
	}
}
