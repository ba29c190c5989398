package bitnet

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/quant"
)

// BenchmarkTogether runs a model of the published size and prints what sessions
// that go through it together gain, what a prompt beside them costs, and what
// lookahead gives. Medians over rounds in which what is compared takes turns.
//
//	go test ./bitnet -run '^$' -bench Together -benchtime 1x -timeout 1h -model FILE
func BenchmarkTogether(b *testing.B) {
	if *fullSizeModel == "" {
		b.Skip("needs -model FILE, a model of the published size")
	}
	for _, k := range quant.Available() {
		if k.Name() == "generic" || strings.HasPrefix(k.Name(), "evex") {
			continue
		}
		for name, f := range map[string]func(b *testing.B, m *Model, note func(name string, v float64)){
			"sessions": togetherSessions, "rows": togetherRows, "prompt": besidePrompt, "lookahead": lookaheadGain,
		} {
			b.Run(name+"/"+k.Name(), func(b *testing.B) {
				m := openModel(b, *fullSizeModel, WithKernels(k.Name()))
				mustGenerate(b, newSession(b, m), "a", GenerateOptions{MaxTokens: 40})
				figures := map[string][]float64{}
				for b.Loop() {
					f(b, m, func(name string, v float64) { figures[name] = append(figures[name], v) })
				}
				b.ReportMetric(0, "ns/op")
				for name, values := range figures {
					slices.Sort(values)
					b.ReportMetric(values[len(values)/2], name)
				}
			})
		}
	}
}

func benchPrompt(m *Model, n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = (i*7919 + 13) % m.config.VocabularySize
	}
	return ids
}

// togetherSessions compares many sessions with one.
func togetherSessions(b *testing.B, m *Model, note func(string, float64)) {
	const tokens = 24
	prompt := benchPrompt(m, 16)
	run := func(n int) float64 { // tokens a second
		sessions := make([]*Session, n)
		for i := range sessions {
			sessions[i] = newSession(b, m, WithoutLookahead())
			mustAppend(b, sessions[i], append(prompt, i)...)
			defer sessions[i].Close()
		}
		start := time.Now()
		var all sync.WaitGroup
		for _, s := range sessions {
			all.Go(func() { mustGenerate(b, s, "", GenerateOptions{MaxTokens: tokens}) })
		}
		all.Wait()
		return float64(n*tokens) / time.Since(start).Seconds()
	}
	for range shareRounds {
		one := run(1)
		note("1-tok/s", one)
		for _, n := range []int{4, 8, 16} {
			many := run(n)
			note(fmt.Sprintf("%d-tok/s", n), many)
			note(fmt.Sprintf("%d-x", n), many/one)
		}
	}
}

// togetherRows measures passes of some rows, without the head, as shares of the
// multipliers' limit.
func togetherRows(b *testing.B, m *Model, note func(string, float64)) {
	ids := benchPrompt(m, 48)
	s := newSession(b, m)
	pass := func(rows int) float64 {
		s.Truncate(0)
		start := time.Now()
		if err := s.extend(context.Background(), ids[:rows], vectorsOnly, nil); err != nil {
			b.Fatal(err)
		}
		return time.Since(start).Seconds()
	}
	k, threads := m.engine.Kernels(), runtime.GOMAXPROCS(0)
	for range 3 * shareRounds {
		one := pass(1)
		note("1-ms", 1e3*one)
		for _, rows := range []int{2, 3, 4, 6, 8, 12, 16, 24, 48} {
			limit := multiplierLimit(k, threads, 1000)
			seconds := pass(rows)
			note(fmt.Sprintf("%d-ms", rows), 1e3*seconds)
			note(fmt.Sprintf("%d-%%-of-peak", rows), 100*float64(rows*m.ternaryWeights())/seconds/limit)
			if rows == 2 {
				note("2-x", seconds/one)
			}
		}
	}
}

// besidePrompt measures the steps of a session that generates beside another's
// prompt, and what that costs the prompt.
func besidePrompt(b *testing.B, m *Model, note func(string, float64)) {
	ctx := context.Background()
	prompt := benchPrompt(m, 2000)
	s := newSession(b, m, WithoutLookahead())
	mustAppend(b, s, prompt[:16]...)
	gaps := func(stop func() bool) (gaps []float64) {
		last := time.Now()
		for _, err := range s.Stream(ctx, "", GenerateOptions{}) {
			if err != nil {
				b.Fatal(err)
			}
			gaps = append(gaps, time.Since(last).Seconds())
			if last = time.Now(); stop() {
				break
			}
		}
		slices.Sort(gaps)
		return gaps
	}
	fill := func() float64 { // tokens a second
		other := newSession(b, m)
		defer other.Close()
		start := time.Now()
		if err := other.extend(ctx, prompt, vectorsOnly, nil); err != nil {
			b.Fatal(err)
		}
		return float64(len(prompt)) / time.Since(start).Seconds()
	}
	for range 3 {
		s.Truncate(17)
		n := 0
		alone := gaps(func() bool { n++; return n == 30 })
		filled := fill()
		beside := make(chan float64, 1)
		s.Truncate(17)
		go func() { beside <- fill() }()
		var speed float64
		during := gaps(func() bool {
			select {
			case speed = <-beside:
				return true
			default:
				return false
			}
		})
		median := alone[len(alone)/2]
		note("alone-ms", 1e3*median)
		note("beside-median-x", during[len(during)/2]/median)
		note("beside-95%-x", during[len(during)*95/100]/median)
		note("prompt-alone-tok/s", filled)
		note("prompt-beside-%", 100*speed/filled)
		note("mixed-rows", float64(m.passes.mixed))
	}
}

// lookaheadGain compares generation with guesses that are right, half right and
// wrong, and with those of the text itself, with none.
func lookaheadGain(b *testing.B, m *Model, note func(string, float64)) {
	const tokens = 48
	prompt := benchPrompt(m, 16)
	o := GenerateOptions{MaxTokens: tokens, Temperature: 1, TopK: 40, Seed: 1} // text without repeats
	known := mustGenerate(b, newSessionOf(b, m, prompt, WithoutLookahead()), "", o)
	run := func(draft func(tokens []int, n int) []int) (float64, *Result) {
		s := newSession(b, m)
		defer s.Close()
		if s.lookahead.off = draft == nil; !s.lookahead.off {
			s.lookahead.draft = draft
		}
		mustAppend(b, s, prompt...)
		start := time.Now()
		r := mustGenerate(b, s, "", o)
		return time.Since(start).Seconds(), r
	}
	for range shareRounds {
		for name, draft := range map[string]func([]int, int) []int{
			"right": drafter(known.Tokens, len(prompt), 0), "half": drafter(known.Tokens, len(prompt), 2),
			"wrong": drafter(known.Tokens, len(prompt), 1), "default": propose,
		} {
			off, plain := run(nil)
			on, r := run(draft)
			if !slices.Equal(r.Tokens, plain.Tokens) {
				b.Fatal("other tokens with lookahead")
			}
			note(name+"-x", off/on)
		}
	}
}

// multiplierLimit measures the limit of all threads in multiply-adds a second.
func multiplierLimit(k *quant.Kernels, threads, steps int) float64 {
	counts := make([]int, threads)
	start := time.Now()
	var all sync.WaitGroup
	for i := range threads {
		all.Go(func() {
			for range steps {
				counts[i] += k.MultiplyRegisters(1 << 21)
			}
		})
	}
	all.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(start).Seconds()
}

// ternaryWeights returns the number of ternary weights.
func (m *Model) ternaryWeights() (n int) {
	for i := range m.weights.blocks {
		w := &m.weights.blocks[i]
		for _, m := range []quant.Matrix{w.q.W, w.k.W, w.v.W, w.output.W, w.gate.W, w.up.W, w.down.W} {
			n += m.Rows() * m.Cols()
		}
	}
	return n
}
