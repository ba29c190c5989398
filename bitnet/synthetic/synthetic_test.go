package synthetic_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/x448/float16"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/synthetic"
	"github.com/gobitnet/gobitnet/quant"
)

func write(t *testing.T, shape synthetic.Shape, seed uint64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := synthetic.Write(f, shape, seed); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func named(t *testing.T, name string) synthetic.Shape {
	t.Helper()
	s, err := synthetic.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The sums are recorded: where they change, Version must too.
func TestSameBytesEverywhere(t *testing.T) {
	for seed, want := range map[uint64]string{
		1: "70602c610c0e204409a45dab49a2109d867696d52a9eea2fa64e6ce2a7b011a2",
		2: "789cb009c10bd544d6b92215b79883656739f5207c4c56f844586207f7079559",
	} {
		sum := sha256.New()
		if err := synthetic.Write(sum, named(t, "tiny"), seed); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != want || synthetic.Version != 1 {
			t.Errorf("tiny with seed %d in version %d: SHA-256 %s, want %s in version 1", seed, synthetic.Version, got, want)
		}
	}
}

func TestRuns(t *testing.T) {
	shape := named(t, "tiny")
	m, err := bitnet.Open(write(t, shape, 1), bitnet.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	want := bitnet.Config{
		Architecture: "bitnet-b1.58", Name: "synthetic-tiny", VocabularySize: 4096, ContextLength: 512, EmbeddingLength: 256,
		Blocks: 4, FeedForwardLength: 512, Heads: 4, KVHeads: 2, HeadSize: 64, Activation: "relu2", RoPEBase: 500000, Epsilon: 1e-5, TiedHead: true,
	}
	if diff := cmp.Diff(want, m.Config()); diff != "" {
		t.Error(diff)
	}

	tok := m.Tokenizer()
	ids, err := tok.Encode("2+2=")
	if err != nil {
		t.Fatal(err)
	}
	// As Llama 3 has them: the signs from "!" on are the first tokens.
	if want := []int{'2' - '!', '+' - '!', '2' - '!', '=' - '!'}; !slices.Equal(ids, want) {
		t.Errorf("2+2= is %v, want %v", ids, want)
	}
	for _, text := range []string{"The quick brown fox\njumps over the lazy dog.", "Grüße, 世界! 🙂", "\x00\x7f   \t"} {
		ids, err := tok.Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := tok.Decode(ids); got != text {
			t.Errorf("%q comes back as %q", text, got)
		}
	}
	merged := 0
	for id := 256; id < 4096-256; id++ {
		text := tok.Decode([]int{id})
		if ids, err := tok.Encode(text); err != nil || !slices.Equal(ids, []int{id}) {
			t.Fatalf("token %d, %q, becomes %v, error %v", id, text, ids, err)
		}
		// With a letter behind, it is no whole piece, and only merges help.
		if ids, err := tok.Encode(text + "q"); err == nil && len(ids) < len(text) {
			merged++
		}
	}
	if merged < 3000 {
		t.Errorf("merges shorten %d words", merged)
	}
	for i, name := range []string{"<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>"} {
		if id, ok := tok.TokenID(name); !ok || id != 4096-256+i || !tok.IsSpecial(id) {
			t.Errorf("%s is %d, %v", name, id, ok)
		}
	}
	if id, ok := tok.TokenID("<|reserved_special_token_250|>"); !ok || id != 4095 {
		t.Errorf("the last token is %d, %v", id, ok)
	}
	if id, ok := tok.TokenID("<|eot_id|>"); !ok || id != 4096-256+9 {
		t.Errorf("the end of a turn is %d, %v", id, ok)
	}

	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	logits, err := s.Append(context.Background(), ids)
	if err != nil {
		t.Fatal(err)
	}
	// A model whose logits hardly differ would hide errors.
	var mean, squares float64
	for _, v := range logits {
		mean += float64(v) / float64(len(logits))
		squares += float64(v) * float64(v) / float64(len(logits))
	}
	if deviation := math.Sqrt(squares - mean*mean); !(deviation > 1 && deviation < 10) {
		t.Errorf("logits have a standard deviation of %v", deviation)
	}
	first := slices.Clone(logits)
	if logits, err = s.Append(context.Background(), ids[:1]); err != nil || slices.Equal(first, logits) {
		t.Errorf("another position has the same logits; error %v", err)
	}
}

func TestWeights(t *testing.T) {
	f, err := gguf.Open(write(t, named(t, "tiny"), 7))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tensor, _ := f.Tensor("blk.1.ffn_down.weight")
	if !slices.Equal(tensor.Dims, []int{512, 256}) {
		t.Fatal(tensor.Dims)
	}
	weights := make([]int8, 512*256)
	if err := quant.Unpack(weights, tensor.Data[:len(weights)/4]); err != nil {
		t.Fatal(err)
	}
	var count [3]float64
	for _, w := range weights {
		count[w+1] += 1 / float64(len(weights)) // panics on a code that is not ternary
	}
	for i, want := range []float64{0.29, 0.42, 0.29} {
		if math.Abs(count[i]-want) > 0.01 {
			t.Errorf("%.3f of the weights are %d, want %v", count[i], i-1, want)
		}
	}
	matrix, err := quant.NewMatrix(quant.I2S, 256, 512, tensor.Data)
	if err != nil {
		t.Fatal(err)
	}
	if unit := 1 / math.Sqrt(0.58*512); float64(matrix.Scale()) < 0.9*unit || float64(matrix.Scale()) > 1.1*unit {
		t.Errorf("scale %v", matrix.Scale())
	}

	embedding, _ := f.Tensor("token_embd.weight")
	var sum, squares float64
	n := len(embedding.Data) / 2
	for i := range n {
		v := float64(float16.Frombits(uint16(embedding.Data[2*i]) | uint16(embedding.Data[2*i+1])<<8).Float32())
		sum += v
		squares += v * v
	}
	if mean, deviation := sum/float64(n), math.Sqrt(squares/float64(n)); math.Abs(mean) > 0.002 || math.Abs(deviation-3./16) > 0.003 {
		t.Errorf("embedding has mean %v and standard deviation %v", mean, deviation)
	}
}

// counter counts what is written and keeps the beginning.
type counter struct {
	n    int64
	head []byte
}

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	if len(c.head) < 16 {
		c.head = append(c.head, b[:min(len(b), 16)]...)
	}
	return len(b), nil
}

// TestPublishedSize writes the full-size model into the void.
func TestPublishedSize(t *testing.T) {
	if testing.Short() {
		t.Skip("generates a gigabyte")
	}
	const published = 1_187_801_280 // ggml-model-i2_s.gguf of BitNet-b1.58-2B-4T
	var c counter
	if err := synthetic.Write(&c, named(t, "2b4t"), 1); err != nil {
		t.Fatal(err)
	}
	if ratio := float64(c.n) / published; math.Abs(ratio-1) > 0.01 {
		t.Errorf("%d bytes, %.4f of the published file's", c.n, ratio)
	}
	if tensors := c.head[8]; int(tensors)+int(c.head[9])<<8 != 332 {
		t.Errorf("%d tensors in % x", tensors, c.head)
	}
}

func TestBadShapes(t *testing.T) {
	good := named(t, "tiny")
	for name, change := range map[string]func(s *synthetic.Shape){
		"width":      func(s *synthetic.Shape) { s.Embedding = 200 },
		"inner":      func(s *synthetic.Shape) { s.FeedForward = 0 },
		"blocks":     func(s *synthetic.Shape) { s.Blocks = -1 },
		"heads":      func(s *synthetic.Shape) { s.Heads = 3 },
		"kv heads":   func(s *synthetic.Shape) { s.KVHeads = 3 },
		"context":    func(s *synthetic.Shape) { s.Context = 0 },
		"vocabulary": func(s *synthetic.Shape) { s.Vocabulary = 511 },
		"huge":       func(s *synthetic.Shape) { s.Vocabulary = 1 << 30 },
	} {
		bad := good
		change(&bad)
		var c counter
		if err := synthetic.Write(&c, bad, 1); err == nil || c.n != 0 {
			t.Errorf("%s: error %v, %d bytes", name, err, c.n)
		}
	}
	if _, err := synthetic.Named("3b"); err == nil {
		t.Error("a shape that does not exist")
	}
}

type failing struct{ left int }

var errFull = errors.New("disk full")

func (f *failing) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriteFails(t *testing.T) {
	for _, left := range []int{0, 1 << 20, 5 << 19} {
		if err := synthetic.Write(&failing{left}, named(t, "tiny"), 1); !errors.Is(err, errFull) {
			t.Errorf("after %d bytes: %v", left, err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	shape, err := synthetic.Named("125m")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var c counter
		if err := synthetic.Write(&c, shape, 1); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(c.n)
	}
}
