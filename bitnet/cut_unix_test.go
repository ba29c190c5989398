//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package bitnet

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/quant"
)

// copyModel copies a model to where it may be damaged.
func copyModel(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCutWhileOpen cuts the file of a model between two passes.
func TestCutWhileOpen(t *testing.T) {
	path, ids, _ := reference(t, "micro-untied", "exact.f32")
	path = copyModel(t, path)
	m := openModel(t, path)
	s, other := newSession(t, m), newSession(t, m)
	mustAppend(t, s, ids[:20]...)
	if err := os.Truncate(path, 8192); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), ids[20:30]); !errors.Is(err, gguf.ErrChanged) || s.Len() != 20 {
		t.Errorf("a prompt: %v, length %d", err, s.Len())
	}
	r, err := s.Generate(t.Context(), "", GenerateOptions{MaxTokens: 2})
	if !errors.Is(err, gguf.ErrChanged) {
		t.Errorf("generation: %v, %v", r, err)
	}
	if _, err := other.Append(t.Context(), ids[:2]); !errors.Is(err, gguf.ErrChanged) {
		t.Errorf("another session: %v", err)
	}
}

// TestCutWhileReading has kernels of every kind read what a file has lost, in
// every part of the file, as if it had been cut after the pass began. The garbage
// collector looks at the stacks meanwhile. Each fault is an error, and what is
// computed afterwards has the right bits.
func TestCutWhileReading(t *testing.T) {
	source, ids, _ := reference(t, "micro-untied", "exact.f32")
	whole, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	if !faultsHaveAddresses(t, copyModel(t, source)) {
		t.Skip("this system, or what emulates the processor, does not say where a fault was")
	}
	ending := make(chan struct{})
	var collecting sync.WaitGroup
	collecting.Add(1)
	go func() {
		defer collecting.Done()
		for {
			select {
			case <-ending:
				return
			case <-time.After(time.Millisecond):
				runtime.GC()
			}
		}
	}()
	defer collecting.Wait()
	defer close(ending)

	path := copyModel(t, source)
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	intact := newSession(t, openModel(t, source))
	right := slices.Clone(mustAppend(t, intact, ids...))
	for _, k := range quant.Available() {
		for _, threads := range []int{1, 3} {
			for name, c := range map[string]struct {
				tokens int
				want   want
				served bool // so that the screen is built
			}{
				"prompt": {len(ids), vectorsOnly, false},
				"token":  {1, vectorsOnly, false},
				"logits": {1, allLogits, false},
				"screen": {1, 3, true},
			} {
				faults := 0
				for i, x := range intact.model.file.Tensors() {
					if i%3 != 0 {
						continue
					}
					m := openModel(t, path, WithKernels(k.Name()), WithThreads(threads))
					m.reading.end()
					m.served = c.served
					if err := file.Truncate(x.Offset); err != nil {
						t.Fatal(err)
					}
					s := newSession(t, m)
					s.last.forget(1, m.config.EmbeddingLength)
					r := &s.request
					r.ctx, r.cache, r.tokens, r.places, r.want = t.Context(), s.cache, ids[:c.tokens], s.last.places, c.want
					m.passes.batch.Reset()
					m.passes.take(r, c.tokens)
					if err := m.passes.compute(); err != nil {
						if !errors.Is(err, gguf.ErrChanged) {
							t.Fatalf("%s, %s cut at %s: %v", k.Name(), name, x.Name, err)
						}
						faults++
					}
					if _, err := file.WriteAt(whole, 0); err != nil {
						t.Fatal(err)
					}
					if err := m.Close(); err != nil {
						t.Fatal(err)
					}
				}
				if faults == 0 {
					t.Errorf("%s, %d threads: %s met with no fault", k.Name(), threads, name)
				}
			}
			sameLogits(t, k.Name()+" after faults", mustAppend(t, newSession(t, openModel(t, path, WithKernels(k.Name()))), ids...), right)
		}
	}
}

// faultsHaveAddresses cuts a file and reads what it has lost.
func faultsHaveAddresses(t *testing.T, path string) (ok bool) {
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { ok = f.Fault(recover()) != nil }()
	for _, x := range f.Tensors() {
		runtime.KeepAlive(x.Data[0])
	}
	return false
}
