package openai

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Request is one that is answered without HTTP.
type Request struct {
	Path string // of the endpoint: "/v1/chat/completions"
	Body []byte // its JSON

	// ID is the id of the answer, from which the seed follows where the request
	// gives none. With the id of an answer that is there the same one is computed
	// again. "" is a new one.
	ID string
	// Created is when the answer says that it was made; zero is now.
	Created time.Time
	// Digest asks for the digest of the logits.
	Digest bool
}

// A Response is the answer to a [Request].
type Response struct {
	Status int    // as HTTP has it
	Body   []byte // JSON, or the events of a stream
	Digest string // what the header X-Bitnet-Digest would be; "" where not asked for
}

// Do answers a request as the handler does over HTTP, but without a key, and leaves
// out of the answer what depends on the moment: how much of the prompt had been
// evaluated before, and what keeps a connection alive. So the same request with the
// same id and time has the same answer, to the byte; only how the chunks of several
// streamed answers alternate is left open. Where ctx ends, the answer is a failure.
func (h *Handler) Do(ctx context.Context, r Request) Response {
	w := &memoryWriter{header: http.Header{}}
	header := http.Header{}
	if r.Digest {
		header.Set(digestHeader, "sha256")
	}
	c := h.newCall(w, (&http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: r.Path}, Header: header,
		Body: http.NoBody, ContentLength: int64(len(r.Body)),
	}).WithContext(ctx))
	c.r.Body = readCloser{bytes.NewReader(r.Body)}
	c.direct, c.created = true, r.Created
	c.answerID = r.ID
	for _, prefix := range []string{chatID, completionID, responseID} {
		c.answerID = strings.TrimPrefix(c.answerID, prefix)
	}
	h.handle(c)
	return Response{Status: c.status, Body: w.body.Bytes(), Digest: w.header.Get(digestHeader)}
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// memoryWriter keeps an answer.
type memoryWriter struct {
	header http.Header
	body   bytes.Buffer
}

func (w *memoryWriter) Header() http.Header         { return w.header }
func (w *memoryWriter) WriteHeader(int)             {}
func (w *memoryWriter) Write(p []byte) (int, error) { return w.body.Write(p) }
