package openai

import (
	"encoding/json"
	"fmt"

	"slices"

	"github.com/gobitnet/gobitnet/bitnet"
)

// unstored are fields of /v1/responses for what a server does that keeps
// conversations, or that is not built.
var unstored = map[string]neutral{
	"previous_response_id": {"nothing is kept: send the whole conversation as input", nil},
	"conversation":         {"nothing is kept: send the whole conversation as input", nil},
	"prompt":               {"nothing is kept: send instructions and input", nil},
	"background":           {"nothing is kept", []string{"false"}},
	"tools":                {"no tools are built in yet", []string{"[]"}},
	"tool_choice":          {"no tools are built in yet", []string{`"none"`, `"auto"`}},
}

// responses answers POST /v1/responses.
func (c *call) responses(f fields) {
	m, bad := c.find(f)
	if bad != nil {
		c.fail(bad)
		return
	}
	j, r, bad := c.responseJob(f, m)
	stream := false
	if bad == nil {
		stream, bad = f.boolean("stream")
	}
	if bad != nil {
		c.fail(bad)
		return
	}
	if !c.known(m) {
		return
	}
	if stream {
		c.stream(j, format{events.contentType, func(f *failure) []byte { return r.failed(f) }, ""}, r)
		return
	}
	c.answer(j, func(a *answers) any { return r.object(a) })
}

// responseJob reads a request.
func (c *call) responseJob(f fields, m *model) (*job, *response, *failure) {
	if bad := f.refuse(unstored); bad != nil {
		return nil, nil, bad
	}
	var format json.RawMessage
	var asked []form
	if f.has("text") {
		text, ok := object(f["text"])
		if !ok {
			return nil, nil, invalid("text", "text must be an object")
		}
		if format = text["format"]; format != nil {
			var bad *failure
			if asked, bad = responseFormat(format, "text.format", ""); bad != nil {
				return nil, nil, bad
			}
		}
	}
	// The names of the other fields are those of chat completions, but for one.
	common := fields{}
	for name, value := range f {
		if name != "text" && name != "prompt" {
			common[name] = value
		}
	}
	if f.has("max_output_tokens") {
		if _, bad := f.integer("max_output_tokens", 0, 1, 1<<31-1); bad != nil {
			return nil, nil, bad
		}
		common["max_tokens"] = f["max_output_tokens"]
	}
	j, bad := c.newJob(common, m, -1, 1)
	if bad != nil {
		return nil, nil, bad
	}
	more, bad := common.forms()
	if bad == nil {
		bad = c.constrain(j, append(asked, more...))
	}
	if bad != nil {
		return nil, nil, bad
	}
	if j.n != 1 {
		return nil, nil, unsupported("n", "a response is one answer")
	}
	include, _ := list(f["include"])
	j.scores = slices.ContainsFunc(include, func(name json.RawMessage) bool { return string(name) == `"message.output_text.logprobs"` })
	if j.options.Alternatives, bad = f.integer("top_logprobs", 0, 0, mostScores); bad != nil {
		return nil, nil, bad
	}
	if j.options.Alternatives > 0 {
		j.scores = true
	}
	var messages []bitnet.Message
	instructions, bad := f.text("instructions")
	if bad != nil {
		return nil, nil, bad
	}
	if instructions != "" {
		messages = append(messages, bitnet.Message{Role: bitnet.RoleSystem, Content: instructions})
	}
	if text, ok := asText(f["input"]); ok {
		messages = append(messages, bitnet.Message{Role: bitnet.RoleUser, Content: text})
	} else {
		more, bad := responseInput(f["input"])
		if bad != nil {
			return nil, nil, bad
		}
		messages = append(messages, more...)
	}
	if bad := j.encodeChat(messages, "input"); bad != nil {
		return nil, nil, bad
	}
	j.options.SplitReasoning = false // the form has no place for it that clients would show
	return j, &response{c: c, job: j, instructions: orNull(instructions), format: format, limit: f["max_output_tokens"], topP: f["top_p"]}, nil
}

// responseInput reads items: messages, as they were sent and as they were answered.
func responseInput(value json.RawMessage) ([]bitnet.Message, *failure) {
	items, ok := list(value)
	if !ok || len(items) == 0 {
		return nil, invalid("input", "input must be a text, or a list of messages")
	}
	for i, item := range items {
		f, ok := object(item)
		if !ok {
			return nil, invalid("input", "input[%d] must be an object", i)
		}
		if kind, bad := f.text("type"); bad != nil || kind != "" && kind != "message" {
			return nil, unsupported(fmt.Sprintf("input[%d].type", i), "models here read messages")
		}
	}
	return chatMessages(value, "input")
}

// response is an answer of /v1/responses, and makes the events of its stream.
type response struct {
	c            *call
	job          *job
	instructions *string
	format       json.RawMessage // of the text
	limit, topP  json.RawMessage
	events       int // so many have been made
}

// A responseObject is OpenAI's form of it. What it says about what is not built is
// what clients expect of a server that does not do it.
type responseObject struct {
	ID           string          `json:"id"`
	Object       string          `json:"object"`
	Created      int64           `json:"created_at"`
	Status       string          `json:"status"`
	Background   bool            `json:"background"`
	Error        *responseError  `json:"error"`
	Incomplete   *incomplete     `json:"incomplete_details"`
	Instructions *string         `json:"instructions"`
	Limit        json.RawMessage `json:"max_output_tokens"`
	Model        string          `json:"model"`
	Output       []responseItem  `json:"output"`
	Parallel     bool            `json:"parallel_tool_calls"`
	Previous     *string         `json:"previous_response_id"`
	Reasoning    map[string]any  `json:"reasoning"`
	Store        bool            `json:"store"`
	Temperature  float64         `json:"temperature"`
	Text         map[string]any  `json:"text"`
	ToolChoice   string          `json:"tool_choice"`
	Tools        []any           `json:"tools"`
	TopP         float64         `json:"top_p"`
	Truncation   string          `json:"truncation"`
	Usage        *responseUsage  `json:"usage"`
	User         *string         `json:"user"`
	Metadata     map[string]any  `json:"metadata"`
	Fingerprint  string          `json:"system_fingerprint"`
}

type responseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type incomplete struct {
	Reason string `json:"reason"`
}

type responseItem struct {
	ID      string         `json:"id"`
	Type    string         `json:"type"`
	Status  string         `json:"status"`
	Role    bitnet.Role    `json:"role"`
	Content []responsePart `json:"content"`
}

type responsePart struct {
	Type        string       `json:"type"`
	Annotations []any        `json:"annotations"`
	LogProbs    []tokenScore `json:"logprobs"`
	Text        string       `json:"text"`
}

type responseUsage struct {
	Input   int            `json:"input_tokens"`
	Details promptDetail   `json:"input_tokens_details"`
	Output  int            `json:"output_tokens"`
	Thought map[string]int `json:"output_tokens_details"`
	Total   int            `json:"total_tokens"`
}

// object returns the response: with its answer, or while there is none.
func (r *response) object(a *answers) responseObject {
	c, o := r.c, &r.job.options
	all := responseObject{
		ID: responseID + c.identify(), Object: "response", Created: c.moment(), Status: "in_progress",
		Instructions: r.instructions, Limit: r.limit, Model: r.job.model.id, Output: []responseItem{},
		Parallel: true, Reasoning: map[string]any{"effort": nil, "summary": nil},
		Temperature: o.Temperature, Text: map[string]any{"format": r.format},
		ToolChoice: "auto", Tools: []any{}, TopP: o.TopP, Truncation: "disabled",
		Metadata: map[string]any{}, Fingerprint: r.job.model.fingerprint,
	}
	if all.Limit == nil {
		all.Limit = json.RawMessage("null")
	}
	if r.format == nil {
		all.Text["format"] = map[string]any{"type": "text"}
	}
	if a == nil {
		return all
	}
	all.Status = r.status(a)
	if all.Status == "incomplete" {
		all.Incomplete = &incomplete{"max_output_tokens"}
	}
	all.Output = append(all.Output, r.item(a))
	u := c.usage(a)
	all.Usage = &responseUsage{Input: u.Prompt, Output: u.Completion, Total: u.Total, Thought: map[string]int{"reasoning_tokens": 0}}
	if u.Details != nil {
		all.Usage.Details = *u.Details
	}
	return all
}

func (r *response) status(a *answers) string {
	if a.choices[0].reason == "length" {
		return "incomplete"
	}
	return "completed"
}

// item returns the message of the answer, or the one that is to become it.
func (r *response) item(a *answers) responseItem {
	item := responseItem{ID: "msg_" + r.c.identify(), Type: "message", Status: "in_progress", Role: bitnet.RoleAssistant, Content: []responsePart{}}
	if a != nil {
		item.Status = r.status(a)
		item.Content = append(item.Content, r.part(&a.choices[0]))
	}
	return item
}

func (r *response) part(a *choice) responsePart {
	part := responsePart{Type: "output_text", Annotations: []any{}, LogProbs: []tokenScore{}}
	if a != nil {
		part.Text = a.text
		part.LogProbs = scoresOf(r.job.model, a.pieces).Content
	}
	return part
}

// event returns an event, which has its type both as a name and in its data.
func (r *response) event(kind string, more map[string]any) []byte {
	more["type"], more["sequence_number"] = kind, r.events
	r.events++
	return slices.Concat([]byte("event: "+kind+"\n"), event(more))
}

// at says to what of the response an event belongs.
func (r *response) at(more map[string]any) map[string]any {
	more["item_id"], more["output_index"], more["content_index"] = "msg_"+r.c.identify(), 0, 0
	return more
}

func (r *response) opening(int) []byte {
	return slices.Concat(
		r.event("response.created", map[string]any{"response": r.object(nil)}),
		r.event("response.in_progress", map[string]any{"response": r.object(nil)}),
		r.event("response.output_item.added", map[string]any{"output_index": 0, "item": r.item(nil)}),
		r.event("response.content_part.added", r.at(map[string]any{"part": r.part(nil)})),
	)
}

func (r *response) nothing(choice int) []byte { return r.token(choice, piece{id: -1}) }

func (r *response) token(_ int, p piece) []byte {
	all := []tokenScore{}
	if r.job.scores && p.id >= 0 {
		all = scoresOf(r.job.model, []piece{p}).Content
	}
	return r.event("response.output_text.delta", r.at(map[string]any{"delta": p.text, "logprobs": all}))
}

func (r *response) ending(int, *choice) []byte { return nil }

func (r *response) last(a *answers) []byte {
	part := r.part(&a.choices[0])
	return slices.Concat(
		r.event("response.output_text.done", r.at(map[string]any{"text": part.Text, "logprobs": part.LogProbs})),
		r.event("response.content_part.done", r.at(map[string]any{"part": part})),
		r.event("response.output_item.done", map[string]any{"output_index": 0, "item": r.item(a)}),
		r.event("response."+r.status(a), map[string]any{"response": r.object(a)}),
	)
}

// failed is the event of a response that could not be finished.
func (r *response) failed(f *failure) []byte {
	all := r.object(nil)
	all.Status = "failed"
	all.Error = &responseError{Code: "server_error", Message: f.message}
	return r.event("response.failed", map[string]any{"response": all})
}
