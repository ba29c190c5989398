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
	Architecture      string  // "bitnet-b1.58", in older files "bitnet-25"
	Name              string  // what the file calls itself; may be empty
	VocabularySize    int     // token ids are below this; the embedding may have more rows, which stand for nothing
	ContextLength     int     // tokens that a session can hold at most
	EmbeddingLength   int     // width of a token's vector
	Blocks            int     // transformer blocks
	FeedForwardLength int     // width inside the feed-forward part
	Heads             int     // query heads
	KVHeads           int     // key-value heads, each shared by Heads/KVHeads query heads
	HeadSize          int     // width of a head
	RoPEBase          float64 // base of the rotary position frequencies
	Epsilon           float32 // added under the root of RMSNorm
	TiedHead          bool    // the embedding serves as the output head
}

// Limits on what a file may ask for, far beyond any published model, that keep
// sizes computed from it small enough to be computed.
const (
	maxContextLength = 1 << 20
	maxWidth         = 1 << 20
	maxBlocks        = 1 << 12
	maxHeads         = 1 << 12
)

func readConfig(f *gguf.File) (Config, error) {
	var c Config
	architecture, err := f.Text("general.architecture")
	if err != nil {
		return c, &ModelError{Part: "key general.architecture", Err: err}
	}
	if architecture != "bitnet-b1.58" && architecture != "bitnet-25" {
		return c, &ModelError{Part: "key general.architecture", Reason: fmt.Sprintf("%q is not supported: it must be bitnet-b1.58 or bitnet-25", architecture)}
	}
	if err := checkSettings(f, architecture); err != nil {
		return c, err
	}
	c.Architecture = architecture
	c.Name, _ = f.Text("general.name") // for display only

	integer := func(name string, limit int) (n int) {
		if err != nil {
			return 0
		}
		key := architecture + "." + name
		v, e := f.Uint(key)
		switch {
		case e != nil:
			err = &ModelError{Part: "key " + key, Err: e}
		case v < 1 || v > uint64(limit):
			err = &ModelError{Part: "key " + key, Reason: fmt.Sprintf("%d is not between 1 and %d", v, limit)}
		default:
			n = int(v)
		}
		return n
	}
	number := func(name string, low, high float64) (x float64) {
		if err != nil {
			return 0
		}
		key := architecture + "." + name
		v, e := f.Float(key)
		switch {
		case e != nil:
			err = &ModelError{Part: "key " + key, Err: e}
		case !(v >= low && v <= high):
			err = &ModelError{Part: "key " + key, Reason: fmt.Sprintf("%v is not between %v and %v", v, low, high)}
		}
		return v
	}
	c.ContextLength = integer("context_length", maxContextLength)
	c.EmbeddingLength = integer("embedding_length", maxWidth)
	c.Blocks = integer("block_count", maxBlocks)
	c.FeedForwardLength = integer("feed_forward_length", maxWidth)
	c.Heads = integer("attention.head_count", maxHeads)
	c.KVHeads = integer("attention.head_count_kv", maxHeads)
	c.HeadSize = integer("rope.dimension_count", maxWidth)
	c.RoPEBase = number("rope.freq_base", 1, 1e12)
	c.Epsilon = float32(number("attention.layer_norm_rms_epsilon", 1e-12, 1))
	if err != nil {
		return c, err
	}
	bad := func(name, format string, args ...any) (Config, error) {
		return c, &ModelError{Part: "key " + architecture + "." + name, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case c.EmbeddingLength%quant.BlockSize != 0:
		return bad("embedding_length", "%d is no multiple of %d, the block of the weights' format", c.EmbeddingLength, quant.BlockSize)
	case c.FeedForwardLength%quant.BlockSize != 0:
		return bad("feed_forward_length", "%d is no multiple of %d, the block of the weights' format", c.FeedForwardLength, quant.BlockSize)
	case c.Heads%c.KVHeads != 0:
		return bad("attention.head_count_kv", "%d heads cannot share %d key-value heads evenly", c.Heads, c.KVHeads)
	case c.EmbeddingLength%c.Heads != 0:
		return bad("attention.head_count", "a width of %d does not divide into %d heads", c.EmbeddingLength, c.Heads)
	case c.HeadSize != c.EmbeddingLength/c.Heads:
		return bad("rope.dimension_count", "%d is not the size of a head, %d: rotating a part of it is not supported", c.HeadSize, c.EmbeddingLength/c.Heads)
	case c.HeadSize%kernel.Lanes != 0:
		return bad("rope.dimension_count", "a head size of %d is no multiple of %d", c.HeadSize, kernel.Lanes)
	}

	for _, name := range []string{"attention.key_length", "attention.value_length"} {
		if _, ok := f.Value(architecture + "." + name); !ok {
			continue
		}
		if n := integer(name, maxWidth); err != nil {
			return c, err
		} else if n != c.HeadSize {
			return bad(name, "%d is not the size of a head, %d: other sizes are not supported", n, c.HeadSize)
		}
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
	if _, ok := f.Value(architecture + ".vocab_size"); ok {
		if c.VocabularySize = integer("vocab_size", math.MaxInt32); err != nil {
			return c, err
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
	return c, nil
}
