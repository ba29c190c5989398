package openai

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/cors"

	"github.com/gobitnet/gobitnet/bitnet"
)

// Options say how a [Handler] serves. The zero value is ready for use.
type Options struct {
	// Logger gets a line for each request, without anything that was asked or
	// answered; nil is none.
	Logger *slog.Logger
	// APIKeys are the keys of which a request must bring one as its bearer. The
	// sessions of one are never used for another. Without keys everybody is served.
	APIKeys []string
	// Origins are the web sites whose pages may use the server from a browser, as
	// "https://example.org", or "*" for all. Without them only its own page may.
	Origins []string

	// Parallel is how many answers are computed at the same time; 0 is 8.
	Parallel int
	// Queue is how many requests may wait beyond these; 0 is 64, −1 none.
	Queue int
	// Context is how many tokens a prompt and its answer may have together; 0 is as
	// many as each model can.
	Context int
	// KVMemory is the memory in bytes for the KV caches of all requests and of the
	// sessions that are kept for later ones; 0 is as much as Parallel answers of
	// full length need. A request that it has no room for waits.
	KVMemory int64
	// RequestTimeout bounds how long a request takes, waiting included; 0 does not.
	RequestTimeout time.Duration
	// MaxBody is how many bytes the body of a request may have; 0 is 4 MiB.
	MaxBody int64
	// DrainDelay is for how long [Handler.Shutdown] still takes new requests, so that
	// whoever sends them learns first that it should not.
	DrainDelay time.Duration

	// Registry is where the metrics are registered; nil is one of the handler's own.
	Registry *prometheus.Registry
	// VLLMMetrics adds the three gauges that routers look at under vLLM's names.
	VLLMMetrics bool
	// NoMetricsPath answers /metrics with 404: the metrics are served elsewhere.
	NoMetricsPath bool
	// Version is what /version says; "" is "unknown".
	Version string
}

// withDefaults checks the options and fills in what they leave open.
func (o Options) withDefaults(models map[string]*bitnet.Model) (Options, error) {
	bad := func(option, format string, args ...any) (Options, error) {
		return o, &bitnet.OptionError{Option: option, Reason: fmt.Sprintf(format, args...)}
	}
	if len(models) == 0 {
		return bad("models", "there are none")
	}
	for id, m := range models {
		if id == "" || len(id) > 256 || !utf8.ValidString(id) || strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return bad("models", "%q cannot be the name of a model", id)
		}
		if m == nil {
			return bad("models", "%q is nil", id)
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for _, key := range o.APIKeys {
		if key == "" || strings.TrimSpace(key) != key {
			return bad("API keys", "a key is empty, or begins or ends with white space")
		}
	}
	const maxParallel, maxQueue = 1024, 1 << 20
	if o.Parallel == 0 {
		o.Parallel = 8
	}
	if o.Parallel < 1 || o.Parallel > maxParallel {
		return bad("parallel", "%d is not between 1 and %d", o.Parallel, maxParallel)
	}
	if o.Queue == 0 {
		o.Queue = 64
	}
	if o.Queue < -1 || o.Queue > maxQueue {
		return bad("queue", "%d is not between −1 and %d", o.Queue, maxQueue)
	}
	o.Queue = max(o.Queue, 0)
	least, enough := int64(0), int64(0)
	for id, m := range models {
		context := o.contextOf(m)
		if context < 2 || context > m.Config().ContextLength {
			return bad("context", "%d tokens are not between 2 and the %d of the model %s", context, m.Config().ContextLength, id)
		}
		one := sessionBytes(m, context)
		least, enough = max(least, one), max(enough, int64(o.Parallel)*one)
	}
	if o.KVMemory == 0 {
		o.KVMemory = enough
	}
	if o.KVMemory < least {
		return bad("KV memory", "%d bytes are less than the %d that one answer of full length needs: give more, or lower the context", o.KVMemory, least)
	}
	if o.RequestTimeout < 0 || o.DrainDelay < 0 || o.MaxBody < 0 {
		return bad("request timeout, drain delay and body limit", "one of them is negative")
	}
	if o.MaxBody == 0 {
		o.MaxBody = 4 << 20
	}
	if o.Version == "" {
		o.Version = "unknown"
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	return o, nil
}

func (o *Options) contextOf(m *bitnet.Model) int {
	if o.Context > 0 {
		return o.Context
	}
	return m.Config().ContextLength
}

// A Handler serves models by OpenAI's interface, and by a part of ollama's. It is
// an [http.Handler] for any server.
type Handler struct {
	options Options
	models  map[string]*model
	names   []string // of the models, sorted
	created time.Time
	routes  map[string]route
	handler http.Handler // everything
	keys    apiKeys
	queue   *queue
	shelf   *shelf
	metrics *metrics

	keepAlive    time.Duration // how long a stream is silent at most
	bodyTimeout  time.Duration // how long the body of a request may take to come
	writeTimeout time.Duration // how long a client may take to read what it is sent

	// Shutting down.
	leaving  atomic.Bool // no longer ready
	refusing atomic.Bool // takes no new requests
	requests sync.WaitGroup
	mu       sync.Mutex      // held to begin requests, and to refuse them
	ended    context.Context // ends what is still running
	end      context.CancelFunc
}

// NewHandler returns a handler that serves models by their names, which may have
// slashes in them. The models stay the caller's, who closes them after
// [Handler.Shutdown]. An unusable option is a [*bitnet.OptionError].
func NewHandler(models map[string]*bitnet.Model, options Options) (*Handler, error) {
	options, err := options.withDefaults(models)
	if err != nil {
		return nil, err
	}
	h := &Handler{
		options: options,
		models:  map[string]*model{},
		names:   slices.Sorted(maps.Keys(models)),
		created: time.Now(),
		keys:    newAPIKeys(options.APIKeys),

		keepAlive: 15 * time.Second, bodyTimeout: time.Minute, writeTimeout: time.Minute,
	}
	h.ended, h.end = context.WithCancel(context.Background())
	h.queue = newQueue(options.Parallel, options.Queue, len(options.APIKeys))
	h.queue.memory = options.KVMemory
	h.shelf = newShelf(h.queue.room)
	for id, m := range models {
		h.models[id] = newModel(id, m, options.contextOf(m))
	}
	if h.metrics, err = newMetrics(h); err != nil {
		return nil, &bitnet.OptionError{Option: "registry", Err: err}
	}
	h.routes = h.newRoutes()
	if h.handler, err = h.protect(http.HandlerFunc(h.serve)); err != nil {
		return nil, err
	}
	for _, m := range h.models {
		h.requests.Go(func() { h.prove(m) })
	}
	return h, nil
}

// protect lets browsers use the handler as far as the origins say.
func (h *Handler) protect(next http.Handler) (http.Handler, error) {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := h.newCall(w, r)
		c.fail(&failure{
			status: http.StatusForbidden, kind: invalidRequest, code: "origin_not_allowed",
			message: "pages of this origin may not use the server: its owner can allow them",
		})
		c.done()
	}))
	all := slices.Contains(h.options.Origins, "*")
	for _, origin := range h.options.Origins {
		if origin == "*" {
			continue
		}
		if err := protection.AddTrustedOrigin(origin); err != nil {
			return nil, &bitnet.OptionError{Option: "origins", Err: err}
		}
	}
	if !all {
		next = protection.Handler(next)
	}
	if len(h.options.Origins) == 0 {
		return next, nil
	}
	return cors.New(cors.Options{
		AllowedOrigins:       h.options.Origins,
		AllowedMethods:       []string{http.MethodGet, http.MethodHead, http.MethodPost},
		AllowedHeaders:       []string{"*"},
		ExposedHeaders:       []string{"Retry-After", "X-Request-Id", digestHeader},
		MaxAge:               600,
		OptionsSuccessStatus: http.StatusNoContent,
	}).Handler(next), nil
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }

// A call is one request on its way through the handler.
type call struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	ctx    context.Context // of what is computed for it
	name   string          // of its endpoint
	key    int             // the number of its API key
	id     string          // for the log
	ollama bool            // its errors are strings
	start  time.Time

	// What identifies its answer; "" and zero are chosen when needed. See Request.
	answerID string
	created  time.Time
	direct   bool // not from a client: nothing of the moment is to be in the answer

	status   int
	written  bool
	failed   *failure
	prompt   int // tokens, for the log
	computed int
	model    string
}

func (h *Handler) newCall(w http.ResponseWriter, r *http.Request) *call {
	c := &call{h: h, w: w, r: r, ctx: r.Context(), name: "other", start: time.Now()}
	if c.id = r.Header.Get("X-Request-Id"); !isRequestID(c.id) {
		c.id = rand.Text()
	}
	c.ollama = strings.HasPrefix(r.URL.Path, "/api/")
	w.Header().Set("X-Request-Id", c.id)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	return c
}

// isRequestID reports whether an id from outside can go into logs as it is.
func isRequestID(id string) bool {
	return id != "" && len(id) <= 128 && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	h.handle(h.newCall(w, r))
}

// handle has a request answered, whatever happens.
func (h *Handler) handle(c *call) {
	defer c.done()
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		f := h.internal(v, debug.Stack())
		if c.written && !c.direct {
			panic(http.ErrAbortHandler) // the client must not take it for whole
		}
		c.fail(f)
	}()
	h.dispatch(c)
}

// dispatch finds the endpoint of a request and has it answer.
func (h *Handler) dispatch(c *call) {
	path := c.r.URL.Path
	route, ok := h.routes[path]
	if id, found := strings.CutPrefix(path, modelPath); !ok && found && id != "" {
		route, ok = h.routes[modelPath], true
	}
	if !ok || path == modelPath {
		c.fail(notFound("unknown_url", "", "there is nothing at %s %s", c.r.Method, path))
		return
	}
	c.name = route.name
	method := c.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if method == http.MethodOptions {
		c.w.Header().Set("Allow", route.allow())
		c.writeHeader(http.StatusNoContent)
		return
	}
	if method != route.method {
		c.w.Header().Set("Allow", route.allow())
		c.fail(&failure{status: http.StatusMethodNotAllowed, kind: invalidRequest, code: "method_not_allowed", message: fmt.Sprintf("%s is not answered here: use %s", c.r.Method, route.allow())})
		return
	}
	if !route.open && !c.direct && h.keys.any() {
		if c.key, ok = h.keys.find(c.r); !ok {
			c.fail(&failure{status: http.StatusUnauthorized, kind: "authentication_error", code: "invalid_api_key", message: "a valid API key is needed: send it as Authorization: Bearer KEY"})
			return
		}
	}
	if !route.computes {
		route.serve(c)
		return
	}
	if f := h.begin(); f != nil {
		h.metrics.rejected.WithLabelValues("draining").Inc()
		c.fail(f)
		return
	}
	defer h.requests.Done()
	ctx, cancel := h.limit(c.ctx)
	defer cancel()
	c.ctx = ctx
	route.serve(c)
	h.metrics.lasted.Observe(time.Since(c.start).Seconds())
}

// begin counts a request that computes, or says why it is not taken any more.
func (h *Handler) begin() *failure {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refusing.Load() {
		return draining()
	}
	h.requests.Add(1)
	return nil
}

// limit returns the context of what a request has computed.
func (h *Handler) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	release := context.AfterFunc(h.ended, func() { cancel(errShutdown) })
	stop := context.CancelFunc(func() {})
	if d := h.options.RequestTimeout; d > 0 {
		ctx, stop = context.WithTimeoutCause(ctx, d, errTimeLimit)
	}
	return ctx, func() {
		release()
		stop()
		cancel(nil)
	}
}

// done records how a request was answered.
func (c *call) done() {
	took := time.Since(c.start)
	c.h.metrics.requests.WithLabelValues(c.name, statusLabel(c.status)).Inc()
	level := slog.LevelInfo
	if c.name == "health" {
		level = slog.LevelDebug
	}
	attributes := []any{"request", c.id, "method", methodLabel(c.r.Method), "endpoint", c.name, "status", c.status, "seconds", took.Seconds()}
	if c.model != "" {
		attributes = append(attributes, "model", c.model, "prompt_tokens", c.prompt, "completion_tokens", c.computed)
	}
	if c.h.keys.any() && !c.direct && c.status != http.StatusUnauthorized {
		attributes = append(attributes, "key", c.key)
	}
	if parent := c.r.Header.Get("Traceparent"); isRequestID(parent) {
		attributes = append(attributes, "traceparent", parent)
	}
	if c.failed != nil && c.failed.code != "" {
		attributes = append(attributes, "code", c.failed.code)
	}
	c.h.options.Logger.Log(context.WithoutCancel(c.ctx), level, "request", attributes...)
}

// Shutdown ends the service: from now on /readyz says that the handler is not ready,
// for [Options.DrainDelay] new requests are taken nevertheless, and then refused.
// It returns when all requests have been answered. Where ctx ends first, what is
// running is ended too, and the error is that of ctx.
func (h *Handler) Shutdown(ctx context.Context) error {
	h.leaving.Store(true)
	if !h.refusing.Load() { // the first time
		delay := time.NewTimer(h.options.DrainDelay)
		defer delay.Stop()
		select {
		case <-delay.C:
		case <-ctx.Done():
		}
	}
	h.mu.Lock()
	h.refusing.Store(true)
	h.mu.Unlock()
	answered := make(chan struct{})
	go func() {
		h.requests.Wait()
		close(answered)
	}()
	var err error
	select {
	case <-answered:
	case <-ctx.Done():
		err = ctx.Err()
	}
	h.end()
	<-answered // nobody waits for long: their contexts have ended
	h.shelf.close()
	return err
}

// body reads the whole body of a request.
func (c *call) body() ([]byte, *failure) {
	if encoding := c.r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, &failure{status: http.StatusUnsupportedMediaType, kind: invalidRequest, code: "unsupported_media_type", message: "the body must not be compressed"}
	}
	// A client that sends slowly holds nothing but its connection, and not for ever.
	controller := http.NewResponseController(c.w)
	_ = controller.SetReadDeadline(time.Now().Add(c.h.bodyTimeout)) // some writers have none
	data, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, c.h.options.MaxBody))
	if err != nil {
		c.w.Header().Set("Connection", "close") // nobody waits for the rest
	} else {
		_ = controller.SetReadDeadline(time.Time{})
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &failure{status: http.StatusRequestEntityTooLarge, kind: invalidRequest, code: "request_too_large", message: fmt.Sprintf("the body has more than %d bytes", tooLarge.Limit)}
	case err != nil:
		return nil, &failure{status: http.StatusBadRequest, kind: invalidRequest, code: "incomplete_body", message: "the body could not be read to its end"}
	}
	return data, nil
}
