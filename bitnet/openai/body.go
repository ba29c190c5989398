package openai

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// withFields reads the JSON object of the body and goes on with its fields.
func (c *call) withFields(serve func(*call, fields)) {
	// Programs that talk to ollama often do not say what they send.
	if kind := c.r.Header.Get("Content-Type"); kind != "" && !c.ollama {
		media, _, err := mime.ParseMediaType(kind)
		if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
			c.fail(&failure{status: http.StatusUnsupportedMediaType, kind: invalidRequest, code: "unsupported_media_type", message: "the body must be application/json"})
			return
		}
	}
	body, f := c.body()
	if f != nil {
		c.fail(f)
		return
	}
	fields, f := parseFields(body)
	if f != nil {
		c.fail(f)
		return
	}
	serve(c, fields)
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
