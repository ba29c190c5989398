package main

import (
	"bytes"
	"encoding/xml"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/recorder"

	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

// svgTexts reads an SVG as XML and returns its texts.
func svgTexts(t *testing.T, svg []byte) []string {
	t.Helper()
	var texts []string
	d := xml.NewDecoder(bytes.NewReader(svg))
	inText := false
	for {
		token, err := d.Token()
		if err == io.EOF {
			return texts
		}
		if err != nil {
			t.Fatalf("the SVG is no XML: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			switch inText = token.Name.Local == "text"; token.Name.Local {
			case "svg", "g", "path", "text":
			default:
				t.Fatalf("the SVG has an element %q", token.Name.Local)
			}
		case xml.EndElement:
			inText = false
		case xml.CharData:
			if inText {
				texts = append(texts, string(token))
			}
		}
	}
}

// regressionColumns returns where in a picture, as parts of its width, there
// are upright lines of the colour of regressions.
func regressionColumns(picture image.Image) []float64 {
	bounds := picture.Bounds()
	var columns []float64
	for x := bounds.Min.X; x < bounds.Max.X; x++ {
		red := 0
		for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
			r, g, b, _ := picture.At(x, y).RGBA()
			if r>>8 > 0xb0 && g>>8 < 0x60 && b>>8 < 0x60 {
				red++
			}
		}
		if at := float64(x) / float64(bounds.Dx()); red > 80 && (len(columns) == 0 || at-columns[len(columns)-1] > 0.01) {
			columns = append(columns, at)
		}
	}
	return columns
}

func writeHistory(t *testing.T, runs []historyRun) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.jsonl")
	for _, run := range runs {
		if err := appendRun(path, run); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// The plot of a history of 200 runs shows its two regressions, in both
// pictures, at their time, and the plot of noise shows none.
func TestPlotRegressions(t *testing.T) {
	for _, regressed := range []bool{true, false} {
		runs := madeHistory(200, 1)
		if regressed {
			twoRegressions(runs)
		}
		path := writeHistory(t, runs)
		c, stdout, stderr := testConsole(true)
		if status := plotCommand(c, []string{path}); status != exitOK || stderr.Len() > 0 {
			t.Fatalf("status %d: %s", status, stderr)
		}
		svg, err := os.ReadFile(strings.TrimSuffix(path, ".jsonl") + ".svg")
		if err != nil {
			t.Fatal(err)
		}
		raster, err := os.ReadFile(strings.TrimSuffix(path, ".jsonl") + ".png")
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(bytes.NewReader(raster))
		if err != nil {
			t.Fatal(err)
		}

		texts := strings.Join(svgTexts(t, svg), "\n")
		for _, want := range []string{
			"decoding (tokens/s)", "first token (ms)", "peak memory (GiB)", "time of the run (UTC)", "2026-03-01", "regression",
			"example.gguf, Example 9000, 4 threads, 1 session, 5 prompt tokens, 32 tokens",
		} {
			if !strings.Contains(texts, want) {
				t.Errorf("the SVG has no text %q", want)
			}
		}
		h := newHistoryPlot(runs)
		commands, printed := runnerCommands(stdout.String())
		columns := regressionColumns(picture)
		if !regressed {
			if len(h.shifts) != 0 || len(columns) != 0 || len(commands) != 0 {
				t.Errorf("noise: shifts %v, marks at %v, commands %v", h.shifts, columns, commands)
			}
			continue
		}
		if len(columns) != 2 || len(h.shifts) != 2 {
			t.Fatalf("marks at %v, shifts %v; want two", columns, h.shifts)
		}
		// The same distance apart as the runs are: the axis spans nearly the
		// whole width.
		if apart, want := columns[1]-columns[0], 70.0/200; apart < 0.8*want || apart > want {
			t.Errorf("marks at %v, %v of the width apart, want a little less than %v", columns, apart, want)
		}
		for _, s := range h.shifts {
			if !strings.Contains(texts, shiftLabel(s)) {
				t.Errorf("the SVG has no label %q", shiftLabel(s))
			}
			if !strings.Contains(strings.Join(printed, "\n"), s.String()) {
				t.Errorf("%q is not printed", s)
			}
		}
		if len(commands) != 0 {
			t.Errorf("long past regressions are warned of: %v", commands)
		}
	}
}

// A regression that is new is warned of, and so is one in what grows.
func TestPlotWarns(t *testing.T) {
	runs := madeHistory(100, 2)
	for i := range runs {
		if i >= 85 {
			runs[i].FirstTokenSeconds *= 1.2
			runs[i].PeakMemoryBytes *= 0.9
			runs[i].TokensPerSecond *= 1.2
		}
	}
	c, stdout, _ := testConsole(true)
	if status := plotCommand(c, []string{writeHistory(t, runs)}); status != exitOK {
		t.Fatal(status)
	}
	commands, printed := runnerCommands(stdout.String())
	if len(commands) != 1 || commands[0].name != "warning" || !strings.HasPrefix(commands[0].text, "regression of first token: ") {
		t.Errorf("commands %v", commands)
	}
	if got := strings.Count(strings.Join(printed, "\n"), "improvement of "); got != 2 {
		t.Errorf("%d improvements are printed, want 2: %q", got, printed)
	}
}

// Whatever the history holds, the pictures can be read.
func TestPlotOddHistories(t *testing.T) {
	one := madeHistory(1, 1)
	failed := []historyRun{{Timestamp: testTime, Status: receipt.StatusFailed}}
	unknown := madeHistory(30, 1)
	for i := range unknown {
		unknown[i].TokensPerSecond, unknown[i].FirstTokenSeconds, unknown[i].PeakMemoryBytes = 0, 0, 0
	}
	extremes := madeHistory(40, 1)
	for i := range extremes {
		extremes[i].TokensPerSecond = []float64{1e-9, 1e18}[i%2]
		extremes[i].PeakMemoryBytes = 1e18
		extremes[i].FirstTokenSeconds = 1e-9
	}
	ages := madeHistory(3, 1)
	ages[0].Timestamp = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	ages[2].Timestamp = time.Date(2199, 12, 31, 23, 59, 59, 0, time.UTC)
	var hostile []historyRun
	for i, text := range hostileTexts {
		run := one[0]
		run.Timestamp = run.Timestamp.Add(time.Duration(i) * time.Second)
		run.Model, run.Processor, run.ModelSHA256, run.Commit = text, text+strings.Repeat("x", 2000), text, text
		hostile = append(hostile, run)
	}
	steps := madeHistory(400, 1)
	for i := range steps {
		steps[i].TokensPerSecond = 100 + 50*float64(i/10%2)
	}
	for name, runs := range map[string][]historyRun{
		"one run": one, "a failed run": failed, "nothing known": unknown, "extremes": extremes,
		"ages": ages, "hostile": hostile, "many steps": steps,
	} {
		svg, raster, err := newHistoryPlot(runs).pictures()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if texts := svgTexts(t, svg); len(texts) < 5 {
			t.Errorf("%s: the SVG has the texts %q only", name, texts)
		}
		if _, err := png.Decode(bytes.NewReader(raster)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "many steps" && len(newHistoryPlot(runs).shifts) != 39 {
			t.Errorf("%d of 39 steps are found", len(newHistoryPlot(runs).shifts))
		}
	}
}

func TestPlotHostileMarkdown(t *testing.T) {
	lines := 0
	for i, text := range append([]string{"x"}, hostileTexts...) {
		runs := madeHistory(60, 1)
		for i := range runs {
			runs[i].Model, runs[i].Processor, runs[i].Commit = "m"+text, "p"+text, "c"+text
			if i >= 30 {
				runs[i].TokensPerSecond *= 0.5
			}
		}
		h := newHistoryPlot(runs)
		markdown := h.markdown()
		if i == 0 {
			lines = strings.Count(markdown, "\n")
		}
		if strings.Count(markdown, "\n") != lines || strings.Count(markdown, "|") != 9*3 {
			t.Errorf("%q changes the table:\n%s", text, markdown)
		}
	}
}

func TestTimeTicks(t *testing.T) {
	begin := time.Date(2026, 2, 27, 22, 31, 12, 0, time.UTC)
	for _, test := range []struct {
		span         time.Duration
		first, apart string
	}{
		{time.Minute, "22:31:20", "10s"},
		{40 * time.Minute, "02-27 22:35", "5m0s"},
		{20 * time.Hour, "02-28 00:00", "3h0m0s"},
		{9 * 24 * time.Hour, "2026-02-28", "24h0m0s"},
		{60 * 24 * time.Hour, "2026-03-02", "168h0m0s"}, // a Monday
		{200 * 24 * time.Hour, "2026-03-01", "744h0m0s"},
		{700 * 24 * time.Hour, "2026-04-01", "2184h0m0s"},
		{5 * 365 * 24 * time.Hour, "2027-01-01", "8760h0m0s"},
	} {
		ticks := timeTicks{}.Ticks(timeX(begin), timeX(begin.Add(test.span)))
		if len(ticks) < 2 || len(ticks) > maxTimeTicks {
			t.Errorf("%v: %d ticks", test.span, len(ticks))
			continue
		}
		apart := time.Duration(ticks[1].Value-ticks[0].Value) * time.Second
		if ticks[0].Label != test.first || apart.String() != test.apart {
			t.Errorf("%v: ticks from %s every %v, want from %s every %s", test.span, ticks[0].Label, apart, test.first, test.apart)
		}
	}
}

func TestRoundTicks(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		want      string
	}{
		{18, 36, "20 25 30 35"},
		{1.149, 1.231, "1.16 1.18 1.20 1.22"},
		{0, 1000, "0 200 400 600 800 1000"},
		{99.5, 103.5, "100 101 102 103"},
		{0.0012, 0.0049, "0.002 0.003 0.004"},
	} {
		var labels []string
		for _, tick := range (roundTicks{}).Ticks(test.low, test.high) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != test.want {
			t.Errorf("%v to %v: ticks %s, want %s", test.low, test.high, got, test.want)
		}
	}
}

func TestPlotUsage(t *testing.T) {
	c, _, stderr := testConsole(false)
	empty := filepath.Join(t.TempDir(), "history.jsonl")
	if err := os.WriteFile(empty, []byte("not a run\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want int
	}{
		{nil, exitUsage},
		{[]string{"a", "b"}, exitUsage},
		{[]string{"--nonsense", "a"}, exitUsage},
		{[]string{empty}, exitFailed},
		{[]string{empty + ".none"}, exitFailed},
		{[]string{writeHistory(t, madeHistory(3, 1)), "--output", filepath.Join(t.TempDir(), "none", "x")}, exitFailed},
	} {
		stderr.Reset()
		if status := plotCommand(c, test.args); status != test.want || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%q: status %d, want %d: %s", test.args, status, test.want, stderr)
		}
	}
}

// Labels stay in their panel, however many there are and however long.
func TestPlotLabelsStayInside(t *testing.T) {
	long := madeHistory(400, 1)
	for i := range long {
		long[i].TokensPerSecond = 100 + 50*float64(i/10%2)
		long[i].Commit = strings.Repeat("W", 9)
	}
	late := madeHistory(40, 1)
	for i := range late {
		if i >= 34 {
			late[i].TokensPerSecond *= 0.5
		}
	}
	for name, runs := range map[string][]historyRun{"many": long, "at the end": late, "two": func() []historyRun { runs := madeHistory(200, 1); twoRegressions(runs); return runs }()} {
		h := newHistoryPlot(runs)
		for _, size := range []vg.Point{{X: 800, Y: 160}, {X: 60, Y: 90}} {
			p, err := h.panel(0, size.X)
			if err != nil {
				t.Fatal(err)
			}
			p.X.Min, p.X.Max = timeX(runs[0].Timestamp), timeX(runs[len(runs)-1].Timestamp)
			var drawn recorder.Canvas
			shiftMarks{h, 0, tokenRates[0], h.labelRows(0, size.X)}.Plot(draw.NewCanvas(&drawn, size.X, size.Y), p)
			labels := 0
			for _, action := range drawn.Actions {
				label, ok := action.(*recorder.FillString)
				if !ok {
					continue
				}
				labels++
				right := label.Point.X + textStyle(10, nil).Width(label.String)
				if label.Point.X < 0 || right > size.X || label.Point.Y < 0 || label.Point.Y+10 > size.Y {
					t.Errorf("%s: %q from %v to %v, in a panel of %v", name, label.String, label.Point, right, size)
				}
			}
			if labels == 0 || labels > len(h.shifts) || name == "two" && labels != 2 {
				t.Errorf("%s: %d labels for %d shifts", name, labels, len(h.shifts))
			}
		}
	}
}

// Runs that failed are marked, also where no other is known.
func TestPlotShowsFailedRuns(t *testing.T) {
	failed := madeHistory(30, 1)
	for i := range failed {
		if i%7 == 0 {
			failed[i] = historyRun{Timestamp: failed[i].Timestamp, Status: receipt.StatusFailed}
		}
	}
	for name, runs := range map[string][]historyRun{"some": failed, "all": {failed[0], failed[7], failed[14], failed[21], failed[28]}} {
		h := newHistoryPlot(runs)
		for figure := range historyFigures {
			p, err := h.panel(figure, 800)
			if err != nil {
				t.Fatal(err)
			}
			p.X.Min, p.X.Max = timeX(runs[0].Timestamp)-1, timeX(runs[len(runs)-1].Timestamp)+1
			var drawn recorder.Canvas
			p.HideAxes()
			p.Draw(draw.NewCanvas(&drawn, 800, 160))
			crosses := 0
			ink := color.Color(color.Black)
			for _, action := range drawn.Actions {
				switch action := action.(type) {
				case *recorder.SetColor:
					ink = action.Color
				case *recorder.Stroke:
					if ink == color.Color(regressionColor) {
						crosses++
					}
				}
			}
			if crosses != 2*5 { // two strokes each
				t.Errorf("%s: %s: %d strokes of crosses", name, historyFigures[figure].name, crosses)
			}
		}
	}
}
