package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

// How the gate decides where it has the program of the baseline.
//
// It measures in rounds. In each round both programs are started anew, since
// where a process lies in memory makes it a little faster or slower for as long as
// it lives, and take turns at repeats of the run; chance says which of them is
// first. The fastest repeat of each counts: whatever else the machine does only
// adds to a time, and what the program itself has become slower by is in every one
// of them. A round says that this program was slower by more than is allowed, or
// that it was not.
//
// If the program is as fast as the baseline, or slower by as much as is allowed, no
// more than half of the rounds say "slower", whatever the noise is like, because
// either order of the two is as likely. Let p be the part of them that do. The
// likelihood of what the rounds said if p were likely, divided by that if p were
// 1/2, is then a martingale or falls, and hence ever reaches 1/α with a probability
// of at most α, however often one looks (Ville's inequality). So the gate looks
// after each round and decides as soon as there is evidence enough for either
// answer, as in A. Wald, "Sequential Tests of Statistical Hypotheses" (1945).
const (
	// gateAlarm is how often, at most, a figure that has not changed is called
	// slower. There are two of them, so a gate fails 1 of 100 times at most.
	gateAlarm = 0.005
	// gateMiss is how often, at most, a figure passes that most rounds call
	// slower.
	gateMiss = 0.02
	// likely is the part of the rounds that agree where the answer is clear.
	likely = 0.85
	// mostRounds are enough for every answer that there is: where they are still
	// divided, the figure is too close to what is allowed, or the machine too
	// restless, to tell.
	mostRounds = 60
	// roundTime is how long each program runs in a round, in as many repeats as
	// that is where nothing disturbs them.
	roundTime    = 250 * time.Millisecond
	leastRepeats = 3
	mostRepeats  = 25
)

// A sequentialTest weighs what rounds say of one figure.
type sequentialTest struct {
	slower, faster int // than is allowed
}

// evidence returns the likelihood of having so many rounds for and against where
// as many are for as is likely, divided by that where half are.
func evidence(pro, contra int) float64 {
	return math.Pow(2*likely, float64(pro)) * math.Pow(2*(1-likely), float64(contra))
}

func (t *sequentialTest) isSlower() bool { return evidence(t.slower, t.faster) >= 1/gateAlarm }
func (t *sequentialTest) passes() bool   { return evidence(t.faster, t.slower) >= 1/gateMiss }

// A verdict is what a gate says of a figure.
type verdict int

const (
	passes verdict = iota
	slower
	cannotTell
)

// A judged figure is one that a gate has an answer for.
type judgedFigure struct {
	name    string
	verdict verdict
	reason  string
}

// A judgement is the answer of a gate.
type judgement struct {
	figures []judgedFigure
	basis   string // what the answer rests on
}

// verdict is that of the worst figure.
func (j *judgement) verdict() verdict {
	worst := passes
	for _, f := range j.figures {
		switch f.verdict {
		case slower:
			return slower
		case cannotTell:
			worst = cannotTell
		}
	}
	return worst
}

// lines returns what there is to say, a line for each figure and one about all.
func (j *judgement) lines() []string {
	var lines []string
	for _, f := range j.figures {
		lines = append(lines, f.name+" "+f.reason)
	}
	return append(lines, j.basis)
}

func (j *judgement) print(w io.Writer) {
	for _, line := range j.lines() {
		fmt.Fprintf(w, "gate: %s\n", printable(line))
	}
}

// markdown returns the judgement for a page of GitHub's.
func (j *judgement) markdown() string {
	var b strings.Builder
	b.WriteString("\nGate:\n\n")
	for _, line := range j.lines() {
		fmt.Fprintf(&b, "- %s\n", markdownCode(line))
	}
	return b.String()
}

// gateFigures are the figures that a gate judges, as the time that one of them
// takes: a rate is the time of a token.
var gateFigures = []struct {
	name string
	time func(sessions int, p *receipt.Repeat) float64 // 0 where there is none
}{
	{"decoding", func(sessions int, p *receipt.Repeat) float64 {
		if rate := receipt.Rate(sessions, p.TokenSeconds); rate > 0 {
			return float64(sessions) / rate
		}
		return 0
	}},
	{"first token", func(_ int, p *receipt.Repeat) float64 { return p.PromptSeconds }},
}

// times returns a figure's time in each repeat that has it.
func times(time func(sessions int, p *receipt.Repeat) float64, sessions int, repeats []receipt.Repeat) []float64 {
	var times []float64
	for i := range repeats {
		if t := time(sessions, &repeats[i]); t > 0 {
			times = append(times, t)
		}
	}
	return times
}

// judgeByProgram runs this program and the baseline's in turn until it is clear
// whether this one is slower by more than percent.
func (c *console) judgeByProgram(ctx context.Context, baseline []string, run *inference, percent float64, timeout time.Duration) (*judgement, error) {
	i := *run
	i.onDemand, i.warmUp, i.profile, i.repeat = true, true, "", mostRepeats
	programs := [2][]string{baseline, c.self}
	allowed := math.Log1p(percent / 100)
	tests := make([]sequentialTest, len(gateFigures))
	ratios := make([][]float64, len(gateFigures))
	decided := func() bool {
		all := true
		for f := range tests {
			if tests[f].isSlower() {
				return true
			}
			all = all && (len(ratios[f]) == 0 || tests[f].passes())
		}
		return all
	}
	rounds := 0
	for ; rounds < mostRounds && (rounds == 0 || !decided()); rounds++ {
		timed, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
		taken, err := c.round(timed, programs, &i)
		cancel()
		if err != nil {
			return nil, err
		}
		for f, figure := range gateFigures {
			old, new := times(figure.time, i.sessions, taken[0]), times(figure.time, i.sessions, taken[1])
			if len(old) == 0 || len(new) == 0 {
				continue
			}
			ratio := math.Log(slices.Min(new) / slices.Min(old))
			ratios[f] = append(ratios[f], ratio)
			switch {
			case ratio > allowed:
				tests[f].slower++
			case ratio < allowed:
				tests[f].faster++
			}
			c.debug("round %d: %s %+.1f%%", rounds+1, figure.name, 100*math.Expm1(ratio))
		}
	}

	j := &judgement{basis: fmt.Sprintf("by %s in which the baseline's program and this one took turns; unchanged code fails 1 of 100 times at most", plural(rounds, "round"))}
	for f, figure := range gateFigures {
		if len(ratios[f]) == 0 {
			continue
		}
		t := &tests[f]
		judged := judgedFigure{name: figure.name, verdict: cannotTell}
		change := fmt.Sprintf("%+.1f%% (median of the rounds), slower by more than %v%% in %d of %d", 100*math.Expm1(receipt.Median(ratios[f])), percent, t.slower, len(ratios[f]))
		switch {
		case t.isSlower():
			judged.verdict, judged.reason = slower, "is slower: "+change
		case t.passes():
			judged.verdict, judged.reason = passes, "passes: "+change
		case rounds < mostRounds:
			judged.reason = "is not decided yet: " + change
		default:
			judged.reason = "cannot be told: " + change
		}
		j.figures = append(j.figures, judged)
	}
	return j, nil
}

// round runs two programs in turn and returns the repeats of each.
func (c *console) round(ctx context.Context, programs [2][]string, i *inference) (taken [2][]receipt.Repeat, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	names := [2]string{"the baseline's program", "this program"}
	first := rand.IntN(2)
	var sides [2]*contender
	defer func() {
		for n, s := range sides {
			if s == nil {
				continue
			}
			if failure := s.end(); failure != nil && err == nil {
				err = fmt.Errorf("%s: %s while %s: %s", names[n], failure.Kind, phaseText(failure.Phase), failure.Message)
			}
		}
	}()
	for _, n := range []int{first, 1 - first} {
		if sides[n], err = c.contend(ctx, programs[n], i); err != nil {
			return taken, err
		}
		if !sides[n].wait() {
			return taken, nil // end says why
		}
	}
	fastest := time.Duration(math.MaxInt64) // both of them, once
	for made := 0; made < min(max(int(2*roundTime/fastest), leastRepeats), mostRepeats); made++ {
		order := []int{first, 1 - first}
		if made%2 == 1 {
			slices.Reverse(order)
		}
		began := time.Now()
		for _, n := range order {
			if !sides[n].demand() {
				return taken, nil
			}
		}
		fastest = min(fastest, max(time.Since(began), 1))
	}
	for n, s := range sides {
		taken[n] = s.seen.repeats
	}
	switch a, b := &sides[0].seen, &sides[1].seen; {
	case a.config != b.config:
		err = fmt.Errorf("%w: it has another model", errIncomparable)
	case len(a.promptIDs) != len(b.promptIDs) || !slices.Equal(a.result.ids, b.result.ids):
		err = fmt.Errorf("%w: it generates %s after a prompt of %d, this program %s after %d, and they are not the same", errIncomparable,
			plural(len(a.result.ids), "token"), len(a.promptIDs), plural(len(b.result.ids), "token"), len(b.promptIDs))
	}
	return taken, err
}

// A contender is a process that makes a repeat whenever it is told to.
type contender struct {
	i     *inference
	input *os.File
	news  chan struct{} // after each repeat, and when it has warmed up
	ended chan *receipt.Failure
	seen  observation // of news that has been waited for
}

// contend starts a contender, which ends with ctx.
func (c *console) contend(ctx context.Context, program []string, i *inference) (*contender, error) {
	stdin, input, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	k := &contender{i: i, input: input, news: make(chan struct{}, i.repeat+1), ended: make(chan *receipt.Failure, 1), seen: observation{phase: phaseLoad}}
	go func() {
		_, failure := c.runProcess(ctx, program, i.args(), stdin, func(line []byte) {
			before := k.seen.ends + k.seen.warmed
			if k.seen.line(line); k.seen.ends+k.seen.warmed != before {
				k.news <- struct{}{}
			}
		})
		stdin.Close()
		close(k.news)
		k.ended <- failure
	}()
	return k, nil
}

// wait waits for the next news and reports whether all is well.
func (k *contender) wait() bool {
	_, ok := <-k.news
	return ok && k.seen.failure == nil
}

// demand has it make a repeat.
func (k *contender) demand() bool {
	_, err := k.input.WriteString("\n")
	return err == nil && k.wait()
}

// end ends the process and says what went wrong, nil where nothing did.
func (k *contender) end() *receipt.Failure {
	k.input.Close()
	failure := <-k.ended
	k.seen.end(k.i, failure)
	return k.seen.failure
}

// minRepeats is how many repeats both receipts need for a figure to be judged.
// With five, all of one are above all of the other by chance once in 252 times.
const minRepeats = 5

// moreRuns is how often a run that seems slower than a stored receipt is made
// again, to see whether it stays so.
const moreRuns = 2

// judgeByReceipt says whether a run is slower than the one that left the baseline
// by more than percent, as far as the two tell: where each repeat is slower by more
// than each repeat of the baseline, allowing for what the machine has lost in
// reading memory. The error wraps errIncomparable where the baseline is of
// something else.
func judgeByReceipt(baseline, run *receipt.Receipt, percent float64) (*judgement, error) {
	c := compareReceipts(baseline, run)
	switch {
	case c.oldFailed != nil || baseline.Status != receipt.StatusOK:
		return nil, fmt.Errorf("%w: it is of a failed run", errIncomparable)
	case run.Status != receipt.StatusOK:
		return nil, fmt.Errorf("%w: this one failed", errIncomparable)
	case len(c.differences) > 0:
		d := c.differences[0]
		return nil, fmt.Errorf("%w: its %s is %s, not %s", errIncomparable, d[0], printable(d[1]), printable(d[2]))
	}
	j := &judgement{basis: "by a stored receipt, which tells the noise within the two runs and not what the machine has been busy with since: --baseline-program would"}
	machine := 1.0 // as slow as it was
	if was, is := baseline.Limits, run.Limits; was != nil && is != nil {
		for _, speeds := range [][2]float64{{was.MemoryBytesPerSecond, is.MemoryBytesPerSecond}, {was.WorkingSetBytesPerSecond, is.WorkingSetBytesPerSecond}} {
			if speeds[1] > 0 {
				machine = max(machine, speeds[0]/speeds[1])
			}
		}
	}
	for _, figure := range gateFigures {
		was, is := times(figure.time, baseline.Sessions, baseline.Repeats), times(figure.time, run.Sessions, run.Repeats)
		if len(was) == 0 || len(is) == 0 {
			continue
		}
		judged := judgedFigure{name: figure.name, verdict: cannotTell}
		change := receipt.Median(is)/receipt.Median(was) - 1
		least := slices.Min(is)/slices.Max(was) - 1 // by which every repeat is slower
		limit := 1 + percent/100
		switch {
		case change+1 <= limit:
			judged.verdict, judged.reason = passes, fmt.Sprintf("passes: %+.1f%%", 100*change)
		case min(len(was), len(is)) < minRepeats:
			judged.reason = fmt.Sprintf("cannot be told: %+.1f%%, but with fewer than %d repeats, here %d, nothing tells a slowdown from chance", 100*change, minRepeats, min(len(was), len(is)))
		case least+1 <= limit:
			judged.reason = fmt.Sprintf("cannot be told: %+.1f%%, but the repeats differ by more than that: %.1f%%, %.1f%%", 100*change, 100*spread(was)/receipt.Median(was), 100*spread(is)/receipt.Median(is))
		case least+1 <= limit*machine:
			judged.reason = fmt.Sprintf("cannot be told: %+.1f%%, but the machine reads memory %.1f%% slower than it did then", 100*change, 100*(machine-1))
		default:
			judged.verdict, judged.reason = slower, fmt.Sprintf("is slower: %+.1f%%, in each of %s by at least %.1f%%", 100*change, plural(len(is), "repeat"), 100*least)
		}
		j.figures = append(j.figures, judged)
	}
	return j, nil
}

// judgeByRuns is judgeByReceipt for a run that can be made again where it seems to
// be slower.
func (c *console) judgeByRuns(ctx context.Context, o *runOptions, baseline, r *receipt.Receipt) (*judgement, error) {
	j, err := judgeByReceipt(baseline, r, o.gate)
	all := *r
	for range moreRuns {
		if err != nil || j.verdict() != slower {
			break
		}
		c.info("it seems to be slower than the baseline: running it again")
		i := o.inference
		i.warmUp, i.profile = true, ""
		timed, cancel := context.WithTimeoutCause(ctx, o.timeout, errTimeout)
		seen, _ := c.observe(timed, &i)
		cancel()
		if f := seen.failure; f != nil {
			return nil, fmt.Errorf("%s while %s: %s", f.Kind, phaseText(f.Phase), f.Message)
		}
		all.Repeats = slices.Concat(all.Repeats, seen.repeats)
		j, err = judgeByReceipt(baseline, &all, o.gate)
	}
	return j, err
}
