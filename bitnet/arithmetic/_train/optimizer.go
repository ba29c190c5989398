package main

import (
	"math"

	"github.com/x448/float16"

	"github.com/gobitnet/gobitnet/bitnet/arithmetic/_train/internal/matrix"
)

// round makes the weights that the forward pass computes with from those that
// are learned: projections become ternary by their absolute mean ("The Era of
// 1-bit LLMs", arXiv:2402.17764), the embedding float16, norms stay.
func (p *pass) round() {
	matrix.Parallel(len(p.parameters), func(first, last int) {
		for _, w := range p.parameters[first:last] {
			switch {
			case p.exact:
				copy(w.effective.Data, w.Data)
			case w.ternary:
				scale := absoluteMean(w.Data)
				for i, v := range w.Data {
					w.effective.Data[i] = float32(ternary(v, scale)) * scale
				}
			case w == p.embedding:
				for i, v := range w.Data {
					w.effective.Data[i] = float16.Fromfloat32(v).Float32()
				}
			default:
				copy(w.effective.Data, w.Data)
			}
		}
	})
}

// absoluteMean returns the scale of a ternary tensor.
func absoluteMean(data []float32) float32 {
	sum := 0.0
	for _, v := range data {
		sum += math.Abs(float64(v))
	}
	return float32(max(sum/float64(len(data)), 1e-5))
}

// ternary rounds a weight to −1, 0 or 1 times the scale.
func ternary(v, scale float32) int {
	switch r := v / scale; {
	case r > 0.5:
		return 1
	case r < -0.5:
		return -1
	}
	return 0
}

// AdamW ("Decoupled Weight Decay Regularization", arXiv:1711.05101).
const (
	meanDecay   = 0.9
	squareDecay = 0.95
	tiny        = 1e-8
	largestNorm = 1 // gradients together are cut to this length
)

// update changes the parameters by one step, the first of which is 1, and
// returns the length of the gradient.
func (m *model) update(step int, rate, decay float64) float64 {
	squares := make([]float64, len(m.parameters))
	matrix.Parallel(len(m.parameters), func(first, last int) {
		for i := first; i < last; i++ {
			for _, g := range m.parameters[i].gradient.Data {
				squares[i] += float64(float64(g) * float64(g))
			}
		}
	})
	sum := 0.0
	for _, s := range squares {
		sum += s
	}
	norm := math.Sqrt(sum)
	cut := float32(min(1, largestNorm/max(norm, 1e-30)))
	meanShare, squareShare := 1-power(meanDecay, step), 1-power(squareDecay, step)
	for _, w := range m.parameters {
		shrink := float32(1)
		if w.Rows > 1 { // norms do not decay
			shrink = float32(1 - float64(rate*decay))
		}
		matrix.Parallel(len(w.Data), func(start, end int) {
			stepSize, root, smallest := float32(rate/meanShare), float32(1/squareShare), float32(tiny)
			for i := start; i < end; i++ {
				g := w.gradient.Data[i] * cut
				mean := float32(w.mean[i]*meanDecay) + float32(g*(1-meanDecay))
				square := float32(w.square[i]*squareDecay) + float32(float32(g*g)*(1-squareDecay))
				w.mean[i], w.square[i] = mean, square
				change := float32(stepSize*mean) / (float32(math.Sqrt(float64(float32(square*root)))) + smallest)
				w.Data[i] = float32(w.Data[i]*shrink) - change
			}
		})
	}
	return norm
}

// power returns xⁿ, computed the same everywhere.
func power(x float64, n int) float64 {
	y := 1.0
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			y = float64(y * x)
		}
		x = float64(x * x)
	}
	return y
}

// A schedule is how the learning rate and the decay of weights go: the rate
// rises over the first steps, stays, and falls along a line to nothing over the
// last ones. Weights decay until the rate falls; then they come to rest on one
// side of the ternary thresholds.
type schedule struct {
	Steps, Rise, Fall int // all steps, the first ones and the last ones
	Rate, Decay       float64
}

// rates returns the learning rate and the weight decay of a step, the first of
// which is 1.
func (s *schedule) rates(step int) (rate, decay float64) {
	left := s.Steps - step + 1
	switch {
	case left <= s.Fall:
		return s.Rate * float64(left) / float64(s.Fall), 0
	case step < s.Rise:
		return s.Rate * float64(step) / float64(s.Rise), s.Decay
	}
	return s.Rate, s.Decay
}
