package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/gobitnet/gobitnet/bitnet/synthetic"
	"github.com/gobitnet/gobitnet/cmd/internal/output"
	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/limits"
	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

const runSynopsis = "[run] [flags]\n" +
	"What is timed is greedy generation as users have it. The digest in the receipt is over all logits of the same tokens,\n" +
	"which another process computes that nobody times."

// runOptions is what the run command is asked for.
type runOptions struct {
	inference
	synthetic       string
	timeout         time.Duration
	receipt         string
	baseline        string
	baselineProgram string
	history         string
	gate            float64
	gated           bool
	seed            uint64
}

// runCommand runs a model and leaves a receipt. Whatever goes wrong in what it
// measures is said and recorded, and is no reason to fail; nor is a file that
// cannot be written, unless a gate was asked for.
func runCommand(c *console, args []string) int {
	began := time.Now()
	o, status, ok := c.runOptions(args)
	if !ok {
		return status
	}
	baseline, err := c.readBaseline(o)
	if err == nil {
		err = c.checkFiles(o)
	}
	if err != nil {
		return c.usageError("%v", err)
	}
	interrupted, release := output.NotifyContext(context.Background())
	defer release()

	// First what is to last is written, then what may be read by nobody.
	r := c.measure(interrupted, o)
	var failures []error
	if err := receipt.Write(o.receipt, r); err != nil {
		failures = append(failures, fmt.Errorf("--receipt: %w", err))
	}
	if o.history != "" {
		if err := appendHistory(o.history, r); err != nil {
			failures = append(failures, fmt.Errorf("--history: %w", err))
		}
	}
	var judged *judgement
	var unjudged error
	failed := r.Status != receipt.StatusOK
	if o.gated && !failed {
		judged, unjudged = c.judge(interrupted, o, baseline, r)
	}

	g := c.gitHub()
	g.Group("Perf smoke")
	err = g.Untrusted(func(w io.Writer) error {
		err := printReceipt(w, r)
		if baseline != nil {
			err = errors.Join(err, compareReceipts(baseline, r).print(w))
		}
		if judged != nil {
			judged.print(w)
		}
		return err
	})
	g.EndGroup()
	if errors.Is(err, syscall.EPIPE) {
		err = nil // whoever read the output has seen enough
	}
	if failed {
		text := fmt.Sprintf("perf smoke: %s while %s: %s", r.Failure.Kind, phaseText(r.Failure.Phase), r.Failure.Message)
		g.Warning(text)
		c.warn("%s", text)
	}
	took := fmt.Sprintf("perf smoke took %s", durations.format(time.Since(began).Seconds()))
	if !failed {
		took += ", " + speedText(r)
	}
	g.Notice(took)
	// Annotations and tables are extras; that they cannot be written is no
	// reason to fail.
	markdown := receiptMarkdown(r, baseline)
	if judged != nil {
		markdown += judged.markdown()
	}
	if err := errors.Join(err, g.Summary(markdown), g.Output("receipt", o.receipt), g.Output("status", r.Status),
		g.Output("tokens_per_second", strconv.FormatFloat(r.TokensPerSecond, 'g', 6, 64))); err != nil {
		c.warn("%v", err)
	}
	for _, err := range failures {
		c.warn("%v", err)
	}
	switch {
	case failed && r.Failure.Kind == receipt.FailureInterrupted:
		return exitFailed
	case !o.gated:
		return exitOK
	case failed:
		return c.fail("--gate: a run that failed passes no gate")
	case errors.Is(unjudged, errIncomparable):
		return c.usageError("--gate: %v", unjudged)
	case unjudged != nil:
		c.fail("--gate: cannot judge: %v", unjudged)
		return exitUnchecked
	}
	if status := c.report(judged, o.gate); status != exitOK || len(failures) == 0 {
		return status
	}
	return exitUsage // whoever asks for a gate relies on its files
}

// readBaseline returns the receipt to compare with, nil where there is none or
// none that can be read. The error says that it is no measure for a gate.
func (c *console) readBaseline(o *runOptions) (*receipt.Receipt, error) {
	if o.baseline == "" {
		return nil, nil
	}
	judges := o.gated && o.baselineProgram == ""
	r, err := receipt.Read(o.baseline)
	switch {
	case err != nil && judges:
		return nil, fmt.Errorf("--baseline %s: %v", o.baseline, err)
	case err != nil:
		c.warn("--baseline %s: %v", o.baseline, err)
		return nil, nil
	}
	if problems := r.Verify(); judges && len(problems) > 0 {
		return nil, fmt.Errorf("--baseline %s is no receipt to judge by: %v", o.baseline, problems[0])
	}
	c.doubt(o.baseline, r)
	return r, nil
}

// checkFiles warns of files that cannot be written, before the run that they are
// to be of. Where a gate was asked for, it is an error.
func (c *console) checkFiles(o *runOptions) error {
	history := error(nil)
	if o.history != "" {
		history = output.CheckAppend(o.history, maxHistoryLine)
	}
	for _, file := range []struct {
		flag string
		err  error
	}{{"--receipt", output.Check(o.receipt, o.receiptSize())}, {"--history", history}} {
		switch {
		case file.err == nil:
		case o.gated:
			return fmt.Errorf("%s: %w", file.flag, file.err)
		default:
			c.warn("%s: %v; the run goes on without", file.flag, file.err)
		}
	}
	return nil
}

// receiptSize is about how large the receipt will be, at most.
func (o *runOptions) receiptSize() int {
	numbers := o.maxTokens * (o.repeat*o.sessions + 1)
	return 64<<10 + min(numbers*32, 32<<20)
}

// judge says what the gate makes of the run.
func (c *console) judge(ctx context.Context, o *runOptions, baseline, r *receipt.Receipt) (*judgement, error) {
	if o.baselineProgram == "" {
		return c.judgeByRuns(ctx, o, baseline, r)
	}
	c.info("running %s in turn with %s", r.Model.File, o.baselineProgram)
	return c.judgeByProgram(ctx, []string{o.baselineProgram}, &o.inference, o.gate, o.timeout)
}

// report tells of a judgement and returns the exit status.
func (c *console) report(j *judgement, percent float64) int {
	g := c.gitHub()
	verdict := j.verdict()
	for _, f := range j.figures {
		text := fmt.Sprintf("--gate %v: %s %s", percent, f.name, f.reason)
		switch {
		case f.verdict == slower:
			c.fail("%s", text)
		case f.verdict == cannotTell && verdict != slower:
			g.Warning("perf smoke: " + text)
			c.warn("%s", text)
		}
	}
	if verdict == slower {
		return exitFailed
	}
	return exitOK
}

// runOptions reads the flags and the environment.
func (c *console) runOptions(args []string) (o *runOptions, status int, ok bool) {
	set, err := c.readEnvironment()
	if err != nil {
		return nil, c.usageError("%v", err), false
	}
	o = &runOptions{}
	flags := newFlags("run")
	flags.StringVar(&o.model, "model", "", "`file` of the model, or its name as bitnet models lists them (default: BITNET_MODEL, or the built-in one, which only knows small sums)")
	flags.StringVar(&o.tokenizer, "tokenizer", "", "`file` of the tokenizer (default: the model's own)")
	flags.StringVar(&o.synthetic, "synthetic", "", "run a made-up model of this `shape`: "+strings.Join(synthetic.Names(), ", "))
	flags.StringVar(&o.prompt, "prompt", "2+2=", "`text` to continue")
	flags.IntVar(&o.maxTokens, "max-tokens", 4, "generate at most so many tokens, `n`")
	flags.IntVar(&o.threads, "threads", set.threads, "compute with `n` threads; 0 means all processors that there are (default: BITNET_THREADS, or 1)")
	flags.IntVar(&o.sessions, "sessions", 1, "let `n` sessions of the model generate together; the rate is that of all")
	flags.BoolVar(&o.noLookahead, "no-lookahead", false, "evaluate generated tokens one by one, without guessing those that follow")
	flags.IntVar(&o.repeat, "repeat", 3, "do it all `n` times, after a short warm-up that is not timed")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "kill the process that runs the model after this `time`")
	flags.StringVar(&o.receipt, "receipt", "perfsmoke.json", "write the receipt to this `file`")
	flags.StringVar(&o.baseline, "baseline", "", "compare with the receipt in this `file`")
	flags.StringVar(&o.baselineProgram, "baseline-program", "", "the `file` of another perfsmoke, which --gate runs in turn with this one, on the same machine at the same time")
	flags.StringVar(&o.history, "history", "", "append a line about the run to this `file`")
	flags.StringVar(&o.profile, "profile", "", "write a profile of the processor's time to this `file`, for go tool pprof")
	flags.Float64Var(&o.gate, "gate", 0, "exit with status 1 where decoding or the first token is certainly slower than the baseline by more than `percent`")
	rest, status, ok := c.parse(flags, args, runSynopsis)
	if !ok {
		return nil, status, false
	}
	flags.Visit(func(f *flag.Flag) { o.gated = o.gated || f.Name == "gate" })
	wrong := func(format string, args ...any) (*runOptions, int, bool) {
		return nil, c.usageError(format, args...), false
	}
	empty := givenEmpty(flags, "model", "tokenizer", "synthetic", "baseline-program")
	err = checkThreads(&o.threads)
	switch {
	case empty != "":
		return wrong("--%s is given, but empty", empty)
	case len(rest) > 0:
		return wrong("run takes no argument %q", rest[0])
	case o.model != "" && o.synthetic != "":
		return wrong("--model and --synthetic exclude each other")
	case o.synthetic != "" && !slices.Contains(synthetic.Names(), o.synthetic):
		return wrong("--synthetic %s: there are %s", o.synthetic, strings.Join(synthetic.Names(), ", "))
	case o.maxTokens < 1 || o.maxTokens > 1<<20:
		return wrong("--max-tokens %d is not between 1 and %d", o.maxTokens, 1<<20)
	case err != nil:
		return wrong("%v", err)
	case o.sessions < 1 || o.sessions > 1024:
		return wrong("--sessions %d is not between 1 and 1024", o.sessions)
	case o.repeat < 1 || o.repeat > 1000:
		return wrong("--repeat %d is not between 1 and 1000", o.repeat)
	case o.timeout <= 0:
		return wrong("--timeout %v is not above 0", o.timeout)
	case o.gated && !(o.gate >= 0 && o.gate <= maxGate):
		return wrong("--gate %v is not between 0 and %d", o.gate, maxGate)
	case o.gated && o.baseline == "" && o.baselineProgram == "":
		return wrong("--gate needs a --baseline-program, or at least a --baseline")
	case !o.gated && o.baselineProgram != "":
		return wrong("--baseline-program is for --gate")
	case o.receipt == "":
		return wrong("--receipt needs a file")
	}
	if o.gated && o.baselineProgram == "" {
		o.repeat = max(o.repeat, minRepeats)
	}
	if o.profile != "" {
		path, err := filepath.Abs(o.profile)
		if err != nil {
			return wrong("--profile: %v", err)
		}
		o.profile = path
	}

	o.seed, o.kernels = set.seed, set.kernels
	if o.synthetic == "" {
		o.model = cmp.Or(o.model, set.model)
	}
	if o.baselineProgram != "" {
		path, err := exec.LookPath(o.baselineProgram)
		if err == nil || errors.Is(err, exec.ErrDot) {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			return wrong("--baseline-program: %v", err)
		}
		o.baselineProgram = path
	}
	if n, err := strconv.Atoi(c.env("GOMAXPROCS")); err == nil && n > 0 && n < o.threads {
		c.warn("GOMAXPROCS allows %d threads: --threads %d is lowered to it", n, o.threads)
		o.threads = n
	}
	return o, exitOK, true
}

// measure carries out a run and returns its receipt.
func (c *console) measure(ctx context.Context, o *runOptions) *receipt.Receipt {
	r := receipt.New(time.Now())
	r.Environment, r.Processor = thisBuild(c.env), thisProcessor()
	r.Prompt, r.Seed = strings.ToValidUTF8(o.prompt, "\uFFFD"), o.seed
	r.Threads, r.Sessions, r.Lookahead, r.TokensRequested = o.threads, o.sessions, !o.noLookahead, o.maxTokens
	fail := func(kind, phase, format string, args ...any) *receipt.Receipt {
		r.Failure = &receipt.Failure{Kind: kind, Phase: phase, Message: strings.ToValidUTF8(fmt.Sprintf(format, args...), "\uFFFD")}
		return r
	}

	// What a user names is named in the receipt before it is looked at.
	r.Model.File = fileName(o.model)
	m, err := c.findModel(ctx, o)
	r.Model.File = cmp.Or(fileName(m.file), r.Model.File, fileName(m.path))
	r.Model.Bytes, r.Model.SHA256, r.Model.Synthetic, r.Model.BuiltIn = m.bytes, m.sha256, m.synthetic, m.builtIn
	if err == nil && o.tokenizer != "" {
		r.Tokenizer = receipt.Tokenizer{Source: receipt.TokenizerFile, File: fileName(o.tokenizer)}
		if r.Tokenizer.SHA256, _, err = hashFile(ctx, o.tokenizer); err != nil {
			err = tokenizerError{err}
		}
	} else {
		r.Tokenizer = receipt.Tokenizer{Source: receipt.TokenizerOfModel, File: r.Model.File, SHA256: m.sha256}
	}
	if err != nil {
		if cause := stopped(ctx); cause != nil {
			return fail(cause.Kind, phaseModel, "%s", cause.Message)
		}
		if modelMissing(err) {
			return fail(receipt.FailureModelMissing, phaseModel, "%v", err)
		}
		return fail(receipt.FailureModelUnusable, phaseModel, "%v", err)
	}
	o.model = m.path
	if m.builtIn != "" {
		o.model = ""
	}
	run := o.inference
	run.warmUp = true

	c.info("measuring the memory")
	memory := cmp.Or(c.buffer, limits.MemoryBuffer(r.Processor.LastCacheBytes, availableMemory()))
	measured := &receipt.Limits{}
	if failure := c.addLimits(ctx, o, measured, memory, 0); failure != nil {
		r.Failure = failure
		return r
	}
	c.info("running %s", r.Model.File)
	timed, cancel := context.WithTimeoutCause(ctx, o.timeout, errTimeout)
	seen, usage := c.observe(timed, &run)
	cancel()
	r.Usage = usage
	r.KernelSet, r.Model.Config = seen.kernelSet, seen.config
	if seen.threads > 0 {
		r.Threads = seen.threads
	}
	r.PromptIDs = append(r.PromptIDs, seen.promptIDs...)
	r.Repeats = append(r.Repeats, seen.repeats...)
	ids := seen.result.ids
	if seen.ends == 0 {
		ids = seen.sequence // as far as it came
	}
	r.GeneratedIDs, r.TokensGenerated = append(r.GeneratedIDs, ids...), len(ids)
	r.Text, r.StopReason = seen.result.text, seen.result.stopReason
	maps.Copy(r.KernelCounts, seen.counts)
	r.Kernels = append(r.Kernels, slices.Sorted(maps.Keys(r.KernelCounts))...)
	if seen.failure != nil {
		r.Failure = seen.failure
		r.Failure.Message = strings.ToValidUTF8(r.Failure.Message, "\uFFFD")
		return r
	}

	c.info("computing all logits of the same tokens")
	run.logits, run.warmUp, run.repeat, run.sessions, run.profile = true, false, 1, 1, ""
	timed, cancel = context.WithTimeoutCause(ctx, o.timeout, errTimeout)
	all, _ := c.observe(timed, &run)
	cancel()
	if f := all.failure; f != nil {
		return fail(f.Kind, f.Phase, "%s", f.Message)
	}
	seen.result.logitsSHA256, seen.result.logitRows = all.result.logitsSHA256, all.result.logitRows
	if field := seen.result.differs(&all.result); field != "" || !slices.Equal(seen.promptIDs, all.promptIDs) {
		return fail(receipt.FailureDiffers, phaseLogits, "the run that computed all logits came to another result: %s", cmp.Or(field, "prompt_ids"))
	}
	r.LogitsSHA256, r.LogitRows = all.result.logitsSHA256, all.result.logitRows

	// Again, because limits vary too; and where the model seems to be faster
	// than them, they have not been found yet.
	r.Limits = measured
	r.Derive()
	working := receipt.WorkingSet(r.BytesPerToken, memory)
	const tries = 8
	for try := 0; try < tries; try++ {
		if try > 0 && r.WithinLimits() {
			break
		}
		if failure := c.addLimits(ctx, o, measured, memory, working); failure != nil {
			r.Failure, r.Limits = failure, nil
			r.Derive()
			return r
		}
		r.Derive()
	}
	r.Status, r.ComputePath = receipt.StatusOK, receipt.ComputeReal
	return r
}

// A tokenizerError is about the file of the tokenizer.
type tokenizerError struct{ error }

func (e tokenizerError) Error() string { return "tokenizer: " + e.error.Error() }
func (e tokenizerError) Unwrap() error { return e.error }

// modelMissing reports whether err is that there is no file of the model.
func modelMissing(err error) bool {
	var ofTokenizer tokenizerError
	return errors.Is(err, fs.ErrNotExist) && !errors.As(err, &ofTokenizer)
}

// fileName returns a path's last element as it can be written down.
func fileName(path string) string {
	if path == "" {
		return ""
	}
	name := printable(strings.ToValidUTF8(filepath.Base(path), "\uFFFD"))
	return strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' {
			return '_'
		}
		return r
	}, name)
}

func (c *console) findModel(ctx context.Context, o *runOptions) (modelFile, error) {
	switch {
	case o.model != "":
		return c.findNamed(ctx, o.model)
	case o.synthetic != "":
		return c.syntheticModel(ctx, receipt.Synthetic{Shape: o.synthetic, Seed: receipt.SyntheticSeed})
	}
	c.info("no --model: using the built-in arithmetic model, which only knows small sums")
	return defaultModel()
}

// limitsTimeout is how long measuring the machine, a matter of a second, may
// take: --timeout is about the model.
const limitsTimeout = 2 * time.Minute

// addLimits measures the machine in a process of its own and adds to what has
// been measured. A size of 0 leaves that limit out.
func (c *console) addLimits(ctx context.Context, o *runOptions, l *receipt.Limits, memory, working int64) *receipt.Failure {
	ctx, cancel := context.WithTimeoutCause(ctx, limitsTimeout, errLimitsTimeout)
	defer cancel()
	seen := &observation{phase: phaseLimits}
	args := []string{"limits", "--threads=" + strconv.Itoa(o.threads), "--memory=" + strconv.FormatInt(memory, 10), "--working-set=" + strconv.FormatInt(working, 10)}
	if _, failure := c.runProcess(ctx, c.self, args, nil, seen.line); failure != nil {
		failure.Phase = phaseLimits
		return failure
	}
	m, okMemory := seen.limits[limitMemory]
	w, okWorking := seen.limits[limitWorkingSet]
	if !okMemory || working > 0 && !okWorking {
		return &receipt.Failure{Kind: receipt.FailureCrashed, Phase: phaseLimits, Message: "the process ended without a result"}
	}
	l.MemoryBufferBytes = m.BufferBytes
	l.MemoryPasses = append(l.MemoryPasses, m.Passes...)
	l.MemoryBytesPerSecond = slices.Max(l.MemoryPasses)
	if okWorking {
		l.WorkingSetBytes = w.BufferBytes
		l.WorkingSetPasses = append(l.WorkingSetPasses, w.Passes...)
		l.WorkingSetBytesPerSecond = slices.Max(l.WorkingSetPasses)
	}
	return nil
}

func phaseText(phase string) string {
	switch phase {
	case phaseModel:
		return "looking for the model"
	case phaseLoad:
		return "loading"
	case phasePrompt:
		return "evaluating the prompt"
	case phaseDecode:
		return "decoding"
	case phaseLogits:
		return "computing all logits"
	case phaseLimits:
		return "measuring the machine"
	}
	return "running"
}

// speedText is the figure that says most about a run: its rate, or, where there
// was but one token and hence none, the time that it took.
func speedText(r *receipt.Receipt) string {
	if r.TokensGenerated > 1 {
		return tokenRates.format(r.TokensPerSecond)
	}
	return "first token after " + durations.format(r.Timings.PromptSeconds)
}

// printReceipt shows what a person wants to know.
func printReceipt(w io.Writer, r *receipt.Receipt) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, printable(fmt.Sprintf(format, args...)))
	}
	if r.Failure != nil {
		row("failed", "%s while %s: %s", r.Failure.Kind, phaseText(r.Failure.Phase), r.Failure.Message)
	}
	if r.Model.SHA256 != "" {
		row("model", "%s, %s, SHA-256 %s", r.Model.File, sizes.format(float64(r.Model.Bytes)), r.Model.SHA256)
	}
	row("processor", "%s, %d cores", r.Processor.Name, r.Processor.LogicalCores)
	if r.KernelSet != "" {
		row("kernels", "%s, %s", r.KernelSet, plural(r.Threads, "thread"))
	}
	if r.Sessions > 1 {
		row("sessions", "%d, together", r.Sessions)
	}
	if len(r.PromptIDs) > 0 {
		row("prompt", "%q, %s", r.Prompt, plural(len(r.PromptIDs), "token"))
		generated := fmt.Sprintf("%s of %d", plural(r.TokensGenerated, "token"), r.TokensRequested)
		if r.StopReason != "" { // at the end of a repeat the text is known
			generated = strconv.Quote(r.Text) + ", " + generated
		}
		row("generated", "%s", generated)
	}
	if r.Status == receipt.StatusOK {
		row("repeats", "%d", len(r.Repeats))
		row("load", "%s", durations.format(r.Timings.LoadSeconds))
		row("first token", "%s, %s", durations.format(r.Timings.PromptSeconds), tokenRates.format(r.Timings.PromptTokensPerSecond))
		if r.TokensGenerated > 1 {
			if r.TokensGenerated > 2 {
				row("second token", "%s, with the 8-bit screen of the head", durations.format(r.Timings.SecondTokenSeconds))
			}
			row("further tokens", "%s each (median), %s (95th percentile)", durations.format(r.Timings.TokenSecondsMedian), durations.format(r.Timings.TokenSecondsP95))
			row("decoding", "%s", tokenRates.format(r.TokensPerSecond))
			if proposed, accepted := r.Drafts(); proposed > 0 {
				row("lookahead", "%d of %d guessed tokens were right", accepted, proposed)
			}
		}
		row("read per token", "%s", sizes.format(r.BytesPerToken))
		bandwidth := byteRates.format(r.Limits.MemoryBytesPerSecond)
		if r.TokensGenerated > 1 {
			bandwidth += ", of which decoding takes "
			if _, accepted := r.Drafts(); r.Sessions > 1 || accepted > 0 {
				bandwidth += "at least "
			}
			bandwidth += shares.format(r.BandwidthShare)
		}
		row("memory bandwidth", "%s", bandwidth)
		if r.Cached() {
			row("with caches", "%s for as much as a token reads, which they may hold", byteRates.format(r.Limits.WorkingSetBytesPerSecond))
		}
	}
	if u := r.Usage; u != nil {
		row("wall time", "%s", durations.format(u.WallSeconds))
		row("processor time", "%s user, %s system, %s", durations.format(u.UserSeconds), durations.format(u.SystemSeconds), shares.format(u.ProcessorShare))
		if u.PeakMemoryBytes != nil {
			row("peak memory", "%s", sizes.format(float64(*u.PeakMemoryBytes)))
		}
		if u.MajorPageFaults != nil && u.MinorPageFaults != nil {
			row("page faults", "%d major, %d minor", *u.MajorPageFaults, *u.MinorPageFaults)
		}
		if u.VoluntaryContextSwitches != nil && u.InvoluntaryContextSwitches != nil {
			row("context switches", "%d voluntary, %d involuntary", *u.VoluntaryContextSwitches, *u.InvoluntaryContextSwitches)
		}
	}
	return t.Flush()
}
