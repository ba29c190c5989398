package bitnet

import (
	"math"

	"github.com/gobitnet/gobitnet/bitnet/internal/engine"
	"github.com/gobitnet/gobitnet/quant"
)

// BlockTokens is how many tokens go through the model at once, at most: so many
// that unpacking the weights for them is cheap, so few that what lies between
// two layers stays within some 15 MB. Results do not depend on it.
const BlockTokens = 192

// forward evaluates a batch of tokens and leaves in m.workspace.x, row by row,
// the vectors that the last normalization and the output head turn into logits.
// Between layers it asks stop whether anybody still waits for them.
//
// This is the whole model, as in "BitNet b1.58 2B4T Technical Report"
// (arXiv:2504.12285): a Llama-like transformer whose projections are BitLinear
// (ternary weights times the 8-bit image of a normalized vector), with a second
// normalization in each half of a block and the square of a ReLU as activation.
func (m *Model) forward(batch *engine.Batch, stop func() bool) error {
	c, e, w := &m.config, m.engine, &m.workspace
	if err := w.reserve(e.Kernels(), c, batch.Rows()); err != nil {
		return err
	}
	attentionScale := float32(1 / math.Sqrt(float64(c.HeadSize)))

	e.Begin(batch, m.rope, c.Heads)
	e.Embed(w.x, m.weights.embedding, batch)
	for layer := range m.weights.blocks {
		b := &m.weights.blocks[layer]

		// x += output(norm(attention(q, k, v)))
		e.Normalize(w.narrow, w.x, b.attnNorm, c.Epsilon, batch)
		e.Linear(w.narrow, engine.Projection{Dst: w.q, W: b.q}, engine.Projection{Dst: w.k, W: b.k}, engine.Projection{Dst: w.v, W: b.v})
		e.RotateAndStore(w.q, w.k, w.v, layer, batch)
		e.Attend(w.q, attentionScale, layer, batch)
		e.Normalize(w.narrow, w.q, b.attnSubNorm, c.Epsilon, batch)
		e.Linear(w.narrow, engine.Projection{Dst: w.q, W: b.output})
		e.Add(w.x, w.q, batch)

		// x += down(norm(relu(gate(h))² · up(h))), h = norm(x)
		e.Normalize(w.narrow, w.x, b.ffnNorm, c.Epsilon, batch)
		e.GatedLinear(w.inner, b.gate, b.up, w.narrow)
		e.Normalize(w.wide, w.inner, b.ffnSubNorm, c.Epsilon, batch)
		e.Linear(w.wide, engine.Projection{Dst: w.q, W: b.down})
		e.Add(w.x, w.q, batch)

		if stop() {
			break
		}
	}
	return e.Err()
}

// finish stores in hidden the vector of a row of the last batch that the output
// head multiplies, and reports whether all of it is finite.
func (m *Model) finish(hidden []float32, row int) bool {
	m.engine.NormalizeRow(hidden, m.workspace.x.Row(row), m.weights.outputNorm, m.config.Epsilon)
	for _, v := range hidden {
		if v-v != 0 {
			return false
		}
	}
	return true
}

// workspace holds the vectors of a batch of tokens between the steps. q holds,
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
	if w.narrow, err = kernels.NewActivations(tokens, c.EmbeddingLength, quant.I2S); err != nil {
		return err
	}
	if w.wide, err = kernels.NewActivations(tokens, c.FeedForwardLength, quant.I2S); err != nil {
		return err
	}
	w.x, w.q = vectors(c.EmbeddingLength), vectors(c.EmbeddingLength)
	w.k, w.v = vectors(c.KVHeads*c.HeadSize), vectors(c.KVHeads*c.HeadSize)
	w.inner = vectors(c.FeedForwardLength)
	w.tokens = tokens
	return nil
}
