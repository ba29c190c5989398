package engine

import (
	"github.com/gobitnet/gobitnet/bitnet/internal/portable"
)

// RoPE holds the sines and cosines by which the heads of a block of tokens are
// turned: rotary position embedding (Su et al., arXiv:2104.09864) in the
// arrangement of GPT-NeoX, where element i pairs with element i + size/2.
type RoPE struct {
	frequencies  []float64
	sine, cosine []float32 // [token][half of the head]
}

// NewRoPE computes the frequencies base^(−2i/size).
func NewRoPE(size int, base float64) *RoPE {
	r := &RoPE{frequencies: make([]float64, size/2)}
	logBase := portable.Log(base)
	for i := range r.frequencies {
		r.frequencies[i] = portable.Exp(float64(float64(-2*i) / float64(size) * logBase))
	}
	return r
}

// SetPositions prepares for tokens at the positions from first on.
func (r *RoPE) SetPositions(first, tokens int) {
	half := len(r.frequencies)
	r.sine, r.cosine = grow(r.sine, tokens*half), grow(r.cosine, tokens*half)
	for t := range tokens {
		for i, f := range r.frequencies {
			s, c := portable.Sincos(float64(float64(first+t) * f))
			r.sine[t*half+i], r.cosine[t*half+i] = float32(s), float32(c)
		}
	}
}

// rotate turns one head, each product and each sum rounded.
func rotate(x, sine, cosine []float32) {
	half := len(x) / 2
	low, high := x[:half], x[half:]
	for i, s := range sine {
		c, a, b := cosine[i], low[i], high[i]
		low[i] = float32(a*c) - float32(b*s)
		high[i] = float32(a*s) + float32(b*c)
	}
}
