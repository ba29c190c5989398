package openai

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
)

var (
	speedModel  = flag.String("model", "", "the model that TestSpeed times; without it the built-in one serves as a smoke test")
	speedRounds = flag.Int("rounds", 1, "how many rounds of each kind TestSpeed takes")
)

// TestSpeed tells, beside each other and in turn, how fast answers come from
// sessions and over HTTP, and how long requests wait for their first byte beside
// others. What it says is for people; it fails where answers are not the same.
func TestSpeed(t *testing.T) {
	m, tokens, long := builtIn, 24, 300
	if *speedModel != "" {
		var err error
		if m, err = bitnet.Open(*speedModel); err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		long = 2000
	}
	s := servingModels(t, map[string]*bitnet.Model{"m": m}, Options{Parallel: 9})
	prompts := make([][]int, 8)
	for i := range prompts {
		prompts[i] = []int{100 + i, 200, 300, 20 + i, 7, 8, 9, 10}
	}
	// No token ends a text, so that all have the same length.
	bias := map[int]float64{}
	var biased []string
	for _, id := range m.Tokenizer().EndTokens() {
		bias[id] = -100
		biased = append(biased, fmt.Sprintf(`"%d":-100`, id))
	}
	body := func(ids []int, n int, more string) string {
		return fmt.Sprintf(`{"prompt":%s,"temperature":0,"max_tokens":%d,"stream":true,"logit_bias":{%s}%s}`, strings.ReplaceAll(fmt.Sprint(ids), " ", ","), n, strings.Join(biased, ","), more)
	}
	library := func(ids []int, n int) string {
		session, err := m.NewSession()
		if err != nil {
			t.Error(err)
			return ""
		}
		defer session.Close()
		text := ""
		for token, err := range session.StreamTokens(context.Background(), ids, bitnet.GenerateOptions{MaxTokens: n, LogitBias: bias}) {
			if err != nil {
				t.Error(err)
			}
			text += token.Text
		}
		return text
	}
	// Each request of a round has a prompt of its own, so that none is there already.
	served := 0
	http := func(ids []int, n int) string {
		text, _ := textOf(t, s.post("/v1/completions", body(ids, n, "")), 0)
		return text
	}
	together := func(sessions int, answer func(ids []int, n int) string) (time.Duration, []string) {
		texts := make([]string, sessions)
		var all sync.WaitGroup
		start := time.Now()
		for i := range sessions {
			ids := append(slices.Clone(prompts[i]), served%50, 11)
			all.Go(func() { texts[i] = answer(ids, tokens) })
		}
		all.Wait()
		return time.Since(start), texts
	}
	for _, sessions := range []int{1, 8} {
		var ratios []float64
		for range *speedRounds {
			served++
			a, want := together(sessions, library)
			b, got := together(sessions, http)
			if !slices.Equal(got, want) {
				t.Errorf("over HTTP %q, from sessions %q", got, want)
			}
			c, _ := together(sessions, library)
			ratios = append(ratios, 2*float64(b)/float64(a+c))
		}
		slices.Sort(ratios)
		t.Logf("%d at a time: over HTTP %.3f of the time of sessions (median of %d, from %.3f to %.3f)", sessions, ratios[len(ratios)/2], len(ratios), ratios[0], ratios[len(ratios)-1])
	}

	// Seven answers are under way, and a long prompt comes, and a short request.
	var firsts, gaps []time.Duration
	var mu sync.Mutex
	for round := range *speedRounds {
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		begun := make(chan bool, 7)
		for i := range 7 {
			all.Go(func() {
				response := s.begin(ctx, "POST", "/v1/completions", body([]int{50 + i, 60 + round%50, 70}, min(m.Config().ContextLength-10, 1000), ""), "Content-Type", "application/json")
				defer response.Body.Close()
				r := bufio.NewReader(response.Body)
				last := time.Time{}
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					if strings.HasPrefix(line, "data: {") {
						if now := time.Now(); !last.IsZero() {
							mu.Lock()
							gaps = append(gaps, now.Sub(last))
							mu.Unlock()
							last = now
						} else {
							last = now
							begun <- true
						}
					}
				}
			})
		}
		for range 7 {
			<-begun
		}
		prompt := make([]int, long)
		for i := range prompt {
			prompt[i] = 5 + (i*i+round)%90
		}
		all.Go(func() {
			response := s.begin(ctx, "POST", "/v1/completions", body(prompt, 1, ""))
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		})
		eventually(t, "the long prompt is under way", func() bool { n, _, _ := s.queue.state(); return n == 8 })
		start := time.Now()
		response := s.begin(ctx, "POST", "/v1/completions", body([]int{90, 80 + round%50, 70, 60}, 2, ""))
		r := bufio.NewReader(response.Body)
		readUntil(t, r, `"text":"`) // which says that it is under way
		readUntil(t, r, `"text":"`)
		firsts = append(firsts, time.Since(start))
		response.Body.Close()
		cancel()
		all.Wait()
	}
	slices.Sort(firsts)
	slices.Sort(gaps)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	t.Logf("first token beside 7 answers and a prompt of %d: median %v, 95%% below %v; between tokens of the 7: median %v, longest %v; %d MB of heap",
		long, firsts[len(firsts)/2], firsts[len(firsts)*95/100], gaps[len(gaps)/2], gaps[len(gaps)-1], memory.HeapAlloc>>20)
}
