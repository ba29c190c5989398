package main

import (
	"math"

	"github.com/gobitnet/gobitnet/bitnet/arithmetic/_train/internal/matrix"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic/_train/internal/vector"
)

// weightOffsets returns where each document's attention weights begin: for each
// head a square of its tokens.
func (p *pass) weightOffsets() []int {
	offsets := make([]int, len(p.starts))
	for i := range len(p.starts) - 1 {
		n := p.starts[i+1] - p.starts[i]
		offsets[i+1] = offsets[i] + p.Heads*n*n
	}
	return offsets
}

// attend rotates queries and keys and computes causal attention within each
// document.
func (p *pass) attend(b *saved) {
	offsets := p.weightOffsets()
	if total := offsets[len(offsets)-1]; cap(b.weights) < total {
		b.weights = make([]float32, total+total/2)
	}
	size, group := p.head(), p.Heads/p.KVHeads
	scale := float32(1 / math.Sqrt(float64(size)))
	stride := b.qkv.Cols
	matrix.Parallel(len(p.starts)-1, func(first, last int) {
		for d := first; d < last; d++ {
			start, n := p.starts[d], p.starts[d+1]-p.starts[d]
			keys := start*stride + p.Width // where the document's keys begin
			values := keys + p.keys()
			for t := range n {
				row := b.qkv.Row(start + t)
				p.rotate(row[:p.Width+p.keys()], t, 1)
			}
			for h := range p.Heads {
				kv := h / group * size
				weights := b.weights[offsets[d]+h*n*n:][:n*n]
				for t := range n {
					q := b.qkv.Row(start + t)[h*size:][:size]
					scores := weights[t*n:][:t+1]
					vector.Dots(scores, q, b.qkv.Data[keys+kv:], stride)
					top := scores[0]
					for _, v := range scores {
						top = max(top, v)
					}
					sum := float32(0)
					for j, v := range scores {
						scores[j] = float32(exp(float64(max((v-top)*scale, -80))))
						sum += scores[j]
					}
					inverse := 1 / sum
					for j := range scores {
						scores[j] *= inverse
					}
					out := b.attended.Row(start + t)[h*size:][:size]
					clear(out)
					vector.AddCombined(out, scores, b.qkv.Data[values+kv:], stride)
				}
			}
		}
	})
}

// attendBackward sets dqkv from the gradient of what attention gave.
func (p *pass) attendBackward(dqkv matrix.Matrix, b *saved, dout matrix.Matrix) {
	offsets := p.weightOffsets()
	size, group := p.head(), p.Heads/p.KVHeads
	scale := float32(1 / math.Sqrt(float64(size)))
	stride := b.qkv.Cols
	clear(dqkv.Data)
	matrix.Parallel(len(p.starts)-1, func(first, last int) {
		var dscores []float32
		for d := first; d < last; d++ {
			start, n := p.starts[d], p.starts[d+1]-p.starts[d]
			keys := start*stride + p.Width // where the document's keys begin
			values := keys + p.keys()
			for h := range p.Heads {
				kv := h / group * size
				weights := b.weights[offsets[d]+h*n*n:][:n*n]
				for t := range n {
					dy := dout.Row(start + t)[h*size:][:size]
					w := weights[t*n:][:t+1]
					ds := append(dscores[:0], w...)
					vector.Dots(ds, dy, b.qkv.Data[values+kv:], stride)
					vector.AddOuter(dqkv.Data[values+kv:], stride, w, dy)
					sum := float32(0)
					for j, v := range ds {
						sum += float32(v * w[j])
					}
					for j, v := range ds {
						ds[j] = float32(w[j]*(v-sum)) * scale
					}
					q, dq := b.qkv.Row(start + t)[h*size:][:size], dqkv.Row(start + t)[h*size:][:size]
					vector.AddCombined(dq, ds, b.qkv.Data[keys+kv:], stride)
					vector.AddOuter(dqkv.Data[keys+kv:], stride, ds, q)
					dscores = ds
				}
			}
			for t := range n {
				p.rotate(dqkv.Row(start + t)[:p.Width+p.keys()], t, -1)
			}
		}
	})
}

// rotate turns every head in a row by the angle of its position, or back.
func (p *pass) rotate(row []float32, position int, direction float32) {
	half := p.head() / 2
	cos, sin := p.cos[position*half:][:half], p.sin[position*half:][:half]
	for ; len(row) > 0; row = row[2*half:] {
		a, b := row[:half], row[half:2*half]
		for i := range a {
			s := sin[i] * direction
			x, y := a[i], b[i]
			a[i] = float32(x*cos[i]) - float32(y*s)
			b[i] = float32(x*s) + float32(y*cos[i])
		}
	}
}
