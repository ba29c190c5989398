package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// embeddingModel writes the small model as one that is made to embed texts.
func embeddingModel(t *testing.T) string {
	t.Helper()
	model, err := gguf.Open(tiny)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	path := filepath.Join(t.TempDir(), "embedding.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := gguf.NewWriter(f)
	for _, key := range model.Keys() {
		if value, _ := model.Value(key); err == nil {
			err = w.Set(key, value)
		}
	}
	if err == nil {
		err = w.Set("bitnet-b1.58.pooling_type", uint32(3))
	}
	for _, x := range model.Tensors() {
		if err == nil {
			err = w.AddTensor(x.Name, x.Dims, x.Type, func(w io.Writer) error { _, err := w.Write(x.Data); return err })
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEmbed(t *testing.T) {
	model := embeddingModel(t)
	vectorsOf := func(text string) (vectors [][]float32) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), &vectors); err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		return vectors
	}
	out, _ := succeed(t, "embed", "--model", model, "Hello", "Hello world")
	vectors := vectorsOf(out)
	if len(vectors) != 2 || len(vectors[0]) != 256 || strings.Count(out, "\n") != 4 {
		t.Fatalf("%d vectors in %q", len(vectors), out)
	}
	status, out, _ := bitnetWith(t, nil, "Hello world", "embed", "--model", model)
	if got := vectorsOf(out); status != 0 || len(got) != 1 || !slices.Equal(got[0], vectors[1]) {
		t.Errorf("standard input: status %d, %q", status, out)
	}
	ids, _ := succeed(t, "tokenize", "--ids", "--model", model, "Hello world")
	file := filepath.Join(t.TempDir(), "vector.f32")
	begin := "3840" // which the model wants first
	out, _ = succeed(t, "embed", "--model", model, "--tokens", begin+" "+ids, "--out", file)
	if got := readFloats(t, file); out != "" || !slices.Equal(got, vectors[1]) {
		t.Errorf("tokens: %d numbers, other ones than for the text", len(got))
	}
	out, _ = succeed(t, "embed", "--model", model, "--dimensions", "32", "--pooling", "mean", "Hello")
	if got := vectorsOf(out); len(got[0]) != 32 {
		t.Errorf("%d dimensions", len(got[0]))
	}
	if status, _, stderr := bitnetWith(t, nil, "", "run", "--model", model, "--prompt", "Hello"); status != 1 || !strings.Contains(stderr, "made to embed texts") {
		t.Errorf("run: status %d, %s", status, stderr)
	}
	if got, _ := succeed(t, "inspect", model); !strings.Contains(got, "heads of 64, ReLU², made to embed texts, by last\n") {
		t.Errorf("inspect: %s", got)
	}
}

// TestEmbedReference holds a vector against a double-precision yardstick that lies
// beside a checkout.
func TestEmbedReference(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "reference", "embedding")
	ids, err := os.ReadFile(filepath.Join(dir, "ids.txt"))
	if err != nil {
		t.Skip("needs ../shared/reference")
	}
	out := filepath.Join(t.TempDir(), "vector.f32")
	succeed(t, "embed", "--model", filepath.Join(dir, "model.gguf"), "--tokens", string(ids), "--out", out)
	got, exact := readFloats(t, out), readFloats(t, filepath.Join(dir, "exact.f32"))
	if len(got) != len(exact) || !(cosine(got, exact) >= 0.998) {
		t.Errorf("%d numbers, cosine %v", len(got), cosine(got, exact))
	}
}
