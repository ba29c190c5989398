package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

// The rates at which the gate errs are those that it states, by trying: rounds
// that say "slower" with a given probability, to the end of each gate.
func TestErrorRates(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2))
	const gates = 20_000
	try := func(probability float64) (alarms, passes float64, rounds float64) {
		for range gates {
			var test sequentialTest
			n := 0
			for ; n < mostRounds && !test.isSlower() && !test.passes(); n++ {
				if draw.Float64() < probability {
					test.slower++
				} else {
					test.faster++
				}
			}
			rounds += float64(n) / gates
			if test.isSlower() {
				alarms += 1. / gates
			} else if test.passes() {
				passes += 1. / gates
			}
		}
		return alarms, passes, rounds
	}
	// Nothing has changed, and nothing is allowed: as many rounds say so as do not.
	if alarms, passes, _ := try(0.5); alarms > gateAlarm || passes > gateMiss || alarms == 0 {
		t.Errorf("of what is as fast, %.4f fail and %.4f pass", alarms, passes)
	}
	for _, p := range []float64{0.85, 0.9, 0.97} {
		alarms, missed, rounds := try(p)
		if alarms < 0.95 || missed > 0.001 || rounds > 30 {
			t.Errorf("where %v of the rounds are slower, %.4f fail, %.4f pass, after %.0f rounds", p, alarms, missed, rounds)
		}
		if alarms, passes, _ := try(1 - p); alarms > 0.0005 || passes < 0.95 {
			t.Errorf("where %v of the rounds are faster, %.4f fail, %.4f pass", p, alarms, passes)
		}
	}
}

func TestJudgeByReceipt(t *testing.T) {
	steady := []float64{9.9, 10, 10.1, 10, 10}
	memory := func(r *receipt.Receipt, factor float64) *receipt.Receipt {
		r.Limits.MemoryBytesPerSecond *= factor
		return r
	}
	for _, test := range []struct {
		name    string
		old     []float64
		new     *receipt.Receipt
		percent float64
		want    verdict
		reason  string
	}{
		{"the same", steady, timedAt(steady...), 0, passes, "passes: +0.0%"},
		{"less than allowed", steady, timedAt(9.1, 9.2, 9.3, 9.2, 9.2), 10, passes, "passes: +8.7%"},
		{"more than allowed", steady, timedAt(7.9, 8, 8.1, 8, 8), 10, slower, "is slower: +25.0%, in each of 5 repeats by at least 22.2%"},
		{"more, but not in each", steady, timedAt(7.9, 8, 9.5, 8, 8), 10, cannotTell, "the repeats differ by more than that: 2.0%, "},
		{"noise in the baseline", []float64{6, 10, 10, 10, 10}, timedAt(8, 8, 8, 8, 8), 10, cannotTell, "the repeats differ"},
		{"one repeat", steady, timedAt(5), 10, cannotTell, "with fewer than 5 repeats, here 1"},
		{"one old repeat", []float64{10}, timedAt(5, 5, 5, 5, 5), 10, cannotTell, "with fewer than 5 repeats, here 1"},
		{"a slower machine", steady, memory(timedAt(7.9, 8, 8.1, 8, 8), 0.8), 10, cannotTell, "the machine reads memory 25.0% slower"},
		{"a faster machine", steady, memory(timedAt(7.9, 8, 8.1, 8, 8), 2), 10, slower, "is slower"},
		{"faster", steady, timedAt(19, 20, 21, 20, 20), 0, passes, "passes: -50.0%"},
	} {
		j, err := judgeByReceipt(timedAt(test.old...), test.new, test.percent)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if f := j.figures[0]; f.name != "decoding" || f.verdict != test.want || !strings.Contains(f.reason, test.reason) {
			t.Errorf("%s: %+v, want %q", test.name, f, test.reason)
		}
		// The first token has not changed.
		if f := j.figures[1]; f.name != "first token" || f.verdict != passes && len(test.old)+len(test.new.Repeats) == 10 {
			t.Errorf("%s: %+v", test.name, f)
		}
		if j.verdict() != test.want {
			t.Errorf("%s: verdict %v of %+v", test.name, j.verdict(), j.figures)
		}
	}

	failed := receipt.New(testTime)
	failed.Failure = &receipt.Failure{Kind: receipt.FailureCrashed}
	for _, pair := range [][2]*receipt.Receipt{{failed, testReceipt()}, {testReceipt(), failed}} {
		if j, err := judgeByReceipt(pair[0], pair[1], 5); err == nil {
			t.Errorf("a failed run: %+v", j)
		}
	}
}

// timedAt returns a receipt whose repeats decode at the given rates.
func timedAt(rates ...float64) *receipt.Receipt {
	r := decodingAt(rates...)
	for i, rate := range rates {
		r.Repeats[i].TokenSeconds = []float64{1, 1 / rate, 1 / rate}
	}
	return r
}

// A run that seems slower than a stored receipt is made again, and is slower where
// it stays so.
func TestJudgeByRuns(t *testing.T) {
	r, _, _, _ := smoke(t, modelConsole(nil), "--repeat", "5")
	c := modelConsole(nil).quiet()
	o := &runOptions{inference: inference{model: tinyModel(t), prompt: "2+2=", maxTokens: 4, threads: 1, sessions: 1, repeat: 5}, gate: 50, timeout: 1 << 40}
	slowest := *r
	slowest.Repeats = slices.Clone(r.Repeats)
	for i := range slowest.Repeats { // an hour each
		p := &slowest.Repeats[i]
		p.PromptSeconds, p.TokenSeconds = 3600, []float64{3600, 3600, 3600}
	}
	j, err := c.judgeByRuns(t.Context(), o, r, &slowest)
	if err != nil || j.verdict() == slower {
		t.Errorf("%+v, %v, although it is as fast when it is run again", j, err)
	}
	fastest := *r
	fastest.Repeats = slices.Clone(r.Repeats)
	for i := range fastest.Repeats {
		p := &fastest.Repeats[i]
		p.PromptSeconds, p.TokenSeconds = 1e-9, []float64{1e-9, 1e-9, 1e-9}
	}
	fastest.Limits = nil
	j, err = c.judgeByRuns(t.Context(), o, &fastest, r)
	if err != nil || j.verdict() != slower || !strings.Contains(j.figures[0].reason, "in each of 15 repeats") {
		t.Errorf("%+v, %v, although it is slower each time", j, err)
	}
}

// TestGateByProgram runs gates against other programs, to the exit status.
func TestGateByProgram(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the programs are shell scripts")
	}
	dir := t.TempDir()
	program := func(as string) string {
		path := filepath.Join(dir, as)
		script := "#!/bin/sh\nexec '" + os.Args[0] + "' " + as + ` "$@"` + "\n"
		if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for as, want := range map[string]struct {
		status    int
		out, errs string
	}{
		asItself:  {exitOK, "passes: ", ""},
		asOther:   {exitUsage, "", "it has another model"},
		asQuick:   {exitFailed, "is slower: ", "--gate 400: first token is slower: "},
		asSlow:    {exitOK, "passes: -100.0%", ""},
		asCurt:    {exitUsage, "", "it generates 1 token after a prompt of 5, this program 4 tokens after 5"},
		asCrashed: {exitUnchecked, "", "cannot judge: the baseline's program: crashed while decoding: exit status 2: SIGILL"},
		asSilent:  {exitUnchecked, "", "cannot judge: the baseline's program: crashed"},
	} {
		// What is allowed is so much that even a very busy machine passes.
		r, status, out, stderr := smoke(t, modelConsole(nil), "--gate", "400", "--baseline-program", program(as))
		wantGood(t, r)
		if status != want.status || !strings.Contains(out, want.out) || !strings.Contains(stderr, want.errs) {
			t.Errorf("%s: status %d, output %q, errors %q", as, status, out, stderr)
		}
		if judged := want.out != ""; judged != strings.Contains(out, "took turns") {
			t.Errorf("%s: the basis is said: %v\n%s", as, !judged, out)
		}
	}
}

// TestCompareGate asks compare for an exit status.
func TestCompareGate(t *testing.T) {
	five := func(factor float64) string {
		r, err := receipt.Read(positiveExample)
		if err != nil {
			t.Fatal(err)
		}
		r.Repeats = append(r.Repeats, r.Repeats[0], r.Repeats[1])
		for i := range r.Repeats {
			p := &r.Repeats[i]
			p.TokenSeconds = slices.Clone(p.TokenSeconds)
			for j := range p.TokenSeconds {
				p.TokenSeconds[j] *= factor
			}
		}
		for name, n := range r.KernelCounts {
			r.KernelCounts[name] = n / 3 * 5
		}
		r.Usage.WallSeconds *= 10 * max(factor, 1)
		r.Usage.ProcessorShare = (r.Usage.UserSeconds + r.Usage.SystemSeconds) / r.Usage.WallSeconds
		r.Derive()
		path := writeReceipt(t, r)
		wantGood(t, r)
		return path
	}
	same, slow := five(1), five(20)
	r, err := receipt.Read(same)
	if err != nil {
		t.Fatal(err)
	}
	r.TokensPerSecond *= 2
	edited := writeReceipt(t, r)
	r.TokensPerSecond /= 2
	r.Threads, r.Environment.Variables = 2, map[string]string{}
	r.Seed = 0
	other := writeReceipt(t, r)
	for _, test := range []struct {
		args   []string
		status int
		said   string
	}{
		{[]string{"--gate", "10", same, same}, exitOK, "passes: +0.0%"},
		{[]string{"--gate", "10", same, slow}, exitFailed, "decoding is slower"},
		{[]string{"--gate", "10", slow, same}, exitOK, "passes: -95"},
		{[]string{same, slow}, exitOK, "worse"},
		{[]string{"--gate", "10", positiveExample, slow}, exitOK, "fewer than 5 repeats"},
		{[]string{"--gate", "10", edited, same}, exitUsage, "is no receipt to judge by"},
		{[]string{"--gate", "10", same, other}, exitUsage, "threads"},
		{[]string{"--gate", "10", same, examples + "older.json"}, exitUsage, "older perfsmoke"},
	} {
		status, out, stderr := run(t, modelConsole(nil), append([]string{"compare"}, test.args...)...)
		if status != test.status || !strings.Contains(out+stderr, test.said) {
			t.Errorf("%q: status %d, output %q, errors %q", test.args, status, out, stderr)
		}
	}
}
