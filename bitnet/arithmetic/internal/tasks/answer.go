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
func AskNext(ctx context.Context, m *bitnet.Model, s *bitnet.Session, q Question) (answer string, stopped bool, err error) {
	ids, err := tokens(m, q)
	if err != nil {
		return "", false, err
	}
	if _, err := s.Follow(ctx, ids); err != nil {
		return "", false, err
	}
	r, err := s.Generate(ctx, "", greedy)
	if err != nil {
		return "", false, err
	}
	return r.Text, r.Reason == bitnet.StopEndToken, nil
}

// tokens returns what a model reads before it answers.
func tokens(m *bitnet.Model, q Question) ([]int, error) {
	if q.Chat {
		return m.EncodeChat([]bitnet.Message{{Role: bitnet.RoleUser, Content: q.Prompt}})
	}
	options := []tokenizer.EncodeOption{tokenizer.PlainText()}
	if _, ok := m.Tokenizer().BeginOfText(); ok {
		options = append(options, tokenizer.AddBeginOfText())
	}
	return m.Tokenizer().Encode(q.Prompt, options...)
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
		answer, stopped, err := AskNext(ctx, m, s, q)
		if err != nil {
			return right, err
		}
		if stopped && answer == q.Answer {
			right++
		}
	}
	return right, nil
}
