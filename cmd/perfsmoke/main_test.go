package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
	"github.com/gobitnet/gobitnet/quant"
)

// The test binary stands in for the program in the processes that tests start:
// its first argument says as what.
const (
	asItself  = "as-perfsmoke"
	asTimed   = "as-perfsmoke-timed" // runs its children under the program of the next argument
	asHanging = "as-hanging"
	asCrashed = "as-crashed"
	asKilled  = "as-killed"
	asSilent  = "as-silent"
	asBabbler = "as-babbler"
	asQuick   = "as-quick" // says that everything took a nanosecond
	asSlow    = "as-slow"  // or an hour
	asCurt    = "as-curt"  // and generates a token only
	asOther   = "as-other" // with another model
)

func TestMain(m *testing.M) {
	if len(os.Args) < 2 || !strings.HasPrefix(os.Args[1], "as-") {
		var err error
		if testCache, err = os.MkdirTemp("", "perfsmoke-models-*"); err != nil {
			panic(err)
		}
		status := m.Run()
		os.RemoveAll(testCache)
		os.Exit(status)
	}
	c := &console{stdout: os.Stdout, stderr: os.Stderr, env: os.Getenv, cache: os.Getenv("PERFSMOKE_TEST_CACHE"), self: []string{os.Args[0], asItself}}
	args := os.Args[2:]
	switch os.Args[1] {
	case asTimed:
		c.self = append(strings.Split(args[0], " "), os.Args[0], asItself)
		args = args[1:]
	case asItself:
		surviveClosedPipes()
	default:
		misbehave(os.Args[1], c, args)
	}
	os.Exit(dispatch(c, args))
}

// run runs a command in this process and returns what it wrote.
func run(t *testing.T, c *console, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	c.stdout, c.stderr = &out, &err
	status = dispatch(c, args)
	return status, out.String(), err.String()
}

// testConsole returns a console whose children are this test binary and whose
// models are shared by all tests.
func modelConsole(variables map[string]string) *console {
	return &console{
		env:   func(name string) string { return variables[name] },
		self:  []string{os.Args[0], asItself},
		cache: testCache,
		// Accuracy is not what tests are after.
		buffer: 32 << 20,
	}
}

var testCache string

// tiny is the model of the examples and of most tests. Unlike the default one it
// never changes, and it does not stop by itself.
var tiny = receipt.Synthetic{Shape: "tiny", Seed: receipt.SyntheticSeed}

func tinyModel(t *testing.T) string {
	t.Helper()
	m, err := modelConsole(nil).quiet().syntheticModel(context.Background(), tiny)
	if err != nil {
		t.Fatal(err)
	}
	return m.path
}

func (c *console) quiet() *console {
	c.stdout, c.stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return c
}

func TestDispatch(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}} {
		status, out, _ := run(t, modelConsole(nil), args...)
		if status != exitOK || !strings.Contains(out, "verify") || !strings.Contains(out, "compare") || strings.Contains(out, "child") {
			t.Errorf("%v: status %d\n%s", args, status, out)
		}
	}
	for _, command := range commands() {
		if command.summary == "" {
			continue
		}
		status, out, _ := run(t, modelConsole(nil), command.name, "-h")
		if status != exitOK || !strings.Contains(out, "usage: perfsmoke") {
			t.Errorf("%s -h: status %d\n%s", command.name, status, out)
		}
		if helpStatus, helpOut, _ := run(t, modelConsole(nil), "help", command.name); helpStatus != status || helpOut != out {
			t.Errorf("help %s: status %d\n%s", command.name, helpStatus, helpOut)
		}
	}
	if status, out, _ := run(t, modelConsole(nil), "help", "help"); status != exitOK || !strings.Contains(out, "BITNET_THREADS") {
		t.Errorf("help help: status %d\n%s", status, out)
	}
	for _, arg := range []string{"version", "--version"} {
		if status, out, _ := run(t, modelConsole(nil), arg); status != exitOK || !strings.HasPrefix(out, "perfsmoke ") || !strings.Contains(out, quant.Best().Name()) {
			t.Errorf("%s: status %d\n%s", arg, status, out)
		}
	}
}

func TestWrongUsage(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, args := range [][]string{
		{"dance"},
		{"--dance"},
		{"run", "model.gguf"},
		{"--max-tokens", "0"},
		{"--max-tokens", "many"},
		{"--threads", "-1"},
		{"--threads", "2000"},
		{"--sessions", "0"},
		{"--sessions", "2000"},
		{"--repeat", "0"},
		{"--timeout", "0s"},
		{"--synthetic", "3b"},
		{"--synthetic", "tiny", "--model", "model.gguf"},
		{"--gate", "5"},
		{"--gate", "-1", "--baseline", "x"},
		{"--gate", "5", "--baseline", "missing.json"},
		{"--gate", "5", "--baseline-program", "missing"},
		{"--gate", "5", "--baseline-program", ""},
		{"--baseline-program", os.Args[0]},
		{"--gate", "5", "--baseline-program", os.Args[0], "--receipt", "missing/receipt.json"},
		{"--gate", "5", "--baseline-program", os.Args[0], "--history", "missing/history.jsonl"},
		{"help", "dance"},
		{"help", "child"},
		{"help", "run", "verify"},
		{"version", "1"},
		{"compare", "--gate", "-1", "a", "b"},
		{"--receipt", ""},
		{"--model", ""},
		{"--tokenizer="},
		{"--synthetic", ""},
		{"--synthetic", "tiny", "--model", ""},
		{"verify", "a", "--replay", "--model", ""},
		{"verify", "a", "--replay", "--tokenizer="},
		{"verify"},
		{"verify", "a", "b"},
		{"verify", "a", "--model", "m"},
		{"verify", "a", "--replay", "--threads", "-1"},
		{"verify", "a", "--replay", "--timeout", "-1s"},
	} {
		status, out, stderr := run(t, modelConsole(nil), args...)
		if status != exitUsage || out != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: status %d, output %q, errors %q", args, status, out, stderr)
		}
	}
	for name, value := range map[string]string{
		"BITNET_SEED": "-1", "BITNET_LOG": "WARN", "BITNET_DETERMINISTIC": "true", "BITNET_CPU": "sse2\x1b[2J", "BITNET_THREADS": "many",
	} {
		if status, _, stderr := run(t, modelConsole(map[string]string{name: value}), "verify", "a"); status != exitUsage || !strings.Contains(stderr, name) {
			t.Errorf("verify, %s=%s: status %d, errors %q", name, value, status, stderr)
		}
		status, _, stderr := run(t, modelConsole(map[string]string{name: value}))
		if status != exitUsage || !strings.Contains(stderr, name) || strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, "\x1b") {
			t.Errorf("%s=%s: status %d, errors %q", name, value, status, stderr)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("wrong usage leaves files: %v", left)
	}
}

// Flags may stand before and after other arguments.
func TestFlagsAnywhere(t *testing.T) {
	for _, c := range []struct {
		args, rest []string
		replay     bool
	}{
		{[]string{"a", "-x"}, []string{"a"}, true},
		{[]string{"-x", "a"}, []string{"a"}, true},
		{[]string{"a", "-x", "b"}, []string{"a", "b"}, true},
		{[]string{"a", "--", "-x"}, []string{"a", "-x"}, false},
		{[]string{"--", "a", "-x"}, []string{"a", "-x"}, false},
		{nil, nil, false},
	} {
		flags := newFlags("test")
		x := flags.Bool("x", false, "")
		rest, _, ok := modelConsole(nil).quiet().parse(flags, c.args, "test")
		if !ok || *x != c.replay || strings.Join(rest, " ") != strings.Join(c.rest, " ") {
			t.Errorf("%v: %v, %v", c.args, rest, *x)
		}
	}
}

func TestSyntheticModelIsKept(t *testing.T) {
	c := modelConsole(nil).quiet()
	c.cache = filepath.Join(t.TempDir(), "models")
	first, err := c.syntheticModel(context.Background(), tiny)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(first.path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.syntheticModel(context.Background(), tiny)
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(second.path)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) || first.sha256 != second.sha256 || first.bytes != before.Size() {
		t.Error("it is made twice")
	}
	// A damaged file is made again.
	if err := os.WriteFile(first.path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	third, err := c.syntheticModel(context.Background(), tiny)
	if err != nil || third.sha256 != first.sha256 {
		t.Fatalf("%v, error %v", third, err)
	}
	if info, err := os.Stat(third.path); err != nil || info.Size() != first.bytes {
		t.Errorf("%v, error %v", info, err)
	}
	if files, _ := os.ReadDir(c.cache); len(files) != 2 {
		t.Errorf("left in the cache: %v", files)
	}

	ended, cancel := context.WithCancel(context.Background())
	cancel()
	c.cache = t.TempDir()
	if _, err := c.syntheticModel(ended, tiny); err == nil {
		t.Error("it is made although nobody waits for it")
	}
	if files, _ := os.ReadDir(c.cache); len(files) != 0 {
		t.Errorf("left in the cache: %v", files)
	}
}
