package openai

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

const stream = `"stream":true`

// TestReports has what public reports say broke clients of other servers, one kind
// after the other.
func TestReports(t *testing.T) {
	for _, report := range []struct {
		name string
		test func(t *testing.T, s *server)
	}{
		{"1 comments to keep alive", noComments},
		{"2 events without data", noComments},
		{"3 silence while waiting", noSilence},
		{"4 usage that nobody asked for", func(t *testing.T, s *server) {
			answer := s.post("/v1/chat/completions", chat("What is 2+2?", stream))
			if strings.Contains(answer, `"usage"`) {
				t.Errorf("usage in %s", answer)
			}
			for _, c := range chunksOf(t, answer) {
				if len(c.Choices) != 1 {
					t.Errorf("a chunk with %d choices", len(c.Choices))
				}
			}
		}},
		{"5 usage without choices", func(t *testing.T, s *server) {
			all := eventsOf(t, s.post("/v1/chat/completions", chat("What is 2+2?", stream, `"stream_options":{"include_usage":true}`)))
			last := all[len(all)-1]
			if !strings.Contains(last, `"choices":[],"usage":{"prompt_tokens":15,"completion_tokens":2,"total_tokens":17`) {
				t.Errorf("the last chunk is %s", last)
			}
			for _, data := range all[:len(all)-1] {
				if !strings.HasSuffix(data, `"usage":null}`) {
					t.Errorf("a chunk before it is %s", data)
				}
			}
		}},
		{"6 calls of tools without index", refusesTools},
		{"7 the wrong reason after calls of tools", refusesTools},
		{"8 no role, another id in each chunk", wholeStream},
		{"9 a role without content", wholeStream},
		{"10 an empty role, a reason None", wholeStream},
		{"11 no end, 200 with an error", func(t *testing.T, s *server) {
			wholeStream(t, s)
			status, header, answer := s.send("POST", "/v1/chat/completions", chat("What is 2+2?", stream, `"temperature":9`))
			if status != http.StatusBadRequest || header.Get("Content-Type") != "application/json" || decode(t, answer).Error == nil {
				t.Errorf("status %d: %s", status, answer)
			}
		}},
		{"12 no reason", wholeStream},
		{"13 an assistant that said nothing", func(t *testing.T, s *server) {
			for _, said := range []string{`"content":null`, `"name":"a"`, `"content":""`, `"content":[]`, `"content":null,"tool_calls":[]`} {
				s.post("/v1/chat/completions", `{"model":"arithmetic","max_tokens":1,"messages":[{"role":"user","content":"1+1="},{"role":"assistant",`+said+`},{"role":"user","content":"2+2="}]}`)
			}
		}},
		{"14 a preflight that needs a key", func(t *testing.T, _ *server) {
			s := serving(t, Options{APIKeys: []string{"key"}, Origins: []string{"https://example.org"}})
			for _, path := range []string{"/v1/chat/completions", "/v1/models", "/api/chat"} {
				status, header, _ := s.send("OPTIONS", path, "", "Origin", "https://example.org", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type,x-stainless-lang")
				if status != http.StatusNoContent || header.Get("Access-Control-Allow-Origin") != "https://example.org" {
					t.Errorf("%s: status %d, %v", path, status, header)
				}
				if allowed := strings.ToLower(header.Get("Access-Control-Allow-Headers")); !strings.Contains(allowed, "authorization") || !strings.Contains(allowed, "x-stainless-lang") {
					t.Errorf("%s allows %q", path, allowed)
				}
				if status, header, _ := s.send("OPTIONS", path, ""); status != http.StatusNoContent || header.Get("Allow") == "" {
					t.Errorf("%s: OPTIONS without an origin has status %d", path, status)
				}
			}
		}},
		{"15 headers of CORS on preflights only", func(t *testing.T, _ *server) {
			s := serving(t, Options{Origins: []string{"https://example.org"}})
			for _, body := range []string{chat("What is 2+2?"), chat("What is 2+2?", stream), "{}"} {
				_, header, _ := s.send("POST", "/v1/chat/completions", body, "Origin", "https://example.org")
				if header.Get("Access-Control-Allow-Origin") != "https://example.org" || header.Get("Access-Control-Expose-Headers") == "" {
					t.Errorf("%s: %v", body, header)
				}
			}
			if status, header, _ := s.send("POST", "/v1/chat/completions", chat("What is 2+2?"), "Origin", "https://example.com"); status != http.StatusForbidden || header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("another origin is answered with %d, %v", status, header)
			}
		}},
		{"16 embeddings in base64", base64Embeddings},
		{"17 max_completion_tokens", func(t *testing.T, s *server) {
			for _, name := range []string{"max_completion_tokens", "max_tokens"} {
				c := decode(t, s.post("/v1/chat/completions", chat("Count on from 7 8 9 10", `"`+name+`":3`)))
				if c.Usage.Completion != 3 {
					t.Errorf("%s 3 gives %d tokens", name, c.Usage.Completion)
				}
			}
		}},
		{"18 the reason at the limit", func(t *testing.T, s *server) {
			for _, body := range []string{chat("Count on from 7 8 9 10", `"max_tokens":3`), chat("Count on from 7 8 9 10", `"max_tokens":3`, stream)} {
				if answer := s.post("/v1/chat/completions", body); !strings.Contains(answer, `"finish_reason":"length"`) {
					t.Errorf("%s", answer)
				}
			}
			// Where the context is full it is the same.
			small := serving(t, Options{Context: 24})
			if answer := small.post("/v1/chat/completions", chat("Count on from 7 8 9 10")); !strings.Contains(answer, `"finish_reason":"length"`) || decode(t, answer).Usage.Total != 24 {
				t.Errorf("%s", answer)
			}
		}},
		{"19 work for clients that have gone", stopsWithoutClient},
		{"20 logprobs", rightScores},
		{"21 stop strings over tokens", func(t *testing.T, s *server) {
			// "11 12 13 …" comes digit by digit, so that each stop spans tokens.
			whole := decode(t, s.post("/v1/chat/completions", chat("Count on from 7 8 9 10"))).Choices[0].Message.Content
			for _, stop := range []string{"13", "2 1", "12 13", "4 15 1"} {
				want, _, _ := strings.Cut(whole, stop)
				more := `"stop":["never",` + quote(stop) + `]`
				c := decode(t, s.post("/v1/chat/completions", chat("Count on from 7 8 9 10", more)))
				text, reason := textOf(t, s.post("/v1/chat/completions", chat("Count on from 7 8 9 10", more, stream)), 0)
				if c.Choices[0].Message.Content != want || text != want || reason != "stop" || c.Choices[0].FinishReason != "stop" {
					t.Errorf("stop %q: %q and %q, want %q", stop, c.Choices[0].Message.Content, text, want)
				}
			}
			// What only looks like the beginning of one is not lost.
			if text, _ := textOf(t, s.post("/v1/chat/completions", chat("Count on from 7 8 9 10", `"stop":"20 21"`, stream)), 0); text != whole {
				t.Errorf("%q, want %q", text, whole)
			}
		}},
		{"22 characters over tokens", wholeCharacters},
		{"23 buffering by proxies", func(t *testing.T, s *server) {
			for _, path := range []string{"/v1/chat/completions", "/v1/responses", "/api/chat"} {
				_, header, _ := s.send("POST", path, chat("What is 2+2?", stream, `"input":"2+2="`))
				if header.Get("X-Accel-Buffering") != "no" || header.Get("Cache-Control") != "no-cache" || header.Get("Content-Length") != "" {
					t.Errorf("%s: %v", path, header)
				}
			}
		}},
		{"24 errors of ollama", func(t *testing.T, s *server) {
			for _, body := range []string{`{"model":"none"}`, `{"model":"arithmetic","messages":[{"role":"x"}]}`, `[]`, ``} {
				status, _, answer := s.send("POST", "/api/chat", body)
				var e map[string]any
				if err := json.Unmarshal([]byte(answer), &e); err != nil || status < 400 {
					t.Errorf("%s: %d %s", body, status, answer)
				}
				if _, ok := e["error"].(string); !ok || len(e) != 1 {
					t.Errorf("%s: %s", body, answer)
				}
			}
		}},
		{"25 health while busy", func(t *testing.T, s *server) {
			defer s.occupy()()
			for _, path := range []string{"/health", "/livez", "/readyz"} {
				if status, _, answer := s.send("GET", path, ""); status != http.StatusOK {
					t.Errorf("%s: %d %s", path, status, answer)
				}
			}
			s.send("GET", "/v1/models", "") // is answered, too
		}},
		{"26 unknown options of streams", func(t *testing.T, s *server) {
			for _, more := range []string{`"stream_options":{"include_usage":true,"continuous_usage_stats":true,"include_obfuscation":false}`, `"stream_options":{}`, `"stream_options":null`, `"x":{"y":[1]},"store":false,"metadata":{},"service_tier":"auto","parallel_tool_calls":true`} {
				s.post("/v1/chat/completions", chat("What is 2+2?", more))
				s.post("/v1/chat/completions", chat("What is 2+2?", more, stream))
			}
		}},
	} {
		t.Run(report.name, func(t *testing.T) { report.test(t, serving(t, Options{})) })
	}
}

// wholeStream holds a whole stream against its bytes.
func wholeStream(t *testing.T, s *server) {
	answer := s.post("/v1/chat/completions", chat("What is 12+7?", stream))
	first := chunksOf(t, answer)[0].ID
	for _, c := range chunksOf(t, answer) {
		if c.ID != first || !strings.HasPrefix(c.ID, "chatcmpl-") {
			t.Errorf("ids %q and %q", first, c.ID)
		}
	}
	head := `data: {"id":"chatcmpl-ID","object":"chat.completion.chunk","created":0,"model":"arithmetic","system_fingerprint":"` + s.models["arithmetic"].fingerprint + `","choices":[`
	want := head + `{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}` + "\n\n" +
		head + `{"index":0,"delta":{"content":"1"},"logprobs":null,"finish_reason":null}]}` + "\n\n" +
		head + `{"index":0,"delta":{"content":"9"},"logprobs":null,"finish_reason":null}]}` + "\n\n" +
		head + `{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}` + "\n\n" +
		"data: [DONE]\n\n"
	if got := plain(answer); got != want {
		t.Errorf("the stream is\n%s\nwant\n%s", got, want)
	}
	whole := plain(s.post("/v1/chat/completions", chat("What is 12+7?")))
	if want := `{"id":"chatcmpl-ID","object":"chat.completion","created":0,"model":"arithmetic","system_fingerprint":"` + s.models["arithmetic"].fingerprint + `","choices":[{"index":0,"message":{"role":"assistant","content":"19","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":16,"completion_tokens":3,"total_tokens":19}}` + "\n"; whole != want {
		t.Errorf("the answer is\n%s\nwant\n%s", whole, want)
	}
}

// waitingStream begins a stream that waits for its turn, and returns what comes
// before it has it, and the rest.
func waitingStream(t *testing.T, s *server) (before, after string) {
	s.keepAlive = 20 * time.Millisecond
	free := s.occupy()
	response := s.begin(context.Background(), "POST", "/v1/chat/completions", chat("What is 2+2?", stream))
	defer response.Body.Close()
	r := bufio.NewReader(response.Body)
	for strings.Count(before, "data:") < 4 {
		line, err := r.ReadString('\n')
		if before += line; err != nil {
			t.Fatal(err)
		}
	}
	free()
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return before, string(rest)
}

func noSilence(t *testing.T, s *server) {
	before, after := waitingStream(t, s)
	if !strings.Contains(before, `"delta":{"role":"assistant","content":""}`) || strings.Count(before, `"delta":{"content":""}`) != 3 {
		t.Errorf("while it waits: %s", before)
	}
	if text, reason := textOf(t, before+after, 0); text != "4" || reason != "stop" || strings.Contains(after, `"role"`) {
		t.Errorf("afterwards: %q, %q in %s", text, reason, after)
	}
}

func noComments(t *testing.T, s *server) {
	before, after := waitingStream(t, s)
	eventsOf(t, before+after) // checks the form of all events
	if strings.Contains(before+after, `"error"`) {
		t.Errorf("an error in %s", before+after)
	}
}

func refusesTools(t *testing.T, s *server) {
	for param, value := range map[string]string{
		"tools":       `[{"type":"function","function":{"name":"f"}}]`,
		"tool_choice": `"required"`,
		"functions":   `[{"name":"f"}]`,
	} {
		status, _, answer := s.send("POST", "/v1/chat/completions", chat("What is 2+2?", quote(param)+":"+value))
		if e := decode(t, answer).Error; status != http.StatusBadRequest || e == nil || e.Param == nil || *e.Param != param {
			t.Errorf("%s: %d %s", param, status, answer)
		}
	}
	s.post("/v1/chat/completions", chat("What is 2+2?", `"tools":[],"tool_choice":"auto","response_format":{ "type" : "text" }`))
}

// embeddingModel returns the built-in model as one that is made to embed texts.
func embeddingModel(t *testing.T) *bitnet.Model {
	t.Helper()
	return changedModel(t, func(*gguf.File) map[string]any {
		return map[string]any{"bitnet-b1.58.pooling_type": uint32(bitnet.PoolingLast)}
	})
}

// changedModel returns the built-in model with other values in its file.
func changedModel(t *testing.T, change func(*gguf.File) map[string]any) *bitnet.Model {
	t.Helper()
	data, err := io.ReadAll(arithmetic.File())
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	var made bytes.Buffer
	w := gguf.NewWriter(&made)
	changed := change(f)
	for _, key := range f.Keys() {
		if value, _ := f.Value(key); err == nil && changed[key] == nil {
			err = w.Set(key, value)
		}
	}
	for key, value := range changed {
		if err == nil {
			err = w.Set(key, value)
		}
	}
	for _, x := range f.Tensors() {
		if err == nil {
			err = w.AddTensor(x.Name, x.Dims, x.Type, func(w io.Writer) error { _, err := w.Write(x.Data); return err })
		}
	}
	if err == nil {
		err = w.Close()
	}
	var m *bitnet.Model
	if err == nil {
		m, err = bitnet.OpenBytes(made.Bytes())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func base64Embeddings(t *testing.T, s *server) {
	status, _, answer := s.send("POST", "/v1/embeddings", `{"model":"arithmetic","input":"2+2="}`)
	if e := decode(t, answer).Error; status != http.StatusBadRequest || *e.Param != "model" {
		t.Errorf("a model that generates text: %d %s", status, answer)
	}
	m := embeddingModel(t)
	s = servingModels(t, map[string]*bitnet.Model{"embedding": m}, Options{})
	for _, path := range []string{"/v1/completions", "/v1/chat/completions"} {
		body := `{"model":"embedding","prompt":"2+2=","messages":[{"role":"user","content":"2+2="}]}`
		if status, _, answer := s.send("POST", path, body); status != http.StatusBadRequest || !strings.Contains(answer, "made to embed texts") {
			t.Errorf("%s of a model that embeds: %d %s", path, status, answer)
		}
	}
	if status, _, answer := s.send("POST", "/v1/embeddings", `{"input":"a","dimensions":1000}`); status != http.StatusBadRequest || *decode(t, answer).Error.Param != "dimensions" {
		t.Errorf("too many dimensions: %d %s", status, answer)
	}
	type vectors struct {
		Data []struct {
			Index     int
			Embedding json.RawMessage
		}
		Usage usage
	}
	for _, input := range []string{`"2+2="`, `["2+2=","7*8=","1"]`, `[5,6,7]`, `[[5,6,7],[8]]`} {
		var floats, texts vectors
		for format, v := range map[string]*vectors{"float": &floats, "base64": &texts} {
			if err := json.Unmarshal([]byte(s.post("/v1/embeddings", `{"model":"embedding","input":`+input+`,"dimensions":32,"encoding_format":"`+format+`"}`)), v); err != nil {
				t.Fatal(err)
			}
		}
		if len(floats.Data) == 0 || len(floats.Data) != len(texts.Data) || floats.Usage.Prompt == 0 {
			t.Fatalf("%s: %d and %d vectors", input, len(floats.Data), len(texts.Data))
		}
		for i := range floats.Data {
			if input == `["2+2=","7*8=","1"]` {
				vectors, err := m.Embed(t.Context(), []string{"2+2=", "7*8=", "1"}, bitnet.WithDimensions(32))
				if text, _ := json.Marshal(vectors[i]); err != nil || string(text) != string(floats.Data[i].Embedding) {
					t.Errorf("%s: vector %d is %s, want %s", input, i, floats.Data[i].Embedding, text)
				}
			}
			var want []float32
			var text string
			if json.Unmarshal(floats.Data[i].Embedding, &want) != nil || json.Unmarshal(texts.Data[i].Embedding, &text) != nil {
				t.Fatalf("%s: %s and %s", input, floats.Data[i].Embedding, texts.Data[i].Embedding)
			}
			data, err := base64.StdEncoding.DecodeString(text)
			got := make([]float32, len(data)/4)
			for j := range got {
				got[j] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*j:]))
			}
			if err != nil || len(want) != 32 || !slices.Equal(got, want) || floats.Data[i].Index != i {
				t.Errorf("%s: %v, want %v", input, got, want)
			}
		}
	}
}

// stopsWithoutClient leaves in every state that a request can be in.
func stopsWithoutClient(t *testing.T, s *server) {
	idle := func() bool {
		running, waiting, _ := s.queue.state()
		return running == 0 && waiting == 0
	}
	long := chat(strings.Repeat("What is 2+2? ", 30), endless())
	for _, body := range []string{long, strings.TrimSuffix(long, "}") + "," + stream + "}"} {
		// While it waits.
		free := s.occupy()
		ctx, cancel := context.WithCancel(context.Background())
		gone := make(chan bool)
		go func() {
			defer close(gone)
			r, _ := http.NewRequestWithContext(ctx, "POST", s.url+"/v1/chat/completions", strings.NewReader(body))
			if response, err := http.DefaultClient.Do(r); err == nil {
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
		}()
		eventually(t, "it waits", func() bool { _, waiting, _ := s.queue.state(); return waiting == 1 })
		cancel()
		<-gone
		eventually(t, "it no longer waits", func() bool { _, waiting, _ := s.queue.state(); return waiting == 0 })
		free()
		// While it is computed.
		before, _ := s.models["arithmetic"].Passes()
		ctx, cancel = context.WithCancel(context.Background())
		gone = make(chan bool)
		go func() {
			defer close(gone)
			r, _ := http.NewRequestWithContext(ctx, "POST", s.url+"/v1/chat/completions", strings.NewReader(body))
			if response, err := http.DefaultClient.Do(r); err == nil {
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
		}()
		eventually(t, "it is computed", func() bool { now, _ := s.models["arithmetic"].Passes(); return now > before })
		cancel()
		<-gone
		eventually(t, "nothing is computed", idle)
		now, _ := s.models["arithmetic"].Passes()
		time.Sleep(20 * time.Millisecond)
		if later, _ := s.models["arithmetic"].Passes(); later != now {
			t.Errorf("%d passes after all have gone", later-now)
		}
	}
}

func endToken(s *server) int {
	id, _ := s.models["arithmetic"].Tokenizer().TokenID("<|eot_id|>")
	return id
}

func rightScores(t *testing.T, s *server) {
	var whole struct {
		Choices []struct{ LogProbs scores }
	}
	body := chat("What is 12+7?", `"logprobs":true,"top_logprobs":3`)
	if err := json.Unmarshal([]byte(s.post("/v1/chat/completions", body)), &whole); err != nil {
		t.Fatal(err)
	}
	content := whole.Choices[0].LogProbs.Content
	if len(content) != 2 || content[0].Token != "1" || content[1].Token != "9" {
		t.Fatalf("%+v", content)
	}
	for _, c := range content {
		sum := 0.0
		for i, top := range c.Top {
			sum += math.Exp(top.LogProb)
			if i > 0 && top.LogProb > c.Top[i-1].LogProb || len(top.Bytes) == 0 {
				t.Errorf("%+v", c)
			}
		}
		if len(c.Top) != 3 || c.Top[0].LogProb != c.LogProb || sum > 1 || string(rune(c.Bytes[0])) != c.Token {
			t.Errorf("%+v", c)
		}
	}
	var streamed []tokenScore
	for _, c := range chunksOf(t, s.post("/v1/chat/completions", strings.TrimSuffix(body, "}")+","+stream+"}")) {
		if p := c.Choices[0].LogProbs; p != nil {
			streamed = append(streamed, p.Content...)
		}
	}
	if fmt.Sprint(streamed) != fmt.Sprint(content) {
		t.Errorf("streamed %v, whole %v", streamed, content)
	}
	if answer := s.post("/v1/chat/completions", chat("What is 12+7?", `"logprobs":true`)); !strings.Contains(answer, `"top_logprobs":[]`) || strings.Count(answer, `"token":`) != 2 {
		t.Errorf("%s", answer)
	}
	if answer := s.post("/v1/completions", `{"prompt":"12+7=","temperature":0,"logprobs":2}`); !strings.Contains(answer, `"logprobs":{"tokens":["1","9"],"token_logprobs":[-`) || !strings.Contains(answer, `"text_offset":[0,1]`) || strings.Count(answer, `"1":`) < 1 {
		t.Errorf("%s", answer)
	}
	// What was never asked for is null.
	if answer := s.post("/v1/chat/completions", chat("What is 12+7?")); !strings.Contains(answer, `"logprobs":null`) {
		t.Errorf("%s", answer)
	}
}

// wholeCharacters has the model write the bytes of a character, each a token, and of
// half of one.
func wholeCharacters(t *testing.T, s *server) {
	bias := func(text string) string {
		var all []string
		for i, b := range []byte(text) {
			id := 0
			for string(builtIn.Tokenizer().AppendToken(nil, id)) != string([]byte{b}) {
				id++
			}
			all = append(all, fmt.Sprintf(`"%d":%d`, id, 100-18*i))
		}
		// Once a token is there, it is out of the question: each comes once, in order.
		return `"repetition_penalty":1000000,"max_tokens":` + fmt.Sprint(len(text)) + `,"logit_bias":{` + strings.Join(all, ",") + "}"
	}
	for _, test := range []struct{ bytes, want string }{{"😀", "😀"}, {"é", "é"}, {"😀"[:3], "\uFFFD"}, {"€"[:2] + "a", "\uFFFDa"}} {
		body := chat("What is 2+2?", bias(test.bytes))
		text, _ := textOf(t, s.post("/v1/chat/completions", strings.TrimSuffix(body, "}")+","+stream+"}"), 0)
		if whole := decode(t, s.post("/v1/chat/completions", body)).Choices[0].Message.Content; text != test.want || whole != test.want {
			t.Errorf("%q comes as %q and %q", test.bytes, text, whole)
		}
	}
	answer := s.post("/v1/chat/completions", chat("What is 2+2?", bias("😀"), stream))
	if strings.Contains(answer, "\uFFFD") || strings.Contains(answer, `\ufffd`) {
		t.Errorf("%s", answer)
	}
}
