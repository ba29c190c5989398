package openai

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/cors"

	"github.com/gobitnet/gobitnet/bitnet"
)

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
	forms   *compiledForms
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
	h.forms = newCompiledForms()
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
