package bitnet

import (
	"context"
	"iter"
)

// Follow makes the session hold exactly ids, whatever it held before: it keeps
// the beginning that both have in common, forgets the rest and evaluates what is
// new in ids. It computes no logits. So a program that knows a whole text each
// time, as a server knows a conversation, pays for the new part only. The bits
// are those of a new session that was given ids.
//
// kept is the length of the common beginning. Ids that the vocabulary does not
// have give a [*TokenError] and too many a [*ContextError]; the session then is
// as before. Where ctx ends or something fails, it holds ids[:kept].
func (s *Session) Follow(ctx context.Context, ids []int) (kept int, err error) {
	if s.cache == nil {
		return 0, ErrClosed
	}
	if len(ids) > s.context {
		return 0, &ContextError{Added: len(ids), Context: s.context}
	}
	if err := s.model.checkTokens(ids); err != nil {
		return 0, err
	}
	kept = s.keep(ids)
	if len(ids) == 0 {
		return 0, nil
	}
	return kept, s.extend(ctx, ids[kept:], vectorsOnly, nil)
}

// StreamTokens is [Session.Stream] for a prompt of token ids. Nothing is added
// to them, begin-of-text neither. Without ids it continues from where the
// session stands.
func (s *Session) StreamTokens(ctx context.Context, ids []int, opts GenerateOptions) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) { s.stream(ctx, ids, &opts, yield) }
}

// keep forgets what follows the beginning that the session's tokens and ids
// have in common, and returns its length.
func (s *Session) keep(ids []int) int {
	n := 0
	for n < min(len(ids), len(s.tokens)) && ids[n] == s.tokens[n] {
		n++
	}
	s.back(n)
	return n
}

func (m *Model) checkTokens(ids []int) error {
	for i, id := range ids {
		if id < 0 || id >= m.config.VocabularySize {
			return &TokenError{ID: id, Index: i, Vocabulary: m.config.VocabularySize}
		}
	}
	return nil
}
