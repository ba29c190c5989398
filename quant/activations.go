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
// each token, in the forms that one [Kernels] value multiplies. Different tokens
// may be quantized, and different panels packed, by different goroutines at
// once; after that any number of goroutines may multiply.
type Activations struct {
	kernels *Kernels
	tokens  int // in use
	room    int
	cols    int
	q       []int8    // token after token
	scale   []float32 // s of each token
	sum     []int32   // Σ q of each token
	panels  []int8    // the same as q, as the kernels want it for tiles
	blocks  [forms]*blockImages
}

// NewActivations makes room for a number of tokens of a number of columns each,
// at most 2³⁰ activations in all, in the forms that matrices of the given formats
// want.
func (k *Kernels) NewActivations(tokens, cols int, wanted ...Format) (*Activations, error) {
	if tokens <= 0 || cols <= 0 || cols%BlockSize != 0 || cols > maxColumns || tokens > maxActivations/cols {
		return nil, fmt.Errorf("%w: activations of %d tokens × %d: tokens must be positive, columns a multiple of %d up to %d, and both together at most %d", ErrShape, tokens, cols, BlockSize, maxColumns, maxActivations)
	}
	a := &Activations{kernels: k, tokens: tokens, room: tokens, cols: cols}
	for _, format := range wanted {
		switch {
		case format >= formats:
			return nil, fmt.Errorf("%w: activations for format %d, which is none", ErrShape, format)
		case format != I2S:
			form, minPanel := layouts[format].form, k.blocks.minPanel[format]
			if a.blocks[form] == nil {
				a.blocks[form] = &blockImages{form: form, minPanel: minPanel}
			}
			a.blocks[form].minPanel = min(a.blocks[form].minPanel, minPanel)
		case a.q == nil:
			a.q, a.scale, a.sum = make([]int8, tokens*cols), make([]float32, tokens), make([]int32, tokens)
			if tokens >= k.minPanel {
				a.panels = make([]int8, panelsOf(tokens, k.panelTokens)*k.panelTokens*cols)
			}
		}
	}
	for _, images := range a.blocks {
		if images != nil {
			images.makeRoom(tokens, cols, k.blocks.panelTokens)
		}
	}
	return a, nil
}

// panelsOf returns into how many panels of a size tokens fall.
func panelsOf(tokens, size int) int { return (tokens + size - 1) / size }

// Resize sets how many tokens are in use, at most what there is room for.
func (a *Activations) Resize(tokens int) error {
	if tokens <= 0 || tokens > a.room {
		return fmt.Errorf("%w: %d tokens where there is room for 1 to %d", ErrShape, tokens, a.room)
	}
	a.tokens = tokens
	return nil
}

// Tokens returns how many tokens are in use.
func (a *Activations) Tokens() int { return a.tokens }

// Cols returns the length of each token's vector.
func (a *Activations) Cols() int { return a.cols }

// Token returns the 8-bit image of a token for [I2S], its scale s and the sum of
// the image. The slice stays the property of a.
func (a *Activations) Token(token int) (q []int8, s float32, sum int32) {
	return a.q[token*a.cols : (token+1)*a.cols], a.scale[token], a.sum[token]
}

// Quantize stores the images of x as those of one token. It fails with an error
// that wraps [ErrActivation] where x holds an infinity or a NaN.
func (a *Activations) Quantize(token int, x []float32) error {
	if token < 0 || token >= a.tokens || len(x) != a.cols {
		return fmt.Errorf("%w: token %d of %d with %d values, not %d", ErrShape, token, a.tokens, len(x), a.cols)
	}
	if a.q != nil {
		bits := a.kernels.absMax(x)
		if bits >= infinity {
			return ErrActivation
		}
		s := 127 / max(math.Float32frombits(bits), minAbsMax)
		a.sum[token] = a.kernels.roundScaled(a.q[token*a.cols:(token+1)*a.cols], x, s)
		a.scale[token] = s
	}
	for _, images := range a.blocks {
		if images != nil && !a.kernels.quantizeBlocks(images, token, x) {
			return ErrActivation
		}
	}
	return nil
}

// infinity is that number as float32 bits; those of a NaN are larger.
const infinity = 0x7f800000

// Panels returns into how many panels the tokens fall that must be packed ahead
// of a multiplication; 0 where they are so few that none is needed.
func (a *Activations) Panels() int {
	if !a.packsTokens() && !a.packsBlocks() {
		return 0
	}
	return panelsOf(a.tokens, a.PanelTokens())
}

func (a *Activations) packsTokens() bool { return a.q != nil && a.tokens >= a.kernels.minPanel }

func (a *Activations) packsBlocks() bool {
	for _, images := range a.blocks {
		if images.packs(a.tokens) {
			return true
		}
	}
	return false
}

// packs tells whether so many tokens are multiplied in panels by one of the formats.
func (b *blockImages) packs(tokens int) bool { return b != nil && tokens >= b.minPanel }

// PanelTokens returns how many tokens one panel holds: panel i covers the
// tokens from i·PanelTokens on.
func (a *Activations) PanelTokens() int {
	n, blocks := a.kernels.panelTokens, a.kernels.blocks.panelTokens
	switch {
	case !a.packsBlocks():
		return n
	case !a.packsTokens() || n == blocks:
		return blocks
	}
	return n * blocks
}

// Pack arranges the quantized tokens of one panel for multiplication.
func (a *Activations) Pack(panel int) error {
	if panel < 0 || panel >= a.Panels() {
		return fmt.Errorf("%w: panel %d of %d", ErrShape, panel, a.Panels())
	}
	lo := panel * a.PanelTokens()
	hi := min(lo+a.PanelTokens(), a.tokens)
	if a.packsTokens() {
		pack(a.panels, a.q, a.cols, lo, hi, a.kernels.panelTokens, a.kernels.packPanel)
	}
	for _, images := range a.blocks {
		if images.packs(a.tokens) {
			pack(images.panels, images.q, a.cols, lo, hi, a.kernels.blocks.panelTokens, a.kernels.blocks.packPanel)
		}
	}
	return nil
}

// pack packs the tokens from lo up to hi, in panels of size tokens, which divides
// lo.
func pack(panels, q []int8, cols, lo, hi, size int, packPanel func(panel, q []int8, cols int)) {
	for ; lo < hi; lo += size {
		packPanel(panels[lo*cols:(lo+size)*cols:(lo+size)*cols], q[lo*cols:min(lo+size, hi)*cols], cols)
	}
}

func (a *Activations) panel(i int) []int8 {
	n := a.kernels.panelTokens * a.cols
	return a.panels[i*n : (i+1)*n : (i+1)*n]
}
