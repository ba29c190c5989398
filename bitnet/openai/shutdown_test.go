package openai

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestShutdown goes through the end of a server step by step.
func TestShutdown(t *testing.T) {
	s := serving(t, Options{Parallel: 1, DrainDelay: 300 * time.Millisecond})
	s.keepAlive = 10 * time.Millisecond
	ready := func() (all string) {
		for _, path := range []string{"/readyz", "/livez", "/health"} {
			status, _, _ := s.send("GET", path, "")
			all += fmt.Sprint(status, " ")
		}
		return all
	}
	if got := ready(); got != "200 200 200 " {
		t.Errorf("%s", got)
	}
	free := s.occupy()
	running := s.begin(context.Background(), "POST", "/v1/chat/completions", chat("What is 2+2?", stream))
	defer running.Body.Close()
	r := bufio.NewReader(running.Body)
	readUntil(t, r, `"role"`)
	ended := make(chan error)
	start := time.Now()
	go func() { ended <- s.Shutdown(context.Background()) }()
	eventually(t, "it is no longer ready", func() bool { return s.leaving.Load() })
	if got := ready(); got != "503 200 503 " {
		t.Errorf("%s", got)
	}
	// Requests are still taken.
	taken := s.begin(context.Background(), "POST", "/v1/chat/completions", chat("What is 3+4?", stream))
	defer taken.Body.Close()
	if taken.StatusCode != http.StatusOK || time.Since(start) > 300*time.Millisecond {
		t.Errorf("during the delay: %d after %v", taken.StatusCode, time.Since(start))
	}
	eventually(t, "requests are refused", func() bool { return s.refusing.Load() })
	if d := time.Since(start); d < 300*time.Millisecond {
		t.Errorf("they are after %v", d)
	}
	for _, path := range []string{"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/api/chat"} {
		status, header, answer := s.send("POST", path, chat("What is 2+2?"))
		if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || header.Get("X-Should-Retry") != "true" || !strings.Contains(answer, "shutting down") {
			t.Errorf("%s: %d %v %s", path, status, header, answer)
		}
	}
	if got := ready(); got != "503 200 503 " {
		t.Errorf("%s", got)
	}
	s.send("GET", "/v1/models", "")
	select {
	case err := <-ended:
		t.Fatalf("Shutdown did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	free()
	rest, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(rest), `"content":"4"`) || !strings.HasSuffix(string(rest), "[DONE]\n\n") {
		t.Errorf("what was running ended with %q: %v", rest, err)
	}
	if rest, err = io.ReadAll(taken.Body); err != nil || !strings.HasSuffix(string(rest), "[DONE]\n\n") {
		t.Errorf("what was taken ended with %q: %v", rest, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// TestShutdownAtOnce ends requests that are waiting and running.
func TestShutdownAtOnce(t *testing.T) {
	s := serving(t, Options{Parallel: 1, DrainDelay: time.Hour})
	s.keepAlive = 10 * time.Millisecond
	free := s.occupy()
	defer free()
	running := s.begin(context.Background(), "POST", "/v1/chat/completions", chat("What is 2+2?", stream))
	defer running.Body.Close()
	whole := make(chan int)
	go func() {
		status, _, _ := s.send("POST", "/v1/chat/completions", chat("What is 2+2?"))
		whole <- status
	}()
	eventually(t, "both wait", func() bool { _, waiting, _ := s.queue.state(); return waiting == 2 })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); err != context.DeadlineExceeded {
		t.Errorf("Shutdown: %v", err)
	}
	rest, _ := io.ReadAll(running.Body)
	if strings.Contains(string(rest), "[DONE]") || !strings.HasSuffix(string(rest), `"code":"draining"}}`+"\n\n") {
		t.Errorf("the stream ended with %q", rest)
	}
	if status := <-whole; status != http.StatusServiceUnavailable {
		t.Errorf("the other had status %d", status)
	}
}

// TestNotReadyWhileLoading holds what probes see before a model is proven.
func TestNotReadyWhileLoading(t *testing.T) {
	s := serving(t, Options{})
	m := s.models["arithmetic"]
	m.proven = make(chan struct{})
	for path, want := range map[string]int{"/livez": 200, "/readyz": 503, "/health": 503, "/v1/models": 200, "/api/tags": 200} {
		status, _, answer := s.send("GET", path, "")
		if status != want {
			t.Errorf("%s: %d %s", path, status, answer)
		}
		if path == "/health" && answer != `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`+"\n" {
			t.Errorf("%s", answer)
		}
	}
	close(m.proven)
	s.post("/v1/chat/completions", chat("What is 2+2?"))
}
