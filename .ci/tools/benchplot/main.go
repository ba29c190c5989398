// Command benchplot draws what each benchmark measured in a series of runs:
//
//	go -C .ci/tools run ./benchplot -output FOLDER FILE...
//
// A file is what "go test -bench" printed in one run, and the files are in the
// order of the runs. There is a picture for each package, FOLDER/PACKAGE.svg, with
// a panel for each of its measures. The dots are the medians of the runs.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

func main() {
	output := flag.String("output", ".", "write the pictures into this `folder`")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*output, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "benchplot:", err)
		os.Exit(1)
	}
}

func run(folder string, files []string) error {
	packages := map[string]series{}
	for i, file := range files {
		if err := read(packages, i, file); err != nil {
			return err
		}
	}
	if len(packages) == 0 {
		return errors.New("no file has a benchmark in it")
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	for name, s := range packages {
		picture, err := drawing(s, len(files))
		if err != nil {
			return err
		}
		file := strings.ReplaceAll(strings.TrimPrefix(name, "github.com/gobitnet/gobitnet/"), "/", "-") + ".svg"
		if err := write(filepath.Join(folder, file), picture); err != nil {
			return err
		}
	}
	return nil
}

// A measure is one of the figures that a benchmark reports.
type measure struct{ benchmark, unit string }

// A series has the points of each measure of a package: the number of the run and
// the median in it.
type series map[measure]plotter.XYs

// read adds what a file says about each measure as the points of run i.
func read(packages map[string]series, i int, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	type key struct {
		pkg string
		measure
	}
	values := map[key][]float64{}
	reader := benchfmt.NewReader(f, file)
	for reader.Scan() {
		result, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue // a line that is no result
		}
		for _, v := range result.Values {
			if v.Unit != "B/op" && v.Unit != "allocs/op" {
				k := key{result.GetConfig("pkg"), measure{string(result.Name), v.Unit}}
				values[k] = append(values[k], v.Value)
			}
		}
	}
	if err := reader.Err(); err != nil {
		return err
	}
	for k, all := range values {
		if packages[k.pkg] == nil {
			packages[k.pkg] = series{}
		}
		packages[k.pkg][k.measure] = append(packages[k.pkg][k.measure], plotter.XY{X: float64(i), Y: median(all)})
	}
	return nil
}

// median sorts values and returns the one in the middle, or the mean of two.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

const (
	columns     = 4
	panelWidth  = 7 * vg.Centimeter
	panelHeight = 4 * vg.Centimeter
)

// drawing returns a picture of all measures of a package in so many runs.
func drawing(s series, runs int) (io.WriterTo, error) {
	measures := slices.SortedFunc(maps.Keys(s), func(a, b measure) int {
		return cmp.Or(strings.Compare(a.benchmark, b.benchmark), strings.Compare(a.unit, b.unit))
	})
	rows := (len(measures) + columns - 1) / columns
	canvas := vgsvg.New(columns*panelWidth, vg.Length(rows)*panelHeight)
	tiles := draw.Tiles{Rows: rows, Cols: columns, PadX: vg.Millimeter, PadY: vg.Millimeter}
	for i, m := range measures {
		p := plot.New()
		p.Title.Text, p.Title.TextStyle.Font.Size = m.benchmark+" "+m.unit, 7
		p.X.Tick.Marker = plot.ConstantTicks(nil)
		p.Y.Tick.Label.Font.Size = 7
		p.Y.Tick.Marker = ticks(m.unit)
		line, dots, err := plotter.NewLinePoints(s[m])
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", m.benchmark, m.unit, err)
		}
		p.Add(line, dots)
		p.X.Min, p.X.Max = -0.5, float64(runs)-0.5
		p.Y.Min, p.Y.Max = min(0, p.Y.Min), 1.1*p.Y.Max // from zero, so that noise looks as small as it is
		p.Draw(tiles.At(draw.New(canvas), i%columns, i/columns))
	}
	return canvas, nil
}

// ticks marks an axis at 0 and at the largest round number.
func ticks(unit string) plot.TickerFunc {
	return func(_, most float64) []plot.Tick {
		zero := plot.Tick{Value: 0, Label: "0"}
		if most <= 0 {
			return []plot.Tick{zero}
		}
		scale := math.Pow(10, math.Floor(math.Log10(most)))
		top := math.Floor(most/scale) * scale
		return []plot.Tick{zero, {Value: top, Label: benchunit.Scale(top, benchunit.ClassOf(unit))}}
	}
}

func write(name string, picture io.WriterTo) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = picture.WriteTo(f)
	return errors.Join(err, f.Close())
}
