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
	changed    []float32
	spread     []float32
	some       []float32
	counts     []int // of tokens; 0 between uses
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

// change returns a copy of all logits with the bias and the penalties of o. Of
// the tokens that the session holds, those that have been generated come last.
// The repetition penalty is that of Keskar et al., "CTRL" (arXiv:1909.05858), the
// others are those of OpenAI's interface.
func (p *sampling) change(logits []float32, held, generated []int, o *GenerateOptions) []float32 {
	p.changed = append(p.changed[:0], logits...)
	if len(p.counts) != len(logits) {
		p.counts = make([]int, len(logits))
	}
	for id, bias := range o.LogitBias {
		p.changed[id] += float32(bias)
	}
	if penalty := float32(o.RepetitionPenalty); penalty != 0 && penalty != 1 {
		p.eachOf(held, func(id, count int) {
			if v := p.changed[id]; v > 0 {
				p.changed[id] = v / penalty
			} else {
				p.changed[id] = v * penalty
			}
		})
	}
	if o.FrequencyPenalty != 0 || o.PresencePenalty != 0 {
		p.eachOf(generated, func(id, count int) {
			p.changed[id] -= float32(float32(count) * float32(o.FrequencyPenalty))
			p.changed[id] -= float32(o.PresencePenalty)
		})
	}
	return p.changed
}

// changeSome is change for the logits of some tokens.
func (p *sampling) changeSome(ids []int, logits []float32, vocabulary int, held, generated []int, o *GenerateOptions) []float32 {
	if len(p.spread) != vocabulary {
		p.spread = make([]float32, vocabulary)
	}
	for i, id := range ids {
		p.spread[id] = logits[i]
	}
	changed := p.change(p.spread, held, generated, o)
	p.some = p.some[:0]
	for _, id := range ids {
		p.some = append(p.some, changed[id])
	}
	return p.some
}

// eachOf calls f for each different token, with how often it occurs.
func (p *sampling) eachOf(tokens []int, f func(id, count int)) {
	for _, id := range tokens {
		p.counts[id]++
	}
	for _, id := range tokens {
		if count := p.counts[id]; count > 0 {
			p.counts[id] = 0
			f(id, count)
		}
	}
}

// likeliest returns the k tokens with the largest logits, in order.
func (p *sampling) likeliest(logits []float32, k int) []candidate {
	kept := p.candidates[:0]
	least := candidate{id: -1} // of those that are kept, once it is known
	for id, logit := range logits {
		c := candidate{id: id, logit: logit}
		if least.id >= 0 && likelier(c, least) > 0 {
			continue
		}
		if kept = append(kept, c); len(kept) == 2*k {
			slices.SortFunc(kept, likelier)
			kept = kept[:k]
			least = kept[k-1]
		}
	}
	slices.SortFunc(kept, likelier)
	p.candidates = kept
	return kept[:min(k, len(kept))]
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
