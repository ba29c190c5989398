package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/gobitnet/gobitnet/cmd/internal/output"
	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
	"github.com/gobitnet/gobitnet/internal/input"
)

// A historyRun is one run in a history file, which holds one as JSON on each
// line, in the order in which they were added.
type historyRun struct {
	Timestamp time.Time `json:"timestamp"`
	Commit    string    `json:"commit"`
	Status    string    `json:"status"` // as receipt.Receipt.Status

	// What was run and on what. Only runs that agree in all of it can be
	// compared.
	Model           string `json:"model"`
	ModelSHA256     string `json:"model_sha256"`
	Processor       string `json:"processor"`
	Threads         int    `json:"threads"`
	Sessions        int    `json:"sessions"` // 0 in the lines of older programs, which timed the computing of all logits
	Lookahead       bool   `json:"lookahead"`
	PromptTokens    int    `json:"prompt_tokens"`
	TokensRequested int    `json:"tokens_requested"`

	// The figures are 0 where they are not known.
	TokensPerSecond   float64 `json:"tokens_per_second"`
	FirstTokenSeconds float64 `json:"first_token_seconds"`
	PeakMemoryBytes   float64 `json:"peak_memory_bytes"`
}

func newHistoryRun(r *receipt.Receipt) (historyRun, error) {
	when, err := time.Parse(time.RFC3339, r.Timestamp)
	if err != nil {
		return historyRun{}, fmt.Errorf("history: timestamp %q of the receipt: use RFC 3339", r.Timestamp)
	}
	run := historyRun{
		Timestamp:       when.UTC(),
		Commit:          r.Environment.Commit,
		Status:          r.Status,
		Model:           r.Model.File,
		ModelSHA256:     r.Model.SHA256,
		Processor:       r.Processor.Name,
		Threads:         r.Threads,
		Sessions:        r.Sessions,
		Lookahead:       r.Lookahead,
		PromptTokens:    len(r.PromptIDs),
		TokensRequested: r.TokensRequested,
	}
	if r.Status == receipt.StatusOK {
		run.TokensPerSecond = r.TokensPerSecond
		run.FirstTokenSeconds = r.Timings.PromptSeconds
		if r.Usage != nil && r.Usage.PeakMemoryBytes != nil {
			run.PeakMemoryBytes = float64(*r.Usage.PeakMemoryBytes)
		}
	}
	return run, nil
}

// appendHistory adds a run to the end of a history file, which it makes where
// there is none. Several processes may add to the same file at the same time.
func appendHistory(path string, r *receipt.Receipt) error {
	run, err := newHistoryRun(r)
	if err != nil {
		return err
	}
	return appendRun(path, run)
}

func appendRun(path string, run historyRun) error {
	line, err := json.Marshal(run)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	line = append(line, '\n')
	f, err := output.OpenAppend(path)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	// A line that was cut off, by a full disk say, spoils itself only.
	if info, e := f.Stat(); e == nil && info.Mode().IsRegular() && info.Size() > 0 && !endsLine(path, info.Size()) {
		line = append([]byte{'\n'}, line...)
	}
	// One write to a file that is open for appending is not mixed with others.
	_, err = f.Write(line)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

// endsLine reports whether the last of a file's bytes ends a line, as far as it can
// be read.
func endsLine(path string, size int64) bool {
	f, _, err := input.Open(path)
	if err != nil {
		return true
	}
	defer f.Close()
	last := make([]byte, 1)
	_, err = f.ReadAt(last, size-1)
	return err != nil || last[0] == '\n'
}

// maxHistoryLine is far more than a run takes.
const maxHistoryLine = 64 << 10

// readHistory reads a history file and returns its runs by time, and how many
// lines are not a run and were passed over.
func readHistory(path string) (runs []historyRun, broken int, err error) {
	f, _, err := input.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("history: %w", err)
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, maxHistoryLine)
	for {
		line, cut, err := lines.ReadLine()
		tooLong := cut
		for cut && err == nil {
			_, cut, err = lines.ReadLine()
		}
		if err != nil && err != io.EOF {
			return nil, 0, fmt.Errorf("history: %w", err)
		}
		switch run, ok := parseHistoryRun(line); {
		case ok && !tooLong:
			runs = append(runs, run)
		case len(line) > 0:
			broken++
		}
		if err == io.EOF {
			break
		}
	}
	slices.SortStableFunc(runs, func(a, b historyRun) int { return a.Timestamp.Compare(b.Timestamp) })
	return runs, broken, nil
}

func parseHistoryRun(line []byte) (historyRun, bool) {
	var run historyRun
	if json.Unmarshal(line, &run) != nil {
		return run, false
	}
	for _, figure := range []float64{run.TokensPerSecond, run.FirstTokenSeconds, run.PeakMemoryBytes} {
		if figure != 0 && !(figure >= 1e-9 && figure <= 1e18) {
			return run, false
		}
	}
	// Beyond these years nanoseconds overflow; a clock that was never set is
	// not on the axis either.
	year := run.Timestamp.Year()
	known := run.Status == receipt.StatusOK || run.Status == receipt.StatusFailed
	run.Timestamp = run.Timestamp.UTC()
	return run, known && year >= 2000 && year < 2200
}

// A shift is a lasting change of a figure's level.
type shift struct {
	index         int     // of the first value of the new level
	before, after float64 // medians of the values from the last shift and up to the next one
}

// How findShifts decides.
const (
	// shiftMinimum is how many there have to be on either side: fewer are no
	// level yet. So a shift is not found before so many runs have followed it.
	shiftMinimum = 5
	// shiftSigmas is how many of its own standard deviations the difference of
	// the medians must reach, and shiftRankSigmas the same for the rank sum.
	// They are high because each point of a history of pure noise is a chance
	// for a false alarm.
	shiftSigmas     = 5
	shiftRankSigmas = 4
	// shiftRelative is the smallest change that counts, as a part of the level
	// before. It rules where a figure has next to no noise.
	shiftRelative = 0.02
)

// shiftWindows are how many values on either side of a point are compared: many,
// which tell small shifts from noise, and few, which see a level that does not
// last long.
var shiftWindows = []int{10, 30}

// findShifts returns where the level of a noisy series of values changes, in
// order.
//
// At each point the values before it are held against the values after it, as
// many as shiftWindows says. There is a shift where for one of them all of this
// is so:
//
//   - Their medians, which single outliers do not move, differ by more than
//     shiftRelative of the level before.
//   - They differ by more than shiftSigmas standard deviations of a difference
//     of two medians, which is σ·√(f·π/2·(1/m+1/n)) for m and n values. The
//     noise σ is the larger of two estimates: the median absolute deviation of
//     the steps from value to value in the whole series, which shifts hardly
//     change, and that of the values in the windows from the windows' medians,
//     both scaled to be the standard deviation where the noise is Gaussian.
//     f = (1+ρ)/(1-ρ) allows for neighbouring values being alike, ρ ≥ 0 being
//     their correlation.
//   - The rank sum of Mann and Whitney is more than shiftRankSigmas·√f standard
//     deviations from what it is where both sides are alike, or no value of one
//     side is within the other. This sees through a figure that jumps to and
//     fro between two values.
//
// The point that stands out most splits the series, exactly where the sum of
// the absolute deviations from the medians left and right is least; then both
// parts are searched. In the end every shift must hold between its neighbours.
func findShifts(values []float64) []shift {
	steps := make([]float64, 0, len(values))
	for i := 1; i < len(values); i++ {
		steps = append(steps, values[i]-values[i-1])
	}
	noise := 1.4826 / math.Sqrt2 * medianDeviation(steps, receipt.Median(steps))

	var points []int
	var search func(low, high int)
	search = func(low, high int) {
		best, point := 1.0, -1
		for i := low + shiftMinimum; i <= high-shiftMinimum; i++ {
			if s := shiftStrength(values, low, i, high, noise); s > best {
				best, point = s, i
			}
		}
		if point < 0 {
			return
		}
		point = sharpest(values, max(low, point-10), point, min(high, point+10))
		points = append(points, point)
		search(low, point)
		search(point, high)
	}
	search(0, len(values))
	slices.Sort(points)

	for {
		weakest, weak := 1.0, -1
		for k, point := range points {
			low, high := neighbours(points, k, len(values))
			if s := shiftStrength(values, low, point, high, noise); s <= weakest {
				weakest, weak = s, k
			}
		}
		if weak < 0 {
			break
		}
		points = slices.Delete(points, weak, weak+1)
	}

	shifts := make([]shift, len(points))
	for k, point := range points {
		low, high := neighbours(points, k, len(values))
		shifts[k] = shift{point, receipt.Median(values[low:point]), receipt.Median(values[point:high])}
	}
	return shifts
}

// neighbours returns the points before and after points[k], or the ends.
func neighbours(points []int, k, n int) (low, high int) {
	high = n
	if k > 0 {
		low = points[k-1]
	}
	if k+1 < len(points) {
		high = points[k+1]
	}
	return low, high
}

// shiftStrength returns how far the change of level at a point is beyond what
// counts as one, from the values in low to high: above 1 it is a shift.
func shiftStrength(values []float64, low, point, high int, noise float64) float64 {
	strength := 0.0
	for _, window := range shiftWindows {
		before := values[max(low, point-window):point]
		after := values[point:min(high, point+window)]
		if len(before) >= shiftMinimum && len(after) >= shiftMinimum {
			strength = max(strength, difference(before, after, noise))
		}
	}
	return strength
}

// difference is shiftStrength for one window.
func difference(before, after []float64, noise float64) float64 {
	m, n := float64(len(before)), float64(len(after))
	was, is := receipt.Median(before), receipt.Median(after)
	change := math.Abs(is - was)
	if change <= shiftRelative*math.Abs(was) {
		return 0
	}

	around := make([]float64, 0, len(before)+len(after))
	for _, v := range before {
		around = append(around, v-was)
	}
	for _, v := range after {
		around = append(around, v-is)
	}
	sigma := max(noise, 1.4826*medianDeviation(around, 0))
	alike := likeness(around)
	deviation := sigma * math.Sqrt(alike*math.Pi/2*(1/m+1/n))
	strength := math.Inf(1)
	if deviation > 0 {
		strength = change / (shiftSigmas * deviation)
	}
	if above := superiority(before, after); above > 0 && above < 1 {
		rank := math.Abs(above-0.5) / math.Sqrt(alike*(m+n+1)/(12*m*n))
		strength = min(strength, rank/shiftRankSigmas)
	}
	return strength
}

// likeness returns by how much the variance of a mean grows because
// neighbouring deviations are alike: (1+ρ)/(1-ρ), at least 1. ρ is the
// correlation of the neighbours' signs, turned into that of Gaussian values,
// so that outliers do not count for more than others, less what it is by chance
// where there is none.
func likeness(deviations []float64) float64 {
	sum, count := 0.0, 0
	for i := 1; i < len(deviations); i++ {
		if product := deviations[i-1] * deviations[i]; product != 0 {
			sum += math.Copysign(1, product)
			count++
		}
	}
	if count == 0 {
		return 1
	}
	rho := math.Sin(math.Pi/2*sum/float64(count)) - 1/math.Sqrt(float64(count))
	rho = min(max(rho, 0), 0.9)
	return (1 + rho) / (1 - rho)
}

// superiority returns the part of all pairs in which the value from b is above
// the value from a, ties counting half: the statistic of Mann and Whitney
// divided by the number of pairs.
func superiority(a, b []float64) float64 {
	twice := 0
	for _, x := range a {
		for _, y := range b {
			switch {
			case y > x:
				twice += 2
			case y == x:
				twice++
			}
		}
	}
	return float64(twice) / float64(2*len(a)*len(b))
}

// sharpest returns the point near the given one that parts the values best.
func sharpest(values []float64, low, point, high int) int {
	best := math.Inf(1)
	for i := low + shiftMinimum; i <= high-shiftMinimum; i++ {
		sum := 0.0
		for _, side := range [][]float64{values[low:i], values[i:high]} {
			median := receipt.Median(side)
			for _, v := range side {
				sum += math.Abs(v - median)
			}
		}
		if sum < best {
			best, point = sum, i
		}
	}
	return point
}

func medianDeviation(values []float64, from float64) float64 {
	deviations := make([]float64, len(values))
	for i, v := range values {
		deviations[i] = math.Abs(v - from)
	}
	return receipt.Median(deviations)
}
