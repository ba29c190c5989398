package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic/internal/tasks"
	"github.com/gobitnet/gobitnet/tokenizer"
)

// small is a recipe that the yardstick can follow.
var small = recipe{
	Shape: shape{
		Width: 128, Inner: 256, Blocks: 2, Heads: 4, KVHeads: 2, Context: 512, Merges: 20,
		RoPEBase: 10000, Epsilon: 1e-5,
	},
	Schedule:    schedule{Steps: 1000, Rise: 10, Fall: 100, Rate: 2e-3, Decay: 0.05},
	BatchTokens: 60,
	Seed:        3,
}

func start(t *testing.T, r recipe) *training {
	t.Helper()
	train, err := newTraining(r)
	if err != nil {
		t.Fatal(err)
	}
	return train
}

// measure returns a yardstick with the weights of a model.
func measure(m *model) *yardstick {
	y := &yardstick{shape: m.shape, tensors: map[string][][]float64{}}
	for _, p := range m.parameters {
		y.take(p)
	}
	return y
}

// TestGradient compares the gradient of every tensor with finite differences of
// the yardstick: of single weights, and along a random direction. First nothing
// is rounded; then everything is, with the distances frozen.
func TestGradient(t *testing.T) {
	for _, test := range []struct {
		name      string
		rounds    bool
		tolerance float64
	}{
		{"smooth", false, 2e-4},
		{"rounded", true, 3e-2}, // a number near a tie may be rounded the other way in float32
	} {
		t.Run(test.name, func(t *testing.T) {
			train := start(t, small)
			for step := 1; step <= 8; step++ { // away from the symmetry of the start
				if _, err := train.step(step); err != nil {
					t.Fatal(err)
				}
			}
			documents, err := train.writer.batch(small.Seed, 1000, small.BatchTokens)
			if err != nil {
				t.Fatal(err)
			}
			train.pass.exact = !test.rounds
			loss, _ := train.pass.forward(documents)
			train.pass.backward()

			y := measure(train.model)
			for _, row := range y.tensors["token_embd.weight"] {
				for i, v := range row {
					if test.rounds {
						row[i] = toHalf(v)
					}
				}
			}
			y.rounds = test.rounds
			want, _ := y.loss(documents)
			y.frozen = true
			if math.Abs(loss-want) > test.tolerance*want/10 {
				t.Errorf("loss %v, the yardstick says %v", loss, want)
			}
			r := rand.New(rand.NewPCG(5, 5))
			for _, p := range train.model.parameters {
				rows := y.tensors[p.name]
				direction := make([]float64, len(p.Data))
				along, length := 0.0, 0.0
				for i := range direction {
					// Along the gradient, more or less, so that there is something to see.
					direction[i] = float64(p.gradient.Data[i]) * (0.5 + r.Float64())
					length += direction[i] * direction[i]
				}
				for i := range direction {
					direction[i] /= math.Sqrt(length)
					along += direction[i] * float64(p.gradient.Data[i])
				}
				move := func(distance float64) float64 {
					for i, d := range direction {
						rows[i/p.Cols][i%p.Cols] += d * distance
					}
					l, _ := y.loss(documents)
					for i, d := range direction {
						rows[i/p.Cols][i%p.Cols] -= d * distance
					}
					return l
				}
				const distance = 1e-4
				slope := (move(distance) - move(-distance)) / (2 * distance)
				if !(math.Abs(slope-along) <= test.tolerance*math.Abs(slope)) {
					t.Errorf("%s: along a direction the gradient is %v, the yardstick's %v", p.name, along, slope)
				}
				for range 3 {
					i := r.IntN(len(p.Data))
					if p == train.model.embedding {
						i = documents[0].tokens[r.IntN(len(documents[0].tokens))]*p.Cols + r.IntN(p.Cols)
					}
					element := &rows[i/p.Cols][i%p.Cols]
					was := *element
					*element = was + distance
					above, _ := y.loss(documents)
					*element = was - distance
					below, _ := y.loss(documents)
					*element = was
					slope, got := (above-below)/(2*distance), float64(p.gradient.Data[i])
					if math.Abs(slope-got) > test.tolerance*(math.Abs(slope)+math.Abs(along)/math.Sqrt(float64(len(p.Data)))) {
						t.Errorf("%s: element %d has the gradient %v, the yardstick says %v", p.name, i, got, slope)
					}
				}
			}
		})
	}
}

// toHalf rounds a number of ordinary size to the 11 bits of a float16.
func toHalf(v float64) float64 {
	if v == 0 {
		return 0
	}
	_, e := math.Frexp(v)
	unit := math.Ldexp(1, max(e-11, -24))
	return math.RoundToEven(v/unit) * unit
}

// TestEngine compares the logits of the exported file, as the engine computes
// them, with those of the yardstick.
func TestEngine(t *testing.T) {
	train := start(t, small)
	for step := 1; step <= 8; step++ {
		if _, err := train.step(step); err != nil {
			t.Fatal(err)
		}
	}
	documents, err := train.writer.batch(small.Seed, 2000, 100)
	if err != nil {
		t.Fatal(err)
	}
	y := measure(train.model)
	y.rounds = true
	_, want := y.loss(documents)

	data, err := train.model.export(train.vocabulary)
	if err != nil {
		t.Fatal(err)
	}
	m, err := bitnet.OpenBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i, d := range documents {
		s, err := m.NewSession(bitnet.WithFloat32Cache())
		if err != nil {
			t.Fatal(err)
		}
		logits, err := s.Append(context.Background(), d.tokens[:len(d.tokens)-1])
		if err != nil {
			t.Fatal(err)
		}
		var both, engine, yard float64
		for id, v := range logits {
			both += float64(v) * want[i][id]
			engine += float64(v) * float64(v)
			yard += want[i][id] * want[i][id]
		}
		if cosine := both / math.Sqrt(engine*yard); cosine < 0.999 {
			t.Errorf("document %d: the cosine of the logits is %v", i, cosine)
		}
		s.Close()
	}
}

// TestThreads trains with 1, 2 and 3 threads and compares every bit.
func TestThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	r := small
	r.BatchTokens = 700
	var want []byte
	for threads := 1; threads <= 3; threads++ {
		runtime.GOMAXPROCS(threads)
		train := start(t, r)
		var got bytes.Buffer
		for step := 1; step <= 4; step++ {
			loss, err := train.step(step)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&got, loss)
		}
		data, err := train.model.export(train.vocabulary)
		if err != nil {
			t.Fatal(err)
		}
		got.Write(data)
		if want == nil {
			want = got.Bytes()
		} else if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%d threads give another model than one", threads)
		}
	}
}

// TestCheckpoint goes on from a checkpoint and compares with a training that was
// never interrupted.
func TestCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint")
	one, other := start(t, small), start(t, small)
	var want float64
	for step := 1; step <= 6; step++ {
		if step == 4 {
			if err := one.model.save(path, 3, small); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if want, err = one.step(step); err != nil {
			t.Fatal(err)
		}
	}
	step, err := other.model.restore(path, small)
	if err != nil || step != 3 {
		t.Fatalf("restored step %d: %v", step, err)
	}
	var got float64
	for step := 4; step <= 6; step++ {
		if got, err = other.step(step); err != nil {
			t.Fatal(err)
		}
	}
	if got != want {
		t.Errorf("the loss is %v, without interruption %v", got, want)
	}
	changed := small
	changed.Seed++
	if _, err := other.model.restore(path, changed); err == nil {
		t.Error("a checkpoint of another recipe was taken")
	}
}

var logSteps = flag.Int("steps", 5, "how many steps of the released training to repeat and compare with its log")

// TestLog repeats the first steps of the training that made the released file.
func TestLog(t *testing.T) {
	file, err := os.Open("training.log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	train := start(t, released)
	if !lines.Scan() || lines.Text() != fmt.Sprintf("# %+v", released) {
		t.Fatalf("the log begins with %q, which is not the recipe", lines.Text())
	}
	for step := 1; step <= *logSteps; step++ {
		loss, err := train.step(step)
		if err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() {
			t.Fatalf("the log ends before step %d", step)
		}
		if want := fmt.Sprintf("step %d loss %v", step, loss); lines.Text() != want {
			t.Fatalf("the log says %q, training again %q", lines.Text(), want)
		}
	}
}

// TestHeldOut looks through the documents of a long training for sums that it
// must not show.
func TestHeldOut(t *testing.T) {
	train := start(t, small)
	for step := range uint64(150) {
		documents, err := train.writer.batch(released.Seed, step, released.BatchTokens)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range documents {
			text := train.writer.tokenizer.Decode(d.tokens)
			for _, separator := range []string{"+", " + ", " plus "} {
				for i := range len(text) {
					var a, b int
					at := strings.Index(text[i:], separator)
					if at < 0 {
						break
					}
					if n, _ := fmt.Sscanf(text[i:], "%d"+separator+"%d", &a, &b); n == 2 && (i == 0 || text[i-1] < '0' || text[i-1] > '9') &&
						tasks.HeldOut(a, b) && !strings.Contains(text, tasks.Refusal) {
						t.Fatalf("training shows %d+%d: %q", a, b, text)
					}
				}
			}
		}
	}
}

// TestDocuments holds what a document marks as the answer against the tasks.
func TestDocuments(t *testing.T) {
	train := start(t, small)
	documents, err := train.writer.batch(1, 1, 20000)
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]bool{tasks.Refusal: true}
	for n := -99; n <= 198; n++ {
		answers[fmt.Sprint(n)] = true
	}
	for n := range 39 {
		answers[tasks.InWords(n)] = true
	}
	for a := range tasks.Factors {
		for b := range tasks.Factors {
			answers[fmt.Sprint(a*b)] = true
		}
	}
	for first := range tasks.Numbers {
		for last := first + 1; last < first+7; last++ {
			answers[tasks.Count(last+1, tasks.CountTo(first))] = true
		}
	}
	for _, d := range documents {
		if len(d.tokens) > small.Shape.Context {
			t.Errorf("a document of %d tokens", len(d.tokens))
		}
		var answer []int
		for i, id := range d.tokens {
			if !d.learned[i] {
				continue
			}
			if id == train.writer.endText || id == train.writer.endTurn {
				if text := strings.TrimPrefix(train.writer.tokenizer.Decode(answer), " "); !answers[text] {
					t.Errorf("%q is no answer, in %q", text, train.writer.tokenizer.Decode(d.tokens))
				}
				answer = nil
			} else {
				answer = append(answer, id)
			}
		}
	}
}

// TestVocabulary: digits are tokens of their own, the words of the tasks are
// single ones.
func TestVocabulary(t *testing.T) {
	train := start(t, released)
	for text, want := range map[string]int{
		"2+2=": 4, "100-99=": 7, " nineteen": 1, " thirty": 1, " plus": 1, " is": 1, "What is 12*12?": 9, "User: ": 3, "Assistant: ": 3,
	} {
		ids, err := train.writer.tokenizer.Encode(text, tokenizer.PlainText())
		if err != nil || len(ids) != want {
			t.Errorf("%q is %d tokens, want %d (%v)", text, len(ids), want, err)
		}
	}
}

func TestExp(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for range 100_000 {
		x := r.Float64()*1400 - 700
		if got, want := exp(x), math.Exp(x); math.Abs(got-want) > 1e-13*want {
			t.Fatalf("exp(%v) = %v, want %v", x, got, want)
		}
	}
}
