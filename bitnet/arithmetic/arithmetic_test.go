package arithmetic

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet"
)

// TestOpen holds the model in the program against the file that it came from.
func TestOpen(t *testing.T) {
	onDisk, err := os.ReadFile("arithmetic.gguf")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // each reader is a new one
		if inside, err := io.ReadAll(File()); err != nil || !bytes.Equal(inside, onDisk) {
			t.Errorf("%d bytes, the file has %d; error %v", len(inside), len(onDisk), err)
		}
	}
	const limit = 1_000_000
	if len(onDisk) > limit {
		t.Errorf("the file has %d bytes, more than %d", len(onDisk), limit)
	}

	logits := func(m *bitnet.Model, err error) []float32 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		s, err := m.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ids, err := m.Tokenizer().Encode("12+34=")
		if err != nil {
			t.Fatal(err)
		}
		row, err := s.Append(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(row)
	}
	want := logits(bitnet.Open("arithmetic.gguf"))
	for range 2 { // also after one was closed
		if !slices.Equal(logits(Open()), want) {
			t.Error("other logits than those of the file")
		}
	}
	if _, err := Open(bitnet.WithThreads(-1)); !errors.Is(err, bitnet.ErrOption) {
		t.Errorf("a wrong option: %v", err)
	}
}

// TestOnlyWhereImported builds a program that imports bitnet, and one that
// imports this package, and looks for the model in them.
func TestOnlyWhereImported(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no Go on this machine")
	}
	dir := t.TempDir()
	build := func(name, source string) []byte {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".go", []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		build := exec.Command(tool, "build", "-o", path, path+".go")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		program, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return program
	}
	// The same program but for one import.
	program := func(imported, other string) string {
		return `package main

import (
	"github.com/gobitnet/gobitnet/bitnet"
	` + imported + `
)

func main() {
	for _, open := range []func() (*bitnet.Model, error){
		func() (*bitnet.Model, error) { return bitnet.Open("model.gguf") },
		func() (*bitnet.Model, error) { return ` + other + ` },
	} {
		if m, err := open(); err == nil {
			m.Close()
		}
	}
}
`
	}
	without := build("without", program("", "bitnet.OpenBytes(nil)"))
	with := build("with", program(`"github.com/gobitnet/gobitnet/bitnet/arithmetic"`, "arithmetic.Open()"))

	// Pieces of the file that say something: not padding, and not what every
	// GGUF has.
	found := func(program []byte) (n, of int) {
		const piece = 64
		for at := len(file) / 4; at+piece <= len(file); at += len(file) / 20 {
			if part := file[at : at+piece]; len(slices.Compact(slices.Sorted(slices.Values(part)))) > piece/8 {
				of++
				if bytes.Contains(program, part) {
					n++
				}
			}
		}
		return n, of
	}
	if n, of := found(without); n > 0 || of < 5 {
		t.Errorf("the program that imports bitnet alone has %d of %d pieces of the model", n, of)
	}
	if n, of := found(with); n != of {
		t.Errorf("the program that imports arithmetic has %d of %d pieces of the model", n, of)
	}
	// Parts of a program begin at pages, of up to 64 KB: there may be less padding.
	if grown := len(with) - len(without); grown < len(file)-1<<16 || grown > len(file)+1<<18 {
		t.Errorf("importing arithmetic adds %d bytes, the file has %d", grown, len(file))
	}

	list := exec.Command(tool, "list", "-deps", "github.com/gobitnet/gobitnet/bitnet")
	deps, err := list.Output()
	if err != nil || !strings.Contains(string(deps), "gobitnet/bitnet/gguf\n") || strings.Contains(string(deps), "arithmetic") {
		t.Errorf("bitnet depends on\n%s(error %v)", deps, err)
	}
}
