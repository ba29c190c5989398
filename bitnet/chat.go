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
// The model reads what was said and shown: white space around a turn is left
// out, special tokens in it are plain text, and what a stop string cut off an
// answer is not there. An answer stays as the tokens that it was generated in.
//
// A conversation may go on beyond the context. Where a turn would leave less
// than a quarter of it for the answer (less than MaxTokens, if that is fewer),
// the model forgets the oldest turns, what the system said excepted:
// [Chat.Dropped] tells how many. It forgets as many as leave half the room for
// turns free, but not the latest, since what follows has to be evaluated again.
type Chat struct {
	session *Session
	form    *chatForm
	turns   []turn
	dropped int // of the messages behind the system's first ones
	whole   bool
}

// A turn is a message and its tokens.
type turn struct {
	Message
	ids []int
}

// A ChatOption changes how [NewChat] and [ResumeChat] make a chat.
type ChatOption func(*Chat)

// WithoutDropping lets the model forget nothing: a turn that does not fit the
// context is a [*ContextError], and an answer ends where the context is full.
func WithoutDropping() ChatOption { return func(c *Chat) { c.whole = true } }

// NewChat begins a conversation in an empty session, which the chat uses from
// then on. An empty system leaves out the system's turn. Errors are those of
// [ResumeChat].
func NewChat(ctx context.Context, s *Session, system string, opts ...ChatOption) (*Chat, error) {
	if s.Len() != 0 {
		return nil, &OptionError{Option: "session", Reason: fmt.Sprintf("it holds %d tokens; a chat begins in an empty one", s.Len())}
	}
	var messages []Message
	if trim(system) != "" {
		messages = []Message{{RoleSystem, system}}
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
	c := &Chat{session: s}
	for _, opt := range opts {
		if opt != nil {
			opt(c)
		}
	}
	var err error
	if c.form, err = s.model.chatForm(); err != nil {
		return nil, err
	}
	for _, message := range messages {
		ids, err := s.model.encodeTurn(c.form, message)
		if err != nil {
			return nil, err
		}
		c.turns = append(c.turns, turn{message, ids})
	}
	var ids []int
	ids, c.dropped = c.fit(nil, 0)
	if _, err := s.Follow(ctx, ids); err != nil {
		return nil, err
	}
	return c, nil
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
	head    []int // the beginning of the answer's turn
	ids     []int // what the model reads, from begin-of-text to head
	dropped int   // what [Chat.Dropped] then is
}

func (c *Chat) prepare(content string, opts *GenerateOptions) (p pending, err error) {
	s := c.session
	s.result = nil
	p.user.Message = Message{RoleUser, content}
	if p.user.ids, err = s.model.encodeTurn(c.form, p.user.Message); err != nil {
		return p, err
	}
	if p.head, err = s.model.encodePlain(c.form.heads[RoleAssistant]); err != nil {
		return p, err
	}
	answer := s.context / 4
	if opts.MaxTokens > 0 {
		answer = min(answer, opts.MaxTokens+1) // with the end of its turn
	}
	next := slices.Concat(p.user.ids, p.head)
	p.ids, p.dropped = c.fit(next, answer)
	if len(p.ids) > s.context {
		return p, &ContextError{Length: min(len(p.ids)-len(next), s.context), Added: len(next), Context: s.context}
	}
	return p, nil
}

// fit returns what the model is to read, with next at its end, and how many
// messages are left out so that it fits and so many more tokens too.
func (c *Chat) fit(next []int, answer int) (ids []int, dropped int) {
	ids = c.session.model.beginOfText()
	for _, turn := range c.turns[:c.system()] {
		ids = append(ids, turn.ids...)
	}
	room := c.session.context - len(ids) - len(next) - answer
	turns, dropped := c.turns[c.system()+c.dropped:], c.dropped
	if !c.whole && length(turns) > room {
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
	for _, turn := range turns {
		ids = append(ids, turn.ids...)
	}
	return append(ids, next...), dropped
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
		n += len(turn.ids)
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
	answer := turn{Message{RoleAssistant, r.Text}, slices.Concat(p.head, c.shown(r), []int{s.model.endOfTurn(c.form)})}
	c.turns = append(c.turns, p.user, answer)
	c.dropped = p.dropped
	if s.cache == nil {
		return
	}
	ids := append(p.ids, answer.ids[len(p.head):]...)
	ids = ids[:min(len(ids), s.context)]
	s.keep(ids)
	s.tokens = append(s.tokens, ids[len(s.tokens):]...)
}

// shown returns the tokens of an answer, without what a stop string has cut off.
// Where that begins within a token, the text before it is encoded; what the
// vocabulary has no token for is then left out.
func (c *Chat) shown(r *Result) []int {
	if r.Reason != StopString {
		return r.Tokens
	}
	t := c.session.model.tokenizer
	var piece []byte
	tokens, rest := 0, r.Text // so many tokens lie before rest
	for at, i := 0, 0; at < len(r.Text) && i < len(r.Tokens); i++ {
		if id := r.Tokens[i]; !t.IsSpecial(id) {
			piece = t.AppendToken(piece[:0], id)
			if !strings.HasPrefix(r.Text[at:], string(piece)) {
				break
			}
			at += len(piece)
		}
		if at == len(r.Text) || utf8.RuneStart(r.Text[at]) {
			tokens, rest = i+1, r.Text[at:]
		}
	}
	ids, _ := c.session.model.encodePlain(rest)
	return slices.Concat(r.Tokens[:tokens], ids)
}
