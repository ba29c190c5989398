package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
	"github.com/gobitnet/gobitnet/bitnet/openai"
)

// batchRequests returns requests of all kinds, good and bad ones.
func batchRequests(n int) string {
	var b strings.Builder
	for i := range n {
		switch i % 8 {
		case 0:
			fmt.Fprintf(&b, `{"custom_id":"chat %d","method":"POST","url":"/v1/chat/completions","body":{"model":"arithmetic","messages":[{"role":"user","content":"What is %d+%d?"}]}}`, i, i%50, i%7)
		case 1:
			fmt.Fprintf(&b, `{"custom_id":"drawn %d","method":"POST","url":"/v1/completions","body":{"prompt":"%d %d","max_tokens":%d,"temperature":1.5,"n":2}}`, i, i%9, i%9+1, i%60)
		case 2:
			fmt.Fprintf(&b, `{"custom_id":"<scores> & \"%d\"","method":"POST","url":"/v1/completions","body":{"prompt":["%d+5=","3-%d="],"logprobs":3}}`, i, i%40, i%11)
		case 3:
			fmt.Fprintf(&b, `  {"custom_id":"response %d", "method":"POST","url":"/v1/responses","body":{"input":"What is %d-3?"}}`+"\t\r", i, i%33)
		case 4:
			fmt.Fprintf(&b, `{"custom_id":"unknown %d","method":"POST","url":"/v1/chat/completions","body":{"model":"other","messages":[]}}`, i)
		case 5:
			b.WriteString("\n" + strings.Repeat("{", i%5))
			b.WriteString("this is no request")
		case 6:
			fmt.Fprintf(&b, `{"custom_id":"count %d","method":"POST","url":"/v1/completions","body":{"prompt":"%d %d %d","max_tokens":200,"temperature":0}}`, i, i%5, i%5+1, i%5+2)
		case 7:
			fmt.Fprintf(&b, `{"custom_id":"wrong %d","method":"PUT","url":"/v1/completions","body":{}}`, i)
		}
		if i < n-1 { // the last line has no end
			b.WriteString("\n")
		}
	}
	return b.String()
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestBatch holds every answer to the one that the same request gets alone, and to
// OpenAI's format.
func TestBatch(t *testing.T) {
	folder := t.TempDir()
	requests, answers := filepath.Join(folder, "requests"), filepath.Join(folder, "answers")
	const n = 48
	text := batchRequests(n)
	write(t, requests, "\ufeff"+text)
	_, said := succeed(t, "batch", "--input", requests, "--output", answers, "--parallel", "5")
	if want := "48 requests answered now, 18 of them with an error; all 48 are done"; !strings.Contains(said, want) {
		t.Errorf("it said %q, want %q", said, want)
	}
	whole := read(t, answers)

	m, err := arithmetic.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	h, err := openai.NewHandler(map[string]*bitnet.Model{"arithmetic": m}, openai.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Shutdown(context.Background())
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	out := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	if len(lines) != n || len(out) != n {
		t.Fatalf("%d requests, %d answers, want %d", len(lines), len(out), n)
	}
	ids := map[string]bool{}
	for i, line := range lines {
		var got struct {
			ID       string
			CustomID *string `json:"custom_id"`
			Response *struct {
				Status  int    `json:"status_code"`
				Request string `json:"request_id"`
				Body    json.RawMessage
			}
			Error *struct{ Code, Message string }
		}
		decoder := json.NewDecoder(strings.NewReader(out[i]))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&got); err != nil {
			t.Fatalf("answer %d: %v in %s", i, err, out[i])
		}
		var asked struct {
			CustomID *string `json:"custom_id"`
			URL      string
			Body     json.RawMessage
		}
		if code := map[int]string{5: "invalid_json", 7: "invalid_method"}[i%8]; code != "" {
			if got.Response != nil || got.Error == nil || got.Error.Code != code || got.Error.Message == "" {
				t.Errorf("answer %d is %s, want the error %s", i, out[i], code)
			}
			continue
		}
		if err := json.Unmarshal([]byte(line), &asked); err != nil {
			t.Fatal(err)
		}
		if got.Error != nil || got.Response == nil || *got.CustomID != *asked.CustomID || got.Response.Request == "" || ids[got.ID] {
			t.Fatalf("answer %d is %s", i, out[i])
		}
		ids[got.ID] = true
		id := strings.TrimPrefix(got.ID, "batch_req_")
		alone := h.Do(t.Context(), openai.Request{Path: asked.URL, Body: asked.Body, ID: id, Created: time.Unix(0, 0)})
		if want := map[bool]int{false: 200, true: 404}[i%8 == 4]; alone.Status != want || got.Response.Status != want {
			t.Errorf("answer %d has status %d, alone %d, want %d", i, got.Response.Status, alone.Status, want)
		}
		if !bytes.Equal(got.Response.Body, bytes.TrimSpace(alone.Body)) {
			t.Errorf("answer %d is\n%s\nand alone\n%s", i, got.Response.Body, alone.Body)
		}
	}
	if !strings.Contains(whole, `"content":"0"`) || !strings.Contains(whole, `"text":"7"`) {
		t.Error("no sum among the answers is right")
	}

	// Parts, one behind the other, are the whole; each alone, and however many.
	for _, parts := range []int{4, 7, n + 3} {
		var together string
		for i := range parts {
			part := filepath.Join(folder, fmt.Sprintf("part %d of %d", i, parts))
			succeed(t, "batch", "--input", requests, "--output", part, "--shard", fmt.Sprintf("%d/%d", i, parts), "--parallel", fmt.Sprint(1+i%3))
			together += read(t, part)
			if parts > n && i > 4 {
				break // most are single lines
			}
		}
		if parts <= n && together != whole || !strings.HasPrefix(whole, together) {
			t.Errorf("%d parts together are not the whole", parts)
		}
	}

	// Cut anywhere, it is mended.
	random := rand.New(rand.NewPCG(1, 2))
	cuts := []int{0, 1, len(whole) - 1, len(whole) - 2, strings.Index(whole, "\n"), strings.Index(whole, "\n") + 1}
	for range 8 {
		cuts = append(cuts, random.IntN(len(whole)))
	}
	for _, cut := range cuts {
		ruins := whole[:cut]
		if cut%2 == 1 { // what another version would have answered
			if last := strings.LastIndexByte(ruins, '\n') + 1; len(ruins)-last > 100 {
				ruins += strings.Repeat("x", len(whole))
			}
		}
		write(t, answers, ruins)
		succeed(t, "batch", "--input", requests, "--output", answers)
		if got := read(t, answers); got != whole {
			t.Fatalf("cut at %d, it is mended to %d bytes, not to the same %d", cut, len(got), len(whole))
		}
	}

	// What is there and no such beginning is left as it is.
	for name, other := range map[string]string{
		"another file":        "hello\n",
		"one without an end":  "hello",
		"more":                whole + "{}\n",
		"the second line":     whole[strings.Index(whole, "\n")+1:],
		"a damaged line":      strings.Replace(whole, `"status_code"`, `"status_code`, 1),
		"another custom_id":   strings.Replace(whole, `"chat 0"`, `"chat 9"`, 1),
		"answers of a prefix": whole[:strings.Index(whole, "custom")] + "\n" + whole,
	} {
		write(t, answers, other)
		status, _, said := bitnetWith(t, map[string]string{"BITNET_LOG": "warn"}, "", "batch", "--input", requests, "--output", answers)
		if status != 1 || !strings.Contains(said, "name another output, or remove it") || read(t, answers) != other {
			t.Errorf("%s: status %d, it said %q", name, status, said)
		}
	}

	// Another model has other answers.
	write(t, answers, whole)
	status, _, said := bitnetWith(t, map[string]string{"BITNET_LOG": "warn"}, "", "batch", "--input", requests, "--output", answers, "--model", "arithmetic="+tiny)
	if status != 1 || !strings.Contains(said, "line 1 of") {
		t.Errorf("with another model: status %d, it said %q", status, said)
	}
}

func TestBatchLines(t *testing.T) {
	const good = `{"custom_id":"a","method":"POST","url":"/v1/completions","body":{}}`
	edit := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for line, code := range map[string]string{
		good:                                         "",
		edit(`{}`, `{"stream":false}`):               "",
		edit(`{}`, `{"stream":true}`):                "invalid_body",
		edit(`{}`, `null`):                           "invalid_body",
		edit(`{}`, `[]`):                             "invalid_body",
		edit(`,"body":{}`, ``):                       "invalid_body",
		edit(`"a"`, `1`):                             "invalid_custom_id",
		edit(`"a"`, `null`):                          "invalid_custom_id",
		edit(`"a"`, `""`):                            "invalid_custom_id",
		edit(`custom_id`, `Custom_ID`):               "invalid_custom_id",
		edit(`POST`, `post`):                         "invalid_method",
		edit(`"POST"`, `{}`):                         "invalid_method",
		edit(`/v1/completions`, `/v1/completions?x`): "invalid_url",
		edit(`/v1/completions`, `http://host/v1/completions`): "invalid_url",
		edit(`/v1/completions`, `/api/chat`):                  "invalid_url",
		edit(`{}`, `{},"body":{}`):                            "invalid_json",
		edit(`"a"`, "\"\xff\""):                               "invalid_json",
		good + good:                                           "invalid_json",
		`[` + good + `]`:                                      "invalid_json",
		good[:len(good)-1]:                                    "invalid_json",
		strings.Repeat(`{"a":`, 20000):                        "invalid_json",
		`null`:                                                "invalid_json",
	} {
		r := parseBatchLine([]byte(line))
		got := ""
		if r.refused != nil {
			got = r.refused.Code
		}
		if got != code {
			t.Errorf("%.100s: %q, want %q", line, got, code)
		}
	}
}

// TestBatchLongLine has a line that is too long between two others.
func TestBatchLongLine(t *testing.T) {
	folder := t.TempDir()
	requests, answers := filepath.Join(folder, "requests"), filepath.Join(folder, "answers")
	good := `{"custom_id":"%s","method":"POST","url":"/v1/completions","body":{"prompt":"2+2="}}` + "\n"
	write(t, requests, fmt.Sprintf(good, "a")+strings.Repeat("x", maxBatchLine+1)+"\n"+fmt.Sprintf(good, "b")+strings.Repeat("y", 3*maxBatchLine))
	succeed(t, "batch", "--input", requests, "--output", answers)
	got := strings.Split(read(t, answers), "\n")
	if len(got) != 5 || !strings.Contains(got[0], `"text":"4"`) || !strings.Contains(got[1], "line_too_long") || !strings.Contains(got[2], `"text":"4"`) || !strings.Contains(got[3], "line_too_long") || got[1] == got[3] {
		t.Errorf("answers are %q", got)
	}
}

func TestBatchRefused(t *testing.T) {
	folder := t.TempDir()
	requests, answers := filepath.Join(folder, "requests"), filepath.Join(folder, "answers")
	line := `{"custom_id":"a","method":"POST","url":"/v1/completions","body":{"prompt":"2+2="}}` + "\n"
	for name, test := range map[string]struct {
		text   string
		args   []string
		status int
		says   string
	}{
		"the same custom_id": {"\n" + line + "x\n" + line, nil, 1, `lines 2 and 4 have the same custom_id "a"`},
		"nothing":            {"", nil, 1, "there is no request in it"},
		"white space":        {" \n\t\n", nil, 1, "there is no request in it"},
		"no output":          {line, []string{"--output="}, 2, "by --output"},
		"the same file":      {line, []string{"--output", requests}, 2, "is both --input and --output"},
		"a folder":           {line, []string{"--output", folder}, 1, "is no regular file"},
		"no folder":          {line, []string{"--output", filepath.Join(folder, "x", "y")}, 1, "cannot write"},
		"no input":           {line, []string{"--input", filepath.Join(folder, "x")}, 1, "there is no such file"},
		"part 2 of 2":        {line, []string{"--shard", "2/2"}, 2, "a part from 0 to N-1"},
		"part 0 of 0":        {line, []string{"--shard", "0/0"}, 2, "a part from 0 to N-1"},
		"part -1":            {line, []string{"--shard", "-1/2"}, 2, "a part from 0 to N-1"},
		"part 1":             {line, []string{"--shard", "1"}, 2, "a part from 0 to N-1"},
		"no answers":         {line, []string{"--parallel", "0"}, 2, "from 1 to 1024"},
		"little memory":      {line, []string{"--kv-memory", "1KB"}, 1, "give more"},
		"an argument":        {line, []string{"x"}, 2, "unexpected argument"},
	} {
		write(t, requests, test.text)
		status, _, said := bitnetWith(t, map[string]string{"BITNET_LOG": "warn"}, "", append([]string{"batch", "--input", requests, "--output", answers}, test.args...)...)
		if status != test.status || !strings.Contains(said, test.says) {
			t.Errorf("%s: status %d, it said %q; want %d, %q", name, status, said, test.status, test.says)
		}
	}
}

func TestShard(t *testing.T) {
	for _, total := range []int{0, 1, 5, 100, 1<<31 - 1, 1<<40 + 7} {
		for _, parts := range []int{1, 2, 3, 7, 100, 1<<31 - 1} {
			end := 0
			for _, part := range []int{0, 1, 2, parts - 2, parts - 1} {
				if part < 0 || part >= parts {
					continue
				}
				s := shard{part, parts}
				start, size := s.start(total), s.end(total)-s.start(total)
				if part > 0 && (shard{part - 1, parts}).end(total) != start || size < total/parts || size > total/parts+1 {
					t.Errorf("part %d of %d of %d requests is from %d to %d", part, parts, total, start, s.end(total))
				}
				end = s.end(total)
			}
			if end != total {
				t.Errorf("the last of %d parts of %d requests ends at %d", parts, total, end)
			}
		}
	}
}

func FuzzBatchLine(f *testing.F) {
	for line := range strings.Lines(batchRequests(8)) {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		line, err := newBatchReader(bytes.NewReader(data)).next()
		if err != nil {
			return
		}
		r := parseBatchLine(line.data)
		if r.refused == nil && (r.customID == nil || *r.customID == "" || !json.Valid(r.body)) {
			t.Errorf("%q is taken for a request", data)
		}
		if answer := batchAnswer("X", r, openai.Response{Status: 200, Body: []byte("{}\n")}); !json.Valid(answer) || bytes.IndexByte(answer, '\n') != len(answer)-1 {
			t.Errorf("%q is answered by %q", data, answer)
		}
	})
}
