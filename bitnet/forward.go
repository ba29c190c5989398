package bitnet

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/gobitnet/gobitnet/bitnet/internal/engine"
	"github.com/gobitnet/gobitnet/bitnet/internal/kvcache"
	"github.com/gobitnet/gobitnet/quant"
)

// BlockTokens is how many tokens of a prompt go through the model at once: so
// many that unpacking the weights for them is cheap, so few that what lies
// between two layers stays within some 15 MB. It divides into the kernels'
// panels of tokens evenly. Results do not depend on it.
const BlockTokens = 192

// forward evaluates a block of tokens, the first of them at position first, and
// stores in hidden the normalized vector that the output head turns into the
// logits after the last one. The caller has the engine's turn.
//
// This is the whole model, as in "BitNet b1.58 2B4T Technical Report"
// (arXiv:2504.12285): a Llama-like transformer whose projections are BitLinear
// (ternary weights times the 8-bit image of a normalized vector), with a second
// normalization in each half of a block and the square of a ReLU as activation.
func (m *Model) forward(ctx context.Context, cache *kvcache.Cache, tokens []int, first int, hidden []float32) error {
	c, n := &m.config, len(tokens)
	e, w := m.engine, &m.workspace
	if err := w.reserve(e.Kernels(), c, n); err != nil {
		return err
	}
	cache.Reserve(first, first+n)
	m.rope.SetPositions(first, n)
	attentionScale := float32(1 / math.Sqrt(float64(c.HeadSize)))

	e.Embed(w.x, m.weights.embedding, tokens)
	for layer := range m.weights.blocks {
		b := &m.weights.blocks[layer]

		// x += output(norm(attention(q, k, v)))
		e.Normalize(w.narrow, w.x, b.attnNorm, c.Epsilon, n)
		e.Linear(w.narrow, engine.Projection{Dst: w.q, W: b.q}, engine.Projection{Dst: w.k, W: b.k}, engine.Projection{Dst: w.v, W: b.v})
		e.RotateAndStore(w.q, w.k, w.v, m.rope, cache, layer, first, n)
		e.Attend(w.q, cache, attentionScale, layer, first, n)
		e.Normalize(w.narrow, w.q, b.attnSubNorm, c.Epsilon, n)
		e.Linear(w.narrow, engine.Projection{Dst: w.q, W: b.output})
		e.Add(w.x, w.q, n)

		// x += down(norm(relu(gate(h))² · up(h))), h = norm(x)
		e.Normalize(w.narrow, w.x, b.ffnNorm, c.Epsilon, n)
		e.GatedLinear(w.inner, b.gate, b.up, w.narrow)
		e.Normalize(w.wide, w.inner, b.ffnSubNorm, c.Epsilon, n)
		e.Linear(w.wide, engine.Projection{Dst: w.q, W: b.down})
		e.Add(w.x, w.q, n)

		if err := e.Err(); errors.Is(err, quant.ErrActivation) {
			return ErrNotFinite
		} else if err != nil {
			return fmt.Errorf("bitnet: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	e.NormalizeRow(hidden, w.x.Row(n-1), m.weights.outputNorm, c.Epsilon)
	for _, v := range hidden {
		if v-v != 0 {
			return ErrNotFinite
		}
	}
	return nil
}

// workspace holds the vectors of a block of tokens between the steps. q holds,
// one after the other, the queries, what attention makes of them, and what each
// half of a block adds to x.
type workspace struct {
	tokens            int // room for so many
	x, q, k, v, inner engine.Vectors
	narrow, wide      *quant.Activations
}

func (w *workspace) reserve(kernels *quant.Kernels, c *Config, tokens int) error {
	if tokens <= w.tokens {
		return nil
	}
	if tokens > 1 {
		tokens = min(max(tokens, 16), BlockTokens)
	}
	vectors := func(width int) engine.Vectors {
		return engine.Vectors{Data: make([]float32, tokens*width), Width: width}
	}
	var err error
	if w.narrow, err = kernels.NewActivations(tokens, c.EmbeddingLength); err != nil {
		return err
	}
	if w.wide, err = kernels.NewActivations(tokens, c.FeedForwardLength); err != nil {
		return err
	}
	w.x, w.q = vectors(c.EmbeddingLength), vectors(c.EmbeddingLength)
	w.k, w.v = vectors(c.KVHeads*c.HeadSize), vectors(c.KVHeads*c.HeadSize)
	w.inner = vectors(c.FeedForwardLength)
	w.tokens = tokens
	return nil
}
