package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

// testConsole returns a console of a machine where GitHub Actions runs or not.
func testConsole(actions bool) (c *console, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	env := func(name string) string {
		if name == "GITHUB_ACTIONS" && actions {
			return "true"
		}
		return ""
	}
	return &console{stdout: stdout, stderr: stderr, env: env}, stdout, stderr
}

func writeReceipt(t *testing.T, r *receipt.Receipt) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "receipt.json")
	if err := receipt.Write(path, r); err != nil {
		t.Fatal(err)
	}
	return path
}

// five returns five rates, of which three are the median.
func five(low, median, high float64) []float64 {
	return []float64{median, low, median, high, median}
}

// decodingAt returns a receipt whose repeats decode at the given rates.
func decodingAt(rates ...float64) *receipt.Receipt {
	r := testReceipt()
	first := r.Repeats[0]
	r.Repeats = nil
	for _, rate := range rates {
		first.TokensPerSecond = rate
		r.Repeats = append(r.Repeats, first)
	}
	r.TokensPerSecond = receipt.Median(rates)
	return r
}

func TestCompareVerdicts(t *testing.T) {
	for _, test := range []struct {
		name     string
		old, new []float64
		want     string
	}{
		{"the same", five(9, 10, 11), five(9, 10, 11), "no change"},
		{"within the old spread", five(8, 10, 12), five(6.9, 7, 7.1), "no change"},
		{"within the new spread", five(9.9, 10, 10.1), five(5, 7, 9), "no change"},
		{"as much as the spread", five(9, 10, 11), five(7, 8, 9), "no change"},
		{"beyond both spreads, down", five(9, 10, 10.5), five(7, 7.5, 8), "worse"},
		{"beyond both spreads, up", five(7, 7.5, 8), five(9, 10, 10.5), "better"},
		{"without any spread", five(10, 10, 10), five(9.99, 9.99, 9.99), "worse"},
		{"too few old repeats", []float64{10, 10, 10, 10}, five(5, 5, 5), "not judged"},
		{"too few new repeats", five(10, 10, 10), []float64{5}, "not judged"},
	} {
		c := compareReceipts(decodingAt(test.old...), decodingAt(test.new...))
		if f := c.figures[0]; f.name != "decoding" || f.verdict() != test.want {
			t.Errorf("%s: %s is %q, want %q", test.name, f.name, f.verdict(), test.want)
		}
		if len(c.differences) != 0 {
			t.Errorf("%s: differences %v", test.name, c.differences)
		}
	}
}

// Every figure is compared, and a figure that grew is worse where it is a time
// or a size and better where it is a rate.
func TestCompareFigures(t *testing.T) {
	old, new := testReceipt(), testReceipt()
	old.BandwidthShare, new.BandwidthShare = 0.5, 0.5
	old.BytesPerToken, new.BytesPerToken = 1e9, 1e9
	c := compareReceipts(old, new)
	if len(c.figures) != len(figures) {
		t.Fatalf("%d of %d figures are compared", len(c.figures), len(figures))
	}
	for _, f := range c.figures {
		if f.old != f.new || f.changed || f.ratio() != "1.000" {
			t.Errorf("%s of equal receipts: %v and %v", f.name, f.old, f.new)
		}
		f.new, f.judged, f.changed = 2*f.old, true, true
		want := "worse"
		if strings.HasSuffix(f.units[0].name, "/s") || strings.HasPrefix(f.name, "share") {
			want = "better"
		}
		if f.verdict() != want {
			t.Errorf("%s has doubled: %s, want %s", f.name, f.verdict(), want)
		}
	}

	// What a receipt does not know is left out.
	new.Usage, new.Limits, new.TokensPerSecond = nil, nil, 0
	for _, f := range compareReceipts(old, new).figures {
		if f.name == "wall time" || f.name == "peak memory" || f.name == "memory bandwidth" || f.name == "decoding" {
			t.Errorf("%s is compared with nothing", f.name)
		}
	}
}

func TestCompareDifferences(t *testing.T) {
	for name, change := range map[string]func(*receipt.Receipt){
		"model":     func(r *receipt.Receipt) { r.Model.SHA256 = strings.Repeat("12", 32) },
		"tokenizer": func(r *receipt.Receipt) { r.Tokenizer.SHA256 = strings.Repeat("12", 32) },
		"prompt":    func(r *receipt.Receipt) { r.PromptIDs = r.PromptIDs[1:] },
		"tokens":    func(r *receipt.Receipt) { r.TokensRequested++ },
		"sessions":  func(r *receipt.Receipt) { r.Sessions++ },
		"lookahead": func(r *receipt.Receipt) { r.Lookahead = true },
		"threads":   func(r *receipt.Receipt) { r.Threads++ },
		"processor": func(r *receipt.Receipt) { r.Processor.Name = "another" },
		"system":    func(r *receipt.Receipt) { r.Environment.Architecture = "arm64" },
	} {
		r := testReceipt()
		change(r)
		c := compareReceipts(testReceipt(), r)
		if len(c.differences) != 1 || c.differences[0][0] != name {
			t.Errorf("%s: differences %v", name, c.differences)
		}
		if _, err := judgeByReceipt(testReceipt(), r, 1); !errors.Is(err, errIncomparable) {
			t.Errorf("a gate judges another %s: %v", name, err)
		}
		r.LogitsSHA256 = ""
		sameWork := name == "sessions" || name == "lookahead" || name == "threads" || name == "processor" || name == "system"
		if c := compareReceipts(testReceipt(), r); c.otherLogits != sameWork {
			t.Errorf("another %s: other logits are noticed: %v, want %v", name, c.otherLogits, sameWork)
		}
	}
}

func TestCompareCommand(t *testing.T) {
	old, new := testReceipt(), decodingAt(five(20, 20.1, 20.2)...)
	new.Processor.Name = "evil\n::error::x | <b>"
	new.LogitsSHA256 = ""
	oldFile, newFile := writeReceipt(t, old), writeReceipt(t, new)
	c, stdout, stderr := testConsole(false)
	if status := compareCommand(c, []string{oldFile, newFile}); status != exitOK {
		t.Fatalf("status %d: %s", status, stderr)
	}
	for _, want := range []string{
		`(?m)^decoding +39\.47 tokens/s +20\.10 tokens/s +0\.509 +3\.0%, 1\.0% +worse$`,
		`(?m)^first token +200\.0 ms +200\.0 ms +1\.000 +3\.0%, 0\.0% +no change$`,
		`(?m)^peak memory +1\.000 GiB +1\.000 GiB +1\.000 +not judged$`,
		`(?m)^The logits differ`,
		`(?m)^  processor +Example 9000 +-> evil ::error::x \| <b>$`,
	} {
		if !regexp.MustCompile(want).Match(stdout.Bytes()) {
			t.Errorf("no line like %s in\n%s", want, stdout)
		}
	}

	for _, args := range [][]string{{}, {oldFile}, {oldFile, newFile, newFile}, {"--gate", "x", oldFile, newFile}} {
		if status := compareCommand(c, args); status != exitUsage {
			t.Errorf("arguments %q: status %d", args, status)
		}
	}
	if status := compareCommand(c, []string{oldFile, oldFile + ".none"}); status != exitFailed {
		t.Errorf("a receipt that does not exist: status %d", status)
	}

	var both strings.Builder
	one, other := &receipt.Failure{Message: "one"}, &receipt.Failure{Message: "other"}
	for range 20 { // a map's order would give itself away
		both.Reset()
		if err := (comparison{oldFailed: one, newFail: other}).print(&both); err != nil || both.String() != "the old run failed: one\nthe new run failed: other\n" {
			t.Fatalf("%v, printed %q", err, both.String())
		}
	}

	failed := receipt.New(testTime)
	failed.Failure = &receipt.Failure{Kind: receipt.FailureKilled, Phase: "decode", Message: "signal: killed"}
	stdout.Reset()
	if status := compareCommand(c, []string{oldFile, writeReceipt(t, failed)}); status != exitOK || !strings.Contains(stdout.String(), "the new run failed: signal: killed") {
		t.Errorf("status %d, printed %s", status, stdout)
	}
}

// Whatever a receipt holds, its comment is a comment: the marker first, no HTML
// and no Markdown from the receipt.
func TestComment(t *testing.T) {
	hostile := func(text string) *receipt.Receipt {
		r := testReceipt()
		r.Prompt, r.Text, r.Processor.Name, r.Model.File = text, text, text, text
		r.Environment.OS, r.Environment.GoVersion, r.Environment.Commit = text, text, text
		r.Kernels, r.LogitsSHA256, r.Timestamp = []string{text}, text, text
		r.Model.SHA256, r.Tokenizer.SHA256 = text, text
		return r
	}
	failed := hostile("x")
	failed.Status, failed.Failure = receipt.StatusFailed, &receipt.Failure{Kind: "crashed", Phase: "load", Message: "x"}
	shape := func(markdown string) string {
		return regexp.MustCompile(`<code>[^<]*</code>`).ReplaceAllString(markdown, "<code/>")
	}
	for _, text := range hostileTexts {
		if text == "" {
			continue // an empty row is left out
		}
		bad := hostile(text)
		badFailed := hostile(text)
		badFailed.Status, badFailed.Failure = receipt.StatusFailed, &receipt.Failure{Kind: text, Phase: text, Message: text}
		for name, pair := range map[string][2]string{
			"alone":         {comment(bad, nil), comment(hostile("x"), nil)},
			"failed":        {comment(badFailed, nil), comment(failed, nil)},
			"both":          {comment(bad, bad), comment(hostile("x"), hostile("x"))},
			"with baseline": {comment(bad, hostile("y")), comment(hostile("x"), hostile("y"))},
			"failed, with":  {comment(badFailed, hostile("y")), comment(failed, hostile("y"))},
		} {
			if diff := cmp.Diff(shape(pair[1]), shape(pair[0])); diff != "" {
				t.Errorf("%s: %q changes the comment:\n%s", name, text, diff)
			}
			if !strings.HasPrefix(pair[0], commentMarker+"\n") || strings.Count(pair[0], commentMarker) != 1 {
				t.Errorf("%s: %q: the comment begins with %.40q", name, text, pair[0])
			}
		}
	}
}

func TestCommentCommand(t *testing.T) {
	old, new := decodingAt(five(40, 41, 42)...), decodingAt(five(20, 20.1, 20.2)...)
	c, stdout, stderr := testConsole(true)
	if status := commentCommand(c, []string{"--baseline", writeReceipt(t, old), writeReceipt(t, new)}); status != exitOK {
		t.Fatalf("status %d: %s", status, stderr)
	}
	for _, want := range []string{
		"### Perf smoke: 20.10 tokens/s\n",
		"| decoding | 41.00 tokens/s | 20.10 tokens/s | 0.490 | 4.9%, 1.0% | **worse** |\n",
		"| processor | <code>Example 9000</code> |\n",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if commands, _ := runnerCommands(stdout.String()); len(commands) > 0 {
		t.Errorf("the comment holds workflow commands: %v", commands)
	}

	stdout.Reset()
	if status := commentCommand(c, []string{writeReceipt(t, new)}); status != exitOK || !strings.Contains(stdout.String(), "| decoding | 20.10 tokens/s | 1.0% |\n") {
		t.Errorf("status %d, printed\n%s", status, stdout)
	}
	if status := commentCommand(c, nil); status != exitUsage {
		t.Errorf("without a receipt: status %d", status)
	}
}

// A receipt that contradicts itself is no measure: a gate refuses it by the name
// of the field, and what only shows it says so. One that cannot be read is left
// out of a comment.
func TestEditedBaseline(t *testing.T) {
	r, err := receipt.Read(positiveExample)
	if err != nil {
		t.Fatal(err)
	}
	r.TokensPerSecond /= 2
	edited := writeReceipt(t, r)
	later := filepath.Join(t.TempDir(), "later.json")
	if err := os.WriteFile(later, []byte(`{"schema_version": "3.0.0"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args     []string
		status   int
		out, err string
	}{
		{[]string{"--baseline", edited, "--gate", "5"}, exitUsage, "", "tokens_per_second"},
		{[]string{"--baseline", later, "--gate", "5"}, exitUsage, "", "schema_version"},
		{[]string{"compare", edited, positiveExample}, exitOK, "decoding", "warning: " + edited + " is not to be believed: tokens_per_second"},
		{[]string{"compare", positiveExample, edited}, exitOK, "decoding", "warning: " + edited + " is not to be believed: tokens_per_second"},
		{[]string{"compare", positiveExample, positiveExample}, exitOK, "decoding", ""},
		{[]string{"comment", "--baseline", edited, positiveExample}, exitOK, "Old is the baseline", "warning: " + edited + " is not to be believed: tokens_per_second"},
		{[]string{"comment", "--baseline", positiveExample, positiveExample}, exitOK, "Old is the baseline", ""},
		{[]string{"comment", "--baseline", later, positiveExample}, exitOK, "### Perf smoke", "warning: --baseline " + later},
		{[]string{"comment", "--baseline", later + ".none", positiveExample}, exitOK, "### Perf smoke", "warning: --baseline " + later},
		{[]string{"comment", examples + "negative-failed-run.json"}, exitOK, "the run failed", ""},
		{[]string{"comment", later}, exitFailed, "", "schema_version"},
	} {
		status, out, stderr := run(t, modelConsole(nil), test.args...)
		if status != test.status || !strings.Contains(out, test.out) || !strings.Contains(stderr, test.err) || test.err == "" && stderr != "" {
			t.Errorf("%q: status %d, output %q, errors %q", test.args, status, out, stderr)
		}
	}
}

func TestUnits(t *testing.T) {
	for _, test := range []struct {
		units units
		value float64
		want  string
	}{
		{durations, 0.25e-6, "0.250 µs"},
		{durations, 12.345e-6, "12.35 µs"},
		{durations, 0.001, "1.000 ms"},
		{durations, 0.1234, "123.4 ms"},
		{durations, 1234.4, "1234 s"},
		{sizes, 1 << 30, "1.000 GiB"},
		{sizes, 1000, "1000 B"},
		{byteRates, 17.28e9, "17.28 GB/s"},
		{shares, 0.875, "87.50 %"},
	} {
		if got := test.units.format(test.value); got != test.want {
			t.Errorf("%v is shown as %q, want %q", test.value, got, test.want)
		}
	}
}
