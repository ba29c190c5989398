package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/tokenizer"
)

// newFlags returns the set of the command's flags, which it keeps for whoever
// wants to know them.
func (c *call) newFlags() *flag.FlagSet {
	c.flags = flag.NewFlagSet("", flag.ContinueOnError)
	c.flags.SetOutput(io.Discard) // the error says it all
	c.flags.Usage = func() {}
	return c.flags
}

// parse parses flags that stand before, between and behind the positional
// arguments, which it returns. Behind "--" everything is positional.
func parse(flags *flag.FlagSet, args []string) (positional []string, err error) {
	for {
		if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, usagef("%s", strings.Replace(err.Error(), "flag provided but not defined:", "unknown flag", 1))
		}
		rest := flags.Args()
		if len(rest) == 0 {
			return positional, nil
		}
		if n := len(args) - len(rest); n > 0 && args[n-1] == "--" {
			return append(positional, rest...), nil
		}
		positional, args = append(positional, rest[0]), rest[1:]
	}
}

// parseAlone is parse for commands that have flags only.
func parseAlone(flags *flag.FlagSet, args []string) error {
	positional, err := parse(flags, args)
	if err == nil && len(positional) > 0 {
		return usagef("unexpected argument %q: everything is given by flags, and text with spaces in quotes", positional[0])
	}
	return err
}

func given(flags *flag.FlagSet, name string) bool {
	found := false
	flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// modelFlags say which model to open, and how.
type modelFlags struct {
	path       string // or a name
	file       string // where it lies, once it has been located
	pull       bool
	tokenizer  string
	activation string
	threads    int
	shared     bool
}

const modelHelp = `  --model M         the GGUF file of a BitNet b1.58 model, or a name as bitnet
                    models lists them (default: BITNET_MODEL, or the built-in
                    one, which only knows small sums)
` + pullHelp + `  --tokenizer T     take the vocabulary from this GGUF or tokenizer.json instead
                    of the model's
  --activation A    what the file may get wrong or not say: relu2, or silu for
                    a model of 1bitLLM's that calls itself bitnet-b1.58
  --threads N       compute with N threads; 0 means all processors that the
                    process may use (default: BITNET_THREADS, or 0)
  --shared-weights  leave the weights in the mapped file, whose memory processes
                    share, instead of moving them to large pages
`

// pullHelp explains a flag that goes with each --model.
const pullHelp = `  --pull            download the model that is named, if it is not here, without
                    asking
`

func (m *modelFlags) register(flags *flag.FlagSet, s settings) {
	m.threads = s.threads
	flags.StringVar(&m.path, "model", s.model, "")
	flags.BoolVar(&m.pull, "pull", false, "")
	flags.StringVar(&m.tokenizer, "tokenizer", "", "")
	flags.StringVar(&m.activation, "activation", "", "")
	flags.BoolVar(&m.shared, "shared-weights", false, "")
	flags.Func("threads", "", func(text string) (err error) {
		m.threads, err = parseCount(text, maxThreads)
		return err
	})
}

// checkNames refuses names of files that were given as nothing, as by a variable
// of a script that is not set: the built-in model is for whoever names none.
func checkNames(flags *flag.FlagSet) error {
	for _, name := range []string{"model", "tokenizer", "prompt-file", "load", "save", "file", "json-schema", "grammar"} {
		if given(flags, name) && flags.Lookup(name).Value.String() == "" {
			return usagef("--%s is given, but empty: name a file, or leave it out", name)
		}
	}
	return nil
}

// builtIn is the name of the built-in model where others have that of a file.
const builtIn = "arithmetic (built in)"

// name returns what to call the model.
func (m *modelFlags) name() string { return cmp.Or(m.path, builtIn) }

// tellBuiltIn tells that the built-in model is used. Whoever expects more of it
// than it knows would wonder.
func tellBuiltIn(c *call) {
	c.infof("no --model: using the built-in arithmetic model, which only knows small sums")
}

// builtInFile returns the file of the built-in model.
func builtInFile() (*gguf.File, error) {
	data, err := io.ReadAll(arithmetic.File())
	if err != nil {
		return nil, err
	}
	return gguf.Parse(data)
}

// locate finds the model's file, or brings it, if that has not been done.
func (m *modelFlags) locate(c *call) (err error) {
	if m.file == "" {
		m.file, err = c.locate(m.path, m.pull)
	}
	return err
}

// open opens the model and returns it with the time that took.
func (m *modelFlags) open(c *call) (*bitnet.Model, time.Duration, error) {
	if err := m.locate(c); err != nil {
		return nil, 0, err
	}
	start := time.Now()
	options := []bitnet.Option{bitnet.WithThreads(m.threads), bitnet.WithKernels(c.settings.kernels), bitnet.WithActivation(m.activation)}
	if m.tokenizer != "" {
		t, err := openTokenizer(m.tokenizer)
		if err != nil {
			return nil, 0, err
		}
		options = append(options, bitnet.WithTokenizer(t))
	}
	if m.shared {
		options = append(options, bitnet.WithSharedWeights())
	}
	var model *bitnet.Model
	var err error
	if m.path == "" {
		tellBuiltIn(c)
		model, err = arithmetic.Open(options...)
	} else {
		model, err = bitnet.Open(m.file, options...)
	}
	if err != nil {
		return nil, 0, describeOpen(m.name(), err)
	}
	took := time.Since(start)
	config := model.Config()
	c.debugf("model %q: %s, %d blocks, width %d, vocabulary %d, context %d; %d threads, %s kernels; opened in %.3f s",
		config.Name, config.Architecture, config.Blocks, config.EmbeddingLength, config.VocabularySize, config.ContextLength,
		model.Threads(), model.Kernels(), took.Seconds())
	return model, took, nil
}

func openTokenizer(path string) (*tokenizer.Tokenizer, error) {
	t, err := tokenizer.Open(path)
	if err != nil {
		return nil, describeOpen(path, err)
	}
	return t, nil
}

// describeOpen adds to the error of opening a file what is to be done.
func describeOpen(path string, err error) error {
	var about *fs.PathError
	switch {
	case errors.As(err, &about) && about.Path != path:
		return err // another file of the same model, which it names
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: there is no such file: check the path", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: you may not read this file: check its permissions", path)
	case errors.Is(err, bitnet.ErrModel):
		return fmt.Errorf("%s cannot be run: %w (bitnet inspect shows what is in it)", path, err)
	}
	return describeVocabulary(err)
}

// describeVocabulary adds to an error of a vocabulary what is to be done.
func describeVocabulary(err error) error {
	if errors.Is(err, tokenizer.ErrVocabulary) {
		return fmt.Errorf("%w (--tokenizer can name another file with the vocabulary)", err)
	}
	return err
}

// generationFlags say how text is generated.
type generationFlags struct {
	maxTokens   int
	greedy      bool
	temperature float64
	topK        int
	topP, minP  float64
	penalty     float64
	presence    float64
	frequency   float64
	seed        *uint64
	stop        []string
	context     int // 0: what the model has
	noLookahead bool
}

const generationHelp = `  --greedy          always take the likeliest token; this is the default
  --temperature X   draw tokens at this temperature; 0 is greedy (default: 0)
  --top-k K         draw from the K likeliest tokens only (default: 0, all)
  --min-p P         leave out tokens less likely than P times the likeliest one
                    (default: 0, none)
  --top-p P         draw from the fewest likeliest tokens that together have the
                    probability P (default: 1, all)
  --repeat-penalty X
                    make tokens that are in the text already less likely by this
                    factor (default: 1, none)
  --presence-penalty X
                    lower the logit of tokens that have been generated by X
                    (default: 0)
  --frequency-penalty X
                    lower it by X for each time that they have been (default: 0)
  --seed N          the same seed gives the same text on every machine (default:
                    BITNET_SEED, or a random one that is told)
  --stop TEXT       end where this text appears; may be given several times
  --no-lookahead    evaluate tokens one by one, without guesses of what comes
                    next; the text is the same
` + contextHelp

const contextHelp = `  --context N       hold N tokens at most (default: as many as the model can)
`

func (g *generationFlags) register(flags *flag.FlagSet, s settings, maxTokens int) {
	g.maxTokens, g.seed = maxTokens, s.seed
	count := func(p *int) func(string) error {
		return func(text string) (err error) {
			*p, err = parseCount(text, math.MaxInt32)
			return err
		}
	}
	flags.Func("max-tokens", "", count(&g.maxTokens))
	flags.Func("top-k", "", count(&g.topK))
	flags.Func("top-p", "", share(&g.topP))
	flags.Func("min-p", "", share(&g.minP))
	flags.BoolVar(&g.greedy, "greedy", false, "")
	flags.Func("temperature", "", factor(&g.temperature))
	flags.Func("repeat-penalty", "", factor(&g.penalty))
	flags.Func("presence-penalty", "", number(&g.presence))
	flags.Func("frequency-penalty", "", number(&g.frequency))
	flags.Func("stop", "", func(text string) error {
		if text == "" {
			return errors.New("it must not be empty")
		}
		g.stop = append(g.stop, text)
		return nil
	})
	flags.BoolVar(&g.noLookahead, "no-lookahead", false, "")
	registerContext(flags, &g.context)
	flags.Func("seed", "", func(text string) error {
		seed, err := parseSeed(text)
		g.seed = &seed
		return err
	})
}

// factor parses a temperature or a penalty; 0 is none.
func factor(p *float64) func(string) error {
	return func(text string) error {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || x != 0 && !(x >= 1e-6 && x <= 1e6) {
			return errors.New("it must be 0 or a number from 0.000001 to 1000000")
		}
		*p = x
		return nil
	}
}

// number parses what is added to logits.
func number(p *float64) func(string) error {
	return func(text string) error {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || !(math.Abs(x) <= 1e6) {
			return errors.New("it must be a number from -1000000 to 1000000")
		}
		*p = x
		return nil
	}
}

// share parses a number from 0 to 1.
func share(p *float64) func(string) error {
	return func(text string) error {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || !(x >= 0 && x <= 1) {
			return errors.New("it must be a number from 0 to 1")
		}
		*p = x
		return nil
	}
}

// options checks how the flags go together and returns what they say. Where
// tokens are drawn and no seed was given it draws one. Greedy decoding has no
// seed: g.seed is nil afterwards.
func (g *generationFlags) options(c *call) (bitnet.GenerateOptions, error) {
	o := bitnet.GenerateOptions{
		MaxTokens: g.maxTokens, Stop: g.stop, Temperature: g.temperature,
		TopK: g.topK, TopP: g.topP, MinP: g.minP,
		RepetitionPenalty: g.penalty, PresencePenalty: g.presence, FrequencyPenalty: g.frequency,
	}
	if g.temperature == 0 {
		g.seed = nil
		for _, name := range []string{"top-k", "top-p", "min-p", "seed"} {
			if given(c.flags, name) {
				c.warnf("--%s changes nothing without --temperature", name)
			}
		}
		return o, nil
	}
	if g.greedy {
		return o, usagef("--greedy and --temperature %v exclude each other: leave one out", g.temperature)
	}
	if g.seed == nil {
		if c.settings.deterministic {
			return o, usagef("BITNET_DETERMINISTIC=1 refuses sampling with a random seed: give one by --seed or in BITNET_SEED, or leave out --temperature")
		}
		// Short enough to be typed again, and exact in every reader of JSON.
		seed := uint64(rand.Uint32())
		g.seed = &seed
	}
	o.Seed = *g.seed
	return o, nil
}

// sessionOptions returns what the flags ask of a session.
func (g *generationFlags) sessionOptions(m *bitnet.Model) ([]bitnet.SessionOption, error) {
	options, err := contextOptions(m, g.context)
	if g.noLookahead {
		options = append(options, bitnet.WithoutLookahead())
	}
	return options, err
}

// newSession returns a session with what the flags ask for.
func (g *generationFlags) newSession(m *bitnet.Model) (*bitnet.Session, error) {
	options, err := g.sessionOptions(m)
	if err != nil {
		return nil, err
	}
	return m.NewSession(options...)
}

func registerContext(flags *flag.FlagSet, tokens *int) {
	flags.Func("context", "", func(text string) (err error) {
		if *tokens, err = parseCount(text, math.MaxInt32); *tokens == 0 {
			return errors.New("it must be a whole number from 1 to the model's context")
		}
		return err
	})
}

// contextOptions returns what --context asks of a session; 0 is nothing.
func contextOptions(m *bitnet.Model, tokens int) ([]bitnet.SessionOption, error) {
	if tokens == 0 {
		return nil, nil
	}
	if n := m.Config().ContextLength; tokens > n {
		return nil, fmt.Errorf("--context %d is more than the model's %d", tokens, n)
	}
	return []bitnet.SessionOption{bitnet.WithContext(tokens)}, nil
}

// debugKernels tells how often each kernel was used.
func debugKernels(c *call, model *bitnet.Model) {
	if c.settings.log < logDebug {
		return
	}
	counts, err := model.KernelCounts(context.Background())
	if err == nil {
		c.debugf("kernels used: %v", counts)
	}
}
