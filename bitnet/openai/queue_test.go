package openai

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestQueueIsFair has one key send many requests before another one sends few.
func TestQueueIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2, 100, 2)
		q.memory = 100
		var mu sync.Mutex
		var order []int
		work := func(key int) {
			leave, err := q.enter(context.Background(), key, 1, 1)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, key)
			mu.Unlock()
			time.Sleep(time.Second)
			leave()
		}
		for range 20 {
			go work(0)
			synctest.Wait()
		}
		for range 4 {
			go work(1)
			synctest.Wait()
		}
		time.Sleep(time.Hour)
		mu.Lock()
		defer mu.Unlock()
		// Two of the first key run when the second one comes. From then on each has one
		// place, until the second one has nothing left.
		if want := []int{0, 0, 1, 0, 1, 0, 1, 0, 1, 0}; len(order) != 24 || sorted(order[:2]) != sorted(want[:2]) {
			t.Fatalf("served %v", order)
		}
		for i := 2; i < 10; i += 2 {
			if order[i] == order[i+1] {
				t.Errorf("served %v", order)
			}
		}
	})
}

func sorted(keys []int) string {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	text := ""
	for _, k := range keys {
		text += string(rune('0' + k))
	}
	return text
}

// TestQueueKeepsOrder holds that a large request is not passed by small ones for
// ever, that memory counts, and that what leaves the queue makes way.
func TestQueueKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(4, 10, 0)
		q.memory = 10
		var order []string
		enter := func(ctx context.Context, name string, answers int, memory int64) func() {
			var leave func()
			go func() {
				var err error
				if leave, err = q.enter(ctx, 0, answers, memory); err != nil {
					name += " " + err.Error()
				}
				order = append(order, name)
			}()
			synctest.Wait()
			return func() { leave() }
		}
		first := enter(context.Background(), "first", 1, 6)
		ctx, cancel := context.WithCancelCause(context.Background())
		large := enter(ctx, "large", 1, 8)
		small := enter(context.Background(), "small", 1, 3)
		if got := strings.Join(order, ", "); got != "first" {
			t.Errorf("%s", got)
		}
		first()
		synctest.Wait()
		if got := strings.Join(order, ", "); got != "first, large" {
			t.Errorf("%s", got)
		}
		large()
		synctest.Wait()
		small()
		wide := enter(context.Background(), "wide", 4, 1)
		next := enter(ctx, "next", 4, 1)
		last := enter(context.Background(), "last", 4, 1)
		cancel(errors.New("gone"))
		synctest.Wait()
		wide()
		synctest.Wait()
		last()
		_ = next
		if got := strings.Join(order, ", "); got != "first, large, small, wide, next gone, last" {
			t.Errorf("%s", got)
		}
		if running, waiting, reserved := q.state(); running+waiting+int(reserved)+q.answers+q.keys[0].answers != 0 {
			t.Errorf("%d run, %d wait, %d bytes", running, waiting, reserved)
		}
	})
}

// TestQueueIsFull holds what may wait, of one key and of all.
func TestQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 8, 2)
		q.memory = 1
		refused := map[int]int{}
		for _, key := range []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1} {
			go func() {
				leave, err := q.enter(context.Background(), key, 1, 0)
				var f *failure
				if errors.As(err, &f) {
					if f.status != http.StatusTooManyRequests || f.retryAfter < time.Second || f.retryAfter > time.Minute {
						t.Errorf("%+v", f)
					}
					refused[key]++
					return
				}
				time.Sleep(time.Minute)
				leave()
			}()
			synctest.Wait()
		}
		// One runs; of the first key 6 may wait, of both 8.
		if refused[0] != 2 || refused[1] != 1 {
			t.Errorf("refused %v", refused)
		}
		time.Sleep(time.Hour)
		if running, waiting, _ := q.state(); running != 0 || waiting != 0 {
			t.Errorf("%d run and %d wait", running, waiting)
		}
	})
}

// TestQueueFullOverHTTP holds what clients see of it.
func TestQueueFullOverHTTP(t *testing.T) {
	s := serving(t, Options{Parallel: 1, Queue: -1})
	free := s.occupy()
	for path, body := range map[string]string{"/v1/chat/completions": chat("What is 2+2?", stream), "/v1/completions": `{"prompt":"2+2="}`, "/api/chat": `{"model":"arithmetic","messages":[{"role":"user","content":"a"}]}`} {
		status, header, answer := s.send("POST", path, body)
		if status != http.StatusTooManyRequests || header.Get("Retry-After") == "" || header.Get("Content-Type") != "application/json" || !strings.Contains(answer, "too many requests") {
			t.Errorf("%s: %d %v %s", path, status, header, answer)
		}
	}
	free()
	s.post("/v1/chat/completions", chat("What is 2+2?"))
	if _, _, answer := s.send("GET", "/metrics", ""); !strings.Contains(answer, `bitnet_requests_rejected_total{reason="queue"} 3`) {
		t.Errorf("%s", answer)
	}
}

// TestTimeLimit gives up requests while they wait and while they are computed.
func TestTimeLimit(t *testing.T) {
	s := serving(t, Options{Parallel: 1, RequestTimeout: 50 * time.Millisecond})
	free := s.occupy()
	status, header, answer := s.send("POST", "/v1/chat/completions", chat("What is 2+2?"))
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || *decode(t, answer).Error.Code != "queue_timeout" {
		t.Errorf("%d %v %s", status, header, answer)
	}
	s.keepAlive = time.Millisecond // so that the stream has begun
	status, _, answer = s.send("POST", "/v1/chat/completions", chat("What is 2+2?", stream))
	if status != http.StatusOK || strings.Contains(answer, "[DONE]") || strings.Contains(answer, `"finish_reason":"`) || !strings.HasSuffix(answer, `"code":"queue_timeout"}}`+"\n\n") {
		t.Errorf("%d %s", status, answer)
	}
	free()
	// Words without end take longer.
	long := `"max_tokens":450,"n":100,` + endless()
	status, header, answer = s.send("POST", "/v1/chat/completions", chat("What is 2+2?", long))
	if status != http.StatusGatewayTimeout || header.Get("X-Should-Retry") != "false" || *decode(t, answer).Error.Code != "request_timeout" {
		t.Errorf("%d %v %s", status, header, answer)
	}
	status, _, answer = s.send("POST", "/v1/chat/completions", chat("What is 2+2?", long, stream))
	if status != http.StatusOK || strings.Contains(answer, "[DONE]") || !strings.HasSuffix(answer, `"code":"request_timeout"}}`+"\n\n") {
		t.Errorf("%d %s", status, answer)
	}
}
