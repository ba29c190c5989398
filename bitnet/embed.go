package bitnet

import (
	"context"
	"fmt"
	"math"

	"github.com/gobitnet/gobitnet/bitnet/internal/kvcache"
	"github.com/gobitnet/gobitnet/tokenizer"
)

// Pooling is how the vectors of a text's tokens become the one that embeds it.
type Pooling int

// The kinds of pooling, by the numbers that files have for them.
const (
	PoolingNone Pooling = iota // the model is not made for that
	PoolingMean                // the mean of all
	PoolingCLS                 // the first token's
	PoolingLast                // the last token's
)

// String returns "none", "mean", "cls" or "last".
func (p Pooling) String() string {
	if p < PoolingNone || p > PoolingLast {
		return "unknown pooling"
	}
	return [...]string{"none", "mean", "cls", "last"}[p]
}

// An EmbedOption changes what [Model.Embed] and [Model.EmbedTokens] do.
type EmbedOption func(*embedOptions)

type embedOptions struct {
	pooling    Pooling
	dimensions int
	own        bool // a pooling was asked for
	cut        bool // dimensions were
}

// WithPooling says how the vectors of a text's tokens become one, in place of the
// file. A model that is not made to embed texts does so when it is asked for a
// pooling; what its vectors are worth is another matter.
//
// Microsoft's converter writes that the mean is taken where it does not find what
// its embedding models (those with [Config].InputNorms) say: they are made for
// [PoolingLast]. Nothing in such a file tells that; ask for it here.
func WithPooling(p Pooling) EmbedOption {
	return func(o *embedOptions) { o.pooling, o.own = p, true }
}

// WithDimensions keeps the first n elements of each vector, at least 1, and makes
// it as long as one again. Models that were trained for it lose little.
func WithDimensions(n int) EmbedOption {
	return func(o *embedOptions) { o.dimensions, o.cut = n, true }
}

// textsTogether is how many texts go through the model at once, at most: each
// takes a page of KV cache.
const textsTogether = 16

// Embed returns a vector for each text, of the model's Config().EmbeddingLength
// elements and of length one: texts that mean the same have a large product. The
// slices are the caller's.
//
// The vector is made of those after the last normalization, by the pooling that
// the file says. A model attends to what comes before only, so the first token's
// vector, the one of [PoolingCLS], knows nothing of the rest. Texts are encoded by
// [Model.EncodeText]; what such a model wants before a question, its makers say.
//
// Texts are evaluated together, up to [BlockTokens] tokens in a pass, beside the
// sessions of the model. The vector of a text is the same to the bit whatever is
// evaluated beside it. KV cache is taken for at most 16 texts at a time, and for a
// long one as far as it goes.
//
// A model that is not made for this gives a [*ModelError], unless it is asked for
// by [WithPooling]. A text that does not fit the model's context gives a
// [*ContextError], one without any token [ErrEmpty], an option that cannot be an
// [*OptionError], and a ctx that ends its error. Nothing is evaluated unless all
// texts can be.
func (m *Model) Embed(ctx context.Context, texts []string, opts ...EmbedOption) ([][]float32, error) {
	ids := make([][]int, len(texts))
	for i, text := range texts {
		var err error
		if ids[i], err = m.EncodeText(text); err != nil {
			return nil, textError(i, err)
		}
	}
	return m.EmbedTokens(ctx, ids, opts...)
}

// EncodeText returns the tokens of a text as [Model.Embed] evaluates them: those of
// the plain text, in which no special tokens are recognised, and around them the
// begin and end of text where the vocabulary asks for them.
func (m *Model) EncodeText(text string) ([]int, error) {
	ids, err := m.tokenizer.Encode(text, tokenizer.PlainText())
	if err != nil {
		return nil, err
	}
	ids = append(m.beginOfText(), ids...)
	if end, ok := m.tokenizer.EndOfText(); ok && m.tokenizer.AddsEndOfText() {
		ids = append(ids, end)
	}
	return ids, nil
}

// EmbedTokens is [Model.Embed] for texts that have been encoded. Nothing is added
// to them. An id that the vocabulary does not have gives a [*TokenError].
func (m *Model) EmbedTokens(ctx context.Context, texts [][]int, opts ...EmbedOption) ([][]float32, error) {
	o, err := m.embedOptions(opts)
	if err != nil {
		return nil, err
	}
	for i, ids := range texts {
		switch {
		case len(ids) == 0:
			err = ErrEmpty
		case len(ids) > m.config.ContextLength:
			err = &ContextError{Added: len(ids), Context: m.config.ContextLength}
		default:
			err = m.checkTokens(ids)
		}
		if err != nil {
			return nil, textError(i, err)
		}
	}
	if m.closed.Load() {
		return nil, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	vectors := make([][]float32, len(texts))
	waiting := make([]embedding, len(texts))
	for i, ids := range texts {
		if o.pooling == PoolingCLS {
			ids = ids[:1] // which is all that its vector is made of
		}
		waiting[i] = embedding{left: ids, sum: make([]float64, m.config.EmbeddingLength), pooling: o.pooling}
	}
	e := embedder{model: m, ctx: ctx, texts: waiting}
	defer e.leave()
	for len(e.texts) > 0 {
		if err := e.round(); err != nil {
			return nil, err
		}
	}
	for i := range waiting {
		vectors[i] = waiting[i].vector(o.dimensions)
	}
	return vectors, nil
}

func (m *Model) embedOptions(opts []EmbedOption) (embedOptions, error) {
	o := embedOptions{pooling: m.config.Pooling, dimensions: m.config.EmbeddingLength}
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	switch {
	case o.own && (o.pooling < PoolingMean || o.pooling > PoolingLast):
		return o, &OptionError{Option: "pooling", Reason: "it must be mean, cls or last"}
	case o.cut && (o.dimensions < 1 || o.dimensions > m.config.EmbeddingLength):
		return o, &OptionError{Option: "dimensions", Reason: fmt.Sprintf("%d are not between 1 and the model's %d", o.dimensions, m.config.EmbeddingLength)}
	case o.pooling == PoolingNone:
		return o, &ModelError{
			Part:   "key " + m.config.Architecture + ".pooling_type",
			Reason: "says no pooling: the model is not made to embed texts; ask for a pooling, such as last, to have it do so",
		}
	}
	return o, nil
}

// textError says which text an error is about.
func textError(i int, err error) error { return fmt.Errorf("text %d: %w", i, err) }

// An embedding is the vector of a text in the making.
type embedding struct {
	left    []int // tokens to be evaluated
	count   int   // tokens that have been
	cache   *kvcache.Cache
	request request
	pooling Pooling
	sum     []float64 // of the vectors that count
}

// An embedder takes texts through the model.
type embedder struct {
	model    *Model
	ctx      context.Context
	texts    []embedding      // not done yet
	requests []*request       // of a round
	unused   []*kvcache.Cache // their pages serve the next texts
	rows     []float32        // the vectors of a round's tokens
}

// round evaluates the next BlockTokens tokens, of the first texts.
func (e *embedder) round() error {
	m, width := e.model, e.model.config.EmbeddingLength
	if e.rows == nil {
		e.rows = make([]float32, BlockTokens*width)
	}
	e.requests = e.requests[:0]
	for i, room := 0, BlockTokens; i < min(len(e.texts), textsTogether) && room > 0; i++ {
		t := &e.texts[i]
		if last := len(e.unused) - 1; t.cache == nil && last >= 0 {
			t.cache, e.unused = e.unused[last], e.unused[:last]
		} else if t.cache == nil {
			t.cache = kvcache.New(m.cacheShape(true))
		}
		r := &t.request
		n := min(len(t.left), room)
		r.ctx, r.cache, r.tokens, r.first, r.document = e.ctx, t.cache, t.left[:n], t.count, true
		r.places = r.places[:0]
		for row := n - t.wanted(n); row < n; row++ {
			at := (BlockTokens - room + row) * width
			r.places = append(r.places, place{hidden: e.rows[at : at+width]})
		}
		room -= n
		e.requests = append(e.requests, r)
	}
	if err := m.passes.do(e.requests...); err != nil {
		return err
	}
	for i := range e.requests {
		t := &e.texts[i]
		for _, p := range t.request.places {
			for j, v := range p.hidden {
				t.sum[j] += float64(v)
			}
		}
		n := len(t.request.tokens)
		t.left, t.count = t.left[n:], t.count+n
		if len(t.left) == 0 {
			t.cache.Truncate(kvcache.ChunkPositions) // a page is enough for most
			e.unused = append(e.unused, t.cache)
			m.passes.leave(&t.request)
			t.cache, t.request = nil, request{}
		}
	}
	for len(e.texts) > 0 && len(e.texts[0].left) == 0 {
		e.texts = e.texts[1:]
	}
	return nil
}

// leave says that nothing more will come.
func (e *embedder) leave() {
	for i := range e.texts {
		e.model.passes.leave(&e.texts[i].request)
	}
}

// wanted returns of how many of the next n tokens the vectors count: the last ones.
func (t *embedding) wanted(n int) int {
	switch {
	case t.pooling == PoolingMean:
		return n
	case n == len(t.left):
		return 1
	}
	return 0
}

// vector returns the first elements of what the tokens' vectors come to, of length
// one where they are not all 0. ARITHMETIC.md has the steps.
func (t *embedding) vector(dimensions int) []float32 {
	v := make([]float32, dimensions)
	counted := 1.0
	if t.pooling == PoolingMean {
		counted = float64(t.count)
	}
	squares := 0.0
	for i := range v {
		v[i] = float32(t.sum[i] / counted)
		squares += float64(v[i]) * float64(v[i]) // exact, so that fusing the addition changes nothing
	}
	if squares == 0 {
		return v
	}
	length := math.Sqrt(squares)
	for i := range v {
		v[i] = float32(float64(v[i]) / length)
	}
	return v
}
