package openai

import (
	"context"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gobitnet/gobitnet/bitnet"
)

// metrics are what the handler counts and times. The bounds of the histograms are
// vLLM's, so that charts made for it fit.
type metrics struct {
	handler http.Handler

	requests     *prometheus.CounterVec // by endpoint and status
	finished     *prometheus.CounterVec // answers, by reason
	rejected     *prometheus.CounterVec // by reason
	promptTokens prometheus.Counter
	cachedTokens prometheus.Counter
	tokens       prometheus.Counter
	drafted      prometheus.Counter
	accepted     prometheus.Counter

	firstToken prometheus.Histogram
	interToken prometheus.Histogram
	queued     prometheus.Histogram
	lasted     prometheus.Histogram
}

var (
	firstTokenBounds = []float64{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560}
	interTokenBounds = []float64{.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80}
	requestBounds    = []float64{.3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680}
)

func newMetrics(h *Handler) (*metrics, error) {
	registry := h.options.Registry
	var failed error
	add := func(c prometheus.Collector) {
		if err := registry.Register(c); err != nil && failed == nil {
			failed = err
		}
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		add(c)
		return c
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		add(c)
		return c
	}
	histogram := func(name, help string, bounds []float64) prometheus.Histogram {
		c := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds})
		add(c)
		return c
	}
	gauge := func(name, help string, labels prometheus.Labels, value func() float64) {
		add(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value))
	}
	total := func(name, help string, value func() float64) {
		add(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
	}
	m := &metrics{
		handler:      promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		requests:     counters("bitnet_requests_total", "Requests answered, by endpoint and status; 499 stands for clients that left.", "endpoint", "code"),
		finished:     counters("bitnet_requests_finished_total", "Answers ended, by why: stop, length, cancelled or error.", "reason"),
		rejected:     counters("bitnet_requests_rejected_total", "Requests refused at once: the queue was full, or the server shutting down.", "reason"),
		promptTokens: counter("bitnet_prompt_tokens_total", "Tokens of prompts."),
		cachedTokens: counter("bitnet_prompt_tokens_cached_total", "Tokens of prompts that a kept session had evaluated already."),
		tokens:       counter("bitnet_generation_tokens_total", "Tokens generated."),
		drafted:      counter("bitnet_draft_tokens_total", "Tokens that lookahead guessed."),
		accepted:     counter("bitnet_draft_tokens_accepted_total", "Tokens that lookahead guessed right."),
		firstToken:   histogram("bitnet_time_to_first_token_seconds", "Time from the arrival of a request to the first token of an answer.", firstTokenBounds),
		interToken:   histogram("bitnet_inter_token_seconds", "Time between tokens of an answer.", interTokenBounds),
		queued:       histogram("bitnet_queue_seconds", "Time that a request waited for its turn.", requestBounds),
		lasted:       histogram("bitnet_request_seconds", "Time from the arrival of a request that computes to the end of its answer.", requestBounds),
	}
	for _, reason := range []string{"stop", "length", "cancelled", "error"} {
		m.finished.WithLabelValues(reason)
	}
	for _, reason := range []string{"queue", "draining"} {
		m.rejected.WithLabelValues(reason)
	}
	running := func() float64 { n, _, _ := h.queue.state(); return float64(n) }
	waiting := func() float64 { _, n, _ := h.queue.state(); return float64(n) }
	used := func() float64 { _, _, n := h.queue.state(); return float64(n) / float64(h.options.KVMemory) }
	gauge("bitnet_requests_running", "Requests being computed.", nil, running)
	gauge("bitnet_requests_waiting", "Requests that wait for their turn.", nil, waiting)
	gauge("bitnet_kv_cache_usage_ratio", "Share of the KV memory that requests being computed have reserved.", nil, used)
	gauge("bitnet_kv_cache_bytes", "KV memory that requests have reserved and kept sessions hold.", nil, func() float64 {
		_, _, reserved := h.queue.state()
		_, kept := h.shelf.state()
		return float64(reserved + kept)
	})
	gauge("bitnet_sessions_cached", "Sessions kept for requests that begin as theirs did.", nil, func() float64 {
		n, _ := h.shelf.state()
		return float64(n)
	})
	gauge("bitnet_ready", "1 where requests should be sent here.", nil, func() float64 {
		if h.notReady() != nil {
			return 0
		}
		return 1
	})
	sum := func(of func(passes, tokens uint64) uint64) func() float64 {
		return func() (all float64) {
			for _, m := range h.models {
				all += float64(of(m.Passes()))
			}
			return all
		}
	}
	total("bitnet_passes_total", "Passes through the models.", sum(func(passes, _ uint64) uint64 { return passes }))
	total("bitnet_pass_rows_total", "Tokens that went through the models in these passes.", sum(func(_, tokens uint64) uint64 { return tokens }))
	for _, served := range h.models {
		add(&buildInfo{h, served})
	}
	if h.options.VLLMMetrics {
		var labels prometheus.Labels
		if len(h.names) == 1 {
			labels = prometheus.Labels{"model_name": h.names[0]}
		}
		gauge("vllm:num_requests_running", "Requests being computed.", labels, running)
		gauge("vllm:num_requests_waiting", "Requests that wait for their turn.", labels, waiting)
		gauge("vllm:kv_cache_usage_perc", "Share of the KV memory that requests being computed have reserved.", labels, used)
	}
	return m, failed
}

// buildInfo names a model once its digest is known.
type buildInfo struct {
	h *Handler
	m *model
}

func (b *buildInfo) Describe(all chan<- *prometheus.Desc) { all <- b.describe() }

func (b *buildInfo) describe() *prometheus.Desc {
	return prometheus.NewDesc("bitnet_build_info", "1, with what computes.", []string{"version", "model_digest", "kernels"}, prometheus.Labels{"model": b.m.id})
}

func (b *buildInfo) Collect(all chan<- prometheus.Metric) {
	digest := ""
	select {
	case <-b.m.proven:
		digest = b.m.digest
	default:
	}
	all <- prometheus.MustNewConstMetric(b.describe(), prometheus.GaugeValue, 1, b.h.options.Version, digest, b.m.Kernels())
}

// count counts what a job came to.
func (m *metrics) count(a *answers) {
	m.promptTokens.Add(float64(a.prompt))
	m.cachedTokens.Add(float64(a.cached))
	m.tokens.Add(float64(a.tokens))
}

// failed counts a request that ended otherwise than it should: since its context
// has ended, or by an error.
func (m *metrics) failed(ctx context.Context) {
	reason := "error"
	if ctx.Err() != nil {
		reason = "cancelled"
	}
	m.finished.WithLabelValues(reason).Inc()
}

func (m *metrics) drafts(r *bitnet.Result) {
	m.drafted.Add(float64(r.ProposedTokens))
	m.accepted.Add(float64(r.AcceptedTokens))
}

// statusLabel returns a status as a label: one of those that are sent.
func statusLabel(status int) string { return strconv.Itoa(status) }

// methodLabel returns a method for the log, where not everything belongs that a
// client sends.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// serveMetrics answers GET /metrics.
func (c *call) serveMetrics() {
	c.written, c.status = true, http.StatusOK
	c.extendDeadline()
	c.h.metrics.handler.ServeHTTP(c.w, c.r)
}
