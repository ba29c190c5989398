package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/gobitnet/gobitnet/cmd/internal/output"
	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

const verifySynopsis = "verify FILE [--replay [--model MODEL] [--tokenizer TOKENIZER] [--threads N]]"

// verifyCommand says whether to believe a receipt.
//
// Its exit status is exitOK for a receipt that is consistent or, run again,
// confirmed, exitFailed for one that is refused, and exitUnchecked where it could
// not be checked, which says nothing about it.
func verifyCommand(c *console, args []string) int {
	set, err := c.readEnvironment()
	if err != nil {
		return c.usageError("%v", err)
	}
	flags := newFlags("verify")
	replay := flags.Bool("replay", false, "run it again and compare tokens and logits")
	model := flags.String("model", "", "`file` of the model, or its name (default: found by its hash, where it is the built-in one or a synthetic one; otherwise BITNET_MODEL)")
	tokenizer := flags.String("tokenizer", "", "`file` of the tokenizer, where it is not the model's own")
	threads := flags.Int("threads", set.threads, "run it again with `n` threads; 0 means all processors that there are (default: BITNET_THREADS, or 1)")
	timeout := flags.Duration("timeout", 30*time.Minute, "give up running it again after this `time`")
	rest, status, ok := c.parse(flags, args, verifySynopsis)
	if !ok {
		return status
	}
	empty := givenEmpty(flags, "model", "tokenizer")
	err = checkThreads(threads)
	switch {
	case empty != "":
		return c.usageError("--%s is given, but empty", empty)
	case len(rest) != 1:
		return c.usageError("verify takes one receipt: perfsmoke %s", verifySynopsis)
	case !*replay && (*model != "" || *tokenizer != ""):
		return c.usageError("--model and --tokenizer are for --replay")
	case err != nil:
		return c.usageError("%v", err)
	case *timeout <= 0:
		return c.usageError("--timeout %v is not above 0", *timeout)
	}

	path := rest[0]
	unchecked := func(format string, args ...any) int {
		c.fail("%s could not be checked: %s", path, fmt.Sprintf(format, args...))
		return exitUnchecked
	}
	r, err := receipt.Read(path)
	var form *receipt.FormatError
	switch {
	case errors.As(err, &form):
		return c.fail("%s is refused: %v", path, err)
	case err != nil:
		return unchecked("%v", err)
	}
	problems := r.Verify()
	for _, p := range problems {
		c.fail("%s is refused: %v", path, p)
	}
	if len(problems) > 0 {
		return exitFailed
	}
	if !*replay {
		fmt.Fprintf(c.stdout, "%s is consistent: %s, %s\n%s\n", printable(path), printable(r.Model.File), speedText(r), unconfirmed)
		return exitOK
	}

	ctx, release := output.NotifyContext(context.Background())
	defer release()
	ctx, cancel := context.WithTimeoutCause(ctx, *timeout, errTimeout)
	defer cancel()
	again, problem, err := c.replay(ctx, r, set.model, &inference{model: *model, tokenizer: *tokenizer, threads: *threads, kernels: set.kernels})
	switch {
	case err != nil:
		return unchecked("%v", err)
	case problem != nil:
		return c.fail("%s is refused: %v", path, problem)
	}
	fmt.Fprintf(c.stdout, "%s is confirmed: %s gave the same %s and the same bits of their logits, with kernels %s and %s\n%s\n",
		printable(path), printable(r.Model.File), plural(r.TokensGenerated, "token"), again.kernelSet, plural(again.threads, "thread"), unconfirmed)
	return exitOK
}

// replay runs what the receipt says again, with the kernels and threads of i,
// and compares. The receipt is consistent in itself. A problem is a contradiction;
// an error says that it could not be run again. A model that is neither named nor
// known by its hash is in the file that otherwise names.
func (c *console) replay(ctx context.Context, r *receipt.Receipt, otherwise string, i *inference) (*observation, *receipt.Problem, error) {
	problem := func(field, format string, args ...any) (*observation, *receipt.Problem, error) {
		return nil, &receipt.Problem{Field: field, Reason: fmt.Sprintf(format, args...)}, nil
	}
	unchecked := func(format string, args ...any) (*observation, *receipt.Problem, error) {
		return nil, nil, fmt.Errorf(format, args...)
	}
	m, err := c.modelOf(ctx, r, cmp.Or(i.model, otherwise), i.model != "")
	if err != nil {
		return unchecked("model: %w", err)
	}
	switch {
	case m.sha256 == r.Model.SHA256:
	case m.synthetic != nil:
		return problem("model.sha256", "is %s, but model.synthetic makes one with %s", r.Model.SHA256, m.sha256)
	default:
		return unchecked("%s is another model, with SHA-256 %s, not that of the receipt's model.sha256, %s", filepath.Base(m.path), m.sha256, r.Model.SHA256)
	}
	if m.bytes != r.Model.Bytes {
		return problem("model.bytes", "is %d, but the file has %d", r.Model.Bytes, m.bytes)
	}
	if i.model = m.path; m.builtIn != "" {
		i.model = ""
	}
	switch {
	case r.Tokenizer.Source == receipt.TokenizerOfModel:
		i.tokenizer = ""
	case i.tokenizer == "":
		return unchecked("the tokenizer is a file of its own, %s: name it with --tokenizer", r.Tokenizer.File)
	default:
		sum, _, err := hashFile(ctx, i.tokenizer)
		if err != nil {
			return unchecked("tokenizer: %w", err)
		}
		if sum != r.Tokenizer.SHA256 {
			return unchecked("%s is another tokenizer, with SHA-256 %s, not that of the receipt's tokenizer.sha256, %s", filepath.Base(i.tokenizer), sum, r.Tokenizer.SHA256)
		}
	}

	i.prompt, i.repeat, i.sessions, i.logits = r.Prompt, 1, 1, true
	// One token more than there were shows whether it ended where it says.
	i.maxTokens = min(r.TokensRequested, r.TokensGenerated+1)
	c.info("running %s again", r.Model.File)
	seen, _ := c.observe(ctx, i)
	if f := seen.failure; f != nil {
		return unchecked("%s while %s: %s", f.Kind, phaseText(f.Phase), f.Message)
	}
	if seen.config != r.Model.Config {
		return problem("model.config", "is not what the file says")
	}
	if !slices.Equal(seen.promptIDs, r.PromptIDs) {
		return problem("prompt_ids", "are not those of the prompt")
	}
	claimed := result{r.GeneratedIDs, r.Text, r.StopReason, r.LogitsSHA256, r.LogitRows}
	if field := seen.result.differs(&claimed); field != "" {
		return problem(field, "running it again gives another result")
	}
	return seen, nil, nil
}

// modelOf finds the model of a receipt: the file that is named for it, the built-in
// model, one that can be made again, or else the file at path.
func (c *console) modelOf(ctx context.Context, r *receipt.Receipt, path string, named bool) (modelFile, error) {
	if named {
		return c.findNamed(ctx, path)
	}
	if r.Model.Synthetic != nil {
		return c.syntheticModel(ctx, *r.Model.Synthetic)
	}
	m, err := defaultModel()
	switch {
	case err != nil || m.sha256 == r.Model.SHA256:
	case r.Model.BuiltIn != "":
		err = fmt.Errorf("this program has another version of the built-in model %s, with SHA-256 %s: run the version of perfsmoke that wrote the receipt, or name the model's file with --model", m.builtIn, m.sha256)
	case path != "":
		return c.findNamed(ctx, path)
	default:
		err = fmt.Errorf("%s is not the built-in model: name its file with --model", r.Model.File)
	}
	return m, err
}
