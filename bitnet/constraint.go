package bitnet

import "github.com/gobitnet/gobitnet/tokenizer"

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
