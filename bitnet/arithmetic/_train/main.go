// Train makes the arithmetic model: it writes documents by rule, learns from them
// with ternary weights and 8-bit activations in the forward pass, and exports a
// GGUF file. The same seed gives the same losses, bit for bit, on every machine
// and with any number of threads.
//
//	go run . -out ../arithmetic.gguf -log training.log
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic/internal/tasks"
	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/tokenizer"
)

// A recipe is what the result depends on, beside the rules that data are made
// by (data.go).
type recipe struct {
	Shape       shape
	Schedule    schedule
	BatchTokens int
	Seed        uint64
}

// released is the recipe of the released file.
var released = recipe{
	Shape: shape{
		Width: 256, Inner: 512, Blocks: 4, Heads: 8, KVHeads: 4, Context: 512, Merges: 150,
		RoPEBase: 10000, Epsilon: 1e-5,
	},
	Schedule:    schedule{Steps: 4500, Rise: 100, Fall: 1500, Rate: 2e-3, Decay: 0.05},
	BatchTokens: 4096,
	Seed:        1,
}

const (
	everyLoss     = 200 // so many losses from the first on are logged
	lossEvery     = 100 // then each of these
	accuracyEvery = 500 // and a table of accuracies
	sampled       = 100 // questions of each task in it
	saveEvery     = 100
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	r := released
	out := flag.String("out", "arithmetic.gguf", "the `file` to write in the end, and at every table of accuracies")
	state := flag.String("checkpoint", "", "a `file` to go on from where it exists, and to keep up to date")
	logged := flag.String("log", "training.log", "the `file` for losses and accuracies, begun anew or, from a checkpoint on, appended to")
	steps := flag.Int("stop", 0, "stop after so many steps of the whole; 0 trains to the end")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	t, err := newTraining(r)
	if err != nil {
		return err
	}
	first := 0
	if *state != "" {
		if _, err := os.Stat(*state); err == nil {
			if first, err = t.model.restore(*state, r); err != nil {
				return err
			}
		}
	}
	mode := os.O_APPEND
	if first == 0 {
		mode = os.O_TRUNC
	}
	file, err := os.OpenFile(*logged, mode|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	log := io.MultiWriter(file, os.Stdout)
	if first == 0 {
		fmt.Fprintf(log, "# %+v\n", r)
	}
	last := r.Schedule.Steps
	if *steps > 0 {
		last = min(last, *steps)
	}
	began := time.Now()
	recent := average{}
	for step := first + 1; step <= last; step++ {
		loss, err := t.step(step)
		if err != nil {
			return err
		}
		recent.add(loss)
		if step <= everyLoss || step%lossEvery == 0 {
			fmt.Fprintf(log, "step %d loss %v\n", step, loss)
		}
		if step%lossEvery == 0 {
			fmt.Fprintf(os.Stdout, "     mean of %d: %.5f, right %.4f, gradient %.3f, %.1f ms a step\n", recent.n, recent.mean(), t.right, t.gradient,
				float64(time.Since(began).Milliseconds())/float64(step-first))
			recent = average{}
		}
		end := step == last || ctx.Err() != nil
		if *state != "" && (step%saveEvery == 0 || end) {
			if err := t.model.save(*state, step, r); err != nil {
				return err
			}
		}
		if step%accuracyEvery == 0 || end {
			data, err := t.model.export(t.vocabulary)
			if err != nil {
				return err
			}
			if err := os.WriteFile(*out, data, 0o644); err != nil {
				return err
			}
			if err := table(log, step, data); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("stopped after step %d", step)
		}
	}
	return nil
}

// A training is a model on its way.
type training struct {
	recipe
	vocabulary *vocabulary
	model      *model
	writer     *writer
	pass       *pass
	right      float64 // share of targets that were the likeliest token of the last step
	gradient   float64 // length of its gradient
}

func newTraining(r recipe) (*training, error) {
	v := makeVocabulary(r.Shape.Merges)
	m := newModel(r.Shape, len(v.tokens), r.Seed)
	// The tokenizer that the engine makes of the file is the one to learn with.
	data, err := m.export(v)
	if err != nil {
		return nil, err
	}
	f, err := gguf.Parse(data)
	if err != nil {
		return nil, err
	}
	t, err := tokenizer.FromGGUF(f)
	if err != nil {
		return nil, err
	}
	w, err := newWriter(t)
	if err != nil {
		return nil, err
	}
	return &training{recipe: r, vocabulary: v, model: m, writer: w, pass: &pass{model: m}}, nil
}

// step learns from one batch and returns its loss before that.
func (t *training) step(step int) (loss float64, err error) {
	documents, err := t.writer.batch(t.Seed, uint64(step), t.BatchTokens)
	if err != nil {
		return 0, err
	}
	loss, right := t.pass.forward(documents)
	t.pass.backward()
	rate, decay := t.Schedule.rates(step)
	t.gradient = t.model.update(step, rate, decay)
	t.right = float64(right) / float64(len(t.pass.rows))
	return loss, nil
}

type average struct {
	sum float64
	n   int
}

func (a *average) add(v float64) { a.sum, a.n = a.sum+v, a.n+1 }
func (a *average) mean() float64 { return a.sum / float64(a.n) }

// table writes how a sample of every task is answered by the engine from the file.
func table(w io.Writer, step int, file []byte) error {
	m, err := bitnet.OpenBytes(file)
	if err != nil {
		return err
	}
	defer m.Close()
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "after step %d, SHA-256 %x:\n", step, sha256.Sum256(file))
	r := rand.New(rand.NewPCG(7, 7))
	for _, task := range tasks.All() {
		questions := task.Questions
		r.Shuffle(len(questions), func(i, j int) { questions[i], questions[j] = questions[j], questions[i] })
		questions = questions[:min(len(questions), sampled)]
		right, err := tasks.Right(context.Background(), m, questions)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %s%s %d of %d\n", task.Name, strings.Repeat(" ", 40-len(task.Name)), right, len(questions))
	}
	return out.Flush()
}
