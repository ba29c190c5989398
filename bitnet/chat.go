package bitnet

import (
	"context"
	"fmt"
	"iter"

	"github.com/gobitnet/gobitnet/tokenizer"
)

// endOfTurn is the special token behind each turn of a conversation.
const endOfTurn = "<|eot_id|>"

// A Chat is a conversation in the form that the published models were trained
// on: begin-of-text, then "Role: content<|eot_id|>" for each turn of System, User
// and Assistant, then "Assistant: " for the model to go on. (The template inside
// the published file is a placeholder that the model was never trained on.)
//
// What is said in a turn is encoded as plain text: special tokens in it are not
// recognised, so that nobody can forge the end of a turn or another speaker's.
//
// The history is kept in the session's KV cache, so each turn evaluates only
// what is new.
type Chat struct {
	session *Session
	end     int // id of endOfTurn
}

// NewChat begins a conversation in an empty session, which the chat uses from
// then on. An empty system leaves out the system's turn.
func NewChat(ctx context.Context, s *Session, system string) (*Chat, error) {
	end, ok := s.model.tokenizer.TokenID(endOfTurn)
	if !ok {
		return nil, &ModelError{Part: "vocabulary", Reason: "has no token " + endOfTurn + ", so that turns cannot be ended"}
	}
	if s.Len() != 0 {
		return nil, &OptionError{Option: "session", Reason: fmt.Sprintf("it holds %d tokens; a chat begins in an empty one", s.Len())}
	}
	c := &Chat{session: s, end: end}
	ids := s.withBeginOfText(nil)
	if system != "" {
		turn, err := c.turn("System", system)
		if err != nil {
			return nil, err
		}
		ids = append(ids, turn...)
	}
	if len(ids) > 0 {
		if err := s.extend(ctx, ids, vectorsOnly, nil); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Session returns the session that holds the conversation. Its Len before a
// turn is where Truncate takes that turn back.
func (c *Chat) Session() *Session { return c.session }

// Send says something as the user and returns the assistant's answer. Errors
// are those of [Session.Generate].
func (c *Chat) Send(ctx context.Context, content string, opts GenerateOptions) (*Result, error) {
	ids, err := c.userTurn(content)
	if err != nil {
		return nil, err
	}
	defer c.close()
	return c.session.generate(ctx, ids, &opts, func(Token) bool { return true })
}

// Stream is [Chat.Send] token by token, as [Session.Stream] is of Generate.
func (c *Chat) Stream(ctx context.Context, content string, opts GenerateOptions) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		ids, err := c.userTurn(content)
		if err != nil {
			c.session.result = nil
			yield(Token{ID: -1}, err)
			return
		}
		defer c.close()
		c.session.stream(ctx, ids, &opts, yield)
	}
}

// close ends the assistant's turn where the model did not: its answer was cut
// short, but the conversation goes on.
func (c *Chat) close() {
	s := c.session
	if s.result == nil || s.cache == nil {
		return
	}
	switch last := len(s.tokens) - 1; {
	case last >= 0 && s.tokens[last] == c.end: // also where a stop string is its text
	case s.result.Reason == StopEndToken:
		// Another end token serves as well, but is not what follows a turn. It
		// has not been evaluated yet.
		s.tokens[last] = c.end
	case len(s.tokens) < s.context:
		s.tokens = append(s.tokens, c.end)
	}
}

func (c *Chat) userTurn(content string) ([]int, error) {
	ids, err := c.turn("User", content)
	if err != nil {
		return nil, err
	}
	assistant, err := c.session.model.tokenizer.Encode("Assistant: ", tokenizer.PlainText())
	if err != nil {
		return nil, err
	}
	return append(ids, assistant...), nil
}

func (c *Chat) turn(role, content string) ([]int, error) {
	ids, err := c.session.model.tokenizer.Encode(role+": "+content, tokenizer.PlainText())
	if err != nil {
		return nil, fmt.Errorf("what the %s said: %w", role, err)
	}
	return append(ids, c.end), nil
}
