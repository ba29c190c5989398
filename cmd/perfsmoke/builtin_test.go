package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

// TestDefault runs what is run where nothing is said: the built-in model, whose
// receipt is confirmed with nothing named.
func TestDefault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "receipt.json")
	const note = "perfsmoke: no --model: using the built-in arithmetic model, which only knows small sums\n"
	status, out, stderr := run(t, modelConsole(nil), "--receipt", path)
	if status != exitOK || strings.Count(stderr, note) != 1 {
		t.Errorf("status %d, output %q, errors %q", status, out, stderr)
	}
	r, err := receipt.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	wantGood(t, r)
	if r.Model.BuiltIn != "arithmetic" || r.Model.Synthetic != nil || r.Model.Bytes != arithmetic.File().Size() ||
		!strings.HasPrefix(r.Model.File, "arithmetic-"+r.Model.SHA256[:16]) || r.Prompt != "2+2=" || r.TokensRequested != 4 || r.Threads != 1 {
		t.Errorf("%+v, prompt %q, %d tokens, %d threads", r.Model, r.Prompt, r.TokensRequested, r.Threads)
	}

	// What the library answers with the model that is in the program.
	m, err := arithmetic.Open(bitnet.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	result := libraryAnswer(t, m)
	// The receipt also has the token that ended the text.
	if len(r.GeneratedIDs) != result.CompletionTokens || !slices.Equal(result.Tokens, r.GeneratedIDs[:len(result.Tokens)]) || result.Text != r.Text || string(result.Reason) != r.StopReason {
		t.Errorf("%v %q %s, the library gives %+v", r.GeneratedIDs, r.Text, r.StopReason, result)
	}

	verify := func(text string, want int, args ...string) {
		t.Helper()
		status, out, stderr := run(t, modelConsole(map[string]string{"BITNET_CPU": "generic"}), append([]string{"verify", path}, args...)...)
		if status != want || !strings.Contains(out+stderr, text) {
			t.Errorf("%v: status %d, output %q, errors %q", args, status, out, stderr)
		}
	}
	verify("consistent", exitOK)
	verify("confirmed", exitOK, "--replay", "--threads", "2")
	verify("confirmed", exitOK, "--replay", "--model", "../../bitnet/arithmetic/arithmetic.gguf")

	// The receipt of a program with another version is as good, but this one
	// cannot run it again.
	r.Model.SHA256 = strings.Repeat("01", 32)
	r.Model.File = "arithmetic-0101010101010101.gguf"
	r.Tokenizer.SHA256, r.Tokenizer.File = r.Model.SHA256, r.Model.File
	if err := receipt.Write(path, r); err != nil {
		t.Fatal(err)
	}
	verify("consistent", exitOK)
	verify("could not be checked: model: this program has another version of the built-in model arithmetic", exitUnchecked, "--replay")
	// Nor does it take a model that was not named for it.
	r.Model.BuiltIn = ""
	if err := receipt.Write(path, r); err != nil {
		t.Fatal(err)
	}
	verify("arithmetic-0101010101010101.gguf is not the built-in model", exitUnchecked, "--replay")
}

// TestNeedsNoFolder runs the built-in model where there is no folder to keep a
// model in, as in a container of nothing but the program.
func TestNeedsNoFolder(t *testing.T) {
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData", "home"} {
		t.Setenv(name, "")
	}
	path := filepath.Join(t.TempDir(), "receipt.json")
	c := modelConsole(nil)
	c.cache = ""
	if status, out, stderr := run(t, c, "--receipt", path); status != exitOK || !strings.Contains(out, "decoding") {
		t.Errorf("status %d, output %q, errors %q", status, out, stderr)
	}
	if status, out, stderr := run(t, c, "verify", "--replay", path); status != exitOK {
		t.Errorf("status %d, output %q, errors %q", status, out, stderr)
	}
	// A synthetic model has to lie somewhere.
	if status, out, stderr := run(t, c, "--synthetic", "tiny", "--receipt", path); status != exitOK || !strings.Contains(out, "no cache folder") {
		t.Errorf("status %d, output %q, errors %q", status, out, stderr)
	}
}
