package bitnet

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
	"github.com/gobitnet/gobitnet/internal/portable"
	"github.com/gobitnet/gobitnet/tokenizer"
)

// GenerateOptions say how tokens are chosen and when generation ends. The zero
// value is greedy decoding, the likeliest token each time, until the model ends
// its text or the context is full.
type GenerateOptions struct {
	// MaxTokens ends generation after so many tokens; 0 sets no limit.
	MaxTokens int
	// Stop ends generation where one of these strings appears in the text, also
	// one that spans tokens, or where a special token with this text is chosen.
	Stop []string
	// EndTokens end generation as the model's own do, which the tokenizer's
	// EndTokens are.
	EndTokens []int

	// Temperature flattens (above 1) or sharpens (below 1) the distribution
	// that tokens are drawn from; 0 always takes the likeliest token, and then
	// TopK, MinP, TopP and Seed have no effect.
	Temperature float64
	// TopK draws from the k likeliest tokens only; 0 from all.
	TopK int
	// MinP leaves out tokens less likely than this share of the likeliest one's
	// probability; 0 none.
	MinP float64
	// TopP draws from the fewest likeliest tokens that together have this
	// probability, after TopK and MinP; 0 and 1 from all.
	TopP float64
	// RepetitionPenalty above 1 makes tokens that the session holds already
	// less likely, below 1 likelier: it divides their positive logits and
	// multiplies their negative ones. 0 and 1 change nothing.
	RepetitionPenalty float64
	// PresencePenalty and FrequencyPenalty make tokens that this generation has
	// chosen already less likely, or likelier where they are negative: the
	// logit of a token that was chosen n times, n above 0, is lowered by
	// PresencePenalty + n·FrequencyPenalty. The prompt does not count.
	PresencePenalty, FrequencyPenalty float64
	// LogitBias is added to the logits of these token ids, before any penalty:
	// −100 as good as bans a token, 100 as good as demands it.
	LogitBias map[int]float64
	// Seed is the seed of the random draws. The same model, session, options
	// and seed give the same tokens on every machine.
	Seed uint64

	// SplitReasoning tells what the model thinks from what it answers, if its text
	// begins with <think>: that up to </think> becomes Reasoning, of [Token] and
	// [Result], instead of Text. A [Chat] does so by itself where the model's chat
	// template knows of thinking. Stop holds for both.
	SplitReasoning bool
	// Constraint says what all of the text may be, so that there is no thinking
	// ahead of it; nil that it may be anything. The package bitnet/constrain makes
	// constraints of schemas, regular expressions and grammars.
	Constraint Constraint

	// Alternatives has [Token.Alternatives] hold so many tokens; 0 none. Each
	// token then takes all logits, about half as long again.
	Alternatives int
	// Logits is called with each token that is chosen, also the one that ends the
	// text, and the model's logits of all tokens in its place, without bias and
	// penalties. The slice is only lent until it returns. Each token then takes all
	// logits, as with Alternatives; nil is none.
	Logits func(id int, logits []float32)
	// Progress is called while the prompt is evaluated: first with 0, then after
	// each block of at most [BlockTokens] tokens with how many of them have been.
	// What it takes is time in which nothing is evaluated; nil is none.
	Progress func(evaluated, total int)
}

func (o *GenerateOptions) check(vocabulary int) error {
	between := func(option string, v, low, high float64) error {
		if !(v >= low && v <= high) {
			return &OptionError{Option: option, Reason: fmt.Sprintf("%v is not between %v and %v", v, low, high)}
		}
		return nil
	}
	if o.MaxTokens < 0 {
		return &OptionError{Option: "MaxTokens", Reason: fmt.Sprintf("%d is negative", o.MaxTokens)}
	}
	if o.TopK < 0 {
		return &OptionError{Option: "TopK", Reason: fmt.Sprintf("%d is negative", o.TopK)}
	}
	if o.Alternatives < 0 {
		return &OptionError{Option: "Alternatives", Reason: fmt.Sprintf("%d is negative", o.Alternatives)}
	}
	for i, id := range o.EndTokens {
		if id < 0 || id >= vocabulary {
			return &OptionError{Option: "EndTokens", Err: &TokenError{ID: id, Index: i, Vocabulary: vocabulary}}
		}
	}
	for _, stop := range o.Stop {
		if stop == "" {
			return &OptionError{Option: "Stop", Reason: "a stop string is empty"}
		}
	}
	for _, err := range []error{
		between("Temperature", o.Temperature, 0, 1e6),
		between("MinP", o.MinP, 0, 1),
		between("TopP", o.TopP, 0, 1),
		between("RepetitionPenalty", o.RepetitionPenalty, 0, 1e6),
		between("PresencePenalty", o.PresencePenalty, -1e6, 1e6),
		between("FrequencyPenalty", o.FrequencyPenalty, -1e6, 1e6),
	} {
		if err != nil {
			return err
		}
	}
	if o.Temperature != 0 && o.Temperature < 1e-6 {
		return &OptionError{Option: "Temperature", Reason: fmt.Sprintf("%v is neither 0 nor at least 0.000001", o.Temperature)}
	}
	for id, bias := range o.LogitBias {
		if id < 0 || id >= vocabulary {
			return &OptionError{Option: "LogitBias", Reason: fmt.Sprintf("there is no token %d: ids go from 0 to %d", id, vocabulary-1)}
		}
		if err := between("LogitBias", bias, -1e6, 1e6); err != nil {
			return err
		}
	}
	return nil
}

// StopReason says why generation ended.
type StopReason string

const (
	StopEndToken  StopReason = "end_token"   // the model ended its text or turn
	StopString    StopReason = "stop_string" // a string of GenerateOptions.Stop appeared
	StopMaxTokens StopReason = "max_tokens"  // GenerateOptions.MaxTokens were generated
	StopContext   StopReason = "context"     // the session's context is full
	StopCanceled  StopReason = "canceled"    // the context.Context ended
	StopError     StopReason = "error"       // something failed
	StopBreak     StopReason = "break"       // the loop over Stream was left
)

// Result is what one generation came to.
type Result struct {
	// Text is what was generated, without the token or string that ended it
	// and without special tokens. Bytes that are no UTF-8 are replaced by
	// U+FFFD.
	Text string
	// Reasoning is what the model thought ahead of it, without <think> and
	// </think>, where GenerateOptions.SplitReasoning asks for it.
	Reasoning string
	// Tokens are the ids that were generated, without an end token, or a
	// special one that ended the text because Stop has it.
	Tokens []int
	// Reason says why generation ended.
	Reason StopReason
	// PromptTokens and CompletionTokens count the tokens that were evaluated
	// before the first one was chosen, and those that were generated. The end
	// token is one of them.
	PromptTokens, CompletionTokens int
	// ProposedTokens and AcceptedTokens count the tokens that lookahead guessed,
	// and those of them that were chosen.
	ProposedTokens, AcceptedTokens int
	// ForcedTokens counts the tokens to which the constraint left no choice, so that
	// the model was not asked.
	ForcedTokens int
	// PromptTime is the time up to the choice of the first token,
	// CompletionTime the time from then on.
	PromptTime, CompletionTime time.Duration
}

// A Token is one generated token.
type Token struct {
	// ID is the token's id, or −1 for text that was held back when generation
	// ended.
	ID int
	// Text is the text that became certain with this token: nothing while a
	// character is incomplete or a stop string possible, and then all that was
	// held back. The texts of all tokens together are Result.Text.
	Text string
	// Reasoning is likewise of Result.Reasoning.
	Reasoning string
	// Alternatives are the likeliest tokens in this place, as many as
	// GenerateOptions.Alternatives asks for, from the likeliest on. The token
	// itself is among them only if it is one of these. The slice is the caller's.
	Alternatives []Alternative

	session *Session
	after   int    // so many tokens precede it
	serial  uint64 // of the outcome that it was chosen by
	forced  bool   // it was not chosen: nothing need have been evaluated after them
}

// An Alternative is a token that the model held likely, with the logarithm of its
// probability as [Token.LogProb] defines it.
type Alternative struct {
	ID      int
	LogProb float64
}

// LogProb returns the logarithm of the probability that the model gave the
// token: at temperature 1, without filters, penalties or bias. It is to be called
// in the body of the loop over Stream, before the next token. Where not all logits
// have been computed it computes them, which takes about half the time of a token.
// It is NaN where it can no longer be told.
func (t Token) LogProb() float64 {
	s := t.session
	if s == nil || t.ID < 0 {
		return math.NaN()
	}
	if t.forced {
		if len(s.tokens) != t.after+1 || s.tokens[t.after] != t.ID || !s.evaluateTo(t.after) {
			return math.NaN()
		}
	} else if s.last.serial != t.serial {
		return math.NaN()
	}
	if s.evaluated != t.after || s.last.at(t.after) == nil {
		return math.NaN()
	}
	place, err := s.know(context.Background(), t.after, allLogits)
	if err != nil {
		return math.NaN()
	}
	return s.logProb(place.logits, t.ID)
}

// evaluateTo evaluates the session's tokens up to so many, and reports whether it
// could.
func (s *Session) evaluateTo(tokens int) bool {
	for s.cache != nil && s.evaluated < tokens {
		piece := s.tokens[s.evaluated:min(s.evaluated+BlockTokens, tokens)]
		if s.evaluate(context.Background(), piece, 1, allLogits) != nil {
			return false
		}
	}
	return s.cache != nil
}

// logProb returns the logarithm of the probability that logits give a token.
func (s *Session) logProb(logits []float32, id int) float64 {
	most, logSum := s.logSum(logits)
	return float64(logits[id]) - most - logSum
}

// logSum returns the largest of the logits, and the logarithm of the sum of the
// exponentials of what they are above it.
func (s *Session) logSum(logits []float32) (most, logSum float64) {
	p := &s.sampling
	p.scaled = append(p.scaled[:0], logits...)
	largest, sum := s.model.floatKernels().Softmax(p.scaled, 1)
	return float64(largest), portable.Log(float64(sum))
}

// alternatives returns the k likeliest tokens.
func (s *Session) alternatives(logits []float32, k int) []Alternative {
	most, logSum := s.logSum(logits)
	likeliest := s.sampling.likeliest(logits, k)
	all := make([]Alternative, len(likeliest))
	for i, c := range likeliest {
		all[i] = Alternative{ID: c.id, LogProb: float64(c.logit) - most - logSum}
	}
	return all
}

// Generate evaluates prompt after the session's tokens and generates text. An
// empty session gets the begin-of-text token first, where the vocabulary asks
// for one. An empty prompt continues from where the session stands. Special tokens
// in the prompt are recognised; what a person wrote is better given to a [Chat],
// or encoded with [tokenizer.PlainText] and appended.
//
// The session then holds the prompt and all that was generated, also the token
// that ended it.
//
// Where ctx ends or something fails while tokens are generated, the error comes
// with the Result so far; the session holds what the Result says and stays
// usable. Where the prompt cannot be evaluated there is no Result and the
// session is as before.
func (s *Session) Generate(ctx context.Context, prompt string, opts GenerateOptions) (*Result, error) {
	s.result = nil
	ids, err := s.encodePrompt(prompt)
	if err != nil {
		return nil, err
	}
	return s.generate(ctx, ids, &opts, func(Token) bool { return true })
}

// Stream is [Session.Generate] token by token, each as soon as it is chosen.
// An error is the last element, with the text that was held back. Leaving the
// loop ends generation; the session then holds the tokens seen. After the loop,
// [Session.Result] tells the rest.
func (s *Session) Stream(ctx context.Context, prompt string, opts GenerateOptions) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		ids, err := s.encodePrompt(prompt)
		if err != nil {
			s.result = nil
			yield(Token{ID: -1}, err)
			return
		}
		s.stream(ctx, ids, &opts, yield)
	}
}

func (s *Session) stream(ctx context.Context, ids []int, opts *GenerateOptions, yield func(Token, error) bool) {
	left := false
	var last Token
	_, err := s.generate(ctx, ids, opts, func(t Token) bool {
		if t.ID < 0 {
			last = t
			return true
		}
		left = !yield(t, nil)
		return !left
	})
	if !left && (err != nil || last.Text != "" || last.Reasoning != "") {
		last.ID = -1
		yield(last, err)
	}
}

// Result returns what the session's last generation came to, nil where there
// was none or its prompt could not be evaluated.
func (s *Session) Result() *Result { return s.result }

func (s *Session) encodePrompt(prompt string) ([]int, error) {
	ids, err := s.model.tokenizer.Encode(prompt, tokenizer.After(s.lastToken()))
	if err != nil {
		return nil, fmt.Errorf("prompt: %w", err)
	}
	return s.withBeginOfText(ids), nil
}

// lastToken returns the session's last token, -1 where there is none.
func (s *Session) lastToken() int {
	if len(s.tokens) == 0 {
		return -1
	}
	return s.tokens[len(s.tokens)-1]
}

// withBeginOfText puts the begin-of-text token first where the model wants one,
// the session is empty and it is not there yet.
func (s *Session) withBeginOfText(ids []int) []int {
	begin := s.model.beginOfText()
	if len(begin) == 0 || len(s.tokens) > 0 || len(ids) > 0 && ids[0] == begin[0] {
		return ids
	}
	return append(begin, ids...)
}

func (s *Session) generate(ctx context.Context, prompt []int, o *GenerateOptions, yield func(Token) bool) (*Result, error) {
	s.result = nil
	own := *o
	o = &own
	o.LogitBias = maps.Clone(o.LogitBias) // it is not checked again
	if err := o.check(s.model.config.VocabularySize); err != nil {
		return nil, err
	}
	start := time.Now()
	evaluated := s.evaluated
	g := generation{s: s, o: o, start: start, yield: yield, text: assembler{stops: o.Stop}, free: o.want(s.model)}
	var err error
	if g.c, err = s.constrain(o); err != nil {
		return nil, err
	}
	if g.c != nil && g.free > 0 {
		g.free += spare
	}
	if err := g.look(); err != nil {
		return nil, err
	}
	if err := s.extend(ctx, prompt, g.want(), o.Progress); err != nil {
		return nil, err
	}
	defer s.model.passes.leave(&s.request)
	r := &Result{PromptTokens: s.evaluated - min(evaluated, s.evaluated)}
	s.result, g.r = r, r
	s.sampling.seed(o.Seed)
	for r.Reason == "" && err == nil {
		if len(s.tokens) >= s.context {
			r.Reason = StopContext
			break
		}
		var forced bool
		if forced, err = g.takeForced(); err != nil {
			break
		} else if forced {
			err = ctx.Err()
			continue
		}
		var drafts []int
		if drafts, err = g.evaluateDrafts(ctx); err != nil {
			break
		}
		right := 0
		for r.Reason == "" {
			var id int
			var p *place
			if id, p, err = g.choose(ctx); err != nil {
				break
			}
			if err = g.take(id, p); err != nil {
				break
			}
			if s.cache == nil || r.Reason != "" || right == len(drafts) || id != drafts[right] || len(s.tokens) != s.evaluated+1 {
				break
			}
			right++
			s.evaluated++ // as it was guessed
			if err = ctx.Err(); err != nil {
				break
			}
		}
		s.back(len(s.tokens))
		s.lookahead.learn(len(drafts), right)
		r.ProposedTokens += len(drafts)
		r.AcceptedTokens += right
	}
	if err != nil {
		r.Reason = StopError
		if ctx.Err() != nil {
			r.Reason = StopCanceled
		}
	}
	if r.CompletionTokens == 0 {
		r.PromptTime = time.Since(start)
	} else {
		r.CompletionTime = time.Since(start) - r.PromptTime
	}
	if rest := g.certain(true, true); rest.Text != "" || rest.Reasoning != "" {
		yield(rest)
	}
	r.Text, r.Reasoning = g.all.String(), g.reasoning.String()
	return r, err
}

// evaluateDrafts evaluates what has been chosen and not been evaluated, together
// with a guess, which is returned. What is evaluated counts without the guess,
// although the cache and the outcome reach to its end.
func (g *generation) evaluateDrafts(ctx context.Context) ([]int, error) {
	s := g.s
	var drafts []int
	if s.cache != nil && len(s.tokens) == s.evaluated+1 && !s.model.passes.crowded.Load() {
		drafts = s.lookahead.guess(s.tokens, g.room())
	}
	if len(drafts) == 0 || g.c != nil && !g.c.allows(drafts[0]) {
		return nil, s.extend(ctx, nil, g.want(), nil)
	}
	s.pending = append(append(s.pending[:0], s.tokens[s.evaluated:]...), drafts...)
	if err := s.evaluate(ctx, s.pending, len(s.pending), g.free); err != nil {
		s.back(len(s.tokens))
		return nil, err
	}
	s.evaluated = len(s.tokens)
	return s.pending[1:], nil
}

// generation is the state of one call of generate.
type generation struct {
	s     *Session
	o     *GenerateOptions
	r     *Result
	c     *constrained // nil for none
	free  want         // what choosing among all tokens takes
	start time.Time
	yield func(Token) bool
	text  assembler
	all   strings.Builder
	piece []byte

	thinking  thinkingSplitter
	reasoning strings.Builder
}

// room returns how many tokens may be guessed beyond the next one.
func (g *generation) room() int {
	n := g.s.context - len(g.s.tokens)
	if g.o.MaxTokens > 0 {
		n = min(n, g.o.MaxTokens-g.r.CompletionTokens)
	}
	return n - 1
}

// look asks the guide, where there is one, about the next token.
func (g *generation) look() error {
	if g.c == nil {
		return nil
	}
	return g.c.look()
}

// takeForced takes the next token where there is no choice: neither it nor what
// comes before it has to be evaluated for that. It ends a text that must end where
// no token says so.
func (g *generation) takeForced() (bool, error) {
	if err := g.look(); g.c == nil || err != nil {
		return false, err
	}
	if g.c.over {
		g.r.Reason = StopEndToken
		return true, nil
	}
	if g.c.forced < 0 || g.o.Alternatives > 0 {
		return false, nil
	}
	g.r.ForcedTokens++
	return true, g.take(g.c.forced, nil)
}

// choose returns the token that follows the evaluated ones, with its place.
func (g *generation) choose(ctx context.Context) (id int, p *place, err error) {
	s := g.s
	know := func(w want) (*place, error) { return s.know(ctx, s.evaluated, w) }
	if err := g.look(); err != nil {
		return 0, nil, err
	}
	if g.c != nil {
		return g.chooseAllowed(know)
	}
	if p, err = know(g.free); err != nil {
		return 0, nil, err
	}
	return s.choose(p, g.o, g.r.Tokens), p, nil
}

// take adds a token that was chosen in a place to the session and to the result,
// which gets its Reason where generation ends with it. A token that was forced has
// no place.
func (g *generation) take(id int, p *place) error {
	s, r := g.s, g.r
	if r.CompletionTokens == 0 {
		r.PromptTime = time.Since(g.start)
	}
	t := Token{ID: id, session: s, after: len(s.tokens), serial: s.last.serial, forced: p == nil}
	r.CompletionTokens++
	if g.o.Logits != nil {
		g.o.Logits(id, p.logits)
	}
	g.piece = s.model.tokenizer.AppendNext(g.piece[:0], s.lastToken(), id)
	s.tokens = append(s.tokens, id)
	special := s.model.tokenizer.IsSpecial(id)
	switch {
	case special && slices.Contains(g.o.Stop, string(g.piece)):
		r.Reason = StopString
		return nil
	case slices.Contains(s.model.endTokens, id) || slices.Contains(g.o.EndTokens, id):
		r.Reason = StopEndToken
		return nil
	}
	r.Tokens = append(r.Tokens, id)
	var err error
	if g.c != nil {
		err = g.c.accept(id)
	}
	if g.o.Alternatives > 0 {
		t.Alternatives = s.alternatives(p.logits, g.o.Alternatives)
	}
	if !special && g.text.add(g.piece) {
		r.Reason = StopString
	}
	if r.Reason == "" && g.o.MaxTokens > 0 && r.CompletionTokens >= g.o.MaxTokens {
		r.Reason = StopMaxTokens
	}
	certain := g.certain(r.Reason != "" || len(s.tokens) >= s.context, false)
	t.Text, t.Reasoning = certain.Text, certain.Reasoning
	if !g.yield(t) && r.Reason == "" {
		r.Reason = StopBreak
	}
	return err
}

// certain returns the text that has become certain, with all everything that is
// there, as a token that has no id. At the end nothing is held back.
func (g *generation) certain(all, end bool) Token {
	t := Token{ID: -1, Text: g.text.take(all)}
	if g.o.SplitReasoning {
		t.Reasoning, t.Text = g.thinking.add(t.Text)
		if end {
			reasoning, text := g.thinking.end()
			t.Reasoning, t.Text = t.Reasoning+reasoning, t.Text+text
		}
	}
	g.all.WriteString(t.Text)
	g.reasoning.WriteString(t.Reasoning)
	return t
}

// screenedTopK bounds the TopK for which the few logits that matter are looked
// for. Beyond it they would be so many that computing all is as fast.
const screenedTopK = 1000

// want says which logits choosing a token takes.
func (o *GenerateOptions) want(m *Model) want {
	k := 1
	if o.Temperature != 0 {
		k = o.TopK
	}
	if k < 1 || k > screenedTopK || o.changesLogits() || o.Alternatives > 0 || o.Logits != nil || !m.useScreen {
		return allLogits
	}
	return want(k)
}

// changesLogits reports whether tokens are chosen by other logits than the
// model's.
func (o *GenerateOptions) changesLogits() bool {
	return o.RepetitionPenalty != 0 && o.RepetitionPenalty != 1 ||
		o.PresencePenalty != 0 || o.FrequencyPenalty != 0 || len(o.LogitBias) > 0
}

// choose returns the token that follows a place, where some have been generated.
func (s *Session) choose(p *place, o *GenerateOptions, generated []int) int {
	if !p.complete {
		return s.draw(p.largest.Rows, p.largest.Logits, o)
	}
	logits := p.logits
	if o.changesLogits() {
		logits = s.sampling.change(logits, s.tokens, generated, o)
	}
	return s.draw(nil, logits, o)
}

func (s *Session) draw(ids []int, logits []float32, o *GenerateOptions) int {
	if o.Temperature == 0 {
		return largest(ids, logits)
	}
	return s.sampling.sample(s.model.floatKernels(), ids, logits, o)
}

func (m *Model) floatKernels() *kernel.Set { return m.engine.FloatKernels() }

// assembler turns the bytes of tokens into text: whole characters only, and
// nothing that may yet turn out to be a stop string.
type assembler struct {
	stops   []string
	pending []byte
	stopped bool
}

// add takes the bytes of a token and reports whether they complete a stop
// string. What comes after that is dropped.
func (a *assembler) add(piece []byte) (stopped bool) {
	if a.stopped {
		return true
	}
	a.pending = append(a.pending, piece...)
	end := -1
	for _, stop := range a.stops {
		if i := bytes.Index(a.pending, []byte(stop)); i >= 0 && (end < 0 || i < end) {
			end = i
		}
	}
	if end >= 0 {
		a.pending, a.stopped = a.pending[:end], true
	}
	return a.stopped
}

// take returns the text that is certain; with all, everything that is there.
func (a *assembler) take(all bool) string {
	n := len(a.pending)
	if !all && !a.stopped {
		for _, stop := range a.stops {
			for held := min(len(stop)-1, len(a.pending)); held > 0; held-- {
				if string(a.pending[len(a.pending)-held:]) == stop[:held] {
					n = min(n, len(a.pending)-held)
					break
				}
			}
		}
		// An incomplete character at the end: its first byte is one of the
		// last three.
		for i := n - 1; i >= max(n-utf8.UTFMax+1, 0); i-- {
			if utf8.RuneStart(a.pending[i]) {
				if !utf8.FullRune(a.pending[i:n]) {
					n = i
				}
				break
			}
		}
	}
	text := validText(a.pending[:n])
	a.pending = append(a.pending[:0], a.pending[n:]...)
	return text
}

// validText returns text in which what belongs to no UTF-8 character, a byte or
// the beginning of a character that does not go on, is replaced by U+FFFD. It
// does not depend on how the text was cut, as long as no character was.
func validText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var text strings.Builder
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 && !utf8.FullRune(b[:1]) {
			for size < len(b) && !utf8.FullRune(b[:size+1]) {
				size++
			}
		}
		text.WriteRune(r)
		b = b[size:]
	}
	return text.String()
}
