package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/openai"
)

var serveCommand = command{
	name:    "serve",
	summary: "serve models to programs that speak OpenAI's interface",
	help: `bitnet serve [--model [NAME=]M ...] [flags]

Answers OpenAI's requests, and a part of ollama's, until a signal comes: see
http://127.0.0.1:8080/v1/models. The same model, seed and fingerprint give the
same answer, whatever else is being answered.

` + servedHelp + `
  --addr A          listen here: HOST:PORT, or unix:PATH; a socket that systemd
                    hands over is used instead (default: 127.0.0.1:8080)
  --api-key-file F  serve only those who bring a key of this file, one in a line
  --cors-origins O,O
                    web sites whose pages may use the server from a browser; *
                    for all (default: none but its own page)

  --parallel N      compute N answers at the same time (default: 8)
  --queue N         let N more requests wait, and refuse those beyond; 0 lets
                    none wait (default: 64)
  --context N       hold N tokens at most in a prompt with its answer (default:
                    as many as the model can)
  --kv-memory SIZE  use this much memory, as 2GiB or 800MB, for KV caches: of
                    what is computed, and kept for requests that begin alike
                    (default: enough for --parallel answers of full length)
  --request-timeout D
                    give up a request after this time, as 5m (default: 0, never)

  --drain-delay D   after SIGTERM, take new requests for this long (default: 5s)
  --drain-timeout D then finish what is running, for this long (default: 2m)
  --metrics-addr A  serve /metrics here, without a key, and not with the rest
  --metrics-compat vllm
                    also under the names that routers know from vLLM
  --log-format F    text or json (default: text)

SIGTERM and Ctrl-C end the server as --drain-delay and --drain-timeout say, a
second one at once. BITNET_LOG=debug also tells about probes of health.
`,
	run: serve,
}

// servedHelp explains the flags that say which models answer.
const servedHelp = `  --model [NAME=]M  answer with this file or name; may be given several times.
                    Requests ask for it as NAME, or as what M is without its
                    folder and .gguf (default: BITNET_MODEL, or the built-in
                    one)
` + pullHelp + `  --threads N       compute with N threads for each model; 0 means all
                    processors that the process may use (default:
                    BITNET_THREADS, or 0)
  --shared-weights  leave the weights in the mapped file, whose memory processes
                    share, instead of moving them to large pages
`

// serveFlags say what is served, where and how.
type serveFlags struct {
	models               []namedModel
	pull, shared         bool
	threads              int
	addr, keyFile        string
	origins              string
	parallel, queue      int
	context              int
	memory               int64
	timeout              time.Duration
	drainDelay, drainEnd time.Duration
	metricsAddr          string
	compat               string
	logFormat            string
}

// A namedModel is a model that clients ask for by a name.
type namedModel struct{ name, path string }

func (s *serveFlags) register(flags *flag.FlagSet, from settings) {
	s.registerModels(flags, from)
	s.registerMany(flags)
	flags.StringVar(&s.addr, "addr", "127.0.0.1:8080", "")
	flags.StringVar(&s.keyFile, "api-key-file", "", "")
	flags.StringVar(&s.origins, "cors-origins", "", "")
	s.queue = 64
	flags.Func("queue", "", countFrom(&s.queue, 0, 1<<20))
	duration := func(p *time.Duration) func(string) error {
		return func(text string) error {
			d, err := time.ParseDuration(text)
			if seconds, bad := parseCount(text, math.MaxInt32); bad == nil {
				d, err = time.Duration(seconds)*time.Second, nil
			}
			if err != nil || d < 0 {
				return errors.New("it must be a time as 30s or 5m")
			}
			*p = d
			return nil
		}
	}
	flags.Func("request-timeout", "", duration(&s.timeout))
	s.drainDelay, s.drainEnd = 5*time.Second, 2*time.Minute
	flags.Func("drain-delay", "", duration(&s.drainDelay))
	flags.Func("drain-timeout", "", duration(&s.drainEnd))
	flags.StringVar(&s.metricsAddr, "metrics-addr", "", "")
	flags.StringVar(&s.compat, "metrics-compat", "", "")
	flags.StringVar(&s.logFormat, "log-format", "text", "")
}

// registerModels registers the flags that say which models answer.
func (s *serveFlags) registerModels(flags *flag.FlagSet, from settings) {
	s.threads = from.threads
	flags.Func("model", "", func(text string) error {
		m, err := parseNamedModel(text)
		s.models = append(s.models, m)
		return err
	})
	flags.BoolVar(&s.pull, "pull", false, "")
	flags.BoolVar(&s.shared, "shared-weights", false, "")
	flags.Func("threads", "", countFrom(&s.threads, 0, maxThreads))
}

// registerMany registers the flags that say how many answers are computed together.
func (s *serveFlags) registerMany(flags *flag.FlagSet) {
	flags.Func("parallel", "", countFrom(&s.parallel, 1, 1024))
	registerContext(flags, &s.context)
	flags.Func("kv-memory", "", func(text string) (err error) {
		s.memory, err = parseSize(text)
		return err
	})
}

// countFrom parses a number from least to most.
func countFrom(p *int, least, most int) func(string) error {
	return func(text string) (err error) {
		if *p, err = parseCount(text, most); err == nil && *p < least {
			err = fmt.Errorf("it must be a whole number from %d to %d", least, most)
		}
		return err
	}
}

// parseNamedModel parses [NAME=]M.
func parseNamedModel(text string) (namedModel, error) {
	name, path, named := strings.Cut(text, "=")
	if !named || strings.ContainsAny(name, `/\:`) && fileExists(text) {
		name, path = "", text
	}
	if path == "" || named && name == "" && path != text {
		return namedModel{}, errors.New("it must be a file or a name of a model, or NAME= in front of one")
	}
	if name == "" {
		name = path
		if i := strings.LastIndexAny(path, `/\`); i >= 0 && strings.HasSuffix(strings.ToLower(path), ".gguf") {
			name = path[i+1:]
		}
		name = strings.TrimSuffix(name, ".gguf")
	}
	return namedModel{name, path}, nil
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// parseSize parses a number of bytes with a unit.
func parseSize(text string) (int64, error) {
	units := []struct {
		name  string
		bytes float64
	}{
		{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
		{"KB", 1e3}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
	}
	for _, unit := range units {
		number, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(x*unit.bytes >= 1 && x*unit.bytes < 1<<62) {
			break
		}
		return int64(x * unit.bytes), nil
	}
	return 0, errors.New("it must be a size as 2GiB or 800MB")
}

func serve(c *call) error {
	var s serveFlags
	flags := c.newFlags()
	s.register(flags, c.settings)
	if err := parseAlone(flags, c.args); err != nil {
		return err
	}
	for _, name := range []string{"addr", "api-key-file", "metrics-addr", "cors-origins"} {
		if given(flags, name) && flags.Lookup(name).Value.String() == "" {
			return usagef("--%s is given, but empty: leave it out", name)
		}
	}
	if s.compat != "" && s.compat != "vllm" {
		return usagef("--metrics-compat %s is not known: it must be vllm", s.compat)
	}
	logger, err := c.newLogger(s.logFormat)
	if err != nil {
		return err
	}
	options, err := s.options()
	if err != nil {
		return err
	}
	options.Logger = logger
	// First, so that a second server on the same address opens no models. Who comes
	// while they are being opened waits.
	listener, err := listen(s.addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	listeners := []net.Listener{listener}
	if s.metricsAddr != "" {
		other, err := listenAt(s.metricsAddr)
		if err != nil {
			return err
		}
		defer other.Close()
		listeners = append(listeners, other)
	}
	opening := *c
	if s.logFormat == "json" {
		opening.settings.log = logWarn // lines that are no JSON have no place in it
	}
	models, closeModels, err := s.open(&opening)
	if err != nil {
		return err
	}
	defer closeModels()
	for name, m := range models {
		logger.Info("model", "name", name, "architecture", m.Config().Architecture, "context", m.Config().ContextLength, "threads", m.Threads(), "kernels", m.Kernels())
	}
	options.Registry = prometheus.NewRegistry()
	options.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	handler, err := openai.NewHandler(models, options)
	if err != nil {
		return err
	}
	servers := []*http.Server{s.newServer(handler, logger)}
	if s.metricsAddr != "" {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", promhttp.HandlerFor(options.Registry, promhttp.HandlerOpts{}))
		servers = append(servers, s.newServer(mux, logger))
	}
	return s.serve(handler, servers, listeners, logger)
}

// options returns what the flags ask of the handler.
func (s *serveFlags) options() (openai.Options, error) {
	o := openai.Options{
		Parallel: s.parallel, Queue: s.queue, Context: s.context, KVMemory: s.memory,
		RequestTimeout: s.timeout, DrainDelay: s.drainDelay,
		VLLMMetrics: s.compat == "vllm", NoMetricsPath: s.metricsAddr != "", Version: "v0.0.0-unknown",
	}
	if o.Queue == 0 {
		o.Queue = -1 // none, where 0 is the default
	}
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") {
		o.Version = info.Main.Version
	}
	if s.origins != "" {
		o.Origins = strings.Split(s.origins, ",")
	}
	if s.keyFile != "" {
		data, err := os.ReadFile(s.keyFile)
		if err != nil {
			return o, describeOpen(s.keyFile, err)
		}
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				o.APIKeys = append(o.APIKeys, line)
			}
		}
		if len(o.APIKeys) == 0 {
			return o, fmt.Errorf("%s holds no key: write one in a line", s.keyFile)
		}
	}
	return o, nil
}

// open opens all models.
func (s *serveFlags) open(c *call) (models map[string]*bitnet.Model, closeAll func(), err error) {
	models = map[string]*bitnet.Model{}
	closeAll = func() {
		for _, m := range models {
			m.Close()
		}
	}
	if len(s.models) == 0 && c.settings.model != "" {
		m, err := parseNamedModel(c.settings.model)
		if err != nil {
			return nil, nil, usagef("BITNET_MODEL is %q: %v", c.settings.model, err)
		}
		s.models = append(s.models, m)
	}
	if len(s.models) == 0 {
		s.models = append(s.models, namedModel{name: "arithmetic"})
	}
	for _, m := range s.models {
		if models[m.name] != nil {
			closeAll()
			return nil, nil, usagef("two models would be called %q: give one another name, as --model NAME=%s", m.name, m.path)
		}
		flags := modelFlags{path: m.path, pull: s.pull, threads: s.threads, shared: s.shared}
		model, _, err := flags.open(c)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		models[m.name] = model
	}
	return models, closeAll, nil
}

// newLogger returns the log, which goes to standard error.
func (c *call) newLogger(format string) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: map[logLevel]slog.Level{logDebug: slog.LevelDebug, logInfo: slog.LevelInfo, logWarn: slog.LevelWarn}[c.settings.log]}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(c.stderr, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(c.stderr, options)), nil
	}
	return nil, usagef("--log-format %s is neither text nor json", format)
}

// newServer returns a server that is patient with answers and not with clients that
// send nothing.
func (s *serveFlags) newServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

// serve serves until a signal comes, and then as long as requests are running.
func (s *serveFlags) serve(handler *openai.Handler, servers []*http.Server, listeners []net.Listener, logger *slog.Logger) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	failed := make(chan error, len(servers))
	for i, server := range servers {
		go func() { failed <- server.Serve(listeners[i]) }()
		logger.Info("serving", "address", listeners[i].Addr().String())
	}
	notify(daemon.SdNotifyReady)
	var err error
	select {
	case err = <-failed:
		logger.Error("a server failed", "error", err)
	case came := <-signals:
		logger.Info("ending", "signal", came.String(), "drain_delay", s.drainDelay, "drain_timeout", s.drainEnd)
	}
	notify(daemon.SdNotifyStopping)
	ctx, cancel := context.WithTimeout(context.Background(), s.drainDelay+s.drainEnd)
	defer cancel()
	go func() {
		select {
		case came := <-signals:
			logger.Warn("ending at once", "signal", came.String())
			cancel()
		case <-ctx.Done():
		}
	}()
	if drained := handler.Shutdown(ctx); drained != nil {
		logger.Warn("requests were ended before they were done")
	}
	closing, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	for _, server := range servers {
		if server.Shutdown(closing) != nil {
			server.Close()
		}
	}
	return err
}

// notify tells systemd, where that has started the server.
func notify(state string) {
	_, _ = daemon.SdNotify(false, state) // it is not asked for elsewhere
}
