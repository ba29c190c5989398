package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/gobitnet/gobitnet/cmd/internal/output"
	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

const plotSynopsis = "plot [--output NAME] HISTORY"

// plotCommand draws a history file as NAME.svg and NAME.png and names the
// shifts of level in it.
func plotCommand(c *console, args []string) int {
	flags := newFlags("plot")
	base := flags.String("output", "", "`name` of the pictures, without .svg and .png (default: the history file's, without its ending)")
	rest, status, ok := c.parse(flags, args, plotSynopsis)
	if !ok {
		return status
	}
	if len(rest) != 1 {
		return c.usageError("plot takes one history file: perfsmoke %s", plotSynopsis)
	}
	runs, broken, err := readHistory(rest[0])
	if err != nil {
		return c.fail("%v", err)
	}
	if len(runs) == 0 {
		return c.fail("history %s: has no runs (%d other lines); perfsmoke --history adds them", rest[0], broken)
	}
	name := *base
	if name == "" {
		name = strings.TrimSuffix(rest[0], filepath.Ext(rest[0]))
	}
	h := newHistoryPlot(runs)
	svg, png, err := h.pictures()
	if err != nil {
		return c.fail("plot: %v", err)
	}
	if err := output.Write(output.File{Path: name + ".svg", Data: svg}, output.File{Path: name + ".png", Data: png}); err != nil {
		return c.fail("plot: %v", err)
	}

	g := c.gitHub()
	err = g.Untrusted(func(w io.Writer) error {
		if broken > 0 {
			fmt.Fprintf(w, "%d lines of the history are no runs and are left out\n", broken)
		}
		for _, s := range h.shifts {
			fmt.Fprintln(w, printable(s.String()))
		}
		_, err := fmt.Fprintf(w, "%s\nwrote %s and %s\n", printable(h.subtitle()), printable(name+".svg"), printable(name+".png"))
		return err
	})
	for _, s := range h.shifts {
		if s.regression && s.recent {
			g.Warning(s.String())
		}
	}
	if err := errors.Join(err, g.Summary(h.markdown())); err != nil && !errors.Is(err, syscall.EPIPE) {
		c.warn("plot: %v", err)
	}
	return exitOK
}

// A historyFigure is what one panel of the plot shows.
type historyFigure struct {
	name          string
	value         func(historyRun) float64 // 0 where it is not known
	lowerIsBetter bool
	units         units
}

var historyFigures = []historyFigure{
	{"decoding", func(r historyRun) float64 { return r.TokensPerSecond }, false, tokenRates},
	{"first token", func(r historyRun) float64 { return r.FirstTokenSeconds }, true, durations},
	{"peak memory", func(r historyRun) float64 { return r.PeakMemoryBytes }, true, sizes},
}

// recentRuns is how many runs a regression is warned of.
const recentRuns = 30

// A historySeries has the runs that can be compared with each other.
type historySeries struct {
	label string // what sets it apart from the other series
	color color.NRGBA
	runs  []historyRun
}

// A historyShift is a lasting change of a figure in a series.
type historyShift struct {
	shift
	figure     int // in historyFigures
	series     *historySeries
	first      historyRun // the first run of the new level
	last       historyRun // the run before it
	begin, end time.Time  // of the new level
	regression bool
	recent     bool // among the last runs of its series
}

func (s historyShift) percent() string { return percentChange(s.before, s.after) }

func (s historyShift) kind() string {
	if s.regression {
		return "regression"
	}
	return "improvement"
}

func (s historyShift) color() color.Color {
	if s.regression {
		return regressionColor
	}
	return improvementColor
}

func (s historyShift) commits() string {
	if s.first.Commit == "" {
		return "an unknown commit"
	}
	if s.last.Commit == "" || s.last.Commit == s.first.Commit {
		return shortCommit(s.first.Commit)
	}
	return shortCommit(s.last.Commit) + ".." + shortCommit(s.first.Commit)
}

func (s historyShift) String() string {
	f := historyFigures[s.figure]
	text := fmt.Sprintf("%s of %s: %s to %s (%s) from %s on, in %s",
		s.kind(), f.name, f.units.format(s.before), f.units.format(s.after), s.percent(),
		s.first.Timestamp.Format("2006-01-02 15:04"), s.commits())
	if s.series.label != "" {
		text += ", " + s.series.label
	}
	return text
}

func shortCommit(commit string) string {
	if len(commit) > 9 {
		commit = commit[:9]
	}
	return commit
}

// A historyPlot is a history, analysed.
type historyPlot struct {
	title  string
	runs   []historyRun
	series []*historySeries
	shifts []historyShift // by figure, then by series, then by time
}

// The colours of Okabe and Ito that people tell apart whatever colours they
// see, without the reddish ones, which mark regressions.
var (
	seriesColors = []color.NRGBA{
		{0x00, 0x72, 0xb2, 0xff}, {0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff},
		{0x00, 0x00, 0x00, 0xff}, {0x8a, 0x6d, 0x3b, 0xff}, {0x7f, 0x7f, 0x7f, 0xff},
	}
	regressionColor  = color.NRGBA{0xc8, 0x10, 0x10, 0xff}
	improvementColor = color.NRGBA{0x00, 0x80, 0x5a, 0xff}
	quietColor       = color.NRGBA{0x55, 0x55, 0x55, 0xff}
	gridColor        = color.NRGBA{0xe4, 0xe4, 0xe4, 0xff}
)

// newHistoryPlot sorts runs, of which there is at least one, into series and
// finds their shifts.
func newHistoryPlot(runs []historyRun) *historyPlot {
	h := &historyPlot{runs: runs}
	type key struct {
		sha256, processor string
		threads, sessions int
		lookahead         bool
		prompt, request   int
	}
	byKey := map[key]*historySeries{}
	for _, r := range runs {
		k := key{r.ModelSHA256, r.Processor, r.Threads, r.Sessions, r.Lookahead, r.PromptTokens, r.TokensRequested}
		// Of a failed run it may not be known what ran. It belongs to no series.
		if r.Status != receipt.StatusOK {
			continue
		}
		if byKey[k] == nil {
			byKey[k] = &historySeries{color: seriesColors[len(h.series)%len(seriesColors)]}
			h.series = append(h.series, byKey[k])
		}
		byKey[k].runs = append(byKey[k].runs, r)
	}

	// What all series share goes to the title, what sets them apart to their
	// labels.
	parts := make([][]string, len(h.series))
	for i, s := range h.series {
		r := s.runs[0]
		parts[i] = []string{
			cmp.Or(r.Model, "unnamed model"), "sha256 " + shortCommit(r.ModelSHA256), cmp.Or(r.Processor, "unknown processor"),
			plural(r.Threads, "thread"), "all logits", plural(r.PromptTokens, "prompt token"), plural(r.TokensRequested, "token"),
		}
		if r.Sessions > 0 {
			parts[i][4] = plural(r.Sessions, "session")
			if !r.Lookahead {
				parts[i][4] += " without lookahead"
			}
		}
	}
	title := []string{}
	for p := range 7 {
		shared := true
		for i := range parts {
			shared = shared && parts[i][p] == parts[0][p]
		}
		for i, s := range h.series {
			switch {
			case shared && i == 0 && p != 1:
				title = append(title, parts[i][p])
			case !shared && s.label != "":
				s.label += ", " + parts[i][p]
			case !shared:
				s.label = parts[i][p]
			}
		}
	}
	h.title = strings.Join(title, ", ")

	for figure, f := range historyFigures {
		for _, s := range h.series {
			known := f.known(s.runs)
			values := make([]float64, len(known))
			for i, r := range known {
				values[i] = f.value(r)
			}
			shifts := findShifts(values)
			for i, found := range shifts {
				end := len(known)
				if i+1 < len(shifts) {
					end = shifts[i+1].index
				}
				h.shifts = append(h.shifts, historyShift{
					shift:      found,
					figure:     figure,
					series:     s,
					first:      known[found.index],
					last:       known[found.index-1],
					begin:      known[found.index].Timestamp,
					end:        known[end-1].Timestamp,
					regression: (found.after > found.before) == f.lowerIsBetter,
					recent:     len(known)-found.index <= recentRuns,
				})
			}
		}
	}
	return h
}

// known returns the runs whose figure is known.
func (f historyFigure) known(runs []historyRun) []historyRun {
	return slices.DeleteFunc(slices.Clone(runs), func(r historyRun) bool { return f.value(r) == 0 })
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

func (h *historyPlot) failed() int {
	n := 0
	for _, r := range h.runs {
		if r.Status != receipt.StatusOK {
			n++
		}
	}
	return n
}

func (h *historyPlot) subtitle() string {
	text := fmt.Sprintf("%s from %s to %s", plural(len(h.runs), "run"),
		h.runs[0].Timestamp.Format("2006-01-02"), h.runs[len(h.runs)-1].Timestamp.Format("2006-01-02"))
	if n := h.failed(); n > 0 {
		text += fmt.Sprintf(", %d failed", n)
	}
	regressions := 0
	for _, s := range h.shifts {
		if s.regression {
			regressions++
		}
	}
	return text + ", " + plural(regressions, "regression")
}

// markdown returns the shifts as a table.
func (h *historyPlot) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### Performance over time\n\n%s: %s.\n", markdownCode(h.title), h.subtitle())
	if len(h.shifts) == 0 {
		b.WriteString("\nNo level has shifted.\n")
		return b.String()
	}
	b.WriteString("\n| | figure | before | after | change | since | commits | runs |\n|---|---|--:|--:|--:|---|---|---|\n")
	for _, s := range h.shifts {
		f := historyFigures[s.figure]
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", s.kind(), f.name, f.units.format(s.before), f.units.format(s.after),
			s.percent(), s.first.Timestamp.Format("2006-01-02"), markdownCode(s.commits()), markdownCode(cmp.Or(s.series.label, "all")))
	}
	return b.String()
}

// Measures of the picture.
const (
	plotWidth  = 12 * vg.Inch
	plotHeight = 10 * vg.Inch
	plotDPI    = 100
)

// pictures draws the history.
func (h *historyPlot) pictures() (svg, png []byte, err error) {
	vector := vgsvg.New(plotWidth, plotHeight)
	if err := h.draw(draw.New(vector)); err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	if _, err := vector.WriteTo(&b); err != nil {
		return nil, nil, err
	}
	// Where the font is not installed, others of the same widths take its place.
	svg = bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arimo,Arial,Helvetica,sans-serif;"))

	raster := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(plotWidth, plotHeight), vgimg.UseDPI(plotDPI))}
	if err := h.draw(draw.New(raster)); err != nil {
		return nil, nil, err
	}
	var p bytes.Buffer
	if _, err := raster.WriteTo(&p); err != nil {
		return nil, nil, err
	}
	return svg, p.Bytes(), nil
}

func textStyle(size vg.Length, ink color.Color) draw.TextStyle {
	return draw.TextStyle{
		Color:   ink,
		Font:    font.Font{Typeface: "Liberation", Variant: "Sans", Size: size},
		XAlign:  draw.XLeft,
		YAlign:  draw.YBottom,
		Handler: plot.DefaultTextHandler,
	}
}

// draw draws the head and below it one panel for each figure, over one common
// axis of time.
func (h *historyPlot) draw(c draw.Canvas) error {
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	c = draw.Crop(c, 14, -14, 10, -12)
	low := h.head(c)
	body := draw.Crop(c, 0, 0, 0, low-c.Max.Y)

	first, last := h.runs[0].Timestamp, h.runs[len(h.runs)-1].Timestamp
	margin := max(last.Sub(first)/60, time.Minute)
	panels := make([][]*plot.Plot, len(historyFigures))
	for figure := range historyFigures {
		p, err := h.panel(figure, body.Max.X-body.Min.X)
		if err != nil {
			return err
		}
		p.X.Min, p.X.Max = timeX(first.Add(-margin)), timeX(last.Add(margin))
		p.X.Tick.Marker = timeTicks{}
		if figure == len(historyFigures)-1 {
			p.X.Label.Text = "time of the run (UTC)"
		}
		panels[figure] = []*plot.Plot{p}
	}
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadY: 14}
	for i, row := range plot.Align(panels, tiles, body) {
		panels[i][0].Draw(row[0])
	}
	return nil
}

// head draws the title and the legend, and returns where they end below.
func (h *historyPlot) head(c draw.Canvas) vg.Length {
	title := textStyle(15, color.Black)
	y := c.Max.Y - title.Height("X")
	c.FillText(title, vg.Point{X: c.Min.X, Y: y}, fit(title, printable(h.title), c.Max.X-c.Min.X))
	quiet := textStyle(11, quietColor)
	y -= quiet.Height("X") + 7
	c.FillText(quiet, vg.Point{X: c.Min.X, Y: y}, h.subtitle())

	type entry struct {
		text   string
		sample func(x, y vg.Length)
	}
	var entries []entry
	dot := func(ink color.Color) func(x, y vg.Length) {
		return func(x, y vg.Length) {
			c.DrawGlyph(draw.GlyphStyle{Color: ink, Radius: 2.5, Shape: draw.CircleGlyph{}}, vg.Point{X: x + 10, Y: y})
		}
	}
	level := func(ink color.Color) func(x, y vg.Length) {
		return func(x, y vg.Length) {
			c.StrokeLine2(draw.LineStyle{Color: ink, Width: 2}, x, y, x+20, y)
		}
	}
	if len(h.series) == 1 {
		s := h.series[0]
		entries = append(entries, entry{"run", dot(s.color)}, entry{"level (median of the runs)", level(s.color)})
	} else if len(h.series) > 1 {
		for _, s := range h.series {
			entries = append(entries, entry{printable(s.label), func(x, y vg.Length) { dot(s.color)(x, y); level(s.color)(x, y) }})
		}
	}
	mark := func(ink color.Color) func(x, y vg.Length) {
		return func(x, y vg.Length) {
			c.StrokeLine2(shiftLine(ink), x+10, y-7, x+10, y+7)
			shiftGlyph(c, ink, vg.Point{X: x + 10, Y: y})
		}
	}
	entries = append(entries, entry{"regression", mark(regressionColor)}, entry{"improvement", mark(improvementColor)})
	if h.failed() > 0 {
		entries = append(entries, entry{"failed run", func(x, y vg.Length) { failedGlyph(c, vg.Point{X: x + 10, Y: y}) }})
	}

	label := textStyle(11, color.Black)
	label.YAlign = draw.YCenter
	x := c.Min.X
	y -= 17
	for _, e := range entries {
		text := fit(label, e.text, c.Max.X-c.Min.X-60)
		width := 26 + label.Width(text) + 22
		if x > c.Min.X && x+width > c.Max.X {
			x, y = c.Min.X, y-17
		}
		e.sample(x, y)
		c.FillText(label, vg.Point{X: x + 26, Y: y}, text)
		x += width
	}
	return y - 18
}

// fit shortens text to the width.
func fit(style draw.TextStyle, text string, width vg.Length) string {
	runes := []rune(text)
	if len(runes) <= 300 && style.Width(text) <= width {
		return text
	}
	n := sort.Search(min(len(runes), 300), func(n int) bool { return style.Width(string(runes[:n+1])+"…") > width })
	return string(runes[:n]) + "…"
}

func shiftLine(ink color.Color) draw.LineStyle {
	return draw.LineStyle{Color: ink, Width: 1.2, Dashes: []vg.Length{5, 3}}
}

func shiftGlyph(c draw.Canvas, ink color.Color, at vg.Point) {
	c.DrawGlyph(draw.GlyphStyle{Color: ink, Radius: 4, Shape: draw.PyramidGlyph{}}, at)
}

func failedGlyph(c draw.Canvas, at vg.Point) {
	for _, side := range []vg.Length{-3, 3} {
		c.StrokeLine2(draw.LineStyle{Color: regressionColor, Width: 1.2}, at.X-side, at.Y-3, at.X+side, at.Y+3)
	}
}

func timeX(t time.Time) float64 { return float64(t.Unix()) }

// panel draws one figure.
func (h *historyPlot) panel(figure int, width vg.Length) (*plot.Plot, error) {
	f := historyFigures[figure]
	p := plot.New()
	p.BackgroundColor = color.Transparent
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Tick.Label.Font = textStyle(10, nil).Font
		axis.Label.TextStyle.Font = textStyle(11.5, nil).Font
		axis.Color, axis.Tick.Color = quietColor, quietColor
		axis.Padding = 0
	}
	p.X.Label.Padding, p.Y.Label.Padding = 3, 6

	lowest, highest := math.Inf(1), math.Inf(-1)
	for _, s := range h.series {
		for _, r := range f.known(s.runs) {
			lowest, highest = min(lowest, f.value(r)), max(highest, f.value(r))
		}
	}
	if lowest > highest {
		p.Y.Label.Text = f.name + ": not known"
		p.Y.Min, p.Y.Max = 0, 1
		p.Y.Tick.Marker = plot.ConstantTicks{}
		p.Add(failedMarks{h.runs})
		return p, nil
	}
	p.Y.Tick.Marker = roundTicks{}
	u := f.units.fitting(highest)
	p.Y.Label.Text = f.name + " (" + u.name + ")"
	lowest, highest = lowest/u.size, highest/u.size
	// Even where nothing changes, a little is seen around it.
	if least := 0.04 * highest; highest-lowest < least {
		middle := (lowest + highest) / 2
		lowest, highest = middle-least/2, middle+least/2
	}
	span := highest - lowest
	rows := h.labelRows(figure, width)
	labels := float64(rows.count*labelHeight) / panelHeight // what they take at the top
	p.Y.Min, p.Y.Max = max(0, lowest-0.1*span), highest+(0.1+1.2*labels/(1-labels))*span

	grid := plotter.NewGrid()
	grid.Vertical = draw.LineStyle{Color: gridColor, Width: 0.6}
	grid.Horizontal = grid.Vertical
	p.Add(grid)
	for _, s := range h.series {
		known := f.known(s.runs)
		if len(known) == 0 {
			continue
		}
		points := make(plotter.XYs, len(known))
		for i, r := range known {
			points[i] = plotter.XY{X: timeX(r.Timestamp), Y: f.value(r) / u.size}
		}
		scatter, err := plotter.NewScatter(points)
		if err != nil {
			return nil, err
		}
		pale := s.color
		pale.A = 0x90
		scatter.GlyphStyle = draw.GlyphStyle{Color: pale, Radius: 2.2, Shape: draw.CircleGlyph{}}
		p.Add(scatter, levels{s.color, h.levels(figure, s, points)})
	}
	p.Add(shiftMarks{h, figure, u, rows}, failedMarks{h.runs})
	return p, nil
}

// levels returns the medians between the shifts of a series as pairs of points.
func (h *historyPlot) levels(figure int, s *historySeries, points plotter.XYs) []plotter.XY {
	var lines []plotter.XY
	begin := 0
	add := func(end int) {
		ys := make([]float64, 0, end-begin)
		for _, p := range points[begin:end] {
			ys = append(ys, p.Y)
		}
		y := receipt.Median(ys)
		lines = append(lines, plotter.XY{X: points[begin].X, Y: y}, plotter.XY{X: points[end-1].X, Y: y})
		begin = end
	}
	for _, found := range h.shifts {
		if found.figure == figure && found.series == s {
			add(found.index)
		}
	}
	add(len(points))
	return lines
}

type levels struct {
	ink   color.Color
	lines []plotter.XY
}

func (l levels) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for i := 0; i < len(l.lines); i += 2 {
		a, b := l.lines[i], l.lines[i+1]
		c.StrokeLine2(draw.LineStyle{Color: l.ink, Width: 2}, x(a.X), y(a.Y), x(b.X), y(b.Y))
	}
}

// rowsOfLabels says in which row from the top the label of each shift of a
// figure stands, so that none covers another; in row −1 are those for which there
// is no room.
type rowsOfLabels struct {
	row   []int
	count int
}

// mostLabelRows take about half of a panel, whose height is at least this much.
const (
	mostLabelRows = 6
	labelHeight   = 14
	panelHeight   = 160
)

func shiftLabel(s historyShift) string {
	label := s.percent()
	if s.first.Commit != "" {
		label += ", " + shortCommit(s.first.Commit)
	}
	return printable(label)
}

func (h *historyPlot) labelRows(figure int, width vg.Length) rowsOfLabels {
	style := textStyle(10, nil)
	seconds := h.runs[len(h.runs)-1].Timestamp.Sub(h.runs[0].Timestamp).Seconds()
	rows := rowsOfLabels{}
	var ends []float64 // of the rows, as a part of the width
	for _, s := range h.ofFigure(figure) {
		at := s.first.Timestamp.Sub(h.runs[0].Timestamp).Seconds() / max(seconds, 1)
		long := float64((style.Width(shiftLabel(s)) + 16) / (0.9 * width))
		from := at
		if at+long > 1 {
			from = at - long
		}
		row := 0
		for row < len(ends) && ends[row] > from {
			row++
		}
		if row == mostLabelRows {
			rows.row = append(rows.row, -1)
			continue
		}
		if row == len(ends) {
			ends = append(ends, 0)
		}
		ends[row] = max(at, from+long)
		rows.row = append(rows.row, row)
	}
	rows.count = len(ends)
	return rows
}

// ofFigure returns the shifts of a figure by time.
func (h *historyPlot) ofFigure(figure int) []historyShift {
	shifts := slices.DeleteFunc(slices.Clone(h.shifts), func(s historyShift) bool { return s.figure != figure })
	slices.SortStableFunc(shifts, func(a, b historyShift) int { return a.begin.Compare(b.begin) })
	return shifts
}

type shiftMarks struct {
	h      *historyPlot
	figure int
	unit   unit
	rows   rowsOfLabels
}

func (m shiftMarks) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	shifts := m.h.ofFigure(m.figure)
	for _, s := range shifts {
		at := x(timeX(s.first.Timestamp))
		c.StrokeLine2(shiftLine(s.color()), at, c.Min.Y, at, c.Max.Y)
		shiftGlyph(c, s.color(), vg.Point{X: at, Y: y(s.after / m.unit.size)})
	}
	for i, s := range shifts {
		if m.rows.row[i] < 0 {
			continue // its line is there, and the table has it
		}
		at := x(timeX(s.first.Timestamp))
		style := textStyle(10, s.color())
		label := fit(style, shiftLabel(s), c.Max.X-c.Min.X-4)
		left, width := at+5, style.Width(label)
		if left+width > c.Max.X {
			left = max(at-5-width, c.Min.X+2)
		}
		bottom := c.Max.Y - labelHeight + 1 - vg.Length(m.rows.row[i])*labelHeight
		c.SetColor(color.White)
		c.Fill(vg.Rectangle{Min: vg.Point{X: left - 2, Y: bottom - 2}, Max: vg.Point{X: left + width + 2, Y: bottom + 11}}.Path())
		c.FillText(style, vg.Point{X: left, Y: bottom}, label)
	}
}

type failedMarks struct{ runs []historyRun }

func (m failedMarks) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	for _, r := range m.runs {
		if r.Status != receipt.StatusOK {
			failedGlyph(c, vg.Point{X: x(timeX(r.Timestamp)), Y: c.Min.Y + 5})
		}
	}
}

// roundTicks marks an axis at multiples of 1, 2 or 5 times a power of ten.
type roundTicks struct{}

const maxRoundTicks = 6

func (roundTicks) Ticks(low, high float64) []plot.Tick {
	exponent := int(math.Floor(math.Log10((high - low) / maxRoundTicks)))
	for ; ; exponent++ {
		for _, digit := range []float64{1, 2, 5} {
			step := digit * math.Pow10(exponent)
			first, last := math.Ceil(low/step), math.Floor(high/step)
			if last-first >= maxRoundTicks {
				continue
			}
			var ticks []plot.Tick
			for i := first; i <= last; i++ {
				ticks = append(ticks, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step, 'f', max(0, -exponent), 64)})
			}
			return ticks
		}
	}
}

// timeTicks marks an axis of Unix seconds at round times in UTC.
type timeTicks struct{}

const maxTimeTicks = 11

func (timeTicks) Ticks(low, high float64) []plot.Tick {
	const day = 24 * time.Hour
	span := time.Duration((high - low) * float64(time.Second))
	begin := time.Unix(int64(math.Floor(low)), 0).UTC()
	layout := "2006-01-02"
	var at time.Time
	next := func(t time.Time) time.Time { return t }
	months := func(n int) {
		at = time.Date(begin.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
		next = func(t time.Time) time.Time { return t.AddDate(0, n, 0) }
	}
	steps := []time.Duration{time.Second, 10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 7 * day, 14 * day}
	fitting := slices.IndexFunc(steps, func(step time.Duration) bool { return span/step < maxTimeTicks })
	switch {
	case fitting >= 0:
		step := steps[fitting]
		switch {
		case step < time.Minute:
			layout = "15:04:05"
		case step < day:
			layout = "01-02 15:04"
		}
		at = begin.Truncate(step) // weeks begin on Monday, as Go's year 1 did
		next = func(t time.Time) time.Time { return t.Add(step) }
	case span < maxTimeTicks*30*day:
		months(1)
	case span < maxTimeTicks*91*day:
		months(3)
	default:
		months(12 * (1 + int(span/(maxTimeTicks*365*day))))
	}
	var ticks []plot.Tick
	for ; timeX(at) <= high; at = next(at) {
		if timeX(at) >= low {
			ticks = append(ticks, plot.Tick{Value: timeX(at), Label: at.Format(layout)})
		}
	}
	return ticks
}
