// Package engine carries out the steps of a forward pass: each method is one
// line of the model's definition, for a batch of tokens at once, spread over
// the threads of a pool. Which kernels run, how the work is cut and where the
// intermediate results lie is settled here and nowhere else.
//
// No result depends on the number of threads or on how tokens fall into
// batches: rows of products, tokens and heads are independent of each other, and
// what is summed over positions is cut at fixed ones.
package engine

import (
	"errors"
	"math"
	"sync/atomic"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
	"github.com/gobitnet/gobitnet/bitnet/internal/table"
	"github.com/gobitnet/gobitnet/bitnet/internal/threads"
	"github.com/gobitnet/gobitnet/quant"
)

const (
	// rowsPerPart is how many rows of a matrix a thread takes at a time, when one
	// token is decoded, after a first long stretch: some 40 KB of weights, which
	// is a few microseconds.
	rowsPerPart = 64
	// rowsPerUnit divides stretches of rows, so that vectors of their products
	// are multiples of what float kernels take.
	rowsPerUnit = 16
	// tokensPerPart is how many tokens of a batch a thread takes at a time in
	// steps that go token by token, at most.
	tokensPerPart = 8
	// bytesPerPart is how much a thread copies at a time.
	bytesPerPart = 256 << 10
)

// Vectors are float32 vectors of one width, one for each token of a batch.
type Vectors struct {
	Data  []float32
	Width int
}

// Row returns the vector of one token.
func (v Vectors) Row(token int) []float32 { return v.Data[token*v.Width : (token+1)*v.Width] }

// A Norm is the weights of an RMSNorm and what it adds under the root. One
// without weights does nothing.
type Norm struct {
	Weight  []float32
	Epsilon float32
}

// A Projection is a ternary matrix with what a model may have around it: a norm
// of its own ahead of it, and a factor of its products.
type Projection struct {
	W     quant.Matrix
	Norm  Norm
	Scale float32 // 1 where there is none
}

// To returns the product that stores what the projection comes to in dst.
func (p Projection) To(dst Vectors) Product { return Product{p, dst} }

// A Product is a projection and where its products go.
type Product struct {
	Projection
	Dst Vectors
}

// An Engine carries out one step at a time. Its methods are called by whoever
// has acquired the pool.
type Engine struct {
	Pool    *threads.Pool
	integer *quant.Kernels
	float   *kernel.Set
	workers []workspace
	failure atomic.Pointer[error]
	counts  [kernelKinds]uint64
	heads   map[gguf.TensorType]uint64 // products with heads

	// The arguments of the step under way, read by its parts, and the parts
	// as function values, made once so that running them allocates nothing.
	quantize struct {
		dst   *quant.Activations
		x     Vectors
		norms [2]Norm
		batch *Batch
		part  int // tokens in a part
		do    func(thread, part int)
	}
	linear struct {
		products []Product
		x        *quant.Activations
		rows     stretches
		do       func(thread, part int)
	}
	gated struct {
		dst      Vectors
		gate, up Projection
		x        [2]*quant.Activations
		activate func(gate, up []float32)
		rows     stretches
		do       func(thread, part int)
	}
	rotate struct {
		q, k, v      Vectors
		qNorm, kNorm Norm
		batch        *Batch
		layer        int
		part         int       // tokens in a part
		rope         *RoPE     // of the batch
		sine, cos    []float32 // [token][half of the head]
		do           func(thread, part int)
	}
	attend attention
	head   headProduct
	screen screening
	copy   struct {
		dst, src []byte
		do       func(thread, part int)
	}
	repack struct {
		dst      []byte
		matrix   quant.Matrix
		rowBytes int // of dst
		do       func(thread, part int)
	}
}

// workspace is the memory of one thread.
type workspace struct {
	scratch  quant.Scratch
	table    table.Scratch
	row      []float32
	up       []float32
	half     []uint16
	scores   []float32
	products []float32
	partials []partial
	_        [64]byte // the next thread's is in another cache line
}

// New makes an engine that runs on a number of threads.
func New(threadCount int, kernels *quant.Kernels) (*Engine, error) {
	float, err := kernel.Named(kernels.Name())
	if err != nil {
		return nil, err
	}
	e := &Engine{Pool: threads.New(threadCount), integer: kernels, float: float, heads: map[gguf.TensorType]uint64{}}
	e.workers = make([]workspace, e.Pool.Threads())
	e.quantize.do = e.quantizePart
	e.linear.do = e.linearPart
	e.gated.do = e.gatedPart
	e.rotate.do = e.rotatePart
	e.attend.do = e.attendPart
	e.copy.do = e.copyPart
	e.repack.do = e.repackPart
	e.head.do = e.headPart
	e.screen.build = e.buildScreenPart
	e.screen.scan = e.scanScreenPart
	e.screen.exact = e.exactRowsPart
	return e, nil
}

// Kernels returns the integer kernels that the engine runs.
func (e *Engine) Kernels() *quant.Kernels { return e.integer }

// FloatKernels returns the float32 kernels that the engine runs.
func (e *Engine) FloatKernels() *kernel.Set { return e.float }

// fail keeps the first error of a part.
func (e *Engine) fail(err error) {
	if err == nil {
		return
	}
	first := err // not err itself, which would then be allocated in every call
	e.failure.CompareAndSwap(nil, &first)
}

// Err returns the first error since the last call, and forgets it.
func (e *Engine) Err() error {
	if err := e.failure.Load(); err != nil {
		e.failure.Store(nil)
		return *err
	}
	return nil
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// Copy copies src to dst, which is as long.
func (e *Engine) Copy(dst, src []byte) {
	e.copy.dst, e.copy.src = dst, src
	e.Pool.Run(partsOf(len(src), bytesPerPart), e.copy.do)
	e.copy.dst, e.copy.src = nil, nil
}

func (e *Engine) copyPart(_, part int) {
	lo, hi := part*bytesPerPart, min((part+1)*bytesPerPart, len(e.copy.src))
	copy(e.copy.dst[lo:hi], e.copy.src[lo:hi])
}

func partsOf(n, size int) int { return (n + size - 1) / size }

// Begin prepares for a batch of at least one token: room in the caches, the
// sines and cosines of all positions, and how attention is cut. queryHeads is the
// number of query heads of a token.
func (e *Engine) Begin(b *Batch, rope *RoPE, queryHeads int) {
	b.reserve()
	j, half := &e.rotate, len(rope.frequencies)
	j.rope = rope
	j.sine, j.cos = grow(j.sine, b.Rows()*half), grow(j.cos, b.Rows()*half)
	for r := range b.rows {
		rope.turn(j.sine[r*half:(r+1)*half], j.cos[r*half:(r+1)*half], b.rows[r].position)
	}
	shape := b.spans[0].Cache.Shape()
	e.prepareAttention(b, queryHeads/shape.Heads, shape)
}

// Embed stores the embedding of each token in x.
func (e *Engine) Embed(x Vectors, embedding *table.Table, b *Batch) {
	for r := range b.rows {
		e.fail(embedding.Widen(x.Row(r), b.rows[r].token, &e.workers[0].table))
	}
}

// tokensOfPart returns how many tokens a thread takes at a time in steps that go
// token by token: fewer where otherwise threads would have nothing to do.
func (e *Engine) tokensOfPart(tokens int) int {
	return min(partsOf(tokens, e.Pool.Threads()), tokensPerPart)
}

// rmsFactor returns 1/√(mean(x²) + eps), each operation rounded to float32
// (Zhang and Sennrich, "Root Mean Square Layer Normalization",
// arXiv:1910.07467).
func (e *Engine) rmsFactor(x []float32, eps float32) float32 {
	mean := e.float.SumSquares(x) / float32(len(x))
	// The float64 root of a float32, rounded to float32, is the float32 root.
	return 1 / float32(math.Sqrt(float64(mean+eps)))
}

// NormalizeRow stores RMSNorm(x) in dst, which may be x.
func (e *Engine) NormalizeRow(dst, x []float32, norm Norm) {
	e.float.Normalize(dst, x, norm.Weight, e.rmsFactor(x, norm.Epsilon))
}

// image stores the 8-bit image of x, normalized by each of two norms that there
// is, for each token of the batch in dst, ready for multiplication. A row that is
// not finite is marked in the batch.
func (e *Engine) image(dst *quant.Activations, x Vectors, norm, own Norm, b *Batch) {
	j, tokens := &e.quantize, b.Rows()
	j.dst, j.x, j.norms, j.batch = dst, x, [2]Norm{norm, own}, b
	e.fail(dst.Resize(tokens))
	j.part = e.tokensOfPart(tokens)
	if dst.Panels() > 0 {
		j.part = dst.PanelTokens()
	}
	e.counts[normalizations] += uint64(tokens)
	e.Pool.Run(partsOf(tokens, j.part), j.do)
}

func (e *Engine) quantizePart(thread, part int) {
	j, w := &e.quantize, &e.workers[thread]
	w.row = grow(w.row, j.x.Width)
	for t := part * j.part; t < min((part+1)*j.part, j.batch.Rows()); t++ {
		row := j.x.Row(t)
		for _, norm := range j.norms {
			if norm.Weight != nil {
				e.NormalizeRow(w.row, row, norm)
				row = w.row
			}
		}
		if err := j.dst.Quantize(t, row); errors.Is(err, quant.ErrActivation) {
			j.batch.rows[t].notFinite = true
		} else {
			e.fail(err)
		}
	}
	if part < j.dst.Panels() {
		e.fail(j.dst.Pack(part))
	}
}

// stretches are the parts into which rows fall. Where first is not 0 there is a
// long stretch of so many rows for each thread, which memory delivers faster than
// many short ones; what is left goes in short ones to whoever is ready first.
type stretches struct {
	rows, first, threads, each int
}

func (e *Engine) stretchesOf(rows int, x *quant.Activations) stretches {
	s := stretches{rows: rows, each: rowsPerPart, threads: e.Pool.Threads()}
	if x.Panels() > 0 {
		s.each = e.integer.TileRows()
	} else if s.threads > 1 {
		s.first = rows * 3 / 4 / s.threads / rowsPerUnit * rowsPerUnit
	}
	return s
}

func (s stretches) parts() int {
	if s.first == 0 {
		return partsOf(s.rows, s.each)
	}
	return s.threads + partsOf(s.rows-s.threads*s.first, s.each)
}

func (s stretches) bounds(part int) (lo, hi int) {
	if s.first == 0 {
		lo = part * s.each
	} else if part < s.threads {
		return part * s.first, (part + 1) * s.first
	} else {
		lo = s.threads*s.first + (part-s.threads)*s.each
	}
	return lo, min(lo+s.each, s.rows)
}

func (e *Engine) countProducts(x *quant.Activations, matrices int) {
	kind := ternaryMatVec
	if x.Panels() > 0 {
		kind = ternaryMatMul
	}
	e.counts[kind] += uint64(matrices * x.Tokens())
}

// BitLinear computes products with the 8-bit image of x, normalized by norm:
// image is room for it. Projections that have norms of their own, all of them or
// none, take an image each.
func (e *Engine) BitLinear(image *quant.Activations, x Vectors, norm Norm, b *Batch, products ...Product) {
	for len(products) > 0 {
		n := len(products)
		if products[0].Norm.Weight != nil {
			n = 1
		}
		e.image(image, x, norm, products[0].Norm, b)
		e.multiply(image, products[:n])
		products = products[n:]
	}
}

// multiply computes all products with x.
func (e *Engine) multiply(x *quant.Activations, products []Product) {
	j := &e.linear
	j.products = append(j.products[:0], products...)
	rows := 0
	for _, p := range products {
		rows += p.W.Rows()
	}
	j.x, j.rows = x, e.stretchesOf(rows, x)
	e.countProducts(x, len(products))
	e.Pool.Run(j.rows.parts(), j.do)
}

// linearPart takes a stretch of the rows of all matrices, one after the other.
func (e *Engine) linearPart(thread, part int) {
	j := &e.linear
	lo, hi := j.rows.bounds(part)
	for _, p := range j.products {
		if rows := p.W.Rows(); lo < rows && hi > 0 {
			from, to := max(lo, 0), min(hi, rows)
			e.products(&e.workers[thread], p.Dst.Data[from:], p.Dst.Width, &p.Projection, from, to, j.x)
		}
		lo, hi = lo-p.W.Rows(), hi-p.W.Rows()
	}
}

// products computes the rows from lo up to, not including, hi of a projection's
// products with each token of x. Those of a token lie side by side, stride after
// those of the token before.
func (e *Engine) products(w *workspace, dst []float32, stride int, p *Projection, lo, hi int, x *quant.Activations) {
	e.fail(e.integer.Multiply(dst, stride, p.W.Slice(lo, hi), x, &w.scratch))
	if p.Scale == 1 {
		return
	}
	for t := range x.Tokens() {
		for i := range dst[t*stride:][:hi-lo] {
			dst[t*stride+i] *= p.Scale
		}
	}
}

// GatedBitLinear stores activate(gate·h) · (up·h) in dst, element by element, h
// being the 8-bit image of x, normalized by norm. activate takes both products
// and leaves the result in the first. images are room for one image, or for two
// where the projections have norms of their own.
func (e *Engine) GatedBitLinear(dst Vectors, images [2]*quant.Activations, x Vectors, norm Norm, b *Batch, gate, up Projection, activate func(gate, up []float32)) {
	e.image(images[0], x, norm, gate.Norm, b)
	if up.Norm.Weight == nil {
		images[1] = images[0]
	} else {
		e.image(images[1], x, norm, up.Norm, b)
	}
	j := &e.gated
	j.dst, j.gate, j.up, j.x, j.activate, j.rows = dst, gate, up, images, activate, e.stretchesOf(gate.W.Rows(), images[0])
	e.countProducts(images[0], 2)
	e.Pool.Run(j.rows.parts(), j.do)
}

func (e *Engine) gatedPart(thread, part int) {
	j, w := &e.gated, &e.workers[thread]
	lo, hi := j.rows.bounds(part)
	tokens := j.x[0].Tokens()
	w.up = grow(w.up, tokens*(hi-lo))
	e.products(w, j.dst.Data[lo:], j.dst.Width, &j.gate, lo, hi, j.x[0])
	e.products(w, w.up, hi-lo, &j.up, lo, hi, j.x[1])
	for t := range tokens {
		j.activate(j.dst.Row(t)[lo:hi], w.up[t*(hi-lo):(t+1)*(hi-lo)])
	}
}

// Add adds y to x for each token of the batch.
func (e *Engine) Add(x, y Vectors, b *Batch) {
	n := b.Rows() * x.Width
	e.float.Add(x.Data[:n], y.Data[:n])
}

// RotateAndStore turns queries and keys by their positions (RoPE), after
// normalizing each of their heads where the model does, and keeps keys and values
// in the caches.
func (e *Engine) RotateAndStore(q, k, v Vectors, qNorm, kNorm Norm, layer int, b *Batch) {
	j := &e.rotate
	j.q, j.k, j.v, j.qNorm, j.kNorm = q, k, v, qNorm, kNorm
	j.layer, j.batch, j.part = layer, b, e.tokensOfPart(b.Rows())
	e.Pool.Run(partsOf(b.Rows(), j.part), j.do)
}

func (e *Engine) rotatePart(thread, part int) {
	j, w := &e.rotate, &e.workers[thread]
	size := e.attend.size
	w.half = grow(w.half, size)
	for t := part * j.part; t < min((part+1)*j.part, j.batch.Rows()); t++ {
		row := &j.batch.rows[t]
		cache := j.batch.spans[row.span].Cache
		sine, cosine := j.sine[t*size/2:(t+1)*size/2], j.cos[t*size/2:(t+1)*size/2]
		turn := func(head []float32, norm Norm) {
			if norm.Weight != nil {
				e.NormalizeRow(head, head, norm)
			}
			j.rope.rotate(head, sine, cosine)
		}
		q, k, v := j.q.Row(t), j.k.Row(t), j.v.Row(t)
		for at := 0; at < len(q); at += size {
			turn(q[at:at+size], j.qNorm)
		}
		for at := 0; at < len(k); at += size {
			turn(k[at:at+size], j.kNorm)
			cache.Store(e.float, j.layer, at/size, row.position, k[at:at+size], v[at:at+size], w.half)
		}
	}
}
