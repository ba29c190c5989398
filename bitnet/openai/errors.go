package openai

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/tokenizer"
)

// A failure is the answer to a request that cannot be served as it was meant. On
// /v1 it is OpenAI's error object, on /api a string, as ollama has it.
type failure struct {
	status  int
	kind    string // OpenAI's type
	code    string // for programs; "" is null
	param   string // the field that is to blame; "" is null
	message string

	retryAfter time.Duration // above 0 for what a later try may mend
	final      bool          // a try again fails in the same way: clients are told so
}

func (f *failure) Error() string { return f.message }

// OpenAI's types of errors.
const (
	invalidRequest = "invalid_request_error"
	serverError    = "server_error"
	unavailable    = "unavailable_error"
)

// invalid is the answer to a request with a field that cannot be obeyed.
func invalid(param, format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, kind: invalidRequest, param: param, message: fmt.Sprintf(format, args...)}
}

// unsupported is the answer to a field that would change the answer and that is not
// built.
func unsupported(param, reason string) *failure {
	f := invalid(param, "%s is not supported: %s", param, reason)
	f.code = "unsupported_parameter"
	return f
}

func tooLong(param string, tokens, context int) *failure {
	f := invalid(param, "the prompt has %d tokens, and with room for an answer a context of %d holds at most %d: shorten it", tokens, context, context-1)
	f.code = "context_length_exceeded"
	return f
}

func notFound(code, param, format string, args ...any) *failure {
	return &failure{status: http.StatusNotFound, kind: "not_found_error", code: code, param: param, message: fmt.Sprintf(format, args...)}
}

// What ends the context of a request, as its cause.
var (
	errDisconnected = errors.New("the client has gone")
	errTimeLimit    = errors.New("the request took longer than it may")
	errShutdown     = errors.New("the server is shutting down")
)

func draining() *failure {
	return &failure{
		status: http.StatusServiceUnavailable, kind: unavailable, code: "draining",
		message: "the server is shutting down: try again, another one will answer", retryAfter: time.Second,
	}
}

// failureOf says how to answer what went wrong while a request was computed.
func (h *Handler) failureOf(ctx context.Context, err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	if ctx.Err() != nil {
		switch context.Cause(ctx) {
		case errTimeLimit:
			return &failure{
				status: http.StatusGatewayTimeout, kind: serverError, code: "request_timeout", final: true,
				message: fmt.Sprintf("the request was not done within %v: ask for fewer tokens", h.options.RequestTimeout),
			}
		case errShutdown:
			return draining()
		}
		return &failure{status: statusDisconnected, kind: serverError, code: "disconnected", message: errDisconnected.Error()}
	}
	var text *tokenizer.TextError
	var full *bitnet.ContextError
	switch {
	case errors.As(err, &text):
		return invalid("", "%v", err)
	case errors.As(err, &full):
		return tooLong("", full.Length+full.Added, full.Context)
	case errors.Is(err, bitnet.ErrOption), errors.Is(err, bitnet.ErrToken):
		return invalid("", "%v", err)
	case errors.Is(err, bitnet.ErrNothingAllowed): // characters that no token has
		f = invalid("", "%v: ask for another form", err)
		f.code = "nothing_allowed"
		return f
	case errors.Is(err, bitnet.ErrModel): // it is made to embed texts
		return invalid("model", "%v", err)
	}
	if p := new(panicError); errors.As(err, &p) {
		return h.internal(p.value, p.stack)
	}
	h.options.Logger.Error("the model failed", "error", err)
	f = &failure{status: http.StatusInternalServerError, kind: serverError, code: "model_failed", final: true, message: "the model failed: its owner finds the reason in the log"}
	if errors.Is(err, bitnet.ErrNotFinite) {
		f.message = bitnet.ErrNotFinite.Error()
	}
	return f
}

// A panicError is a panic that was caught.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// internal is the answer to a request that met a mistake of this program's.
func (h *Handler) internal(value any, stack []byte) *failure {
	h.options.Logger.Error("panic", "value", fmt.Sprint(value), "stack", string(stack))
	return &failure{status: http.StatusInternalServerError, kind: serverError, code: "internal_error", final: true, message: "an internal error: please report it"}
}

// isBroken reports whether a model can compute nothing any more after this error.
func isBroken(err error) bool {
	return errors.As(err, new(*bitnet.BrokenError)) || errors.Is(err, gguf.ErrChanged) || errors.Is(err, bitnet.ErrClosed)
}

// statusDisconnected is the status of answers that nobody waits for, as nginx has it
// in its log. It is sent all the same: who has closed one side of a connection only
// must not take nothing for an answer.
const statusDisconnected = 499

// errorObject is OpenAI's form of an error.
type errorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// body returns what an answer says about a failure.
func (f *failure) body(ollama bool) any {
	if ollama {
		return map[string]string{"error": f.message}
	}
	return map[string]errorObject{"error": {Message: f.message, Type: f.kind, Param: orNull(f.param), Code: orNull(f.code)}}
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// fail answers with a failure, where no answer has begun yet.
func (c *call) fail(f *failure) {
	header := c.w.Header()
	if f.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int((f.retryAfter+time.Second-1)/time.Second)))
		header.Set("X-Should-Retry", "true")
	}
	if f.final {
		header.Set("X-Should-Retry", "false")
	}
	if f.status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	c.failed = f
	c.json(f.status, f.body(c.ollama))
}
