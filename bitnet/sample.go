package bitnet

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
)

// candidate is a token that may be chosen. Its weight is in proportion to its
// probability.
type candidate struct {
	id     int
	logit  float32
	weight float32
}

// likelier orders candidates by descending logit, equal ones by ascending id. A
// NaN is the unlikeliest.
func likelier(a, b candidate) int {
	if c := cmp.Compare(b.logit, a.logit); c != 0 {
		return c
	}
	return cmp.Compare(a.id, b.id)
}

// sampling is the working memory of choosing tokens, and the random source of
// the generation under way.
type sampling struct {
	random     rand.PCG
	penalized  []float32
	seen       []bool
	scaled     []float32
	candidates []candidate
}

// seed makes the random source start anew. PCG-DXSM gives the same numbers on
// every platform.
func (p *sampling) seed(seed uint64) { p.random = *rand.NewPCG(seed, 0x2b4f) }

// uniform returns a number from 0 up to, not including, 1.
func (p *sampling) uniform() float64 { return float64(p.random.Uint64()>>11) / (1 << 53) }

// largest returns the id of the largest logit, the lowest of equal ones; ids
// is nil where logits are those of all tokens.
func largest(ids []int, logits []float32) int {
	best, at := float32(math.Inf(-1)), 0
	for i, v := range logits {
		if v > best {
			best, at = v, i
		}
	}
	if ids != nil {
		return ids[at]
	}
	return at
}

// penalize returns a copy of all logits in which those of the tokens that have
// occurred are divided (where positive) or multiplied (where negative) by the
// penalty (Keskar et al., "CTRL", arXiv:1909.05858).
func (p *sampling) penalize(logits []float32, tokens []int, penalty float32) []float32 {
	p.penalized = append(p.penalized[:0], logits...)
	if len(p.seen) != len(logits) {
		p.seen = make([]bool, len(logits))
	}
	for _, id := range tokens {
		if p.seen[id] {
			continue
		}
		p.seen[id] = true
		if v := p.penalized[id]; v > 0 {
			p.penalized[id] = v / penalty
		} else {
			p.penalized[id] = v * penalty
		}
	}
	for _, id := range tokens {
		p.seen[id] = false
	}
	return p.penalized
}

// sample draws a token from the distribution at the given temperature, filtered
// in this order: the k likeliest tokens; of these, those at least minP times as
// likely as the likeliest; of these, the fewest likeliest that together have
// the share p of what is left.
func (p *sampling) sample(set *kernel.Set, ids []int, logits []float32, o *GenerateOptions) int {
	p.scaled = append(p.scaled[:0], logits...)
	set.Softmax(p.scaled, float32(1/o.Temperature)) // the likeliest has weight 1
	kept, total := p.candidates[:0], 0.0
	for i, w := range p.scaled {
		if w > 0 && float64(w) >= o.MinP {
			id := i
			if ids != nil {
				id = ids[i]
			}
			kept = append(kept, candidate{id, logits[i], w})
			total += float64(w)
		}
	}
	p.candidates = kept
	if len(kept) == 0 {
		return largest(ids, logits)
	}
	if o.TopK > 0 {
		slices.SortFunc(kept, likelier)
		kept = kept[:min(o.TopK, len(kept))]
		total = weigh(kept)
	}
	if o.TopP > 0 && o.TopP < 1 {
		enough := float64(o.TopP * total)
		if o.TopK == 0 {
			// Those with less than their even share of what may be left out
			// cannot be needed, and need not be sorted.
			least := (total - enough) / float64(len(kept))
			kept = slices.DeleteFunc(kept, func(c candidate) bool { return float64(c.weight) < least })
			slices.SortFunc(kept, likelier)
		}
		n := 0
		for total = 0; total < enough && n < len(kept); n++ {
			total += float64(kept[n].weight)
		}
		kept = kept[:max(n, 1)]
	}
	point := float64(p.uniform() * total)
	for _, c := range kept {
		if point -= float64(c.weight); point < 0 {
			return c.id
		}
	}
	return kept[len(kept)-1].id
}

func weigh(kept []candidate) (total float64) {
	for _, c := range kept {
		total += float64(c.weight)
	}
	return total
}
