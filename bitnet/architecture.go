package bitnet

import (
	"fmt"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// An architecture is what sets the models apart whose files have that name under
// general.architecture. All of them are the one transformer of forward.go; one
// with another skeleton has a forward pass of its own.
type architecture struct {
	name       string
	activation string  // between gate and up: a key of activations
	subNorms   bool    // attn_sub_norm and ffn_sub_norm, ahead of attn_output and ffn_down
	headNorms  bool    // attn_q_norm and attn_k_norm, on each head
	inputNorms bool    // *_norm_in, ahead of each projection, may be there: of all or of none
	scales     bool    // *.scale, factors of each projection's products, may be there
	neighbours bool    // RoPE turns neighbouring elements: rows of attn_q and attn_k are in that order
	ropeBase   float64 // where the file has none; 0 where it must
}

// architectures has those that run. Whoever adds one writes a line here and in
// ARITHMETIC.md, and a model in the tests (madeModels). Converters leave out rope.freq_base where it
// is 10,000, as it was for all models of the Llama kind once.
var architectures = []architecture{
	{name: "bitnet-b1.58", activation: "relu2", subNorms: true}, // BitNet-b1.58-2B-4T
	{name: "bitnet-25", activation: "relu2", subNorms: true},    // the same in older files
	{name: "bitnet", activation: "silu", subNorms: true, scales: true, ropeBase: 10_000},
	{name: "llama", activation: "silu", neighbours: true, ropeBase: 10_000},
	{name: "qwen3", activation: "silu", headNorms: true, inputNorms: true},
}

// otherArchitectures has those that somebody might hope for, and what to do.
var otherArchitectures = map[string]string{
	"qwen35": "a hybrid of attention and gated delta nets, which is not computed here; of the Ternary Bonsai models, 1.7B, 4B and 8B are qwen3, which is",
	"gemma3": "not computed here; of Microsoft's embedding models, bitnet-embedding-0.6b is qwen3, which is",
}

// readArchitecture returns the architecture of a file.
func readArchitecture(f *gguf.File) (*architecture, error) {
	const key = "general.architecture"
	name, err := f.Text(key)
	if err != nil {
		return nil, &ModelError{Part: "key " + key, Err: err}
	}
	var names []string
	for i := range architectures {
		if architectures[i].name == name {
			return &architectures[i], nil
		}
		names = append(names, architectures[i].name)
	}
	if what, ok := otherArchitectures[name]; ok {
		return nil, &ModelError{Part: "key " + key, Reason: fmt.Sprintf("%q is %s", name, what)}
	}
	return nil, &ModelError{Part: "key " + key, Reason: fmt.Sprintf("%q is not supported: it must be one of %s", name, strings.Join(names, ", "))}
}
