package openai

import (
	"context"
	"time"
)

// Shutdown ends the service: from now on /readyz says that the handler is not ready,
// for [Options.DrainDelay] new requests are taken nevertheless, and then refused.
// It returns when all requests have been answered. Where ctx ends first, what is
// running is ended too, and the error is that of ctx.
func (h *Handler) Shutdown(ctx context.Context) error {
	h.leaving.Store(true)
	if !h.refusing.Load() { // the first time
		delay := time.NewTimer(h.options.DrainDelay)
		defer delay.Stop()
		select {
		case <-delay.C:
		case <-ctx.Done():
		}
	}
	h.mu.Lock()
	h.refusing.Store(true)
	h.mu.Unlock()
	answered := make(chan struct{})
	go func() {
		h.requests.Wait()
		close(answered)
	}()
	var err error
	select {
	case <-answered:
	case <-ctx.Done():
		err = ctx.Err()
	}
	h.end()
	<-answered // nobody waits for long: their contexts have ended
	h.shelf.close()
	return err
}

// begin counts a request that computes, or says why it is not taken any more.
func (h *Handler) begin() *failure {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refusing.Load() {
		return draining()
	}
	h.requests.Add(1)
	return nil
}
