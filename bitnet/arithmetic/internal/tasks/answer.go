package tasks

import (
	"context"

	"github.com/gobitnet/gobitnet/bitnet"
)

// maxTokens is more than any right answer has.
const maxTokens = 100

// Ask lets a model answer a question, greedily, in an empty session of it, which
// is empty again afterwards. stopped reports whether the model ended its answer
// by itself.
func Ask(ctx context.Context, s *bitnet.Session, q Question) (answer string, stopped bool, err error) {
	defer s.Truncate(0)
	options := bitnet.GenerateOptions{MaxTokens: maxTokens}
	var r *bitnet.Result
	if q.Chat {
		var chat *bitnet.Chat
		if chat, err = bitnet.NewChat(ctx, s, ""); err == nil {
			r, err = chat.Send(ctx, q.Prompt, options)
		}
	} else {
		r, err = s.Generate(ctx, q.Prompt, options)
	}
	if err != nil {
		return "", false, err
	}
	return r.Text, r.Reason == bitnet.StopEndToken, nil
}

// Right counts the questions that a model answers rightly: with nothing but the
// answer, ended by itself.
func Right(ctx context.Context, s *bitnet.Session, questions []Question) (int, error) {
	right := 0
	for _, q := range questions {
		answer, stopped, err := Ask(ctx, s, q)
		if err != nil {
			return right, err
		}
		if stopped && answer == q.Answer {
			right++
		}
	}
	return right, nil
}
