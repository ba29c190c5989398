package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const builtInNote = "no --model: using the built-in arithmetic model, which only knows small sums\n"

// TestBuiltIn holds each command where no model is named against the same one
// that is given the file of the built-in model.
func TestBuiltIn(t *testing.T) {
	file := filepath.Join("..", "..", "bitnet", "arithmetic", "arithmetic.gguf")
	out := filepath.Join(t.TempDir(), "logits")
	for _, test := range []struct {
		stdin string
		args  []string
	}{
		{"", []string{"run", "--prompt", "2+2=", "--max-tokens", "5"}},
		{"", []string{"run", "--prompt", "2+2=", "--max-tokens", "5", "--json"}},
		{"", []string{"run", "--prompt", "2+2=", "--tokenizer", file, "--max-tokens", "5", "--temperature", "1", "--seed", "3"}},
		{"What is 2+2?\nWhat is 3+4?\n", []string{"chat", "--max-tokens", "20"}},
		{"", []string{"tokenize", "two plus two is"}},
		{"", []string{"inspect"}},
		{"", []string{"logits", "--tokens", "1,2,3", "--out", out}},
	} {
		// What runs must not differ in is all that --json prints.
		env := map[string]string{"BITNET_DETERMINISTIC": "1"}
		outputs := func(env map[string]string, args ...string) (stdout, stderr, logits string) {
			t.Helper()
			os.Remove(out)
			status, stdout, stderr := bitnetWith(t, env, test.stdin, args...)
			data, _ := os.ReadFile(out)
			if status != 0 || stdout == "" && len(data) == 0 {
				t.Fatalf("%q: status %d, no output, said %q", args, status, stderr)
			}
			return stdout, stderr, string(data)
		}
		stdout, stderr, logits := outputs(env, test.args...)
		if !strings.HasPrefix(stderr, builtInNote) || strings.Count(stderr, "built-in") != 1 {
			t.Errorf("%q said %q", test.args, stderr)
		}
		named, stderr, namedLogits := outputs(env, append(test.args, "--model", file)...)
		if strings.Contains(stderr, "built-in") {
			t.Errorf("%q with a model said %q", test.args, stderr)
		}
		named = strings.ReplaceAll(named, file, "arithmetic (built in)")
		if diff := cmp.Diff(named, stdout); diff != "" || logits != namedLogits {
			t.Errorf("%q (−with the file +without):\n%s", test.args, diff)
		}

		// Another model in the environment is a named one.
		env["BITNET_MODEL"] = file
		if stdout, stderr, _ := outputs(env, test.args...); strings.ReplaceAll(stdout, file, "arithmetic (built in)") != named || strings.Contains(stderr, "built-in") {
			t.Errorf("%q with BITNET_MODEL printed %q and said %q", test.args, stdout, stderr)
		}
		if _, stderr, _ := outputs(map[string]string{"BITNET_LOG": "warn"}, test.args...); strings.Contains(stderr, "built-in") {
			t.Errorf("%q with BITNET_LOG=warn said %q", test.args, stderr)
		}
	}
	// Where a vocabulary is named no model is needed.
	if _, stderr := succeed(t, "tokenize", "--tokenizer", tiny, "Hello"); stderr != "" {
		t.Errorf("with a tokenizer it said %q", stderr)
	}
	if stdout, _ := succeed(t, "inspect"); !strings.HasPrefix(stdout, "file       arithmetic (built in)\n") || !strings.Contains(stdout, "  run        yes") {
		t.Errorf("inspect printed %s", stdout)
	}
}

// TestBuiltInAnswers asks what people ask first.
func TestBuiltInAnswers(t *testing.T) {
	for prompt, want := range map[string]string{
		"2+2=":            "4",
		"7-12=":           "-5",
		"7*8=":            "56",
		"two plus two is": " four",
		"7 8 9 10":        " 11 12 13 14 15 16 17 18 19 20",
	} {
		stdout, stderr := succeed(t, "run", "--prompt", prompt)
		if stdout != want || !strings.Contains(stderr, "ended by end_token") {
			t.Errorf("%q is continued by %q (%s)", prompt, stdout, stderr)
		}
	}
	if status, stdout, _ := bitnetWith(t, nil, "What is 2+2?\n", "chat"); status != 0 || stdout != "4\n" {
		t.Errorf("chat: status %d, answer %q", status, stdout)
	}
}
