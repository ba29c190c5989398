package engine

import (
	"math"

	"github.com/gobitnet/gobitnet/internal/portable"
)

// RoPE is how rotary position embedding (Su et al., arXiv:2104.09864) turns
// pairs of a head's elements by angles that grow with the position.
type RoPE struct {
	frequencies []float64 // of each pair: its angle is position times frequency
	length      float64   // by which what is turned is stretched
	neighbours  bool      // pairs are neighbouring elements, not ones half a head apart
}

// NewRoPE makes a rotation of heads of a size, with the frequencies
// base^(−2i/size). Where neighbours is set, element 2i pairs with element 2i+1, as
// in the paper; otherwise element i pairs with element i + size/2, as GPT-NeoX
// arranges them.
func NewRoPE(size int, base float64, neighbours bool) *RoPE {
	r := &RoPE{frequencies: make([]float64, size/2), length: 1, neighbours: neighbours}
	logBase := portable.Log(base)
	for i := range r.frequencies {
		r.frequencies[i] = portable.Exp(float64(float64(-2*i) / float64(size) * logBase))
	}
	return r
}

// YaRN stretches the rotation for contexts that are factor times as long as the
// original one, in which the model had been trained (Peng et al.,
// arXiv:2309.00071): pairs that turn often within that keep their frequencies,
// those that turn less than once are slowed by the factor, and what is turned
// grows a little, as if the logits of attention had another temperature.
func (r *RoPE) YaRN(base, factor float64, original int) {
	const often, once = 32, 1 // turns within the original context
	size, logBase := float64(2*len(r.frequencies)), portable.Log(base)
	pair := func(turns float64) float64 { // that turns so often
		return float64(size*portable.Log(float64(original)/float64(turns*(2*math.Pi)))) / float64(2*logBase)
	}
	low, high := max(math.Floor(pair(often)), 0), min(math.Ceil(pair(once)), size-1)
	for i, f := range r.frequencies {
		slowed := min(max((float64(i)-low)/max(high-low, 0.001), 0), 1)
		r.frequencies[i] = float64(f*(1-slowed)) + float64(float64(f/factor)*slowed)
	}
	r.length = 1 + float64(0.1*portable.Log(factor))
}

// turn stores the sines and cosines by which heads at a position are turned,
// each half a head long.
func (r *RoPE) turn(sine, cosine []float32, position int) {
	for i, f := range r.frequencies {
		s, c := portable.Sincos(float64(float64(position) * f))
		sine[i], cosine[i] = float32(s*r.length), float32(c*r.length)
	}
}

// rotate turns one head, each product and each sum rounded.
func (r *RoPE) rotate(x, sine, cosine []float32) {
	if r.neighbours {
		for i, s := range sine {
			pair := (*[2]float32)(x[2*i:])
			c, a, b := cosine[i], pair[0], pair[1]
			pair[0] = float32(a*c) - float32(b*s)
			pair[1] = float32(a*s) + float32(b*c)
		}
		return
	}
	half := len(x) / 2
	low, high := x[:half], x[half:]
	for i, s := range sine {
		c, a, b := cosine[i], low[i], high[i]
		low[i] = float32(a*c) - float32(b*s)
		high[i] = float32(a*s) + float32(b*c)
	}
}
