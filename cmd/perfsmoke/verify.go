package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
	"github.com/gobitnet/gobitnet/quant"
)

const verifySynopsis = "verify FILE [--replay [--model MODEL] [--tokenizer TOKENIZER] [--threads N]]"

// verifyCommand says whether to believe a receipt.
func verifyCommand(c *console, args []string) int {
	flags := newFlags("verify")
	replay := flags.Bool("replay", false, "run it again and compare tokens and logits")
	model := flags.String("model", "", "`file` of the model (default: found by its hash, where it is the built-in one or a synthetic one)")
	tokenizer := flags.String("tokenizer", "", "`file` of the tokenizer, where it is not the model's own")
	threads := flags.Int("threads", 1, "run it again with `n` threads")
	timeout := flags.Duration("timeout", 30*time.Minute, "give up running it again after this `time`")
	rest, status, ok := c.parse(flags, args, verifySynopsis)
	if !ok {
		return status
	}
	empty := givenEmpty(flags, "model", "tokenizer")
	switch {
	case empty != "":
		return c.usageError("--%s is given, but empty", empty)
	case len(rest) != 1:
		return c.usageError("verify takes one receipt: perfsmoke %s", verifySynopsis)
	case !*replay && (*model != "" || *tokenizer != ""):
		return c.usageError("--model and --tokenizer are for --replay")
	case *threads < 1 || *threads > 1024:
		return c.usageError("--threads %d is not between 1 and 1024", *threads)
	case *timeout <= 0:
		return c.usageError("--timeout %v is not above 0", *timeout)
	}
	kernels := c.env("BITNET_CPU")
	if kernels != "" {
		if _, err := quant.Named(kernels); err != nil {
			return c.usageError("BITNET_CPU: %v", err)
		}
	}
	if err := c.readLogLevel(); err != nil {
		return c.usageError("%v", err)
	}

	path := rest[0]
	r, err := receipt.Read(path)
	if err != nil {
		return c.fail("%s is rejected: %v", path, err)
	}
	problems := r.Verify()
	for _, p := range problems {
		c.fail("%s is rejected: %v", path, p)
	}
	if len(problems) > 0 {
		return exitFailed
	}
	if !*replay {
		fmt.Fprintf(c.stdout, "%s is consistent: %s, %s\n", printable(path), printable(r.Model.File), speedText(r))
		return exitOK
	}

	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer release()
	ctx, cancel := context.WithTimeoutCause(ctx, *timeout, errTimeout)
	defer cancel()
	again, problem := c.replay(ctx, r, &inference{model: *model, tokenizer: *tokenizer, threads: *threads, kernels: kernels})
	if problem != nil {
		return c.fail("%s is rejected: %v", path, problem)
	}
	fmt.Fprintf(c.stdout, "%s is confirmed: %s gave the same %s and the same bits of their logits, with kernels %s and %s\n",
		printable(path), printable(r.Model.File), plural(r.TokensGenerated, "token"), again.kernelSet, plural(again.threads, "thread"))
	return exitOK
}

// replay runs what the receipt says again, with the kernels and threads of i,
// and compares. The receipt is consistent in itself.
func (c *console) replay(ctx context.Context, r *receipt.Receipt, i *inference) (*observation, *receipt.Problem) {
	problem := func(field, format string, args ...any) (*observation, *receipt.Problem) {
		return nil, &receipt.Problem{Field: field, Reason: fmt.Sprintf(format, args...)}
	}
	m, err := c.modelOf(ctx, r, i.model)
	if err != nil {
		return problem("model", "cannot be run again: %v", err)
	}
	if m.sha256 != r.Model.SHA256 {
		return problem("model.sha256", "is %s, but that of %s is %s", r.Model.SHA256, filepath.Base(m.path), m.sha256)
	}
	if m.bytes != r.Model.Bytes {
		return problem("model.bytes", "is %d, but the file has %d", r.Model.Bytes, m.bytes)
	}
	i.model = m.path
	switch {
	case r.Tokenizer.Source == receipt.TokenizerOfModel:
		i.tokenizer = ""
	case i.tokenizer == "":
		return problem("tokenizer", "is a file of its own, %s: name it with --tokenizer", r.Tokenizer.File)
	default:
		sum, _, err := hashFile(ctx, i.tokenizer)
		if err != nil {
			return problem("tokenizer", "cannot be read: %v", err)
		}
		if sum != r.Tokenizer.SHA256 {
			return problem("tokenizer.sha256", "is %s, but that of %s is %s", r.Tokenizer.SHA256, filepath.Base(i.tokenizer), sum)
		}
	}

	i.prompt, i.promptIDs, i.repeat = r.Prompt, r.PromptIDs, 1
	// One token more than there were shows whether it ended where it says.
	i.maxTokens = min(r.TokensRequested, r.TokensGenerated+1)
	c.info("running %s again", r.Model.File)
	seen, _ := c.observe(ctx, i)
	if f := seen.failure; f != nil {
		return problem("model", "cannot be run again: %s while %s: %s", f.Kind, phaseText(f.Phase), f.Message)
	}
	if seen.config != r.Model.Config {
		return problem("model.config", "is not what the file says")
	}
	claimed := result{r.GeneratedIDs, r.Text, r.StopReason, r.LogitsSHA256, r.LogitRows}
	if field := seen.result.differs(&claimed); field != "" {
		return problem(field, "running it again gives another result")
	}
	return seen, nil
}

// modelOf finds the model of a receipt: the named file, the built-in model, or
// one that can be made again.
func (c *console) modelOf(ctx context.Context, r *receipt.Receipt, path string) (modelFile, error) {
	if path != "" {
		return namedModel(ctx, path)
	}
	if r.Model.Synthetic != nil {
		return c.syntheticModel(ctx, *r.Model.Synthetic)
	}
	m, err := c.defaultModel(ctx)
	switch {
	case err != nil || m.sha256 == r.Model.SHA256:
	case r.Model.BuiltIn != "":
		err = fmt.Errorf("this program has another version of the built-in model %s, with SHA-256 %s: run the version of perfsmoke that wrote the receipt, or name the model's file with --model", m.builtIn, m.sha256)
	default:
		err = fmt.Errorf("%s is not the built-in model: name its file with --model", r.Model.File)
	}
	return m, err
}
