package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
	"github.com/gobitnet/gobitnet/quant"
)

// misbehave is a process that runs a model, and fails in one way or another.
// Measuring limits works as ever.
func misbehave(how string, c *console, args []string) {
	if args[0] == "limits" {
		os.Exit(dispatch(c, args))
	}
	if slices.Contains([]string{asQuick, asSlow, asCurt, asOther}, how) {
		pretend(how)
	}
	fmt.Println(`{"event":"load"}`)
	fmt.Println(`{"event":"loaded","kernel_set":"generic","threads":1,"config":{"architecture":"bitnet-b1.58","blocks":4}}`)
	fmt.Println(`{"event":"prompt","prompt_ids":[1,2,3]}`)
	fmt.Println(`{"event":"token","token":7}`)
	switch how {
	case asHanging:
		// With a process of its own, which must go too.
		sleeper := exec.Command("sleep", "1000")
		sleeper.Stdout = os.Stdout
		if err := sleeper.Start(); err == nil {
			fmt.Fprintln(os.Stderr, "sleeper", sleeper.Process.Pid)
			os.WriteFile(os.Getenv("PERFSMOKE_TEST_PID"), []byte(strconv.Itoa(sleeper.Process.Pid)), 0o600)
		}
		time.Sleep(1000 * time.Second)
	case asCrashed:
		fmt.Fprintln(os.Stderr, "\nSIGILL: illegal instruction\nPC=0x123\x1b[31m")
		os.Exit(2)
	case asKilled:
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			self.Kill()
		}
		time.Sleep(1000 * time.Second)
	case asSilent:
		os.Exit(0)
	case asBabbler:
		fmt.Println("Hello!")
		os.Exit(0)
	}
}

// pretend is a contender that takes no time to speak of, with the model and the
// tokens of tests.
func pretend(how string) {
	r, err := receipt.Read(positiveExample)
	if err != nil {
		panic(err)
	}
	seconds, ids, config := 1e-9, r.GeneratedIDs[:4], r.Model.Config
	switch how {
	case asSlow:
		seconds = 3600
	case asCurt:
		ids = ids[:1]
	case asOther:
		config.Blocks++
	}
	events := json.NewEncoder(os.Stdout)
	events.Encode(event{Event: eventLoaded, Config: &config})
	events.Encode(event{Event: eventWarm})
	for demand := bufio.NewScanner(os.Stdin); demand.Scan(); {
		events.Encode(event{Event: eventPrompt, PromptIDs: r.PromptIDs})
		events.Encode(event{Event: eventEnd, IDs: ids, Repeat: &receipt.Repeat{PromptSeconds: seconds, TokenSeconds: []float64{seconds, seconds, seconds}}})
	}
	events.Encode(event{Event: eventAllDone})
	os.Exit(0)
}

// smoke runs the tiny model, or the one that args name, and returns the receipt.
func smoke(t *testing.T, c *console, args ...string) (r *receipt.Receipt, status int, stdout, stderr string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "receipt.json")
	if !slices.Contains(args, "--model") {
		args = append(args, "--synthetic", "tiny")
	}
	status, stdout, stderr = run(t, c, append(args, "--receipt", path)...)
	r, err := receipt.Read(path)
	if err != nil {
		t.Fatalf("status %d, output %s, errors %s: %v", status, stdout, stderr, err)
	}
	return r, status, stdout, stderr
}

func wantGood(t *testing.T, r *receipt.Receipt) {
	t.Helper()
	if problems := r.Verify(); len(problems) > 0 {
		t.Errorf("rejected: %v", problems)
	}
}

func TestRun(t *testing.T) {
	c := modelConsole(map[string]string{"BITNET_SEED": "42", "BITNET_DETERMINISTIC": "1", "BITNET_LOG": "warn", "GOMAXPROCS": "1", "HOME": "/root"})
	r, status, out, stderr := smoke(t, c, "--threads", "2", "--repeat", "2")
	if status != exitOK || strings.Contains(stderr, "measuring") || !strings.Contains(stderr, "GOMAXPROCS") {
		t.Errorf("status %d, errors %q", status, stderr)
	}
	wantGood(t, r)
	if r.Threads != 1 || r.Seed != 42 || len(r.Repeats) != 2 || r.TokensGenerated != 4 || r.Prompt != "2+2=" || r.Usage.PeakMemoryBytes == nil && runtime.GOOS != "windows" {
		t.Errorf("%+v", r)
	}
	want := map[string]string{"BITNET_SEED": "42", "BITNET_DETERMINISTIC": "1", "BITNET_LOG": "warn", "GOMAXPROCS": "1"}
	if diff := cmp.Diff(want, r.Environment.Variables); diff != "" {
		t.Error(diff)
	}
	for _, figure := range []string{"tokens/s", "SHA-256", "first token", "memory bandwidth", "wall time", "2+2="} {
		if !strings.Contains(out, figure) {
			t.Errorf("no %q in\n%s", figure, out)
		}
	}

	// The tokens are those that the library generates.
	m, err := bitnet.Open(tinyModel(t), bitnet.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	result := libraryAnswer(t, m)
	if !slices.Equal(result.Tokens, r.GeneratedIDs) || result.Text != r.Text || string(result.Reason) != r.StopReason {
		t.Errorf("%v %q %s, the library gives %v", r.GeneratedIDs, r.Text, r.StopReason, result)
	}
}

// libraryAnswer returns what the library generates in a default run, and closes
// the model.
func libraryAnswer(t *testing.T, m *bitnet.Model) *bitnet.Result {
	t.Helper()
	defer m.Close()
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	result, err := s.Generate(t.Context(), "2+2=", bitnet.GenerateOptions{MaxTokens: 4})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestCounts sees to it that what the engine counts is what receipts are checked
// for, whatever the kernels, however prompts fall into blocks and however many
// sessions there are.
func TestCounts(t *testing.T) {
	drafts := map[[2]bool]int{}
	for _, k := range quant.Available() {
		for _, words := range []int{1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 15, 16, 190, 191, 192, 193, 400} {
			if k.Name() == "generic" && words > 4 {
				continue // slow, and tiled from two tokens on
			}
			for _, sessions := range []int{1, 3} {
				i := inference{model: tinyModel(t), prompt: strings.Repeat("(", words), maxTokens: 12, threads: 1, sessions: sessions, repeat: 2, kernels: k.Name()}
				o := &observation{}
				if err := i.run(json.NewEncoder(&lineWriter{line: o.line}), nil); err != nil || o.failure != nil {
					t.Fatal(err, o.failure)
				}
				if len(o.promptIDs) < 2 || words > 16 && len(o.promptIDs) < words/4 {
					t.Fatalf("%d signs are %d tokens", words, len(o.promptIDs))
				}
				r, err := receipt.Read(positiveExample)
				if err != nil {
					t.Fatal(err)
				}
				r.KernelSet, r.Processor, r.Environment.Architecture, r.Environment.OS = o.kernelSet, thisProcessor(), runtime.GOARCH, runtime.GOOS
				r.KernelCounts, r.Kernels = o.counts, slices.Sorted(maps.Keys(o.counts))
				r.PromptIDs, r.GeneratedIDs, r.Repeats, r.Sessions = o.promptIDs, o.result.ids, o.repeats, sessions
				r.TokensRequested, r.TokensGenerated, r.LogitRows, r.StopReason = 12, 12, 12, "max_tokens"
				r.Derive()
				proposed, accepted := r.Drafts()
				drafts[[2]bool{proposed > 0, accepted > 0}]++
				for _, p := range r.Verify() {
					if (strings.HasPrefix(p.Field, "kernel") || strings.Contains(p.Field, "rows")) && !strings.Contains(p.Reason, "was changed after") {
						t.Errorf("%s, %d tokens, %d sessions: %v", k.Name(), len(o.promptIDs), sessions, p)
					}
				}
			}
		}
	}
	if drafts[[2]bool{true, true}] == 0 {
		t.Errorf("no guess was right: %v", drafts)
	}
}

// TestSessions lets sessions decode together, which changes no token, and times
// each of them.
func TestSessions(t *testing.T) {
	for _, tokens := range []int{1, 2, 9} {
		one, _, _, _ := smoke(t, modelConsole(nil), "--repeat", "2", "--max-tokens", strconv.Itoa(tokens))
		r, status, out, stderr := smoke(t, modelConsole(nil), "--repeat", "2", "--sessions", "5", "--threads", "2", "--max-tokens", strconv.Itoa(tokens))
		wantGood(t, r)
		if status != exitOK || r.Sessions != 5 || !strings.Contains(out, "5, together") {
			t.Errorf("status %d, %d sessions, %s%s", status, r.Sessions, out, stderr)
		}
		if !slices.Equal(r.GeneratedIDs, one.GeneratedIDs) || r.LogitsSHA256 != one.LogitsSHA256 || r.Text != one.Text {
			t.Errorf("%d tokens: %v, alone %v", tokens, r.GeneratedIDs, one.GeneratedIDs)
		}
		plain, _, _, _ := smoke(t, modelConsole(nil), "--repeat", "1", "--no-lookahead", "--max-tokens", strconv.Itoa(tokens))
		wantGood(t, plain)
		if proposed, _ := plain.Drafts(); plain.Lookahead || !one.Lookahead || proposed != 0 || plain.LogitsSHA256 != one.LogitsSHA256 {
			t.Errorf("without lookahead: %v, %d drafts", plain.Lookahead, proposed)
		}
		for _, p := range r.Repeats {
			needed := p.RowsEvaluated - p.DraftsProposed + p.DraftsAccepted
			if len(p.TokenSeconds) != 5*(tokens-1) || needed != int64(5*(len(r.PromptIDs)+tokens-1)) {
				t.Errorf("%d tokens: %d times, %d rows", tokens, len(p.TokenSeconds), p.RowsEvaluated)
			}
		}
		if status, out, stderr := run(t, modelConsole(nil), "verify", "--replay", writeReceipt(t, r)); status != exitOK {
			t.Errorf("status %d, %s%s", status, out, stderr)
		}
	}
}

// TestWarmUp sees to it that what is done before the first repeat is in no figure
// of the receipt.
func TestWarmUp(t *testing.T) {
	cold := inference{model: tinyModel(t), prompt: "2+2=", maxTokens: 4, threads: 1, sessions: 1, repeat: 3}
	warm := cold
	warm.warmUp = true
	var seen [2]observation
	var loads [2]int
	for i, inference := range []inference{cold, warm} {
		line := func(line []byte) {
			if seen[i].line(line); strings.Contains(string(line), `"load"`) {
				loads[i]++
			}
		}
		if err := inference.run(json.NewEncoder(&lineWriter{line: line}), nil); err != nil || seen[i].failure != nil {
			t.Fatal(err, seen[i].failure)
		}
	}
	if loads != [2]int{3, 4} {
		t.Errorf("%d times without and %d with warming up", loads[0], loads[1])
	}
	if field := seen[0].result.differs(&seen[1].result); field != "" || !maps.Equal(seen[0].counts, seen[1].counts) || len(seen[1].repeats) != 3 {
		t.Errorf("with warming up another %s, %v instead of %v, %d repeats", field, seen[1].counts, seen[0].counts, len(seen[1].repeats))
	}

	// However slow it is.
	var o observation
	for _, line := range []string{
		`{"event":"load"}`, `{"event":"loaded"}`, `{"event":"token","token":7}`, `{"event":"token","token":8}`, `{"event":"warm"}`,
		`{"event":"load"}`, `{"event":"loaded"}`, `{"event":"token","token":7}`, `{"event":"token","token":8}`,
		`{"event":"end","ids":[7,8],"repeat":{"load_seconds":1,"prompt_seconds":2,"token_seconds":[3]}}`,
	} {
		o.line([]byte(line))
	}
	want := []receipt.Repeat{{LoadSeconds: 1, PromptSeconds: 2, TokenSeconds: []float64{3}}}
	if diff := cmp.Diff(want, o.repeats); diff != "" || !slices.Equal(o.result.ids, []int{7, 8}) {
		t.Errorf("ids %v, (-want +got)\n%s", o.result.ids, diff)
	}

	// A run asks for it.
	if _, _, _, stderr := smoke(t, modelConsole(map[string]string{"BITNET_LOG": "debug"}), "--repeat", "1"); !strings.Contains(stderr, `"--warm-up=true"`) {
		t.Errorf("no warming up in %s", stderr)
	}
}

func TestLogLevels(t *testing.T) {
	messages := func(level string) (starting, running, warning bool) {
		c := modelConsole(map[string]string{"BITNET_LOG": level, "GOMAXPROCS": "1"})
		_, _, _, stderr := smoke(t, c, "--threads", "2", "--repeat", "1", "--max-tokens", "1")
		return strings.Contains(stderr, "starting"), strings.Contains(stderr, "running"), strings.Contains(stderr, "warning")
	}
	for level, want := range map[string][3]bool{
		"debug": {true, true, true}, "info": {false, true, true}, "": {false, true, true}, "warn": {false, false, true},
	} {
		if starting, running, warning := messages(level); [3]bool{starting, running, warning} != want {
			t.Errorf("%q: starting %v, running %v, warning %v", level, starting, running, warning)
		}
	}
}

func TestOneToken(t *testing.T) {
	r, _, out, _ := smoke(t, modelConsole(map[string]string{"GITHUB_ACTIONS": "true"}), "--max-tokens", "1")
	wantGood(t, r)
	_, verified, _ := run(t, modelConsole(nil), "verify", writeReceipt(t, r))
	for _, text := range []string{out, verified, comment(r, nil)} {
		want := "first token after " + durations.format(r.Timings.PromptSeconds)
		if !strings.Contains(text, want) || strings.Contains(text, "0.000 tokens") {
			t.Errorf("no %q, or a rate, in\n%s", want, text)
		}
	}
	if len(r.Repeats[0].TokenSeconds) != 0 || r.TokensPerSecond != 0 || r.LogitRows != 1 {
		t.Errorf("%+v", r)
	}
}

func TestContextEndsRun(t *testing.T) {
	r, _, _, _ := smoke(t, modelConsole(nil), "--prompt", strings.Repeat("(", 505), "--max-tokens", "50", "--repeat", "1")
	wantGood(t, r)
	if r.StopReason != string(bitnet.StopContext) || len(r.PromptIDs)+r.TokensGenerated != 512 {
		t.Errorf("%d tokens after %d, %s", r.TokensGenerated, len(r.PromptIDs), r.StopReason)
	}
	r, status, _, _ := smoke(t, modelConsole(nil), "--prompt", strings.Repeat("(", 511), "--repeat", "1")
	if status != exitOK || r.Failure == nil || r.Failure.Kind != receipt.FailureRun || !strings.Contains(r.Failure.Message, "context of 512") {
		t.Errorf("status %d, %+v", status, r.Failure)
	}
}

func TestTokenizerFile(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join(dir, "model.gguf")
	data, err := io.ReadAll(arithmetic.File())
	if err != nil {
		t.Fatal(err)
	}
	// The same vocabulary in a file with another hash.
	tokenizer := filepath.Join(dir, "tokenizer.gguf")
	for path, data := range map[string][]byte{model: data, tokenizer: append(slices.Clone(data), 0)} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "receipt.json")
	if status, _, stderr := run(t, modelConsole(nil), "--model", model, "--tokenizer", tokenizer, "--receipt", path); status != exitOK {
		t.Fatal(status, stderr)
	}
	r, err := receipt.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	wantGood(t, r)
	if r.Tokenizer.Source != receipt.TokenizerFile || r.Tokenizer.File != "tokenizer.gguf" || r.Model.Synthetic != nil || r.Model.BuiltIn != "" {
		t.Errorf("%+v, %+v", r.Tokenizer, r.Model)
	}
	// The built-in model has the same hash, so it is found; the tokenizer is not.
	for _, c := range []struct {
		args   []string
		status int
		text   string
	}{
		{nil, exitUnchecked, "--tokenizer"},
		{[]string{"--tokenizer", model}, exitUnchecked, "tokenizer.sha256"},
		{[]string{"--tokenizer", tokenizer}, exitOK, "confirmed"},
		{[]string{"--tokenizer", tokenizer, "--model", model}, exitOK, "confirmed"},
		{[]string{"--tokenizer", tokenizer, "--model", tokenizer}, exitUnchecked, "model.sha256"},
		{[]string{"--tokenizer", tokenizer, "--model", filepath.Join(dir, "none")}, exitUnchecked, "could not be checked: model: "},
	} {
		status, out, stderr := run(t, modelConsole(nil), append([]string{"verify", "--replay", path}, c.args...)...)
		if status != c.status || !strings.Contains(out+stderr, c.text) {
			t.Errorf("%v: status %d, %s%s", c.args, status, out, stderr)
		}
	}
}

// TestFailures sees to it that whatever goes wrong is said, recorded, no reason
// to fail, and never taken for a good run.
func TestFailures(t *testing.T) {
	dir := t.TempDir()
	good, err := os.ReadFile(tinyModel(t))
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	broken := slices.Clone(good)
	copy(broken[len(broken)-1024:], slices.Repeat([]byte{0, 0, 0x80, 0x7f}, 256)) // the last norm is infinite
	wide := strings.Replace(string(good), "bitnet-b1.58", "other-llama!", 1)
	text := "there \x1b[31m\u202e is\nno such file"
	for name, c := range map[string]struct {
		as            string
		args          []string
		kind, message string
		known         int // tokens
		unix          bool
	}{
		"missing model":     {args: []string{"--model", filepath.Join(dir, text)}, kind: receipt.FailureModelMissing, message: "no such file"},
		"folder":            {args: []string{"--model", dir}, kind: receipt.FailureModelUnusable, message: "not a regular file"},
		"truncated model":   {args: []string{"--model", file("truncated.gguf", good[:len(good)/2])}, kind: receipt.FailureModelUnusable, message: "cut off"},
		"empty model":       {args: []string{"--model", file("empty.gguf", nil)}, kind: receipt.FailureModelUnusable},
		"other model":       {args: []string{"--model", file("other.gguf", []byte(wide))}, kind: receipt.FailureModelUnusable, message: "other-llama"},
		"damaged model":     {args: []string{"--model", file("damaged.gguf", broken)}, kind: receipt.FailureModelUnusable},
		"missing tokenizer": {args: []string{"--tokenizer", filepath.Join(dir, "no-tokenizer.json")}, kind: receipt.FailureModelUnusable, message: "tokenizer: "},
		"broken tokenizer":  {args: []string{"--tokenizer", file("tokenizer.json", []byte("{}"))}, kind: receipt.FailureModelUnusable, message: "tokenizer: "},
		"profile":           {args: []string{"--profile", filepath.Join(dir, "missing", "profile")}, kind: receipt.FailureRun, message: "profile"},
		"crash":             {as: asCrashed, kind: receipt.FailureCrashed, message: "SIGILL: illegal instruction", known: 1},
		"killed":            {as: asKilled, kind: receipt.FailureKilled, message: "killed", known: 1, unix: true},
		"hang":              {as: asHanging, args: []string{"--timeout", "700ms"}, kind: receipt.FailureTimedOut, known: 1},
		"silence":           {as: asSilent, kind: receipt.FailureCrashed, message: "without a result", known: 1},
		"babble":            {as: asBabbler, kind: receipt.FailureRun, message: "no event", known: 1},
	} {
		t.Run(name, func(t *testing.T) {
			if c.unix && runtime.GOOS == "windows" {
				t.Skip("Windows does not tell who ended a process")
			}
			console := modelConsole(map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": filepath.Join(t.TempDir(), "summary")})
			if c.as != "" {
				console.self[1] = c.as
			}
			pid := filepath.Join(t.TempDir(), "pid")
			t.Setenv("PERFSMOKE_TEST_PID", pid)
			start := time.Now()
			r, status, out, stderr := smoke(t, console, c.args...)
			if status != exitOK {
				t.Errorf("status %d", status)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
			if r.Status != receipt.StatusFailed || r.ComputePath != receipt.ComputeNone || r.Failure == nil || r.Failure.Kind != c.kind || !strings.Contains(r.Failure.Message, c.message) {
				t.Fatalf("%s, %s, %+v", r.Status, r.ComputePath, r.Failure)
			}
			if !strings.Contains(stderr, "warning") || strings.Count(stderr, "::warning::") != 0 || strings.Count(out, "::warning::") != 1 {
				t.Errorf("errors %q, output %q", stderr, out)
			}
			if strings.ContainsAny(out+stderr, "\x1b\u202e") {
				t.Errorf("it steers the terminal: %q, %q", out, stderr)
			}
			if r.TokensGenerated != c.known || c.known > 0 && (r.GeneratedIDs[0] != 7 || r.KernelSet != "generic" || len(r.PromptIDs) != 3 || r.Failure.Phase != phaseDecode || r.Usage == nil) {
				t.Errorf("what it did is lost: %+v", r)
			}

			problems := r.Verify()
			if len(problems) == 0 || problems[0].Field != "status" {
				t.Errorf("problems: %v", problems)
			}
			// Nor can it pose as a good one.
			r.Status, r.Failure, r.ComputePath = receipt.StatusOK, nil, receipt.ComputeReal
			if _, err := r.Encode(); err != nil {
				t.Fatal(err)
			}
			if len(r.Verify()) == 0 {
				t.Error("it passes for a good one")
			}

			if data, err := os.ReadFile(pid); err == nil && runtime.GOOS == "linux" {
				// Killed, it may wait for its new parent to notice.
				stat := filepath.Join("/proc", string(data), "stat")
				gone := func() bool {
					text, err := os.ReadFile(stat)
					return err != nil || strings.Contains(string(text), ") Z ")
				}
				for range 100 {
					if gone() {
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				if !gone() {
					t.Errorf("process %s is left behind", data)
				}
			} else if c.as == asHanging && runtime.GOOS == "linux" {
				t.Errorf("the hanging process did not start another: %v", err)
			}
		})
	}
}

// TestRealTimeout times out a process that goes on working.
func TestRealTimeout(t *testing.T) {
	r, status, _, _ := smoke(t, modelConsole(map[string]string{"BITNET_CPU": "generic"}), "--max-tokens", "500", "--repeat", "1000", "--timeout", "1s")
	if status != exitOK || r.Failure == nil || r.Failure.Kind != receipt.FailureTimedOut {
		t.Fatalf("status %d, %+v", status, r.Failure)
	}
	if r.TokensGenerated == 0 || r.Usage == nil || r.Usage.WallSeconds < 0.9 || r.Usage.WallSeconds > 10 || r.Usage.UserSeconds == 0 {
		t.Errorf("what it did is lost: %d tokens, %+v", r.TokensGenerated, r.Usage)
	}
}

// TestRunGate holds runs against stored receipts.
func TestRunGate(t *testing.T) {
	dir := t.TempDir()
	r, _, _, _ := smoke(t, modelConsole(nil), "--repeat", "5")
	baseline := func(name string, change func(r *receipt.Receipt)) string {
		copied := *r
		copied.Repeats, copied.KernelCounts = slices.Clone(r.Repeats), maps.Clone(r.KernelCounts)
		for i := range copied.Repeats {
			copied.Repeats[i].TokenSeconds = slices.Clone(copied.Repeats[i].TokenSeconds)
		}
		change(&copied)
		copied.Derive()
		path := filepath.Join(dir, name)
		if err := receipt.Write(path, &copied); err != nil {
			t.Fatal(err)
		}
		return path
	}
	scale := func(factor float64) func(r *receipt.Receipt) {
		return func(r *receipt.Receipt) {
			for n := range r.Repeats {
				p := &r.Repeats[n]
				p.PromptSeconds *= factor
				for i := range p.TokenSeconds {
					p.TokenSeconds[i] *= factor
				}
			}
			usage := *r.Usage
			usage.WallSeconds *= max(factor, 1)
			usage.ProcessorShare = (usage.UserSeconds + usage.SystemSeconds) / usage.WallSeconds
			r.Usage = &usage
			// On a machine whose caches could have done it, with the same memory.
			limits := *r.Limits
			limits.WorkingSetPasses = slices.Clone(limits.WorkingSetPasses)
			if factor < 1 {
				for i := range limits.WorkingSetPasses {
					limits.WorkingSetPasses[i] /= factor
				}
				limits.WorkingSetBytesPerSecond = slices.Max(limits.WorkingSetPasses)
			}
			r.Limits = &limits
		}
	}
	slow, fast := baseline("slow.json", scale(1000)), baseline("fast.json", scale(0.001))
	few := baseline("few.json", func(r *receipt.Receipt) {
		scale(0.001)(r)
		r.Repeats = r.Repeats[:1]
		for name := range r.KernelCounts {
			r.KernelCounts[name] /= 5
		}
	})
	other := baseline("other.json", func(r *receipt.Receipt) {
		r.Model.SHA256 = strings.Repeat("0", 64)
		r.Tokenizer.SHA256 = r.Model.SHA256
	})
	for _, c := range []struct {
		name   string
		args   []string
		status int
		said   string
	}{
		{"slower without a gate", []string{"--baseline", fast}, exitOK, ""},
		{"slower, but so is the machine", []string{"--baseline", fast, "--gate", "50"}, exitOK, "the machine reads memory"},
		{"faster", []string{"--baseline", slow, "--gate", "0"}, exitOK, ""},
		{"too few to tell", []string{"--baseline", few, "--gate", "50"}, exitOK, "fewer than 5 repeats, here 1"},
		{"another model", []string{"--baseline", other, "--gate", "50"}, exitUsage, "its model is"},
		{"another model without a gate", []string{"--baseline", other}, exitOK, ""},
		{"no baseline, no gate", []string{"--baseline", filepath.Join(dir, "missing.json")}, exitOK, ""},
		{"of an older program, no gate", []string{"--baseline", examples + "older.json"}, exitOK, "older perfsmoke"},
		{"failed", []string{"--baseline", slow, "--gate", "50", "--model", filepath.Join(dir, "missing.gguf")}, exitFailed, "passes no gate"},
	} {
		r, status, out, stderr := smoke(t, modelConsole(nil), c.args...)
		if status != c.status || !strings.Contains(stderr, c.said) {
			t.Errorf("%s: status %d, want %d, errors %s", c.name, status, c.status, stderr)
		}
		gated := slices.Contains(c.args, "--gate")
		if judged := gated && status != exitUsage && r.Status == receipt.StatusOK; judged != strings.Contains(out, "gate: by a stored receipt") {
			t.Errorf("%s: the basis is said: %v\n%s", c.name, !judged, out)
		}
		if gated && r.Status == receipt.StatusOK && len(r.Repeats) != minRepeats {
			t.Errorf("%s: %d repeats", c.name, len(r.Repeats))
		}
	}
}

func TestOutputs(t *testing.T) {
	dir := t.TempDir()
	history, profile := filepath.Join(dir, "history.jsonl"), filepath.Join(dir, "profile")
	summary, output := filepath.Join(dir, "summary"), filepath.Join(dir, "output")
	c := modelConsole(map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": summary, "GITHUB_OUTPUT": output})
	for range 2 {
		r, status, out, stderr := smoke(t, c, "--history", history, "--profile", profile, "--max-tokens", "100")
		if status != exitOK {
			t.Fatal(status, stderr)
		}
		wantGood(t, r)
		for _, command := range []string{"::group::", "::endgroup::", "::notice::"} {
			if strings.Count(out, command) != 1 {
				t.Errorf("not one %s in\n%s", command, out)
			}
		}
	}
	if runs, broken, err := readHistory(history); err != nil || len(runs) != 2 || broken != 0 {
		t.Errorf("%d runs, %d broken, %v", len(runs), broken, err)
	}
	if data, err := os.ReadFile(profile); err != nil || len(data) < 2 || data[0] != 0x1f || data[1] != 0x8b {
		t.Errorf("no profile: %v", err)
	}
	if text, err := os.ReadFile(summary); err != nil || strings.Count(string(text), "tokens/s") < 2 {
		t.Errorf("%s, %v", text, err)
	}
	if text, err := os.ReadFile(output); err != nil || !strings.Contains(string(text), "status<<") || !strings.Contains(string(text), "\nok\n") {
		t.Errorf("%s, %v", text, err)
	}
}

// TestUsageAgreesWithTime holds the usage in a receipt against what the program
// time says of the same process.
func TestUsageAgreesWithTime(t *testing.T) {
	const program = "/usr/bin/time"
	if _, err := os.Stat(program); err != nil {
		t.Skip("there is no ", program)
	}
	dir := t.TempDir()
	path, log := filepath.Join(dir, "receipt.json"), filepath.Join(dir, "log")
	tinyModel(t)
	// In a process of its own: this one is so large that it would count.
	cmd := exec.Command(os.Args[0], asTimed, program+" -v -a -o "+log, "--synthetic", "tiny", "--receipt", path, "--repeat", "2", "--max-tokens", "50")
	cmd.Env = append(os.Environ(), "PERFSMOKE_TEST_CACHE="+testCache, "BITNET_CPU=generic")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r, err := receipt.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != receipt.StatusOK {
		t.Skipf("not measured: %+v", r.Failure)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	// One report for each process; the model's is the one of "child".
	var report map[string]string
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		if name == "Command being timed" {
			if report != nil {
				break
			}
			if strings.Contains(value, asItself+" child ") {
				report = map[string]string{}
			}
		}
		if report != nil {
			report[name] = value
		}
	}
	if report == nil {
		t.Skipf("not the output of GNU time: %s", text)
	}
	number := func(name string) float64 {
		value := report[name]
		if minutes, seconds, ok := strings.Cut(value, ":"); ok {
			m, err1 := strconv.ParseFloat(minutes, 64)
			s, err2 := strconv.ParseFloat(seconds, 64)
			if err1 != nil || err2 != nil {
				t.Fatalf("%s: %q", name, value)
			}
			return 60*m + s
		}
		n, err := strconv.ParseFloat(strings.TrimSuffix(value, "%"), 64)
		if err != nil {
			t.Fatalf("%s: %q", name, value)
		}
		return n
	}
	agree := func(what string, ours, theirs, slack float64) {
		if math.Abs(ours-theirs) > 0.05*theirs+slack {
			t.Errorf("%s: %v, %s says %v", what, ours, program, theirs)
		}
	}
	u := r.Usage
	const rounding = 0.011 // time cuts to hundredths
	agree("wall", u.WallSeconds, number("Elapsed (wall clock) time (h:mm:ss or m:ss)"), rounding)
	agree("user", u.UserSeconds, number("User time (seconds)"), rounding)
	agree("system", u.SystemSeconds, number("System time (seconds)"), rounding)
	agree("share", 100*u.ProcessorShare, number("Percent of CPU this job got"), 2)
	agree("peak", float64(*u.PeakMemoryBytes), 1024*number("Maximum resident set size (kbytes)"), 0)
	agree("minor faults", float64(*u.MinorPageFaults), number("Minor (reclaiming a frame) page faults"), 150) // its own
	agree("major faults", float64(*u.MajorPageFaults), number("Major (requiring I/O) page faults"), 5)
	agree("voluntary switches", float64(*u.VoluntaryContextSwitches), number("Voluntary context switches"), 5)
	agree("involuntary switches", float64(*u.InvoluntaryContextSwitches), number("Involuntary context switches"), 20)
}

func TestParts(t *testing.T) {
	for text, want := range map[string]int64{"512K": 512 << 10, "36M": 36 << 20, "1G": 1 << 30, "64": 64, "": 0, "-1K": 0, "K": 0} {
		got, ok := parseSize(text)
		if ok != (want > 0) || ok && got != want {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
	}
	if got := memAvailable("MemTotal:  100 kB\nMemAvailable:   2048 kB\n"); got != 2<<20 {
		t.Error(got)
	}
	for _, text := range []string{"", "MemAvailable: many kB\n", "MemAvailable: 5\n"} {
		if got := memAvailable(text); got != 0 {
			t.Errorf("%q: %d", text, got)
		}
	}
	dir := t.TempDir()
	for i, size := range []string{"32K\n", "1024K\n", "what\n"} {
		index := filepath.Join(dir, "index"+strconv.Itoa(i))
		if err := os.Mkdir(index, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(index, "size"), []byte(size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := sysfsLastCache(dir); got != 1<<20 {
		t.Error(got)
	}
	for path, want := range map[string]string{"": "", "/a/b.gguf": "b.gguf", "a\\b": "a_b"} {
		if got := fileName(path); got != want && runtime.GOOS != "windows" {
			t.Errorf("%q: %q", path, got)
		}
	}

	var lines []string
	w := &lineWriter{line: func(l []byte) { lines = append(lines, string(l)) }}
	for _, part := range []string{"a", "b\nc", "\n\nd"} {
		fmt.Fprint(w, part)
	}
	for _, part := range []string{strings.Repeat("x", maxLine) + "\ne\n", strings.Repeat("x", maxLine+1), "x\nf\n"} {
		fmt.Fprint(w, part)
	}
	if !slices.Equal(lines, []string{"ab", "c", "", "e", "f"}) {
		t.Errorf("%d lines: %.80q", len(lines), lines)
	}
}
