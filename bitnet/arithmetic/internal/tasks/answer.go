package tasks

import (
	"context"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/tokenizer"
)

// greedy takes the likeliest token each time, up to more of them than any right
// answer has.
var greedy = bitnet.GenerateOptions{MaxTokens: 100}

// Ask lets a model answer a question as a program would, in a session that it
// empties first. stopped reports whether the model ended its answer by itself.
func Ask(ctx context.Context, s *bitnet.Session, q Question) (answer string, stopped bool, err error) {
	s.Truncate(0)
	var r *bitnet.Result
	if q.Chat {
		var chat *bitnet.Chat
		if chat, err = bitnet.NewChat(ctx, s, ""); err == nil {
			r, err = chat.Send(ctx, q.Prompt, greedy)
		}
	} else {
		r, err = s.Generate(ctx, q.Prompt, greedy)
	}
	if err != nil {
		return "", false, err
	}
	return r.Text, r.Reason == bitnet.StopEndToken, nil
}

// AskNext is [Ask] for one question after the other: what the prompt has in
// common with the tokens that the session holds is not evaluated again, which is
// most of it where questions come in order. Answers are the same.
func AskNext(ctx context.Context, s *bitnet.Session, t *tokenizer.Tokenizer, q Question) (answer string, stopped bool, err error) {
	ids, err := tokens(t, q)
	if err != nil {
		return "", false, err
	}
	held := s.Tokens()
	common := 0
	for common < len(held) && common < len(ids)-1 && held[common] == ids[common] {
		common++
	}
	s.Truncate(common)
	if _, err := s.Append(ctx, ids[common:]); err != nil {
		return "", false, err
	}
	r, err := s.Generate(ctx, "", greedy)
	if err != nil {
		return "", false, err
	}
	return r.Text, r.Reason == bitnet.StopEndToken, nil
}

// tokens returns what a model reads before it answers.
func tokens(t *tokenizer.Tokenizer, q Question) ([]int, error) {
	var ids []int
	if begin, ok := t.BeginOfText(); ok {
		ids = append(ids, begin)
	}
	parts := []string{q.Prompt}
	if q.Chat {
		parts = []string{"User: " + q.Prompt, "Assistant: "}
	}
	for i, part := range parts {
		more, err := t.Encode(part, tokenizer.PlainText())
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
		if end, ok := t.TokenID("<|eot_id|>"); ok && q.Chat && i == 0 {
			ids = append(ids, end)
		}
	}
	return ids, nil
}

// Right counts the questions that a model answers rightly: with nothing but the
// answer, to the letter, ended by itself.
func Right(ctx context.Context, m *bitnet.Model, questions []Question) (right int, err error) {
	s, err := m.NewSession()
	if err != nil {
		return 0, err
	}
	defer s.Close()
	for _, q := range questions {
		answer, stopped, err := AskNext(ctx, s, m.Tokenizer(), q)
		if err != nil {
			return right, err
		}
		if stopped && answer == q.Answer {
			right++
		}
	}
	return right, nil
}
