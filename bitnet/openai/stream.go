package openai

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// extendDeadline gives the client time for the next write.
func (c *call) extendDeadline() {
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(c.h.writeTimeout)) // some writers have none
}

// A sender sends an answer bit by bit, and something that says nothing when it has
// been silent for long: proxies and clients give up on silence, also while a
// request waits or its prompt is evaluated.
type sender struct {
	c           *call
	contentType string
	first       func() []byte // what comes first
	nothing     func() []byte // what says nothing
	cancel      context.CancelCauseFunc

	mu     sync.Mutex
	opened bool
	ended  bool
	failed error
	timer  *time.Timer
}

// start begins to watch for silence.
func (s *sender) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(s.c.h.keepAlive, s.breakSilence)
	if s.c.direct {
		s.timer.Stop()
	}
}

func (s *sender) breakSilence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
	case !s.opened:
		s.begin()
	default:
		s.write(s.nothing())
	}
}

// begin sends the header and what comes first, once. The lock is held.
func (s *sender) begin() {
	if s.opened {
		return
	}
	s.opened = true
	header := s.c.w.Header()
	header.Set("Content-Type", s.contentType)
	header.Set("Cache-Control", "no-cache")
	header.Set("X-Accel-Buffering", "no") // or nginx keeps it until it is whole
	s.c.writeHeader(http.StatusOK)
	s.write(s.first())
}

// write sends some bytes. The lock is held.
func (s *sender) write(data []byte) {
	if s.failed != nil || s.ended {
		return
	}
	s.c.extendDeadline()
	_, err := s.c.w.Write(data)
	if err == nil {
		err = http.NewResponseController(s.c.w).Flush()
	}
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.failed = errDisconnected
		s.cancel(errDisconnected)
	}
	if !s.c.direct {
		s.timer.Reset(s.c.h.keepAlive)
	}
}

// send sends what make returns, behind what comes first.
func (s *sender) send(make func() []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
	if make != nil {
		s.write(make())
	}
	return s.failed
}

// end ends the watch. Nothing is sent any more.
func (s *sender) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close()
}

// sendLast is send for what nothing must follow.
func (s *sender) sendLast(last []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
	s.write(last)
	s.close()
	return s.failed
}

// close is end where the lock is held.
func (s *sender) close() {
	s.timer.Stop()
	s.ended = true
}

// event returns the bytes of a server-sent event.
func event(value any) []byte {
	return slices.Concat([]byte("data: "), marshal(value), []byte("\n"))
}

// errorEvent is the event that ends a stream with a failure.
func errorEvent(f *failure) []byte { return event(f.body(false)) }

// A chunker says what the chunks of an endpoint's stream look like. It is asked by
// one goroutine at a time.
type chunker interface {
	opening(choice int) []byte // at admission
	nothing(choice int) []byte // says nothing
	token(choice int, p piece) []byte
	ending(choice int, a *choice) []byte
	last(a *answers) []byte // nil for none
}

// A format says how a stream is sent.
type format struct {
	contentType string
	failed      func(*failure) []byte // what ends it where something failed
	end         string                // what ends it otherwise
}

var events = format{"text/event-stream; charset=utf-8", errorEvent, "data: [DONE]\n\n"}

// streamed is the output of a job whose answer is streamed in chunks.
type streamed struct {
	sender
	chunks chunker
	open   []bool // choices that have not ended; under the sender's lock
}

func (s *streamed) admitted() error { return s.send(nil) }

func (s *streamed) token(choice int, p piece) error {
	return s.send(func() []byte { return s.chunks.token(choice, p) })
}

func (s *streamed) finished(choice int, a *choice) error {
	return s.send(func() []byte {
		s.open[choice] = false
		return s.chunks.ending(choice, a)
	})
}

// first returns what a stream begins with.
func (s *streamed) first() []byte {
	var all []byte
	for i := range s.open {
		all = append(all, s.chunks.opening(i)...)
	}
	return all
}

// silence returns what says nothing, for a choice that has not ended.
func (s *streamed) silence() []byte {
	if choice := slices.Index(s.open, true); choice >= 0 {
		return s.chunks.nothing(choice)
	}
	return nil
}

// stream has a job computed and streams the answer.
func (c *call) stream(j *job, how format, chunks chunker) {
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	s := &streamed{chunks: chunks, open: slices.Repeat([]bool{true}, len(j.prompts)*j.n)}
	s.sender = sender{c: c, contentType: how.contentType, first: s.first, nothing: s.silence, cancel: cancel}
	if j.digest {
		c.w.Header().Set("Trailer", digestHeader)
	}
	s.start()
	defer s.end() // also where something panics
	a, err := c.generate(ctx, j, s)
	if err == nil {
		err = s.sendLast(append(chunks.last(a), how.end...))
	}
	s.end()
	switch {
	case err == nil:
		if j.digest {
			c.w.Header().Set(digestHeader, a.digests())
		}
	case s.opened:
		c.failLate(c.h.failureOf(ctx, err), how)
	default:
		c.w.Header().Del("Trailer")
		c.fail(c.h.failureOf(ctx, err))
	}
}

// failLate ends a stream with a failure: there is nothing behind it that clients
// could take for a proper end.
func (c *call) failLate(f *failure, how format) {
	c.failed = f
	if f.status == statusDisconnected {
		c.status = f.status // in the log
	}
	c.extendDeadline()
	_, _ = c.w.Write(how.failed(f))
	_ = http.NewResponseController(c.w).Flush()
}
