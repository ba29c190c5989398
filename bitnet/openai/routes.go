package openai

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// A route is an endpoint.
type route struct {
	name     string // in metrics and logs
	method   string // GET stands for HEAD, too
	open     bool   // needs no key
	computes bool   // is refused while the server shuts down
	serve    func(c *call)
}

func (r route) allow() string {
	if r.method == http.MethodGet {
		return "GET, HEAD, OPTIONS"
	}
	return "POST, OPTIONS"
}

// modelPath is what the path of one model begins with.
const modelPath = "/v1/models/"

// newRoutes returns all endpoints by their paths. They are matched as they are
// written: what looks like another path is another path.
func (h *Handler) newRoutes() map[string]route {
	open := func(name string, serve func(*call)) route {
		return route{name: name, method: http.MethodGet, open: true, serve: serve}
	}
	get := func(name string, serve func(*call)) route {
		return route{name: name, method: http.MethodGet, serve: serve}
	}
	post := func(name string, serve func(*call, fields)) route {
		return route{name: name, method: http.MethodPost, serve: func(c *call) { c.withFields(serve) }}
	}
	compute := func(name string, serve func(*call, fields)) route {
		r := post(name, serve)
		r.computes = true
		return r
	}
	routes := map[string]route{
		"/v1/chat/completions": compute("chat.completions", (*call).chatCompletions),
		"/v1/completions":      compute("completions", (*call).completions),
		"/v1/models":           get("models", (*call).listModels),
		modelPath:              get("models", (*call).describeModel),
		"/v1/embeddings":       compute("embeddings", (*call).embeddings),
		"/v1/responses":        compute("responses", (*call).responses),
		"/tokenize":            post("tokenize", (*call).tokenize),
		"/detokenize":          post("tokenize", (*call).detokenize),

		"/api/tags":     get("api.tags", (*call).ollamaTags),
		"/api/ps":       get("api.ps", (*call).ollamaRunning),
		"/api/version":  get("version", (*call).ollamaVersion),
		"/api/show":     post("api.show", (*call).ollamaShow),
		"/api/chat":     compute("api.chat", (*call).ollamaChat),
		"/api/generate": compute("api.generate", (*call).ollamaGenerate),

		"/health":  open("health", (*call).health),
		"/livez":   open("health", (*call).live),
		"/readyz":  open("health", (*call).ready),
		"/version": open("version", (*call).version),
		"/":        open("root", (*call).root),
	}
	if !h.options.NoMetricsPath {
		routes["/metrics"] = get("metrics", (*call).serveMetrics)
	}
	return routes
}

// writeHeader sends the status, once.
func (c *call) writeHeader(status int) {
	if c.written {
		return
	}
	c.written, c.status = true, status
	c.extendDeadline()
	c.w.WriteHeader(status)
}

// json answers with one value.
func (c *call) json(status int, value any) {
	data := marshal(value)
	c.w.Header().Set("Content-Type", "application/json")
	c.writeHeader(status)
	_, _ = c.w.Write(data) // a client that has gone needs no answer
}

// marshal returns JSON with a line break behind it, in which <, > and & stand as
// they are.
func marshal(value any) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // no value that is given has what JSON lacks
	}
	return out.Bytes()
}

func (c *call) text(text string) {
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	c.writeHeader(http.StatusOK)
	_, _ = c.w.Write([]byte(text))
}

func (c *call) version() {
	c.json(http.StatusOK, map[string]string{"version": c.h.options.Version})
}
