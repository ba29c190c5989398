package tokenizer

import (
	"bytes"
	"compress/bzip2"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/google/go-cmp/cmp"
)

type goldenCase struct {
	Splitter string `json:"pre"`
	Text     string
	IDs      []int
}

func golden(t testing.TB) []goldenCase { return goldenCases(t, "golden.jsonl", 466) }

// goldenCases reads a file with so many texts and their tokens.
func goldenCases(t testing.TB, name string, count int) (cases []goldenCase) {
	t.Helper()
	for _, line := range bytes.SplitAfter(readTestdata(name), []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var c goldenCase
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	if len(cases) != count {
		t.Fatalf("%s has %d cases, want %d", name, len(cases), count)
	}
	return cases
}

// readTestdata returns the contents of a file, which may be compressed.
func readTestdata(name string) []byte {
	data, err := os.ReadFile(testdata + name)
	if err == nil && strings.HasSuffix(name, ".bz2") {
		data, err = io.ReadAll(bzip2.NewReader(bytes.NewReader(data)))
	}
	if err != nil {
		panic(err)
	}
	return data
}

// checkGolden encodes and decodes golden cases.
func checkGolden(t *testing.T, tokenizer *Tokenizer, cases []goldenCase) {
	t.Helper()
	for _, c := range cases {
		got, err := tokenizer.Encode(c.Text)
		if err != nil {
			t.Errorf("Encode(%.60q): %v", c.Text, err)
			continue
		}
		if diff := cmp.Diff(c.IDs, got); diff != "" {
			t.Errorf("Encode(%.60q) (-want +got):\n%s", c.Text, diff)
		}
		if text := tokenizer.Decode(c.IDs); text != strings.ReplaceAll(c.Text, blankMark, blankOf(tokenizer)) {
			t.Errorf("Decode of %.60q gives %.60q", c.Text, text)
		}
	}
}

// blankOf returns what a vocabulary makes of ▁.
func blankOf(t *Tokenizer) string {
	if t.sentencePieces != nil {
		return " "
	}
	return blankMark
}

func TestGolden(t *testing.T) {
	for _, form := range []struct {
		name string
		data []byte
	}{
		{"GGUF", llama3GGUF()},
		{"tokenizer.json", llama3JSON()},
	} {
		t.Run(form.name, func(t *testing.T) {
			tokenizer, err := openBytes(t, form.data)
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, tokenizer, golden(t))
			if got := tokenizer.VocabularySize(); got != 128_256 {
				t.Errorf("VocabularySize() = %d, want 128256", got)
			}
			if id, ok := tokenizer.BeginOfText(); id != llama3BeginOfText || !ok {
				t.Errorf("BeginOfText() = %d, %t", id, ok)
			}
			if id, ok := tokenizer.EndOfText(); id != llama3EndOfText || !ok {
				t.Errorf("EndOfText() = %d, %t", id, ok)
			}
			if !tokenizer.AddsBeginOfText() {
				t.Error("AddsBeginOfText() = false")
			}
		})
	}
}

func TestTokens(t *testing.T) {
	tokenizer := llama3Tokenizer()
	for id, want := range llama3Ranks() {
		if got := string(tokenizer.AppendToken(nil, id)); got != want {
			t.Fatalf("token %d is %q, want %q", id, got, want)
		}
		if got, ok := tokenizer.TokenID(want); got != id || !ok {
			t.Fatalf("TokenID(%q) = %d, %t, want %d", want, got, ok, id)
		}
		if tokenizer.IsSpecial(id) {
			t.Fatalf("token %d, %q, is special", id, want)
		}
	}
	if id, ok := tokenizer.TokenID("<|eot_id|>"); id != llama3EndOfTurn || !ok {
		t.Errorf("TokenID(<|eot_id|>) = %d, %t", id, ok)
	}
	if !tokenizer.IsSpecial(llama3EndOfTurn) {
		t.Error("<|eot_id|> is not special")
	}
	if id, ok := tokenizer.TokenID("no such token"); ok {
		t.Errorf("TokenID(no such token) = %d", id)
	}
	if got := string(tokenizer.AppendToken([]byte("a"), llama3EndOfTurn)); got != "a<|eot_id|>" {
		t.Errorf("AppendToken(a, <|eot_id|>) = %q", got)
	}
}

func TestUnknownIDs(t *testing.T) {
	tokenizer := llama3Tokenizer()
	for _, id := range []int{-1, 128_256, 1 << 30, -1 << 31} {
		if text := tokenizer.Decode([]int{9906, id, 1917}); text != "Hello world" {
			t.Errorf("Decode with the id %d = %q", id, text)
		}
		if token := tokenizer.AppendToken(nil, id); token != nil {
			t.Errorf("AppendToken of %d = %q", id, token)
		}
		if tokenizer.IsSpecial(id) {
			t.Errorf("IsSpecial(%d)", id)
		}
	}
	if text := tokenizer.Decode(nil); text != "" {
		t.Errorf("Decode(nil) = %q", text)
	}
}

func TestOptions(t *testing.T) {
	tokenizer := llama3Tokenizer()
	const text = "Hi<|eot_id|>"
	plain, err := tokenizer.Encode("<|")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		options []EncodeOption
		check   func(ids []int) bool
	}{
		{"none", nil, func(ids []int) bool { return slices.Equal(ids, []int{13347, llama3EndOfTurn}) }},
		{"begin of text", []EncodeOption{AddBeginOfText()}, func(ids []int) bool {
			return slices.Equal(ids, []int{llama3BeginOfText, 13347, llama3EndOfTurn})
		}},
		{"plain", []EncodeOption{PlainText()}, func(ids []int) bool {
			return ids[0] == 13347 && ids[1] == plain[0] && !slices.ContainsFunc(ids, tokenizer.IsSpecial)
		}},
		{"both", []EncodeOption{PlainText(), AddBeginOfText()}, func(ids []int) bool {
			return ids[0] == llama3BeginOfText && !slices.ContainsFunc(ids[1:], tokenizer.IsSpecial)
		}},
	} {
		ids, err := tokenizer.Encode(text, test.options...)
		if err != nil || !test.check(ids) {
			t.Errorf("%s: Encode(%q) = %v, %v", test.name, text, ids, err)
		}
		if got := strings.TrimPrefix(tokenizer.Decode(ids), "<|begin_of_text|>"); got != text {
			t.Errorf("%s: decodes to %q", test.name, got)
		}
	}
}

func TestInvalidUTF8(t *testing.T) {
	tokenizer := llama3Tokenizer()
	for _, test := range []struct {
		text   string
		offset int
	}{
		{"\xff", 0},
		{"abc\xe2\x82", 3},
		{"é\uFFFD\xc0\x80", 5},
		{"\xed\xa0\x80", 0}, // half of a surrogate pair
		{strings.Repeat("x", 1000) + "\x80 y", 1000},
	} {
		ids, err := tokenizer.Encode(test.text)
		var detail *TextError
		if !errors.As(err, &detail) || detail.Offset != test.offset || ids != nil {
			t.Errorf("Encode(%.20q) = %v, %v, want a TextError at %d", test.text, ids, err, test.offset)
		}
	}
}

// TestMegabytes fails by never ending if merging takes time that grows with
// the square of a piece's length.
func TestMegabytes(t *testing.T) {
	tokenizer := llama3Tokenizer()
	for _, unit := range []string{"a", " "} {
		text := strings.Repeat(unit, 1<<20)
		ids, err := tokenizer.Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := tokenizer.Decode(ids); got != text {
			t.Errorf("a megabyte of %q does not decode to itself", unit)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	file, err := gguf.Parse(writeGGUF(llama2Metadata()))
	if err != nil {
		t.Fatal(err)
	}
	sentencePiece, err := FromGGUF(file) // which has met no token yet
	if err != nil {
		t.Fatal(err)
	}
	llama2Cases := goldenCases(t, "llama2-golden.jsonl.bz2", 411)
	llama3Cases := golden(t)
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for i := range llama2Cases {
				at := (i + worker*100) % len(llama2Cases)
				checkGolden(t, sentencePiece, llama2Cases[at:at+1])
				checkGolden(t, llama3Tokenizer(), llama3Cases[at:at+1])
			}
		}()
	}
	wait.Wait()
}

// TestMemory keeps the promise that a vocabulary of Llama 3's size does not
// count beside a model.
func TestMemory(t *testing.T) {
	const limit = 12 << 20
	file, err := gguf.Parse(llama3GGUF())
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	tokenizer, err := FromGGUF(file)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > limit {
		t.Errorf("the tokenizer keeps %d bytes, want at most %d", kept, limit)
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > limit {
		t.Errorf("FromGGUF allocates %d bytes, want at most %d", allocated, limit)
	}
	runtime.KeepAlive(tokenizer)
}

func TestOpenErrors(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "missing"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of a missing file: %v", err)
	}
	for _, contents := range []string{"", "IQ== 0\n", "\x0a\x0b<unk>"} {
		_, err := openBytes(t, []byte(contents))
		if !errors.Is(err, ErrVocabulary) || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Open of a file with %q: %v", contents, err)
		}
	}
	for contents, want := range map[string]string{
		"version https://git-lfs.github.com/spec/v1\noid sha256:42\n": "Git LFS pointer",
		"<!DOCTYPE html>": "web page",
		"PK\x03\x04":      "zip",
		"":                "give one of these",
	} {
		if _, err := openBytes(t, []byte(contents)); !errors.Is(err, ErrVocabulary) || !strings.Contains(err.Error(), want) {
			t.Errorf("Open of a file with %q: %v, want %q in it", contents, err, want)
		}
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("Open of a folder: %v", err)
	}
	for _, length := range []int{4, 20, 100, len(llama3GGUF()) / 2, len(llama3GGUF()) - 100} {
		_, err := openBytes(t, llama3GGUF()[:length])
		if !errors.Is(err, gguf.ErrFormat) {
			t.Errorf("Open of a GGUF cut off after %d bytes: %v", length, err)
		}
	}
}

// FuzzEncode checks that every text decodes to itself and that its tokens are
// those of the plain algorithm.
func FuzzEncode(f *testing.F) {
	for _, c := range golden(f) {
		if len(c.Text) < 200 {
			f.Add(c.Text)
		}
	}
	f.Add("\xff")
	f.Add(strings.Repeat("ab", 200))
	tokenizer := llama3Tokenizer()
	plain := llama3Reference()
	f.Fuzz(func(t *testing.T, text string) {
		ids, err := tokenizer.Encode(text)
		if valid := strings.ToValidUTF8(text, "?") == text; !valid {
			var detail *TextError
			if !errors.As(err, &detail) || strings.ToValidUTF8(text[:detail.Offset], "?") != text[:detail.Offset] {
				t.Fatalf("Encode(%q) = %v, %v", text, ids, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := tokenizer.Decode(ids); got != text {
			t.Errorf("Encode and Decode make %q of %q", got, text)
		}
		if ids, err = tokenizer.Encode(text, PlainText()); err != nil {
			t.Fatal(err)
		}
		if len(text) > 2000 {
			return // the plain algorithm takes time that grows with the square
		}
		if want := plain.encode(text); !slices.Equal(ids, want) {
			t.Errorf("Encode(%q) = %v, want %v", text, ids, want)
		}
	})
}
