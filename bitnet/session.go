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

	// What was computed after the last evaluated token, as far as it was.
	hidden      []float32
	hiddenValid bool
	logits      []float32
	logitsValid bool

	steps  uint64 // changes when what was computed is no longer valid
	result *Result

	// Working memory of generation.
	someIDs    []int
	someLogits []float32
	sampling   sampling
}

// A SessionOption changes how [Model.NewSession] makes a session.
type SessionOption func(*sessionOptions)

type sessionOptions struct {
	context int
	float32 bool
}

// WithContext sets how many tokens the session can hold, at most, and by
// default, the model's Config().ContextLength. Memory is taken as the session
// grows, 128 tokens at a time.
func WithContext(tokens int) SessionOption { return func(o *sessionOptions) { o.context = tokens } }

// WithFloat32Cache keeps keys and values in float32 instead of float16: twice
// the memory, and logits a little closer to exact arithmetic.
func WithFloat32Cache() SessionOption { return func(o *sessionOptions) { o.float32 = true } }

// NewSession returns an empty session.
func (m *Model) NewSession(opts ...SessionOption) (*Session, error) {
	if m.closed.Load() {
		return nil, ErrClosed
	}
	o := sessionOptions{context: m.config.ContextLength}
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	if o.context < 1 || o.context > m.config.ContextLength {
		return nil, &OptionError{Option: "context", Reason: fmt.Sprintf("%d tokens are not between 1 and the model's %d", o.context, m.config.ContextLength)}
	}
	return &Session{
		model:   m,
		context: o.context,
		cache:   kvcache.New(m.cacheShape(!o.float32)),
		tokens:  make([]int, 0, min(o.context, 4096)),
		hidden:  make([]float32, m.config.EmbeddingLength),
	}, nil
}

// Close gives up the session's memory. What is called afterwards fails with
// [ErrClosed]. Further calls do nothing.
func (s *Session) Close() error {
	if s.cache != nil {
		s.cache.Truncate(0)
		s.cache = nil
	}
	s.tokens, s.evaluated = nil, 0
	s.hidden, s.logits, s.someIDs, s.someLogits, s.sampling = nil, nil, nil, nil, sampling{}
	s.forgetResults()
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
	n = max(n, 0)
	if s.cache == nil || n >= len(s.tokens) {
		return
	}
	s.tokens = s.tokens[:n]
	if n < s.evaluated {
		s.evaluated = n
		s.cache.Truncate(n)
		s.forgetResults()
	}
}

func (s *Session) forgetResults() {
	s.hiddenValid, s.logitsValid = false, false
	s.steps++
}

// Fork returns an independent copy, at the same position. The copies share the
// part of the KV cache that they have in common until one of them changes it.
// The fork may be used by another goroutine. The fork of a closed session is
// closed.
func (s *Session) Fork() *Session {
	fork := &Session{
		model:       s.model,
		context:     s.context,
		tokens:      append([]int(nil), s.tokens...),
		evaluated:   s.evaluated,
		hidden:      append([]float32(nil), s.hidden...),
		hiddenValid: s.hiddenValid,
	}
	if s.cache != nil {
		fork.cache = s.cache.Fork()
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
	if err := s.extend(ctx, ids); err != nil {
		return nil, err
	}
	return s.allLogits(ctx, nil)
}

// extend evaluates what generation left unevaluated, and ids.
func (s *Session) extend(ctx context.Context, ids []int) error {
	if s.cache == nil {
		return ErrClosed
	}
	if len(ids) > s.context-len(s.tokens) {
		return &ContextError{Length: len(s.tokens), Added: len(ids), Context: s.context}
	}
	for i, id := range ids {
		if id < 0 || id >= s.model.config.VocabularySize {
			return &TokenError{ID: id, Index: i, Vocabulary: s.model.config.VocabularySize}
		}
	}
	if len(s.tokens)+len(ids) == 0 {
		return ErrEmpty
	}
	before := len(s.tokens)
	s.tokens = append(s.tokens, ids...)
	if s.evaluated == len(s.tokens) && !s.hiddenValid {
		s.evaluated-- // what followed was truncated: evaluate the last one again
	}
	for s.evaluated < len(s.tokens) {
		block := s.tokens[s.evaluated:min(s.evaluated+BlockTokens, len(s.tokens))]
		if err := s.step(ctx, block); err != nil {
			s.tokens = s.tokens[:before]
			if s.evaluated > before {
				s.evaluated = before
				s.cache.Truncate(before)
			}
			return err
		}
	}
	return nil
}

// step evaluates one block of tokens.
func (s *Session) step(ctx context.Context, block []int) error {
	m := s.model
	if err := m.acquire(ctx); err != nil {
		return err
	}
	defer m.engine.Pool.Release()
	s.forgetResults()
	if err := m.forward(ctx, s.cache, block, s.evaluated, s.hidden); err != nil {
		return err
	}
	s.evaluated += len(block)
	s.hiddenValid = true
	return nil
}

// allLogits computes every logit after the last evaluated token, once. release,
// where it is not nil, is told each stretch of the head that has been read.
func (s *Session) allLogits(ctx context.Context, release func([]uint16)) ([]float32, error) {
	m := s.model
	if s.cache == nil || m.closed.Load() {
		return nil, ErrClosed
	}
	if s.logitsValid {
		return s.logits, ctx.Err()
	}
	if err := m.acquire(ctx); err != nil {
		return nil, err
	}
	defer m.engine.Pool.Release()
	if s.logits == nil {
		s.logits = make([]float32, m.config.VocabularySize)
	}
	m.engine.Head(s.logits, m.weights.head, s.hidden, release)
	m.served = true
	s.logitsValid = true
	return s.logits, nil
}

// rowsPerRelease is after how many rows of the head its memory is handed back: so
// many that this takes no time worth mentioning, so few that large pages of 2 MB
// around them do not count beside the model.
const rowsPerRelease = 64

// largestLogits returns the tokens that may have one of the k largest logits,
// by ascending id, and these logits. ok is false where all logits are to be
// computed: because only that will do, or because these are the model's first logits,
// which do not wait for the image of the head to be made.
func (s *Session) largestLogits(ctx context.Context, k int) (ids []int, logits []float32, ok bool, err error) {
	m := s.model
	if s.logitsValid {
		return nil, nil, false, nil
	}
	if err := m.acquire(ctx); err != nil {
		return nil, nil, false, err
	}
	defer m.engine.Pool.Release()
	if !m.served {
		return nil, nil, false, nil
	}
	if m.image == nil {
		// The embedding of a tied head is still read a row at a time, and
		// logits that are computed in full read it all; but as a rule its
		// memory has served once the image is there.
		m.image = m.engine.BuildImage(m.weights.head, m.config.EmbeddingLength, m.releaseHead)
	}
	ids, logits, ok = m.engine.Largest(m.image, m.weights.head, s.hidden, k)
	// With each row that is read here and there, and the one of the embedding
	// before, the system may bring a large page.
	if m.rowsRead += 1 + len(ids); m.rowsRead >= rowsPerRelease {
		m.releaseHead(m.weights.head)
		m.rowsRead = 0
	}
	// The engine's slices are another session's after this one's turn.
	s.someIDs = append(s.someIDs[:0], ids...)
	s.someLogits = append(s.someLogits[:0], logits...)
	return s.someIDs, s.someLogits, ok, nil
}
