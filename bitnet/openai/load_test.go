package openai

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var loadRequests = flag.Int("requests", 100, "how many requests TestLoad sends")

// loadCases are requests of every kind, with seeds.
func loadCases() (paths, bodies []string) {
	add := func(path, body string) { paths, bodies = append(paths, path), append(bodies, body) }
	for i := range 6 {
		add("/v1/chat/completions", chat(fmt.Sprintf("What is %d+%d?", 11*i, 7*i+3)))
		add("/v1/chat/completions", chat("Count on from 7 8 9 10", digits(), `"temperature":1.5`, fmt.Sprintf(`"seed":%d`, i), `"max_tokens":40`))
		add("/v1/chat/completions", chat("Count on from 12 13", stream, digits(), `"temperature":1.2`, fmt.Sprintf(`"seed":%d`, i), `"max_tokens":60`, `"n":2`, `"stream_options":{"include_usage":true}`))
		add("/v1/chat/completions", chat("Tell me something long, please.", digits(), `"temperature":2`, `"logprobs":true,"top_logprobs":2`, fmt.Sprintf(`"seed":%d`, i), `"max_tokens":30`, stream))
		add("/v1/chat/completions", `{"model":"arithmetic","temperature":0,"messages":[{"role":"system","content":"Be brief. `+strings.Repeat("Be exact. ", 15)+`"},{"role":"user","content":"What is 3+4?"},{"role":"assistant","content":"7"},{"role":"user","content":"What is `+fmt.Sprint(i)+`*8?"}]}`)
		add("/v1/completions", fmt.Sprintf(`{"prompt":["%d+5=","3*%d=","7 8 9"],"temperature":1.3,"seed":%d,"n":2,"max_tokens":20,"frequency_penalty":0.5,%s}`, i, i, i, digits()))
		add("/v1/completions", fmt.Sprintf(`{"prompt":"%s","temperature":1.7,"top_p":0.9,"top_k":20,"min_p":0.01,"seed":%d,"max_tokens":50,"stream":true,"echo":true}`, strings.Repeat("1 2 3 4 5 6 7 8 9 ", 8), i))
	}
	return paths, bodies
}

// byChoice orders the events of a stream by the choice that they are of: how those
// of several choices alternate is left open.
func byChoice(answer string) string {
	if !strings.HasPrefix(answer, "data: ") {
		return answer
	}
	choiceOf := func(event string) int {
		for i := range 2 {
			if strings.Contains(event, fmt.Sprintf(`"index":%d`, i)) {
				return i
			}
		}
		return 2
	}
	all := strings.SplitAfter(answer, "\n\n")
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(choiceOf(a), choiceOf(b)) })
	return strings.Join(all, "")
}

// TestLoad sends many requests at once, of which some leave at a random moment.
// Every answer must have the bytes of the same request answered alone, and nothing
// may be left afterwards.
func TestLoad(t *testing.T) {
	if testing.Short() {
		*loadRequests = min(*loadRequests, 50)
	}
	paths, bodies := loadCases()
	want := make([]string, len(paths))
	for i := range paths {
		alone := serving(t, Options{})
		r := alone.Do(context.Background(), Request{Path: paths[i], Body: []byte(bodies[i])})
		if r.Status != http.StatusOK {
			t.Fatalf("%s: %d %s", bodies[i], r.Status, r.Body)
		}
		want[i] = byChoice(plain(string(r.Body)))
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()
	t.Run("requests", func(t *testing.T) {
		// Little memory, so that sessions must be given up again and again.
		s := serving(t, Options{Parallel: 6, Queue: 64, Context: 400, KVMemory: 8 * sessionBytes(builtIn, 400)})
		s.keepAlive = time.Hour // on a machine that is busy there is silence, and what breaks it
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
		defer client.CloseIdleConnections()
		var next, finished, dropped atomic.Int64
		var connections sync.WaitGroup
		for c := range 32 {
			random := rand.New(rand.NewPCG(1, uint64(c)))
			connections.Go(func() {
				for next.Add(1) <= int64(*loadRequests) {
					i := random.IntN(len(paths))
					ctx, cancel := context.WithCancel(context.Background())
					drop := random.IntN(10) == 0
					if drop {
						time.AfterFunc(time.Duration(random.Int64N(int64(80*time.Millisecond))), cancel)
					}
					status, answer, err := fetch(ctx, client, s.url+paths[i], bodies[i])
					cancel()
					switch {
					case drop && err != nil:
						dropped.Add(1)
					case err != nil:
						t.Errorf("%s: %v", bodies[i], err)
					case status != http.StatusOK || byChoice(plain(answer)) != want[i]:
						t.Errorf("%s: status %d\n%s\nalone\n%s", bodies[i], status, byChoice(plain(answer)), want[i])
					default:
						finished.Add(1)
					}
				}
			})
		}
		connections.Wait()
		if finished.Load() == 0 || dropped.Load() == 0 || finished.Load()+dropped.Load() < int64(*loadRequests) {
			t.Errorf("%d requests finished and %d were dropped", finished.Load(), dropped.Load())
		}
		sessions, bytes := s.shelf.state()
		if limit := s.options.KVMemory; bytes > limit || sessions == 0 {
			t.Errorf("%d sessions are kept in %d bytes of %d", sessions, bytes, limit)
		}
		t.Logf("%d finished, %d dropped, %d sessions kept", finished.Load(), dropped.Load(), sessions)
	})
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "all goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4*builtIn.CacheBytes(400) {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

func fetch(ctx context.Context, client *http.Client, url, body string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err == nil {
		err = ctx.Err()
	}
	return response.StatusCode, string(data), err
}
