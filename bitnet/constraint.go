package bitnet

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/gobitnet/gobitnet/tokenizer"
)

// A Constraint says what a generated text may be. Any number of sessions may use one
// at once. Package bitnet/constrain has some; others can be written.
type Constraint interface {
	// Start returns a guide for one generation. The tokens are those of t.
	Start(t *tokenizer.Tokenizer) (Guide, error)
}

// A Guide follows one generation, token by token. What it says must depend on
// nothing but the tokens that it has accepted: then the same seed gives the same
// text with any guide as well.
type Guide interface {
	// Mask sets the bits of the tokens that may come next, bit id%64 of
	// allowed[id/64], in words that are 0 before, and reports whether the text may
	// end here. The tokens that end it are not the guide's business. Where a
	// single token may come and the text may not end, or the text must end, the
	// model is not asked.
	Mask(allowed []uint64) (end bool)
	// Accept goes on with a token that may come. An error ends the generation.
	Accept(id int) error
}

// constrained is a guide, and what it says about the next token.
type constrained struct {
	guide Guide
	ends  []int // the tokens by which a text may end

	known   bool     // what follows is, of the token that is to be chosen
	allowed []uint64 // end tokens among them where the text may end
	count   int
	forced  int  // the token that comes without a choice, or −1
	over    bool // the text must end, and there is no token by which it could

	ids    []int // working memory
	logits []float32
}

// constrain starts the constraint of a generation.
func (s *Session) constrain(o *GenerateOptions) (*constrained, error) {
	if o.Constraint == nil {
		return nil, nil
	}
	guide, err := o.Constraint.Start(s.model.tokenizer)
	if err != nil {
		return nil, &OptionError{Option: "Constraint", Err: err}
	}
	return &constrained{
		guide:   guide,
		ends:    append(slices.Clone(s.model.endTokens), o.EndTokens...),
		allowed: make([]uint64, (s.model.config.VocabularySize+63)/64),
	}, nil
}

// look asks the guide about the next token, if that has not been done.
func (c *constrained) look() error {
	if c.known {
		return nil
	}
	clear(c.allowed)
	end := c.guide.Mask(c.allowed)
	for _, id := range c.ends {
		c.allowed[id/64] &^= 1 << (id % 64)
	}
	c.known, c.forced, c.over = true, -1, false
	text := c.countAllowed()
	switch {
	case end && text == 0 && len(c.ends) == 0:
		c.over = true
	case end && text == 0:
		c.forced = c.ends[0]
	case text == 0:
		return ErrNothingAllowed
	case text == 1 && !end:
		c.forced = c.some()[0]
	}
	if end {
		for _, id := range c.ends {
			c.allowed[id/64] |= 1 << (id % 64)
		}
	}
	c.count = c.countAllowed()
	return nil
}

func (c *constrained) countAllowed() (n int) {
	for _, word := range c.allowed {
		n += bits.OnesCount64(word)
	}
	return n
}

func (c *constrained) allows(id int) bool { return c.allowed[id/64]>>(id%64)&1 != 0 }

// some returns the tokens that are allowed, in ascending order.
func (c *constrained) some() []int {
	c.ids = c.ids[:0]
	for i, word := range c.allowed {
		for ; word != 0; word &= word - 1 {
			c.ids = append(c.ids, 64*i+bits.TrailingZeros64(word))
		}
	}
	return c.ids
}

// accept tells the guide of a token that does not end the text.
func (c *constrained) accept(id int) error {
	c.known = false
	if err := c.guide.Accept(id); err != nil {
		return fmt.Errorf("constraint: %w", err)
	}
	return nil
}

// fewShare is the share of the vocabulary up to which the logits of the allowed
// tokens alone are computed. Beyond it, finding the largest of all is as fast.
const fewShare = 1.0 / 4

// spare is how many more of the largest logits are computed under a constraint, so
// that enough of them are as a rule those of allowed tokens.
const spare = 16

// want says which logits choosing the next token takes. The guide has been asked.
func (g *generation) want() want {
	switch c := g.c; {
	case c == nil || g.o.Alternatives > 0:
		return g.free
	case c.forced >= 0 || c.over:
		return vectorsOnly
	case float64(c.count) <= fewShare*float64(g.s.model.config.VocabularySize):
		g.s.request.named = c.some()
		return someLogits
	}
	return g.free
}

// chooseAllowed returns the token that follows the evaluated ones under the
// constraint, with its place.
func (g *generation) chooseAllowed(know func(want) (*place, error)) (id int, p *place, err error) {
	s, c := g.s, g.c
	if c.forced >= 0 {
		p, err = know(g.want())
		return c.forced, p, err
	}
	// What guesses were evaluated with is there already.
	w := g.free
	if p = s.last.at(s.evaluated); !p.satisfies(w) {
		w = g.want()
	}
	if p, err = know(w); err != nil {
		return 0, nil, err
	}
	if w > 0 && !p.complete {
		if ids, logits := g.likeliestAllowed(p); ids != nil {
			return s.draw(ids, logits, g.o), p, nil
		}
		if w = g.want(); w > 0 {
			w = allLogits
		}
		if p, err = know(w); err != nil {
			return 0, nil, err
		}
	}
	ids, logits := p.largest.Rows, p.largest.Logits
	if p.complete {
		ids = c.some()
		c.logits = c.logits[:0]
		for _, id := range ids {
			c.logits = append(c.logits, p.logits[id])
		}
		logits = c.logits
	}
	if g.o.changesLogits() {
		logits = s.sampling.changeSome(ids, logits, s.model.config.VocabularySize, s.tokens, g.r.Tokens, g.o)
	}
	return s.draw(ids, logits, g.o), p, nil
}

// likeliestAllowed returns the allowed tokens with the largest logits, as many as
// choosing takes, in ascending order, if there are so many among the largest of all
// that are known of a place; else nil.
func (g *generation) likeliestAllowed(p *place) (ids []int, logits []float32) {
	c := g.c
	k := int(g.free) - spare
	c.ids = c.ids[:0]
	for _, candidate := range g.s.sampling.likeliest(p.largest.Logits, int(g.free)) {
		if id := p.largest.Rows[candidate.id]; len(c.ids) < k && c.allows(id) {
			c.ids = append(c.ids, id)
		}
	}
	if len(c.ids) < k {
		return nil, nil
	}
	slices.Sort(c.ids)
	c.logits = c.logits[:0]
	for _, id := range c.ids {
		at, _ := slices.BinarySearch(p.largest.Rows, id)
		c.logits = append(c.logits, p.largest.Logits[at])
	}
	return c.ids, c.logits
}
