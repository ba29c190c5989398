package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

var testTime = time.Date(2026, 3, 1, 4, 17, 0, 0, time.UTC)

// testReceipt returns the receipt of a good run on a machine that never was.
func testReceipt() *receipt.Receipt {
	r := receipt.New(testTime)
	peak := int64(1 << 30)
	r.Status, r.ComputePath = receipt.StatusOK, receipt.ComputeReal
	r.Environment.Commit = "0123456789abcdef0123456789abcdef01234567"
	r.Environment.OS, r.Environment.Architecture, r.Environment.GoVersion = "linux", "amd64", "go1.25.0"
	r.Processor.Name = "Example 9000"
	r.Model.File, r.Model.SHA256 = "example.gguf", strings.Repeat("ab", 32)
	r.Tokenizer.SHA256 = strings.Repeat("cd", 32)
	r.Prompt, r.PromptIDs, r.Text = "2+2=", []int{1, 17, 10, 17, 28}, "4"
	r.TokensRequested, r.TokensGenerated, r.Threads, r.Sessions = 4, 4, 2, 1
	r.LogitsSHA256 = strings.Repeat("ef", 32)
	for _, slow := range []float64{1, 1.02, 0.99, 1, 1.01} {
		r.Repeats = append(r.Repeats, receipt.Repeat{
			LoadSeconds:     0.5 * slow,
			PromptSeconds:   0.2 * slow,
			TokenSeconds:    []float64{0.025 * slow, 0.025 * slow, 0.026 * slow},
			TokensPerSecond: 39.47 / slow,
		})
	}
	r.TokensPerSecond = 39.47
	r.Timings = receipt.Timings{LoadSeconds: 0.5, PromptSeconds: 0.2, PromptTokensPerSecond: 25, TokenSecondsMedian: 0.025, TokenSecondsP95: 0.0265}
	r.Limits = &receipt.Limits{MemoryBytesPerSecond: 2e10, MemoryPasses: []float64{1.9e10, 2e10, 1.95e10, 1.9e10, 1.9e10}, WorkingSetPasses: []float64{2e10}}
	r.Usage = &receipt.Usage{WallSeconds: 3, UserSeconds: 5, SystemSeconds: 0.5, PeakMemoryBytes: &peak}
	return r
}

func TestHistoryAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	good, failed := testReceipt(), receipt.New(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC))
	for _, r := range []*receipt.Receipt{failed, good} {
		if err := appendHistory(path, r); err != nil {
			t.Fatal(err)
		}
	}
	runs, broken, err := readHistory(path)
	if err != nil || broken != 0 {
		t.Fatalf("%d broken lines, %v", broken, err)
	}
	want := []historyRun{{
		Timestamp:   testTime,
		Commit:      "0123456789abcdef0123456789abcdef01234567",
		Status:      "ok",
		Model:       "example.gguf",
		ModelSHA256: good.Model.SHA256,
		Processor:   "Example 9000",
		Threads:     2, Sessions: 1, PromptTokens: 5, TokensRequested: 4,
		TokensPerSecond: 39.47, FirstTokenSeconds: 0.2, PeakMemoryBytes: 1 << 30,
	}, {
		Timestamp: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC),
		Status:    "failed",
	}}
	if diff := cmp.Diff(want, runs); diff != "" {
		t.Errorf("runs by time (-want +got):\n%s", diff)
	}

	good.Timestamp = "yesterday"
	if appendHistory(path, good) == nil {
		t.Error("a receipt without a time is added")
	}
}

// Lines of several writers must not mix.
func TestHistoryConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	const writers, each = 8, 25
	var wait sync.WaitGroup
	for range writers {
		wait.Go(func() {
			r := testReceipt()
			r.Model.File = strings.Repeat("long ", 1000)
			for range each {
				if err := appendHistory(path, r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	runs, broken, err := readHistory(path)
	if len(runs) != writers*each || broken != 0 || err != nil {
		t.Errorf("%d runs, %d broken lines, %v; want %d runs", len(runs), broken, err, writers*each)
	}
}

func TestHistoryBroken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	add := func(text string) {
		t.Helper()
		if err := appendFile(path, text); err != nil {
			t.Fatal(err)
		}
	}
	addRun := func() {
		t.Helper()
		if err := appendHistory(path, testReceipt()); err != nil {
			t.Fatal(err)
		}
	}
	line, err := json.Marshal(madeHistory(1, 1)[0])
	if err != nil {
		t.Fatal(err)
	}
	change := func(old, new string) string {
		t.Helper()
		changed := strings.Replace(string(line), old, new, 1)
		if changed == string(line) {
			t.Fatalf("%s has no %s", line, old)
		}
		return changed + "\n"
	}

	addRun()
	broken := []string{
		"not JSON\n",
		"{}\n",
		"null\n",
		"[1]\n",
		strings.Repeat("x", 3*maxHistoryLine) + "\n",
		string(line) + strings.Repeat(" ", maxHistoryLine) + "\n",
		change(`"status":"ok"`, `"status":"fine"`),
		change(`"tokens_per_second":`, `"tokens_per_second":-`),
		change(`"tokens_per_second":`, `"tokens_per_second":1e300,"x":`),
		change(`"first_token_seconds":`, `"first_token_seconds":1e-300,"x":`),
		change(`"timestamp":"2026`, `"timestamp":"1970`),
		change(`"timestamp":"2026`, `"timestamp":"9970`),
		change(`"threads":4`, `"threads":"4"`),
	}
	for _, text := range broken {
		add(text)
	}
	addRun()
	add("\n\n")
	add(string(line[:40])) // a writer that was cut off
	addRun()
	add(string(line)) // whole, but the line is not ended

	runs, count, err := readHistory(path)
	if err != nil || len(runs) != 4 || count != len(broken)+1 {
		t.Errorf("%d runs, %d broken lines, %v; want 4 and %d", len(runs), count, err, len(broken)+1)
	}
	if _, _, err := readHistory(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that does not exist is read")
	}
	if err := appendHistory(filepath.Join(t.TempDir(), "none", "history"), testReceipt()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a history in a folder that does not exist: %v", err)
	}
}

// madeHistory returns a run for each of n days: Gaussian noise of 2% in the
// times, one time in twenty up to 40% longer, and steady memory.
func madeHistory(n int, seed uint64) []historyRun {
	r := rand.New(rand.NewPCG(seed, 1))
	noise := func() float64 {
		x := 1 + 0.02*r.NormFloat64()
		if r.IntN(20) == 0 {
			x *= 1.1 + 0.3*r.Float64()
		}
		return x
	}
	runs := make([]historyRun, n)
	for i := range runs {
		runs[i] = historyRun{
			Timestamp:         time.Date(2026, 1, 5, 4, 17, 0, 0, time.UTC).AddDate(0, 0, i),
			Commit:            fmt.Sprintf("%016x%016x%08x", r.Uint64(), r.Uint64(), r.Uint32()),
			Status:            receipt.StatusOK,
			Model:             "example.gguf",
			ModelSHA256:       strings.Repeat("ab", 32),
			Processor:         "Example 9000",
			Threads:           4,
			Sessions:          1,
			Lookahead:         true,
			PromptTokens:      5,
			TokensRequested:   32,
			TokensPerSecond:   31.4 / noise(),
			FirstTokenSeconds: 0.183 * noise(),
			PeakMemoryBytes:   1.24e9 * (1 + 0.001*r.NormFloat64()),
		}
	}
	return runs
}

// twoRegressions makes decoding 8% slower from run 70 on and 12% more from run
// 140 on.
func twoRegressions(runs []historyRun) {
	for i := range runs {
		if i >= 70 {
			runs[i].TokensPerSecond *= 0.92
		}
		if i >= 140 {
			runs[i].TokensPerSecond *= 0.88
		}
	}
}

func TestShiftsFound(t *testing.T) {
	for seed := range uint64(20) {
		runs := madeHistory(200, seed)
		twoRegressions(runs)
		h := newHistoryPlot(runs)
		if len(h.shifts) != 2 {
			t.Errorf("seed %d: %d shifts, want 2: %v", seed, len(h.shifts), h.shifts)
			continue
		}
		for k, want := range []struct {
			index int
			ratio float64
		}{{70, 0.92}, {140, 0.88}} {
			s := h.shifts[k]
			if d := s.index - want.index; d < -5 || d > 5 || !s.regression || s.figure != 0 || math.Abs(s.after/s.before-want.ratio) > 0.02 {
				t.Errorf("seed %d: found %v, at run %d; want a regression by %v at run %d", seed, s, s.index, want.ratio, want.index)
			}
			if s.first != runs[s.index] || s.last != runs[s.index-1] || s.recent {
				t.Errorf("seed %d: the shift at run %d has the runs %v and %v", seed, s.index, s.last, s.first)
			}
		}
	}
}

// Noise of any kind is no shift: Gaussian noise, frequent outliers, runs that
// are like the run before, a figure that jumps between two values, none at all.
func TestShiftsNotFoundInNoise(t *testing.T) {
	noises := map[string]func(*rand.Rand, []float64){
		"gaussian": func(r *rand.Rand, v []float64) {
			for i := range v {
				v[i] = 100 + 3*r.NormFloat64()
			}
		},
		"outliers": func(r *rand.Rand, v []float64) {
			for i := range v {
				v[i] = 100 + 2*r.NormFloat64()
				if r.IntN(10) == 0 {
					v[i] *= 0.6 + 0.3*r.Float64()
				}
			}
		},
		"correlated": func(r *rand.Rand, v []float64) {
			x := 0.0
			for i := range v {
				x = 0.3*x + 3*r.NormFloat64()
				v[i] = 100 + x
			}
		},
		"two values": func(r *rand.Rand, v []float64) {
			for i := range v {
				v[i] = 100
				if r.IntN(3) == 0 {
					v[i] = 105
				}
			}
		},
		"constant": func(r *rand.Rand, v []float64) {
			for i := range v {
				v[i] = 100
			}
		},
	}
	for name, noise := range noises {
		for seed := range uint64(12) {
			for _, n := range []int{0, 1, 9, 10, 25, 200} {
				values := make([]float64, n)
				noise(rand.New(rand.NewPCG(seed, 2)), values)
				if shifts := findShifts(values); len(shifts) > 0 {
					t.Errorf("%s, seed %d, %d values: %v", name, seed, n, shifts)
				}
			}
		}
	}
	for seed := range uint64(20) {
		if h := newHistoryPlot(madeHistory(200, seed)); len(h.shifts) > 0 {
			t.Errorf("made history, seed %d: %v", seed, h.shifts)
		}
	}
}

// Without noise a shift is found exactly, as soon as there are enough runs
// after it, and only from the smallest change on that counts.
func TestShiftsExact(t *testing.T) {
	step := func(n, at int, from, to float64) []float64 {
		values := make([]float64, n)
		for i := range values {
			values[i] = from
			if i >= at {
				values[i] = to
			}
		}
		return values
	}
	for _, test := range []struct {
		name   string
		values []float64
		want   []int
	}{
		{"up", step(100, 37, 100, 103), []int{37}},
		{"down", step(100, 37, 100, 97), []int{37}},
		{"too little", step(100, 37, 100, 101.9), nil},
		{"from the fifth run on", step(55, 50, 100, 110), []int{50}},
		{"not before", step(54, 50, 100, 110), nil},
		{"after the fifth run", step(50, 5, 100, 110), []int{5}},
		{"three", append(append(step(40, 20, 100, 110), step(20, 0, 120, 120)...), step(20, 0, 100, 100)...), []int{20, 40, 60}},
		{"to and back", append(step(40, 30, 100, 110), step(30, 0, 100, 100)...), []int{30, 40}},
		{"one outlier", append(step(40, 39, 100, 300), step(30, 0, 100, 100)...), nil},
	} {
		var got []int
		for _, s := range findShifts(test.values) {
			got = append(got, s.index)
			if s.before != test.values[s.index-1] || s.after != test.values[s.index] {
				t.Errorf("%s: levels %v and %v at %d", test.name, s.before, s.after, s.index)
			}
		}
		if !cmp.Equal(got, test.want) {
			t.Errorf("%s: shifts at %v, want %v", test.name, got, test.want)
		}
	}
}

// Runs on different machines, of different models or settings are not held
// against each other.
func TestHistorySeries(t *testing.T) {
	runs := madeHistory(200, 3)
	for i := range runs {
		if i%3 == 1 {
			runs[i].Processor = "Example 10000"
			runs[i].TokensPerSecond *= 1.5
		}
		if i >= 150 && i%3 == 2 {
			runs[i].Threads = 8
			runs[i].TokensPerSecond *= 2
		}
		if i%50 == 0 {
			runs[i] = historyRun{Timestamp: runs[i].Timestamp, Status: receipt.StatusFailed}
		}
	}
	h := newHistoryPlot(runs)
	var labels []string
	for _, s := range h.series {
		labels = append(labels, s.label)
	}
	want := []string{"Example 10000, 4 threads", "Example 9000, 4 threads", "Example 9000, 8 threads"}
	if diff := cmp.Diff(want, labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if h.title != "example.gguf, 1 session, 5 prompt tokens, 32 tokens" {
		t.Errorf("title %q", h.title)
	}
	if len(h.shifts) != 0 || h.failed() != 4 {
		t.Errorf("%d failed runs, shifts %v", h.failed(), h.shifts)
	}
}
