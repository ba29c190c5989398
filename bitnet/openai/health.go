package openai

import "net/http"

// live answers whether the process does its work. It says no only when a model can
// never compute anything again, which a new process mends; to be busy, or not to be
// ready yet, is no such thing.
func (c *call) live() {
	for _, name := range c.h.names {
		if broken := c.h.models[name].broken.Load(); broken != nil {
			c.fail(&failure{status: http.StatusServiceUnavailable, kind: unavailable, code: "model_broken", message: "the model " + name + " cannot be used any more"})
			return
		}
	}
	c.json(http.StatusOK, map[string]string{"status": "ok"})
}

// ready answers whether requests should be sent here.
func (c *call) ready() {
	if f := c.h.notReady(); f != nil {
		c.fail(f)
		return
	}
	c.live()
}

// notReady says why no requests should be sent here, or nil.
func (h *Handler) notReady() *failure {
	if h.leaving.Load() {
		return draining()
	}
	for _, name := range h.names {
		select {
		case <-h.models[name].proven:
		default:
			return &failure{status: http.StatusServiceUnavailable, kind: unavailable, code: "loading", message: "Loading model"}
		}
	}
	return nil
}

// health is ready in the form of llama-server, whose error has a number as code.
func (c *call) health() {
	f := c.h.notReady()
	if f == nil {
		c.live()
		return
	}
	c.failed = f
	c.json(f.status, map[string]any{"error": map[string]any{"code": f.status, "message": f.message, "type": f.kind}})
}
