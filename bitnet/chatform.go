package bitnet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gobitnet/gobitnet/tokenizer"
)

// A chatForm is how a family of models was trained to read a conversation.
type chatForm struct {
	name string
	// marks are what the form writes that may be a token of its own. Where the
	// vocabulary has no such token, they are text like any other.
	marks []string
	// heads are the texts in front of what each role says, and feet those behind
	// it. eos stands for the vocabulary's end-of-text token.
	heads, feet map[Role]string
	// end is the mark by which the model ends its turn.
	end string

	// A template is of the form if it has all shapes of one list in says, and, of
	// the shapes in which a mark of the form is, no other than these and known.
	says  [][]string
	known []string
	// systemHead and systemFoot enclose what the model is told where nobody tells
	// it anything, if a template has such a shape.
	systemHead, systemFoot string
}

// eos is how the vocabulary's end-of-text token is written in a form, as it is in
// the shape of a template.
const eos = "{eos_token}"

const (
	thinkOpen  = "<think>"
	thinkClose = "</think>"
	// emptyThinking is what a model finds ahead of its answer that is not to think.
	emptyThinking = thinkOpen + "\n\n" + thinkClose + "\n\n"
)

// bitnetForm is that of the published BitNet b1.58 2B4T. The template in its
// GGUF, "Human: … BITNETAssistant: …", is a placeholder that the model was never
// trained on; the one beside its weights says what it reads. White space around
// what is said is left out whether a template says so or, as that of the models
// made by this project, forgets it.
var bitnetForm = chatForm{
	name:  "BitNet",
	marks: []string{"<|eot_id|>"},
	heads: map[Role]string{RoleSystem: "System: ", RoleUser: "User: ", RoleAssistant: "Assistant: "},
	feet:  map[Role]string{RoleSystem: "<|eot_id|>", RoleUser: "<|eot_id|>", RoleAssistant: "<|eot_id|>"},
	end:   "<|eot_id|>",
	says:  [][]string{{"{role|capitalize}: {content|strip}<|eot_id|>"}, {"{role|capitalize}: {content}<|eot_id|>"}},
}

const bitnetPlaceholder = "Human: {content}\n\nBITNETAssistant: {eos_token}"

func bitnetFormat() *chatFormat {
	return &chatFormat{chatForm: &bitnetForm, trims: true, start: bitnetForm.heads[RoleAssistant]}
}

var chatForms = []*chatForm{
	&bitnetForm,
	{
		name:  "ChatML",
		marks: []string{"<|im_start|>", "<|im_end|>"},
		heads: map[Role]string{RoleSystem: "<|im_start|>system\n", RoleUser: "<|im_start|>user\n", RoleAssistant: "<|im_start|>assistant\n"},
		feet:  map[Role]string{RoleSystem: "<|im_end|>\n", RoleUser: "<|im_end|>\n", RoleAssistant: "<|im_end|>\n"},
		end:   "<|im_end|>",
		says: [][]string{
			{"<|im_start|>{role}\n{content}<|im_end|>\n"},
			{"<|im_start|>system\n{content}<|im_end|>\n", "<|im_start|>user\n{content}<|im_end|>\n", "<|im_start|>assistant\n{content}<|im_end|>\n"},
		},
		known: []string{
			"<|im_start|>{role}\n{content}", "<|im_start|>{role}", "<|im_end|>\n", // the parts of an answer that may call tools
			thinkingTurn,
		},
		systemHead: "<|im_start|>system\n", systemFoot: "<|im_end|>\n",
	},
	{
		name:  "Llama 3",
		marks: []string{"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
		heads: map[Role]string{
			RoleSystem:    "<|start_header_id|>system<|end_header_id|>\n\n",
			RoleUser:      "<|start_header_id|>user<|end_header_id|>\n\n",
			RoleAssistant: "<|start_header_id|>assistant<|end_header_id|>\n\n",
		},
		feet: map[Role]string{RoleSystem: "<|eot_id|>", RoleUser: "<|eot_id|>", RoleAssistant: "<|eot_id|>"},
		end:  "<|eot_id|>",
		says: [][]string{
			{"<|start_header_id|>{role}<|end_header_id|>\n\n{content|strip}<|eot_id|>"},
			{"<|start_header_id|>{role}<|end_header_id|>\n\n{content}<|eot_id|>"},
		},
	},
	{
		name:  "Falcon3",
		marks: []string{"<|system|>", "<|user|>", "<|assistant|>"},
		heads: map[Role]string{RoleSystem: "<|system|>\n", RoleUser: "<|user|>\n", RoleAssistant: "<|assistant|>\n"},
		feet:  map[Role]string{RoleSystem: "\n", RoleUser: "\n", RoleAssistant: eos + "\n"},
		end:   eos,
		says:  [][]string{{"<|system|>\n{content}\n", "<|user|>\n{content}\n", "<|assistant|>\n{content}{eos_token}\n"}},
		known: []string{falconLast},
	},
}

const (
	// thinkingTurn is the shape of an answer with what was thought ahead of it.
	thinkingTurn = "<|im_start|>{role}\n<think>\n{reasoning_content|strip lines}\n</think>\n\n{content|lstrip lines}"
	// falconLast is that of an answer with which the conversation ends.
	falconLast = "<|assistant|>\n{content}{eos_token}"
)

// A chatFormat is the form that one model reads: what its template says, in the
// tokens of its vocabulary.
type chatFormat struct {
	*chatForm
	trims      bool   // white space around what is said is left out
	begins     bool   // the template asks for begin-of-text, whatever the vocabulary does
	bareLast   bool   // no line break follows the answer that a conversation ends with
	thinks     bool   // what the model thought is told apart, and left out of earlier turns
	canBeQuiet bool   // thinking can be turned off
	system     string // what the system says where nobody has it say anything
	start      string // the beginning of an answer

	tokens map[string]int // the marks that are tokens
	// pretenders are marks whose token the vocabulary does not call special, so
	// that it would be found in plain text: what is said is cut within them.
	pretenders []string
	endOfTurn  int // the token of the mark end
}

const (
	templateKey = "tokenizer.chat_template"
	byHand      = ": put the tokens of a conversation together yourself (Session.StreamTokens)"
)

// readChat finds out how the model reads a conversation. Where it does not, the
// error is for whoever begins one.
func (m *Model) readChat() {
	m.chat, m.chatError = m.findChat()
	if m.chat != nil && !slices.Contains(m.endTokens, m.chat.endOfTurn) {
		m.endTokens = append(m.endTokens, m.chat.endOfTurn)
	}
}

func (m *Model) findChat() (*chatFormat, error) {
	value, ok := m.file.Value(templateKey)
	if !ok {
		if a := m.config.Architecture; a != "bitnet-b1.58" && a != "bitnet-25" {
			return nil, &ModelError{Part: "key " + templateKey, Reason: "is missing: the model was not trained to hold a conversation; it continues texts (bitnet run --prompt)"}
		}
		return m.newFormat(bitnetFormat())
	}
	source, err := value.Text()
	if err != nil {
		return nil, &ModelError{Part: "key " + templateKey, Err: err}
	}
	f, reason := recognize(source)
	if reason != "" {
		return nil, &ModelError{Part: "key " + templateKey, Reason: reason}
	}
	return m.newFormat(f)
}

// recognize returns the form that a template asks for, or why there is none.
func recognize(source string) (f *chatFormat, reason string) {
	if len(source) > maxTemplate {
		return nil, fmt.Sprintf("has %d bytes, more than the %d that are looked at", len(source), maxTemplate)
	}
	t := readTemplate(source)
	if slices.Contains(t.shapes, bitnetPlaceholder) {
		return bitnetFormat(), ""
	}
	for _, form := range chatForms {
		for _, says := range form.says {
			if !slices.ContainsFunc(says, func(shape string) bool { return !slices.Contains(t.shapes, shape) }) {
				return form.recognize(&t)
			}
		}
	}
	names := make([]string, len(chatForms))
	for i, form := range chatForms {
		names[i] = form.name
	}
	last := len(names) - 1
	return nil, fmt.Sprintf("is of no form that is known here, %s or %s"+byHand, strings.Join(names[:last], ", "), names[last])
}

// recognize reads what a template of the form says beyond what all of them do.
func (form *chatForm) recognize(t *chatTemplate) (f *chatFormat, reason string) {
	unknown := func(writes string) (*chatFormat, string) {
		if len(writes) > 100 {
			writes = writes[:100] + "…"
		}
		return nil, fmt.Sprintf("is of the form %s, but also writes %q, which is not known here"+byHand, form.name, writes)
	}
	f = &chatFormat{chatForm: form, trims: form == &bitnetForm, start: form.heads[RoleAssistant]}
	for i, shape := range t.shapes {
		f.begins = f.begins || strings.Contains(shape, "{bos_token}")
		shape = strings.TrimPrefix(shape, "{bos_token}")
		if !slices.ContainsFunc(form.marks, func(mark string) bool { return strings.Contains(shape, mark) }) {
			continue
		}
		switch {
		case slices.ContainsFunc(form.says, func(says []string) bool { return slices.Contains(says, shape) }):
			f.trims = f.trims || strings.Contains(shape, "{content|strip}")
		case slices.Contains(form.known, shape):
			f.thinks = f.thinks || shape == thinkingTurn
			f.bareLast = f.bareLast || shape == falconLast
		case shape == f.start || shape == t.start:
		default:
			told, hasHead := strings.CutPrefix(shape, form.systemHead)
			told, hasFoot := strings.CutSuffix(told, form.systemFoot)
			if form.systemHead == "" || !hasHead || !hasFoot || strings.ContainsAny(told, "{}") ||
				!strings.Contains(t.conditions[i], "messages[0]") || f.system != "" && f.system != told {
				return unknown(shape)
			}
			f.system = told
		}
	}
	switch t.start {
	case f.start:
	case f.start + emptyThinking:
		if f.canBeQuiet = t.thinkingOff; !f.canBeQuiet {
			f.start = t.start
		}
	case "":
		return nil, fmt.Sprintf("is of the form %s, but does not say how an answer begins (add_generation_prompt)"+byHand, form.name)
	default:
		return unknown(t.start)
	}
	return f, ""
}

// newFormat finds the tokens of a form.
func (m *Model) newFormat(f *chatFormat) (*chatFormat, error) {
	f.tokens = map[string]int{}
	for _, mark := range slices.Concat(f.marks, []string{thinkOpen, thinkClose}) {
		id, ok := m.tokenizer.TokenID(mark)
		if !ok {
			continue
		}
		if m.tokenizer.IsSpecial(id) {
			f.tokens[mark] = id
		} else if ids, err := m.tokenizer.Encode("."+mark, tokenizer.PlainText()); err == nil && ids[len(ids)-1] == id {
			f.tokens[mark] = id
			if slices.Contains(f.marks, mark) {
				f.pretenders = append(f.pretenders, mark)
			}
		}
	}
	var ok bool
	if f.end == eos {
		if f.endOfTurn, ok = m.tokenizer.EndOfText(); !ok {
			return nil, &ModelError{Part: "vocabulary", Reason: "has no end-of-text token, so that turns cannot be ended"}
		}
		f.tokens[eos] = f.endOfTurn
		if !m.tokenizer.IsSpecial(f.endOfTurn) {
			f.pretenders = append(f.pretenders, m.tokenizer.Decode([]int{f.endOfTurn}))
		}
	} else if f.endOfTurn, ok = f.tokens[f.end]; !ok {
		return nil, &ModelError{Part: "vocabulary", Reason: "has no token " + f.end + ", so that turns cannot be ended"}
	}
	return f, nil
}
