package bitnet

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Chat is a conversation with a model: messages, and a session that holds
// them in the form of [Model.EncodeChat], so that each turn evaluates only what
// is new. One goroutine at a time uses it and its session.
//
// The model reads what was said and shown, special tokens in it as plain text:
// what a stop string cut off an answer is not there, nor what the model thought
// ahead of an earlier one ([Message.Reasoning]), which templates leave out. An
// answer stays as the tokens that it was generated in.
//
// A conversation may go on beyond the context. Where a turn would leave less
// than a quarter of it for the answer (less than MaxTokens, if that is fewer),
// the model forgets the oldest turns, what the system said excepted:
// [Chat.Dropped] tells how many. It forgets as many as leave half the room for
// turns free, but not the latest, since what follows has to be evaluated again.
type Chat struct {
	session *Session
	options chatOptions
	turns   []turn
	dropped int // of the messages behind the system's first ones
}

// A turn is a message, and of one that is part of a Chat how many tokens it has
// apart from others.
type turn struct {
	Message
	answer []int // an answer that was generated, nil for all else
	length int
}

// NewChat begins a conversation in an empty session, which the chat uses from
// then on. An empty system leaves out the system's turn. Errors are those of
// [ResumeChat].
func NewChat(ctx context.Context, s *Session, system string, opts ...ChatOption) (*Chat, error) {
	if s.Len() != 0 {
		return nil, &OptionError{Option: "session", Reason: fmt.Sprintf("it holds %d tokens; a chat begins in an empty one", s.Len())}
	}
	var messages []Message
	if trim(system) != "" {
		messages = []Message{{Role: RoleSystem, Content: system}}
	}
	return ResumeChat(ctx, s, messages, opts...)
}

// ResumeChat goes on with a conversation: one that was kept as [Chat.Messages],
// came from elsewhere or was edited. The chat uses the session from then on.
// What the session holds already is kept as far as it is the beginning of the
// conversation ([Session.Follow]), and the rest is evaluated.
//
// Errors are those of [Model.EncodeChat] and Follow.
func ResumeChat(ctx context.Context, s *Session, messages []Message, opts ...ChatOption) (*Chat, error) {
	options, err := s.model.newChatOptions(opts)
	if err != nil {
		return nil, err
	}
	c := &Chat{session: s, options: options}
	for _, message := range messages {
		t, err := c.newTurn(message, nil)
		if err != nil {
			return nil, err
		}
		c.turns = append(c.turns, t)
	}
	ids, dropped, err := c.fit(nil, 0)
	if err != nil {
		return nil, err
	}
	c.dropped = dropped
	if _, err := s.Follow(ctx, ids); err != nil {
		return nil, err
	}
	return c, nil
}

// newTurn returns a turn of this message, an answer with the tokens that it was
// generated in.
func (c *Chat) newTurn(message Message, answer []int) (turn, error) {
	t := turn{Message: message, answer: answer}
	w := chatWriter{model: c.session.model}
	w.turn(t, false, false)
	ids, err := w.end([]turn{t})
	t.length = len(ids)
	return t, err
}

// Session returns the session that holds the conversation. What is done to it
// between turns costs time, no truth: the next turn makes it hold the
// conversation again.
func (c *Chat) Session() *Session { return c.session }

// Messages returns a copy of the conversation, with the turns that the model
// has forgotten. [ResumeChat] goes on with it, in another process too.
func (c *Chat) Messages() []Message {
	messages := make([]Message, len(c.turns))
	for i, turn := range c.turns {
		messages[i] = turn.Message
	}
	return messages
}

// Dropped returns how many messages the model has forgotten: the oldest ones,
// behind what the system said at first.
func (c *Chat) Dropped() int { return c.dropped }

// Fork returns an independent copy of the conversation in a [Session.Fork] of
// its session, which the caller closes.
func (c *Chat) Fork() *Chat {
	fork := *c
	fork.session = c.session.Fork()
	fork.turns = slices.Clone(c.turns)
	return &fork
}

// Undo takes back what the user said last, with what was answered, and returns
// it. Where the user has said nothing it does nothing and ok is false.
func (c *Chat) Undo() (said string, ok bool) {
	for i := len(c.turns) - 1; i >= 0; i-- {
		if c.turns[i].Role == RoleUser {
			said = c.turns[i].Content
			c.turns = c.turns[:i]
			if c.system()+c.dropped >= i {
				c.dropped = 0 // rather than know nothing, the model remembers what fits
			}
			return said, true
		}
	}
	return "", false
}

// Send says something as the user and returns the assistant's answer. Errors
// are those of [Model.EncodeChat] and [Session.Generate]. Where they come before
// the first token of the answer, the conversation is as before; later ones leave
// the part that was answered in it.
func (c *Chat) Send(ctx context.Context, content string, opts GenerateOptions) (*Result, error) {
	p, err := c.prepare(content, &opts)
	if err != nil {
		return nil, err
	}
	defer c.record(p)
	return c.session.generate(ctx, p.ids[c.session.keep(p.ids):], &opts, func(Token) bool { return true })
}

// Stream is [Chat.Send] token by token, as [Session.Stream] is of Generate. The
// answer joins the conversation when the loop has ended.
func (c *Chat) Stream(ctx context.Context, content string, opts GenerateOptions) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		p, err := c.prepare(content, &opts)
		if err != nil {
			yield(Token{ID: -1}, err)
			return
		}
		defer c.record(p)
		c.session.stream(ctx, p.ids[c.session.keep(p.ids):], &opts, yield)
	}
}

// pending is a turn of the user's that has not been answered yet.
type pending struct {
	user    turn
	ids     []int // what the model reads, with the beginning of the answer
	dropped int   // what [Chat.Dropped] then is
}

func (c *Chat) prepare(content string, opts *GenerateOptions) (p pending, err error) {
	s := c.session
	s.result = nil
	if p.user, err = c.newTurn(Message{Role: RoleUser, Content: content}, nil); err != nil {
		return p, err
	}
	opts.SplitReasoning = opts.SplitReasoning || s.model.chat.thinks
	answer := s.context / 4
	if opts.MaxTokens > 0 {
		answer = min(answer, opts.MaxTokens+1) // with the end of its turn
	}
	if p.ids, p.dropped, err = c.fit(&p.user, answer); err != nil {
		return p, err
	}
	if len(p.ids) > s.context {
		before, err := c.encode(p.dropped, nil)
		if err != nil {
			return p, err
		}
		added := len(p.ids) - len(before)
		return p, &ContextError{Length: min(len(p.ids)-added, s.context), Added: added, Context: s.context}
	}
	return p, nil
}

// fit returns what the model is to read, with what the user says next at its end,
// and how many messages are left out so that it fits and so many more tokens too.
func (c *Chat) fit(next *turn, answer int) (ids []int, dropped int, err error) {
	without, err := c.encode(len(c.turns)-c.system(), next)
	if err != nil {
		return nil, 0, err
	}
	room := c.session.context - len(without) - answer
	turns, dropped := c.turns[c.system()+c.dropped:], c.dropped
	if !c.options.whole && length(turns) > room {
		for len(turns) > 0 && length(turns) > room/2 {
			n := 1
			for n < len(turns) && turns[n].Role != RoleUser {
				n++ // an answer goes with its question
			}
			if n == len(turns) && length(turns) <= room {
				break // the latest stay where they fit
			}
			turns, dropped = turns[n:], dropped+n
		}
	}
	ids, err = c.encode(dropped, next)
	return ids, dropped, err
}

// encode returns what the model reads of the conversation if so many messages are
// left out, and with what the user says next the beginning of the answer to it.
func (c *Chat) encode(dropped int, next *turn) ([]int, error) {
	system := c.system()
	turns := slices.Concat(c.turns[:system], c.turns[system+dropped:])
	if next != nil {
		turns = append(turns, *next)
	}
	return c.session.model.encodeTurns(turns, c.options, next != nil, true)
}

// system returns how many messages of the system the conversation begins with.
func (c *Chat) system() int {
	n := 0
	for n < len(c.turns) && c.turns[n].Role == RoleSystem {
		n++
	}
	return n
}

// length returns how many tokens turns have.
func length(turns []turn) (n int) {
	for _, turn := range turns {
		n += turn.length
	}
	return n
}

// record puts a turn and its answer into the conversation, and has the session
// hold both. An answer that was cut short ends like any other, since the
// conversation goes on.
func (c *Chat) record(p pending) {
	s, r := c.session, c.session.result
	if r == nil || r.Reason == "" || r.CompletionTokens == 0 && (r.Reason == StopCanceled || r.Reason == StopError) {
		return // no answer began, or the loop over it panicked
	}
	message := Message{Role: RoleAssistant, Content: r.Text, Reasoning: r.Reasoning}
	answer, err := c.newTurn(message, c.shown(r, p.ids[len(p.ids)-1]))
	if err != nil {
		return // as prepare would have
	}
	c.turns = append(c.turns, p.user, answer)
	c.dropped = p.dropped
	ids, err := c.encode(c.dropped, nil)
	if err != nil || s.cache == nil {
		return
	}
	ids = ids[:min(len(ids), s.context)]
	s.keep(ids)
	s.tokens = append(s.tokens, ids[len(s.tokens):]...)
}

// shown returns the tokens of an answer that goes on behind a token, never nil: less
// the thinking ahead of it and what a stop string has cut off. Where that ends or
// begins within a token, the text beside it is encoded; what the vocabulary has no
// token for is then left out.
func (c *Chat) shown(r *Result, last int) []int {
	t := c.session.model.tokenizer
	ids := r.Tokens
	if c.session.model.chat.thinks {
		pieces := make([][]byte, len(ids))
		for i, id := range ids {
			if !t.IsSpecial(id) {
				pieces[i] = t.AppendToken(nil, id)
			}
		}
		from, ok := answerBegins(pieces)
		if !ok {
			ids, _ = c.session.model.encodePlain(r.Text, last)
			return append([]int{}, ids...)
		}
		ids = ids[from:]
	}
	if r.Reason != StopString {
		return append([]int{}, ids...)
	}
	var piece []byte
	tokens, rest := 0, r.Text // so many tokens lie before rest
	for at, i, previous := 0, 0, last; at < len(r.Text) && i < len(ids); i++ {
		id := ids[i]
		if !t.IsSpecial(id) {
			piece = t.AppendNext(piece[:0], previous, id)
			if !strings.HasPrefix(r.Text[at:], string(piece)) {
				break
			}
			at += len(piece)
		}
		if at == len(r.Text) || utf8.RuneStart(r.Text[at]) {
			tokens, rest = i+1, r.Text[at:]
		}
		previous = id
	}
	if tokens > 0 {
		last = ids[tokens-1]
	}
	more, _ := c.session.model.encodePlain(rest, last)
	return append(append([]int{}, ids[:tokens]...), more...)
}
