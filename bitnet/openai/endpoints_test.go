package openai

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func parsed(t testing.TB, answer string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(answer), &v); err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	return v
}

// TestModels holds the lists of models of both interfaces.
func TestModels(t *testing.T) {
	s := serving(t, Options{Context: 100, Version: "v1.2.3"})
	get := func(path string) string {
		t.Helper()
		status, _, answer := s.send("GET", path, "")
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, status, answer)
		}
		return created.ReplaceAllString(answer, `"created":0`)
	}
	one := `{"id":"arithmetic","object":"model","created":0,"owned_by":"gobitnet","max_model_len":100}`
	if got := get("/v1/models/arithmetic"); got != one+"\n" {
		t.Errorf("%s", got)
	}
	if got := get("/v1/models"); got != `{"object":"list","data":[`+one+`]}`+"\n" {
		t.Errorf("%s", got)
	}
	for path, want := range map[string]string{
		"/version":     `{"version":"v1.2.3"}`,
		"/api/version": `{"version":"1.2.3"}`,
		"/api/tags":    `{"models":[{"name":"arithmetic","model":"arithmetic","modified_at":"T","size":` + fmt.Sprint(builtIn.Bytes()) + `,"digest":"` + s.models["arithmetic"].digest + `","details":{"parent_model":"","format":"gguf","family":"bitnet-b1.58","families":["bitnet-b1.58"],"parameter_size":"2.5M","quantization_level":"ternary"}}]}`,
	} {
		if got := regexp.MustCompile(`"modified_at":"[^"]+"`).ReplaceAllString(get(path), `"modified_at":"T"`); got != want+"\n" {
			t.Errorf("%s: %s", path, got)
		}
	}
	if got := get("/api/ps"); !strings.Contains(got, `"name":"arithmetic"`) || !strings.Contains(got, `"size_vram":0`) {
		t.Errorf("%s", got)
	}
	shown := parsed(t, s.post("/api/show", `{"name":"arithmetic"}`)).(map[string]any)
	if info := shown["model_info"].(map[string]any); info["general.architecture"] != "bitnet-b1.58" || info["bitnet-b1.58.context_length"] != 100.0 || fmt.Sprint(shown["capabilities"]) != "[completion]" {
		t.Errorf("%v", shown)
	}
}

// TestTokenize holds both forms of it against the tokenizer.
func TestTokenize(t *testing.T) {
	s := serving(t, Options{})
	ids, err := builtIn.Tokenizer().Encode("2+2=é")
	if err != nil {
		t.Fatal(err)
	}
	begin, _ := builtIn.Tokenizer().BeginOfText()
	end := endToken(s)
	form := func(ids ...int) string {
		data, _ := json.Marshal(ids)
		return fmt.Sprintf(`{"tokens":%s,"count":%d,"max_model_len":512}`, data, len(ids))
	}
	literal, err := builtIn.Tokenizer().Encode("<|eot_id|>x")
	if err != nil || literal[0] != end {
		t.Fatal(literal, err)
	}
	for body, want := range map[string]string{
		`{"content":"2+2=é"}`:                           form(ids...),
		`{"content":"2+2=é","add_special":true}`:        form(append([]int{begin}, ids...)...),
		`{"prompt":"2+2=é","model":"arithmetic"}`:       form(append([]int{begin}, ids...)...),
		`{"prompt":"2+2=é","add_special_tokens":false}`: form(ids...),
		`{"content":""}`:                                form([]int{}...),
		`{"content":"<|eot_id|>x"}`:                     form(literal...),
		`{"content":"2","with_pieces":true}`:            fmt.Sprintf(`{"tokens":[{"id":%d,"piece":"2"}],"count":1,"max_model_len":512}`, ids[0]),
	} {
		if body == `{"content":""}` {
			want = `{"tokens":[],"count":0,"max_model_len":512}`
		}
		if got := s.post("/tokenize", body); got != want+"\n" {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	if got := s.post("/tokenize", `{"content":"<|eot_id|>x","parse_special":false}`); strings.Contains(got, fmt.Sprintf("[%d,", end)) {
		t.Errorf("%s", got)
	}
	data, _ := json.Marshal(ids)
	if got := s.post("/detokenize", `{"tokens":`+string(data)+"}"); got != `{"content":"2+2=é","prompt":"2+2=é"}`+"\n" {
		t.Errorf("%s", got)
	}
}

// TestCompletions holds what is particular about them.
func TestCompletions(t *testing.T) {
	s := serving(t, Options{})
	ids, err := s.models["arithmetic"].encodePrompt("2+2=")
	if err != nil {
		t.Fatal(err)
	}
	tokens, _ := json.Marshal(ids)
	for body, want := range map[string]string{
		`{"prompt":"2+2=","temperature":0}`:                           "4",
		`{"prompt":` + string(tokens) + `,"temperature":0}`:           "4",
		`{"prompt":[` + string(tokens) + `],"temperature":0}`:         "4",
		`{"prompt":"2+2=","temperature":0,"echo":true}`:               "2+2=4",
		`{"prompt":` + string(tokens) + `,"top_p":0,"echo":true}`:     "2+2=4",
		`{"prompt":"2+2=","echo":true,"max_tokens":0}`:                "2+2=",
		`{"prompt":"7 8 9 10","temperature":0}`:                       " 11 12 13 14 15 ", // 16 tokens
		`{"prompt":"2+2=","temperature":1e-9}`:                        "4",
		`{"prompt":"7 8 9 10","temperature":0,"stop":" 12"}`:          " 11",
		`{"prompt":"7 8 9 10","temperature":0,"stop_token_ids":[20]}`: decode(t, s.post("/v1/completions", `{"prompt":"7 8 9 10","temperature":0,"stop":`+quote(string(builtIn.Tokenizer().AppendToken(nil, 20)))+"}")).Choices[0].Text,
	} {
		if got := decode(t, s.post("/v1/completions", body)).Choices[0].Text; got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
		streamed := s.post("/v1/completions", strings.TrimSuffix(body, "}")+`,"stream":true}`)
		if got, reason := textOf(t, streamed, 0); got != want || reason == "" {
			t.Errorf("%s streamed: %q, %q, want %q", body, got, reason, want)
		}
	}
	several := decode(t, s.post("/v1/completions", `{"prompt":["2+2=","7*8=","9-3="],"temperature":0,"n":2}`))
	for i, want := range []string{"4", "4", "56", "56", "6", "6"} {
		if c := several.Choices[i]; c.Text != want || c.Index != i {
			t.Errorf("choice %d is %+v, want %q", i, c, want)
		}
	}
}

// TestJudgedPrompts holds the probabilities of a prompt's tokens, as programs that
// measure models ask for them, against those that the session gives.
func TestJudgedPrompts(t *testing.T) {
	s := serving(t, Options{})
	ids, err := s.models["arithmetic"].encodePrompt("12+7=19")
	if err != nil {
		t.Fatal(err)
	}
	session, err := builtIn.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	want, err := session.Score(context.Background(), ids)
	if err != nil {
		t.Fatal(err)
	}
	tokens, _ := json.Marshal(ids)
	begins := builtIn.Tokenizer().AddsBeginOfText()
	for _, prompt := range []string{`"12+7=19"`, string(tokens)} {
		for _, most := range []int{0, 4} {
			answer := s.post("/v1/completions", fmt.Sprintf(`{"prompt":%s,"echo":true,"logprobs":2,"max_tokens":%d,"temperature":0}`, prompt, most))
			var c struct {
				Choices []struct {
					Text     string
					LogProbs completionScores
				}
			}
			if err := json.Unmarshal([]byte(answer), &c); err != nil {
				t.Fatal(err)
			}
			l, scores := c.Choices[0].LogProbs, want
			if begins {
				scores = want[1:]
			}
			if len(l.Tokens) < len(scores) || len(l.Scores) != len(l.Tokens) || len(l.Top) != len(l.Tokens) || len(l.Offsets) != len(l.Tokens) || strings.Join(l.Tokens, "") != c.Choices[0].Text {
				t.Fatalf("%s", answer)
			}
			for i, score := range scores {
				if math.IsNaN(score) {
					if l.Scores[i] != nil || l.Top[i] != nil {
						t.Errorf("%s", answer)
					}
				} else if *l.Scores[i] != score || len(l.Top[i]) != 2 || l.Offsets[i] != i {
					t.Errorf("token %d: %v, want %v in %s", i, *l.Scores[i], score, answer)
				}
			}
		}
	}
	s.refused("/v1/completions", `{"prompt":"a","echo":true,"logprobs":1,"stream":true}`, http.StatusBadRequest, "echo", "unsupported_parameter")
}

// TestResponses holds OpenAI's newer interface.
func TestResponses(t *testing.T) {
	s := serving(t, Options{})
	ids := regexp.MustCompile(`"(resp|msg)_[A-Z2-7]+"`)
	times := regexp.MustCompile(`"created_at":\d+`)
	clean := func(answer string) string {
		return times.ReplaceAllString(ids.ReplaceAllString(answer, `"${1}_ID"`), `"created_at":0`)
	}
	body := `{"model":"arithmetic","input":"What is 12+7?","temperature":0`
	whole := parsed(t, clean(s.post("/v1/responses", body+"}")))
	want := parsed(t, `{"id":"resp_ID","object":"response","created_at":0,"status":"completed","background":false,"error":null,"incomplete_details":null,"instructions":null,
		"max_output_tokens":null,"model":"arithmetic","output":[{"id":"msg_ID","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"19"}]}],
		"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},"store":false,"temperature":0,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":1,
		"truncation":"disabled","usage":{"input_tokens":16,"input_tokens_details":{"cached_tokens":0},"output_tokens":3,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":19},"user":null,"metadata":{},
		"system_fingerprint":"`+s.models["arithmetic"].fingerprint+`"}`)
	if diff := cmp.Diff(want, whole); diff != "" {
		t.Error(diff)
	}
	var kinds, text string
	number := 0.0
	for event := range strings.SplitSeq(strings.TrimSuffix(clean(s.post("/v1/responses", body+`,"stream":true}`)), "\n\n"), "\n\n") {
		name, data, _ := strings.Cut(event, "\ndata: ")
		e := parsed(t, data).(map[string]any)
		if "event: "+e["type"].(string) != name || e["sequence_number"] != number {
			t.Errorf("event %v: %q", number, event)
		}
		number++
		kinds += strings.TrimPrefix(e["type"].(string), "response.") + " "
		if delta, ok := e["delta"].(string); ok {
			text += delta
		}
		if e["type"] == "response.completed" {
			last := e["response"].(map[string]any)
			last["usage"].(map[string]any)["input_tokens_details"] = map[string]any{"cached_tokens": 0.0}
			if diff := cmp.Diff(want, any(last)); diff != "" {
				t.Error(diff)
			}
		}
	}
	if want := "created in_progress output_item.added content_part.added output_text.delta output_text.delta output_text.done content_part.done output_item.done completed "; kinds != want || text != "19" {
		t.Errorf("%s: %q", kinds, text)
	}
	for body, want := range map[string]string{
		`{"input":[{"role":"user","content":[{"type":"input_text","text":"What is 2+2?"}]},{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"4","annotations":[]}]},{"role":"user","content":"What is 7*8?"}],"temperature":0}`: `"text":"56"`,
		`{"input":"Count on from 7 8 9 10","temperature":0,"max_output_tokens":2}`:                                                                                    `"incomplete_details":{"reason":"max_output_tokens"}`,
		`{"input":"What is 2+2?","temperature":0,"include":["message.output_text.logprobs","reasoning.encrypted_content"],"store":true,"reasoning":{"effort":"low"}}`: `"logprobs":[{"token":"4"`,
		`{"input":"What is 2+2?","instructions":"Be brief.","temperature":0}`:                                                                                         `"instructions":"Be brief."`,
	} {
		if got := s.post("/v1/responses", body); !strings.Contains(got, want) {
			t.Errorf("%s: %s", body, got)
		}
	}
}

// TestOllama holds conversations and texts of ollama's clients.
func TestOllama(t *testing.T) {
	s := serving(t, Options{})
	type line struct {
		Model    string
		Created  string `json:"created_at"`
		Message  *ollamaMessage
		Response *string
		Done     *bool
		Reason   string `json:"done_reason"`
		Prompt   int    `json:"prompt_eval_count"`
		Tokens   int    `json:"eval_count"`
		Duration int64  `json:"total_duration"`
		LogProbs []tokenScore
	}
	lines := func(answer string) (all []line) {
		for text := range strings.Lines(answer) {
			var l line
			if err := json.Unmarshal([]byte(text), &l); err != nil || l.Model != "arithmetic" || l.Created == "" || l.Done == nil {
				t.Fatalf("%v in %q", err, text)
			}
			all = append(all, l)
		}
		return all
	}
	for _, test := range []struct{ path, body, want string }{
		{"/api/chat", `{"model":"arithmetic:latest","messages":[{"role":"user","content":"What is 12+7?"}],"options":{"temperature":0}}`, "19"},
		{"/api/generate", `{"model":"arithmetic","prompt":"What is 12+7?","options":{"temperature":0}}`, "19"},
		{"/api/generate", `{"model":"arithmetic","prompt":"12+7=","raw":true,"options":{"temperature":0,"num_ctx":4096,"num_thread":4}}`, "19"},
		{"/api/generate", `{"model":"arithmetic","prompt":"7 8 9 10","raw":true,"options":{"temperature":0,"num_predict":3}}`, " 11"},
		{"/api/generate", `{"model":"arithmetic","prompt":"7 8 9 10","raw":true,"options":{"temperature":0,"num_ctx":14}}`, " 11 1"},
	} {
		_, header, answer := s.send("POST", test.path, test.body)
		all, text := lines(answer), ""
		for i, l := range all {
			if l.Message != nil {
				text += l.Message.Content
			} else if l.Response != nil {
				text += *l.Response
			} else {
				t.Errorf("%s: %+v", test.body, l)
			}
			if *l.Done != (i == len(all)-1) || *l.Done && (l.Reason == "" || l.Prompt == 0 || l.Tokens == 0 || l.Duration == 0) {
				t.Errorf("%s: line %d of %d is %+v", test.body, i, len(all), l)
			}
		}
		if text != test.want || header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%s: %q, want %q", test.body, text, test.want)
		}
		whole := lines(s.post(test.path, strings.TrimSuffix(test.body, "}")+`,"stream":false,"logprobs":true}`))
		if len(whole) != 1 || !*whole[0].Done || len(whole[0].LogProbs) == 0 {
			t.Errorf("%s: %+v", test.body, whole)
		}
	}
	for body, reason := range map[string]string{`{"model":"arithmetic"}`: "load", `{"model":"arithmetic","keep_alive":0}`: "unload"} {
		for _, path := range []string{"/api/chat", "/api/generate"} {
			if l := lines(s.post(path, body)); len(l) != 1 || l[0].Reason != reason {
				t.Errorf("%s %s: %+v", path, body, l)
			}
		}
	}
	for _, more := range []string{`"format":"xml"`, `"format":{"not":{}}`, `"tools":[{}]`, `"think":false`, `"options":{"mirostat":1}`, `"options":{"repeat_last_n":64,"repeat_penalty":1.1}`, `"options":[]`, `"options":{"num_ctx":5}`, `"options":{"temperature":"a"}`} {
		status, _, answer := s.send("POST", "/api/chat", `{"model":"arithmetic","messages":[{"role":"user","content":"What is 12+7?"}],`+more+"}")
		if status != http.StatusBadRequest || !strings.HasPrefix(answer, `{"error":"`) {
			t.Errorf("%s: %d %s", more, status, answer)
		}
	}
}

// TestMetrics holds names, values and the rules of the metrics.
func TestMetrics(t *testing.T) {
	s := serving(t, Options{VLLMMetrics: true})
	s.post("/v1/chat/completions", chat("What is 12+7?"))
	s.post("/v1/chat/completions", chat("What is 12+7?", stream))
	s.send("GET", "/v1/secret/path", "")
	s.send("BREW", "/v1/models", "")
	free := s.occupy()
	status, header, text := s.send("GET", "/metrics", "")
	free()
	if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
		t.Errorf("%d %v", status, header)
	}
	for _, line := range []string{
		`bitnet_build_info{kernels="` + builtIn.Kernels() + `",model="arithmetic",model_digest="` + s.models["arithmetic"].digest + `",version="unknown"} 1`,
		`bitnet_requests_total{code="200",endpoint="chat.completions"} 2`, `bitnet_requests_total{code="404",endpoint="other"} 1`, `bitnet_requests_total{code="405",endpoint="models"} 1`,
		`bitnet_requests_finished_total{reason="stop"} 2`, `bitnet_requests_finished_total{reason="cancelled"} 0`,
		`bitnet_prompt_tokens_total 32`, `bitnet_generation_tokens_total 6`, `bitnet_ready 1`,
		`bitnet_requests_running 1`, `bitnet_requests_waiting 0`, `vllm:num_requests_running{model_name="arithmetic"} 1`, `vllm:num_requests_waiting{model_name="arithmetic"} 0`,
		`bitnet_time_to_first_token_seconds_count 2`, `bitnet_inter_token_seconds_count 2`, `bitnet_request_seconds_count 2`, `bitnet_queue_seconds_count 2`, `bitnet_sessions_cached 1`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	for _, name := range []string{"bitnet_kv_cache_usage_ratio", "bitnet_kv_cache_bytes", "bitnet_passes_total", "bitnet_pass_rows_total", "bitnet_draft_tokens_total", "bitnet_draft_tokens_accepted_total", "bitnet_prompt_tokens_cached_total", "vllm:kv_cache_usage_perc"} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("no %s", name)
		}
	}
	if strings.Contains(text, "secret") || strings.Contains(text, "BREW") {
		t.Errorf("what clients send is in %s", text)
	}
	own := serving(t, Options{})
	_, _, text = own.send("GET", "/metrics", "")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	if strings.Contains(text, "vllm") {
		t.Errorf("%s", text)
	}
	if status, _, _ := serving(t, Options{NoMetricsPath: true}).send("GET", "/metrics", ""); status != http.StatusNotFound {
		t.Errorf("/metrics is answered with %d", status)
	}
}

// TestThinking has a model think: it writes <think> letter by letter, and digits.
func TestThinking(t *testing.T) {
	s := serving(t, Options{})
	var bias []string
	for i, text := range []string{"<", "t", "h", "i", "n", "k", ">", "1", "2"} {
		id, ok := builtIn.Tokenizer().TokenID(text)
		if !ok {
			t.Fatalf("no token %q", text)
		}
		bias = append(bias, fmt.Sprintf(`"%d":%d`, id, 100-9*i))
	}
	force := `"repetition_penalty":1000000,"max_tokens":9,"logit_bias":{` + strings.Join(bias, ",") + "}"
	answer := s.post("/v1/chat/completions", chat("a", force))
	if !strings.Contains(answer, `"message":{"role":"assistant","reasoning_content":"12","content":"","refusal":null}`) {
		t.Errorf("%s", answer)
	}
	streamed := s.post("/v1/chat/completions", chat("a", force, stream))
	if text, _ := textOf(t, streamed, 0); text != "" || !strings.Contains(streamed, `"delta":{"reasoning_content":"1","content":""}`) || strings.Contains(streamed, "think") {
		t.Errorf("%s", streamed)
	}
	if text := decode(t, s.post("/v1/completions", `{"prompt":"a","temperature":0,`+force+"}")).Choices[0].Text; text != "<think>12" {
		t.Errorf("%q", text)
	}
	// This model has no switch for it.
	s.refused("/v1/chat/completions", chat("a", `"chat_template_kwargs":{"enable_thinking":false}`), http.StatusBadRequest, "chat_template_kwargs", "unsupported_parameter")
	s.refused("/v1/chat/completions", chat("a", `"chat_template_kwargs":{"other":1}`), http.StatusBadRequest, "chat_template_kwargs", "unsupported_parameter")
	s.refused("/v1/chat/completions", chat("a", `"reasoning_effort":"none"`), http.StatusBadRequest, "reasoning_effort", "unsupported_parameter")
	s.post("/v1/chat/completions", chat("a", `"chat_template_kwargs":{"enable_thinking":true},"reasoning_effort":"low"`))
	s.post("/v1/chat/completions", `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_content":"c"},{"role":"user","content":"d"}],"max_tokens":1}`)
}
