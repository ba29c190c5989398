package openai

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
)

// builtIn is the model that all tests share.
var builtIn *bitnet.Model

func TestMain(m *testing.M) {
	var err error
	if builtIn, err = arithmetic.Open(); err != nil {
		panic(err)
	}
	status := m.Run()
	builtIn.Close()
	os.Exit(status)
}

// A server is a handler behind a real listener.
type server struct {
	*Handler
	t   testing.TB
	url string
}

// serving returns a server with the built-in model, as "arithmetic" and by a name
// with a slash. In the end it must have nothing left.
func serving(t testing.TB, o Options) *server {
	t.Helper()
	return servingModels(t, map[string]*bitnet.Model{"arithmetic": builtIn}, o)
}

func servingModels(t testing.TB, models map[string]*bitnet.Model, o Options) *server {
	t.Helper()
	h, err := NewHandler(models, o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		c.(*net.TCPConn).SetWriteBuffer(16 << 10) // so that it is soon seen who does not read
		return ctx
	}
	s.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		s.Close()
		if running, waiting, reserved := h.queue.state(); running != 0 || waiting != 0 || reserved != 0 || h.queue.answers != 0 {
			t.Errorf("%d requests run, %d wait and %d bytes are reserved after all", running, waiting, reserved)
		}
		if sessions, bytes := h.shelf.state(); sessions != 0 || bytes != 0 {
			t.Errorf("%d sessions are left", sessions)
		}
	})
	for _, m := range h.models {
		<-m.proven
	}
	return &server{h, t, s.URL}
}

// send sends a request and returns the answer, whole.
func (s *server) send(method, path, body string, headers ...string) (int, http.Header, string) {
	s.t.Helper()
	response := s.begin(context.Background(), method, path, body, headers...)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	for name := range response.Trailer {
		response.Header[name] = response.Trailer[name]
	}
	return response.StatusCode, response.Header, string(data)
}

// begin sends a request and returns the answer as it begins.
func (s *server) begin(ctx context.Context, method, path, body string, headers ...string) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return response
}

// post sends a request that must succeed, and returns what was answered.
func (s *server) post(path, body string, headers ...string) string {
	s.t.Helper()
	status, _, answer := s.send("POST", path, body, headers...)
	if status != http.StatusOK {
		s.t.Fatalf("%s with %s: status %d: %s", path, body, status, answer)
	}
	return answer
}

var (
	anyID   = regexp.MustCompile(`"id":"([a-z]+[-_])[A-Z2-7]+"`)
	created = regexp.MustCompile(`"created":\d+`)
	cached  = regexp.MustCompile(`,"prompt_tokens_details":\{"cached_tokens":\d+\}`)
)

// plain takes out of an answer what differs from one time to the next.
func plain(answer string) string {
	answer = anyID.ReplaceAllString(answer, `"id":"${1}ID"`)
	answer = created.ReplaceAllString(answer, `"created":0`)
	return cached.ReplaceAllString(answer, "")
}

// events returns the data of a stream's events, and checks its form: nothing but
// lines of data, each with an empty line behind it, and [DONE] at the end.
func eventsOf(t testing.TB, stream string) []string {
	t.Helper()
	rest, ok := strings.CutSuffix(stream, "data: [DONE]\n\n")
	if !ok {
		t.Fatalf("a stream does not end with [DONE]: %q", stream)
	}
	var all []string
	for event := range strings.SplitSeq(strings.TrimSuffix(rest, "\n\n"), "\n\n") {
		data, ok := strings.CutPrefix(event, "data: ")
		if !ok || strings.Contains(data, "\n") || !json.Valid([]byte(data)) {
			t.Fatalf("an event of a stream is %q", event)
		}
		all = append(all, data)
	}
	return all
}

// chunk is what clients read of a chunk.
type chunk struct {
	ID      string
	Choices []struct {
		Index int
		Delta struct {
			Role, Content *string
		}
		Text         *string
		FinishReason *string `json:"finish_reason"`
		LogProbs     *scores
	}
	Usage *usage
}

func chunksOf(t testing.TB, stream string) []chunk {
	t.Helper()
	var all []chunk
	for _, data := range eventsOf(t, stream) {
		var c chunk
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		all = append(all, c)
	}
	return all
}

// textOf returns the text of a streamed choice and why it ended.
func textOf(t testing.TB, stream string, index int) (text, reason string) {
	t.Helper()
	for _, c := range chunksOf(t, stream) {
		for _, choice := range c.Choices {
			if choice.Index != index {
				continue
			}
			if choice.Delta.Content != nil {
				text += *choice.Delta.Content
			}
			if choice.Text != nil {
				text += *choice.Text
			}
			if choice.FinishReason != nil {
				reason = *choice.FinishReason
			}
		}
	}
	return text, reason
}

// completed is what clients read of a whole answer.
type completed struct {
	ID          string
	Fingerprint string `json:"system_fingerprint"`
	Choices     []struct {
		Index        int
		Message      struct{ Role, Content string }
		Text         string
		FinishReason string `json:"finish_reason"`
		LogProbs     json.RawMessage
	}
	Usage usage
	Error *errorObject
}

func decode(t testing.TB, answer string) completed {
	t.Helper()
	var c completed
	if err := json.Unmarshal([]byte(answer), &c); err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	return c
}

// chat returns the body of a chat completion with one question, greedily answered,
// and more fields.
func chat(question string, more ...string) string {
	fields := []string{`"model":"arithmetic"`, `"messages":[{"role":"user","content":` + quote(question) + `}]`}
	if !strings.Contains(strings.Join(more, ""), `"temperature"`) {
		fields = append(fields, `"temperature":0`)
	}
	return "{" + strings.Join(append(fields, more...), ",") + "}"
}

func quote(text string) string {
	data, _ := json.Marshal(text)
	return string(data)
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

// occupy takes all places of a server until it is called.
func (s *server) occupy() (free func()) {
	s.t.Helper()
	free, err := s.queue.enter(context.Background(), 0, s.options.Parallel, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	return free
}

// readUntil reads lines until one holds a text.
func readUntil(t testing.TB, r *bufio.Reader, text string) (all string) {
	t.Helper()
	for !strings.Contains(all, text) {
		line, err := r.ReadString('\n')
		all += line
		if err != nil {
			t.Fatalf("%v after %q", err, all)
		}
	}
	return all
}

// digits has the model write nothing but digits, in which it has little preference:
// it is so sure of itself otherwise that all seeds give one text.
func digits() string {
	var all []string
	for d := range 10 {
		id, _ := builtIn.Tokenizer().TokenID(fmt.Sprint(d))
		all = append(all, fmt.Sprintf(`"%d":100`, id))
	}
	return `"logit_bias":{` + strings.Join(all, ",") + "}"
}

// endless bans the tokens by which a text ends.
func endless() string {
	var all []string
	for _, id := range builtIn.Tokenizer().EndTokens() {
		all = append(all, fmt.Sprintf(`"%d":-100`, id))
	}
	return `"logit_bias":{` + strings.Join(all, ",") + "}"
}
