package bitnet

import (
	"math"

	"github.com/gobitnet/gobitnet/bitnet/internal/engine"
	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
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
// Others do without the second normalizations, normalize the heads of queries and
// keys, or have SiLU as activation (architectures).
func (m *Model) forward(batch *engine.Batch, stop func() bool) error {
	c, e, w := &m.config, m.engine, &m.workspace
	if err := w.reserve(e.Kernels(), c, m.weights.formats, batch.Rows()); err != nil {
		return err
	}
	attentionScale := float32(1 / math.Sqrt(float64(c.HeadSize)))

	e.Begin(batch, m.rope, c.Heads)
	e.Embed(w.x, m.weights.embedding, batch)
	for layer := range m.weights.blocks {
		b := &m.weights.blocks[layer]

		// x += output(norm(attention(q(h), k(h), v(h)))), h = norm(x)
		e.BitLinear(w.narrow[0], w.x, b.attnNorm, batch, b.q.To(w.q), b.k.To(w.k), b.v.To(w.v))
		e.RotateAndStore(w.q, w.k, w.v, b.qNorm, b.kNorm, layer, batch)
		e.Attend(w.q, attentionScale, layer, batch)
		e.BitLinear(w.heads, w.q, b.attnSubNorm, batch, b.output.To(w.sum))
		e.Add(w.x, w.sum, batch)

		// x += down(norm(activation(gate(h)) · up(h))), h = norm(x)
		e.GatedBitLinear(w.inner, w.narrow, w.x, b.ffnNorm, batch, b.gate, b.up, m.activation)
		e.BitLinear(w.wide, w.inner, b.ffnSubNorm, batch, b.down.To(w.sum))
		e.Add(w.x, w.sum, batch)

		if stop() {
			break
		}
	}
	return e.Err()
}

// activations are the functions between gate and up, under the names that they
// have in files and options. Each leaves its result in the first vector.
var activations = map[string]func(*kernel.Set) func(gate, up []float32){
	"relu2": func(k *kernel.Set) func(gate, up []float32) { return k.ReLUSquaredMul },
	"silu":  func(k *kernel.Set) func(gate, up []float32) { return k.SiLUMul },
}

// finish stores in hidden the vector of a row of the last batch that the output
// head multiplies, and reports whether all of it is finite.
func (m *Model) finish(hidden []float32, row int) bool {
	m.engine.NormalizeRow(hidden, m.workspace.x.Row(row), m.weights.outputNorm)
	for _, v := range hidden {
		if v-v != 0 {
			return false
		}
	}
	return true
}

// workspace holds the vectors of a batch of tokens between the steps, and the
// 8-bit images that projections multiply. q holds the queries and then what
// attention makes of them, sum what each half of a block adds to x.
type workspace struct {
	tokens                 int // room for so many
	x, q, k, v, inner, sum engine.Vectors
	narrow                 [2]*quant.Activations // the second where projections have norms of their own
	heads, wide            *quant.Activations
}

func (w *workspace) reserve(kernels *quant.Kernels, c *Config, formats []quant.Format, tokens int) error {
	if tokens <= w.tokens {
		return nil
	}
	if tokens > 1 {
		tokens = min(max(tokens, 16), BlockTokens)
	}
	var first error
	image := func(width int) *quant.Activations {
		a, err := kernels.NewActivations(tokens, width, formats...)
		if first == nil {
			first = err
		}
		return a
	}
	vectors := func(width int) engine.Vectors {
		return engine.Vectors{Data: make([]float32, tokens*width), Width: width}
	}
	width, heads, kv := c.EmbeddingLength, c.Heads*c.HeadSize, c.KVHeads*c.HeadSize
	w.narrow[0], w.heads, w.wide = image(width), image(heads), image(c.FeedForwardLength)
	if c.InputNorms {
		w.narrow[1] = image(width)
	}
	if first != nil {
		return first
	}
	w.x, w.sum, w.inner = vectors(width), vectors(width), vectors(c.FeedForwardLength)
	w.q, w.k, w.v = vectors(heads), vectors(kv), vectors(kv)
	w.tokens = tokens
	return nil
}
