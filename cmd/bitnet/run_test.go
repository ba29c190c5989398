package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/quant"
	"github.com/google/go-cmp/cmp"
)

// expected generates with the package itself.
func expected(t *testing.T, prompt string, o bitnet.GenerateOptions) *bitnet.Result {
	t.Helper()
	m, err := bitnet.Open(tiny)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	result, err := s.Generate(context.Background(), prompt, o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestRun(t *testing.T) {
	want := expected(t, "Hello there", bitnet.GenerateOptions{MaxTokens: 30})
	stdout, stderr := succeed(t, "run", "--model", tiny, "--prompt", "Hello there", "--max-tokens", "30")
	if stdout != want.Text {
		t.Errorf("got %q, want %q", stdout, want.Text)
	}
	if line := `^load \d+\.\d\d s, prompt \d+ tokens at \d+\.\d/s, first token after \d+\.\d\d s, 30 tokens at \d+\.\d/s, ended by max_tokens\n$`; !regexp.MustCompile(line).MatchString(stderr) {
		t.Errorf("timings are %q", stderr)
	}
	for _, args := range [][]string{
		{"run", "-max-tokens=30", "-model", tiny, "-prompt=Hello there", "-greedy"},
		{"run", "--greedy", "--temperature", "0", "--model", tiny, "--prompt", "Hello there", "--max-tokens", "30", "--seed", "3"},
		{"run", "--model", tiny, "--tokenizer", tiny, "--prompt", "Hello there", "--max-tokens", "30"},
	} {
		if got, _ := succeed(t, args...); got != want.Text {
			t.Errorf("%q: %q, want %q", args, got, want.Text)
		}
	}
	for _, end := range []string{"", "\n", "\r\n"} {
		status, got, stderr := bitnetWith(t, nil, "Hello there"+end, "run", "--model", tiny, "--max-tokens", "30")
		if status != 0 || got != want.Text {
			t.Errorf("prompt on standard input, ended by %q: status %d, %q, %s", end, status, got, stderr)
		}
	}
	// Without --max-tokens there are 128, with 0 what the context holds.
	if got, _ := succeed(t, "run", "--model", tiny, "--prompt", "Hello there"); got != expected(t, "Hello there", bitnet.GenerateOptions{MaxTokens: 128}).Text {
		t.Errorf("default: %q", got)
	}
	if got, stderr := succeed(t, "run", "--model", tiny, "--prompt", "Hello there", "--max-tokens", "0"); got != expected(t, "Hello there", bitnet.GenerateOptions{}).Text {
		t.Errorf("no limit: %q, %s", got, stderr)
	}
	// An empty prompt that is given is one.
	if got, _ := succeed(t, "run", "--model", tiny, "--prompt", "", "--max-tokens", "3"); got != expected(t, "", bitnet.GenerateOptions{MaxTokens: 3}).Text {
		t.Errorf("empty prompt: %q", got)
	}
	if _, stderr := succeed(t, "run", "--model", tiny, "--prompt", "a", "--top-k", "3"); !strings.HasPrefix(stderr, "warning: --top-k") {
		t.Errorf("--top-k without temperature: %q", stderr)
	}
}

func TestRunSampling(t *testing.T) {
	options := bitnet.GenerateOptions{MaxTokens: 20, Temperature: 0.8, TopK: 50, TopP: 0.9, MinP: 0.01, Seed: 42}
	args := []string{"run", "--model", tiny, "--prompt", "Hello", "--max-tokens", "20", "--temperature", "0.8", "--top-k", "50", "--top-p", "0.9", "--min-p", "0.01"}
	want := expected(t, "Hello", options)
	got, stderr := succeed(t, append(args, "--seed", "42")...)
	if got != want.Text || !strings.HasSuffix(stderr, ", seed 42\n") {
		t.Errorf("got %q, want %q; said %q", got, want.Text, stderr)
	}
	// A seed that was drawn is told, and gives the same text again.
	first, stderr := succeed(t, args...)
	seed := regexp.MustCompile(`seed (\d+)\n$`).FindStringSubmatch(stderr)
	if seed == nil {
		t.Fatalf("no seed in %q", stderr)
	}
	if again, _ := succeed(t, append(args, "--seed", seed[1])...); again != first {
		t.Errorf("seed %s gave %q, then %q", seed[1], first, again)
	}
	_, other := succeed(t, args...)
	if strings.HasSuffix(other, seed[0]) {
		t.Errorf("two runs drew the same seed: %s", seed[0])
	}
}

func TestRunJSON(t *testing.T) {
	want := expected(t, "Hello there", bitnet.GenerateOptions{MaxTokens: 10})
	stdout, stderr := succeed(t, "run", "--model", tiny, "--prompt", "Hello there", "--max-tokens", "10", "--json", "--threads", "2")
	if strings.Count(stdout, "\n") != 1 || !strings.Contains(stderr, "ended by max_tokens") {
		t.Errorf("printed %q and %q", stdout, stderr)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	timings, _ := got["timings"].(map[string]any)
	for _, name := range []string{"load_seconds", "prompt_seconds", "prompt_tokens_per_second", "first_token_seconds", "decode_seconds", "decode_tokens_per_second"} {
		if seconds, ok := timings[name].(float64); !ok || seconds <= 0 {
			t.Errorf("%s is %v", name, timings[name])
		}
		delete(timings, name)
	}
	var tokens []any
	for _, id := range want.Tokens {
		tokens = append(tokens, float64(id))
	}
	if diff := cmp.Diff(map[string]any{
		"text":              want.Text,
		"tokens":            tokens,
		"prompt_tokens":     float64(want.PromptTokens),
		"completion_tokens": 10.0,
		"reason":            "max_tokens",
		"seed":              nil,
		"model":             tiny,
		"kernels":           quant.Best().Name(),
		"threads":           2.0,
		"timings":           map[string]any{},
	}, got); diff != "" {
		t.Errorf("object (−want +got):\n%s", diff)
	}

	// Where runs must not differ, the whole object is the same, on any number
	// of threads and any kernels.
	args := []string{"run", "--model", tiny, "--prompt", "Hello there", "--max-tokens", "10", "--json", "--temperature", "1", "--seed", "5"}
	objects := make(map[string]bool)
	for _, k := range quant.Available() {
		for _, threads := range []string{"1", "3"} {
			_, stdout, _ := bitnetWith(t, map[string]string{"BITNET_DETERMINISTIC": "1", "BITNET_CPU": k.Name(), "BITNET_THREADS": threads}, "", args...)
			objects[stdout] = true
		}
	}
	for object := range objects {
		if len(objects) != 1 || !strings.Contains(object, `"seed":5`) {
			t.Errorf("object: %s", object)
		}
	}
}

// A long prompt shows how far it is, and gives what it gives otherwise.
func TestPromptProgress(t *testing.T) {
	m, err := bitnet.Open(tiny)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, prompt := range []string{
		strings.Repeat("a,", 230),
		"<|begin_of_text|>" + strings.Repeat("a,", 200),
		strings.Repeat("a,", 20),
	} {
		want := expected(t, prompt, bitnet.GenerateOptions{MaxTokens: 5})
		s, err := m.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		var shown, text bytes.Buffer
		got, err := generate(context.Background(), &progress{w: &shown}, s, prompt, bitnet.GenerateOptions{MaxTokens: 5}, textWriter{w: &text}.write)
		if err != nil {
			t.Fatal(err)
		}
		if got.Text != want.Text || text.String() != want.Text || got.PromptTokens != want.PromptTokens {
			t.Errorf("got %q from %d tokens, want %q from %d", got.Text, got.PromptTokens, want.Text, want.PromptTokens)
		}
		if long := want.PromptTokens > bitnet.BlockTokens; long != strings.Contains(shown.String(), "prompt: 0 of ") || long && !strings.HasSuffix(shown.String(), " \r") {
			t.Errorf("%d tokens: progress %q", want.PromptTokens, shown.String())
		}
		s.Close()
	}
}

func TestEscapes(t *testing.T) {
	for _, test := range []struct{ text, visible, harmless string }{
		{"plain", "plain", "plain"},
		{"两\u3000行 é 😀", `两\u3000行 é 😀`, "两\u3000行 é 😀"},
		{"a\nb\tc\r", `a\nb\tc\r`, "a\nb\tc\\r"},
		{"\x1b[2J\u009b\x7f\x00", `\x1b[2J\u009b\x7f\x00`, `\x1b[2J\u009b\x7f\x00`},
		{"\xff\ufffd", "\\xff\ufffd", "\\xff\ufffd"},
		{"\u202eabc", `\u202eabc`, "\u202eabc"},
	} {
		if got := visible(test.text); got != test.visible {
			t.Errorf("visible(%q) is %q", test.text, got)
		}
		if got := harmless(test.text); got != test.harmless {
			t.Errorf("harmless(%q) is %q", test.text, got)
		}
	}
}

func TestGenerationFlags(t *testing.T) {
	free := expected(t, "Hello there", bitnet.GenerateOptions{MaxTokens: 40})
	stop := free.Text[len(free.Text)/2:][:5]
	for _, test := range []struct {
		args []string
		want bitnet.GenerateOptions
	}{
		{[]string{"--stop", "no such text", "--stop", stop}, bitnet.GenerateOptions{Stop: []string{stop}}},
		{[]string{"--repeat-penalty", "1.5"}, bitnet.GenerateOptions{RepetitionPenalty: 1.5}},
		{[]string{"--repeat-penalty", "1"}, bitnet.GenerateOptions{}},
		{[]string{"--presence-penalty", "2.5", "--frequency-penalty", "-0.25"}, bitnet.GenerateOptions{PresencePenalty: 2.5, FrequencyPenalty: -0.25}},
		{[]string{"--frequency-penalty", "9"}, bitnet.GenerateOptions{FrequencyPenalty: 9}},
	} {
		test.want.MaxTokens = 40
		want := expected(t, "Hello there", test.want).Text
		got, _ := succeed(t, append([]string{"run", "--model", tiny, "--prompt", "Hello there", "--max-tokens", "40"}, test.args...)...)
		if got != want || want == free.Text && len(test.want.Stop) > 0 {
			t.Errorf("%q: %q, want %q", test.args, got, want)
		}
	}
	_, stderr := succeed(t, "run", "--model", tiny, "--prompt", "Hello there", "--max-tokens", "0", "--context", "50")
	if !strings.Contains(stderr, "ended by context") || !strings.Contains(stderr, "prompt 5 tokens") || !strings.Contains(stderr, " 45 tokens") {
		t.Errorf("--context 50: %q", stderr)
	}
	for _, args := range [][]string{{"--top-k", "3"}, {"--top-p", "0.5"}, {"--min-p", "0.5"}, {"--seed", "3"}} {
		_, stderr := succeed(t, append([]string{"run", "--model", tiny, "--prompt", "a", "--max-tokens", "1"}, args...)...)
		if !strings.HasPrefix(stderr, "warning: "+args[0]+" changes nothing without --temperature\n") {
			t.Errorf("%q: said %q", args, stderr)
		}
		_, stderr = succeed(t, append([]string{"run", "--model", tiny, "--prompt", "a", "--max-tokens", "1", "--temperature", "1"}, args...)...)
		if strings.Contains(stderr, "warning") {
			t.Errorf("%q: said %q", args, stderr)
		}
	}
}

// A session that is saved goes on as if it had not been.
func TestSavedSession(t *testing.T) {
	free := expected(t, "Hello there", bitnet.GenerateOptions{MaxTokens: 12}).Text
	file := filepath.Join(t.TempDir(), "session")
	first, _ := succeed(t, "run", "--model", tiny, "--prompt", "Hello there", "--max-tokens", "5", "--save", file)
	second, stderr := succeed(t, "run", "--model", tiny, "--load", file, "--max-tokens", "4", "--save", file)
	if !strings.Contains(stderr, "prompt 1 tokens") { // the one that was chosen last
		t.Errorf("said %q", stderr)
	}
	third, _ := succeed(t, "run", "--model", tiny, "--load", file, "--max-tokens", "3", "--threads", "1", "--context", "100")
	if got := first + second + third; got != free {
		t.Errorf("in three runs %q, in one %q", got, free)
	}
	// A prompt goes behind what is there.
	got, _ := succeed(t, "run", "--model", tiny, "--load", file, "--prompt", "and so", "--max-tokens", "4")
	status, want, _ := bitnetWith(t, nil, "and so", "run", "--model", tiny, "--load", file, "--prompt-file", "-", "--max-tokens", "4")
	if status != 0 || got != want || got == third {
		t.Errorf("with a prompt %q, from standard input %q, without one %q", got, want, third)
	}
	other := filepath.Join("..", "..", "testdata", "reference", "micro-untied", "model.gguf")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged")
	data[len(data)/2]++
	if err := os.WriteFile(damaged, data, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"--model", other, "--load", file}, file + ": saved session: it belongs to the model with SHA-256"},
		{[]string{"--model", tiny, "--load", damaged}, damaged + ": saved session: it is damaged"},
		{[]string{"--model", tiny, "--load", tiny}, tiny + ": saved session: it begins with \"GGUF"},
		{[]string{"--model", tiny, "--load", file + "x"}, "there is no such file"},
		{[]string{"--model", tiny, "--load", t.TempDir()}, "is a directory"},
		{[]string{"--model", tiny, "--load", file, "--context", "5"}, "choose a larger --context"},
		{[]string{"--model", tiny, "--load", file, "--prompt", strings.Repeat("a,", 300)}, "shorten it"},
		{[]string{"--model", tiny, "--prompt", "a", "--max-tokens", "1", "--save", filepath.Join(file, "x")}, "cannot write"},
	} {
		status, _, stderr := bitnetWith(t, nil, "", append([]string{"run"}, test.args...)...)
		if status != 1 || !strings.Contains(stderr, test.says) {
			t.Errorf("%.200q: status %d, said %q; want %q", test.args, status, stderr, test.says)
		}
	}
	if files, err := os.ReadDir(filepath.Dir(file)); err != nil || len(files) != 1 {
		t.Errorf("%d files are left (%v)", len(files), err)
	}
}

func TestPromptFile(t *testing.T) {
	want := expected(t, "Hello\nthere", bitnet.GenerateOptions{MaxTokens: 9}).Text
	path := filepath.Join(t.TempDir(), "prompt")
	for _, end := range []string{"", "\n", "\r\n"} {
		if err := os.WriteFile(path, []byte("Hello\nthere"+end), 0o666); err != nil {
			t.Fatal(err)
		}
		if got, _ := succeed(t, "run", "--model", tiny, "--prompt-file", path, "--max-tokens", "9"); got != want {
			t.Errorf("ended by %q: %q, want %q", end, got, want)
		}
	}
	if status, got, _ := bitnetWith(t, nil, "Hello\nthere\n", "run", "--model", tiny, "--prompt-file", "-", "--max-tokens", "9"); status != 0 || got != want {
		t.Errorf("standard input: status %d, %q, want %q", status, got, want)
	}
}

// Where text and timings go to one pipe, they are on different lines.
func TestOnePipe(t *testing.T) {
	for _, prompt := range []string{"2+2=", "x"} {
		both, err := os.Create(filepath.Join(t.TempDir(), "both"))
		if err != nil {
			t.Fatal(err)
		}
		defer both.Close()
		if status := run([]string{"run", "--prompt", prompt}, strings.NewReader(""), both, both, func(string) string { return "" }); status != 0 {
			t.Fatalf("status %d", status)
		}
		got, err := os.ReadFile(both.Name())
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`(?m)^load \d`).Match(got) || strings.Contains(string(got), "\n\n") {
			t.Errorf("text and timings are %q", got)
		}
	}
}
