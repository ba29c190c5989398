package main

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot/plotter"
)

const first = `goos: linux
pkg: github.com/gobitnet/gobitnet/bitnet/gguf
BenchmarkParse-4   	 100	 3000 ns/op	 12 B/op	 1 allocs/op
BenchmarkParse-4   	 100	 1000 ns/op	 12 B/op	 1 allocs/op
BenchmarkParse-4   	 100	 2000 ns/op	 12 B/op	 1 allocs/op
PASS
ok  	github.com/gobitnet/gobitnet/bitnet/gguf	1.2s
pkg: github.com/gobitnet/gobitnet/quant
BenchmarkLimits-4  	   1	 0.5 share
`

const second = `pkg: github.com/gobitnet/gobitnet/bitnet/gguf
BenchmarkParse-4   	 100	 4000 ns/op
BenchmarkParse-4   	 100	 5000 ns/op
BenchmarkNew-4     	 100	 7 ns/op
`

// files writes the texts as files and returns their names.
func files(t *testing.T, texts ...string) []string {
	t.Helper()
	folder := t.TempDir()
	var names []string
	for i, text := range texts {
		names = append(names, filepath.Join(folder, string(rune('a'+i))+".txt"))
		if err := os.WriteFile(names[i], []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

func TestRead(t *testing.T) {
	packages := map[string]series{}
	for i, file := range files(t, first, second) {
		if err := read(packages, i, file); err != nil {
			t.Fatal(err)
		}
	}
	gguf, quant := packages["github.com/gobitnet/gobitnet/bitnet/gguf"], packages["github.com/gobitnet/gobitnet/quant"]
	for _, test := range []struct {
		of   series
		what measure
		want plotter.XYs
	}{
		{gguf, measure{"Parse-4", "sec/op"}, plotter.XYs{{X: 0, Y: 2000e-9}, {X: 1, Y: 4500e-9}}},
		{gguf, measure{"New-4", "sec/op"}, plotter.XYs{{X: 1, Y: 7e-9}}},
		{quant, measure{"Limits-4", "share"}, plotter.XYs{{X: 0, Y: 0.5}}},
	} {
		near := func(a, b plotter.XY) bool { return a.X == b.X && max(a.Y-b.Y, b.Y-a.Y) < 1e-15 }
		if got := test.of[test.what]; !slices.EqualFunc(got, test.want, near) {
			t.Errorf("%v: %v, want %v", test.what, got, test.want)
		}
	}
	if len(packages) != 2 || len(gguf) != 2 || len(quant) != 1 {
		t.Errorf("read %v", packages)
	}
}

func TestRun(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "plots")
	if err := run(folder, files(t, first, second)); err != nil {
		t.Fatal(err)
	}
	for name, titles := range map[string][]string{
		"bitnet-gguf.svg": {"Parse-4 sec/op", "New-4 sec/op"},
		"quant.svg":       {"Limits-4 share"},
	} {
		picture, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := xml.Unmarshal(picture, new(struct{})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, title := range titles {
			if !strings.Contains(string(picture), title) {
				t.Errorf("%s does not show %s", name, title)
			}
		}
	}
	if err := run(folder, files(t, "PASS\n")); err == nil {
		t.Error("a file without benchmarks is drawn")
	}
}
