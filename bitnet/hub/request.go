package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"
)

const defaultEndpoint = "https://huggingface.co"

// A source is where a download asks.
type source struct {
	address   *url.URL
	endpoint  *url.URL // whose token it is, and whose word on the SHA-256 counts
	token     string
	insecure  bool
	transport http.RoundTripper
	silence   time.Duration // how long a server may say nothing
	log       *slog.Logger
}

// source returns where a reference's file is to be had.
func (s *Store) source(r Reference, insecure bool) (*source, error) {
	text := s.Endpoint
	if text == "" {
		text = defaultEndpoint
	}
	endpoint, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "https" && endpoint.Scheme != "http" {
		return nil, fmt.Errorf("the endpoint %q is no address: https://host", text)
	}
	src := &source{address: r.address, endpoint: endpoint, token: s.Token, insecure: insecure, transport: s.transport, silence: s.usualPace().silence, log: s.log()}
	if r.repository != "" {
		parts := append(strings.Split(r.repository, "/"), "resolve", url.PathEscape(r.revision))
		src.address = endpoint.JoinPath(append(parts, strings.Split(url.PathEscape(r.pathInside), "%2F")...)...)
	}
	if src.transport == nil {
		src.transport = newTransport()
	}
	return src, src.allowed(src.address)
}

// newTransport returns net/http's own transport, with its proxies and time
// limits, but for what would change the bytes, or lead several connections
// through one.
func newTransport() *http.Transport {
	t := &http.Transport{}
	if usual, ok := http.DefaultTransport.(*http.Transport); ok {
		t = usual.Clone()
	}
	t.DisableCompression = true
	t.MaxIdleConnsPerHost = 16
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	return t
}

// ErrInsecure says that an address, or one that it redirects to, is an
// unencrypted one of another machine.
var ErrInsecure = errors.New("would be asked without encryption")

// allowed returns an error if nothing may be asked of an address.
func (s *source) allowed(u *url.URL) error {
	if u.Scheme == "https" || u.Scheme == "http" && (s.insecure || loopback(u.Hostname())) {
		return nil
	}
	if u.Scheme != "http" {
		return fmt.Errorf("redirected to an address of the kind %s, not https", u.Scheme)
	}
	return fmt.Errorf("%s %w: use an https address", u.Host, ErrInsecure)
}

// follow returns an error if a redirect is not to be followed.
func (s *source) follow(from, to *url.URL, redirects int) error {
	switch {
	case redirects >= 10:
		return errors.New("redirected ten times: the addresses lead in a circle")
	case from.Scheme == "https" && to.Scheme == "http" && !s.insecure:
		return fmt.Errorf("%s redirects to %s, which %w", from.Host, to.Host, ErrInsecure)
	}
	return s.allowed(to)
}

// A redirectError is why a redirect was not followed.
type redirectError struct{ err error }

func (e *redirectError) Error() string { return e.err.Error() }

// authorize gives a request the token if it goes to whom that belongs, and takes
// it away otherwise.
func (s *source) authorize(r *http.Request) {
	r.Header.Del("Authorization")
	if s.token != "" && sameOrigin(r.URL, s.endpoint) {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
}

func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host) }

// An answer is what a server says to a request for a stretch of a file, and the
// bytes of it.
type answer struct {
	body     io.ReadCloser
	from, to int64  // where the bytes belong; to is -1 where that is not known
	total    int64  // bytes of the whole file; -1 where it does not say
	ranged   bool   // it is the stretch that was asked for, not the whole
	framed   bool   // where the bytes end too early, that is seen
	sum      string // the SHA-256 of the file by the endpoint's word, or ""
	etag     string // a strong one, or ""
	modified string
}

// get asks for the bytes from the one to, but not with, the other; if the file is
// still the one that validator, an ETag or a date, is of. It gives up when the
// server is silent for too long, also while the body is read.
func (s *source) get(ctx context.Context, want span, validator string) (_ *answer, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(s.silence, func() {
		cancel(&passing{err: fmt.Errorf("%s has been silent for %v", s.address.Host, s.silence)})
	})
	defer func() {
		if err != nil {
			watch.Stop()
			cancel(nil)
		}
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address.String(), nil)
	if err != nil {
		return nil, err
	}
	// A proxy that compresses would make ranges those of other bytes.
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "gobitnet")
	request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", want[0], want[1]-1))
	if validator != "" {
		request.Header.Set("If-Range", validator)
	}
	s.authorize(request)
	a := &answer{}
	client := http.Client{Transport: s.transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		s.heed(a, next.Response)
		s.authorize(next)
		if err := s.follow(via[len(via)-1].URL, next.URL, len(via)); err != nil {
			return &redirectError{err}
		}
		return nil
	}}
	response, err := client.Do(request)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	s.log.Debug("asked", "host", response.Request.URL.Host, "range", request.Header.Get("Range"), "status", response.StatusCode)
	s.heed(a, response)
	if err := s.read(a, response, want); err != nil {
		response.Body.Close()
		return nil, err
	}
	a.body = &watched{body: response.Body, host: response.Request.URL.Host, ctx: ctx, watch: watch, silence: s.silence, cancel: cancel}
	watch.Stop()
	return a, nil
}

// heed takes down what the endpoint says about a file elsewhere.
func (s *source) heed(a *answer, r *http.Response) {
	if r == nil || r.Request == nil || !sameOrigin(r.Request.URL, s.endpoint) {
		return
	}
	if sum := strings.ToLower(strings.Trim(strings.TrimPrefix(r.Header.Get("X-Linked-Etag"), "W/"), `"`)); wholeSum.MatchString(sum) {
		a.sum = sum
	}
}

// read takes the status and the headers apart.
func (s *source) read(a *answer, r *http.Response, want span) error {
	host := r.Request.URL.Host
	if tag := r.Header.Get("ETag"); strings.HasPrefix(tag, `"`) {
		a.etag = tag
	}
	a.modified = r.Header.Get("Last-Modified")
	if encoding := r.Header.Get("Content-Encoding"); r.StatusCode < 300 && encoding != "" && encoding != "identity" {
		return fmt.Errorf("%s, or a proxy before it, sent the file in the encoding %q although it was asked for the file as it is", host, encoding)
	}
	switch r.StatusCode {
	case http.StatusOK:
		a.to, a.total, a.framed = r.ContentLength, r.ContentLength, r.ContentLength >= 0 || len(r.TransferEncoding) > 0
		return nil
	case http.StatusPartialContent:
		from, to, total, ok := contentRange(r.Header.Get("Content-Range"))
		if !ok || from != want[0] || to > want[1] || r.ContentLength >= 0 && r.ContentLength != to-from {
			return fmt.Errorf("%s was asked for bytes %d to %d and answers with %q, of length %d", host, want[0], want[1]-1, r.Header.Get("Content-Range"), r.ContentLength)
		}
		a.ranged, a.framed, a.from, a.to, a.total = true, true, from, to, total
		return nil
	case http.StatusRequestedRangeNotSatisfiable:
		e := &rangeError{-1}
		fmt.Sscanf(r.Header.Get("Content-Range"), "bytes */%d", &e.total)
		return e
	}
	e := &StatusError{Host: host, Code: r.StatusCode, RetryAfter: retryAfter(r.Header.Get("Retry-After"), time.Now())}
	switch r.StatusCode {
	case http.StatusUnauthorized:
		e.Hint = "there is no such repository, or one needs a token for it: check the name, or set HF_TOKEN"
	case http.StatusForbidden:
		e.Hint = "one may not have this file, or not without accepting its licence on its page: do so, and set HF_TOKEN"
	case http.StatusNotFound:
		e.Hint = "there is no such file: check the name"
	}
	if said := r.Header.Get("X-Error-Message"); said != "" && utf8.ValidString(said) {
		e.Hint = fmt.Sprintf("%.200s", said)
	}
	if r.StatusCode == http.StatusRequestTimeout || r.StatusCode == http.StatusTooManyRequests || r.StatusCode >= 500 {
		return &passing{err: e, after: e.RetryAfter}
	}
	return e
}

// A rangeError says that a file has nothing where it was asked for.
type rangeError struct{ total int64 } // bytes of the file; -1 where it is not said

func (e *rangeError) Error() string { return "the server's file does not reach that far" }

// contentRange reads "bytes 0-99/1000"; to is one beyond the last byte.
func contentRange(text string) (from, to, total int64, ok bool) {
	var last int64
	n, err := fmt.Sscanf(text, "bytes %d-%d/%d", &from, &last, &total)
	return from, last + 1, total, err == nil && n == 3 && from >= 0 && last >= from && last < total
}

// retryAfter reads seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, 1e6)) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil && date.After(now) {
		return date.Sub(now)
	}
	return 0
}

// watched is a body that is given up when nothing comes.
type watched struct {
	body    io.ReadCloser
	host    string
	ctx     context.Context
	watch   *time.Timer
	silence time.Duration
	cancel  context.CancelCauseFunc
}

func (w *watched) Read(p []byte) (int, error) {
	// Whoever reads may take its time: a disk can be slower than a server.
	w.watch.Reset(w.silence)
	n, err := w.body.Read(p)
	w.watch.Stop()
	if err != nil && err != io.EOF {
		if cause := context.Cause(w.ctx); cause != nil {
			err = cause
		} else {
			err = &passing{err: fmt.Errorf("%s: %w", w.host, err)}
		}
	}
	return n, err
}

func (w *watched) Close() error {
	w.watch.Stop()
	w.cancel(nil)
	return w.body.Close()
}

// passing is trouble that may be over when one tries again.
type passing struct {
	err   error
	after time.Duration // how long the server asks to wait
	first bool          // unless it is so from the beginning
}

func (e *passing) Error() string { return e.err.Error() }
func (e *passing) Unwrap() error { return e.err }

// windowsRefused is what Windows has in place of ECONNREFUSED.
const windowsRefused = syscall.Errno(10061)

// explain makes an error of net/http one that names no more than hosts: addresses
// have secrets in them.
func (s *source) explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	host := s.address.Host
	var outer *url.Error
	if errors.As(err, &outer) {
		if u, e := url.Parse(outer.URL); e == nil && u.Host != "" {
			host = u.Host
		}
		err = outer.Err
	}
	if of := new(redirectError); errors.As(err, &of) {
		return of.err
	}
	var certificate *tls.CertificateVerificationError
	var dns *net.DNSError
	err = fmt.Errorf("%s: %w", host, err)
	switch {
	case errors.As(err, &certificate):
		return err
	case errors.As(err, &dns) && dns.IsNotFound, errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, windowsRefused):
		return &passing{err: err, first: true}
	}
	return &passing{err: err}
}
