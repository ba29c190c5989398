package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/quant"
)

// tiny is a model with a vocabulary of 4,096 tokens and a context of 512.
var tiny = filepath.Join("..", "..", "testdata", "reference", "tiny", "model.gguf")

// bitnetWith calls the command as a process would be called, and fails the test
// if what it says about an error is not one printable line.
func bitnetWith(t *testing.T, env map[string]string, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(args, strings.NewReader(stdin), &out, &errs, func(key string) string { return env[key] })
	stdout, stderr = out.String(), errs.String()
	if status != 0 && len(args) > 0 {
		line, ok := strings.CutSuffix(stderr, "\n")
		if !ok || visible(line) != line || !strings.HasPrefix(line, "bitnet") {
			t.Errorf("%q failed with status %d and not one line that says why: %q", args, status, stderr)
		}
	}
	return status, stdout, stderr
}

func succeed(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	status, stdout, stderr := bitnetWith(t, nil, "", args...)
	if status != 0 {
		t.Fatalf("%q ended with status %d: %s", args, status, stderr)
	}
	return stdout, stderr
}

func TestWrongCalls(t *testing.T) {
	notGGUF := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(notGGUF, []byte("hello, this is some text"), 0o666); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing.gguf")
	for _, test := range []struct {
		args   string // separated by spaces; M is a model
		status int
		says   string
	}{
		{"rnu", 2, `unknown command "rnu" (see: bitnet help)`},
		{"--model M run", 2, "stands before the command"},
		{"help nosuch", 2, `unknown command "nosuch"`},
		{"help run chat", 2, "one command at a time"},
		{"version 2", 2, "no arguments"},
		{"run", 2, "bitnet run: no prompt: standard input is empty: give text there or by --prompt (see: bitnet help run)"},
		{"run --model= --prompt a", 2, "--model is given, but empty"},
		{"run --model M --tokenizer= --prompt a", 2, "--tokenizer is given, but empty"},
		{"run --model M", 2, "no prompt: standard input is empty"},
		{"run --model M --prompt a b", 2, `unexpected argument "b"`},
		{"run --model M --nosuch", 2, "unknown flag -nosuch"},
		{"run --model", 2, "flag needs an argument: -model"},
		{"run --model M --prompt a --threads x", 2, `"x" for flag -threads: it must be a whole number`},
		{"run --model M --prompt a --threads -1", 2, "-threads"},
		{"run --model M --prompt a --threads 5000", 2, "-threads"},
		{"run --model M --prompt a --max-tokens -1", 2, "-max-tokens"},
		{"run --model M --prompt a --seed -1", 2, "-seed"},
		{"run --model M --prompt a --temperature -1", 2, "-temperature"},
		{"run --model M --prompt a --temperature nan", 2, "-temperature"},
		{"run --model M --prompt a --temperature inf", 2, "-temperature"},
		{"run --model M --prompt a --top-p 1.1", 2, "-top-p"},
		{"run --model M --prompt a --min-p x", 2, "-min-p"},
		{"run --model M --prompt a --top-k 1.5", 2, "-top-k"},
		{"run --model M --prompt a --json=maybe", 2, "-json"},
		{"run --model M --prompt a --stop=", 2, "-stop: it must not be empty"},
		{"run --model M --prompt a --repeat-penalty -1", 2, "-repeat-penalty"},
		{"run --model M --prompt a --context 0", 2, "-context"},
		{"run --model M --prompt a --context 513", 1, "--context 513 is more than the model's 512"},
		{"run --model M --prompt a --prompt-file b", 2, "--prompt and --prompt-file exclude each other"},
		{"run --model M --prompt-file=", 2, "--prompt-file is given, but empty"},
		{"run --model M --prompt-file -", 2, "standard input is empty"},
		{"run --model M --prompt-file " + missing, 1, "the prompt: " + missing + ": there is no such file"},
		{"run --model M --prompt-file .", 1, "reading .: is a directory"},
		{"run --model M --prompt a --greedy --temperature 1", 2, "--greedy and --temperature 1 exclude each other"},
		{"run --model " + missing + " --prompt a", 1, missing + ": there is no such file"},
		{"run --model " + notGGUF + " --prompt a", 1, "this is not a GGUF file"},
		{"run --model M --tokenizer " + missing + " --prompt a", 1, "there is no such file"},
		{"run --model M --tokenizer " + notGGUF + " --prompt a", 1, notGGUF},
		{"run --model M --activation gelu --prompt a", 1, "it must be relu2 or silu"},
		{"run --model M --prompt " + strings.Repeat("a,", 600), 1, "the model's context 512: shorten it"},
		{"run --model M --prompt \xff", 1, "not valid UTF-8"},
		{"chat --model=", 2, "--model is given, but empty"},
		{"chat --model M --prompt-file " + missing, 1, "there is no such file"},
		{"chat --model M --context 600", 1, "--context 600 is more than the model's 512"},
		{"completion", 2, "name one shell"},
		{"completion tcsh", 2, `no completion for "tcsh"`},
		{"help --nosuch", 2, "unknown flag"},
		{"chat --model M x", 2, `unexpected argument "x"`},
		{"chat --model M --system " + strings.Repeat("a,", 600), 1, "shorten --system"},
		{"tokenize text --model=", 2, "--model is given, but empty"},
		{"tokenize text --tokenizer=", 2, "--tokenizer is given, but empty"},
		{"tokenize --model M a b", 2, "2 texts"},
		{"tokenize --tokenizer " + missing + " a", 1, "there is no such file"},
		{"tokenize --tokenizer " + notGGUF + " a", 1, notGGUF},
		{"inspect --model=", 2, "--model is given, but empty"},
		{"inspect M M", 2, "2 files"},
		{"inspect M --model M", 2, "2 files"},
		{"inspect " + missing, 1, "there is no such file"},
		{"inspect " + notGGUF, 1, "this is not a GGUF file"},
		{"inspect .", 1, "not a regular file"},
		{"run --model M --prompt a --presence-penalty x", 2, "-presence-penalty: it must be a number"},
		{"run --model M --prompt a --frequency-penalty nan", 2, "-frequency-penalty: it must be a number"},
		{"run --model M --prompt a --save=", 2, "--save is given, but empty"},
		{"run --model M --load=", 2, "--load is given, but empty"},
		{"perplexity --model M", 2, "no text: name a file by --file, or - for standard input"},
		{"perplexity --model M --file=", 2, "--file is given, but empty"},
		{"perplexity --model M --file " + missing, 1, missing + ": there is no such file"},
		{"perplexity --model M --file -", 1, "standard input has 0 tokens: give more text"},
		{"perplexity --model M --file " + notGGUF + " --context 1", 1, "choose a larger --context"},
		{"perplexity --model M --file " + notGGUF + " --context 600", 1, "--context 600 is more than the model's 512"},
		{"perplexity --model M --file " + notGGUF + " --kv-cache int8", 2, "float16 or float32"},
		{"perplexity M", 2, "unexpected argument"},
		{"embed --model M a", 1, "bitnet-b1.58.pooling_type: says no pooling"},
		{"embed --model M --pooling first a", 2, "it must be last, cls or mean"},
		{"embed --model M --pooling last --dimensions 257 a", 1, "257 are not between 1 and the model's 256"},
		{"embed --model M --tokens 1,2 a", 2, "exclude each other"},
		{"embed --model M --tokens 1,x", 2, `"x" is no token id`},
		{"embed --model M --pooling last a --out=", 2, "name one by --out"},
		{"embed --model M --pooling last a " + strings.Repeat("a,", 600), 1, "text 1: 1"},
		{"logits --model= --tokens 1 --out x", 2, "--model is given, but empty"},
		{"logits --model M --out x", 2, "no tokens"},
		{"logits --model M --tokens 1,x --out x", 2, `"x" is no token id`},
		{"logits --model M --tokens 1,-2 --out x", 2, `"-2" is no token id`},
		{"logits --model M --tokens 1", 2, "--out"},
		{"logits --model M --tokens 1 --out x --kv-cache int8", 2, "float16 or float32"},
		{"logits --model M --tokens 1,4096 --out x", 1, "token 4096 at index 1: ids go from 0 to 4095"},
		{"logits --model M --tokens " + strings.Repeat("1,", 513) + " --out x", 1, "513 tokens do not fit the model's context of 512"},
		{"logits --model M --tokens 1 --out .", 1, "cannot write ."},
		{"logits --model M --tokens 1 --out " + filepath.Join(missing, "x"), 1, "cannot write"},
	} {
		args := strings.Split(test.args, " ")
		for i, arg := range args {
			if arg == "M" {
				args[i] = tiny
			}
		}
		status, stdout, stderr := bitnetWith(t, nil, "", args...)
		if status != test.status || !strings.Contains(stderr, test.says) || stdout != "" {
			t.Errorf("%.80q: status %d, printed %q and said %q; want status %d and %q", test.args, status, stdout, stderr, test.status, test.says)
		}
	}
}

func TestEnvironment(t *testing.T) {
	foreign := "neon"
	if runtime.GOARCH == "arm64" {
		foreign = "avx2"
	}
	for _, test := range []struct {
		variable, value string
		args            string
		status          int
		says            string
	}{
		{"BITNET_MODEL", tiny, "run --prompt a --max-tokens 1", 0, "1 tokens"},
		{"BITNET_MODEL", "nosuch", "run --prompt a --max-tokens 1", 1, "nosuch: there is no such file"},
		{"BITNET_MODEL", "nosuch", "run --prompt a --max-tokens 1 --model M", 0, "1 tokens"},
		{"BITNET_MODEL", tiny, "tokenize --ids a", 0, ""},
		{"BITNET_MODEL", tiny, "inspect", 0, ""},
		{"BITNET_MODEL", "nosuch", "inspect M", 0, ""},
		{"BITNET_THREADS", "x", "run --model M --prompt a", 2, `BITNET_THREADS is "x"`},
		{"BITNET_THREADS", "-1", "run --model M --prompt a", 2, "BITNET_THREADS"},
		{"BITNET_SEED", "1.5", "run --model M --prompt a", 2, `BITNET_SEED is "1.5"`},
		{"BITNET_SEED", "7", "run --model M --prompt a --temperature 1 --max-tokens 1", 0, "seed 7\n"},
		{"BITNET_SEED", "7", "run --model M --prompt a --temperature 1 --max-tokens 1 --seed 8", 0, "seed 8\n"},
		{"BITNET_LOG", "loud", "run --model M --prompt a", 2, `BITNET_LOG is "loud"`},
		{"BITNET_LOG", "debug", "run --model M --prompt a --max-tokens 1", 0, "debug: kernels used: map["},
		{"BITNET_LOG", "info", "run --model M --prompt a --max-tokens 1", 0, "tokens, ended by"},
		{"BITNET_DETERMINISTIC", "maybe", "run --model M --prompt a", 2, `BITNET_DETERMINISTIC is "maybe"`},
		{"BITNET_DETERMINISTIC", "1", "run --model M --prompt a --temperature 1", 2, "BITNET_DETERMINISTIC=1 refuses sampling with a random seed"},
		{"BITNET_DETERMINISTIC", "1", "chat --model M --temperature 1", 2, "BITNET_DETERMINISTIC=1"},
		{"BITNET_DETERMINISTIC", "1", "run --model M --prompt a --temperature 1 --seed 1 --max-tokens 1", 0, "seed 1\n"},
		{"BITNET_DETERMINISTIC", "1", "run --model M --prompt a --max-tokens 1", 0, "1 tokens"},
		{"BITNET_DETERMINISTIC", "0", "run --model M --prompt a --temperature 1 --max-tokens 1", 0, "seed "},
		{"BITNET_CPU", "sse9", "run --model M --prompt a", 2, "BITNET_CPU"},
		{"BITNET_CPU", foreign, "run --model M --prompt a", 2, "this processor can run"},
		{"BITNET_CPU", "generic", "run --model M --prompt a --max-tokens 1", 0, "1 tokens"},
	} {
		test.says = strings.ReplaceAll(test.says, "1 tokens", ", 1 tokens")
		args := strings.Split(test.args, " ")
		for i, arg := range args {
			if arg == "M" {
				args[i] = tiny
			}
		}
		status, _, stderr := bitnetWith(t, map[string]string{test.variable: test.value}, "", args...)
		if status != test.status || !strings.Contains(stderr, strings.TrimPrefix(test.says, ", ")) {
			t.Errorf("%s=%s %s: status %d and %q; want status %d and %q", test.variable, test.value, test.args, status, stderr, test.status, test.says)
		}
	}
	if status, _, stderr := bitnetWith(t, map[string]string{"BITNET_LOG": "warn"}, "", "run", "--model", tiny, "--prompt", "a"); status != 0 || stderr != "" {
		t.Errorf("with BITNET_LOG=warn: status %d and %q", status, stderr)
	}
	for _, k := range quant.Available() {
		env := map[string]string{"BITNET_CPU": k.Name(), "BITNET_THREADS": "3"}
		_, stdout, _ := bitnetWith(t, env, "", "run", "--model", tiny, "--prompt", "a", "--json", "--max-tokens", "2")
		if want := fmt.Sprintf(`"kernels":%q,"threads":3`, k.Name()); !strings.Contains(stdout, want) {
			t.Errorf("with %v: %s", env, stdout)
		}
	}
}

func TestHelp(t *testing.T) {
	overview, _ := succeed(t, "help")
	for _, variable := range []string{"BITNET_MODEL", "BITNET_THREADS", "BITNET_SEED", "BITNET_LOG", "BITNET_DETERMINISTIC", "BITNET_CPU", "BITNET_HOME", "HF_ENDPOINT", "HF_TOKEN"} {
		if !strings.Contains(overview, variable) {
			t.Errorf("help does not mention %s", variable)
		}
	}
	var errs bytes.Buffer
	if status := run(nil, strings.NewReader(""), &errs, &errs, os.Getenv); status != 2 || errs.String() != overview {
		t.Errorf("without arguments: status %d and %q", status, errs.String())
	}
	flagLine := regexp.MustCompile(`(?m)^  --?(\S+)`)
	for _, c := range commands {
		if !strings.Contains(overview, c.name) || !strings.Contains(overview, c.summary) {
			t.Errorf("help does not list %s", c.name)
		}
		want, _ := succeed(t, "help", c.name)
		if !strings.HasPrefix(want, "usage: bitnet "+c.name) {
			t.Errorf("help of %s: %q", c.name, want)
		}
		for _, flag := range []string{"-h", "-help", "--help"} {
			if got, _ := succeed(t, c.name, flag); got != want {
				t.Errorf("%s %s: %q", c.name, flag, got)
			}
		}
		for _, line := range strings.Split(want, "\n") {
			if len([]rune(line)) > 80 {
				t.Errorf("help of %s: %q is too long", c.name, line)
			}
		}
		// Each flag that the help names exists, with one dash and with two.
		flags := flagLine.FindAllStringSubmatch(want, -1)
		if (len(flags) == 0) != c.plain && c != &removeCommand && c != &verifyCommand {
			t.Errorf("help of %s explains %d flags", c.name, len(flags))
		}
		// And each flag that exists is named.
		if n := len(flagsOf(c)); n != len(flags) {
			t.Errorf("help of %s explains %d of %d flags", c.name, len(flags), n)
		}
		for _, flag := range flags {
			succeed(t, c.name, "--"+flag[1]+"=1", "-h")
			succeed(t, c.name, "-"+flag[1]+"=1", "-h")
		}
	}
	for _, words := range []string{"-h", "--help", "help"} {
		if got, _ := succeed(t, words); got != overview {
			t.Errorf("%s prints %q", words, got)
		}
	}
	version, _ := succeed(t, "version")
	if again, _ := succeed(t, "--version"); again != version {
		t.Errorf("--version prints %q", again)
	}
	if !strings.Contains(version, runtime.GOARCH) || !strings.Contains(version, "generic") || strings.Count(version, "\n") != 1 {
		t.Errorf("version: %q", version)
	}
}

// failingWriter fails after so many bytes.
type failingWriter struct {
	left int
	err  error
}

func (w *failingWriter) Write(p []byte) (int, error) {
	if len(p) > w.left {
		return 0, w.err
	}
	w.left -= len(p)
	return len(p), nil
}

func TestOutputThatFails(t *testing.T) {
	full := errors.New("no space left")
	for _, args := range [][]string{
		{"help"}, {"help", "run"}, {"version"},
		{"run", "--model", tiny, "--prompt", "Hello"},
		{"run", "--model", tiny, "--prompt", "Hello", "--json"},
		{"chat", "--model", tiny},
		{"tokenize", "--model", tiny, "a b c d"},
		{"inspect", tiny},
	} {
		var errs bytes.Buffer
		if status := run(args, strings.NewReader("Hello\n"), &failingWriter{4, full}, &errs, os.Getenv); status != 1 || !strings.Contains(errs.String(), full.Error()) {
			t.Errorf("%q onto a full disk: status %d and %q", args, status, errs.String())
		}
		errs.Reset()
		if status := run(args, strings.NewReader("Hello\n"), &failingWriter{4, io.ErrClosedPipe}, &errs, os.Getenv); status != 1 || errs.Len() > 0 {
			t.Errorf("%q into a closed pipe: status %d and %q", args, status, errs.String())
		}
	}
}
