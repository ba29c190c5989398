package quant

import (
	"errors"
	"fmt"
	"math"
)

// ErrActivation is wrapped by errors about activations that are infinite or
// not a number.
var ErrActivation = errors.New("activation is not finite")

// minAbsMax keeps the scale of a vector of zeros finite.
const minAbsMax float32 = 1e-5

// maxActivations bounds tokens times columns, so that all sizes, a panel's
// padding included, can be counted where an int has 32 bits.
const maxActivations = 1 << 30

// Activations are the 8-bit images of up to a fixed number of vectors, one for
// each token, in the form that one [Kernels] value multiplies. Different tokens
// may be quantized, and different panels packed, by different goroutines at
// once; after that any number of goroutines may multiply.
type Activations struct {
	kernels *Kernels
	tokens  int // in use
	cols    int
	q       []int8    // token after token
	scale   []float32 // s of each token
	sum     []int32   // Σ q of each token
	panels  []int8    // the same as q, as the kernels want it for tiles
}

// NewActivations makes room for a number of tokens of a number of columns each,
// at most 2³⁰ activations in all, in the forms that matrices of the given formats
// want.
func (k *Kernels) NewActivations(tokens, cols int, formats ...Format) (*Activations, error) {
	if tokens <= 0 || cols <= 0 || cols%BlockSize != 0 || cols > maxColumns || tokens > maxActivations/cols {
		return nil, fmt.Errorf("%w: activations of %d tokens × %d: tokens must be positive, columns a multiple of %d up to %d, and both together at most %d", ErrShape, tokens, cols, BlockSize, maxColumns, maxActivations)
	}
	a := &Activations{
		kernels: k, tokens: tokens, cols: cols,
		q: make([]int8, tokens*cols), scale: make([]float32, tokens), sum: make([]int32, tokens),
	}
	if tokens >= k.minPanel {
		panels := (tokens + k.panelTokens - 1) / k.panelTokens
		a.panels = make([]int8, panels*k.panelTokens*cols)
	}
	return a, nil
}

// Resize sets how many tokens are in use, at most what there is room for.
func (a *Activations) Resize(tokens int) error {
	if tokens <= 0 || tokens > len(a.scale) {
		return fmt.Errorf("%w: %d tokens where there is room for 1 to %d", ErrShape, tokens, len(a.scale))
	}
	a.tokens = tokens
	return nil
}

// Tokens returns how many tokens are in use.
func (a *Activations) Tokens() int { return a.tokens }

// Cols returns the length of each token's vector.
func (a *Activations) Cols() int { return a.cols }

// Token returns the 8-bit image of a token, its scale s and the sum of the
// image. The slice stays the property of a.
func (a *Activations) Token(token int) (q []int8, s float32, sum int32) {
	return a.q[token*a.cols : (token+1)*a.cols], a.scale[token], a.sum[token]
}

// Quantize stores the image of x as that of one token. It fails with an error
// that wraps [ErrActivation] where x holds an infinity or a NaN.
func (a *Activations) Quantize(token int, x []float32) error {
	if token < 0 || token >= a.tokens || len(x) != a.cols {
		return fmt.Errorf("%w: token %d of %d with %d values, not %d", ErrShape, token, a.tokens, len(x), a.cols)
	}
	bits := a.kernels.absMax(x)
	if bits >= 0x7f800000 {
		return ErrActivation
	}
	s := 127 / max(math.Float32frombits(bits), minAbsMax)
	a.sum[token] = a.kernels.roundScaled(a.q[token*a.cols:(token+1)*a.cols], x, s)
	a.scale[token] = s
	return nil
}

// Panels returns into how many panels the tokens fall that must be packed ahead
// of a multiplication; 0 where they are so few that none is needed.
func (a *Activations) Panels() int {
	if a.tokens < a.kernels.minPanel {
		return 0
	}
	return (a.tokens + a.kernels.panelTokens - 1) / a.kernels.panelTokens
}

// PanelTokens returns how many tokens one panel holds: panel i covers the
// tokens from i·PanelTokens on.
func (a *Activations) PanelTokens() int { return a.kernels.panelTokens }

// Pack arranges the quantized tokens of one panel for multiplication.
func (a *Activations) Pack(panel int) error {
	if panel < 0 || panel >= a.Panels() {
		return fmt.Errorf("%w: panel %d of %d", ErrShape, panel, a.Panels())
	}
	lo := panel * a.kernels.panelTokens
	hi := min(lo+a.kernels.panelTokens, a.tokens)
	a.kernels.packPanel(a.panel(panel), a.q[lo*a.cols:hi*a.cols], a.cols)
	return nil
}

func (a *Activations) panel(i int) []int8 {
	n := a.kernels.panelTokens * a.cols
	return a.panels[i*n : (i+1)*n : (i+1)*n]
}
