package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gobitnet/gobitnet/bitnet/arithmetic/_train/internal/matrix"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic/_train/internal/vector"
	"github.com/gobitnet/gobitnet/internal/portable"
)

// A shape is what the model is made of.
type shape struct {
	Width, Inner, Blocks, Heads, KVHeads, Context, Merges int

	RoPEBase float64
	Epsilon  float32
}

func (s *shape) head() int { return s.Width / s.Heads }
func (s *shape) keys() int { return s.KVHeads * s.head() }

// A parameter is one tensor that is learned.
type parameter struct {
	matrix.Matrix
	name      string
	ternary   bool
	gradient  matrix.Matrix
	effective matrix.Matrix // what the forward pass computes with: rounded as in the file
	mean      []float32     // running mean and square of the gradients
	square    []float32
}

// A block's projections that read the same vector lie in one matrix.
type block struct {
	attnNorm, attnSubNorm, ffnNorm, ffnSubNorm *parameter
	q, k, v, output, gate, up, down            *parameter
	qkv, gateUp                                joined
}

// joined is the rows of several projections, one behind the other.
type joined struct{ effective, gradient matrix.Matrix }

type model struct {
	shape
	embedding, outputNorm *parameter
	blocks                []block
	parameters            []*parameter
	cos, sin              []float32 // [position][head/2]
}

// newModel returns a model with random weights.
func newModel(s shape, vocabulary int, seed uint64) *model {
	m := &model{shape: s}
	r := rand.New(rand.NewPCG(seed, math.MaxUint64))
	add := func(name string, rows, cols int, ternary bool, fill func() float64) *parameter {
		p := &parameter{
			Matrix: matrix.New(rows, cols), name: name, ternary: ternary,
			gradient: matrix.New(rows, cols), effective: matrix.New(rows, cols),
			mean: make([]float32, rows*cols), square: make([]float32, rows*cols),
		}
		for i := range p.Data {
			p.Data[i] = float32(fill())
		}
		m.parameters = append(m.parameters, p)
		return p
	}
	// A sum of twelve uniform numbers is normal enough, and the same everywhere.
	normal := func(deviation float64) func() float64 {
		return func() float64 {
			sum := -6.0
			for range 12 {
				sum += r.Float64()
			}
			return float64(sum * deviation)
		}
	}
	one := func() float64 { return 1 }
	join := func(parts ...*parameter) (j joined) {
		rows := 0
		for _, p := range parts {
			rows += p.Rows
		}
		j.effective, j.gradient = matrix.New(rows, parts[0].Cols), matrix.New(rows, parts[0].Cols)
		at := 0
		for _, p := range parts {
			n := len(p.Data)
			p.effective.Data, p.gradient.Data = j.effective.Data[at:at+n:at+n], j.gradient.Data[at:at+n:at+n]
			at += n
		}
		return j
	}
	m.embedding = add("token_embd.weight", vocabulary, s.Width, false, normal(0.1))
	projection := func(name string, rows, cols int) *parameter {
		return add(name, rows, cols, true, normal(1/math.Sqrt(float64(cols))))
	}
	residual := func(name string, rows, cols int) *parameter {
		return add(name, rows, cols, true, normal(0.3/math.Sqrt(float64(cols))))
	}
	for range s.Blocks {
		var b block
		name := fmt.Sprintf("blk.%d.", len(m.blocks))
		b.attnNorm = add(name+"attn_norm.weight", 1, s.Width, false, one)
		b.q = projection(name+"attn_q.weight", s.Width, s.Width)
		b.k = projection(name+"attn_k.weight", s.keys(), s.Width)
		b.v = projection(name+"attn_v.weight", s.keys(), s.Width)
		b.attnSubNorm = add(name+"attn_sub_norm.weight", 1, s.Width, false, one)
		b.output = residual(name+"attn_output.weight", s.Width, s.Width)
		b.ffnNorm = add(name+"ffn_norm.weight", 1, s.Width, false, one)
		b.gate = projection(name+"ffn_gate.weight", s.Inner, s.Width)
		b.up = projection(name+"ffn_up.weight", s.Inner, s.Width)
		b.ffnSubNorm = add(name+"ffn_sub_norm.weight", 1, s.Inner, false, one)
		b.down = residual(name+"ffn_down.weight", s.Width, s.Inner)
		b.qkv, b.gateUp = join(b.q, b.k, b.v), join(b.gate, b.up)
		m.blocks = append(m.blocks, b)
	}
	m.outputNorm = add("output_norm.weight", 1, s.Width, false, one)

	half := s.head() / 2
	for position := range s.Context {
		for i := range half {
			frequency := portable.Exp(-2 * float64(i) / float64(s.head()) * portable.Log(s.RoPEBase))
			sin, cos := portable.Sincos(float64(float64(position) * frequency))
			m.cos, m.sin = append(m.cos, float32(cos)), append(m.sin, float32(sin))
		}
	}
	return m
}

// saved is what the forward pass of a block leaves for the backward pass. Rows
// are tokens.
type saved struct {
	x, quantized1 matrix.Matrix // what enters the block, and its normalized 8-bit image
	scale1        []float32     // 1 / root mean square of each row that was normalized
	qkv           matrix.Matrix // queries and keys rotated
	weights       []float32     // of attention
	attended      matrix.Matrix
	scale2        []float32
	quantized2    matrix.Matrix
	middle        matrix.Matrix // x after attention
	scale3        []float32
	quantized3    matrix.Matrix
	gateUp        matrix.Matrix
	inner         matrix.Matrix
	scale4        []float32
	quantized4    matrix.Matrix
}

// A pass computes the loss of a batch and its gradients.
type pass struct {
	*model
	blocks  []saved
	starts  []int // of the documents, and the end of the last
	tokens  []int
	targets []int // tokens to be predicted, -1 where nothing is learned

	last, hidden, dx, dnorm, dqkv, dnormed, dinner, dattended matrix.Matrix
	lastScale                                                 []float32
	rows                                                      []int // positions with a target
	answers, danswers, logits                                 matrix.Matrix

	exact bool // neither weights nor activations are rounded; for tests
}

// sized returns a matrix with storage that is used again from batch to batch.
func (p *pass) sized(m *matrix.Matrix, rows, cols int) {
	if cap(m.Data) < rows*cols {
		m.Data = make([]float32, rows*cols+rows*cols/4)
	}
	m.Data, m.Rows, m.Cols = m.Data[:rows*cols], rows, cols
}

// load lays the documents out one behind the other.
func (p *pass) load(documents []document) {
	p.tokens, p.targets, p.starts, p.rows = p.tokens[:0], p.targets[:0], p.starts[:0], p.rows[:0]
	for _, d := range documents {
		p.starts = append(p.starts, len(p.tokens))
		for i, id := range d.tokens[:len(d.tokens)-1] {
			target := -1
			if d.learned[i+1] {
				target = d.tokens[i+1]
				p.rows = append(p.rows, len(p.tokens))
			}
			p.tokens = append(p.tokens, id)
			p.targets = append(p.targets, target)
		}
	}
	p.starts = append(p.starts, len(p.tokens))
}

// forward computes the logits of every position with a target and returns the
// mean cross-entropy and how many targets are the likeliest token.
func (p *pass) forward(documents []document) (loss float64, right int) {
	p.load(documents)
	p.round()
	s, n := &p.shape, len(p.tokens)
	if p.blocks == nil {
		p.blocks = make([]saved, s.Blocks)
	}
	x := &p.blocks[0].x
	p.sized(x, n, s.Width)
	for i, id := range p.tokens {
		copy(x.Row(i), p.embedding.effective.Row(id))
	}
	for layer := range p.model.blocks {
		w, b := &p.model.blocks[layer], &p.blocks[layer]

		p.normalize(&b.quantized1, &b.scale1, b.x, w.attnNorm, true)
		p.sized(&b.qkv, n, w.qkv.effective.Rows)
		matrix.MultiplyTransposed(b.qkv, b.quantized1, w.qkv.effective)
		p.sized(&b.attended, n, s.Width)
		p.attend(b)
		p.normalize(&b.quantized2, &b.scale2, b.attended, w.attnSubNorm, true)
		p.sized(&b.middle, n, s.Width)
		matrix.MultiplyTransposed(b.middle, b.quantized2, w.output.effective)
		add(b.middle, b.x)

		p.normalize(&b.quantized3, &b.scale3, b.middle, w.ffnNorm, true)
		p.sized(&b.gateUp, n, w.gateUp.effective.Rows)
		matrix.MultiplyTransposed(b.gateUp, b.quantized3, w.gateUp.effective)
		p.sized(&b.inner, n, s.Inner)
		gated(b.inner, b.gateUp)
		p.normalize(&b.quantized4, &b.scale4, b.inner, w.ffnSubNorm, true)
		next := &p.last
		if layer+1 < s.Blocks {
			next = &p.blocks[layer+1].x
		}
		p.sized(next, n, s.Width)
		matrix.MultiplyTransposed(*next, b.quantized4, w.down.effective)
		add(*next, b.middle)
	}
	p.normalize(&p.hidden, &p.lastScale, p.last, p.outputNorm, false)

	p.sized(&p.answers, len(p.rows), s.Width)
	for i, row := range p.rows {
		copy(p.answers.Row(i), p.hidden.Row(row))
	}
	p.sized(&p.logits, len(p.rows), p.embedding.Rows)
	matrix.MultiplyTransposed(p.logits, p.answers, p.embedding.effective)
	return p.entropy()
}

// entropy replaces the logits by the gradient of the mean cross-entropy.
func (p *pass) entropy() (loss float64, right int) {
	losses, hits := make([]float64, len(p.rows)), make([]bool, len(p.rows))
	share := 1 / float32(len(p.rows))
	matrix.Parallel(len(p.rows), func(start, end int) {
		weights := make([]float64, p.logits.Cols)
		for i := start; i < end; i++ {
			row, target := p.logits.Row(i), p.targets[p.rows[i]]
			best := 0
			for id, v := range row {
				if v > row[best] {
					best = id
				}
			}
			top, sum := float64(row[best]), 0.0
			for id, v := range row {
				weights[id] = exp(max(float64(v)-top, -700))
				sum += weights[id]
			}
			losses[i] = portable.Log(sum) + top - float64(row[target])
			hits[i] = best == target
			for id, w := range weights {
				row[id] = float32(w/sum) * share
			}
			row[target] -= share
		}
	})
	for i, l := range losses {
		loss += l
		if hits[i] {
			right++
		}
	}
	return loss / float64(len(losses)), right
}

// backward computes the gradients of the parameters, after forward. Where
// something is rounded, the gradient passes as if it were not (the
// straight-through estimator, arXiv:1308.3432).
func (p *pass) backward() {
	s, n := &p.shape, len(p.tokens)
	p.sized(&p.danswers, len(p.rows), s.Width)
	matrix.Multiply(p.danswers, p.logits, p.embedding.effective)
	matrix.TransposedMultiply(p.embedding.gradient, p.logits, p.answers)
	p.sized(&p.dnorm, n, s.Width)
	clear(p.dnorm.Data)
	for i, row := range p.rows {
		copy(p.dnorm.Row(row), p.danswers.Row(i))
	}
	p.sized(&p.dx, n, s.Width)
	clear(p.dx.Data)
	p.normalizeBackward(p.dx, p.dnorm, p.last, p.lastScale, p.outputNorm)

	p.sized(&p.dqkv, n, s.Width+2*s.keys())
	p.sized(&p.dnormed, n, s.Inner)
	p.sized(&p.dinner, n, s.Inner)
	p.sized(&p.dattended, n, s.Width)
	for layer := s.Blocks - 1; layer >= 0; layer-- {
		w, b := &p.model.blocks[layer], &p.blocks[layer]

		// dx is the gradient of what leaves the block, and in the end of what
		// enters it.
		matrix.TransposedMultiply(w.down.gradient, p.dx, b.quantized4)
		matrix.Multiply(p.dnormed, p.dx, w.down.effective)
		clear(p.dinner.Data)
		p.normalizeBackward(p.dinner, p.dnormed, b.inner, b.scale4, w.ffnSubNorm)
		gatedBackward(b.gateUp, p.dinner) // b.gateUp becomes its own gradient
		matrix.TransposedMultiply(w.gateUp.gradient, b.gateUp, b.quantized3)
		matrix.Multiply(p.dnorm, b.gateUp, w.gateUp.effective)
		p.normalizeBackward(p.dx, p.dnorm, b.middle, b.scale3, w.ffnNorm)

		matrix.TransposedMultiply(w.output.gradient, p.dx, b.quantized2)
		matrix.Multiply(p.dnorm, p.dx, w.output.effective)
		clear(p.dattended.Data)
		p.normalizeBackward(p.dattended, p.dnorm, b.attended, b.scale2, w.attnSubNorm)
		p.attendBackward(p.dqkv, b, p.dattended)
		matrix.TransposedMultiply(w.qkv.gradient, p.dqkv, b.quantized1)
		matrix.Multiply(p.dnorm, p.dqkv, w.qkv.effective)
		p.normalizeBackward(p.dx, p.dnorm, b.x, b.scale1, w.attnNorm)
	}
	for i, id := range p.tokens {
		row := p.embedding.gradient.Row(id)
		for j, v := range p.dx.Row(i) {
			row[j] += v
		}
	}
}

// normalize is RMSNorm and, for a projection, the rounding to 8 bits, of every
// row, which is then what the 8 bits stand for.
func (p *pass) normalize(dst *matrix.Matrix, scale *[]float32, src matrix.Matrix, w *parameter, image bool) {
	p.sized(dst, src.Rows, src.Cols)
	if cap(*scale) < src.Rows {
		*scale = make([]float32, src.Rows+src.Rows/4)
	}
	*scale = (*scale)[:src.Rows]
	matrix.Parallel(src.Rows, func(start, end int) {
		for i := start; i < end; i++ {
			x, y := src.Row(i), dst.Row(i)
			mean := vector.Dot(x, x) / float32(src.Cols)
			factor := 1 / float32(math.Sqrt(float64(mean+p.Epsilon)))
			(*scale)[i] = factor
			vector.Weigh(y, x, w.Data, factor)
			if image && !p.exact {
				eightBits(y)
			}
		}
	})
}

// eightBits rounds a row to what its 8-bit image stands for.
func eightBits(y []float32) {
	largest := max(vector.AbsoluteMaximum(y), 1e-5)
	s := 127 / largest
	vector.RoundTo(y, s, 1/s)
}

// chunkRows is how many tokens' share of a normalization's gradient is summed
// before the shares are: a number that does not depend on the machine.
const chunkRows = 256

// normalizeBackward adds to dx the gradient of what was normalized and sets that
// of the weights.
func (p *pass) normalizeBackward(dx, dy, x matrix.Matrix, scale []float32, w *parameter) {
	chunks := (x.Rows + chunkRows - 1) / chunkRows
	sums := make([]float32, chunks*x.Cols)
	matrix.Parallel(chunks, func(first, last int) {
		weighted := make([]float32, x.Cols)
		for chunk := first; chunk < last; chunk++ {
			sum := sums[chunk*x.Cols:][:x.Cols]
			for i := chunk * chunkRows; i < min((chunk+1)*chunkRows, x.Rows); i++ {
				in, out, into, factor := x.Row(i), dy.Row(i), dx.Row(i), scale[i]
				vector.AddWeighed(sum, out, in, factor)
				vector.Weigh(weighted, out, w.Data, 1)
				along := vector.Dot(weighted, in) * float32(float32(factor*factor)*factor) / float32(x.Cols)
				vector.AddDifference(into, weighted, in, factor, along)
			}
		}
	})
	clear(w.gradient.Data)
	for chunk := range chunks {
		for j, v := range sums[chunk*x.Cols:][:x.Cols] {
			w.gradient.Data[j] += v
		}
	}
}

// gated sets dst to relu(gate)²·up.
func gated(dst, gateUp matrix.Matrix) {
	matrix.Parallel(dst.Rows, func(start, end int) {
		for i := start; i < end; i++ {
			row := gateUp.Row(i)
			vector.Gated(dst.Row(i), row[:dst.Cols], row[dst.Cols:])
		}
	})
}

// gatedBackward replaces gate and up by their gradients.
func gatedBackward(gateUp, dy matrix.Matrix) {
	matrix.Parallel(dy.Rows, func(start, end int) {
		for i := start; i < end; i++ {
			row := gateUp.Row(i)
			vector.GatedBackward(row[:dy.Cols], row[dy.Cols:], dy.Row(i))
		}
	})
}

func add(dst, src matrix.Matrix) {
	matrix.Parallel(dst.Rows, func(start, end int) {
		from := src.Data[start*src.Cols : end*src.Cols]
		for i, v := range from {
			dst.Data[start*dst.Cols+i] += v
		}
	})
}
