package engine

import (
	"strings"

	"github.com/gobitnet/gobitnet/bitnet/internal/table"
)

// The kinds of kernel calls that are counted.
const (
	ternaryMatVec = iota
	ternaryMatMul
	normalizations
	attentions
	headInt8
	headRows
	kernelKinds
)

var kindNames = [kernelKinds]string{
	ternaryMatVec:  "i2s_matvec",
	ternaryMatMul:  "i2s_matmul",
	normalizations: "rmsnorm_quantize",
	attentions:     "attention",
	headInt8:       "head_i8_screen",
	headRows:       "head_rows",
}

// Counts returns how often each kernel was dispatched since the engine was
// made, by names such as "i2s_matvec_avx512": a product of one matrix and one
// token, by the kernels for few tokens or for many (i2s_matmul), a normalized
// token, a token's attention in one layer, a token's product with the head, under
// the head's type ("head_q6_k"), with the screen of it or with some of its rows.
func (e *Engine) Counts() map[string]uint64 {
	counts := make(map[string]uint64)
	for kind, n := range e.counts {
		if n == 0 {
			continue
		}
		set := e.float.Name
		if kind == ternaryMatVec || kind == ternaryMatMul {
			set = e.integer.Name()
		}
		counts[kindNames[kind]+"_"+set] = n
	}
	for kind, n := range e.heads {
		set := e.float.Name
		if _, ok := table.TernaryFormat(kind); ok {
			set = e.integer.Name()
		}
		counts["head_"+strings.ToLower(kind.String())+"_"+set] = n
	}
	return counts
}
