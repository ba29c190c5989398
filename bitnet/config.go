package bitnet

import (
	"errors"
	"fmt"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
	"github.com/gobitnet/gobitnet/quant"
)

// Config is what a model's file says about its architecture.
type Config struct {
	Architecture      string  // "bitnet-b1.58", in older files "bitnet-25"
	Name              string  // what the file calls itself; may be empty
	VocabularySize    int     // token ids are below this
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

	embedding, ok := f.Tensor("token_embd.weight")
	if !ok {
		return c, &ModelError{Part: "tensor token_embd.weight", Reason: "is missing"}
	}
	if len(embedding.Dims) != 2 {
		return c, &ModelError{Part: "tensor token_embd.weight", Reason: fmt.Sprintf("has %d dimensions, not 2", len(embedding.Dims))}
	}
	c.VocabularySize = embedding.Dims[1]
	if _, err := f.Uint(architecture + ".vocab_size"); !errors.Is(err, gguf.ErrMissing) {
		if n := integer("vocab_size", 1<<31-1); err != nil || n != c.VocabularySize {
			return bad("vocab_size", "it disagrees with tensor token_embd.weight, which has %d tokens", c.VocabularySize)
		}
	}
	_, untied := f.Tensor("output.weight")
	c.TiedHead = !untied
	return c, nil
}
