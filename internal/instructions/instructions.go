// Package instructions describes the sets of processor instructions that there are
// kernels for: what each needs, and whether this processor has it. The kernels,
// and the receipts that name them, ask here.
package instructions

import (
	"runtime"
	"slices"

	"github.com/klauspost/cpuid/v2"
	"golang.org/x/sys/cpu"
)

// A Set is one choice of bitnet.WithKernels.
type Set struct {
	Name string
	// Float names the set of which the float32 arithmetic beside its integers
	// is: itself, or one that needs nothing more.
	Float        string
	Architecture string   // as GOARCH has it; empty for any
	OS           string   // as GOOS has it; empty for any
	Features     []string // of the processor, by the names of cpuid, sorted
}

var (
	avx2   = []string{"AVX2", "F16C", "FMA3"}
	avx512 = []string{"AVX2", "AVX512BW", "AVX512DQ", "AVX512F", "AVX512VL", "AVX512VNNI", "F16C", "FMA3"}

	sets = []Set{
		{Name: "amx", Float: "avx512", Architecture: "amd64", OS: "linux", Features: append([]string{"AMXINT8", "AMXTILE"}, avx512...)},
		{Name: "avx512", Float: "avx512", Architecture: "amd64", Features: avx512},
		{Name: "avxvnni", Float: "avx2", Architecture: "amd64", Features: append([]string{"AVX2", "AVXVNNI"}, avx2[1:]...)},
		{Name: "avx2", Float: "avx2", Architecture: "amd64", Features: avx2},
		{Name: "dotprod", Float: "dotprod", Architecture: "arm64", Features: []string{"ASIMD", "ASIMDDP"}},
		{Name: "neon", Float: "neon", Architecture: "arm64", Features: []string{"ASIMD"}},
		{Name: "generic", Float: "generic"},
	}
)

// Sets returns all sets, the faster ones of an architecture first. The last one,
// "generic", is plain Go.
func Sets() []Set { return slices.Clone(sets) }

// Named returns the set of a name.
func Named(name string) (Set, bool) {
	for _, s := range sets {
		if s.Name == name {
			return s, true
		}
	}
	return Set{}, false
}

// Available reports whether this processor can run the set of a name. That the
// system grants AMX's tiles is another question.
func Available(name string) bool {
	s, ok := Named(name)
	return ok && (s.Architecture == "" || s.Architecture == runtime.GOARCH) && (s.OS == "" || s.OS == runtime.GOOS) && !slices.ContainsFunc(s.Features, missing)
}

// missing reports whether this processor lacks a feature. Every arm64 processor
// has NEON, and Apple's all have dot products; golang.org/x/sys/cpu knows about
// these under Windows, where cpuid does not.
func missing(feature string) bool {
	switch feature {
	case "ASIMD":
		return false
	case "ASIMDDP":
		if runtime.GOOS == "darwin" || cpu.ARM64.HasASIMDDP {
			return false
		}
	}
	return !cpuid.CPU.Supports(cpuid.ParseFeature(feature))
}
