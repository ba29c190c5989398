package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
	"github.com/gobitnet/gobitnet/bitnet/openai"
)

// An exchange is a request and what a server answered to it.
type exchange struct{ name, request, response, digest string }

// saved returns the file that bitnet replay reads, made as its help says.
func (e exchange) saved() string {
	response := e.response
	if !strings.HasPrefix(response, "{") {
		response = string(compactJSON(response))
	}
	digest := ""
	if e.digest != "" {
		digest = fmt.Sprintf(`,"digest":%q`, e.digest)
	}
	return fmt.Sprintf(`{"request":%s,"response":%s%s}`, e.request, response, digest)
}

// exchanges returns answers of a server that has others to give at the same time,
// computed with the fastest kernels that there are.
func exchanges(t *testing.T) []exchange {
	t.Helper()
	m, err := arithmetic.Open()
	if err != nil {
		t.Fatal(err)
	}
	h, err := openai.NewHandler(map[string]*bitnet.Model{"arithmetic": m}, openai.Options{Parallel: 5})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer m.Close()
	defer h.Shutdown(context.Background())
	defer server.Close()
	all := []exchange{
		{name: "chat", request: `{"model":"arithmetic","messages":[{"role":"user","content":"What is 23+48?"}]}`},
		{name: "scores", request: `{"model":"arithmetic","messages":[{"role":"user","content":"What is 3+4?"}],"logprobs":true,"top_logprobs":3,"seed":7}`},
		{name: "many", request: `{"prompt":["7 8","1 2"],"n":2,"temperature":1.7,"max_tokens":12,"seed":12345678901234567890,"logprobs":2}`},
		{name: "from its id", request: `{"prompt":"5 6 7","temperature":2,"max_tokens":40}`},
		{name: "stream", request: `{"model":"arithmetic","messages":[{"role":"user","content":"What is 11-5?"}],"stream":true,"stream_options":{"include_usage":true}}`},
		{name: "many streams", request: `{"model":"arithmetic","prompt":"3 4","n":2,"temperature":1.5,"max_tokens":4,"stream":true,"logprobs":1}`},
		{name: "response", request: `{"model":"arithmetic","input":"What is 2+2?"}`},
		{name: "response in a stream", request: `{"model":"arithmetic","input":"What is 9-2?","stream":true}`},
		{name: "refused", request: `{"model":"arithmetic","prompt":"2+2=","temperature":3}`},
	}
	path := func(request string) string {
		switch {
		case strings.Contains(request, `"messages"`):
			return "/v1/chat/completions"
		case strings.Contains(request, `"input"`):
			return "/v1/responses"
		}
		return "/v1/completions"
	}
	ask := func(e *exchange) error {
		r, err := http.NewRequest("POST", server.URL+path(e.request), strings.NewReader(e.request))
		if err != nil {
			return err
		}
		r.Header.Set("X-Bitnet-Digest", "sha256")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		data, err := io.ReadAll(response.Body)
		e.response, e.digest = strings.TrimSuffix(string(data), "\n"), response.Header.Get("X-Bitnet-Digest")
		if e.digest == "" {
			e.digest = response.Trailer.Get("X-Bitnet-Digest")
		}
		return err
	}
	var running sync.WaitGroup
	for i := range 3 * len(all) { // the last ones find prompts that are kept
		running.Go(func() {
			if i >= len(all) {
				i %= len(all)
				other := all[i]
				ask(&other)
				return
			}
			if err := ask(&all[i]); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	// What is kept is said, and says nothing.
	again := all[0]
	if err := ask(&again); err != nil || !regexp.MustCompile(`"cached_tokens":[1-9]`).MatchString(again.response) {
		t.Errorf("%v, asked again: %s", err, again.response)
	}
	again.name = "kept"
	all = append(all, again)
	for _, e := range all {
		if e.response == "" || e.digest == "" && e.name != "refused" {
			t.Fatalf("%s: answer %q, digest %q", e.name, e.response, e.digest)
		}
	}
	return all
}

func TestReplay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "saved.json")
	all := exchanges(t)
	for _, e := range all {
		for _, kernels := range []string{"", "generic"} {
			write(t, path, e.saved())
			status, said, errs := bitnetWith(t, map[string]string{"BITNET_CPU": kernels, "BITNET_LOG": "warn"}, "", "replay", path)
			if status != 0 || !strings.Contains(said, "is confirmed") || strings.Contains(said, "bits of its logits") != (e.digest != "") {
				t.Errorf("%s with kernels %q: status %d, %s%s", e.name, kernels, status, said, errs)
			}
		}
		// Other programs write the same JSON in another way.
		var response any
		decoder := json.NewDecoder(strings.NewReader(e.response))
		if decoder.Decode(&response) == nil {
			other := e
			indented, _ := json.MarshalIndent(response, " ", "\t")
			other.response = string(indented)
			write(t, path, "\ufeff"+other.saved()+"\n")
			succeed(t, "replay", path)
		}
	}
	// Contradictions, and what cannot be checked.
	chat, stream := all[0], all[4]
	for name, test := range map[string]struct {
		text   string
		status int
		says   string
	}{
		"another answer":      {strings.Replace(chat.saved(), `"content":"71"`, `"content":"72"`, 1), 1, `response.choices[0].message.content is "72", and computed again "71"`},
		"another question":    {strings.Replace(chat.saved(), "23+48", "24+48", 1), 1, `content is "71", and computed again "72"`},
		"another digest":      {strings.Replace(chat.saved(), "sha256:", "sha256:0", 1), 1, "digest is sha256:0"},
		"a field more":        {strings.Replace(chat.saved(), `"object":`, `"service":"x","object":`, 1), 1, `response.service is "x", and computed again not there`},
		"a field less":        {strings.Replace(chat.saved(), `"finish_reason":"stop"`, `"finish_reason":null`, 1), 1, `finish_reason is not there, and computed again "stop"`},
		"a field twice":       {strings.Replace(chat.saved(), `"object":`, `"index":0,"index":0,"object":`, 1), 1, "is there twice"},
		"a choice less":       {regexp.MustCompile(`\{"index":0.*"finish_reason":"stop"\}`).ReplaceAllString(chat.saved(), ""), 1, "response.choices[0] is missing"},
		"more cached":         {strings.Replace(chat.saved(), `"cached_tokens":`, `"cached_tokens":9`, 1), 1, "prompt_tokens_details"},
		"no JSON":             {"hello", 1, "is not a JSON object"},
		"nothing":             {"", 1, "is not a JSON object"},
		"no response":         {`{"request":{}}`, 1, "response: it is missing"},
		"a number":            {`{"request":{},"response":1}`, 1, "neither a JSON object nor the text of a stream"},
		"deep":                {`{"request":{},"response":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, 1, "nested more than"},
		"no digest":           {strings.Replace(chat.saved(), `"digest":"`, `"digest":"","x":"`, 1), 1, `the file has "x"`},
		"a stream cut off":    {regexp.MustCompile(`data: \[DONE\](\\n)*`).ReplaceAllString(stream.saved(), ""), 1, "is missing"},
		"a comment":           {strings.Replace(stream.saved(), `"data: `, `": x\n\ndata: `, 1), 1, "is not a line of data"},
		"no stream":           {strings.Replace(stream.saved(), `"stream":true`, `"stream":false`, 1), 1, "response"},
		"another fingerprint": {strings.Replace(chat.saved(), `"fp_`, `"fp_0`, 1), 3, "it could not be checked: it is an answer of fp_0"},
		"a moment's error":    {`{"request":{"messages":[{"role":"user","content":"a"}]},"response":{"error":{"message":"m","type":"rate_limit_error","param":null,"code":"queue_full"}}}`, 3, "does not follow from the request"},
	} {
		write(t, path, test.text)
		status, _, said := bitnetWith(t, map[string]string{"BITNET_LOG": "warn"}, "", "replay", path)
		if status != test.status || !strings.Contains(said, test.says) {
			t.Errorf("%s: status %d, it said %q; want %d, %q", name, status, said, test.status, test.says)
		}
	}
	write(t, path, chat.saved())
	for args, want := range map[string]int{
		path + " --model nosuch.gguf": 3,
		path + " --model " + tiny:     3,
		path + " --context 100000":    3,
		path + "x":                    3,
		t.TempDir():                   3,
		"":                            2,
		path + " " + path:             2,
		path + " --model=":            2,
	} {
		if status, _, said := bitnetWith(t, map[string]string{"BITNET_LOG": "warn"}, "", append([]string{"replay"}, strings.Fields(args)...)...); status != want {
			t.Errorf("replay %s: status %d, want %d: %s", args, status, want, said)
		}
	}
}

// TestReplayEmulated has the program for another processor confirm answers, and
// refute one.
func TestReplayEmulated(t *testing.T) {
	emulator, err := exec.LookPath("qemu-aarch64-static")
	if err != nil || runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		t.Skip("there is no qemu-aarch64-static")
	}
	all := exchanges(t)
	folder := t.TempDir()
	program, path := filepath.Join(folder, "bitnet"), filepath.Join(folder, "saved.json")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	replay := func(text string) (status int, said string) {
		write(t, path, text)
		command := exec.Command(emulator, program, "replay", path)
		command.Env = append(os.Environ(), "QEMU_CPU=max")
		output, _ := command.CombinedOutput()
		return command.ProcessState.ExitCode(), string(output)
	}
	for _, e := range []exchange{all[1], all[3], all[5], all[7]} {
		if status, said := replay(e.saved()); status != 0 || !strings.Contains(said, "with dotprod kernels") {
			t.Errorf("%s on arm64: status %d: %s", e.name, status, said)
		}
	}
	if status, said := replay(strings.Replace(all[0].saved(), `"content":"71"`, `"content":"17"`, 1)); status != 1 {
		t.Errorf("a changed answer on arm64: status %d: %s", status, said)
	}
}

// TestReplayBatch confirms each line of a batch.
func TestReplayBatch(t *testing.T) {
	folder := t.TempDir()
	requests, answers, path := filepath.Join(folder, "requests"), filepath.Join(folder, "answers"), filepath.Join(folder, "saved")
	text := batchRequests(8)
	write(t, requests, text)
	succeed(t, "batch", "--input", requests, "--output", answers)
	asked := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	for i, answer := range strings.Split(strings.TrimSuffix(read(t, answers), "\n"), "\n") {
		e := exchange{request: asked[i], response: answer}
		want := 0
		switch i % 8 {
		case 4:
			want = 3 // which models there were is not known
		case 5:
			want = 1 // the request is no JSON
		}
		write(t, path, e.saved())
		if status, said, errs := bitnetWith(t, map[string]string{"BITNET_CPU": "generic", "BITNET_LOG": "warn"}, "", "replay", path); status != want {
			t.Errorf("line %d: status %d, want %d: %s%s", i, status, want, said, errs)
		}
		for _, wrong := range []string{`"custom_id":"other"`, `"status_code":500`, `"request_id":"req_X"`} {
			name, _, _ := strings.Cut(wrong, ":")
			e.response = regexp.MustCompile(name+`:("[^"]*"|[0-9]+)`).ReplaceAllString(answer, wrong)
			if e.response == answer || want != 0 {
				continue
			}
			write(t, path, e.saved())
			if status, said, _ := bitnetWith(t, map[string]string{"BITNET_LOG": "warn"}, "", "replay", path); status != 1 {
				t.Errorf("line %d with %s: status %d: %s", i, wrong, status, said)
			}
		}
	}
}

// TestReplayEveryByte changes every byte of answers, of short ones every bit. What is still
// confirmed must say the same, or what nothing can confirm.
func TestReplayEveryByte(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long")
	}
	m, err := arithmetic.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	h, err := openai.NewHandler(map[string]*bitnet.Model{"arithmetic": m}, openai.Options{Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Shutdown(context.Background())
	// Where a change may be confirmed: the id and the time, the names of fields that
	// are null, and how much was cached. The id is that of the answer alone where the
	// seed does not follow from it.
	free := regexp.MustCompile(`"id":"[a-z]+-([^"]*)"|"created":(\d+)|"([a-z_]+)":null|"cached_tokens":(\d+)`)
	for _, e := range exchanges(t) {
		if e.name == "response" || e.name == "response in a stream" || e.name == "many" || e.name == "kept" {
			continue // nothing new in them
		}
		saved, err := parseSaved([]byte(e.saved()))
		if err != nil {
			t.Fatal(err)
		}
		computed := h.Do(t.Context(), openai.Request{Path: saved.path, Body: saved.request, ID: saved.id, Created: time.Unix(saved.created, 0), Digest: e.digest != ""})
		allowed := make([]bool, len(e.response))
		for _, places := range free.FindAllStringSubmatchIndex(e.response, -1) {
			for i := 2; i < len(places); i += 2 {
				for at := max(places[i], 0); at < max(places[i+1], 0); at++ {
					allowed[at] = true
				}
			}
		}
		confirmed, changed := 0, []byte(e.response)
		for at := range changed {
			was := changed[at]
			for bit := range 8 {
				if allowed[at] && bit > 0 || len(changed) > 1000 && bit != at%8 {
					continue // it is all computed again, or there are very many
				}
				changed[at] = was ^ 1<<bit
				e.response = string(changed)
				again, err := parseSaved([]byte(e.saved()))
				if err == nil && again.id == saved.id && again.created == saved.created && again.model == saved.model && again.fingerprint == saved.fingerprint {
					err = again.compare(computed.Body, computed.Digest)
				} else if err == nil {
					// The program calls its model what the request does.
					if err = errors.New("another model"); again.model == saved.model {
						err = again.check(t.Context(), h)
					}
				}
				if err == nil {
					if confirmed++; !allowed[at] && !sameValues(changed, was, at) {
						t.Fatalf("%s: byte %d, %q for %q, is confirmed: …%s…", e.name, at, changed[at], was, changed[max(at-30, 0):min(at+30, len(changed))])
					}
				}
			}
			changed[at] = was
		}
		t.Logf("%s: of the changes of %d bytes %d are confirmed: of id, time and the like", e.name, len(changed), confirmed)
	}
}

// sameValues reports whether a changed byte leaves every number what it was as a
// float64: numbers have more digits than that.
func sameValues(changed []byte, was byte, at int) bool {
	number := func(b byte) bool { return bytes.IndexByte([]byte("0123456789.eE+-"), b) >= 0 }
	start, end := at, at+1
	for start > 0 && number(changed[start-1]) {
		start--
	}
	for end < len(changed) && number(changed[end]) {
		end++
	}
	text := string(changed[start:end])
	before := text[:at-start] + string(was) + text[at-start+1:]
	x, err := strconv.ParseFloat(text, 64)
	y, wrong := strconv.ParseFloat(before, 64)
	return err == nil && wrong == nil && x == y
}
