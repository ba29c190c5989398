package engine

import "github.com/gobitnet/gobitnet/bitnet/internal/kvcache"

// A Span is consecutive tokens of one sequence, which are evaluated together.
type Span struct {
	Cache  *kvcache.Cache
	Tokens []int
	First  int // position of the first token
}

// A Batch is the spans that go through the model at once: a row of every vector
// for each token, span after span. Rows meet only in the cache of their own
// sequence, so no number of one span depends on the others.
type Batch struct {
	spans []span
	rows  []row
	units []unit // of attention
	few   int    // spans whose attention is cut into chunks
}

type span struct {
	Span
	row      int // of the first token
	partials int // where its partial results of attention begin
	few      int // its number among the spans of few tokens
}

type row struct {
	span      int
	position  int
	token     int // id
	notFinite bool
}

// Reset empties the batch.
func (b *Batch) Reset() {
	clear(b.spans)
	b.spans, b.rows, b.units, b.few = b.spans[:0], b.rows[:0], b.units[:0], 0
}

// Add adds a span of at least one token and returns the row of its first one.
// Spans of one batch are of different sequences.
func (b *Batch) Add(s Span) (first int) {
	first = len(b.rows)
	for t, id := range s.Tokens {
		b.rows = append(b.rows, row{span: len(b.spans), position: s.First + t, token: id})
	}
	b.spans = append(b.spans, span{Span: s, row: first})
	return first
}

// Rows returns the number of tokens of all spans.
func (b *Batch) Rows() int { return len(b.rows) }

// NotFinite reports whether a value of one of the rows from lo up to, not
// including, hi was infinite or not a number. Such rows hold anything.
func (b *Batch) NotFinite(lo, hi int) bool {
	for _, r := range b.rows[lo:hi] {
		if r.notFinite {
			return true
		}
	}
	return false
}

// reserve makes the positions of all tokens writable in their caches.
func (b *Batch) reserve() {
	for i := range b.spans {
		s := &b.spans[i]
		s.Cache.Reserve(s.First, s.First+len(s.Tokens))
	}
}
