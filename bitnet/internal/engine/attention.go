package engine

import (
	"sync/atomic"

	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
	"github.com/gobitnet/gobitnet/bitnet/internal/kvcache"
)

// Attention is computed chunk by chunk: the positions are cut at multiples of
// kvcache.ChunkPositions, each chunk gives a partial result of its own, and
// these are merged in the order of the chunks (Dao et al., "FlashAttention",
// arXiv:2205.14135). The cuts are absolute, so a token's result does not depend
// on which tokens it was evaluated with, nor on which thread took which chunk.
type attention struct {
	q            Vectors
	cache        *kvcache.Cache
	layer, first int
	tokens       int
	scale        float32
	group        int // query heads that share a key-value head
	chunks       int

	partials  []partial      // decode: [query head][chunk]
	remaining []atomic.Int32 // decode: chunks that a key-value head still waits for

	decode, prefill func(thread, part int)
}

// partial is the attention of one query head over some of the positions:
// weights exp(score − largest), their sum, and the sum of the values weighted
// by them.
type partial struct {
	largest, sum float32
	values       []float32
}

// merge takes the positions of next, which come after those of p, into p.
func (p *partial) merge(next *partial) {
	largest := p.largest
	if next.largest > largest {
		largest = next.largest
	}
	a, b := kernel.Exp(p.largest-largest), kernel.Exp(next.largest-largest)
	p.largest = largest
	p.sum = float32(p.sum*a) + float32(next.sum*b)
	values := p.values[:len(next.values)]
	for i, v := range next.values {
		values[i] = float32(values[i]*a) + float32(v*b)
	}
}

// store writes what the attention comes to.
func (p *partial) store(dst []float32) {
	factor := 1 / p.sum
	for i, v := range p.values {
		dst[i] = v * factor
	}
}

func growPartials(s []partial, n, size int) []partial {
	if len(s) < n || len(s) > 0 && len(s[0].values) != size {
		s = make([]partial, n)
		values := make([]float32, n*size)
		for i := range s {
			s[i].values = values[i*size : (i+1)*size]
		}
	}
	return s
}

// Attend computes causal grouped-query attention: for each token and query
// head, softmax(q·K·scale)·V over the positions up to the token's own, which
// takes the query's place. The first token is at position first, and its key and
// value are in the cache.
func (e *Engine) Attend(q Vectors, cache *kvcache.Cache, scale float32, layer, first, tokens int) {
	j := &e.attend
	shape := cache.Shape()
	j.q, j.cache, j.scale = q, cache, scale
	j.layer, j.first, j.tokens = layer, first, tokens
	j.group = q.Width / shape.HeadSize / shape.Heads
	j.chunks = partsOf(first+tokens, kvcache.ChunkPositions)
	e.counts[attentions] += uint64(tokens)
	if tokens == 1 {
		heads := shape.Heads * j.group
		if len(j.partials) < heads*j.chunks {
			// Room for as many again, so that a growing context seldom grows it.
			j.partials = growPartials(j.partials, 2*heads*j.chunks, shape.HeadSize)
		}
		if len(j.remaining) != shape.Heads {
			j.remaining = make([]atomic.Int32, shape.Heads)
		}
		for i := range j.remaining {
			j.remaining[i].Store(int32(j.chunks))
		}
		e.Pool.Run(shape.Heads*j.chunks, j.decode)
		return
	}
	e.Pool.Run(shape.Heads*partsOf(tokens, tokensPerPart), j.prefill)
}

// chunkAttention computes the attention of the query heads of one key-value
// head, at position, over one chunk.
func (e *Engine) chunkAttention(w *workspace, dst []partial, q []float32, kvHead, chunk, position int) {
	j := &e.attend
	size := j.cache.Shape().HeadSize
	count := min(position+1-chunk*kvcache.ChunkPositions, kvcache.ChunkPositions)
	w.scores = grow(w.scores, kernel.MaxRows*kvcache.ChunkPositions)
	w.row = grow(w.row, kernel.MaxRows*size)
	for lo := 0; lo < len(dst); lo += kernel.MaxRows {
		queries := min(len(dst)-lo, kernel.MaxRows)
		j.cache.Scores(e.float, w.scores, j.layer, kvHead, chunk, count, q[lo*size:], queries)
		for r := range queries {
			p := &dst[lo+r]
			p.largest, p.sum = e.float.Softmax(w.scores[r*kvcache.ChunkPositions:][:count], j.scale)
		}
		j.cache.Sum(e.float, w.row, j.layer, kvHead, chunk, count, w.scores, queries)
		for r := range queries {
			copy(dst[lo+r].values, w.row[r*size:(r+1)*size])
		}
	}
}

// attendChunk is a part of decoding: one chunk for one key-value head. Whoever
// finishes the last chunk of a head merges them.
func (e *Engine) attendChunk(thread, part int) {
	j := &e.attend
	size := j.cache.Shape().HeadSize
	kvHead, chunk := part/j.chunks, part%j.chunks
	// The partial results of a chunk lie side by side, head after head.
	at := func(chunk int) []partial { return j.partials[(kvHead*j.chunks+chunk)*j.group:][:j.group] }
	lo := kvHead * j.group * size
	e.chunkAttention(&e.workers[thread], at(chunk), j.q.Data[lo:lo+j.group*size], kvHead, chunk, j.first)
	if j.remaining[kvHead].Add(-1) > 0 {
		return
	}
	merged := at(0)
	for c := 1; c < j.chunks; c++ {
		for r := range merged {
			merged[r].merge(&at(c)[r])
		}
	}
	for r := range merged {
		merged[r].store(j.q.Data[lo+r*size : lo+(r+1)*size])
	}
}

// attendTokens is a part of prefill: a few tokens for one key-value head. Each
// chunk is used for all of them while it is in the processor's cache.
func (e *Engine) attendTokens(thread, part int) {
	j, w := &e.attend, &e.workers[thread]
	size := j.cache.Shape().HeadSize
	perHead := partsOf(j.tokens, tokensPerPart)
	kvHead, from := part/perHead, part%perHead*tokensPerPart
	to := min(from+tokensPerPart, j.tokens)
	w.partials = growPartials(w.partials, (tokensPerPart+1)*j.group, size)
	next := w.partials[tokensPerPart*j.group:][:j.group]
	lo, hi := kvHead*j.group*size, (kvHead+1)*j.group*size
	for chunk := 0; chunk*kvcache.ChunkPositions < j.first+to; chunk++ {
		for t := from; t < to; t++ {
			merged := w.partials[(t-from)*j.group:][:j.group]
			q := j.q.Row(t)[lo:hi]
			switch {
			case chunk*kvcache.ChunkPositions > j.first+t:
			case chunk == 0:
				e.chunkAttention(w, merged, q, kvHead, chunk, j.first+t)
			default:
				e.chunkAttention(w, next, q, kvHead, chunk, j.first+t)
				for r := range merged {
					merged[r].merge(&next[r])
				}
			}
		}
	}
	for t := from; t < to; t++ {
		for r := range j.group {
			w.partials[(t-from)*j.group+r].store(j.q.Row(t)[lo+r*size : lo+(r+1)*size])
		}
	}
}
