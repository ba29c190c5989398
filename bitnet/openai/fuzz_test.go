package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/bitnet"
)

// FuzzBody sends bodies to every endpoint that reads one. Whatever is in them, the
// answer is JSON or a stream, and no fault of the server's.
func FuzzBody(f *testing.F) {
	h, err := NewHandler(map[string]*bitnet.Model{"arithmetic": builtIn}, Options{Context: 40, Parallel: 4, RequestTimeout: 300 * time.Millisecond})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { h.Shutdown(context.Background()) })
	var paths []string
	for path, r := range h.routes {
		if r.method == http.MethodPost {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	casePaths, bodies := loadCases()
	for i, body := range bodies {
		f.Add(uint8(slices.Index(paths, casePaths[i])), []byte(body))
	}
	for _, body := range []string{
		`{"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"a"}]}],"instructions":"b","stream":true}`,
		`{"model":"arithmetic","prompt":"2+2=","raw":true,"options":{"num_predict":3,"seed":1,"stop":["x"]},"keep_alive":"5m"}`,
		`{"messages":[{"role":"user","content":"a"}],"prompt":"a","input":"a","response_format":{"type":"json_schema","json_schema":{"schema":{"enum":[1,"a"]}}},"format":{"type":"null"},"text":{"format":{"type":"json_object"}}}`,
		`{"messages":[{"role":"user","content":"a"}],"prompt":"a","input":"a","structured_outputs":{"choice":["a","b"]},"format":"json","guided_regex":""}`,
		`{"content":"a","with_pieces":true}`, `{"tokens":[1,2,3]}`, `{"messages":[{"role":"user","content":"a"}],"logit_bias":{"1":-100},"n":2,"stop":["a"],"logprobs":true}`,
		`{"prompt":[[1,2],[3]],"echo":true,"logprobs":2,"max_tokens":0}`, `{"a":{"a":[[[[{}]]]]},"a":1}`, "{\"model\":\"\xff\"}", `{"x":1e400,"seed":18446744073709551615}`,
	} {
		for i := range paths {
			f.Add(uint8(i), []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, path uint8, body []byte) {
		r := h.Do(context.Background(), Request{Path: paths[int(path)%len(paths)], Body: body, ID: "ID"})
		switch r.Status {
		case http.StatusOK, http.StatusBadRequest, http.StatusNotFound, http.StatusGatewayTimeout, http.StatusServiceUnavailable:
		default:
			t.Errorf("status %d: %s", r.Status, r.Body)
		}
		if !utf8.Valid(r.Body) || len(r.Body) == 0 {
			t.Errorf("the answer is %q", r.Body)
		}
		for line := range bytes.Lines(r.Body) {
			line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("data: ")))
			if len(line) > 0 && !bytes.HasPrefix(line, []byte("event: ")) && string(line) != "[DONE]" && !json.Valid(line) {
				t.Errorf("a line of the answer is %q", line)
			}
		}
	})
}
