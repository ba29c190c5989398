package bitnet

import (
	"fmt"
	"slices"
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
	// Reasoning is what the model thought before it answered, if it is one that
	// does; only an answer has it.
	Reasoning string `json:"reasoning_content,omitempty"`
}

// A ChatOption changes how a conversation is put to the model.
type ChatOption func(*chatOptions)

type chatOptions struct {
	whole bool
	quiet bool
}

// WithoutDropping lets a [Chat] forget nothing: a turn that does not fit the
// context is a [*ContextError], and an answer ends where the context is full.
func WithoutDropping() ChatOption { return func(o *chatOptions) { o.whole = true } }

// WithoutThinking has the model answer at once. Where its chat template has no
// such switch (enable_thinking), that is an [*OptionError].
func WithoutThinking() ChatOption { return func(o *chatOptions) { o.quiet = true } }

// newChatOptions returns what the options come to, for this model.
func (m *Model) newChatOptions(opts []ChatOption) (o chatOptions, err error) {
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	if m.chatError != nil {
		return o, m.chatError
	}
	if o.quiet && !m.chat.canBeQuiet {
		return o, &OptionError{Option: "thinking", Reason: "it cannot be turned off: the model's chat template has no enable_thinking"}
	}
	return o, nil
}

// EncodeChat returns the tokens of a conversation in the form that the model
// was trained on: begin-of-text where the model wants it, then the turns, and
// where the user has the last word the beginning of the assistant's turn, for
// the model to go on.
//
// The form is that of the file's tokenizer.chat_template. Templates are not run
// but recognised: those of BitNet ("User: …<|eot_id|>"), ChatML (Qwen, with or
// without thinking), Llama 3 and Falcon3. Their rules about white space, about
// what the system says where the messages do not begin with it, and about which
// answers keep their Reasoning are kept. Files of BitNet b1.58 without a template
// have BitNet's form if there is a token <|eot_id|>.
//
// What is said is encoded as plain text: no special token is ever recognised in
// it, so that nobody can forge the end of a turn. Where the form has its heads in
// ordinary words, as BitNet's "User: ", or the vocabulary has no tokens for them,
// anyone can write those words.
//
// A file without a form that is known gives a [*ModelError], an unknown role an
// [*OptionError], a content that cannot be encoded an error that wraps a
// [*tokenizer.TextError], whose Offset counts from the beginning of that content.
// Of the options only [WithoutThinking] matters. The slice is the caller's.
func (m *Model) EncodeChat(messages []Message, opts ...ChatOption) ([]int, error) {
	o, err := m.newChatOptions(opts)
	if err != nil {
		return nil, err
	}
	turns := make([]turn, len(messages))
	for i, message := range messages {
		turns[i].Message = message
	}
	n := len(turns)
	return m.encodeTurns(turns, o, n > 0 && turns[n-1].Role == RoleUser, false)
}

// encodeTurns returns the tokens of turns, and with start the beginning of an
// answer behind them. In a past conversation all answers are earlier ones.
func (m *Model) encodeTurns(turns []turn, o chatOptions, start, past bool) ([]int, error) {
	f := m.chat
	w := chatWriter{model: m}
	if begin, ok := m.tokenizer.BeginOfText(); ok && (f.begins || m.tokenizer.AddsBeginOfText()) {
		w.ids = append(w.ids, begin)
	}
	if len(turns) > 0 && turns[0].Role != RoleSystem && f.system != "" {
		w.template(f.systemHead + f.system + f.systemFoot)
	}
	asked := f.lastQuestion(turns)
	for i, t := range turns {
		last := i == len(turns)-1
		w.turn(t, !past && i > asked, last && !start)
	}
	if start {
		w.template(f.start)
		if o.quiet {
			w.template(emptyThinking)
		}
	}
	return w.end(turns)
}

// lastQuestion returns the index of the last turn that is the user's, not that of
// a tool which speaks as the user. As templates have it, it is the last turn
// where there is none.
func (f *chatFormat) lastQuestion(turns []turn) int {
	for i, t := range slices.Backward(turns) {
		if t.Role == RoleUser && !(strings.HasPrefix(t.Content, "<tool_response>") && strings.HasSuffix(t.Content, "</tool_response>")) {
			return i
		}
	}
	return len(turns) - 1
}

// beginOfText returns the token that the model wants before a text, or none.
func (m *Model) beginOfText() []int {
	if begin, ok := m.tokenizer.BeginOfText(); ok && m.tokenizer.AddsBeginOfText() {
		return []int{begin}
	}
	return nil
}

// A chatWriter writes a conversation as tokens. What lies between two of the
// form's tokens is encoded as a whole, as if the template had been run.
type chatWriter struct {
	model *Model
	ids   []int
	text  strings.Builder // not yet encoded
	err   error
}

// flush encodes what has been written.
func (w *chatWriter) flush() {
	if w.text.Len() == 0 || w.err != nil {
		return
	}
	last := -1
	if n := len(w.ids); n > 0 {
		last = w.ids[n-1]
	}
	ids, err := w.model.encodePlain(w.text.String(), last)
	w.ids, w.err = append(w.ids, ids...), err
	w.text.Reset()
}

// template writes a text of the form's.
func (w *chatWriter) template(text string) {
	for text != "" {
		at, found := len(text), ""
		for mark := range w.model.chat.tokens {
			if i := strings.Index(text, mark); i >= 0 && i < at {
				at, found = i, mark
			}
		}
		w.text.WriteString(text[:at])
		if found != "" {
			w.flush()
			w.ids = append(w.ids, w.model.chat.tokens[found])
		}
		text = text[at+len(found):]
	}
}

// say writes what somebody said.
func (w *chatWriter) say(text string) {
	for {
		at := -1
		for _, mark := range w.model.chat.pretenders {
			if i := strings.Index(text, mark); i >= 0 && (at < 0 || i < at) {
				at = i
			}
		}
		if at < 0 {
			w.text.WriteString(text)
			return
		}
		w.text.WriteString(text[:at+1])
		w.flush()
		text = text[at+1:]
	}
}

// turn writes one turn. Whether an answer is a recent one, which keeps its
// thinking, and whether the conversation ends with it, matters to some forms.
func (w *chatWriter) turn(t turn, recent, last bool) {
	f := w.model.chat
	head, ok := f.heads[t.Role]
	if !ok {
		if w.err == nil {
			w.err = &OptionError{Option: "role", Reason: fmt.Sprintf("%q is none of %s, %s and %s", string(t.Role), RoleSystem, RoleUser, RoleAssistant)}
		}
		return
	}
	w.template(head)
	content := t.Content
	if f.trims {
		content = trim(content)
	}
	foot := f.feet[t.Role]
	if t.Role == RoleAssistant {
		w.flush() // an answer is generated after its head, and so never merges with it
		reasoning := t.Reasoning
		if f.thinks {
			if reasoning == "" {
				reasoning, content = splitThinking(content)
			}
			if recent && (last || reasoning != "") {
				w.template(thinkOpen + "\n")
				w.say(strings.Trim(reasoning, "\n"))
				w.template("\n" + thinkClose + "\n\n")
				content = strings.TrimLeft(content, "\n")
			}
		}
		if last && f.bareLast {
			foot = strings.TrimSuffix(foot, "\n")
		}
	}
	if t.answer != nil {
		w.ids = append(w.ids, t.answer...)
	} else {
		w.say(content)
	}
	w.template(foot)
}

// end returns the tokens of the turns that were written.
func (w *chatWriter) end(turns []turn) ([]int, error) {
	w.flush()
	if w.err == nil {
		return w.ids, nil
	}
	for _, t := range turns { // whose is it?
		for _, said := range []string{t.Content, t.Reasoning} {
			if _, err := w.model.encodePlain(said, -1); err != nil {
				return nil, fmt.Errorf("what the %s said: %w", t.Role, err)
			}
		}
	}
	return nil, w.err
}

// encodePlain encodes what goes on behind a token, or behind none, which is -1.
func (m *Model) encodePlain(text string, last int) ([]int, error) {
	return m.tokenizer.Encode(text, tokenizer.PlainText(), tokenizer.After(last))
}

// trim takes white space away from both ends: what Python's str.strip does,
// which templates are written for. It counts four control characters that Go
// does not.
func trim(content string) string {
	return strings.TrimFunc(content, func(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f })
}
