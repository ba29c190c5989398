package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
	"github.com/gobitnet/gobitnet/quant"
)

const (
	examples        = "../../testdata/perfsmoke/"
	positiveExample = examples + "positive.json"
)

func TestVerify(t *testing.T) {
	for _, args := range [][]string{{"verify", positiveExample}, {"verify", "--threads", "2", positiveExample}} {
		if status, out, stderr := run(t, modelConsole(nil), args...); status != exitOK || !strings.Contains(out, "consistent") || stderr != "" {
			t.Errorf("%v: status %d, output %q, errors %q", args, status, out, stderr)
		}
	}
	negatives, _ := filepath.Glob(examples + "negative*.json")
	if len(negatives) == 0 {
		t.Error("no negative examples")
	}
	for _, path := range append(negatives, examples+"receipt.schema.json") {
		status, out, stderr := run(t, modelConsole(nil), "verify", path)
		if status != exitFailed || out != "" || !strings.Contains(stderr, "is refused: ") {
			t.Errorf("%s: status %d, output %q, errors %q", path, status, out, stderr)
		}
	}
	// What is not there, or of another version, says nothing bad of a receipt.
	for path, want := range map[string]string{"missing.json": "no such file", "older.json": "older perfsmoke", "": "not a regular file"} {
		status, out, stderr := run(t, modelConsole(nil), "verify", examples+path)
		if status != exitUnchecked || out != "" || !strings.Contains(stderr, "could not be checked: ") || !strings.Contains(stderr, want) && want != "no such file" {
			t.Errorf("%s: status %d, output %q, errors %q", path, status, out, stderr)
		}
	}
	// The one that is good is so as far as that can be told.
	if _, out, _ := run(t, modelConsole(nil), "verify", positiveExample); !strings.Contains(out, unconfirmed) {
		t.Errorf("output %q", out)
	}
}

// TestReplay runs the example, which another processor may have made, again.
func TestReplay(t *testing.T) {
	for _, k := range quant.Available() {
		for _, threads := range []string{"1", "2"} {
			c := modelConsole(map[string]string{"BITNET_CPU": k.Name()})
			status, out, stderr := run(t, c, "verify", positiveExample, "--replay", "--threads", threads)
			if status != exitOK || !strings.Contains(out, "is confirmed") || !strings.Contains(out, k.Name()) || !strings.Contains(out, unconfirmed) {
				t.Errorf("%s, %s threads: status %d, output %q, errors %q", k.Name(), threads, status, out, stderr)
			}
		}
	}
	// That it takes too long, or that the process dies, says nothing.
	for as, want := range map[string]string{asHanging: "longer than", asCrashed: "SIGILL"} {
		c := modelConsole(nil)
		c.self[1] = as
		status, out, stderr := run(t, c, "verify", positiveExample, "--replay", "--timeout", "700ms")
		if status != exitUnchecked || out != "" || !strings.Contains(stderr, "could not be checked") || !strings.Contains(stderr, want) || strings.Contains(stderr, "refused") {
			t.Errorf("%s: status %d, output %q, errors %q", as, status, out, stderr)
		}
	}
	// A model that the environment names is taken where nothing else is known.
	r, err := receipt.Read(positiveExample)
	if err != nil {
		t.Fatal(err)
	}
	r.Model.Synthetic = nil
	env := map[string]string{"BITNET_MODEL": tinyModel(t), "BITNET_THREADS": "2"}
	if status, out, stderr := run(t, modelConsole(env), "verify", writeReceipt(t, r), "--replay"); status != exitOK || !strings.Contains(out, "2 threads") {
		t.Errorf("status %d, output %q, errors %q", status, out, stderr)
	}
	// An explicit model, and flags before the file.
	status, out, stderr := run(t, modelConsole(nil), "verify", "--model", tinyModel(t), "--replay", positiveExample)
	if status != exitOK {
		t.Errorf("status %d, output %q, errors %q", status, out, stderr)
	}
}

// TestReplayFindsForgeries changes what a receipt cannot contradict by itself.
func TestReplayFindsForgeries(t *testing.T) {
	for field, forge := range map[string]func(r *receipt.Receipt){
		"generated_ids": func(r *receipt.Receipt) { r.GeneratedIDs[3]++ },
		"logits_sha256": func(r *receipt.Receipt) { r.LogitsSHA256 = strings.Repeat("01", 32) },
		"text":          func(r *receipt.Receipt) { r.Text = "4" },
		"prompt":        func(r *receipt.Receipt) { r.Prompt = "2+3=" },
		"ids":           func(r *receipt.Receipt) { r.PromptIDs[1]++ },
		"model.sha256": func(r *receipt.Receipt) {
			r.Model.SHA256 = strings.Repeat("0", 64)
			r.Tokenizer.SHA256 = r.Model.SHA256
		},
		"model.bytes": func(r *receipt.Receipt) { r.Model.Bytes += 32 },
		"stop_reason": func(r *receipt.Receipt) { r.StopReason = "end_token" },
	} {
		r, err := receipt.Read(positiveExample)
		if err != nil {
			t.Fatal(err)
		}
		forge(r)
		path := filepath.Join(t.TempDir(), "receipt.json")
		if err := receipt.Write(path, r); err != nil {
			t.Fatal(err)
		}
		if problems := r.Verify(); len(problems) > 0 {
			t.Errorf("%s: found without running it: %v", field, problems)
		}
		status, out, stderr := run(t, modelConsole(nil), "verify", path, "--replay")
		if status != exitFailed || out != "" || !strings.Contains(stderr, field) {
			t.Errorf("%s: status %d, output %q, errors %q", field, status, out, stderr)
		}
	}
}

// A receipt of fewer tokens than there were, all else made to fit, is found out
// because the model would have gone on.
func TestReplayFindsEarlyEnd(t *testing.T) {
	r, err := receipt.Read(positiveExample)
	if err != nil {
		t.Fatal(err)
	}
	whole, _, _, _ := smoke(t, modelConsole(nil), "--max-tokens", "3", "--repeat", "1")
	r.GeneratedIDs, r.TokensGenerated, r.LogitsSHA256, r.LogitRows = whole.GeneratedIDs, 3, whole.LogitsSHA256, 3
	r.Text, r.StopReason = whole.Text, "end_token"
	r.Repeats, r.KernelCounts, r.Kernels = whole.Repeats, whole.KernelCounts, whole.Kernels
	r.KernelSet, r.Processor, r.Environment.Architecture = whole.KernelSet, whole.Processor, whole.Environment.Architecture
	r.Limits, r.Usage = whole.Limits, whole.Usage
	r.Derive()
	path := filepath.Join(t.TempDir(), "receipt.json")
	if err := receipt.Write(path, r); err != nil {
		t.Fatal(err)
	}
	if problems := r.Verify(); len(problems) > 0 {
		t.Errorf("found without running it: %v", problems)
	}
	if status, _, stderr := run(t, modelConsole(nil), "verify", path, "--replay"); status != exitFailed || !strings.Contains(stderr, "generated_ids") {
		t.Errorf("status %d, errors %q", status, stderr)
	}
}

// TestKnownKernels holds the table of kernels against the library's.
func TestKnownKernels(t *testing.T) {
	p := thisProcessor()
	for _, k := range quant.Available() {
		for _, f := range receipt.Needs(k.Name()) {
			if !slices.Contains(p.Features, f) {
				t.Errorf("%s runs here, but %s is not among %v", k.Name(), f, p.Features)
			}
		}
		if k.Name() != "generic" && len(receipt.Needs(k.Name())) == 0 {
			t.Errorf("%s is not known", k.Name())
		}
	}
}
