package bitnet

import (
	"context"
	"flag"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/quant"
)

var fullSizeModel = flag.String("model", "", "a model of the published size, for the benchmarks that need one")

// BenchmarkShares runs a model of the published size and prints what it makes of
// the machine: shares of the memory's and the multipliers' limits, measured
// in turn with it, so that they can be compared on a busy machine, too. All
// figures are medians over rounds of pairs.
//
//	go test ./bitnet -run '^$' -bench Shares -benchtime 1x -timeout 1h -model FILE
//
// perfsmoke --synthetic 2b4t makes such a model where none is at hand.
func BenchmarkShares(b *testing.B) {
	if *fullSizeModel == "" {
		b.Skip("needs -model FILE, a model of the published size")
	}
	for _, k := range quant.Available() {
		if k.Name() == "generic" || strings.HasPrefix(k.Name(), "evex") {
			continue
		}
		b.Run(k.Name(), func(b *testing.B) {
			for b.Loop() {
				shares(b, k)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

const shareRounds = 7

func shares(b *testing.B, k *quant.Kernels) {
	threads := runtime.GOMAXPROCS(0)
	all := openModel(b, *fullSizeModel, WithKernels(k.Name()), WithThreads(threads), WithoutScreen())
	one := openModel(b, *fullSizeModel, WithKernels(k.Name()), WithThreads(1), WithoutScreen())
	screened := openModel(b, *fullSizeModel, WithKernels(k.Name()), WithThreads(threads))
	c := all.Config()
	ternary := all.ternaryWeights()
	allBytes, screenedBytes := screened.WeightBytes()

	buffers := make([][]byte, threads)
	for i := range buffers {
		buffers[i] = make([]byte, 256<<20)
		for j := 0; j < len(buffers[i]); j += 4096 {
			buffers[i][j] = 1
		}
	}
	// each runs do on so many threads at once and returns the time of all.
	each := func(threads int, do func(i int)) float64 {
		start := time.Now()
		var done sync.WaitGroup
		for i := range threads {
			done.Go(func() { do(i) })
		}
		done.Wait()
		return time.Since(start).Seconds()
	}
	bandwidth := func() float64 {
		seconds := each(threads, func(i int) {
			for at := 0; at < len(buffers[i]); at += 1 << 20 {
				k.ReadMemory(buffers[i][at : at+1<<20])
			}
		})
		return float64(threads*len(buffers[0])) / seconds
	}
	multipliers := func() float64 { return multiplierLimit(k, threads, 20_000) }

	const decoded, contextLength = 12, 16
	prompt := benchPrompt(all, 512)
	sessions := make(map[*Model]*Session)
	for _, m := range []*Model{all, one, screened} {
		sessions[m] = newSession(b, m, WithoutLookahead())
		mustAppend(b, sessions[m], prompt[:contextLength]...)
		mustGenerate(b, sessions[m], "", GenerateOptions{MaxTokens: 3})
	}
	decode := func(m *Model) float64 { // seconds a token
		s := sessions[m]
		s.Truncate(contextLength)
		mustGenerate(b, s, "", GenerateOptions{MaxTokens: 1})
		start := time.Now()
		r := mustGenerate(b, s, "", GenerateOptions{MaxTokens: decoded})
		return time.Since(start).Seconds() / float64(r.CompletionTokens)
	}
	prefill := func(m *Model, n int) float64 { // tokens a second
		s := newSession(b, m)
		defer s.Close()
		start := time.Now()
		if err := s.extend(context.Background(), prompt[:n], vectorsOnly, nil); err != nil {
			b.Fatal(err)
		}
		return float64(n) / time.Since(start).Seconds()
	}

	long := newSession(b, all)
	figures := map[string][]float64{}
	note := func(name string, v float64) { figures[name] = append(figures[name], v) }
	for range shareRounds {
		read := bandwidth()
		full := decode(all)
		read = (read + bandwidth()) / 2
		note("GB/s-read", read/1e9)
		note("decode-tok/s", 1/full)
		note("decode-%-of-read", 100*float64(allBytes)/full/read)
		quick := decode(screened)
		note("screened-tok/s", 1/quick)
		note("screened-%-of-read", 100*float64(screenedBytes)/quick/read)
		note("screened-x", decode(all)/quick)
		note("decode-x-threads", decode(one)/decode(all))

		peak := multipliers()
		speed := prefill(all, len(prompt))
		peak = (peak + multipliers()) / 2
		note("Gmac/s-peak", peak/1e9)
		note("prefill-tok/s", speed)
		note("prefill-%-of-peak", 100*speed*float64(ternary)/peak)
		const part = 256
		note("prefill-x-threads", prefill(all, part)/prefill(one, part))
	}
	// The share of attention in a step is what the step costs beyond one with
	// hardly any context.
	for long.Len() < min(4080, c.ContextLength-16) {
		if err := long.extend(context.Background(), prompt[:min(512, 4080-long.Len())], vectorsOnly, nil); err != nil {
			b.Fatal(err)
		}
	}
	contextLengthFull := long.Len()
	short := newSession(b, all)
	mustAppend(b, short, prompt[:contextLength]...)
	for range shareRounds {
		long.Truncate(contextLengthFull)
		step := func(s *Session) float64 {
			mustAppend(b, s, 1)
			start := time.Now()
			for id := range 4 {
				mustAppend(b, s, id)
			}
			return time.Since(start).Seconds()
		}
		short.Truncate(contextLength)
		note("attention-%-at-4096", 100*(1-step(short)/step(long)))
	}
	for name, values := range figures {
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], name)
	}
	if status, err := os.ReadFile("/proc/cpuinfo"); err == nil && testing.Verbose() {
		for _, line := range strings.Split(string(status), "\n") {
			if strings.HasPrefix(line, "model name") {
				b.Log(line)
				break
			}
		}
	}
}
