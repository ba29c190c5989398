package bitnet

import (
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/quant"
)

// reference returns the path of a reference model, its token sequence and the
// recorded logits after each token.
func reference(t testing.TB, name, logits string) (model string, ids []int, rows [][]float32) {
	t.Helper()
	return readReference(t, filepath.Join("..", "testdata", "reference", name), logits)
}

func readReference(t testing.TB, dir, logits string) (model string, ids []int, rows [][]float32) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "ids.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range strings.Fields(string(text)) {
		id, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	data, err := os.ReadFile(filepath.Join(dir, logits))
	if err != nil {
		t.Fatal(err)
	}
	values := floatsOf(data)
	if rows = slices.Collect(slices.Chunk(values, max(len(values)/len(ids), 1))); len(rows) != len(ids) {
		rows = [][]float32{values} // one vector for all of them
	}
	return filepath.Join(dir, "model.gguf"), ids, rows
}

func floatsOf(data []byte) []float32 {
	values := make([]float32, len(data)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return values
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i, v := range a {
		ab += float64(v) * float64(b[i])
		aa += float64(v) * float64(v)
		bb += float64(b[i]) * float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}

func openModel(t testing.TB, path string, opts ...Option) *Model {
	t.Helper()
	m, err := Open(path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func newSession(t testing.TB, m *Model, opts ...SessionOption) *Session {
	t.Helper()
	s, err := m.NewSession(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestReference holds the logits against a double-precision yardstick, with
// every kernel set.
func TestReference(t *testing.T) {
	ctx := context.Background()
	for _, k := range quant.Available() {
		for _, name := range []string{"tiny", "micro-untied"} {
			path, ids, exact := reference(t, name, "exact.f32")
			for _, c := range []struct {
				cache string
				opts  []SessionOption
				least float64
			}{
				{"float32", []SessionOption{WithFloat32Cache()}, 0.9999},
				{"float16", nil, 0.998},
			} {
				t.Run(k.Name()+"/"+name+"/"+c.cache, func(t *testing.T) {
					s := newSession(t, openModel(t, path, WithKernels(k.Name())), c.opts...)
					worst := 1.0
					for i, id := range ids {
						logits, err := s.Append(ctx, []int{id})
						if err != nil {
							t.Fatal(err)
						}
						worst = min(worst, cosine(logits, exact[i]))
					}
					t.Logf("smallest cosine %.6f", worst)
					if !(worst >= c.least) {
						t.Errorf("smallest cosine %.6f, want at least %v", worst, c.least)
					}
				})
			}
		}
	}
}

// sharedReference is where reference models of the other families lie, beside a
// checkout. A clone by itself does not have them.
var sharedReference = filepath.Join("..", "..", "shared", "reference")

// TestSharedReference holds the logits of the other families' models against a
// double-precision yardstick.
func TestSharedReference(t *testing.T) {
	if _, err := os.Stat(sharedReference); err != nil {
		t.Skip("needs ../shared/reference")
	}
	for name, least := range map[string]float64{
		"llama-i2s": 0.998, "bitnet-silu": 0.998, "b158-q6k": 0.998, "b158-bf16": 0.998,
		"llama-tq2-q6k": 0.9993, "bitnet-tq1-q4k": 0.9993,
		"qwen3-q2": 0.9993, "qwen3-pq2": 0.9993, "qwen3-q2-legacy": 0.9992, "qwen3-ptq1-yarn": 0.9993,
	} {
		t.Run(name, func(t *testing.T) {
			path, ids, exact := readReference(t, filepath.Join(sharedReference, name), "exact.f32")
			s := newSession(t, openModel(t, path))
			worst := 1.0
			for i, id := range ids {
				worst = min(worst, cosine(mustAppend(t, s, id), exact[i]))
			}
			t.Logf("smallest cosine %.6f", worst)
			if !(worst >= least) {
				t.Errorf("smallest cosine %.6f, want at least %v", worst, least)
			}
		})
	}
}

// TestReferenceEngine holds the logits against those of Microsoft's engine,
// which is itself up to 0.9992 away from exact arithmetic.
func TestReferenceEngine(t *testing.T) {
	path, ids, recorded := reference(t, "tiny", "bitnetcpp.f32")
	s := newSession(t, openModel(t, path))
	worst := 1.0
	for i, id := range ids {
		worst = min(worst, cosine(mustAppend(t, s, id), recorded[i]))
	}
	t.Logf("smallest cosine %.6f", worst)
	if !(worst >= 0.999) {
		t.Errorf("smallest cosine %.6f, want at least 0.999", worst)
	}
}
