package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/constrain"
	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/tokenizer"
)

const (
	answerSchema = `{"type":"object","properties":{"answer":{"type":"integer"}},"required":["answer"],"additionalProperties":false}`
	question     = "What is 17+25?"
)

// isAnswer reports whether a text is what answerSchema says.
func isAnswer(text string) bool {
	var a map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &a) != nil || len(a) != 1 {
		return false
	}
	_, ok := new(big.Int).SetString(string(a["answer"]), 10)
	return ok
}

// TestForms asks for each form by each of its names, streamed and not.
func TestForms(t *testing.T) {
	s := serving(t, Options{})
	number := func(text string) bool { return text == "42" }
	// Without a bias an object that may hold anything need not come to an end.
	bracket, _ := builtIn.Tokenizer().TokenID("}")
	close := fmt.Sprintf(`"logit_bias":{"%d":100}`, bracket)
	empty := func(text string) bool { return text == "{}" }
	grammar := quote(`root ::= "sum " [0-9]+`)
	sum := func(text string) bool { return text == "sum 42" }
	schema := `{"type":"json_schema","json_schema":{"name":"a","schema":` + answerSchema
	for field, fits := range map[string]func(string) bool{
		`"response_format":` + schema + `}}`:                                                 isAnswer,
		`"response_format":` + schema + `,"strict":true}}`:                                   isAnswer,
		`"response_format":{"type":"json_object","schema":` + answerSchema + `}`:             isAnswer,
		`"response_format":{"type":"json_object"},` + close:                                  empty,
		`"structured_outputs":{"json_object":true},` + close:                                 empty,
		`"guided_json":` + answerSchema:                                                      isAnswer,
		`"guided_json":` + quote(answerSchema):                                               isAnswer,
		`"json_schema":` + answerSchema:                                                      isAnswer,
		`"structured_outputs":{"json":` + answerSchema + `}`:                                 isAnswer,
		`"guided_regex":"[0-9]+"`:                                                            number,
		`"regex":"^[0-9]+$"`:                                                                 number,
		`"structured_outputs":{"regex":"[0-9]+","disable_fallback":false}`:                   number,
		`"guided_grammar":` + grammar:                                                        sum,
		`"grammar":` + grammar:                                                               sum,
		`"structured_outputs":{"grammar":` + grammar + `}`:                                   sum,
		`"guided_choice":["41","42","43"]`:                                                   number,
		`"choice":["41","42","43"]`:                                                          number,
		`"structured_outputs":{"choice":["41","42","43"]}`:                                   number,
		`"guided_regex":"[0-9]+","grammar":"","choice":[],"response_format":{"type":"text"}`: number,
	} {
		whole := decode(t, s.post("/v1/chat/completions", chat(question, field)))
		text, reason := whole.Choices[0].Message.Content, whole.Choices[0].FinishReason
		if !fits(text) || reason != "stop" {
			t.Errorf("%s: %q, %q", field, text, reason)
		}
		streamed, why := textOf(t, s.post("/v1/chat/completions", chat(question, field, stream)), 0)
		if streamed != text || why != reason {
			t.Errorf("%s: streamed %q, %q; whole %q, %q", field, streamed, why, text, reason)
		}
		whole = decode(t, s.post("/v1/completions", `{"prompt":"17+25=","temperature":0,"max_tokens":60,`+field+"}"))
		if text, reason := whole.Choices[0].Text, whole.Choices[0].FinishReason; !fits(text) || reason != "stop" {
			t.Errorf("%s: completions answer %q, %q", field, text, reason)
		}
	}
}

// TestOtherForms asks the other endpoints.
func TestOtherForms(t *testing.T) {
	s := serving(t, Options{})
	format := `{"type":"json_schema","name":"a","strict":true,"schema":` + answerSchema + `}`
	answer := s.post("/v1/responses", `{"input":"What is 17+25?","temperature":0,"text":{"format":`+format+`}}`)
	var r struct {
		Text   struct{ Format json.RawMessage }
		Output []struct{ Content []struct{ Text string } }
	}
	if err := json.Unmarshal([]byte(answer), &r); err != nil {
		t.Fatal(err)
	}
	if !isAnswer(r.Output[0].Content[0].Text) || string(r.Text.Format) != format {
		t.Errorf("%s", answer)
	}
	if events := s.post("/v1/responses", `{"input":"What is 17+25?","temperature":0,"stream":true,"text":{"format":`+format+`}}`); !strings.Contains(events, `"text":`+quote(r.Output[0].Content[0].Text)) {
		t.Errorf("%s", events)
	}
	bracket, _ := builtIn.Tokenizer().TokenID("}")
	object := s.post("/v1/responses", fmt.Sprintf(`{"input":"a","text":{"format":{"type":"json_object"}},"logit_bias":{"%d":100}}`, bracket))
	if !strings.Contains(object, `"text":"{}"`) {
		t.Errorf("%s", object)
	}
	if text := s.post("/v1/responses", `{"input":"What is 17+25?","temperature":0,"guided_regex":"[0-9]+"}`); !strings.Contains(text, `"text":"42"`) {
		t.Errorf("%s", text)
	}

	for path, prompt := range map[string]string{
		"/api/chat":     `"messages":[{"role":"user","content":"What is 17+25?"}]`,
		"/api/generate": `"prompt":"What is 17+25?"`,
	} {
		for _, stream := range []string{"true", "false"} {
			text := ""
			for line := range strings.Lines(s.post(path, `{"options":{"temperature":0},"format":`+answerSchema+`,"stream":`+stream+","+prompt+"}")) {
				var l struct {
					Response string
					Message  struct{ Content string }
				}
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatal(err)
				}
				text += l.Response + l.Message.Content
			}
			if !isAnswer(text) {
				t.Errorf("%s, stream %s: %q", path, stream, text)
			}
		}
		begun := s.post(path, `{"options":{"num_predict":1},"format":"json","stream":false,`+prompt+"}")
		if !strings.Contains(begun, `"{"`) || !strings.Contains(begun, `"done_reason":"length"`) {
			t.Errorf("%s", begun)
		}
		s.post(path, `{"format":"","stream":false,`+prompt+"}")
	}
}

// TestRefusedForms asks for what there cannot be. Each is refused at once, by its
// name.
func TestRefusedForms(t *testing.T) {
	s := serving(t, Options{Parallel: 1})
	defer s.occupy()() // so that whatever is not refused at once is not answered
	deep := `{"type":"object","properties":{"a":{"type":"array","items":{"type":"string"},"uniqueItems":true}}}`
	huge := `"((a{1,1000}){1,1000}){1,1000}"`
	for _, test := range []struct{ param, code, fields, message string }{
		{"response_format", "unsupported_parameter", `"response_format":{"type":"json_schema","json_schema":{"schema":` + deep + `}}`, "/properties/a: uniqueItems"},
		{"guided_json", "unsupported_parameter", `"guided_json":` + deep, "/properties/a: uniqueItems"},
		{"structured_outputs", "unsupported_parameter", `"structured_outputs":{"json":` + deep + `}`, "/properties/a: uniqueItems"},
		{"guided_json", "", `"guided_json":"{"`, ""},
		{"guided_json", "", `"guided_json":{"type":"thing"}`, "thing"},
		{"guided_regex", "", `"guided_regex":` + huge, "too large"},
		{"guided_regex", "", `"guided_regex":"("`, ""},
		{"guided_regex", "", `"guided_regex":1`, "string"},
		{"grammar", "", `"grammar":"root ::= other"`, "other"},
		{"choice", "", `"choice":["a",1]`, "list of strings"},
		{"guided_choice", "", `"guided_choice":{"a":1}`, "list of strings"},
		{"response_format", "", `"response_format":{"type":"yaml"}`, "json_schema"},
		{"response_format", "", `"response_format":"json_object"`, "object"},
		{"response_format", "", `"response_format":{"type":"json_schema"}`, "json_schema"},
		{"response_format", "", `"response_format":{"type":"json_schema","json_schema":{"name":"a"}}`, "schema"},
		{"response_format", "", `"response_format":{"type":"json_schema","json_schema":{"strict":1,"schema":{}}}`, "strict"},
		{"structured_outputs", "", `"structured_outputs":[]`, "object"},
		{"structured_outputs", "unsupported_parameter", `"structured_outputs":{"structural_tag":{}}`, ""},
		{"structured_outputs", "", `"structured_outputs":{"regex":"a","choice":["a"]}`, "leave one out"},
		{"guided_regex", "", `"response_format":{"type":"json_object"},"guided_regex":"a"`, "response_format and guided_regex"},
		{"grammar", "", `"guided_choice":["a"],"grammar":"root ::= \"a\""`, "guided_choice and grammar"},
	} {
		for path, prompt := range map[string]string{"/v1/chat/completions": `"messages":[{"role":"user","content":"a"}]`, "/v1/completions": `"prompt":"a"`} {
			status, _, answer := s.send("POST", path, "{"+prompt+","+test.fields+"}")
			e := decode(t, answer).Error
			if status != http.StatusBadRequest || e == nil || e.Param == nil || *e.Param != test.param || !strings.Contains(e.Message, test.message) ||
				test.code != "" && (e.Code == nil || *e.Code != test.code) {
				t.Errorf("%s with %s: %d %s", path, test.fields, status, answer)
			}
		}
	}
	s.refused("/v1/responses", `{"input":"a","text":{"format":{"type":"json_schema","name":"a"}}}`, http.StatusBadRequest, "text.format", "")
	s.refused("/v1/responses", `{"input":"a","text":{"format":{"type":"json_object"}},"guided_regex":"a"}`, http.StatusBadRequest, "guided_regex", "")
}

// silence is a constraint that allows nothing.
type silence struct{}

func (silence) Start(*tokenizer.Tokenizer) (bitnet.Guide, error) { return silence{}, nil }
func (silence) Mask([]uint64) bool                               { return false }
func (silence) Accept(int) error                                 { return nil }

// TestNothingAllowed has a form that no token of the vocabulary fits.
func TestNothingAllowed(t *testing.T) {
	s := serving(t, Options{})
	j := &job{model: s.models["arithmetic"], prompts: [][]int{{1, 2}}, n: 1, limit: 5, options: bitnet.GenerateOptions{Constraint: silence{}}}
	_, err := s.generate(context.Background(), j, silent{})
	if f := s.failureOf(context.Background(), err); f.status != http.StatusBadRequest || f.code != "nothing_allowed" {
		t.Errorf("%v: %d %s", err, f.status, f.code)
	}
	s.post("/v1/chat/completions", chat("What is 2+2?")) // the model is as good as ever
}

// TestFormsAgain has answers computed again, by another server with everything else
// different: the same seeds give the same bytes.
func TestFormsAgain(t *testing.T) {
	one, other := serving(t, Options{Parallel: 4}), serving(t, Options{Parallel: 1})
	for _, body := range []string{
		chat(question, `"temperature":2,"n":4,"seed":5,"logprobs":true,"top_logprobs":3,"guided_regex":"[0-9 ]{5,12}[a-z]*","max_tokens":20`),
		chat(question, `"temperature":2,"seed":6,"stream":true,"guided_json":`+answerSchema),
	} {
		first := one.post("/v1/chat/completions", body)
		var head struct {
			ID      string
			Created int64
		}
		begin, _, _ := strings.Cut(strings.TrimPrefix(first, "data: "), "\n\n")
		if err := json.Unmarshal([]byte(begin), &head); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second one with a constraint that has been used
			again := other.Do(context.Background(), Request{Path: "/v1/chat/completions", Body: []byte(body), ID: head.ID, Created: time.Unix(head.Created, 0)})
			if got, want := string(again.Body), cached.ReplaceAllString(first, ""); again.Status != http.StatusOK || got != want {
				t.Errorf("%s: again\n%s\nfirst\n%s", body, got, want)
			}
		}
		if body[len(body)-1] == '}' && !strings.Contains(body, "stream") {
			fits := regexp.MustCompile(`^[0-9 ]{5,12}[a-z]*$`)
			texts := map[string]bool{}
			for _, c := range decode(t, first).Choices {
				if texts[c.Message.Content] = true; c.FinishReason == "stop" && !fits.MatchString(c.Message.Content) {
					t.Errorf("%q", c.Message.Content)
				}
			}
			if len(texts) < 2 {
				t.Errorf("four seeds give %v", texts)
			}
		}
	}
	cut := decode(t, one.post("/v1/chat/completions", chat(question, `"max_tokens":3,"guided_json":`+answerSchema)))
	if c := cut.Choices[0]; c.FinishReason != "length" || !strings.HasPrefix(`{"answer":`, c.Message.Content) {
		t.Errorf("%+v", c)
	}
}

// TestFormIsNotThought has models that would think, if they could.
func TestFormIsNotThought(t *testing.T) {
	thinking := changedModel(t, withThinking(t))
	s := servingModels(t, map[string]*bitnet.Model{"arithmetic": builtIn, "thinking": thinking}, Options{})
	answer := s.post("/v1/chat/completions", chat("a", `"guided_regex":"<think>1</think>2"`))
	if c := decode(t, answer).Choices[0]; c.Message.Content != "<think>1</think>2" || strings.Contains(answer, "reasoning_content") {
		t.Errorf("%s", answer)
	}
	messages := []bitnet.Message{{Role: bitnet.RoleUser, Content: "a"}}
	loud, err := thinking.EncodeChat(messages)
	if err != nil {
		t.Fatal(err)
	}
	quiet, err := thinking.EncodeChat(messages, bitnet.WithoutThinking())
	if err != nil || len(quiet) == len(loud) {
		t.Fatalf("%v: %d tokens without thinking, %d with it", err, len(quiet), len(loud))
	}
	body := func(more string) string {
		return `{"model":"thinking","messages":[{"role":"user","content":"a"}],"max_tokens":3` + more + "}"
	}
	for more, want := range map[string]int{
		``:                        len(loud),
		`,"guided_regex":"[0-9]"`: len(quiet),
		`,"guided_regex":"[0-9]","chat_template_kwargs":{"enable_thinking":false}`: len(quiet),
	} {
		if u := decode(t, s.post("/v1/chat/completions", body(more))).Usage; u.Prompt != want {
			t.Errorf("%s: %d tokens of a prompt, want %d", more, u.Prompt, want)
		}
	}
	const think = `,"chat_template_kwargs":{"enable_thinking":true}`
	s.post("/v1/chat/completions", body(think))
	s.refused("/v1/chat/completions", body(think+`,"guided_regex":"[0-9]"`), http.StatusBadRequest, "chat_template_kwargs", "")
	s.post("/v1/chat/completions", chat("a", think[1:], `"guided_regex":"[0-9]"`)) // which does not think
	if status, _, answer := s.send("POST", "/api/chat", body(`,"think":true,"format":"json"`)); status != http.StatusBadRequest {
		t.Errorf("%d %s", status, answer)
	}
}

// withThinking gives the built-in model a published template that knows of thinking,
// and the tokens that it writes, instead of the last ones that merges make.
func withThinking(t *testing.T) func(*gguf.File) map[string]any {
	t.Helper()
	template, err := os.ReadFile("../../testdata/chat/chatml-thinking.jinja")
	if err != nil {
		t.Fatal(err)
	}
	return func(f *gguf.File) map[string]any {
		texts := func(key string) (all []string) {
			list, err := f.Array(key, gguf.String)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range list.Strings() {
				all = append(all, string(text))
			}
			return all
		}
		tokens, merges := texts("tokenizer.ggml.tokens"), texts("tokenizer.ggml.merges")
		types := make([]int32, len(tokens))
		for i, token := range tokens {
			if types[i] = 1; strings.HasPrefix(token, "<|") {
				types[i] = 3 // special
			}
		}
		for _, mark := range []string{"<|im_start|>", "<|im_end|>", "<think>", "</think>"} {
			last := merges[len(merges)-1]
			merges = merges[:len(merges)-1]
			id := slices.Index(tokens, strings.Replace(last, " ", "", 1))
			tokens[id], types[id] = mark, 3
		}
		return map[string]any{
			"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.merges": merges, "tokenizer.ggml.token_type": types,
			"tokenizer.chat_template": string(template),
		}
	}
}

// TestFormsAreKept counts what is kept, and for whom.
func TestFormsAreKept(t *testing.T) {
	c := newCompiledForms()
	of := func(key int, text string) *constrain.Constraint {
		t.Helper()
		made, err := c.of(context.Background(), key, form{"guided_regex", formRegexp, text})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	first := of(0, "a")
	if of(0, "a") != first || of(1, "a") == first {
		t.Error("a constraint is not kept for its key alone")
	}
	choice, err := c.of(context.Background(), 0, form{"choice", formGrammar, `root ::= "a"`})
	if err != nil || choice == first {
		t.Error(err)
	}
	for i := range 2 * formsMost {
		of(0, fmt.Sprint(i))
		of(0, "a")
	}
	if of(0, "a") != first || len(c.kept) != formsMost {
		t.Errorf("%d constraints are kept", len(c.kept))
	}
	if _, err := c.of(context.Background(), 0, form{"", formRegexp, "("}); !errors.Is(err, constrain.ErrConstraint) || len(c.kept) != formsMost {
		t.Error(err)
	}
	// Who waits while others compile can leave.
	c.compiling <- struct{}{}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errTimeLimit)
	if _, err := c.of(ctx, 0, form{"", formRegexp, "b"}); err != errTimeLimit {
		t.Error(err)
	}
}
