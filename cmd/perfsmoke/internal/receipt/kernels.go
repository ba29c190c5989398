package receipt

import (
	"maps"
	"slices"
	"strings"
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

// normalizations has, for each architecture that the engine runs, how many
// vectors are normalized in a block for each row: those before the two halves and
// those before their last matrices.
var normalizations = map[string]uint64{"bitnet-b1.58": 4, "bitnet-25": 4}

// matrices is how many products with ternary matrices a block takes for each row:
// queries, keys, values, output, gate, up, down.
const matrices = 7

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

// Needs returns the features that the kernel set of that name needs, none for
// one that does not exist.
func Needs(set string) []string { return slices.Clone(kernelSets[set].features) }
