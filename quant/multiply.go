package quant

import "fmt"

// Scratch is the working memory of a multiplication. Each goroutine that
// multiplies has its own; it grows to what is needed and is then reused.
type Scratch struct {
	sums []int32
	tile []byte

	// Of matrices whose blocks have scales: those of a tile, and its products.
	scales, products []float32
}

// sumsPerCall bounds the rows of one codeDots call, so that assembly, which
// the garbage collector cannot interrupt, returns within microseconds.
const sumsPerCall = 256

func (s *Scratch) reserve(sums, tile int) {
	if cap(s.sums) < sums {
		s.sums = make([]int32, sums)
	}
	if cap(s.tile) < tile {
		s.tile = make([]byte, tile)
	}
}

// Dot returns the exact product Σ w·q of one row of codes with a vector of
// 8-bit activations.
func (k *Kernels) Dot(codes []byte, q []int8) (int32, error) {
	if len(q) == 0 || len(q)%BlockSize != 0 || len(q) > maxColumns || len(codes) != len(q)/4 {
		return 0, fmt.Errorf("%w: a row of %d bytes with %d activations", ErrShape, len(codes), len(q))
	}
	var sums [1]int32
	k.codeDots(sums[:], codes, q, len(q))
	return sums[0] - sumOf(q), nil
}

func sumOf(q []int8) (sum int32) {
	for _, v := range q {
		sum += int32(v)
	}
	return sum
}

// Multiply computes the products of every row of m with every token of a, and
// stores that of row r and token t at dst[t·stride+r]. The tokens must be
// quantized and, where a.Panels() is not 0, packed. Rows are independent of
// each other: goroutines share a product by multiplying slices of m, each with
// a Scratch of its own.
func (k *Kernels) Multiply(dst []float32, stride int, m Matrix, a *Activations, scratch *Scratch) error {
	if a.kernels != k {
		return fmt.Errorf("%w: activations made by the %q kernels multiplied by the %q kernels", ErrShape, a.kernels.name, k.name)
	}
	if m.cols != a.cols || stride < m.rows || len(dst) < m.rows || a.tokens > 1 && (len(dst)-m.rows)/(a.tokens-1) < stride {
		return fmt.Errorf("%w: %d × %d weights with %d tokens of %d, into %d products at a stride of %d", ErrShape, m.rows, m.cols, a.tokens, a.cols, len(dst), stride)
	}
	if m.format != I2S {
		images := a.blocks[layouts[m.format].form]
		if images == nil {
			return fmt.Errorf("%w: %v weights with activations that were not made for them", ErrShape, m.format)
		}
		k.multiplyBlocks(dst, stride, m, a, images, scratch)
		return nil
	}
	if a.q == nil {
		return fmt.Errorf("%w: %v weights with activations that were not made for them", ErrShape, m.format)
	}
	if a.tokens < k.minPanel {
		k.multiplyTokens(dst, stride, m, a, scratch)
	} else {
		k.multiplyTiles(dst, stride, m, a, scratch)
	}
	return nil
}

// multiplyTokens takes a stretch of rows at a time for a handful of tokens.
func (k *Kernels) multiplyTokens(dst []float32, stride int, m Matrix, a *Activations, scratch *Scratch) {
	scratch.reserve(sumsPerCall, 0)
	rowBytes := m.cols / 4
	most := sumsPerCall / min(a.tokens, k.dotTokens)
	for lo := 0; lo < m.rows; lo += most {
		hi := min(lo+most, m.rows)
		rows := hi - lo
		for first := 0; first < a.tokens; first += k.dotTokens {
			last := min(first+k.dotTokens, a.tokens)
			sums := scratch.sums[:(last-first)*rows]
			k.codeDots(sums, m.codes[lo*rowBytes:hi*rowBytes], a.q[first*a.cols:last*a.cols], a.cols)
			for t := first; t < last; t++ {
				k.scaleSums(dst[t*stride+lo:t*stride+hi], sums[(t-first)*rows:(t-first+1)*rows], a.sum[t], a.scale[t], m.scale)
			}
		}
	}
}

// multiplyTiles unpacks each tile of rows once for all tokens.
func (k *Kernels) multiplyTiles(dst []float32, stride int, m Matrix, a *Activations, scratch *Scratch) {
	scratch.reserve(k.panelTokens*k.tileRows, k.tileRows*m.cols)
	rowBytes := m.cols / 4
	sums := scratch.sums[:k.panelTokens*k.tileRows]
	tile := scratch.tile[:k.tileRows*m.cols]
	for lo := 0; lo < m.rows; lo += k.tileRows {
		hi := min(lo+k.tileRows, m.rows)
		k.unpackTile(tile, m.codes[lo*rowBytes:hi*rowBytes], m.cols)
		for p := 0; p < panelsOf(a.tokens, k.panelTokens); p++ {
			k.mulTile(sums, tile, a.panel(p), m.cols)
			first := p * k.panelTokens
			for t := first; t < min(first+k.panelTokens, a.tokens); t++ {
				_, s, sum := a.Token(t)
				row := (t - first) * k.tileRows
				k.scaleSums(dst[t*stride+lo:t*stride+hi], sums[row:row+hi-lo], sum, s, m.scale)
			}
		}
	}
}
