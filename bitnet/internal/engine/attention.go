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
//
// Threads share the work by units. A span of many tokens falls into groups of
// tokens, and one thread goes through all chunks for a group. A span of few is
// cut into its chunks, since a single token would keep a single thread busy.
type attention struct {
	q     Vectors
	batch *Batch
	layer int
	scale float32
	group int // query heads that share a key-value head
	heads int // key-value heads
	size  int // of a head

	partials  []partial      // of spans of few tokens: [key-value head][chunk][token][query head]
	remaining []atomic.Int32 // of spans of few tokens: [key-value head] chunks that it still waits for

	do func(thread, part int)
}

// A unit is the attention of the tokens from lo up to, not including, hi of a
// span over all their chunks, or over one of them.
type unit struct {
	span, lo, hi int
	chunk        int // all where negative
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

// chunks returns over how many chunks the span's last token attends.
func (s *span) chunks() int { return partsOf(s.First+len(s.Tokens), kvcache.ChunkPositions) }

// prepareAttention cuts the attention of a batch, which is the same in each
// layer, into units: the longest ones first, so that threads end together.
func (e *Engine) prepareAttention(b *Batch, group int, shape kvcache.Shape) {
	j := &e.attend
	j.batch, j.group, j.heads, j.size = b, group, shape.Heads, shape.HeadSize
	b.units, b.few = b.units[:0], 0
	partials := 0
	for i := range b.spans {
		s := &b.spans[i]
		tokens := len(s.Tokens)
		if tokens <= tokensPerPart {
			s.few, s.partials = b.few, partials
			b.few++
			partials += j.heads * s.chunks() * tokens * group
			continue
		}
		for hi := tokens; hi > 0; hi -= tokensPerPart {
			b.units = append(b.units, unit{i, max(hi-tokensPerPart, 0), hi, -1})
		}
	}
	for i := range b.spans {
		s := &b.spans[i]
		if tokens := len(s.Tokens); tokens <= tokensPerPart {
			for chunk := range s.chunks() {
				b.units = append(b.units, unit{i, 0, tokens, chunk})
			}
		}
	}
	if len(j.partials) < partials {
		// Room for as many again, so that a growing context seldom grows it.
		j.partials = growPartials(j.partials, 2*partials, j.size)
	}
	if len(j.remaining) < b.few*j.heads {
		j.remaining = make([]atomic.Int32, 2*b.few*j.heads)
	}
}

// Attend computes causal grouped-query attention: for each token and query
// head, softmax(q·K·scale)·V over the positions of its sequence up to the
// token's own, which takes the query's place. Keys and values are in the caches.
func (e *Engine) Attend(q Vectors, scale float32, layer int, b *Batch) {
	j := &e.attend
	j.q, j.scale, j.layer = q, scale, layer
	e.counts[attentions] += uint64(b.Rows())
	for i := range b.spans {
		if s := &b.spans[i]; len(s.Tokens) <= tokensPerPart {
			for head := range j.heads {
				j.remaining[s.few*j.heads+head].Store(int32(s.chunks()))
			}
		}
	}
	e.Pool.Run(len(b.units)*j.heads, j.do)
}

func (e *Engine) attendPart(thread, part int) {
	j, w := &e.attend, &e.workers[thread]
	u, kvHead := &j.batch.units[part/j.heads], part%j.heads
	if u.chunk >= 0 {
		e.attendChunk(w, u, kvHead)
	} else {
		e.attendTokens(w, u, kvHead)
	}
}

// queries returns the query heads of a span's token that share a key-value head.
func (j *attention) queries(s *span, token, kvHead int) []float32 {
	width := j.group * j.size
	return j.q.Row(s.row + token)[kvHead*width : (kvHead+1)*width]
}

// chunkAttention computes the attention of the query heads of one key-value
// head of a span's token over one chunk.
func (e *Engine) chunkAttention(w *workspace, dst []partial, s *span, token, kvHead, chunk int) {
	j := &e.attend
	q := j.queries(s, token, kvHead)
	count := min(s.First+token+1-chunk*kvcache.ChunkPositions, kvcache.ChunkPositions)
	w.scores = grow(w.scores, kernel.MaxRows*kvcache.ChunkPositions)
	w.row = grow(w.row, kernel.MaxRows*j.size)
	for lo := 0; lo < len(dst); lo += kernel.MaxRows {
		queries := min(len(dst)-lo, kernel.MaxRows)
		s.Cache.Scores(e.float, w.scores, j.layer, kvHead, chunk, count, q[lo*j.size:], queries)
		for r := range queries {
			p := &dst[lo+r]
			p.largest, p.sum = e.float.Softmax(w.scores[r*kvcache.ChunkPositions:][:count], j.scale)
		}
		s.Cache.Sum(e.float, w.row, j.layer, kvHead, chunk, count, w.scores, queries)
		for r := range queries {
			copy(dst[lo+r].values, w.row[r*j.size:(r+1)*j.size])
		}
	}
}

// attendChunk takes one chunk for a span's few tokens. Whoever finishes the last
// chunk of a key-value head merges them.
func (e *Engine) attendChunk(w *workspace, u *unit, kvHead int) {
	j := &e.attend
	s := &j.batch.spans[u.span]
	chunks, tokens := s.chunks(), len(s.Tokens)
	at := func(chunk, token int) []partial {
		return j.partials[s.partials+((kvHead*chunks+chunk)*tokens+token)*j.group:][:j.group]
	}
	for t := range tokens {
		if u.chunk*kvcache.ChunkPositions <= s.First+t {
			e.chunkAttention(w, at(u.chunk, t), s, t, kvHead, u.chunk)
		}
	}
	if j.remaining[s.few*j.heads+kvHead].Add(-1) > 0 {
		return
	}
	for t := range tokens {
		merged := at(0, t)
		for c := 1; c*kvcache.ChunkPositions <= s.First+t; c++ {
			for r := range merged {
				merged[r].merge(&at(c, t)[r])
			}
		}
		j.store(merged, s, t, kvHead)
	}
}

// attendTokens takes a group of a span's tokens. Each chunk is used for all of
// them while it is in the processor's cache.
func (e *Engine) attendTokens(w *workspace, u *unit, kvHead int) {
	j := &e.attend
	s := &j.batch.spans[u.span]
	w.partials = growPartials(w.partials, (tokensPerPart+1)*j.group, j.size)
	next := w.partials[tokensPerPart*j.group:][:j.group]
	merged := func(token int) []partial { return w.partials[(token-u.lo)*j.group:][:j.group] }
	for chunk := 0; chunk*kvcache.ChunkPositions < s.First+u.hi; chunk++ {
		for t := u.lo; t < u.hi; t++ {
			switch {
			case chunk*kvcache.ChunkPositions > s.First+t:
			case chunk == 0:
				e.chunkAttention(w, merged(t), s, t, kvHead, chunk)
			default:
				e.chunkAttention(w, next, s, t, kvHead, chunk)
				for r := range next {
					merged(t)[r].merge(&next[r])
				}
			}
		}
	}
	for t := u.lo; t < u.hi; t++ {
		j.store(merged(t), s, t, kvHead)
	}
}

// store writes a token's attention over its queries.
func (j *attention) store(merged []partial, s *span, token, kvHead int) {
	q := j.queries(s, token, kvHead)
	for r := range merged {
		merged[r].store(q[r*j.size : (r+1)*j.size])
	}
}
