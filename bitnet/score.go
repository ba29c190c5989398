package bitnet

import (
	"context"
	"fmt"
	"iter"
	"math"
)

// scoredRows is how many tokens' logits are computed and kept at a time: enough to
// read the head once for several, few enough not to keep other sessions waiting.
const scoredRows = fewRows

// Score evaluates ids after the session's tokens and returns the logarithm of the
// probability that the model gives each of them after everything before it: the
// session's tokens and the ids ahead. It is that of [Token.LogProb]. How ids are
// spread over several calls makes no difference to any bit. The session then holds
// ids, as after [Session.Append].
//
// In an empty session there is nothing before the first id, and its score is NaN.
// Append the begin-of-text token first, and every token of a text has a score.
//
// Tokens are evaluated in blocks and logits computed for some of them at a time:
// that takes about twice as long as a prompt of that length, and memory for a few
// rows of logits only. Errors, and what the session holds after one, are those of
// Append.
func (s *Session) Score(ctx context.Context, ids []int) ([]float64, error) {
	scores, _, err := s.score(ctx, ids, 0)
	return scores, err
}

// ScoreAlternatives is [Session.Score] that also returns the k likeliest tokens in
// the place of each of ids, as [Token.Alternatives] has them: none where there is
// nothing before.
func (s *Session) ScoreAlternatives(ctx context.Context, ids []int, k int) ([]float64, [][]Alternative, error) {
	if k < 0 {
		return nil, nil, &OptionError{Option: "alternatives", Reason: fmt.Sprintf("%d is negative", k)}
	}
	return s.score(ctx, ids, k)
}

func (s *Session) score(ctx context.Context, ids []int, k int) (scores []float64, alternatives [][]Alternative, err error) {
	if err := s.admit(ctx, ids); err != nil {
		return nil, nil, err
	}
	scores, alternatives = make([]float64, 0, len(ids)), make([][]Alternative, 0, len(ids))
	if len(ids) == 0 {
		return scores, alternatives, nil
	}
	before := len(s.tokens)
	score := func(logits []float32) bool {
		scores = append(scores, s.logProb(logits, ids[len(scores)]))
		if k > 0 {
			alternatives = append(alternatives, s.alternatives(logits, k))
		} else {
			alternatives = append(alternatives, nil)
		}
		return true
	}
	if before == 0 {
		scores, alternatives = append(scores, math.NaN()), append(alternatives, nil)
	} else if logits, err := s.Append(ctx, nil); err != nil {
		return nil, nil, err
	} else {
		score(logits)
	}
	if err := s.each(ctx, ids, len(ids)-1, score); err != nil {
		s.back(before)
		return nil, nil, err
	}
	return scores, alternatives, nil
}

// AppendEach is [Session.Append] that gives the logits after each of ids, one row
// in each turn of the loop, and evaluates ids in blocks all the same. The slice
// holds these values until the loop goes on, and the session is not to be used
// before it has ended. An error is the last element.
//
// Where the loop is left or an error ends it, the session holds those of ids whose
// logits have come.
func (s *Session) AppendEach(ctx context.Context, ids []int) iter.Seq2[[]float32, error] {
	return func(yield func([]float32, error) bool) {
		if err := s.each(ctx, ids, len(ids), func(logits []float32) bool { return yield(logits, nil) }); err != nil {
			yield(nil, err)
		}
	}
}

// each evaluates ids and visits the logits after each of the first n, until visit
// returns false. The session then holds no more than was visited, nor after an
// error.
func (s *Session) each(ctx context.Context, ids []int, n int, visit func(logits []float32) bool) error {
	defer s.model.passes.leave(&s.request)
	var logits [scoredRows][]float32
	for len(ids) > 0 {
		if err := s.admit(ctx, ids); err != nil { // each time: visit may have closed the session
			return err
		}
		if s.evaluated < len(s.tokens) {
			if err := s.extend(ctx, nil, vectorsOnly, nil); err != nil {
				return err
			}
		}
		piece := ids[:min(BlockTokens, len(ids))]
		before := len(s.tokens)
		s.tokens = append(s.tokens, piece...)
		if err := s.evaluate(ctx, piece, len(piece), vectorsOnly); err != nil {
			s.back(before)
			return err
		}
		places := s.lastAlone()
		places = places[:min(n, len(places))]
		for i := 0; i < len(places); i += scoredRows {
			few := places[i:min(i+scoredRows, len(places))]
			for j := range few {
				few[j].logits = logits[j]
			}
			if err := s.compute(ctx, few, allLogits); err != nil {
				s.Truncate(before + i)
				return err
			}
			for j := range few {
				if logits[j] = few[j].logits; !visit(logits[j]) {
					s.Truncate(before + i + j + 1)
					return nil
				}
			}
		}
		ids, n = ids[len(piece):], n-len(places)
	}
	return nil
}

// lastAlone returns all places that have just been computed and leaves the session
// a copy of the last one.
func (s *Session) lastAlone() []place {
	places := s.last.places
	last := places[len(places)-1].hidden
	s.last.places = nil
	s.last.forget(1, len(last))
	copy(s.last.places[0].hidden, last)
	s.last.after = s.evaluated
	return places
}
