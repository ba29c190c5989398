package quant

import "math"

// Products of matrices whose blocks have scales of their own.

// blockKernels are the parts of a Kernels value for such matrices.
type blockKernels struct {
	// arrange puts each block of q into quarters: of each four neighbours the first
	// ones, then the second, third and fourth. len(q) is a positive multiple of
	// BlockSize.
	arrange func(q []int8)

	// dots computes the products of rows, len(dst) of them, of each format with
	// one token of the format's form: q, and a scale and a sum for each of its
	// blocks.
	dots [formats]func(dst []float32, rows []byte, q []int8, scale []float32, sum []int32)

	// Many tokens go tile by tile, as in Kernels. The layouts of tile and panel
	// belong to the implementation.
	tileRows, panelTokens int

	// minPanel is the number of tokens from which on tiles are faster than dots, for
	// each format.
	minPanel [formats]int

	// packPanel arranges up to panelTokens tokens, q[t·cols:(t+1)·cols] each, as a
	// panel of panelTokens·cols bytes; tokens that are missing are zeros.
	packPanel func(panel, q []int8, cols int)

	// unpackTile arranges up to tileRows rows of each format as a tile of
	// tileRows·cols bytes, and widens their scales to float32: that of row r for
	// block g of the activations goes to scales[g·tileRows+r]. Rows that are
	// missing may hold anything.
	unpackTile [formats]func(tile []byte, scales []float32, rows []byte, cols int)

	// mulTile computes products[t·tileRows+r] for every token t of the panel and
	// row r of the tile. Token t has scale[t·n+g] and sum[t·n+g] for the block g of
	// its n = cols/activationBlock blocks.
	mulTile func(products []float32, tile []byte, scales []float32, panel []int8, scale []float32, sum []int32, cols int)
}

// blockImages are activations in one form, for formats whose blocks have scales.
type blockImages struct {
	form     form
	minPanel int       // the smallest of the formats'
	q        []int8    // token after token, in the form's order
	scale    []float32 // of each block, and of missing tokens of the last panel
	sum      []int32   // Σ q of each block, likewise
	panels   []int8
}

func (b *blockImages) makeRoom(tokens, cols, panelTokens int) {
	b.q = make([]int8, tokens*cols)
	if tokens >= b.minPanel {
		tokens = panelsOf(tokens, panelTokens) * panelTokens
		b.panels = make([]int8, tokens*cols)
	}
	blocks := tokens * (cols / activationBlock)
	b.scale, b.sum = make([]float32, blocks), make([]int32, blocks)
}

// token returns what belongs to tokens from lo up to hi.
func (b *blockImages) token(lo, hi, cols int) (q []int8, scale []float32, sum []int32) {
	blocks := cols / activationBlock
	return b.q[lo*cols : min(hi*cols, len(b.q))], b.scale[lo*blocks : hi*blocks], b.sum[lo*blocks : hi*blocks]
}

// minBlockMax keeps the scale of a block of zeros finite. Far below 1e-5: a
// block is small beside the others of its token, and its weights may be large.
const minBlockMax float32 = 0x1p-100

// quantizeBlocks stores the image of x for a token, and reports whether all of x
// is finite.
func (k *Kernels) quantizeBlocks(images *blockImages, token int, x []float32) bool {
	q, scale, sum := images.token(token, token+1, len(x))
	for g := range scale {
		block := x[g*activationBlock : (g+1)*activationBlock]
		bits := k.absMax(block)
		if bits >= infinity {
			return false
		}
		largest := max(math.Float32frombits(bits), minBlockMax)
		sum[g] = k.roundScaled(q[g*activationBlock:(g+1)*activationBlock], block, 127/largest)
		scale[g] = largest / 127
	}
	if images.form == quarters {
		k.blocks.arrange(q)
	}
	return true
}

const (
	// dotsBytes bounds the weights of one call for one token, so that assembly
	// returns within microseconds.
	dotsBytes = 256 << 10
	// severalDotsBytes do so for several: the first-level cache keeps them from
	// one token to the next.
	severalDotsBytes = 16 << 10
	// dotsRows divides the number of rows of a call, where there are enough.
	dotsRows = 8
)

func (k *Kernels) multiplyBlocks(dst []float32, stride int, m Matrix, a *Activations, images *blockImages, scratch *Scratch) {
	rowBytes := m.format.rowBytes(m.cols)
	if a.tokens >= k.blocks.minPanel[m.format] {
		k.multiplyBlockTiles(dst, stride, m, a, images, scratch)
		return
	}
	most := dotsBytes
	if a.tokens > 1 {
		most = severalDotsBytes
	}
	step := max(most/rowBytes/dotsRows*dotsRows, dotsRows)
	dots := k.blocks.dots[m.format]
	for lo := 0; lo < m.rows; lo += step {
		hi := min(lo+step, m.rows)
		for t := range a.tokens {
			q, scale, sum := images.token(t, t+1, m.cols)
			dots(dst[t*stride+lo:t*stride+hi], m.codes[lo*rowBytes:hi*rowBytes], q, scale, sum)
		}
	}
}

// multiplyBlockTiles unpacks each tile of rows once for all tokens.
func (k *Kernels) multiplyBlockTiles(dst []float32, stride int, m Matrix, a *Activations, images *blockImages, scratch *Scratch) {
	b := &k.blocks
	rowBytes := m.format.rowBytes(m.cols)
	tile, scales, products := scratch.blocks(b.tileRows*m.cols, b.tileRows*(m.cols/activationBlock), b.tileRows*b.panelTokens)
	for lo := 0; lo < m.rows; lo += b.tileRows {
		hi := min(lo+b.tileRows, m.rows)
		b.unpackTile[m.format](tile, scales, m.codes[lo*rowBytes:hi*rowBytes], m.cols)
		for first := 0; first < a.tokens; first += b.panelTokens {
			end := first + b.panelTokens
			_, scale, sum := images.token(first, end, m.cols)
			b.mulTile(products, tile, scales, images.panels[first*m.cols:end*m.cols], scale, sum, m.cols)
			for t := first; t < min(end, a.tokens); t++ {
				copy(dst[t*stride+lo:t*stride+hi], products[(t-first)*b.tileRows:])
			}
		}
	}
}

// blocks returns working memory of these lengths.
func (s *Scratch) blocks(tile, scales, products int) (t []byte, sc, p []float32) {
	s.reserve(0, tile)
	if cap(s.scales) < scales {
		s.scales = make([]float32, scales)
	}
	if cap(s.products) < products {
		s.products = make([]float32, products)
	}
	return s.tile[:tile], s.scales[:scales], s.products[:products]
}
