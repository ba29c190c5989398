package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

const compareSynopsis = "compare [--gate PERCENT] OLD NEW"

// compareCommand prints what has changed from one receipt to another.
func compareCommand(c *console, args []string) int {
	flags := newFlags("compare")
	gate := flags.Float64("gate", 0, "exit with status 1 where decoding or the first token is slower by more than `percent`, as far as the repeats tell")
	rest, status, ok := c.parse(flags, args, compareSynopsis)
	if !ok {
		return status
	}
	gated := false
	flags.Visit(func(f *flag.Flag) { gated = gated || f.Name == "gate" })
	switch {
	case len(rest) != 2:
		return c.usageError("compare takes two receipts: perfsmoke %s", compareSynopsis)
	case gated && !(*gate >= 0 && *gate <= maxGate):
		return c.usageError("--gate %v is not between 0 and %d", *gate, maxGate)
	}
	var receipts [2]*receipt.Receipt
	for i, path := range rest {
		r, err := receipt.Read(path)
		switch {
		case err != nil && gated: // status 1 is for what is slower
			return c.usageError("%s: %v", path, err)
		case err != nil:
			return c.fail("%s: %v", path, err)
		}
		if problem := doubt(r); gated && problem != "" {
			return c.usageError("%s is no receipt to judge by: %s", path, problem)
		}
		c.doubt(path, r)
		receipts[i] = r
	}
	comparison := compareReceipts(receipts[0], receipts[1])
	var judged *judgement
	if gated {
		var err error
		if judged, err = judgeByReceipt(receipts[0], receipts[1], *gate); err != nil {
			return c.usageError("--gate: %v", err)
		}
	}
	g := c.gitHub()
	err := g.Untrusted(func(w io.Writer) error {
		err := comparison.print(w)
		if judged != nil {
			judged.print(w)
		}
		return err
	})
	if err := errors.Join(err, g.Summary(comparison.markdown())); err != nil && !errors.Is(err, syscall.EPIPE) {
		c.warn("compare: %v", err)
	}
	if judged != nil {
		return c.report(judged, *gate)
	}
	return exitOK
}

// maxGate is the largest percentage of a gate, more than any that makes sense.
const maxGate = 1000

// doubt says why the figures of a receipt are not to be believed, and nothing
// where they are. That its run failed is said where it is shown.
func doubt(r *receipt.Receipt) string {
	for _, problem := range r.Verify() {
		if problem.Field != "status" || r.Failure == nil {
			return problem.String()
		}
	}
	return ""
}

// doubt warns of a receipt whose figures are not to be believed.
func (c *console) doubt(path string, r *receipt.Receipt) {
	if problem := doubt(r); problem != "" {
		c.warn("%s is not to be believed: %s", path, problem)
	}
}

// A figure is a number of a receipt that can be compared.
type figure struct {
	name           string
	units          units
	higherIsBetter bool
	// values returns the figure as the receipt has it and its value in each
	// repeat; no repeats where the figure is of the whole run. The figure is 0
	// where it is not known.
	values func(*receipt.Receipt) (value float64, repeats []float64)
}

var figures = []figure{
	{name: "decoding", units: tokenRates, higherIsBetter: true, values: func(r *receipt.Receipt) (float64, []float64) {
		return r.TokensPerSecond, ofRepeats(r, func(repeat receipt.Repeat) float64 { return repeat.TokensPerSecond })
	}},
	{name: "first token", units: durations, values: func(r *receipt.Receipt) (float64, []float64) {
		return r.Timings.PromptSeconds, ofRepeats(r, func(repeat receipt.Repeat) float64 { return repeat.PromptSeconds })
	}},
	{name: "token, median", units: durations, values: func(r *receipt.Receipt) (float64, []float64) {
		return r.Timings.TokenSecondsMedian, ofRepeats(r, func(repeat receipt.Repeat) float64 { return receipt.Median(steady(r, repeat)) })
	}},
	{name: "token, 95th percentile", units: durations, values: func(r *receipt.Receipt) (float64, []float64) {
		return r.Timings.TokenSecondsP95, ofRepeats(r, func(repeat receipt.Repeat) float64 { return receipt.Percentile(steady(r, repeat), 95) })
	}},
	{name: "load", units: durations, values: func(r *receipt.Receipt) (float64, []float64) {
		return r.Timings.LoadSeconds, ofRepeats(r, func(repeat receipt.Repeat) float64 { return repeat.LoadSeconds })
	}},
	{name: "wall time", units: durations, values: ofUsage(func(u *receipt.Usage) float64 { return u.WallSeconds })},
	{name: "user time", units: durations, values: ofUsage(func(u *receipt.Usage) float64 { return u.UserSeconds })},
	{name: "system time", units: durations, values: ofUsage(func(u *receipt.Usage) float64 { return u.SystemSeconds })},
	{name: "peak memory", units: sizes, values: ofUsage(func(u *receipt.Usage) float64 {
		if u.PeakMemoryBytes == nil {
			return 0
		}
		return float64(*u.PeakMemoryBytes)
	})},
	{name: "read per token", units: sizes, values: func(r *receipt.Receipt) (float64, []float64) { return r.BytesPerToken, nil }},
	{name: "share of the bandwidth", units: shares, higherIsBetter: true, values: func(r *receipt.Receipt) (float64, []float64) { return r.BandwidthShare, nil }},
	{name: "memory bandwidth", units: byteRates, higherIsBetter: true, values: func(r *receipt.Receipt) (float64, []float64) {
		if r.Limits == nil {
			return 0, nil
		}
		return r.Limits.MemoryBytesPerSecond, r.Limits.MemoryPasses
	}},
}

// steady returns the times of all sessions' steady tokens.
func steady(r *receipt.Receipt, repeat receipt.Repeat) []float64 {
	return slices.Concat(receipt.Steady(r.Sessions, repeat.TokenSeconds)...)
}

func ofRepeats(r *receipt.Receipt, value func(receipt.Repeat) float64) []float64 {
	values := make([]float64, len(r.Repeats))
	for i, repeat := range r.Repeats {
		values[i] = value(repeat)
	}
	return values
}

func ofUsage(value func(*receipt.Usage) float64) func(*receipt.Receipt) (float64, []float64) {
	return func(r *receipt.Receipt) (float64, []float64) {
		if r.Usage == nil {
			return 0, nil
		}
		return value(r.Usage), nil
	}
}

// A comparison holds two receipts against each other.
type comparison struct {
	figures []comparedFigure
	// differences are what makes the figures of the one no measure for those of
	// the other: another model, prompt or machine. Each is a name and two
	// values.
	differences [][3]string
	// otherLogits is that the two computed the same and got something else.
	otherLogits        bool
	oldFailed, newFail *receipt.Failure
	oldDoubt, newDoubt string // why the figures are not to be believed, empty where they are
}

type comparedFigure struct {
	figure
	old, new             float64
	oldSpread, newSpread float64 // of the repeats; negative where there are none to compare
	judged, changed      bool
}

// compareReceipts compares the figures that both receipts have.
//
// A figure has changed where it differs by more than the larger of the two
// spreads, each being the difference of the largest and the smallest value in
// the repeats of a run. A figure of the whole run, without repeats, is not
// judged.
func compareReceipts(old, new *receipt.Receipt) comparison {
	c := comparison{oldFailed: old.Failure, newFail: new.Failure, oldDoubt: doubt(old), newDoubt: doubt(new)}
	for _, f := range figures {
		was, wasRepeats := f.values(old)
		is, isRepeats := f.values(new)
		if !(was > 0) || !(is > 0) || old.Status != receipt.StatusOK || new.Status != receipt.StatusOK {
			continue
		}
		compared := comparedFigure{figure: f, old: was, new: is, oldSpread: spread(wasRepeats), newSpread: spread(isRepeats)}
		compared.judged = len(wasRepeats) >= minRepeats && len(isRepeats) >= minRepeats
		compared.changed = compared.judged && math.Abs(is-was) > max(compared.oldSpread, compared.newSpread)
		c.figures = append(c.figures, compared)
	}

	differ := func(name, old, new string) bool {
		if old != new {
			c.differences = append(c.differences, [3]string{name, old, new})
		}
		return old != new
	}
	other := differ("model", modelName(old), modelName(new))
	other = differ("tokenizer", shortHash(old.Tokenizer.SHA256), shortHash(new.Tokenizer.SHA256)) || other
	other = differ("prompt", fmt.Sprint(old.PromptIDs), fmt.Sprint(new.PromptIDs)) || other
	other = differ("tokens", strconv.Itoa(old.TokensRequested), strconv.Itoa(new.TokensRequested)) || other
	differ("sessions", strconv.Itoa(old.Sessions), strconv.Itoa(new.Sessions))
	differ("lookahead", strconv.FormatBool(old.Lookahead), strconv.FormatBool(new.Lookahead))
	differ("threads", strconv.Itoa(old.Threads), strconv.Itoa(new.Threads))
	differ("processor", old.Processor.Name, new.Processor.Name)
	differ("system", old.Environment.OS+"/"+old.Environment.Architecture, new.Environment.OS+"/"+new.Environment.Architecture)
	c.otherLogits = !other && old.Status == receipt.StatusOK && new.Status == receipt.StatusOK && old.LogitsSHA256 != new.LogitsSHA256
	return c
}

func modelName(r *receipt.Receipt) string {
	return r.Model.File + " (sha256 " + shortHash(r.Model.SHA256) + ")"
}

func shortHash(hash string) string {
	return hash[:min(len(hash), 9)]
}

// spread returns the difference of the largest and the smallest value, and a
// negative number where there are not two.
func spread(values []float64) float64 {
	if len(values) < 2 {
		return -1
	}
	return slices.Max(values) - slices.Min(values)
}

// slowdown returns how much worse the figure has become, as a part of what it
// was before, a rate being taken as the time that it stands for.
func (f comparedFigure) slowdown() float64 {
	if f.higherIsBetter {
		return f.old/f.new - 1
	}
	return f.new/f.old - 1
}

func (f comparedFigure) ratio() string { return strconv.FormatFloat(f.new/f.old, 'f', 3, 64) }

func (f comparedFigure) verdict() string {
	switch {
	case !f.judged:
		return "not judged"
	case !f.changed:
		return "no change"
	case f.slowdown() > 0:
		return "worse"
	}
	return "better"
}

// spreads returns the spreads of the repeats as parts of the figures.
func (f comparedFigure) spreads() string {
	old, new := formatSpread(f.oldSpread, f.old), formatSpread(f.newSpread, f.new)
	if old == "" && new == "" {
		return ""
	}
	return cmp.Or(old, "unknown") + ", " + cmp.Or(new, "unknown")
}

// formatSpread returns a spread as a part of the value, and nothing where it is
// not known.
func formatSpread(spread, value float64) string {
	if spread < 0 {
		return ""
	}
	return fmt.Sprintf("%.1f%%", 100*spread/value)
}

func percentChange(old, new float64) string {
	return fmt.Sprintf("%+.1f%%", 100*(new/old-1))
}

const spreadRule = "A change is more than the larger spread (largest minus smallest value of the repeats, at least 5 on both sides)."

// warnings returns what a reader must know beside the figures, without what
// came from the receipts.
func (c comparison) warnings() []string {
	var w []string
	if c.otherLogits {
		w = append(w, "The logits differ: the two runs did not compute the same.")
	}
	if len(c.differences) > 0 {
		w = append(w, "The figures are no measure for each other:")
	}
	return w
}

func (c comparison) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, failure := range []*receipt.Failure{c.oldFailed, c.newFail} {
		if failure != nil {
			fmt.Fprintf(table, "the %s run failed: %s\n", []string{"old", "new"}[i], printable(failure.Message))
		}
	}
	for i, problem := range []string{c.oldDoubt, c.newDoubt} {
		if problem != "" {
			fmt.Fprintf(table, "the %s receipt does not verify and is not to be believed: %s\n", []string{"old", "new"}[i], printable(problem))
		}
	}
	if len(c.figures) > 0 {
		fmt.Fprintln(table, "figure\told\tnew\tratio\tspread old, new\tverdict")
	}
	for _, f := range c.figures {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", f.name, f.units.format(f.old), f.units.format(f.new), f.ratio(), f.spreads(), f.verdict())
	}
	table.Flush()
	if len(c.figures) > 0 {
		fmt.Fprintln(w, spreadRule)
	}
	for _, warning := range c.warnings() {
		fmt.Fprintln(w, warning)
	}
	for _, d := range c.differences {
		fmt.Fprintf(table, "  %s\t%s\t-> %s\n", d[0], printable(d[1]), printable(d[2]))
	}
	return table.Flush()
}

// markdown returns the comparison for a page of GitHub's.
func (c comparison) markdown() string {
	var b strings.Builder
	for i, failure := range []*receipt.Failure{c.oldFailed, c.newFail} {
		if failure != nil {
			fmt.Fprintf(&b, "The %s failed: %s.\n\n", []string{"baseline", "run"}[i], markdownCode(failure.Message))
		}
	}
	if c.oldDoubt != "" {
		fmt.Fprintf(&b, "**The baseline does not verify and is not to be believed**: %s.\n\n", markdownCode(c.oldDoubt))
	}
	if c.newDoubt != "" {
		fmt.Fprintf(&b, "**The receipt does not verify and is not to be believed**: %s.\n\n", markdownCode(c.newDoubt))
	}
	for _, warning := range c.warnings() {
		fmt.Fprintf(&b, "%s\n", warning)
	}
	if len(c.differences) > 0 {
		b.WriteString("\n| | old | new |\n|---|---|---|\n")
		for _, d := range c.differences {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", d[0], markdownCode(d[1]), markdownCode(d[2]))
		}
	}
	if len(c.figures) > 0 {
		b.WriteString("\n| | old | new | ratio | spread old, new | |\n|---|--:|--:|--:|--:|---|\n")
		for _, f := range c.figures {
			verdict := f.verdict()
			if f.changed {
				verdict = "**" + verdict + "**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", f.name, f.units.format(f.old), f.units.format(f.new), f.ratio(), f.spreads(), verdict)
		}
		b.WriteString("\n" + spreadRule + "\n")
	}
	return b.String()
}

// errIncomparable is why a gate cannot judge.
var errIncomparable = errors.New("the baseline is no measure for this run")

// units are the names and sizes of units, from small to large.
type units []unit

type unit struct {
	name string
	size float64
}

var (
	durations  = units{{"µs", 1e-6}, {"ms", 1e-3}, {"s", 1}}
	sizes      = units{{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}
	tokenRates = units{{"tokens/s", 1}}
	byteRates  = units{{"MB/s", 1e6}, {"GB/s", 1e9}}
	shares     = units{{"%", 0.01}}
)

// fitting returns the largest unit of which value is at least one.
func (u units) fitting(value float64) unit {
	fitting := u[0]
	for _, larger := range u[1:] {
		if value >= larger.size {
			fitting = larger
		}
	}
	return fitting
}

// format returns value with four digits, in the unit that fits.
func (u units) format(value float64) string {
	unit := u.fitting(value)
	value /= unit.size
	digits := 0
	for limit := 1000.0; digits < 3 && math.Abs(value) < limit; limit /= 10 {
		digits++
	}
	return strconv.FormatFloat(value, 'f', digits, 64) + " " + unit.name
}
