package receipt

import (
	"maps"
	"slices"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet"
)

// A kernelSet is one choice of bitnet.WithKernels.
type kernelSet struct {
	float        string // the set that carries out the float arithmetic beside it
	architecture string // empty for any
	os           string // empty for any
	features     []string
}

var (
	avx2Features   = []string{"AVX2", "F16C", "FMA3"}
	avx512Features = []string{"AVX2", "AVX512BW", "AVX512DQ", "AVX512F", "AVX512VL", "AVX512VNNI", "F16C", "FMA3"}

	kernelSets = map[string]kernelSet{
		"generic": {float: "generic"},
		"avx2":    {float: "avx2", architecture: "amd64", features: avx2Features},
		"avxvnni": {float: "avx2", architecture: "amd64", features: append([]string{"AVXVNNI"}, avx2Features...)},
		"avx512":  {float: "avx512", architecture: "amd64", features: avx512Features},
		"amx":     {float: "avx512", architecture: "amd64", os: "linux", features: append([]string{"AMXINT8", "AMXTILE"}, avx512Features...)},
		"neon":    {float: "neon", architecture: "arm64", features: []string{"ASIMD"}},
		"dotprod": {float: "dotprod", architecture: "arm64", features: []string{"ASIMD", "ASIMDDP"}},
	}
)

// The kinds of kernels, whose names begin like this and end with a set's.
const (
	matVec     = "i2s_matvec_"
	matMul     = "i2s_matmul_"
	normalize  = "rmsnorm_quantize_"
	attention  = "attention_"
	headFloat  = "head_f16_"
	headScreen = "head_i8_screen_"
)

// knownKernels has every name that a kernel can have.
var knownKernels = func() map[string]bool {
	known := map[string]bool{}
	for name, set := range kernelSets {
		for _, kind := range []string{matVec, matMul} {
			known[kind+name] = true
		}
		for _, kind := range []string{normalize, attention, headFloat, headScreen} {
			known[kind+set.float] = true
		}
	}
	return known
}()

// Features returns what of a processor of that architecture matters to kernels,
// sorted.
func Features(architecture string) []string {
	needed := map[string]bool{}
	for _, set := range kernelSets {
		if set.architecture == architecture {
			for _, f := range set.features {
				needed[f] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(needed))
}

// quantized reports whether a kernel works on ternary weights.
func quantized(kernel string) bool {
	return strings.HasPrefix(kernel, matVec) || strings.HasPrefix(kernel, matMul)
}

const (
	// alwaysTiled is a number of tokens from which on every kernel set
	// multiplies them as a block. How many fewer it takes differs between
	// sets; one token alone never is a block.
	alwaysTiled = 32
)

// expectedCounts returns how often each kernel is dispatched in all repeats of a
// run. The last block of a prompt is multiplied token by token or as a whole;
// the counts of both ways are returned, or of the only one that there can be.
func expectedCounts(r *Receipt) []map[string]uint64 {
	set := kernelSets[r.KernelSet]
	blocks, repeats := uint64(r.Model.Config.Blocks), uint64(len(r.Repeats))
	steps := uint64(r.TokensGenerated - 1) // after the prompt, one token each
	prompt := uint64(len(r.PromptIDs))
	whole, last := prompt/bitnet.BlockTokens, prompt%bitnet.BlockTokens

	counts := func(tiled, single uint64) map[string]uint64 {
		const matrices, norms = 7, 4 // in a block of the model
		m := map[string]uint64{
			matMul + r.KernelSet:  repeats * blocks * matrices * tiled,
			matVec + r.KernelSet:  repeats * blocks * matrices * (single + steps),
			normalize + set.float: repeats * blocks * norms * (prompt + steps),
			attention + set.float: repeats * blocks * (prompt + steps),
			headFloat + set.float: repeats * (1 + steps),
		}
		maps.DeleteFunc(m, func(_ string, n uint64) bool { return n == 0 })
		return m
	}
	switch {
	case last == 0:
		return []map[string]uint64{counts(whole, 0)}
	case last == 1:
		return []map[string]uint64{counts(whole, 1)}
	case last >= alwaysTiled:
		return []map[string]uint64{counts(whole+1, 0)}
	}
	return []map[string]uint64{counts(whole+1, 0), counts(whole, last)}
}

// Needs returns the features that the kernel set of that name needs, none for
// one that does not exist.
func Needs(set string) []string { return slices.Clone(kernelSets[set].features) }
