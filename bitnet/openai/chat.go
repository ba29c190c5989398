package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet"
)

// chatCompletions answers POST /v1/chat/completions.
func (c *call) chatCompletions(f fields) {
	m, bad := c.find(f)
	if bad != nil {
		c.fail(bad)
		return
	}
	j, bad := c.newJob(f, m, -1, 1)
	if bad == nil {
		bad = c.setForm(j, f)
	}
	if bad == nil {
		bad = f.chatScores(j)
	}
	if bad != nil {
		c.fail(bad)
		return
	}
	messages, bad := chatMessages(f["messages"], "messages")
	if bad == nil {
		bad = f.thinking(j)
	}
	if bad == nil {
		bad = j.encodeChat(messages, "messages")
	}
	if bad != nil {
		c.fail(bad)
		return
	}
	stream, withUsage, bad := f.streaming()
	if bad != nil {
		c.fail(bad)
		return
	}
	if !c.known(m) {
		return
	}
	if stream {
		c.stream(j, events, &chatStream{chunkHead{c.head(chatID, "chat.completion.chunk", m), withUsage, c.usage}, j})
		return
	}
	c.answer(j, func(a *answers) any {
		choices := make([]chatChoice, len(a.choices))
		for i := range a.choices {
			choices[i] = chatChoice{Index: i, Message: chatMessage{Role: bitnet.RoleAssistant, Content: a.choices[i].text, Reasoning: a.choices[i].reasoning}, Reason: a.choices[i].reason}
			if j.scores {
				choices[i].LogProbs = scoresOf(m, a.choices[i].pieces)
			}
		}
		return chatCompletion{c.head(chatID, "chat.completion", m), choices, c.usage(a)}
	})
}

// head is what the answers of the older endpoints, and each chunk of their streams,
// begin with.
type head struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	Created     int64  `json:"created"`
	Model       string `json:"model"`
	Fingerprint string `json:"system_fingerprint"`
}

const chatID = "chatcmpl-"

func (c *call) head(prefix, object string, m *model) head {
	return head{prefix + c.identify(), object, c.moment(), m.id, m.fingerprint}
}

type chatCompletion struct {
	head
	Choices []chatChoice `json:"choices"`
	Usage   *usage       `json:"usage"`
}

type chatChoice struct {
	Index    int         `json:"index"`
	Message  chatMessage `json:"message"`
	LogProbs *scores     `json:"logprobs"`
	Reason   string      `json:"finish_reason"`
}

type chatMessage struct {
	Role      bitnet.Role `json:"role"`
	Reasoning string      `json:"reasoning_content,omitempty"`
	Content   string      `json:"content"`
	Refusal   *string     `json:"refusal"`
}

// usage counts tokens.
type usage struct {
	Prompt     int           `json:"prompt_tokens"`
	Completion int           `json:"completion_tokens"`
	Total      int           `json:"total_tokens"`
	Details    *promptDetail `json:"prompt_tokens_details,omitempty"`
}

type promptDetail struct {
	Cached int `json:"cached_tokens"`
}

// usage returns the usage of an answer. How much of the prompt had been computed
// before depends on the moment, and is left out where an answer must not.
func (c *call) usage(a *answers) *usage {
	u := &usage{Prompt: a.prompt, Completion: a.tokens, Total: a.prompt + a.tokens}
	if !c.direct {
		u.Details = &promptDetail{a.cached}
	}
	return u
}

// scores are the probabilities of tokens as chat completions have them.
type scores struct {
	Content []tokenScore `json:"content"`
	Refusal *string      `json:"refusal"`
}

type tokenScore struct {
	score
	Top []score `json:"top_logprobs"`
}

// A score is a token with the logarithm of its probability. Its bytes are there
// because a token may end within a character.
type score struct {
	Token   string  `json:"token"`
	LogProb float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

func scoreOf(m *model, id int, logProb float64) score {
	token := m.Tokenizer().AppendToken(nil, id)
	s := score{Token: strings.ToValidUTF8(string(token), "\uFFFD"), LogProb: finite(logProb), Bytes: make([]int, len(token))}
	for i, b := range token {
		s.Bytes[i] = int(b)
	}
	return s
}

// finite replaces what JSON has no number for, as OpenAI does for what is all but
// impossible.
func finite(logProb float64) float64 {
	if !(logProb > -9999) {
		return -9999
	}
	return logProb
}

func scoresOf(m *model, pieces []piece) *scores {
	s := &scores{Content: []tokenScore{}}
	for _, p := range pieces {
		t := tokenScore{scoreOf(m, p.id, p.logProb), []score{}}
		for _, a := range p.alternatives {
			t.Top = append(t.Top, scoreOf(m, a.ID, a.LogProb))
		}
		s.Content = append(s.Content, t)
	}
	return s
}

// chatScores reads which probabilities the answer is to have.
func (f fields) chatScores(j *job) (bad *failure) {
	if j.scores, bad = f.boolean("logprobs"); bad != nil {
		return bad
	}
	if j.options.Alternatives, bad = f.integer("top_logprobs", 0, 0, mostScores); bad != nil {
		return bad
	}
	if j.options.Alternatives > 0 && !j.scores {
		return invalid("top_logprobs", "top_logprobs needs logprobs to be true")
	}
	return nil
}

// streaming reads whether the answer is to be streamed, and with its usage. Other
// options of streams are for clients of other servers.
func (f fields) streaming() (stream, withUsage bool, bad *failure) {
	if stream, bad = f.boolean("stream"); bad != nil || !f.has("stream_options") {
		return stream, false, bad
	}
	options, ok := object(f["stream_options"])
	if !ok {
		return false, false, invalid("stream_options", "stream_options must be an object")
	}
	if withUsage, bad = options.boolean("include_usage"); bad != nil {
		bad.param = "stream_options"
	}
	return stream, withUsage, bad
}

// chatMessages reads a conversation.
func chatMessages(value json.RawMessage, param string) ([]bitnet.Message, *failure) {
	elements, ok := list(value)
	if !ok || len(elements) == 0 {
		return nil, invalid(param, "%s must be a list with at least one message", param)
	}
	messages := make([]bitnet.Message, 0, len(elements))
	for i, e := range elements {
		at := fmt.Sprintf("%s[%d]", param, i)
		f, ok := object(e)
		if !ok {
			return nil, invalid(at, "%s must be an object", at)
		}
		role, bad := chatRole(f, at)
		if bad != nil {
			return nil, bad
		}
		for _, name := range []string{"tool_calls", "function_call"} {
			if f.has(name) && string(f[name]) != "[]" {
				return nil, unsupported(at+"."+name, "no tools are built in yet")
			}
		}
		content := ""
		if f.has("content") {
			if content, bad = chatContent(f["content"], at+".content"); bad != nil {
				return nil, bad
			}
		} else if role != bitnet.RoleAssistant { // who may have said nothing
			return nil, invalid(at+".content", "%s.content is missing", at)
		}
		reasoning := ""
		if role == bitnet.RoleAssistant {
			if reasoning, bad = f.text("reasoning_content"); bad != nil {
				return nil, invalid(at+".reasoning_content", "%s.reasoning_content must be a string", at)
			}
		}
		messages = append(messages, bitnet.Message{Role: role, Content: content, Reasoning: reasoning})
	}
	return messages, nil
}

// chatRole reads who speaks. What OpenAI's newer models call the developer is the
// system.
func chatRole(f fields, at string) (bitnet.Role, *failure) {
	role, bad := f.text("role")
	if bad != nil {
		bad.param = at + ".role"
		return "", bad
	}
	switch role {
	case "system", "developer":
		return bitnet.RoleSystem, nil
	case "user":
		return bitnet.RoleUser, nil
	case "assistant":
		return bitnet.RoleAssistant, nil
	case "tool", "function":
		return "", unsupported(at+".role", "no tools are built in yet")
	}
	return "", invalid(at+".role", "%s.role must be system, developer, user or assistant", at)
}

// chatContent reads what was said: a string, or parts that are text.
func chatContent(value json.RawMessage, at string) (string, *failure) {
	if text, ok := asText(value); ok {
		return text, nil
	}
	parts, ok := list(value)
	if !ok {
		return "", invalid(at, "%s must be a string or a list of parts", at)
	}
	var all strings.Builder
	for i, p := range parts {
		at := fmt.Sprintf("%s[%d]", at, i)
		f, ok := object(p)
		if !ok {
			return "", invalid(at, "%s must be an object", at)
		}
		kind, bad := f.text("type")
		name := "text"
		switch {
		case bad != nil:
			bad.param = at + ".type"
			return "", bad
		case kind == "refusal":
			name = "refusal"
		case kind != "text" && kind != "input_text" && kind != "output_text":
			return "", unsupported(at, "models here read text")
		}
		text, ok := asText(f[name])
		if !ok {
			return "", invalid(at+"."+name, "%s.%s must be a string", at, name)
		}
		all.WriteString(text)
	}
	return all.String(), nil
}

// encodeChat makes a conversation the job's prompt.
func (j *job) encodeChat(messages []bitnet.Message, param string) *failure {
	if last := messages[len(messages)-1].Role; last != bitnet.RoleUser {
		return invalid(param, "the last message is the %s's: the model answers what the user says", last)
	}
	formed := j.options.Constraint != nil // all of the text is the answer
	j.options.SplitReasoning = !formed
	var options []bitnet.ChatOption
	if j.quiet != "" || formed {
		options = append(options, bitnet.WithoutThinking())
	}
	ids, err := j.model.EncodeChat(messages, options...)
	if formed && j.quiet == "" && errors.Is(err, bitnet.ErrOption) { // there is no switch
		ids, err = j.model.EncodeChat(messages)
	} else if formed && j.thinks != "" && err == nil {
		return invalid(j.thinks, "%s: an answer that must have a form is not thought about ahead: leave one out", j.thinks)
	}
	switch {
	case err == nil:
		return j.setPrompts(param, ids)
	case errors.Is(err, bitnet.ErrModel):
		f := invalid("model", "the model %s holds no conversations: %v", j.model.id, err)
		f.code = "model_not_conversational"
		return f
	case errors.Is(err, bitnet.ErrOption) && j.quiet != "":
		return unsupported(j.quiet, "the model has no switch to answer at once")
	}
	return invalid(param, "%v", err)
}

// thinking reads whether the model is to answer at once, as vLLM has it, or as
// OpenAI does.
func (f fields) thinking(j *job) *failure {
	if effort, bad := f.text("reasoning_effort"); bad != nil {
		return bad
	} else if effort == "none" {
		j.quiet = "reasoning_effort"
	}
	if !f.has("chat_template_kwargs") {
		return nil
	}
	const name = "chat_template_kwargs"
	all, ok := object(f[name])
	if !ok {
		return invalid(name, "%s must be an object", name)
	}
	for key := range all {
		if key != "enable_thinking" {
			return unsupported(name, "of its fields only enable_thinking is known")
		}
	}
	think, bad := all.boolean("enable_thinking")
	if bad != nil {
		bad.param = name
		return bad
	}
	switch {
	case think:
		j.thinks = name
	case all.has("enable_thinking"):
		j.quiet = name
	}
	return nil
}

// setPrompts sets the job's prompts, which must leave room for an answer.
func (j *job) setPrompts(param string, prompts ...[]int) *failure {
	for _, ids := range prompts {
		if len(ids) == 0 {
			return invalid(param, "the prompt is empty")
		}
		if len(ids) >= j.model.context {
			return tooLong(param, len(ids), j.model.context)
		}
	}
	if len(prompts)*j.n > mostChoices {
		return invalid("n", "%d answers are asked for, and %d is the most", len(prompts)*j.n, mostChoices)
	}
	j.prompts = prompts
	return nil
}

// answer has a job computed and answers with all of it.
func (c *call) answer(j *job, form func(*answers) any) {
	a, err := c.generate(c.ctx, j, silent{})
	if err != nil {
		c.fail(c.h.failureOf(c.ctx, err))
		return
	}
	if j.digest {
		c.w.Header().Set(digestHeader, a.digests())
	}
	c.json(http.StatusOK, form(a))
}

// known waits until it is known what names the model's results.
func (c *call) known(m *model) bool {
	select {
	case <-m.proven:
		return true
	case <-c.ctx.Done():
		c.fail(c.h.failureOf(c.ctx, context.Cause(c.ctx)))
		return false
	}
}

// generate has a job computed and counts its tokens for the log.
func (c *call) generate(ctx context.Context, j *job, out output) (*answers, error) {
	a, err := c.h.generate(ctx, j, out)
	c.prompt, c.computed = a.prompt, a.tokens
	return a, err
}

// chunkHead is what each chunk of a stream begins with, and what each ends with.
type chunkHead struct {
	head
	withUsage bool
	count     func(*answers) *usage
}

// chunk returns a chunk with one choice, or with none and the usage. Where usage
// was asked for, the chunks before that one have none.
func (h *chunkHead) chunk(choice any, u *usage) []byte {
	choices := []any{}
	if choice != nil {
		choices = append(choices, choice)
	}
	if !h.withUsage {
		return event(struct {
			head
			Choices []any `json:"choices"`
		}{h.head, choices})
	}
	return event(struct {
		head
		Choices []any  `json:"choices"`
		Usage   *usage `json:"usage"`
	}{h.head, choices, u})
}

func (h *chunkHead) last(a *answers) []byte {
	if !h.withUsage {
		return nil
	}
	return h.chunk(nil, h.count(a))
}

// chatStream makes the chunks of a chat completion.
type chatStream struct {
	chunkHead
	job *job
}

// A chatDelta is one choice in a chunk: what is new of it.
type chatDelta struct {
	Index    int     `json:"index"`
	Delta    delta   `json:"delta"`
	LogProbs *scores `json:"logprobs"`
	Reason   *string `json:"finish_reason"`
}

type delta struct {
	Role      bitnet.Role `json:"role,omitempty"`
	Reasoning string      `json:"reasoning_content,omitempty"`
	Content   *string     `json:"content,omitempty"`
}

func (s *chatStream) opening(choice int) []byte {
	return s.chunk(chatDelta{Index: choice, Delta: delta{Role: bitnet.RoleAssistant, Content: new(string)}}, nil)
}

func (s *chatStream) nothing(choice int) []byte {
	return s.chunk(chatDelta{Index: choice, Delta: delta{Content: new(string)}}, nil)
}

func (s *chatStream) token(choice int, p piece) []byte {
	d := chatDelta{Index: choice, Delta: delta{Content: &p.text, Reasoning: p.reasoning}}
	if s.job.scores && p.id >= 0 {
		d.LogProbs = scoresOf(s.job.model, []piece{p})
	}
	return s.chunk(d, nil)
}

func (s *chatStream) ending(choice int, a *choice) []byte {
	return s.chunk(chatDelta{Index: choice, Reason: &a.reason}, nil)
}
