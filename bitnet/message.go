package bitnet

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/gobitnet/gobitnet/tokenizer"
)

// A Role says who speaks in a conversation.
type Role string

const (
	RoleSystem    Role = "system"    // tells the model how to answer
	RoleUser      Role = "user"      // asks
	RoleAssistant Role = "assistant" // the model
)

// A Message is one turn of a conversation. As JSON it is what the field's
// programs exchange: {"role":"user","content":"Hello"}.
type Message struct {
	Role    Role   `json:"role"`
	Content string `json:"content"`
}

// A chatForm is how a family of models was trained to read a conversation.
type chatForm struct {
	heads map[Role]string // the text in front of what each role says
	end   string          // the special token behind each turn
}

// endOfTurn is the special token behind each turn of a conversation.
const endOfTurn = "<|eot_id|>"

// chatForms are the forms of all models. A model has the first one whose end of
// a turn is in its vocabulary. (The template inside the published file is a
// placeholder that the model was never trained on.)
var chatForms = []chatForm{
	{
		heads: map[Role]string{RoleSystem: "System: ", RoleUser: "User: ", RoleAssistant: "Assistant: "},
		end:   endOfTurn,
	},
}

// EncodeChat returns the tokens of a conversation in the form that the model
// was trained on: begin-of-text, then the turns, and where the user has the
// last word the beginning of the assistant's turn, for the model to go on. For
// the published models a turn is "Role: content<|eot_id|>" with System, User or
// Assistant for the role. White space around a content is left out, as the
// published template does.
//
// What is said is encoded as plain text: special tokens in it are not
// recognised, so that nobody can forge the end of a turn or another speaker's.
//
// A vocabulary without a token for the end of a turn gives a [*ModelError], an
// unknown role an [*OptionError], a content that cannot be encoded an error
// that wraps a [*tokenizer.TextError], whose Offset counts from the beginning
// of that content. The slice is the caller's.
func (m *Model) EncodeChat(messages []Message) ([]int, error) {
	form, err := m.chatForm()
	if err != nil {
		return nil, err
	}
	ids := m.beginOfText()
	for _, message := range messages {
		turn, err := m.encodeTurn(form, message)
		if err != nil {
			return nil, err
		}
		ids = append(ids, turn...)
	}
	if n := len(messages); n > 0 && messages[n-1].Role == RoleUser {
		head, err := m.encodePlain(form.heads[RoleAssistant])
		if err != nil {
			return nil, err
		}
		ids = append(ids, head...)
	}
	return ids, nil
}

func (m *Model) chatForm() (*chatForm, error) {
	for i := range chatForms {
		if _, ok := m.tokenizer.TokenID(chatForms[i].end); ok {
			return &chatForms[i], nil
		}
	}
	return nil, &ModelError{Part: "vocabulary", Reason: "has no token " + endOfTurn + ", so that turns cannot be ended"}
}

// beginOfText returns the token that the model wants before a text, or none.
func (m *Model) beginOfText() []int {
	if begin, ok := m.tokenizer.BeginOfText(); ok && m.tokenizer.AddsBeginOfText() {
		return []int{begin}
	}
	return nil
}

// encodeTurn returns the tokens of one turn.
func (m *Model) encodeTurn(form *chatForm, message Message) ([]int, error) {
	head, ok := form.heads[message.Role]
	if !ok {
		return nil, &OptionError{Option: "role", Reason: fmt.Sprintf("%q is none of %s, %s and %s", string(message.Role), RoleSystem, RoleUser, RoleAssistant)}
	}
	var ids []int
	if message.Role == RoleAssistant {
		// An answer is generated after its head, and so never merges with it.
		var err error
		if ids, err = m.encodePlain(head); err != nil {
			return nil, err
		}
		head = ""
	}
	said := trim(message.Content)
	more, err := m.encodePlain(head + said)
	if err != nil {
		var text *tokenizer.TextError
		if errors.As(err, &text) {
			moved := strings.Index(message.Content, said) - len(head)
			err = &tokenizer.TextError{Offset: max(text.Offset+moved, 0), Reason: text.Reason}
		}
		return nil, fmt.Errorf("what the %s said: %w", message.Role, err)
	}
	return append(append(ids, more...), m.endOfTurn(form)), nil
}

func (m *Model) endOfTurn(form *chatForm) int {
	id, _ := m.tokenizer.TokenID(form.end)
	return id
}

func (m *Model) encodePlain(text string) ([]int, error) {
	return m.tokenizer.Encode(text, tokenizer.PlainText())
}

// trim takes white space away from both ends: what Python's str.strip does,
// which templates are written for. It counts four control characters that Go
// does not.
func trim(content string) string {
	return strings.TrimFunc(content, func(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f })
}
