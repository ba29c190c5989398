package bitnet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/quant"
	"github.com/gobitnet/gobitnet/tokenizer"
)

// TestOpenBytes holds models in memory, at addresses of every kind, against the
// same model in a file: prompts in a block, single tokens, and generation, after
// which the pages of a mapped head would have been handed back.
func TestOpenBytes(t *testing.T) {
	path, ids, _ := reference(t, "micro-untied", "exact.f32")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range quant.Available() {
		answers := func(m *Model) (logits [][]float32, tokens []int) {
			s := newSession(t, m)
			logits = append(logits, slices.Clone(mustAppend(t, s, ids[:20]...)))
			logits = append(logits, slices.Clone(mustAppend(t, s, ids[20])))
			r, err := s.Generate(t.Context(), "", GenerateOptions{MaxTokens: 4})
			if err != nil {
				t.Fatal(err)
			}
			return append(logits, slices.Clone(mustAppend(t, s))), r.Tokens
		}
		want, wantTokens := answers(openModel(t, path, WithKernels(k.Name())))
		for offset := range 4 {
			data := append(make([]byte, offset, offset+len(file)), file...)[offset:]
			m, err := OpenBytes(data, WithKernels(k.Name()))
			if err != nil {
				t.Fatal(err)
			}
			other, err := OpenBytes(data, WithKernels(k.Name()))
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range []*Model{m, other} {
				got, tokens := answers(m)
				for i := range want {
					sameLogits(t, fmt.Sprintf("%s, offset %d, step %d", k.Name(), offset, i), got[i], want[i])
				}
				if !slices.Equal(tokens, wantTokens) {
					t.Errorf("%s, offset %d: tokens %v, want %v", k.Name(), offset, tokens, wantTokens)
				}
				if err := m.Close(); err != nil {
					t.Error(err)
				}
			}
			if !bytes.Equal(data, file) {
				t.Fatalf("%s, offset %d: the bytes were changed", k.Name(), offset)
			}
		}
	}
}

// TestOpenBytesCutShort cuts a model off everywhere: there is always an error
// that says that the file is at fault.
func TestOpenBytesCutShort(t *testing.T) {
	path, _, _ := reference(t, "micro-untied", "exact.f32")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := 0 // of the last tensor; what may follow it is padding
	f, err := gguf.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range f.Tensors() {
		end = max(end, int(x.Offset)+len(x.Data))
	}
	lengths := []int{0, 1, 3, 4, 8, 23, 24, 25, end - 1}
	for n := 26; n < end; n += 1 + end/300 {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		if m, err := OpenBytes(slices.Clip(file[:n])); err == nil {
			m.Close()
			t.Errorf("%d of %d bytes are opened", n, len(file))
		} else if !errors.Is(err, gguf.ErrFormat) && !errors.Is(err, ErrModel) && !errors.Is(err, tokenizer.ErrVocabulary) {
			t.Errorf("%d of %d bytes: %v", n, len(file), err)
		}
	}
	if _, err := OpenBytes(nil); !errors.Is(err, gguf.ErrFormat) {
		t.Errorf("no bytes: %v", err)
	}
	if _, err := OpenBytes(file, WithKernels("abacus")); !errors.Is(err, ErrOption) {
		t.Errorf("an option that cannot be: %v", err)
	}
}
