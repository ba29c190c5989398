package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/tokenizer"
)

var perplexityCommand = command{
	name:    "perplexity",
	summary: "measure how well the model predicts a text",
	help: `bitnet perplexity [--model M] --file F [flags]

Prints how many tokens of the text were predicted, the mean of the logarithms
of the probabilities that the model gave them, and the perplexity: e to the
power of minus that mean, as if the model had been unsure between so many tokens
each time. Figures can be compared that are of the same text, vocabulary and
context.

The text is plain text, special tokens in it too. It is cut into pieces that
fill the context and do not overlap. Each is predicted by itself, after the
begin-of-text token where the model wants one; where it does not, the first
token of a piece is not predicted.

` + modelHelp + `  --file F          the text; - is standard input
` + contextHelp + cacheHelp,
	run: measurePerplexity,
}

func measurePerplexity(c *call) error {
	var model modelFlags
	var tokens int
	flags := c.newFlags()
	model.register(flags, c.settings)
	file := flags.String("file", "", "")
	registerContext(flags, &tokens)
	cache := flags.String("kv-cache", "float16", "")
	if err := parseAlone(flags, c.args); err != nil {
		return err
	}
	if err := checkNames(flags); err != nil {
		return err
	}
	if *file == "" {
		return usagef("no text: name a file by --file, or - for standard input")
	}
	options, err := cacheOptions(*cache)
	if err != nil {
		return err
	}
	text, name, err := readText(c, *file)
	if err != nil {
		return err
	}

	m, _, err := model.open(c)
	if err != nil {
		return err
	}
	defer m.Close()
	more, err := contextOptions(m, tokens)
	if err != nil {
		return err
	}
	s, err := m.NewSession(append(options, more...)...)
	if err != nil {
		return err
	}
	defer s.Close()
	ids, err := m.Tokenizer().Encode(text, tokenizer.PlainText())
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	ctx, stop := interruptible()
	defer stop()
	p := newProgress(c, 300*time.Millisecond)
	defer p.erase()
	r := prediction{session: s}
	if begin, ok := m.Tokenizer().BeginOfText(); ok && m.Tokenizer().AddsBeginOfText() {
		r.begin = []int{begin}
	}
	if s.Context() < 2 {
		return fmt.Errorf("in a context of %d nothing comes before a token: choose a larger --context", s.Context())
	}
	if len(r.begin)+len(ids) < 2 {
		return fmt.Errorf("%s has %d tokens: give more text", name, len(ids))
	}
	err = r.predict(ctx, ids, func(done int) {
		p.show("%d of %d tokens, perplexity %.3f", done, len(ids), r.perplexity())
	})
	p.erase()
	if i := interrupted(ctx); i != nil && errors.Is(err, context.Canceled) {
		return &interruption{i.signal, fmt.Sprintf("after %d of %d tokens", r.tokens, len(ids))}
	}
	if err != nil {
		return err
	}
	debugKernels(c, m)
	return writeOut(c.stdout, fmt.Sprintf("tokens: %d\nmean log-probability: %.6f\nperplexity: %.4f\n", r.tokens, r.mean(), r.perplexity()))
}

// prediction is how well a text is predicted, as far as it has been read.
type prediction struct {
	session *bitnet.Session
	begin   []int   // what each piece begins with
	tokens  int     // predicted
	sum     float64 // of their log-probabilities
}

func (p *prediction) mean() float64       { return p.sum / float64(p.tokens) }
func (p *prediction) perplexity() float64 { return math.Exp(-p.mean()) }

// predict predicts a text piece by piece, and tells how much of it is done.
func (p *prediction) predict(ctx context.Context, ids []int, tell func(done int)) error {
	done := 0
	for piece := range slices.Chunk(ids, p.session.Context()-len(p.begin)) {
		p.session.Truncate(0)
		for block := range slices.Chunk(slices.Concat(p.begin, piece), bitnet.BlockTokens) {
			first := p.session.Len() == 0
			scores, err := p.session.Score(ctx, block)
			if err != nil {
				return err
			}
			if first {
				scores = scores[1:] // nothing comes before that token
			}
			for _, score := range scores {
				p.sum += score
			}
			p.tokens += len(scores)
			tell(done + p.session.Len() - len(p.begin))
		}
		done += len(piece)
	}
	return nil
}
