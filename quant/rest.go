package quant

import (
	"fmt"

	"github.com/gobitnet/gobitnet/internal/portable"
)

// Rest stores in dst what the image that a token has for a format with scales for
// blocks leaves of x, which it was made from: x less image times scale, rounded once.
// The product with that, quantized in turn, added to the product with the token, is
// as close to the product with x as one with activations of some 15 bits.
func (a *Activations) Rest(dst []float32, token int, x []float32, format Format) error {
	if token < 0 || token >= a.tokens || len(x) != a.cols || len(dst) != a.cols {
		return fmt.Errorf("%w: the rest of token %d of %d, of %d values into %d, not %d", ErrShape, token, a.tokens, len(x), len(dst), a.cols)
	}
	if format >= formats || a.blocks[layouts[format].form] == nil {
		return fmt.Errorf("%w: activations that were not made for %v weights", ErrShape, format)
	}
	images := a.blocks[layouts[format].form]
	q, scale, _ := images.token(token, token+1, a.cols)
	for i, v := range x {
		dst[i] = portable.FMA(-float32(q[images.form.place(i)]), scale[i/activationBlock], v)
	}
	return nil
}
