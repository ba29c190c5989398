// Package engine carries out the steps of a forward pass: each method is one
// line of the model's definition, for a block of tokens at once, spread over
// the threads of a pool. Which kernels run, how the work is cut and where the
// intermediate results lie is settled here and nowhere else.
//
// No result depends on the number of threads or on how tokens fall into blocks:
// rows of products, tokens and heads are independent of each other, and what
// is summed over positions is cut at fixed ones.
package engine

import (
	"math"
	"sync/atomic"

	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
	"github.com/gobitnet/gobitnet/bitnet/internal/kvcache"
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
	// headRowsPerPart is the same for the float16 head, and headRowsPerCall
	// what one kernel call may take without holding up the garbage collector.
	headRowsPerPart = 256
	headRowsPerCall = 32
	// releaseRowsPerPart is so many that giving their memory back, one system
	// call, is cheap beside reading them.
	releaseRowsPerPart = 512
	// tokensPerPart is how many tokens of a block a thread takes at a time in
	// steps that go token by token.
	tokensPerPart = 8
)

// Vectors are float32 vectors of one width, one for each token of a block.
type Vectors struct {
	Data  []float32
	Width int
}

// Row returns the vector of one token.
func (v Vectors) Row(token int) []float32 { return v.Data[token*v.Width : (token+1)*v.Width] }

// A Projection is one matrix and where its products go.
type Projection struct {
	Dst Vectors
	W   quant.Matrix
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

	// The arguments of the step under way, read by its parts, and the parts
	// as function values, made once so that running them allocates nothing.
	normalize struct {
		dst    *quant.Activations
		x      Vectors
		weight []float32
		eps    float32
		tokens int
		part   int // tokens in a part
		do     func(thread, part int)
	}
	linear struct {
		projections []Projection
		x           *quant.Activations
		rows        stretches
		do          func(thread, part int)
	}
	gated struct {
		dst      Vectors
		gate, up quant.Matrix
		x        *quant.Activations
		rows     stretches
		do       func(thread, part int)
	}
	rotate struct {
		q, k, v   Vectors
		cache     *kvcache.Cache
		layer     int
		first     int // position of the first token
		tokens    int
		sine, cos []float32 // [token][half of the head]
		do        func(thread, part int)
	}
	attend attention
	head   struct {
		logits      []float32
		rows        []uint16
		x           []float32
		rowsPerPart int
		do          func(thread, part int)
	}
	screen screening

	// release, where set, is called by Head and BuildImage for each stretch of
	// the head that has been read.
	release func(rows []uint16)
}

// workspace is the memory of one thread.
type workspace struct {
	scratch  quant.Scratch
	row      []float32
	up       []float32
	half     []uint16
	scores   []float32
	partials []partial
	_        [64]byte // the next thread's is in another cache line
}

// New makes an engine that runs on a number of threads.
func New(threadCount int, kernels *quant.Kernels) *Engine {
	e := &Engine{
		Pool:    threads.New(threadCount),
		integer: kernels,
		float:   kernel.Named(kernels.Name()),
	}
	e.workers = make([]workspace, e.Pool.Threads())
	e.normalize.do = e.normalizePart
	e.linear.do = e.linearPart
	e.gated.do = e.gatedPart
	e.rotate.do = e.rotatePart
	e.attend.decode = e.attendChunk
	e.attend.prefill = e.attendTokens
	e.head.do = e.headPart
	e.screen.build = e.buildImagePart
	e.screen.scan = e.scanImagePart
	e.screen.exact = e.exactRowsPart
	return e
}

// Kernels returns the integer kernels that the engine runs.
func (e *Engine) Kernels() *quant.Kernels { return e.integer }

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

func partsOf(n, size int) int { return (n + size - 1) / size }

// Embed stores row tokens[t] of the embedding at x.Row(t).
func (e *Engine) Embed(x Vectors, embedding []uint16, tokens []int) {
	for t, id := range tokens {
		kernel.Widen(x.Row(t), embedding[id*x.Width:(id+1)*x.Width])
	}
}

// rmsFactor returns 1/√(mean(x²) + eps), each operation rounded to float32
// (Zhang and Sennrich, "Root Mean Square Layer Normalization",
// arXiv:1910.07467).
func (e *Engine) rmsFactor(x []float32, eps float32) float32 {
	mean := e.float.SumSquares(x) / float32(len(x))
	// The float64 root of a float32, rounded to float32, is the float32 root.
	return 1 / float32(math.Sqrt(float64(mean+eps)))
}

// NormalizeRow stores RMSNorm(x)·weight in dst.
func (e *Engine) NormalizeRow(dst, x, weight []float32, eps float32) {
	e.float.Normalize(dst, x, weight, e.rmsFactor(x, eps))
}

// Normalize stores the 8-bit image of RMSNorm(x)·weight for the first tokens
// of x in dst, ready for multiplication.
func (e *Engine) Normalize(dst *quant.Activations, x Vectors, weight []float32, eps float32, tokens int) {
	j := &e.normalize
	j.dst, j.x, j.weight, j.eps, j.tokens = dst, x, weight, eps, tokens
	e.fail(dst.Resize(tokens))
	j.part = tokensPerPart
	if dst.Panels() > 0 {
		j.part = dst.PanelTokens()
	}
	e.counts[normalizations] += uint64(tokens)
	e.Pool.Run(partsOf(tokens, j.part), j.do)
}

func (e *Engine) normalizePart(thread, part int) {
	j, w := &e.normalize, &e.workers[thread]
	w.row = grow(w.row, j.x.Width)
	for t := part * j.part; t < min((part+1)*j.part, j.tokens); t++ {
		e.NormalizeRow(w.row, j.x.Row(t), j.weight, j.eps)
		e.fail(j.dst.Quantize(t, w.row))
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
	if x.Panels() > 0 {
		e.counts[ternaryMatMul] += uint64(matrices)
	} else {
		e.counts[ternaryMatVec] += uint64(matrices * x.Tokens())
	}
}

// Linear computes the products of all projections with x.
func (e *Engine) Linear(x *quant.Activations, projections ...Projection) {
	j := &e.linear
	j.projections = append(j.projections[:0], projections...)
	rows := 0
	for _, p := range projections {
		rows += p.W.Rows()
	}
	j.x, j.rows = x, e.stretchesOf(rows, x)
	e.countProducts(x, len(projections))
	e.Pool.Run(j.rows.parts(), j.do)
}

// linearPart takes a stretch of the rows of all matrices, one after the other.
func (e *Engine) linearPart(thread, part int) {
	j := &e.linear
	lo, hi := j.rows.bounds(part)
	for _, p := range j.projections {
		if rows := p.W.Rows(); lo < rows && hi > 0 {
			from := max(lo, 0)
			e.fail(e.integer.Multiply(p.Dst.Data[from:], p.Dst.Width, p.W.Slice(from, hi), j.x, &e.workers[thread].scratch))
		}
		lo, hi = lo-p.W.Rows(), hi-p.W.Rows()
	}
}

// GatedLinear stores relu(gate·x)² · (up·x) in dst, element by element.
func (e *Engine) GatedLinear(dst Vectors, gate, up quant.Matrix, x *quant.Activations) {
	j := &e.gated
	j.dst, j.gate, j.up, j.x, j.rows = dst, gate, up, x, e.stretchesOf(gate.Rows(), x)
	e.countProducts(x, 2)
	e.Pool.Run(j.rows.parts(), j.do)
}

func (e *Engine) gatedPart(thread, part int) {
	j, w := &e.gated, &e.workers[thread]
	lo, hi := j.rows.bounds(part)
	w.up = grow(w.up, j.x.Tokens()*(hi-lo))
	e.fail(e.integer.Multiply(j.dst.Data[lo:], j.dst.Width, j.gate.Slice(lo, hi), j.x, &w.scratch))
	e.fail(e.integer.Multiply(w.up, hi-lo, j.up.Slice(lo, hi), j.x, &w.scratch))
	for t := range j.x.Tokens() {
		e.float.ReLUSquaredMul(j.dst.Row(t)[lo:hi], w.up[t*(hi-lo):(t+1)*(hi-lo)])
	}
}

// Add adds y to x for the first tokens.
func (e *Engine) Add(x, y Vectors, tokens int) {
	e.float.Add(x.Data[:tokens*x.Width], y.Data[:tokens*x.Width])
}

// RotateAndStore turns queries and keys by their positions (RoPE) and keeps
// keys and values in the cache. The first token is at position first.
func (e *Engine) RotateAndStore(q, k, v Vectors, rope *RoPE, cache *kvcache.Cache, layer, first, tokens int) {
	j := &e.rotate
	j.q, j.k, j.v, j.cache, j.layer, j.first, j.tokens = q, k, v, cache, layer, first, tokens
	j.sine, j.cos = rope.sine, rope.cosine
	e.Pool.Run(partsOf(tokens, tokensPerPart), j.do)
}

func (e *Engine) rotatePart(thread, part int) {
	j, w := &e.rotate, &e.workers[thread]
	size := j.cache.Shape().HeadSize
	w.half = grow(w.half, size)
	for t := part * tokensPerPart; t < min((part+1)*tokensPerPart, j.tokens); t++ {
		sine, cosine := j.sine[t*size/2:(t+1)*size/2], j.cos[t*size/2:(t+1)*size/2]
		q, k, v := j.q.Row(t), j.k.Row(t), j.v.Row(t)
		for at := 0; at < len(q); at += size {
			rotate(q[at:at+size], sine, cosine)
		}
		for at := 0; at < len(k); at += size {
			rotate(k[at:at+size], sine, cosine)
			j.cache.Store(e.float, j.layer, at/size, j.first+t, k[at:at+size], v[at:at+size], w.half)
		}
	}
}

// Head computes the logits: the product of x with each float16 row. release,
// where it is not nil, is told each stretch of rows when it has been read.
func (e *Engine) Head(logits []float32, rows []uint16, x []float32, release func(rows []uint16)) {
	j := &e.head
	j.logits, j.rows, j.x = logits, rows, x
	e.release = release
	e.counts[headFloat16]++
	part := headRowsPerPart
	if release != nil {
		part = releaseRowsPerPart
	}
	j.rowsPerPart = part
	e.Pool.Run(partsOf(len(logits), part), j.do)
}

func (e *Engine) headPart(_, part int) {
	j := &e.head
	start, end := part*j.rowsPerPart, min((part+1)*j.rowsPerPart, len(j.logits))
	n := len(j.x)
	if e.release != nil {
		defer e.release(j.rows[start*n : end*n])
	}
	for lo := start; lo < end; lo += headRowsPerCall {
		hi := min(lo+headRowsPerCall, end)
		e.float.DotsHalf(j.logits[lo:hi], j.rows[lo*n:hi*n], j.x, n)
	}
}
