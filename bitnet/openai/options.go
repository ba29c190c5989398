package openai

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

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
