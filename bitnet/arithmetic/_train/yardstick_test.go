package main

import (
	"fmt"
	"math"
)

// A yardstick is the model in double precision, written without regard for
// speed and independently of what it measures.
type yardstick struct {
	shape
	tensors map[string][][]float64 // rows

	// Rounding adds to each number what takes it to its rounded value. With
	// frozen, it adds what it added when it was recorded, so that the function
	// has a derivative: the one that the straight-through estimator stands for.
	rounds   bool
	frozen   bool
	recorded [][]float64
	calls    int
}

func (y *yardstick) take(p *parameter) {
	rows := make([][]float64, p.Rows)
	for i := range rows {
		for _, v := range p.Row(i) {
			rows[i] = append(rows[i], float64(v))
		}
	}
	y.tensors[p.name] = rows
}

// rounding returns x moved by f(x) − x, or by the recorded distance.
func (y *yardstick) rounding(x []float64, f func(x []float64) []float64) []float64 {
	if !y.rounds {
		return x
	}
	if !y.frozen {
		moved := f(x)
		distance := make([]float64, len(x))
		for i := range x {
			distance[i] = moved[i] - x[i]
		}
		y.recorded = append(y.recorded, distance)
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v + y.recorded[y.calls][i]
	}
	y.calls++
	return out
}

func toEightBits(x []float64) []float64 {
	largest := 1e-5
	for _, v := range x {
		largest = math.Max(largest, math.Abs(v))
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.RoundToEven(v*127/largest) * largest / 127
	}
	return out
}

// projection returns one as the file holds it.
func (y *yardstick) projection(name string) [][]float64 {
	rows := y.tensors[name]
	var flat []float64
	for _, row := range rows {
		flat = append(flat, row...)
	}
	flat = y.rounding(flat, func(x []float64) []float64 {
		mean := 0.0
		for _, v := range x {
			mean += math.Abs(v) / float64(len(x))
		}
		out := make([]float64, len(x))
		for i, v := range x {
			out[i] = math.Max(-1, math.Min(1, math.RoundToEven(v/mean))) * mean
		}
		return out
	})
	out := make([][]float64, len(rows))
	for i := range rows {
		out[i] = flat[i*len(rows[0]) : (i+1)*len(rows[0])]
	}
	return out
}

func dot64(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func apply(w [][]float64, x []float64) []float64 {
	out := make([]float64, len(w))
	for i := range w {
		out[i] = dot64(w[i], x)
	}
	return out
}

func (y *yardstick) norm(x []float64, name string) []float64 {
	factor := 1 / math.Sqrt(dot64(x, x)/float64(len(x))+float64(y.Epsilon))
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v * factor * y.tensors[name][0][i]
	}
	return out
}

// loss returns the mean cross-entropy of the learned tokens, and the logits
// after the last token of each document.
func (y *yardstick) loss(documents []document) (loss float64, last [][]float64) {
	y.calls = 0
	if !y.frozen {
		y.recorded = nil
	}
	projections := map[string][][]float64{}
	for b := range y.Blocks {
		for _, part := range []string{"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"} {
			name := fmt.Sprintf("blk.%d.%s.weight", b, part)
			projections[name] = y.projection(name)
		}
	}
	size := y.Width / y.Heads
	count := 0
	for _, d := range documents {
		var x [][]float64
		for _, id := range d.tokens[:len(d.tokens)-1] {
			x = append(x, append([]float64(nil), y.tensors["token_embd.weight"][id]...))
		}
		for b := range y.Blocks {
			prefix := fmt.Sprintf("blk.%d.", b)
			linear := func(part string, x []float64) []float64 { return apply(projections[prefix+part+".weight"], x) }
			eight := func(x []float64) []float64 { return y.rounding(x, toEightBits) }
			var q, k, v [][]float64
			for t := range x {
				h := eight(y.norm(x[t], prefix+"attn_norm.weight"))
				q = append(q, y.turn(linear("attn_q", h), t))
				k = append(k, y.turn(linear("attn_k", h), t))
				v = append(v, linear("attn_v", h))
			}
			for t := range x {
				var all []float64
				for head := range y.Heads {
					kv := head / (y.Heads / y.KVHeads) * size
					weights, sum := make([]float64, t+1), 0.0
					for j := range weights {
						weights[j] = math.Exp(dot64(q[t][head*size:(head+1)*size], k[j][kv:kv+size]) / math.Sqrt(float64(size)))
						sum += weights[j]
					}
					out := make([]float64, size)
					for j, w := range weights {
						for i := range out {
							out[i] += w / sum * v[j][kv+i]
						}
					}
					all = append(all, out...)
				}
				for i, a := range linear("attn_output", eight(y.norm(all, prefix+"attn_sub_norm.weight"))) {
					x[t][i] += a
				}
			}
			for t := range x {
				h := eight(y.norm(x[t], prefix+"ffn_norm.weight"))
				gate, up := linear("ffn_gate", h), linear("ffn_up", h)
				for i, g := range gate {
					gate[i] = math.Pow(math.Max(g, 0), 2) * up[i]
				}
				for i, f := range linear("ffn_down", eight(y.norm(gate, prefix+"ffn_sub_norm.weight"))) {
					x[t][i] += f
				}
			}
		}
		var logits []float64
		for t := range x {
			logits = apply(y.tensors["token_embd.weight"], y.norm(x[t], "output_norm.weight"))
			if d.learned[t+1] {
				sum := 0.0
				for _, l := range logits {
					sum += math.Exp(l)
				}
				loss += math.Log(sum) - logits[d.tokens[t+1]]
				count++
			}
		}
		last = append(last, logits)
	}
	return loss / float64(count), last
}

// turn rotates the heads in a row by the angles of a position.
func (y *yardstick) turn(row []float64, position int) []float64 {
	size := y.Width / y.Heads
	out := make([]float64, len(row))
	for h := 0; h < len(row); h += size {
		for i := range size / 2 {
			sin, cos := math.Sincos(float64(position) * math.Pow(y.RoPEBase, -2*float64(i)/float64(size)))
			a, b := row[h+i], row[h+i+size/2]
			out[h+i], out[h+i+size/2] = a*cos-b*sin, a*sin+b*cos
		}
	}
	return out
}
