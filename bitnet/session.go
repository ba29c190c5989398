package bitnet

import (
	"context"
	"fmt"

	"github.com/gobitnet/gobitnet/bitnet/internal/kvcache"
)

// A Session is one sequence of tokens and its KV cache. One goroutine at a time
// uses it; different sessions of a model may be used at once.
//
// A session may be left to the garbage collector, but Close gives its memory
// back at once.
type Session struct {
	model   *Model
	context int
	cache   *kvcache.Cache // nil after Close

	// tokens is the sequence. The first evaluated of them are in the cache;
	// those that generation chose last may not be yet.
	tokens    []int
	evaluated int

	last    outcome
	request request
	result  *Result

	lookahead lookahead

	// Working memory of generation.
	pending  []int
	sampling sampling
}

// An outcome is what has been computed after some tokens of a session that follow
// each other. It names the place that it belongs to, so that it cannot be taken
// for that of other tokens.
type outcome struct {
	// after is the number of the session's tokens that places[0] follows, 0 where
	// nothing has been computed; places[1] follows one more, and so on.
	after  int
	places []place
	serial uint64 // of this outcome
}

// at returns what has been computed after so many tokens, or nil.
func (o *outcome) at(tokens int) *place {
	if i := tokens - o.after; o.after > 0 && i >= 0 && i < len(o.places) {
		return &o.places[i]
	}
	return nil
}

// cut forgets what follows more than so many tokens.
func (o *outcome) cut(tokens int) {
	if n := tokens - o.after + 1; n < 1 {
		o.after = 0
	} else if n < len(o.places) {
		o.places = o.places[:n]
	}
}

// forget makes room for n places of a new outcome of vectors of a width. It
// belongs nowhere until after is set.
func (o *outcome) forget(n, width int) {
	o.after = 0
	o.serial++
	for len(o.places) < n {
		if cap(o.places) > len(o.places) {
			o.places = o.places[:len(o.places)+1]
		} else {
			o.places = append(o.places, place{})
		}
	}
	o.places = o.places[:n]
	for i := range o.places {
		if o.places[i].hidden == nil {
			o.places[i].hidden = make([]float32, width)
		}
	}
}

// A SessionOption changes how [Model.NewSession] makes a session.
type SessionOption func(*sessionOptions)

type sessionOptions struct {
	context     int
	float32     bool
	noLookahead bool
}

// WithContext sets how many tokens the session can hold, at most, and by
// default, the model's Config().ContextLength. Memory is taken as the session
// grows, 128 tokens at a time.
func WithContext(tokens int) SessionOption { return func(o *sessionOptions) { o.context = tokens } }

// WithFloat32Cache keeps keys and values in float32 instead of float16: twice
// the memory, and logits a little closer to exact arithmetic.
func WithFloat32Cache() SessionOption { return func(o *sessionOptions) { o.float32 = true } }

// WithoutLookahead evaluates generated tokens one by one. By default a session
// guesses tokens from what its text says already, evaluates them together with
// the one before, and keeps those that it would have chosen anyway: the text is
// the same either way, and comes sooner where it quotes or repeats itself.
func WithoutLookahead() SessionOption { return func(o *sessionOptions) { o.noLookahead = true } }

// NewSession returns an empty session.
//
// A model that its file says is made to embed texts, by a pooling, and that has no
// output head of its own cannot have any: the error is a [*ModelError]. Its
// embedding was a head only before it was trained for that; use [Model.Embed].
func (m *Model) NewSession(opts ...SessionOption) (*Session, error) {
	o, err := m.sessionOptions(opts)
	if err != nil {
		return nil, err
	}
	return m.newSession(o), nil
}

func (m *Model) sessionOptions(opts []SessionOption) (sessionOptions, error) {
	o := sessionOptions{context: m.config.ContextLength}
	if m.closed.Load() {
		return o, ErrClosed
	}
	if m.config.Pooling != PoolingNone && m.config.TiedHead {
		return o, &ModelError{
			Part:   "key " + m.config.Architecture + ".pooling_type",
			Reason: fmt.Sprintf("says %v: the model is made to embed texts and has no output head, so it generates none", m.config.Pooling),
		}
	}
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	if o.context < 1 || o.context > m.config.ContextLength {
		return o, &OptionError{Option: "context", Reason: fmt.Sprintf("%d tokens are not between 1 and the model's %d", o.context, m.config.ContextLength)}
	}
	return o, nil
}

func (m *Model) newSession(o sessionOptions) *Session {
	return &Session{
		model:   m,
		context: o.context,
		cache:   kvcache.New(m.cacheShape(!o.float32)),
		tokens:  make([]int, 0, min(o.context, 4096)),

		lookahead: lookahead{off: o.noLookahead, draft: propose},
	}
}

// Close gives up the session's memory. What is called afterwards fails with
// [ErrClosed]. Further calls do nothing.
func (s *Session) Close() error {
	if s.cache != nil {
		s.cache.Truncate(0)
		s.cache = nil
	}
	s.tokens, s.evaluated = nil, 0
	s.last = outcome{serial: s.last.serial + 1}
	s.pending, s.sampling = nil, sampling{}
	return nil
}

// Len returns how many tokens the session holds. After generation these include
// all that were generated, also an end token.
func (s *Session) Len() int { return len(s.tokens) }

// Tokens returns a copy of the sequence.
func (s *Session) Tokens() []int { return append([]int(nil), s.tokens...) }

// Context returns how many tokens the session can hold.
func (s *Session) Context() int { return s.context }

// Truncate forgets the tokens from n on, so that other ones can follow. It does
// nothing where the session is no longer than n.
func (s *Session) Truncate(n int) {
	if n = max(n, 0); n < len(s.tokens) {
		s.back(n)
	}
}

// Fork returns an independent copy, at the same position. The copies share the
// part of the KV cache that they have in common until one of them changes it.
// The fork may be used by another goroutine. The fork of a closed session is
// closed.
func (s *Session) Fork() *Session {
	fork := &Session{
		model:     s.model,
		context:   s.context,
		tokens:    append([]int(nil), s.tokens...),
		evaluated: s.evaluated,
		lookahead: s.lookahead,
	}
	if s.cache != nil {
		fork.cache = s.cache.Fork()
	}
	if p := s.last.at(s.evaluated); p != nil {
		fork.last.forget(1, len(p.hidden))
		copy(fork.last.places[0].hidden, p.hidden)
		fork.last.after = s.evaluated
	}
	return fork
}

// Append evaluates ids after the session's tokens and returns the logits after
// the last one: a value for each token of the vocabulary, the larger the
// likelier. Without ids it returns those after the session's last token.
//
// The slice belongs to the session and holds these values until its next
// method is called. How ids are spread over several calls, the number of
// threads and the kernels make no difference to any bit of them.
//
// An id that the vocabulary does not have gives a [*TokenError], more tokens
// than fit a [*ContextError], a ctx that ends its error; the session then is
// as before the call.
func (s *Session) Append(ctx context.Context, ids []int) ([]float32, error) {
	before := len(s.tokens)
	if err := s.extend(ctx, ids, allLogits, nil); err != nil {
		return nil, err
	}
	place, err := s.know(ctx, s.evaluated, allLogits)
	if err != nil {
		s.back(before)
		return nil, err
	}
	return place.logits, nil
}

// admit says why ids cannot be evaluated after the session's tokens, or nil.
func (s *Session) admit(ctx context.Context, ids []int) error {
	if s.cache == nil || s.model.closed.Load() {
		return ErrClosed
	}
	if len(ids) > s.context-len(s.tokens) {
		return &ContextError{Length: len(s.tokens), Added: len(ids), Context: s.context}
	}
	if err := s.model.checkTokens(ids); err != nil {
		return err
	}
	return ctx.Err()
}

// extend evaluates what generation left unevaluated, then ids, and computes what
// is wanted after the last of them. It tells progress how many tokens that are
// and, block by block, how many have been evaluated. After an error the session
// holds what it held before.
func (s *Session) extend(ctx context.Context, ids []int, w want, progress func(evaluated, total int)) error {
	if err := s.admit(ctx, ids); err != nil {
		return err
	}
	if len(s.tokens)+len(ids) == 0 {
		return ErrEmpty
	}
	before := len(s.tokens)
	s.tokens = append(s.tokens, ids...)
	if s.evaluated == len(s.tokens) && s.last.at(s.evaluated) == nil {
		s.evaluated-- // what followed was truncated: evaluate the last one again
	}
	from, total := s.evaluated, len(s.tokens)-s.evaluated
	if progress != nil && total > 0 {
		progress(0, total)
	}
	for s.evaluated < len(s.tokens) {
		piece := s.tokens[s.evaluated:min(s.evaluated+BlockTokens, len(s.tokens))]
		places, wanted := 0, vectorsOnly
		if s.evaluated+len(piece) == len(s.tokens) {
			places, wanted = 1, w
		}
		if err := s.evaluate(ctx, piece, places, wanted); err != nil {
			s.back(before)
			return err
		}
		if progress != nil {
			progress(s.evaluated-from, total)
		}
	}
	return nil
}

// back forgets the tokens from n on.
func (s *Session) back(n int) {
	if s.cache == nil {
		return
	}
	s.tokens = s.tokens[:n]
	s.evaluated = min(s.evaluated, n)
	s.cache.Truncate(s.evaluated)
	s.last.cut(s.evaluated)
}

// evaluate evaluates tokens, at most BlockTokens, that follow the evaluated ones,
// and computes what is wanted of so many places at their end.
func (s *Session) evaluate(ctx context.Context, tokens []int, places int, w want) error {
	r := &s.request
	s.last.forget(places, s.model.config.EmbeddingLength)
	r.ctx, r.cache, r.tokens, r.first, r.places, r.want = ctx, s.cache, tokens, s.evaluated, s.last.places, w
	err := s.model.passes.do(r)
	s.evaluated += r.evaluated
	r.ctx, r.tokens = nil, nil
	if err == nil && places > 0 {
		s.last.after = s.evaluated - places + 1
	}
	return err
}

// know returns the place after so many tokens, which have just been evaluated,
// with what is wanted of it.
func (s *Session) know(ctx context.Context, tokens int, w want) (*place, error) {
	p, i := s.last.at(tokens), tokens-s.last.after
	if p.satisfies(w) {
		return p, nil
	}
	return p, s.compute(ctx, s.last.places[i:i+1], w)
}

// compute computes what is wanted of places whose vectors are known.
func (s *Session) compute(ctx context.Context, places []place, w want) error {
	r := &s.request
	r.ctx, r.cache, r.tokens, r.places, r.want = ctx, s.cache, nil, places, w
	err := s.model.passes.do(r)
	r.ctx, r.places = nil, nil
	return err
}
