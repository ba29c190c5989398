//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/bitnet/synthetic"
)

// TestConvertKilled ends the program at twenty moments of its work. At none is
// there a part of the file under its name, and what was there before stays.
func TestConvertKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes forty files to the disk")
	}
	dir := t.TempDir()
	program, from, out := filepath.Join(dir, "bitnet"), filepath.Join(dir, "from.gguf"), filepath.Join(dir, "out", "model.gguf")
	if output, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	shape := synthetic.Shape{Name: "small", Embedding: 512, FeedForward: 1024, Blocks: 4, Heads: 8, KVHeads: 4, Context: 512, Vocabulary: 4_096}
	model, err := os.Create(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(synthetic.Write(model, shape, 1), model.Close(), os.Mkdir(filepath.Dir(out), 0o777)); err != nil {
		t.Fatal(err)
	}
	convert := func() *exec.Cmd {
		return exec.Command(program, "convert", from, "-o", out, "--type", "tq2_0", "--embedding", "q6_k")
	}
	start := time.Now()
	if output, err := convert().CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	took := time.Since(start)
	whole, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	const moments = 20
	killed, before := 0, []byte("what was there before")
	for i := range moments {
		signal := os.Signal(os.Kill)
		if i%4 == 3 {
			signal = syscall.SIGINT
		}
		os.Remove(out)
		if i%2 == 1 {
			if err := os.WriteFile(out, before, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		command := convert()
		var said bytes.Buffer
		command.Stderr = &said
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(took * time.Duration(i) / moments)
		command.Process.Signal(signal)
		err := command.Wait()
		data, missing := os.ReadFile(out)
		switch {
		case err == nil:
			if !bytes.Equal(data, whole) {
				t.Errorf("moment %d: the program ended well, and the file is another one", i)
			}
			continue
		case bytes.Equal(data, whole): // it was killed on its way out
		case i%2 == 1 && !bytes.Equal(data, before):
			t.Errorf("moment %d: there are %d bytes where there was something else", i, len(data))
		case i%2 == 0 && !os.IsNotExist(missing):
			t.Errorf("moment %d: there are %d bytes, %v", i, len(data), missing)
		}
		killed++
		left, err := filepath.Glob(out + ".*")
		if err != nil {
			t.Fatal(err)
		}
		// A process that began to heed the signal leaves nothing else behind.
		if text := said.String(); signal == syscall.SIGINT && strings.Contains(text, "interrupted") && len(left) > 0 {
			t.Errorf("moment %d: after Ctrl-C there is %v", i, left)
		}
		for _, path := range left {
			os.Remove(path)
		}
	}
	if killed < moments/2 {
		t.Errorf("only %d of %d were killed before they were done", killed, moments)
	}
	if output, err := convert().CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	} else if data, err := os.ReadFile(out); err != nil || !bytes.Equal(data, whole) {
		t.Errorf("the next time the file is another one (%v)", err)
	}
}
