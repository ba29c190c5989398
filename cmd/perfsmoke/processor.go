package main

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/cpuid/v2"

	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
	"github.com/gobitnet/gobitnet/quant"
)

// thisProcessor describes the machine.
func thisProcessor() receipt.Processor {
	p := receipt.Processor{
		Name:           strings.ToValidUTF8(processorName(), "\uFFFD"),
		LogicalCores:   runtime.NumCPU(),
		LastCacheBytes: max(lastCache(), int64(cpuid.CPU.Cache.L3), int64(cpuid.CPU.Cache.L2), 0),
		Features:       []string{},
	}
	for _, name := range receipt.Features(runtime.GOARCH) {
		has := cpuid.CPU.Supports(cpuid.ParseFeature(name))
		for _, k := range quant.Available() {
			has = has || slices.Contains(receipt.Needs(k.Name()), name)
		}
		if has {
			p.Features = append(p.Features, name)
		}
	}
	return p
}

func processorName() string {
	name := strings.Join(strings.Fields(cpuid.CPU.BrandName), " ")
	if name == "" {
		name = systemProcessorName()
	}
	if name == "" {
		name = cpuid.CPU.VendorString
	}
	if name == "" {
		name = runtime.GOARCH
	}
	return name
}

// sysfsLastCache returns the size of the largest cache that Linux lists, 0
// where it lists none.
func sysfsLastCache(folder string) int64 {
	sizes, _ := filepath.Glob(filepath.Join(folder, "index*", "size"))
	largest := int64(0)
	for _, path := range sizes {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if n, ok := parseSize(strings.TrimSpace(string(text))); ok {
			largest = max(largest, n)
		}
	}
	return largest
}

// parseSize reads a size such as "512K" or "36M".
func parseSize(text string) (int64, bool) {
	unit := int64(1)
	for suffix, u := range map[string]int64{"K": 1 << 10, "M": 1 << 20, "G": 1 << 30} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			text, unit = rest, u
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 32)
	return n * unit, err == nil && n > 0
}

// memAvailable finds the line "MemAvailable: 123 kB" of /proc/meminfo and
// returns it in bytes, 0 where there is none.
func memAvailable(meminfo string) int64 {
	for line := range strings.Lines(meminfo) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			fields := strings.Fields(rest)
			if len(fields) == 2 && fields[1] == "kB" {
				if n, err := strconv.ParseInt(fields[0], 10, 52); err == nil {
					return n << 10
				}
			}
		}
	}
	return 0
}

// thisBuild describes the software, and what of the environment is heeded.
func thisBuild(env func(string) string) receipt.Environment {
	e := receipt.Environment{
		OS:            runtime.GOOS,
		Architecture:  runtime.GOARCH,
		GoVersion:     runtime.Version(),
		ModuleVersion: "(devel)",
		Variables:     map[string]string{},
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			e.ModuleVersion = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				e.Commit = s.Value
			case "vcs.modified":
				e.Modified = s.Value == "true"
			}
		}
	}
	for _, name := range receipt.Variables() {
		value := env(name)
		if name == "BITNET_MODEL" {
			value = fileName(value) // where it lies concerns nobody
		}
		if value != "" {
			e.Variables[name] = value
		}
	}
	return e
}
