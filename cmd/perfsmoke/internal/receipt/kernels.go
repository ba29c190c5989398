package receipt

import (
	"maps"
	"slices"
	"strings"

	"github.com/gobitnet/gobitnet/internal/instructions"
)

// The kinds of kernels, whose names begin like this and end with a set's.
const (
	matVec     = "i2s_matvec_"
	matMul     = "i2s_matmul_"
	normalize  = "rmsnorm_quantize_"
	attention  = "attention_"
	headScreen = "head_i8_screen_"
)

// headTypes are the types of output heads, as they stand between "head_" and a set's
// name: those that the float32 arithmetic computes, and ternary ones.
var (
	headTypes        = []string{"f16", "bf16", "f32", "q8_0", "q6_k", "q5_0", "q4_k", "q4_0", "q3_k"}
	ternaryHeadTypes = []string{"i2_s", "tq1_0", "tq2_0", "q2_0", "pq2_0", "ptq1_0"}
)

// heads returns the names of the kernels that compute all logits in a set.
func heads(set instructions.Set) []string {
	var names []string
	for _, kind := range headTypes {
		names = append(names, "head_"+kind+"_"+set.Float)
	}
	for _, kind := range ternaryHeadTypes {
		names = append(names, "head_"+kind+"_"+set.Name)
	}
	return names
}

// knownKernels has every name that a kernel can have.
var knownKernels = func() map[string]bool {
	known := map[string]bool{}
	for _, set := range instructions.Sets() {
		for _, kind := range []string{matVec, matMul} {
			known[kind+set.Name] = true
		}
		for _, kind := range []string{normalize, attention, headScreen} {
			known[kind+set.Float] = true
		}
		for _, name := range heads(set) {
			known[name] = true
		}
	}
	return known
}()

// normalizations returns how many vectors are normalized and made 8-bit in a block
// for each row, 0 for an architecture that the engine does not run: those before
// the two halves and those before their last matrices, or one for each matrix.
func (c Config) normalizations() uint64 {
	if !slices.Contains([]string{"bitnet-b1.58", "bitnet-25", "bitnet", "llama", "qwen3"}, c.Architecture) {
		return 0
	}
	if c.InputNorms {
		return matrices
	}
	return 4
}

// matrices is how many products with ternary matrices a block takes for each row:
// queries, keys, values, output, gate, up, down.
const matrices = 7

// Features returns what of a processor of that architecture matters to kernels,
// sorted.
func Features(architecture string) []string {
	needed := map[string]bool{}
	for _, set := range instructions.Sets() {
		if set.Architecture == architecture {
			for _, f := range set.Features {
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
func Needs(name string) []string {
	set, _ := instructions.Named(name)
	return slices.Clone(set.Features)
}
