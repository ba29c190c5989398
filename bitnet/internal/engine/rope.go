package engine

import (
	"github.com/gobitnet/gobitnet/internal/portable"
)

// RoPE holds the frequencies of rotary position embedding (Su et al.,
// arXiv:2104.09864) in the arrangement of GPT-NeoX, where element i pairs with
// element i + size/2.
type RoPE struct {
	frequencies []float64
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

// turn stores the sines and cosines by which heads at a position are turned,
// each half a head long.
func (r *RoPE) turn(sine, cosine []float32, position int) {
	for i, f := range r.frequencies {
		s, c := portable.Sincos(float64(float64(position) * f))
		sine[i], cosine[i] = float32(s), float32(c)
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
