package arithmetic_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic/internal/tasks"
	"github.com/gobitnet/gobitnet/quant"
)

var (
	asked    = flag.Int("questions", 250, "ask so many questions of each task; 0 asks all")
	everySet = flag.Bool("every", false, "ask them with every set of kernels that this processor has")
)

// TestAccuracy asks the model and counts the answers that are right to the
// letter and end by themselves.
//
//	go test ./bitnet/arithmetic -run Accuracy -v -questions 0 -every -timeout 3h
func TestAccuracy(t *testing.T) {
	sampled, sets := *asked, []string{quant.Best().Name()}
	switch {
	case sampled == 0:
		sampled = 1 << 30
	case testing.Short() || sets[0] == "generic":
		sampled = min(sampled, 20)
	}
	if *everySet {
		sets = nil
		for _, k := range quant.Available() {
			sets = append(sets, k.Name())
		}
	}
	all := tasks.All()
	var first []int
	for _, set := range sets {
		r := rand.New(rand.NewPCG(1, 1)) // the same questions for each
		var counts []int
		var table strings.Builder
		fmt.Fprintf(&table, "kernels %s on %s/%s\n| task | right | of | share | at least |\n|---|---|---|---|---|\n", set, runtime.GOOS, runtime.GOARCH)
		for _, task := range all {
			questions := sample(r, task.Questions, sampled)
			right := count(t, set, questions)
			counts = append(counts, right)
			share := float64(right) / float64(len(questions))
			fmt.Fprintf(&table, "| %s | %d | %d | %.2f%% | %.1f%% |\n", task.Name, right, len(questions), 100*share, 100*task.Least)
			if share < task.Least {
				t.Errorf("%s: %d of %d answers are right, fewer than %.1f%%", task.Name, right, len(questions), 100*task.Least)
			}
		}
		t.Log(table.String())
		if first == nil {
			first = counts
		} else if fmt.Sprint(counts) != fmt.Sprint(first) {
			t.Errorf("kernels %s answer %v of the tasks rightly, %s %v", set, counts, sets[0], first)
		}
	}
}

// sample returns n of the questions, or all if there are fewer, in their order.
func sample(r *rand.Rand, questions []tasks.Question, n int) []tasks.Question {
	var picked []tasks.Question
	for i, q := range questions {
		if r.IntN(len(questions)-i) < n-len(picked) {
			picked = append(picked, q)
		}
	}
	return picked
}

// count returns how many of the questions are answered rightly. The questions
// are dealt to as many models as there are processors.
func count(t *testing.T, kernels string, questions []tasks.Question) (right int) {
	t.Helper()
	workers := runtime.GOMAXPROCS(0)
	counts, errs := make([]int, workers), make([]error, workers)
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			m, err := arithmetic.Open(bitnet.WithKernels(kernels), bitnet.WithThreads(1))
			if err != nil {
				errs[w] = err
				return
			}
			defer m.Close()
			counts[w], errs[w] = tasks.Right(context.Background(), m, questions[len(questions)*w/workers:len(questions)*(w+1)/workers])
		})
	}
	wait.Wait()
	for w := range workers {
		if errs[w] != nil {
			t.Fatal(errs[w])
		}
		right += counts[w]
	}
	return right
}

// TestAskNext compares the answers of questions that share a session with those
// of a program that asks each by itself.
func TestAskNext(t *testing.T) {
	m, err := arithmetic.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	alone, shared := newSession(t, m), newSession(t, m)
	r := rand.New(rand.NewPCG(3, 3))
	for _, task := range tasks.All() {
		for _, q := range sample(r, task.Questions, 10) {
			want, _, err := tasks.Ask(t.Context(), alone, q)
			if err != nil {
				t.Fatal(err)
			}
			if got, _, err := tasks.AskNext(t.Context(), m, shared, q); err != nil || got != want {
				t.Errorf("%q: answer %q, asked alone %q (error %v)", q.Prompt, got, want, err)
			}
		}
	}
}

func newSession(t *testing.T, m *bitnet.Model) *bitnet.Session {
	t.Helper()
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestOtherPrompts: whatever the prompt, the answer is text and ends by itself.
func TestOtherPrompts(t *testing.T) {
	m, err := arithmetic.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s := newSession(t, m)
	prompts := []string{
		"", " ", "\n", "Hello", "Hello, who are you?", "The capital of France is", "Write a poem about the sea.", "123+456=", "99*99=", "1+2+3=",
		"two plus", "7*", "=", "????", "Вычисли", "こんにちは、世界", "🙂🙂🙂", "\x00\x01\x02", "SELECT * FROM t;", "func main() { }",
		strings.Repeat("word ", 60), strings.Repeat("9", 100), "<|eot_id|>", "User: hi", "100 99 98", "2 4 6 8",
	}
	r := rand.New(rand.NewPCG(2, 2))
	for range 100 {
		var b strings.Builder
		for range 1 + r.IntN(20) {
			b.WriteRune(rune(32 + r.IntN(400)))
		}
		prompts = append(prompts, b.String())
	}
	for _, prompt := range prompts {
		for _, chat := range []bool{false, true} {
			answer, stopped, err := tasks.Ask(t.Context(), s, tasks.Question{Prompt: prompt, Chat: chat})
			if err != nil {
				t.Errorf("%q (chat %v): %v", prompt, chat, err)
			} else if !stopped || !utf8.ValidString(answer) || strings.ContainsRune(answer, utf8.RuneError) {
				t.Errorf("%q (chat %v): answer %q, stopped by itself: %v", prompt, chat, answer, stopped)
			}
		}
	}
}
