package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/openai"
	"github.com/gobitnet/gobitnet/internal/input"
)

var batchCommand = command{
	name:    "batch",
	summary: "answer a file of requests, as OpenAI's batches have them",
	help: `bitnet batch --input REQUESTS --output ANSWERS [--shard I/N] [flags]

Answers a file with a request in each line, many at a time, and writes a file
with an answer in each line, in the same order:

  {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions",
   "body": {...}}
  {"id": "batch_req_...", "custom_id": "a", "response": {"status_code": 200,
   "request_id": "req_...", "body": {...}}, "error": null}

The url may also be /v1/completions, /v1/responses or /v1/embeddings. A line
that is no such request gets an answer with an error, and so does a request that
the server would refuse. Two requests with the same custom_id are refused before
anything is computed.

The same requests and models give the same bytes, on every machine: the ids
follow from a line and the models, a seed that is not given follows from the id,
and created is 0. So work that was interrupted, by Ctrl-C or worse, is taken up
by the same command: what is done is not done again, and a line that was torn is
written anew. The output is whole when the exit status is 0.

  --input F         the requests, one JSON object in a line of at most 16 MiB
  --output F        the answers; what is there already must be their beginning
  --shard I/N       answer the part I of N alone, counted from 0. Parts are
                    ranges of lines: their outputs, one behind the other, are
                    the bytes of the whole
` + servedHelp + `
  --parallel N      compute N answers at the same time (default: 8)
  --context N       hold N tokens at most in a prompt with its answer (default:
                    as many as the model can)
  --kv-memory SIZE  use this much memory, as 2GiB or 800MB, for KV caches
                    (default: enough for --parallel answers of full length)
`,
	run: batch,
}

func batch(c *call) (err error) {
	var s serveFlags
	flags := c.newFlags()
	s.registerModels(flags, c.settings)
	s.registerMany(flags)
	from := flags.String("input", "", "")
	to := flags.String("output", "", "")
	wanted := flags.String("shard", "0/1", "")
	if err := parseAlone(flags, c.args); err != nil {
		return err
	}
	part, err := parseShard(*wanted)
	if err != nil {
		return err
	}
	if *from == "" || *to == "" {
		return usagef("name the file of the requests by --input, and that of the answers by --output")
	}
	requests, info, err := input.Open(*from)
	if err != nil {
		return describeOpen(*from, err)
	}
	defer requests.Close()
	if other, err := os.Stat(*to); err == nil && os.SameFile(info, other) {
		return usagef("%s is both --input and --output", *to)
	}
	ctx, stop := interruptible()
	defer stop()
	total, err := countRequests(ctx, requests)
	if i := interrupted(ctx); i != nil && err != nil {
		return &interruption{i.signal, "while the requests were read"}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", *from, err)
	}

	options, err := s.options()
	if err != nil {
		return err
	}
	models, closeModels, err := s.open(c)
	if err != nil {
		return err
	}
	defer closeModels()
	if options.Parallel == 0 {
		options.Parallel = 8
	}
	options.Queue = options.Parallel // nothing is refused
	options.MaxBody = maxBatchLine
	options.Logger = c.failureLog()
	handler, err := openai.NewHandler(models, options)
	if err != nil {
		return err
	}
	defer handler.Shutdown(context.Background())
	key, err := batchKey(ctx, handler, slices.Sorted(maps.Keys(models)), options.Context)
	if i := interrupted(ctx); i != nil && err != nil {
		return &interruption{i.signal, "before the first answer"}
	}
	if err != nil {
		return err
	}
	answers, err := openAnswers(*to)
	if err != nil {
		return err
	}
	defer func() {
		if closing := answers.Close(); err == nil && closing != nil {
			err = fmt.Errorf("cannot write %s: %w", *to, cause(closing))
		}
	}()
	b := &batchWork{
		handler: handler, key: key, input: *from, output: *to, answers: answers,
		parallel: options.Parallel, total: part.end(total) - part.start(total), shown: newProgress(c, time.Second), told: c.infof,
	}
	if err := b.seek(requests, part.start(total)); err != nil {
		return err
	}
	if err := b.resume(); err != nil {
		return err
	}
	if b.written > 0 {
		c.infof("%s: %d of %d requests are answered already", *to, b.written, b.total)
	}
	err = b.run(ctx)
	b.shown.erase()
	if i := interrupted(ctx); i != nil && err != nil {
		return &interruption{i.signal, fmt.Sprintf("after %d of %d requests: the same command goes on from there", b.written, b.total)}
	}
	if err != nil {
		return err
	}
	c.infof("%s: %d requests answered now, %d of them with an error; all %d are done", *to, b.answered, b.refused, b.total)
	return nil
}

// failureLog returns a log that tells why a model failed, and nothing else.
func (c *call) failureLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

// openAnswers opens the file of the answers, which may have been begun.
func openAnswers(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("cannot write %s: it is no regular file: choose another one", path)
	}
	answers, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("cannot write %s: %w: choose another file", path, cause(err))
	}
	return answers, nil
}

// A shard is one of several parts of the requests, counted from 0.
type shard struct{ part, parts int }

// parseShard parses I/N.
func parseShard(text string) (shard, error) {
	first, second, ok := strings.Cut(text, "/")
	parts, err := parseCount(second, math.MaxInt32)
	part, wrong := parseCount(first, math.MaxInt32)
	if !ok || err != nil || wrong != nil || part >= parts {
		return shard{}, usagef("--shard %q is not I/N, a part from 0 to N-1 and how many there are", text)
	}
	return shard{part, parts}, nil
}

// start returns with which of so many requests the part begins, end with which the
// next one does.
func (s shard) start(total int) int {
	return total/s.parts*s.part + total%s.parts*s.part/s.parts
}

func (s shard) end(total int) int { return shard{s.part + 1, s.parts}.start(total) }

// maxBatchLine is how many bytes a request may have.
const maxBatchLine = 16 << 20

// A batchLine is one line of the requests.
type batchLine struct {
	number int               // in the file, from 1
	data   []byte            // without the white space around it; nil where it is too long
	sum    [sha256.Size]byte // of the line, however long it is
}

// A batchReader reads lines of bounded length. Lines of white space are none.
type batchReader struct {
	r      *bufio.Reader
	number int
}

func newBatchReader(r io.Reader) *batchReader {
	return &batchReader{r: bufio.NewReaderSize(input.SkipMark(r), 1<<16)}
}

// next returns the next line, or io.EOF behind the last one.
func (b *batchReader) next() (batchLine, error) {
	for {
		var data []byte
		sum, tooLong := sha256.New(), false
		var piece []byte
		err := bufio.ErrBufferFull
		for err == bufio.ErrBufferFull {
			piece, err = b.r.ReadSlice('\n')
			if tooLong = tooLong || len(data)+len(piece) > maxBatchLine; tooLong {
				sum.Write(data)
				sum.Write(piece)
				data = nil
				continue
			}
			data = append(data, piece...)
		}
		if err != nil && err != io.EOF {
			return batchLine{}, err
		}
		b.number++
		if tooLong {
			return batchLine{number: b.number, sum: [sha256.Size]byte(sum.Sum(nil))}, nil
		}
		if data = bytes.TrimSpace(data); len(data) > 0 {
			return batchLine{number: b.number, data: data, sum: sha256.Sum256(data)}, nil
		}
		if err == io.EOF {
			return batchLine{}, io.EOF
		}
	}
}

// countRequests reads all requests and returns how many there are. It refuses two
// with the same custom_id: nobody could tell their answers apart.
func countRequests(ctx context.Context, requests io.Reader) (total int, err error) {
	type name [16]byte // of a SHA-256: names may be long, and many
	seen := map[name]int{}
	lines := newBatchReader(requests)
	for ; ctx.Err() == nil; total++ {
		line, err := lines.next()
		if err == io.EOF {
			if total == 0 {
				return 0, errors.New("there is no request in it: write one in a line")
			}
			return total, nil
		}
		if err != nil {
			return 0, cause(err)
		}
		id := parseBatchLine(line.data).customID
		if id == nil {
			continue
		}
		sum := sha256.Sum256([]byte(*id))
		if first, ok := seen[name(sum[:16])]; ok {
			return 0, fmt.Errorf("lines %d and %d have the same custom_id %q: give each one of its own", first, line.number, *id)
		}
		seen[name(sum[:16])] = line.number
	}
	return 0, context.Cause(ctx)
}

// A batchRequest is what a line asks for, or why it cannot be answered.
type batchRequest struct {
	customID *string
	path     string
	body     []byte
	refused  *batchError
}

// A batchError is OpenAI's form of what is wrong with a line.
type batchError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// batchPaths are the endpoints that a batch may ask.
var batchPaths = []string{"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings"}

// parseBatchLine parses a line. What it says about a wrong one does not depend on
// the version of a library, since it becomes part of the output.
func parseBatchLine(data []byte) (r batchRequest) {
	refuse := func(code, format string, args ...any) batchRequest {
		r.refused = &batchError{code, fmt.Sprintf(format, args...)}
		return r
	}
	if data == nil {
		return refuse("line_too_long", "the line has more than %d bytes", maxBatchLine)
	}
	if !utf8.Valid(data) {
		return refuse("invalid_json", "the line is not valid UTF-8")
	}
	fields, err := uniqueFields(data)
	if err != nil {
		return refuse("invalid_json", "the line is not a JSON object with each field once")
	}
	text := func(name string) (text string, ok bool) {
		value := fields[name]
		return text, len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &text) == nil
	}
	id, ok := text("custom_id")
	if !ok || id == "" {
		return refuse("invalid_custom_id", "custom_id must be a string that is not empty")
	}
	r.customID = &id
	if method, _ := text("method"); method != "POST" {
		return refuse("invalid_method", "method must be POST")
	}
	if r.path, _ = text("url"); !slices.Contains(batchPaths, r.path) {
		return refuse("invalid_url", "url must be one of %s", strings.Join(batchPaths, ", "))
	}
	r.body = fields["body"]
	var body map[string]json.RawMessage
	if json.Unmarshal(r.body, &body) != nil || body == nil {
		return refuse("invalid_body", "body must be a JSON object")
	}
	if string(body["stream"]) == "true" {
		return refuse("invalid_body", "body.stream must not be true: answers are written as a whole")
	}
	return r
}

// uniqueFields returns the fields of a JSON object, by their names as they are
// written. One that is there twice is refused.
func uniqueFields(data []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	fields := map[string]json.RawMessage{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		text, _ := name.(string) // the decoder takes no other name
		if _, twice := fields[text]; twice {
			return nil, fmt.Errorf("%q is there twice", text)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		fields[text] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("something follows the object")
	}
	return fields, nil
}

// batchKey returns what the ids of all answers rest on beside their lines: whatever
// names the models' results. So a file that another model began is not gone on with.
func batchKey(ctx context.Context, h *openai.Handler, names []string, tokens int) ([]byte, error) {
	key := sha256.New()
	fmt.Fprintf(key, "bitnet batch 1\n%d\n", tokens)
	for _, name := range names {
		fingerprint, err := h.Fingerprint(ctx, name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(key, "%q %q\n", name, fingerprint)
	}
	return key.Sum(nil), nil
}

// batchWork answers the requests of one part.
type batchWork struct {
	handler       *openai.Handler
	key           []byte
	input, output string
	parallel      int
	total         int // requests
	shown         *progress
	told          func(format string, args ...any)

	reading sync.Mutex
	lines   *batchReader
	torn    *batchLine // the request whose answer was torn
	next    int        // the number of the next request

	writing     sync.Mutex
	answers     *os.File
	size        int64          // of those that are whole
	written     int            // answers, with those that were there
	waiting     map[int][]byte // answers that came before their turn
	answered    int            // now
	refused     int            // of these
	began, tell time.Time
}

// seek goes to the request with which the part begins.
func (b *batchWork) seek(requests *os.File, start int) error {
	_, err := requests.Seek(0, io.SeekStart)
	b.lines = newBatchReader(requests)
	for range start {
		if err == nil {
			_, err = b.lines.next()
		}
	}
	return b.describeRead(err)
}

func (b *batchWork) describeRead(err error) error {
	if err == io.EOF {
		return fmt.Errorf("%s was cut while it was read", b.input)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", b.input, cause(err))
	}
	return nil
}

// maxAnswer is how many bytes of a line of answers are read, far beyond what a
// context holds.
const maxAnswer = 1 << 30

// resume finds the answers that are there already: they must be those to the first
// requests. Behind them may be the beginning of the next one, which is written over.
//
// Nothing is locked, and nothing cut off before the end. Two programs that write the
// same answers write the same bytes at the same places.
func (b *batchWork) resume() error {
	answers := bufio.NewReaderSize(b.answers, 1<<20)
	for {
		data, err := readLine(answers, maxAnswer)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", b.output, cause(err))
		}
		if b.written == b.total {
			return fmt.Errorf("%s holds more than the answers to these requests: name another output, or remove it", b.output)
		}
		line, err := b.lines.next()
		if err != nil {
			return b.describeRead(err)
		}
		beginning := b.beginning(line)
		_, end := answers.Peek(1)
		switch {
		case bytes.HasPrefix(data, beginning) && data[len(data)-1] == '\n' && json.Valid(data):
			b.size += int64(len(data))
			b.written++
		case end == io.EOF && bytes.HasPrefix(beginning, data[:min(len(beginning), len(data))]):
			b.torn = &line
			return nil
		default:
			return fmt.Errorf("line %d of %s is not what this program and these models answer: name another output, or remove it", b.written+1, b.output)
		}
	}
}

// readLine reads a line with its end, which the last one may lack, or io.EOF.
func readLine(r *bufio.Reader, most int) ([]byte, error) {
	var data []byte
	for {
		piece, err := r.ReadSlice('\n')
		if data = append(data, piece...); len(data) > most {
			return nil, fmt.Errorf("a line has more than %d bytes", most)
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err == io.EOF && len(data) > 0:
			return data, nil
		default:
			return data, err
		}
	}
}

// answersAhead is how many answers, for each that is computed, may wait for one
// before them.
const answersAhead = 16

// run answers what has not been answered.
func (b *batchWork) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b.next, b.waiting, b.began = b.written, map[int][]byte{}, time.Now()
	b.tell = b.began.Add(tellEvery)
	room := make(chan struct{}, answersAhead*b.parallel)
	var workers sync.WaitGroup
	for range min(b.parallel, b.total-b.written) {
		workers.Go(func() {
			for {
				if more, err := b.one(ctx, room); err != nil {
					cancel(err)
				} else if more {
					continue
				}
				return
			}
		})
	}
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	// Ruins of another version may be longer than what was written over them.
	err := b.answers.Truncate(b.size)
	if err == nil {
		err = b.answers.Sync()
	}
	return b.describeWrite(err)
}

// one answers the next request, if there is one.
func (b *batchWork) one(ctx context.Context, room chan struct{}) (more bool, err error) {
	// Whoever has a request has room for its answer, so the first always comes.
	select {
	case room <- struct{}{}:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	number, line, err := b.take()
	if err != nil || line == nil {
		<-room
		return false, err
	}
	a, refused, err := b.answer(ctx, *line)
	if err != nil {
		return false, err
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	b.answered++
	if refused {
		b.refused++
	}
	b.waiting[number] = a
	for ; b.waiting[b.written] != nil; b.written++ {
		a := b.waiting[b.written]
		delete(b.waiting, b.written)
		if _, err := b.answers.WriteAt(a, b.size); err != nil {
			return false, b.describeWrite(err)
		}
		b.size += int64(len(a))
		<-room
	}
	b.report()
	return true, nil
}

func (b *batchWork) describeWrite(err error) error {
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", b.output, cause(err))
	}
	return nil
}

// take returns the next request and its number, or nil where there is none.
func (b *batchWork) take() (int, *batchLine, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.next == b.total {
		return 0, nil, nil
	}
	number, line := b.next, b.torn
	b.next++
	if b.torn = nil; line != nil {
		return number, line, nil
	}
	read, err := b.lines.next()
	return number, &read, b.describeRead(err)
}

// tellEvery is how often it is told, where there is no terminal, how far it came.
const tellEvery = 10 * time.Second

// report shows how far the work has come.
func (b *batchWork) report() {
	now := time.Now()
	if !b.shown.enabled() && now.Before(b.tell) {
		return
	}
	b.tell = now.Add(tellEvery)
	each := now.Sub(b.began) / time.Duration(b.answered)
	left := (each * time.Duration(b.total-b.written)).Round(time.Second)
	if b.shown.enabled() {
		b.shown.show("%d of %d requests, %v left", b.written, b.total, left)
		return
	}
	b.told("%s: %d of %d requests, %v left", b.output, b.written, b.total, left)
}

// id returns what the ids of an answer are made of.
func (b *batchWork) id(line batchLine) string {
	sum := sha256.Sum256(append(slices.Clone(b.key), line.sum[:]...))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16])
}

// beginning returns what the answer to a line begins with.
func (b *batchWork) beginning(line batchLine) []byte {
	return batchBeginning(b.id(line), parseBatchLine(line.data).customID)
}

func batchBeginning(id string, customID *string) []byte {
	return fmt.Appendf(nil, `{"id":%s,"custom_id":%s`, compactJSON(batchID+id), compactJSON(customID))
}

// batchID is what the id of a line of answers begins with.
const batchID = "batch_req_"

// batchAnswer returns the line that answers a request, with what was computed unless
// it was refused.
func batchAnswer(id string, r batchRequest, computed openai.Response) []byte {
	line := batchBeginning(id, r.customID)
	if r.refused != nil {
		return fmt.Appendf(line, `,"response":null,"error":%s}`+"\n", compactJSON(r.refused))
	}
	return fmt.Appendf(line, `,"response":{"status_code":%d,"request_id":%s,"body":%s},"error":null}`+"\n",
		computed.Status, compactJSON("req_"+id), bytes.TrimSuffix(computed.Body, []byte("\n")))
}

// compactJSON returns a value as JSON, in which <, > and & stand as they are.
func compactJSON(value any) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // no value that is given has what JSON lacks
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// answer computes the answer to a request: its line, and whether it is an error. Its
// own error is one of the program or the model, which the next try may not meet.
func (b *batchWork) answer(ctx context.Context, line batchLine) (a []byte, refused bool, err error) {
	r, id := parseBatchLine(line.data), b.id(line)
	if r.refused != nil {
		return batchAnswer(id, r, openai.Response{}), true, nil
	}
	computed := b.handler.Do(ctx, openai.Request{Path: r.path, Body: r.body, ID: id, Created: time.Unix(0, 0)})
	refused = computed.Status != http.StatusOK
	if refused && ctx.Err() != nil {
		return nil, false, context.Cause(ctx)
	}
	if failure := failureIn(computed.Body); failure.Code == "model_failed" && failure.Message != bitnet.ErrNotFinite.Error() {
		return nil, false, fmt.Errorf("line %d of %s: %s", line.number, b.input, failure.Message)
	}
	return batchAnswer(id, r, computed), refused, nil
}

// apiFailure is OpenAI's form of an error.
type apiFailure struct{ Code, Type, Message string }

// failureIn returns the error in an answer, empty where there is none.
func failureIn(body []byte) apiFailure {
	var answer struct{ Error apiFailure }
	if json.Unmarshal(body, &answer) != nil {
		return apiFailure{}
	}
	return answer.Error
}
