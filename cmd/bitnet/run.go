package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet"
)

var runCommand = command{
	name:    "run",
	summary: "continue a prompt",
	help: `bitnet run [--model M] --prompt P [flags]

Continues the prompt. The text goes to standard output as it is generated, and
nothing else does; timings go to standard error.

` + modelHelp + `  --prompt P        the text to continue, in which special tokens such as
                    <|eot_id|> are recognised
  --prompt-file F   take the prompt from this file instead, less one line break
                    at its end; - is standard input, and the default
  --max-tokens N    generate N tokens at most; 0 means until the context is full
                    (default: 128)
` + constraintHelp + generationHelp + `  --json            print one JSON object when done: text, tokens,
                    prompt_tokens, completion_tokens, reason, seed (null where
                    greedy), model, kernels, threads, timings

  --save F          write the session to this file in the end: the tokens and
                    what has been computed of them
  --load F          go on with a session that was saved, with the same model;
                    there need not be a prompt then

Ctrl-C ends generation; the text so far stays.
`,
	run: runPrompt,
}

// answer is the object that --json prints.
type answer struct {
	Text             string            `json:"text"`
	Tokens           []int             `json:"tokens"`
	PromptTokens     int               `json:"prompt_tokens"`
	CompletionTokens int               `json:"completion_tokens"` // with the token that ended the text
	Reason           bitnet.StopReason `json:"reason"`
	Seed             *uint64           `json:"seed"`
	Model            string            `json:"model"`
	*circumstances
}

// circumstances are the part of an answer that is not the same each time.
type circumstances struct {
	Kernels string  `json:"kernels"`
	Threads int     `json:"threads"`
	Timings timings `json:"timings"`
}

// timings are in seconds and tokens per second; a rate without anything to
// measure is 0.
type timings struct {
	Load       float64 `json:"load_seconds"`
	Prompt     float64 `json:"prompt_seconds"` // up to the choice of the first token
	PromptRate float64 `json:"prompt_tokens_per_second"`
	FirstToken float64 `json:"first_token_seconds"` // loading and prompt
	Decode     float64 `json:"decode_seconds"`      // from the first token to the last
	DecodeRate float64 `json:"decode_tokens_per_second"`
}

func runPrompt(c *call) error {
	var model modelFlags
	var generation generationFlags
	flags := c.newFlags()
	model.register(flags, c.settings)
	generation.register(flags, c.settings, 128)
	var constraint constraintFlags
	constraint.register(flags)
	prompt := flags.String("prompt", "", "")
	promptFile := flags.String("prompt-file", "", "")
	asJSON := flags.Bool("json", false, "")
	save := flags.String("save", "", "")
	load := flags.String("load", "", "")
	if err := parseAlone(flags, c.args); err != nil {
		return err
	}
	if err := checkNames(flags); err != nil {
		return err
	}
	options, err := generation.options(c)
	if err != nil {
		return err
	}
	switch {
	case given(flags, "prompt") && *promptFile != "":
		return usagef("--prompt and --prompt-file exclude each other: leave one out")
	case given(flags, "prompt"), *load != "" && *promptFile == "":
	case *promptFile == "" && isTerminal(c.stdin):
		return usagef("no prompt: give one by --prompt, --prompt-file or on standard input")
	default:
		if *prompt, err = readPrompt(c, cmp.Or(*promptFile, "-")); err != nil {
			return err
		}
	}

	if options.Constraint, err = constraint.constraint(c); err != nil {
		return err
	}
	m, loading, err := model.open(c)
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := generation.newSession(m)
	if *load != "" && err == nil {
		s, err = generation.loadSession(m, *load)
	}
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, stop := interruptible()
	defer stop()

	out := textWriter{w: c.stdout, terminal: isTerminal(c.stdout)}
	emit := out.write
	if *asJSON {
		emit = func(string) error { return nil }
	}
	result, err := generate(ctx, newProgress(c, 0), s, *prompt, options, emit)
	if result == nil {
		if i := interrupted(ctx); i != nil {
			return &interruption{i.signal, "before the first token"}
		}
		return err
	}
	debugKernels(c, m)
	t := measure(result)
	t.Load = loading.Seconds()
	t.FirstToken = (loading + result.PromptTime).Seconds()
	if *asJSON {
		if err := printAnswer(c, result, generation.seed, model.name(), m, t); err != nil {
			return err
		}
	} else if err := endLine(c, result.Text, out.terminal); err != nil {
		return err
	}
	if *save != "" {
		if err := writeFile(*save, s.Save); err != nil {
			return err
		}
	}
	if i := interrupted(ctx); i != nil && err != nil {
		done := fmt.Sprintf("after %d tokens", result.CompletionTokens)
		if generation.seed != nil {
			done += fmt.Sprintf(" (seed %d)", *generation.seed)
		}
		return &interruption{i.signal, done}
	}
	if err != nil {
		return err
	}
	c.infof("%s", t.line(result, generation.seed))
	return nil
}

// readPrompt returns what is in a file, or in standard input for "-", less one
// line break at its end.
func readPrompt(c *call, path string) (string, error) {
	text, name, err := readText(c, path)
	if err != nil {
		return "", fmt.Errorf("the prompt: %w", err)
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if text == "" {
		return "", usagef("no prompt: %s is empty: give text there or by --prompt", name)
	}
	return text, nil
}

// readText returns what is in a file, or in standard input for "-", and what to
// call that.
func readText(c *call, path string) (text, name string, err error) {
	in, name := c.stdin, "standard input"
	if path != "-" {
		f, err := os.Open(path) // a pipe too: a shell makes one of <(command)
		if err != nil {
			return "", "", describeOpen(path, err)
		}
		defer f.Close()
		in, name = f, path
	}
	text, err = readInput(in, name)
	return text, name, err
}

// loadSession returns a session that --save has written.
func (g *generationFlags) loadSession(m *bitnet.Model, path string) (*bitnet.Session, error) {
	options, err := g.sessionOptions(m)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, describeOpen(path, err)
	}
	defer f.Close()
	s, err := m.RestoreSession(f, options...)
	var full *bitnet.ContextError
	if errors.As(err, &full) {
		return nil, fmt.Errorf("%s holds %d tokens, and the context is to be %d: choose a larger --context", path, full.Added, full.Context)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// generate continues the session and hands each piece of text to emit. There is
// no result where the prompt could not be evaluated or emit failed.
func generate(ctx context.Context, p *progress, s *bitnet.Session, prompt string, o bitnet.GenerateOptions, emit func(string) error) (*bitnet.Result, error) {
	o.Progress = func(evaluated, total int) {
		if total > bitnet.BlockTokens {
			p.show("prompt: %d of %d tokens", evaluated, total)
		}
	}
	var err error
	for token, failure := range s.Stream(ctx, prompt, o) {
		p.erase()
		if failure != nil {
			err = failure
		}
		if failure := emit(token.Text); failure != nil {
			return nil, failure
		}
	}
	p.erase()
	if s.Result() == nil {
		return nil, describePrompt(err)
	}
	return s.Result(), err
}

// endLine ends the line of the text, so that what is told on standard error does
// not stand behind it: on a terminal, and where both go to the same place.
func endLine(c *call, text string, terminal bool) error {
	if terminal {
		return writeOut(c.stdout, "\n")
	}
	if text != "" && !strings.HasSuffix(text, "\n") && sameFile(c.stdout, c.stderr) {
		io.WriteString(c.stderr, "\n")
	}
	return nil
}

func describePrompt(err error) error {
	var full *bitnet.ContextError
	switch {
	case !errors.As(err, &full):
		return err
	case full.Length > 0:
		return fmt.Errorf("the prompt has %d tokens and the context room for %d of %d: shorten it", full.Added, full.Context-full.Length, full.Context)
	default:
		return fmt.Errorf("the prompt has %d tokens and the model's context %d: shorten it", full.Added, full.Context)
	}
}

func measure(r *bitnet.Result) timings {
	t := timings{Prompt: r.PromptTime.Seconds(), Decode: r.CompletionTime.Seconds()}
	if t.Prompt > 0 {
		t.PromptRate = float64(r.PromptTokens) / t.Prompt
	}
	if t.Decode > 0 && r.CompletionTokens > 1 {
		t.DecodeRate = float64(r.CompletionTokens-1) / t.Decode
	}
	return t
}

func (t *timings) line(r *bitnet.Result, seed *uint64) string {
	line := fmt.Sprintf("load %.2f s, prompt %d tokens at %.1f/s", t.Load, r.PromptTokens, t.PromptRate)
	if r.CompletionTokens > 0 {
		line += fmt.Sprintf(", first token after %.2f s, %d tokens", t.FirstToken, r.CompletionTokens)
	}
	if t.DecodeRate > 0 {
		line += fmt.Sprintf(" at %.1f/s", t.DecodeRate)
	}
	line += fmt.Sprintf(", ended by %s", r.Reason)
	if seed != nil {
		line += fmt.Sprintf(", seed %d", *seed)
	}
	return line
}

func printAnswer(c *call, r *bitnet.Result, seed *uint64, name string, m *bitnet.Model, t timings) error {
	a := answer{
		Text: r.Text, Tokens: r.Tokens, PromptTokens: r.PromptTokens, CompletionTokens: r.CompletionTokens,
		Reason: r.Reason, Seed: seed, Model: name,
	}
	if a.Tokens == nil {
		a.Tokens = []int{}
	}
	if !c.settings.deterministic {
		a.circumstances = &circumstances{Kernels: m.Kernels(), Threads: m.Threads(), Timings: t}
	}
	encoder := json.NewEncoder(c.stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(a); err != nil {
		return fmt.Errorf("writing standard output: %w", err)
	}
	return nil
}
