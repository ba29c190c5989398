package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/tokenizer"
)

// TestPerplexity holds the figures against the logits after each token, in double
// precision.
func TestPerplexity(t *testing.T) {
	text := strings.Repeat("The quick brown fox jumps over <|eot_id|> the lazy dog. 1, 2, 3!\n", 12)
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	m, err := bitnet.Open(tiny)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ids, err := m.Tokenizer().Encode(text, tokenizer.PlainText())
	if err != nil {
		t.Fatal(err)
	}
	begin, _ := m.Tokenizer().BeginOfText()
	for _, test := range []struct {
		context int
		flags   []string
		options []bitnet.SessionOption
	}{
		{512, nil, nil},
		{100, []string{"--context", "100", "--threads", "1"}, nil},
		{2, []string{"--context", "2"}, nil},
		{300, []string{"--context", "300", "--kv-cache", "float32"}, []bitnet.SessionOption{bitnet.WithFloat32Cache()}},
	} {
		sum := 0.0
		s, err := m.NewSession(test.options...)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			last := begin
			if i%(test.context-1) == 0 { // a piece begins
				s.Truncate(0)
			} else {
				last = ids[i-1]
			}
			logits, err := s.Append(context.Background(), []int{last})
			if err != nil {
				t.Fatal(err)
			}
			all := 0.0
			for _, v := range logits {
				all += math.Exp(float64(v) - float64(logits[id]))
			}
			sum -= math.Log(all)
		}
		s.Close()
		args := append([]string{"perplexity", "--model", tiny, "--file", file}, test.flags...)
		stdout, stderr := succeed(t, args...)
		var tokens int
		var mean, perplexity float64
		if _, err := fmt.Sscanf(stdout, "tokens: %d\nmean log-probability: %g\nperplexity: %g\n", &tokens, &mean, &perplexity); err != nil || stderr != "" {
			t.Fatalf("%q: printed %q and said %q", test.flags, stdout, stderr)
		}
		want := sum / float64(len(ids))
		if tokens != len(ids) || math.Abs(mean-want) > 1e-5 || math.Abs(perplexity/math.Exp(-want)-1) > 1e-4 {
			t.Errorf("%q: printed %q, want %d tokens, %v and %v", test.flags, stdout, len(ids), want, math.Exp(-want))
		}
		args[4] = "-"
		if _, again, _ := bitnetWith(t, nil, text, args...); again != stdout {
			t.Errorf("%q: from standard input %q, from a file %q", test.flags, again, stdout)
		}
	}
}
