package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/openai"
	"github.com/gobitnet/gobitnet/internal/input"
)

var replayCommand = command{
	name:    "replay",
	summary: "confirm or refute an answer of bitnet serve or bitnet batch",
	help: `bitnet replay FILE [flags]

Computes an answer that bitnet serve or bitnet batch gave again, on any machine,
and says whether it is the same: text, tokens and their probabilities, why it
ended, usage, and the logits where there is a digest of them. FILE is a JSON
object:

  {"request": {...}, "response": {...}, "digest": "sha256:..."}

with the body that was sent, the body that came, and what the header
X-Bitnet-Digest said, if it was asked for. A response that was streamed is the
text of the stream as a JSON string. A line of what bitnet batch was given and
the line of what it answered are a request and a response, too.

To make such a file:

  curl -s -D head.txt -o response.json -d @request.json \
    -H 'Content-Type: application/json' -H 'X-Bitnet-Digest: sha256' \
    http://127.0.0.1:8080/v1/chat/completions
  printf '{"request":%s,"response":%s,"digest":"%s"}' "$(cat request.json)" \
    "$(cat response.json)" \
    "$(tr -d '\r' < head.txt | sed -n 's/^X-Bitnet-Digest: //ip')" > saved.json

Exit status: 0 where the answer is confirmed; 1 where it is refuted, as is a
FILE that is no such object; 3 where it could not be checked, as with another
model. What nothing can confirm is the answer's id and its time, and how much of
the prompt had been computed before. The name of the model is what the request
calls it. Where the request has no seed, its seed follows from the id.

` + modelHelp + `  --context N       what bitnet serve had, where it had --context
`,
	run: replay,
}

// An uncheckedError says why an answer could not be checked, which says nothing about
// the answer.
type uncheckedError struct{ err error }

func (e *uncheckedError) Error() string { return "it could not be checked: " + e.err.Error() }
func (e *uncheckedError) Unwrap() error { return e.err }
func (e *uncheckedError) status() int   { return 3 }

func uncheckedf(format string, args ...any) error {
	return &uncheckedError{fmt.Errorf(format, args...)}
}

// refutedf says why an answer is not what it says.
func refutedf(format string, args ...any) error {
	return fmt.Errorf("it is refuted: "+format, args...)
}

func replay(c *call) error {
	var model modelFlags
	var tokens int
	flags := c.newFlags()
	model.register(flags, c.settings)
	registerContext(flags, &tokens)
	files, err := parse(flags, c.args)
	if err != nil {
		return err
	}
	if err := checkNames(flags); err != nil {
		return err
	}
	if len(files) != 1 {
		return usagef("%d files: replay takes one saved answer", len(files))
	}
	about := func(err error) error { return fmt.Errorf("%s: %w", files[0], err) }
	f, _, err := input.Open(files[0])
	if err != nil {
		return &uncheckedError{describeOpen(files[0], err)}
	}
	text, err := readInput(f, files[0])
	f.Close()
	if err != nil {
		return &uncheckedError{err}
	}
	saved, err := parseSaved([]byte(text))
	if err != nil {
		return about(err)
	}

	ctx, stop := interruptible()
	defer stop()
	m, _, err := model.open(c)
	if err != nil {
		return &uncheckedError{err}
	}
	defer m.Close()
	options := openai.Options{Parallel: 1, Context: tokens, MaxBody: maxInput, Logger: c.failureLog()}
	handler, err := openai.NewHandler(map[string]*bitnet.Model{saved.model: m}, options)
	if err != nil {
		return about(&uncheckedError{err})
	}
	defer handler.Shutdown(context.Background())
	err = saved.check(ctx, handler)
	if i := interrupted(ctx); i != nil && err != nil {
		return &interruption{i.signal, "before the answer was complete"}
	}
	if err != nil {
		return about(err)
	}
	what := "the same answer"
	if saved.digest != "" {
		what += ", and the same bits of its logits"
	}
	return writeOut(c.stdout, visible(fmt.Sprintf("%s is confirmed: %s gave %s, with %s kernels and %d threads", files[0], model.name(), what, m.Kernels(), m.Threads()))+
		"\nIts id, its time and what had been computed before nothing can confirm.\n")
}

// A savedAnswer is a request with the answer that is said to be its.
type savedAnswer struct {
	path, model string
	request     []byte        // the body
	batch       *batchRequest // where the request is a line of a batch
	response    any           // a JSON value, or a stream
	id          string
	created     int64
	fingerprint string // "" where there is none
	digest      string // "" where there is none
	passing     bool   // it is an error that does not follow from the request
}

// parseSaved parses what a file holds. What is wrong with it is wrong with the
// answer: nobody gave one that looks so.
func parseSaved(text []byte) (*savedAnswer, error) {
	fields, err := uniqueFields(text)
	if err != nil || !utf8.Valid(text) {
		return nil, refutedf("the file is not a JSON object with request and response")
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains([]string{"request", "response", "digest"}, name) {
			return nil, refutedf("the file has %q beside request, response and digest", name)
		}
	}
	s := &savedAnswer{request: fields["request"]}
	if digest, ok := fields["digest"]; ok {
		if json.Unmarshal(digest, &s.digest) != nil || s.digest == "" {
			return nil, refutedf("digest is not a string with a digest: leave it out where there is none")
		}
	}
	request, err := parseJSON(s.request)
	if err != nil {
		return nil, refutedf("request: %v", err)
	}
	asked, ok := request.(map[string]any)
	if !ok {
		return nil, refutedf("request is not a JSON object")
	}
	if asked["custom_id"] != nil && asked["url"] != nil {
		r := parseBatchLine(s.request)
		s.batch, s.request, s.path = &r, r.body, r.path
		asked, _ = asked["body"].(map[string]any)
	}
	if s.response, err = parseAnswer(fields["response"]); err != nil {
		return nil, refutedf("response: %v", err)
	}
	s.describe(asked)
	return s, nil
}

// parseAnswer parses a response: an object, or a string with the text of a stream.
func parseAnswer(data []byte) (any, error) {
	value, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	switch value := value.(type) {
	case map[string]any:
		return value, nil
	case string:
		return parseStream(value)
	}
	return nil, errors.New("it is neither a JSON object nor the text of a stream")
}

// describe takes out of request and response what it needs to compute them again.
// What is missing or has another type is found when the answers are compared.
func (s *savedAnswer) describe(asked map[string]any) {
	first, _ := s.response.(map[string]any)
	if stream, ok := s.response.(stream); ok {
		first = stream.first()
	}
	if s.batch != nil {
		id, _ := first["id"].(string)
		s.id = strings.TrimPrefix(id, batchID)
		first, _ = first["response"].(map[string]any)
		first, _ = first["body"].(map[string]any)
	} else {
		s.id, _ = first["id"].(string)
	}
	if failed, ok := first["error"].(map[string]any); ok {
		// Another kind comes and goes, and which models a server had is not known.
		s.passing = failed["type"] != "invalid_request_error"
	}
	for _, name := range []string{"created", "created_at"} {
		if n, ok := first[name].(json.Number); ok {
			s.created, _ = n.Int64()
		}
	}
	s.fingerprint, _ = first["system_fingerprint"].(string)
	s.model, _ = asked["model"].(string)
	if s.model == "" {
		s.model, _ = first["model"].(string)
		s.model = cmp.Or(s.model, builtIn)
	}
	if s.path != "" {
		return
	}
	switch {
	case asked["messages"] != nil:
		s.path = "/v1/chat/completions"
	case asked["prompt"] != nil:
		s.path = "/v1/completions"
	case first["output"] != nil:
		s.path = "/v1/responses"
	default:
		s.path = "/v1/embeddings"
	}
}

// check computes the answer again and compares.
func (s *savedAnswer) check(ctx context.Context, h *openai.Handler) error {
	fingerprint, err := h.Fingerprint(ctx, s.model)
	switch {
	case err != nil:
		return &uncheckedError{err}
	case s.fingerprint != "" && s.fingerprint != fingerprint:
		return uncheckedf("it is an answer of %s, and here the model is %s: name that model by --model, and use a version of bitnet with the same arithmetic", s.fingerprint, fingerprint)
	case s.passing:
		return uncheckedf("it is an error that does not follow from the request alone")
	}
	var computed openai.Response
	if s.batch == nil || s.batch.refused == nil {
		computed = h.Do(ctx, openai.Request{Path: s.path, Body: s.request, ID: s.id, Created: time.Unix(s.created, 0), Digest: s.digest != ""})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if computed.Status >= 500 {
			return uncheckedf("%s", failureIn(computed.Body).Message)
		}
	}
	answer := computed.Body
	if s.batch != nil {
		answer = batchAnswer(s.id, *s.batch, computed)
	}
	return s.compare(answer, computed.Digest)
}

// compare compares what was saved with what was computed.
func (s *savedAnswer) compare(answer []byte, digest string) error {
	if !bytes.HasPrefix(answer, []byte("{")) {
		answer = compactJSON(string(answer)) // a stream, as it is saved
	}
	want, err := parseAnswer(answer)
	if err != nil {
		return err // by this program: it has no such answers
	}
	if at := differs("response", s.response, want); at != "" {
		return refutedf("%s", at)
	}
	if s.digest != digest {
		return refutedf("digest is %s, and that of the computed logits %s", s.digest, cmp.Or(digest, "none"))
	}
	return nil
}

// parseJSON parses JSON of which all programs have the same understanding, and
// leaves out what says nothing, or nothing that depends on the request: fields that
// are null, and how much of a prompt had been computed before. Numbers stay as they
// are written.
func parseJSON(data []byte) (any, error) { return parseNested(data, 0) }

func parseNested(data []byte, depth int) (any, error) {
	data = bytes.TrimSpace(data)
	const most = 100
	switch {
	case len(data) == 0:
		return nil, errors.New("it is missing")
	case depth > most:
		return nil, fmt.Errorf("it is nested more than %d levels deep", most)
	}
	switch data[0] {
	case '{':
		fields, err := uniqueFields(data)
		if err != nil {
			return nil, err
		}
		object := map[string]any{}
		for name, field := range fields {
			value, err := parseNested(field, depth+1)
			if err != nil {
				return nil, err
			}
			if value != nil {
				object[name] = value
			}
		}
		for _, side := range []string{"prompt", "input"} {
			dropCached(object, side+"_tokens_details", side+"_tokens")
		}
		return object, nil
	case '[':
		var elements []json.RawMessage
		if err := json.Unmarshal(data, &elements); err != nil {
			return nil, err
		}
		list := make([]any, len(elements))
		for i, e := range elements {
			var err error
			if list[i], err = parseNested(e, depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	return value, err
}

// dropCached leaves out a field that says how many tokens had been computed before,
// and nothing else, where it can be so.
func dropCached(object map[string]any, name, of string) {
	details, ok := object[name].(map[string]any)
	cached, number := details["cached_tokens"].(json.Number)
	all, both := object[of].(json.Number)
	if !ok || !number || !both || len(details) != 1 {
		return
	}
	n, err := cached.Int64()
	total, wrong := all.Int64()
	if err == nil && wrong == nil && n >= 0 && n <= total {
		delete(object, name)
	}
}

// differs says where what was saved is not what was computed, or "".
func differs(at string, saved, computed any) string {
	switch want := computed.(type) {
	case map[string]any:
		got, ok := saved.(map[string]any)
		if !ok {
			break
		}
		names := maps.Clone(got)
		maps.Copy(names, want)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if d := differs(at+"."+name, got[name], want[name]); d != "" {
				return d
			}
		}
		return ""
	case []any:
		got, ok := saved.([]any)
		if !ok {
			break
		}
		for i := range max(len(got), len(want)) {
			place := fmt.Sprintf("%s[%d]", at, i)
			switch {
			case i >= len(got):
				return place + " is missing"
			case i >= len(want):
				return place + " is too much"
			}
			if d := differs(place, got[i], want[i]); d != "" {
				return d
			}
		}
		return ""
	case stream:
		if got, ok := saved.(stream); ok {
			return got.differs(at, want)
		}
	case json.Number:
		if got, ok := saved.(json.Number); ok && sameNumber(got, want) {
			return ""
		}
	default: // a string, true, false, or nothing
		if saved == computed {
			return ""
		}
	}
	return fmt.Sprintf("%s is %s, and computed again %s", at, shortened(saved), shortened(computed))
}

// sameNumber compares numbers by their value as float64, as programs read them, and
// whole ones by their digits, of which they may have more.
func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	if !strings.ContainsAny(string(a+b), ".eE") {
		return false
	}
	x, err := strconv.ParseFloat(string(a), 64)
	y, wrong := strconv.ParseFloat(string(b), 64)
	return err == nil && wrong == nil && x == y
}

// shortened returns a value for a message of one line.
func shortened(value any) string {
	if value == nil {
		return "not there"
	}
	if _, ok := value.(stream); ok {
		return "a stream"
	}
	text := string(compactJSON(value))
	const most = 100
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// A stream is what was sent in events, as their data in order, with the names of
// those that have one.
type stream []any

// parseStream parses the text of a stream, of which each byte must have its place.
// Line breaks at the end may be missing, as shells leave them out.
func parseStream(text string) (stream, error) {
	var all stream
	for i, event := range strings.Split(strings.TrimRight(text, "\n"), "\n\n") {
		rest, named := strings.CutPrefix(event, "event: ")
		name := ""
		if named {
			name, rest, _ = strings.Cut(rest, "\n")
		}
		data, ok := strings.CutPrefix(rest, "data: ")
		if !ok {
			return nil, fmt.Errorf("event %d of the stream is not a line of data", i)
		}
		if data == "[DONE]" && !named {
			all = append(all, data)
			continue
		}
		value, err := parseJSON([]byte(data))
		object, ok := value.(map[string]any)
		if err != nil || !ok || strings.Contains(data, "\n") {
			return nil, fmt.Errorf("event %d of the stream is not a line with a JSON object", i)
		}
		if named && object["type"] != name {
			return nil, fmt.Errorf("event %d of the stream has two names", i)
		}
		all = append(all, object)
	}
	return all, nil
}

// first returns the object with which a stream begins.
func (s stream) first() map[string]any {
	first, _ := s[0].(map[string]any)
	if response, ok := first["response"].(map[string]any); ok {
		return response
	}
	return first
}

// differs says where a stream is not the computed one. The choices of a chunk come
// in an order of their moment, and in between what keeps a connection alive: here
// each choice is compared for itself, without the latter.
func (s stream) differs(at string, computed stream) string {
	got, err := s.byChoice()
	if err != nil {
		return at + ": " + err.Error()
	}
	want, err := computed.byChoice()
	if err != nil {
		return at + ": " + err.Error()
	}
	for _, choice := range slices.Sorted(maps.Keys(want)) {
		if _, ok := got[choice]; !ok {
			return fmt.Sprintf("%s: the stream lacks choice %s", at, choice)
		}
	}
	for _, choice := range slices.Sorted(maps.Keys(got)) {
		name := at
		if choice != "" {
			name = fmt.Sprintf("%s, choice %s, event ", at, choice)
		}
		if d := differs(name, got[choice], want[choice]); d != "" {
			return d
		}
	}
	return ""
}

// byChoice returns the events of each choice, by its index as it is written, and
// those of none by "". What it leaves out it checks: that which says nothing, and
// the numbers of events, which count that.
func (s stream) byChoice() (map[string]any, error) {
	all := map[string][]any{"": nil}
	var head map[string]any
	item := any(nil)
	for i, e := range s {
		event, _ := e.(map[string]any)
		if n, ok := event["sequence_number"]; ok {
			if n != json.Number(strconv.Itoa(i)) {
				return nil, fmt.Errorf("event %d of the stream has the number %s", i, shortened(n))
			}
			event = maps.Clone(event)
			delete(event, "sequence_number")
			if item = cmp.Or(event["item_id"], item); differs("", event, silentDelta(item)) != "" {
				all[""] = append(all[""], event)
			}
			continue
		}
		choices, _ := event["choices"].([]any)
		if len(choices) != 1 {
			all[""] = append(all[""], e)
			continue
		}
		if len(all[""]) > 0 {
			return nil, fmt.Errorf("event %d of the stream comes after its end", i)
		}
		choice, _ := choices[0].(map[string]any)
		index := shortened(choice["index"])
		if all[index] == nil || says(choice) { // it may begin with nothing
			all[index] = append(all[index], e)
		}
		rest := maps.Clone(event)
		delete(rest, "choices")
		if head == nil {
			head = rest
		}
		if d := differs(fmt.Sprintf("event %d of the stream", i), rest, head); d != "" {
			return nil, errors.New(strings.Replace(d, "computed again", "before", 1))
		}
	}
	groups := map[string]any{}
	for index, events := range all {
		groups[index] = events
	}
	return groups, nil
}

// says reports whether there is anything new in a chunk's choice.
func says(choice map[string]any) bool {
	for name, value := range choice {
		delta, _ := value.(map[string]any)
		switch {
		case name == "index" || name == "text" && value == "":
		case name == "delta" && len(delta) == 1 && delta["content"] == "":
		default:
			return true
		}
	}
	return len(choice) < 2
}

// silentDelta is the event of a response that says nothing new.
func silentDelta(item any) map[string]any {
	return map[string]any{
		"type": "response.output_text.delta", "item_id": item, "output_index": json.Number("0"),
		"content_index": json.Number("0"), "delta": "", "logprobs": []any{},
	}
}
