package openai

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
)

// What clients of ollama ask for: models, conversations and texts, as lines of JSON.

// ollamaModel is ollama's form of a model.
type ollamaModel struct {
	Name     string        `json:"name"`
	Model    string        `json:"model"`
	Modified string        `json:"modified_at"`
	Size     int64         `json:"size"`
	Digest   string        `json:"digest"`
	Details  ollamaDetails `json:"details"`
}

type ollamaDetails struct {
	Parent       string   `json:"parent_model"`
	Format       string   `json:"format"`
	Family       string   `json:"family"`
	Families     []string `json:"families"`
	Parameters   string   `json:"parameter_size"`
	Quantization string   `json:"quantization_level"`
}

func (c *call) ollamaModel(m *model) ollamaModel {
	digest := ""
	select {
	case <-m.proven:
		digest = m.digest
	default: // clients list models while these are loading
	}
	return ollamaModel{m.id, m.id, c.h.created.UTC().Format(time.RFC3339), m.Bytes(), digest, detailsOf(m)}
}

func detailsOf(m *model) ollamaDetails {
	family := m.Config().Architecture
	return ollamaDetails{Format: "gguf", Family: family, Families: []string{family}, Parameters: parameterSize(parameters(m.Config())), Quantization: "ternary"}
}

// parameters returns how many weights a model's matrices have.
func parameters(c bitnet.Config) int64 {
	e := int64(c.EmbeddingLength)
	all := e * int64(c.VocabularySize)
	if !c.TiedHead {
		all *= 2
	}
	attention := 2 * e * int64(c.HeadSize) * int64(c.Heads+c.KVHeads)
	return all + int64(c.Blocks)*(attention+3*e*int64(c.FeedForwardLength))
}

func parameterSize(n int64) string {
	if n >= 1e9 {
		return fmt.Sprintf("%.1fB", float64(n)/1e9)
	}
	return fmt.Sprintf("%.1fM", float64(n)/1e6)
}

func (c *call) ollamaTags() {
	all := []ollamaModel{}
	for _, name := range c.h.names {
		all = append(all, c.ollamaModel(c.h.models[name]))
	}
	c.json(http.StatusOK, map[string]any{"models": all})
}

// ollamaRunning answers GET /api/ps. All models are loaded, and stay it.
func (c *call) ollamaRunning() {
	type running struct {
		ollamaModel
		Expires string `json:"expires_at"`
		VRAM    int64  `json:"size_vram"`
		Context int    `json:"context_length"`
	}
	all := []running{}
	for _, name := range c.h.names {
		m := c.h.models[name]
		all = append(all, running{c.ollamaModel(m), "9999-12-31T23:59:59Z", 0, m.context})
	}
	c.json(http.StatusOK, map[string]any{"models": all})
}

func (c *call) ollamaShow(f fields) {
	m, bad := c.findOllama(f)
	if bad != nil {
		c.fail(bad)
		return
	}
	config := m.Config()
	family := config.Architecture
	c.json(http.StatusOK, map[string]any{
		"modelfile": "", "parameters": "", "template": "", "license": "",
		"details": detailsOf(m), "modified_at": c.h.created.UTC().Format(time.RFC3339),
		"capabilities": []string{"completion"},
		"model_info": map[string]any{
			"general.architecture":              family,
			"general.name":                      config.Name,
			"general.parameter_count":           parameters(config),
			family + ".context_length":          m.context,
			family + ".embedding_length":        config.EmbeddingLength,
			family + ".block_count":             config.Blocks,
			family + ".feed_forward_length":     config.FeedForwardLength,
			family + ".attention.head_count":    config.Heads,
			family + ".attention.head_count_kv": config.KVHeads,
			family + ".vocab_size":              config.VocabularySize,
		},
	})
}

// ollamaVersion answers GET /api/version, where clients expect numbers.
func (c *call) ollamaVersion() {
	c.json(http.StatusOK, map[string]string{"version": strings.TrimPrefix(c.h.options.Version, "v")})
}

// findOllama is find, where the model may be called name.
func (c *call) findOllama(f fields) (*model, *failure) {
	name, bad := f.anyOf("model", "name")
	if bad != nil {
		return nil, bad
	}
	return c.find(fields{"model": f[name]})
}

// ollamaUnbuilt are fields of its requests that would change the answer.
var ollamaUnbuilt = map[string]neutral{
	"tools":    {"no tools are built in yet", []string{"[]"}},
	"images":   {"models here read text", []string{"[]"}},
	"suffix":   {"models here write on from the end", []string{`""`}},
	"template": {"the model's own form is used", []string{`""`}},
	"context":  {"send a conversation to /api/chat", []string{"[]"}},
}

// ollamaUnbuiltOptions are those in its options.
var ollamaUnbuiltOptions = map[string]neutral{
	"mirostat":  {"it is not built", []string{"0"}},
	"tfs_z":     {"it is not built", []string{"1"}},
	"typical_p": {"it is not built", []string{"1"}},
}

// ollamaJob reads what a request says about sampling. What is not given is
// ollama's.
func (c *call) ollamaJob(f fields, m *model) (*job, *failure) {
	if bad := f.refuse(ollamaUnbuilt); bad != nil {
		return nil, bad
	}
	options, ok := fields{}, true
	if f.has("options") {
		if options, ok = object(f["options"]); !ok {
			return nil, invalid("options", "options must be an object")
		}
	}
	if bad := options.refuse(ollamaUnbuiltOptions); bad != nil {
		return nil, bad
	}
	common := fields{"temperature": json.RawMessage("0.8"), "top_k": json.RawMessage("40"), "top_p": json.RawMessage("0.9")}
	for _, name := range []string{"temperature", "top_k", "top_p", "min_p", "seed", "stop", "repeat_penalty", "presence_penalty", "frequency_penalty"} {
		if options.has(name) {
			common[name] = options[name]
		}
	}
	limit, bad := options.integer("num_predict", -1, -2, 1<<31-1)
	if bad != nil {
		return nil, bad
	}
	if limit > 0 { // 0 and below mean no limit
		common["max_tokens"] = json.RawMessage(strconv.Itoa(limit))
	}
	j, bad := c.newJob(common, m, -1, 1)
	if bad != nil {
		return nil, bad
	}
	last, bad := options.integer("repeat_last_n", -1, -1, 1<<31-1)
	switch {
	case bad != nil:
		return nil, bad
	case last == 0:
		j.options.RepetitionPenalty = 1
	case last > 0 && j.options.RepetitionPenalty != 1:
		return nil, unsupported("repeat_last_n", "the penalty goes over the whole text: -1")
	}
	if bad := f.chatScores(j); bad != nil {
		return nil, bad
	}
	asked, bad := ollamaForm(f["format"])
	if bad == nil {
		bad = c.constrain(j, asked)
	}
	if bad != nil {
		return nil, bad
	}
	switch {
	case string(f["think"]) == "false":
		j.quiet = "think"
	case f.has("think"):
		j.thinks = "think"
	}
	return j, nil
}

// setOllamaContext keeps the answer within the context that a request asks for.
func (j *job) setOllamaContext(f fields) *failure {
	options, _ := object(f["options"])
	context, bad := options.integer("num_ctx", j.model.context, 1, 1<<31-1)
	if bad != nil {
		return bad
	}
	room := context - len(j.prompts[0])
	if room < 1 {
		return tooLong("", len(j.prompts[0]), context)
	}
	j.limit = min(j.limit, room)
	return nil
}

// ollamaChat answers POST /api/chat.
func (c *call) ollamaChat(f fields) {
	m, bad := c.findOllama(f)
	if bad != nil {
		c.fail(bad)
		return
	}
	if elements, ok := list(f["messages"]); !f.has("messages") || ok && len(elements) == 0 {
		c.ollamaLoaded(m, f, map[string]any{"message": ollamaMessage{Role: bitnet.RoleAssistant}})
		return
	}
	j, bad := c.ollamaJob(f, m)
	var messages []bitnet.Message
	if bad == nil {
		messages, bad = chatMessages(f["messages"], "messages")
	}
	if bad == nil {
		bad = j.encodeChat(messages, "messages")
	}
	if bad != nil {
		c.fail(bad)
		return
	}
	c.ollamaAnswer(f, j, func(text, reasoning string) map[string]any {
		return map[string]any{"message": ollamaMessage{bitnet.RoleAssistant, text, reasoning}}
	})
}

type ollamaMessage struct {
	Role     bitnet.Role `json:"role"`
	Content  string      `json:"content"`
	Thinking string      `json:"thinking,omitempty"`
}

// ollamaGenerate answers POST /api/generate: what the user says once, or with raw a
// text that is written on.
func (c *call) ollamaGenerate(f fields) {
	m, bad := c.findOllama(f)
	if bad != nil {
		c.fail(bad)
		return
	}
	prompt, bad := f.text("prompt")
	if bad != nil {
		c.fail(bad)
		return
	}
	if prompt == "" {
		c.ollamaLoaded(m, f, map[string]any{"response": ""})
		return
	}
	j, bad := c.ollamaJob(f, m)
	raw := false
	if bad == nil {
		raw, bad = f.boolean("raw")
	}
	system, wrong := f.text("system")
	if bad == nil {
		bad = wrong
	}
	switch {
	case bad != nil:
	case raw:
		var ids []int
		if ids, bad = m.promptOf(f["prompt"], "prompt", m.encodePrompt); bad == nil {
			bad = j.setPrompts("prompt", ids)
		}
	default:
		messages := []bitnet.Message{{Role: bitnet.RoleUser, Content: prompt}}
		if system != "" {
			messages = append([]bitnet.Message{{Role: bitnet.RoleSystem, Content: system}}, messages...)
		}
		bad = j.encodeChat(messages, "prompt")
	}
	if bad != nil {
		c.fail(bad)
		return
	}
	c.ollamaAnswer(f, j, func(text, reasoning string) map[string]any {
		line := map[string]any{"response": text}
		if reasoning != "" {
			line["thinking"] = reasoning
		}
		return line
	})
}

// ollamaLoaded answers a request without a prompt, by which clients load a model or
// give it up: it is loaded, and stays it.
func (c *call) ollamaLoaded(m *model, f fields, line map[string]any) {
	reason := "load"
	if x, ok := asInteger(f["keep_alive"]); ok && x == 0 {
		reason = "unload"
	}
	line["model"], line["created_at"], line["done"], line["done_reason"] = m.id, time.Now().UTC().Format(time.RFC3339Nano), true, reason
	c.json(http.StatusOK, line)
}

// ollamaAnswer has a job computed and answers by lines, each with what text returns,
// or with all of it.
func (c *call) ollamaAnswer(f fields, j *job, text func(text, reasoning string) map[string]any) {
	stream, bad := f.boolean("stream")
	if bad == nil {
		bad = j.setOllamaContext(f)
	}
	if bad != nil {
		c.fail(bad)
		return
	}
	lines := &ollamaLines{c: c, job: j, text: text}
	if stream || !f.has("stream") {
		c.stream(j, format{"application/x-ndjson", func(f *failure) []byte { return marshal(f.body(true)) }, ""}, lines)
		return
	}
	c.answer(j, func(a *answers) any {
		all := lines.done(a, a.choices[0].text, a.choices[0].reasoning)
		if j.scores {
			all["logprobs"] = scoresOf(j.model, a.choices[0].pieces).Content
		}
		return all
	})
}

// ollamaLines makes the lines of an answer.
type ollamaLines struct {
	c    *call
	job  *job
	text func(text, reasoning string) map[string]any
}

func (l *ollamaLines) line(text, reasoning string) map[string]any {
	line := l.text(text, reasoning)
	now := l.c.created
	if now.IsZero() {
		now = time.Now()
	}
	line["model"], line["created_at"], line["done"] = l.job.model.id, now.UTC().Format(time.RFC3339Nano), false
	return line
}

func (l *ollamaLines) done(a *answers, text, reasoning string) map[string]any {
	line := l.line(text, reasoning)
	line["done"], line["done_reason"] = true, a.choices[0].reason
	maps.Copy(line, map[string]any{"prompt_eval_count": a.prompt, "eval_count": a.tokens})
	if !l.c.direct {
		maps.Copy(line, map[string]any{
			"total_duration": time.Since(l.c.start), "load_duration": 0,
			"prompt_eval_duration": a.promptTime, "eval_duration": a.time,
		})
	}
	return line
}

func (l *ollamaLines) opening(int) []byte { return nil }

func (l *ollamaLines) nothing(int) []byte { return marshal(l.line("", "")) }

func (l *ollamaLines) token(_ int, p piece) []byte {
	line := l.line(p.text, p.reasoning)
	if l.job.scores && p.id >= 0 {
		line["logprobs"] = scoresOf(l.job.model, []piece{p}).Content
	}
	return marshal(line)
}

func (l *ollamaLines) ending(int, *choice) []byte { return nil }

func (l *ollamaLines) last(a *answers) []byte { return marshal(l.done(a, "", "")) }
