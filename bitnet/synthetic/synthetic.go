// Package synthetic writes BitNet b1.58 models with made-up weights, in the
// layout of the published ones. They take the same memory, time and code as a
// trained model of their shape and need no download; what they say is
// meaningless.
//
//	shape, err := synthetic.Named("2b4t")
//	…
//	err = synthetic.Write(file, shape, 1)
//
// The same shape and seed give the same bytes on every machine.
package synthetic

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// Version changes whenever the same shape and seed would give other bytes than
// before. It belongs into the name under which a model is kept.
const Version = 1

// A Shape is what a model is made of. Embedding and FeedForward are multiples
// of 128, Embedding is one of Heads, whose quotient is an even multiple of 8, and
// Heads one of KVHeads.
type Shape struct {
	Name        string
	Embedding   int // width of a token's vector
	FeedForward int // width inside the feed-forward part
	Blocks      int // transformer blocks
	Heads       int // query heads
	KVHeads     int // key-value heads
	Context     int // tokens that a session can hold
	Vocabulary  int // tokens, of which 256 are special: 512 to 1,000,000
}

var shapes = []Shape{
	{Name: "tiny", Embedding: 256, FeedForward: 512, Blocks: 4, Heads: 4, KVHeads: 2, Context: 512, Vocabulary: 4_096},
	{Name: "125m", Embedding: 768, FeedForward: 2048, Blocks: 12, Heads: 12, KVHeads: 4, Context: 2048, Vocabulary: 32_000},
	{Name: "2b4t", Embedding: 2560, FeedForward: 6912, Blocks: 30, Heads: 20, KVHeads: 5, Context: 4096, Vocabulary: 128_256},
}

// Names returns the names of the shapes that come with the package, smallest
// first: "tiny" takes 3 MB, "125m" 72 MB, and "2b4t", the shape of the published
// BitNet b1.58 2B4T, 1.19 GB.
func Names() []string {
	var names []string
	for _, s := range shapes {
		names = append(names, s.Name)
	}
	return names
}

// Named returns the shape of that name.
func Named(name string) (Shape, error) {
	for _, s := range shapes {
		if s.Name == name {
			return s, nil
		}
	}
	return Shape{}, fmt.Errorf("there is no shape %q: there are %s", name, strings.Join(Names(), ", "))
}

func (s Shape) check() error {
	const limit = 1 << 20
	for _, n := range []int{s.Embedding, s.FeedForward, s.Blocks, s.Heads, s.KVHeads, s.Context} {
		if n < 1 || n > limit {
			return fmt.Errorf("shape %q: %d is not between 1 and %d", s.Name, n, limit)
		}
	}
	switch {
	case s.Embedding%128 != 0 || s.FeedForward%128 != 0:
		return fmt.Errorf("shape %q: the widths %d and %d are not both multiples of 128", s.Name, s.Embedding, s.FeedForward)
	case s.Embedding%(16*s.Heads) != 0 || s.Heads%s.KVHeads != 0:
		return fmt.Errorf("shape %q: %d heads and %d key-value heads do not divide a width of %d as they must", s.Name, s.Heads, s.KVHeads, s.Embedding)
	case s.KVHeads*(s.Embedding/s.Heads)%32 != 0:
		return fmt.Errorf("shape %q: the keys of a token are no multiple of 32 wide", s.Name)
	case s.Vocabulary < minVocabulary || s.Vocabulary > maxVocabulary:
		return fmt.Errorf("shape %q: a vocabulary of %d is not between %d and %d", s.Name, s.Vocabulary, minVocabulary, maxVocabulary)
	}
	return nil
}

// Write writes a model of the given shape as a GGUF file. Weights depend on the
// seed, the vocabulary only on its size. It needs memory for the vocabulary,
// some 20 MB for 2b4t, and writes several hundred megabytes a second.
func Write(w io.Writer, shape Shape, seed uint64) error {
	if err := shape.check(); err != nil {
		return err
	}
	b := builder{file: gguf.NewWriter(w), seed: seed}
	b.metadata(shape)
	b.tensors(shape)
	if b.err != nil {
		return b.err
	}
	return b.file.Close()
}

// builder keeps the first error, so that adding many things reads well.
type builder struct {
	file    *gguf.Writer
	seed    uint64
	written int // tensors
	err     error
}

func (b *builder) set(key string, value any) {
	if b.err == nil {
		b.err = b.file.Set(key, value)
	}
}

// metadata sets the keys of the published file, in its order.
func (b *builder) metadata(s Shape) {
	const architecture = "bitnet-b1.58"
	v := makeVocabulary(s.Vocabulary)
	b.set("general.architecture", architecture)
	b.set("general.name", "synthetic-"+s.Name)
	b.set(architecture+".vocab_size", uint32(s.Vocabulary))
	b.set(architecture+".context_length", uint32(s.Context))
	b.set(architecture+".embedding_length", uint32(s.Embedding))
	b.set(architecture+".block_count", uint32(s.Blocks))
	b.set(architecture+".feed_forward_length", uint32(s.FeedForward))
	b.set(architecture+".rope.dimension_count", uint32(s.Embedding/s.Heads))
	b.set(architecture+".attention.head_count", uint32(s.Heads))
	b.set(architecture+".attention.head_count_kv", uint32(s.KVHeads))
	b.set("tokenizer.ggml.add_bos_token", true)
	b.set(architecture+".attention.layer_norm_rms_epsilon", float32(1e-5))
	b.set(architecture+".rope.freq_base", float32(500000))
	b.set("general.file_type", uint32(40)) // mostly I2_S
	b.set("tokenizer.ggml.model", "gpt2")
	b.set("tokenizer.ggml.tokens", v.tokens)
	b.set("tokenizer.ggml.scores", make([]float32, len(v.tokens)))
	b.set("tokenizer.ggml.token_type", v.types)
	b.set("tokenizer.ggml.merges", v.merges)
	b.set("tokenizer.ggml.bos_token_id", v.beginOfText)
	b.set("tokenizer.ggml.eos_token_id", v.endOfText)
	b.set("tokenizer.ggml.padding_token_id", v.endOfText)
	b.set("tokenizer.chat_template", "{{ bos_token }}{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}Assistant: {% endif %}")
	b.set("general.quantization_version", uint32(2))
}

// tensors adds the tensors of the published file, in its order.
func (b *builder) tensors(s Shape) {
	keys := s.Embedding / s.Heads * s.KVHeads
	b.half("token_embd.weight", s.Embedding, s.Vocabulary)
	for i := range s.Blocks {
		name := fmt.Sprintf("blk.%d.", i)
		b.vector(name+"attn_norm.weight", s.Embedding)
		b.ternary(name+"ffn_down.weight", s.FeedForward, s.Embedding)
		b.vector(name+"ffn_sub_norm.weight", s.FeedForward)
		b.ternary(name+"ffn_gate.weight", s.Embedding, s.FeedForward)
		b.ternary(name+"ffn_up.weight", s.Embedding, s.FeedForward)
		b.vector(name+"ffn_norm.weight", s.Embedding)
		b.vector(name+"attn_sub_norm.weight", s.Embedding)
		b.ternary(name+"attn_k.weight", s.Embedding, keys)
		b.ternary(name+"attn_output.weight", s.Embedding, s.Embedding)
		b.ternary(name+"attn_q.weight", s.Embedding, s.Embedding)
		b.ternary(name+"attn_v.weight", s.Embedding, keys)
	}
	b.vector("output_norm.weight", s.Embedding)
}

// add adds a tensor, whose bytes come from a generator of its own.
func (b *builder) add(name string, dims []int, kind gguf.TensorType, write func(w io.Writer, r *random) error) {
	if b.err != nil {
		return
	}
	b.written++
	r := newRandom(b.seed, uint64(b.written))
	b.err = b.file.AddTensor(name, dims, kind, func(w io.Writer) error { return write(w, r) })
}

// vector adds the weights of a normalization, near 1.
func (b *builder) vector(name string, n int) {
	b.add(name, []int{n}, gguf.F32, func(w io.Writer, r *random) error {
		data := make([]byte, 0, 4*n)
		for range n {
			data = appendFloat32(data, float32(1+float64(0.1*r.bell())))
		}
		_, err := w.Write(data)
		return err
	})
}

// half adds a float16 matrix whose products with normalized vectors spread by
// some 3.
func (b *builder) half(name string, cols, rows int) {
	b.add(name, []int{cols, rows}, gguf.F16, func(w io.Writer, r *random) error {
		return r.writeHalves(w, cols*rows, 3/math.Sqrt(float64(cols)))
	})
}

// ternary adds a ternary matrix and the scale that keeps the size of vectors:
// the variance of its weights is 1 − shareOfZeros.
func (b *builder) ternary(name string, cols, rows int) {
	b.add(name, []int{cols, rows}, gguf.I2S, func(w io.Writer, r *random) error {
		scale := 1 / math.Sqrt((1-shareOfZeros)*float64(cols)) * (0.9 + float64(0.2*r.uniform()))
		if err := r.writeCodes(w, cols*rows/4); err != nil {
			return err
		}
		tail := appendFloat32(make([]byte, 0, scaleBytes), float32(scale))
		_, err := w.Write(tail[:scaleBytes])
		return err
	})
}
