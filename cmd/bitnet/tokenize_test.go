package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/tokenizer"
)

func TestTokenize(t *testing.T) {
	vocabulary, err := tokenizer.Open(tiny)
	if err != nil {
		t.Fatal(err)
	}
	alone := vocabularyFile(t)
	for _, text := range []string{"Hello world", "€ 😀\x00\n", " <|eot_id|>x\n\n", "", "--ids"} {
		ids, err := vocabulary.Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, id := range ids {
			want = append(want, strconv.Itoa(id))
		}
		wantIDs := strings.Join(want, " ") + "\n"
		for _, args := range [][]string{
			{"tokenize", "--ids", "--model", tiny, "--", text},
			{"tokenize", "--tokenizer", alone, "--ids", "--", text},
			{"tokenize", "--model", "nosuch", "--tokenizer", alone, "--ids", "--", text},
		} {
			if got, _ := succeed(t, args...); got != wantIDs {
				t.Errorf("%q printed %q, want %q", args, got, wantIDs)
			}
		}
		status, lines, _ := bitnetWith(t, nil, text, "tokenize", "--model", tiny)
		if status != 0 {
			t.Errorf("%q on standard input: status %d", text, status)
		}
		var back strings.Builder
		n := 0
		for line := range strings.Lines(lines) {
			id, quoted, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			token, err := strconv.Unquote(quoted)
			if err != nil || n >= len(want) || id != want[n] {
				t.Errorf("%q: line %d is %q (%v)", text, n, line, err)
			}
			back.WriteString(token)
			n++
		}
		if n != len(want) || back.String() != text {
			t.Errorf("%q: %d tokens that are %q", text, n, back.String())
		}
	}
	// Flags may stand behind the text.
	if got, _ := succeed(t, "tokenize", "Hello", "--ids", "-model", tiny); strings.ContainsAny(got, "\t\"") {
		t.Errorf("flags behind the text: %q", got)
	}
}

// vocabularyFile writes the metadata of a model as a GGUF without tensors.
func vocabularyFile(t *testing.T) string {
	t.Helper()
	model, err := gguf.Open(tiny)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	path := filepath.Join(t.TempDir(), "vocabulary.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := gguf.NewWriter(f)
	for _, key := range model.Keys() {
		value, _ := model.Value(key)
		if err := w.Set(key, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
