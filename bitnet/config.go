package bitnet

import (
	"fmt"
	"math"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
	"github.com/gobitnet/gobitnet/quant"
)

// Config is what a model's file says about its architecture.
type Config struct {
	Architecture      string  // "bitnet-b1.58", in older files "bitnet-25"; "bitnet", "llama", "qwen3"
	Name              string  // what the file calls itself; may be empty
	VocabularySize    int     // token ids are below this; the embedding may have more rows, which stand for nothing
	ContextLength     int     // tokens that a session can hold at most
	EmbeddingLength   int     // width of a token's vector
	Blocks            int     // transformer blocks
	FeedForwardLength int     // width inside the feed-forward part
	Heads             int     // query heads
	KVHeads           int     // key-value heads, each shared by Heads/KVHeads query heads
	HeadSize          int     // width of a head; with some models not EmbeddingLength/Heads
	Activation        string  // in the feed-forward part: "relu2", the square of a ReLU, or "silu"; see [WithActivation]
	RoPEBase          float64 // base of the rotary position frequencies
	YaRN              YaRN    // how these are stretched
	Epsilon           float32 // added under the root of RMSNorm
	InputNorms        bool    // a normalization of its own ahead of each projection
	TiedHead          bool    // the embedding serves as the output head
	Pooling           Pooling // what a text's embedding is made of, in models that are made for that
}

// YaRN is by how much rotary positions are stretched for contexts longer than a
// model had been trained with (arXiv:2309.00071).
type YaRN struct {
	Factor   float64 // 0 where they are not
	Original int     // tokens of the context that is stretched
}

// Limits on what a file may ask for, far beyond any published model, that keep
// sizes computed from it small enough to be computed.
const (
	maxContextLength = 1 << 20
	maxWidth         = 1 << 20
	maxBlocks        = 1 << 12
	maxHeads         = 1 << 12
)

func readConfig(f *gguf.File, a *architecture) (Config, error) {
	c := Config{Architecture: a.name}
	if err := checkSettings(f, a.name); err != nil {
		return c, err
	}
	c.Name, _ = f.Text("general.name") // for display only

	k := keyReader{file: f, prefix: a.name + "."}
	c.ContextLength = k.integer("context_length", maxContextLength, 0)
	c.EmbeddingLength = k.integer("embedding_length", maxWidth, 0)
	c.Blocks = k.integer("block_count", maxBlocks, 0)
	c.FeedForwardLength = k.integer("feed_forward_length", maxWidth, 0)
	c.Heads = k.integer("attention.head_count", maxHeads, 0)
	c.KVHeads = k.integer("attention.head_count_kv", maxHeads, c.Heads)
	c.HeadSize = k.integer("attention.key_length", maxWidth, c.EmbeddingLength/max(c.Heads, 1))
	valueSize := k.integer("attention.value_length", maxWidth, c.HeadSize)
	turned := k.integer("rope.dimension_count", maxWidth, c.HeadSize)
	c.RoPEBase = k.number("rope.freq_base", 1, 1e12, a.ropeBase)
	c.Epsilon = float32(k.number("attention.layer_norm_rms_epsilon", 1e-12, 1, 0))
	plain := 1.0 // a factor without effect
	if k.text("rope.scaling.type", "none") == "yarn" {
		c.YaRN.Factor = k.number("rope.scaling.factor", 1, 1e4, 0)
		c.YaRN.Original = k.integer("rope.scaling.original_context_length", maxContextLength, 0)
	} else {
		plain = k.number("rope.scaling.factor", 0, 1e9, 1)
	}
	c.Activation = k.text("hidden_act", a.activation)
	if k.has("pooling_type") {
		v, err := f.Uint(k.prefix + "pooling_type")
		if err != nil || v > uint64(PoolingLast) {
			k.fail("pooling_type", err, "%d is not between 0 and %d", v, PoolingLast)
		}
		c.Pooling = Pooling(v)
	}
	if k.err != nil {
		return c, k.err
	}
	bad := func(name, format string, args ...any) (Config, error) {
		return c, &ModelError{Part: "key " + k.prefix + name, Reason: fmt.Sprintf(format, args...)}
	}
	size := "the size of a head"
	if k.has("attention.key_length") {
		size = k.prefix + "attention.key_length"
	}
	switch {
	case c.EmbeddingLength%quant.BlockSize != 0:
		return bad("embedding_length", "%d is no multiple of %d, the block of the weights' format", c.EmbeddingLength, quant.BlockSize)
	case c.FeedForwardLength == 8640 && c.EmbeddingLength == 3200:
		return bad("feed_forward_length", "8640 is no multiple of %d, the block of the weights' format: 1bitLLM's bitnet_b1_58-3B cannot be run; bitnet_b1_58-large can", quant.BlockSize)
	case c.FeedForwardLength%quant.BlockSize != 0:
		return bad("feed_forward_length", "%d is no multiple of %d, the block of the weights' format", c.FeedForwardLength, quant.BlockSize)
	case c.Heads%c.KVHeads != 0:
		return bad("attention.head_count_kv", "%d heads cannot share %d key-value heads evenly", c.Heads, c.KVHeads)
	case !k.has("attention.key_length") && c.EmbeddingLength%c.Heads != 0:
		return bad("attention.head_count", "a width of %d does not divide into %d heads", c.EmbeddingLength, c.Heads)
	case valueSize != c.HeadSize:
		return bad("attention.value_length", "%d is not the size of a head, %d: values of another size than keys are not supported", valueSize, c.HeadSize)
	case turned != c.HeadSize:
		return bad("rope.dimension_count", "%d is not %s, %d: rotating a part of a head is not supported", turned, size, c.HeadSize)
	case plain != 0 && plain != 1:
		return bad("rope.scaling.factor", "is %v: that is RoPE scaling, of which the type yarn alone is supported", plain)
	case c.HeadSize%kernel.Lanes != 0:
		return bad("attention.head_count", "a head size of %d is no multiple of %d", c.HeadSize, kernel.Lanes)
	case c.HeadSize > maxWidth/c.Heads || c.Heads*c.HeadSize%quant.BlockSize != 0:
		return bad("attention.head_count", "%d heads of %d values are no multiple of %d, the block of the weights' format, up to %d", c.Heads, c.HeadSize, quant.BlockSize, maxWidth)
	case activations[c.Activation] == nil:
		return bad("hidden_act", "%q is an activation that is not supported: it must be relu2 or silu", c.Activation)
	}

	embedding, ok := f.Tensor("token_embd.weight")
	if !ok {
		return c, &ModelError{Part: "tensor token_embd.weight", Reason: "is missing"}
	}
	if len(embedding.Dims) != 2 {
		return c, &ModelError{Part: "tensor token_embd.weight", Reason: fmt.Sprintf("has %d dimensions, not 2", len(embedding.Dims))}
	}
	rows := embedding.Dims[1]
	c.VocabularySize = rows
	if k.has("vocab_size") {
		if c.VocabularySize = k.integer("vocab_size", math.MaxInt32, 0); k.err != nil {
			return c, k.err
		} else if c.VocabularySize > rows {
			return bad("vocab_size", "it disagrees with tensor token_embd.weight, which has %d tokens", rows)
		}
	}
	// Where the file has a vocabulary, that says it: embeddings are often padded
	// to a round number of rows, and vocab_size may count them or not.
	if tokens, err := f.Array("tokenizer.ggml.tokens", gguf.String); err == nil {
		n := tokens.Len()
		if n > rows {
			return c, &ModelError{Part: "vocabulary", Reason: fmt.Sprintf("has %d tokens where tensor token_embd.weight has %d", n, rows)}
		}
		if c.VocabularySize != n && c.VocabularySize != rows {
			return bad("vocab_size", "is %d where the vocabulary has %d tokens and tensor token_embd.weight %d", c.VocabularySize, n, rows)
		}
		c.VocabularySize = n
	}
	_, untied := f.Tensor("output.weight")
	c.TiedHead = !untied
	if a.inputNorms {
		_, c.InputNorms = f.Tensor("blk.0.attn_q_norm_in.weight")
	}
	return c, nil
}

// keyReader keeps the first error, so that reading many keys reads well. Where
// the file does not have a key, its value is absent; where that is 0, the file
// must have it.
type keyReader struct {
	file   *gguf.File
	prefix string // of the keys' names
	err    error
}

func (k *keyReader) has(name string) bool {
	_, ok := k.file.Value(k.prefix + name)
	return ok
}

func (k *keyReader) fail(name string, err error, format string, args ...any) {
	if k.err == nil {
		k.err = &ModelError{Part: "key " + k.prefix + name, Reason: fmt.Sprintf(format, args...), Err: err}
	}
}

func (k *keyReader) integer(name string, limit, absent int) int {
	if absent > 0 && !k.has(name) {
		return absent
	}
	v, err := k.file.Uint(k.prefix + name)
	if err != nil || v < 1 || v > uint64(limit) {
		k.fail(name, err, "%d is not between 1 and %d", v, limit)
		return 1
	}
	return int(v)
}

func (k *keyReader) number(name string, low, high, absent float64) float64 {
	if absent > 0 && !k.has(name) {
		return absent
	}
	v, err := k.file.Float(k.prefix + name)
	if err != nil || !(v >= low && v <= high) {
		k.fail(name, err, "%v is not between %v and %v", v, low, high)
		return low
	}
	return v
}

func (k *keyReader) text(name, absent string) string {
	if !k.has(name) {
		return absent
	}
	v, err := k.file.Text(k.prefix + name)
	if err != nil {
		k.fail(name, err, "")
	}
	return v
}
