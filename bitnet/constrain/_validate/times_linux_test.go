package validate

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/bitnet/constrain"
	"golang.org/x/sys/unix"
)

var times = flag.Bool("times", false, "measure masks and compiling, with the vocabulary that was named")

// TestTimes measures, on one thread, how long masks take and how long compiling does,
// over the schemas of TestSoundness, each new for the vocabulary.
func TestTimes(t *testing.T) {
	if !*times {
		t.Skip("without -times")
	}
	runtime.LockOSThread() // whose own time is taken: the machine may be busy with others
	defer runtime.UnlockOSThread()
	now := func() time.Duration {
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
			panic(err)
		}
		return time.Duration(t.Nano())
	}
	toks := tokenizers(t)
	tok := toks[len(toks)-1]
	var compiling, masks, tokens []time.Duration
	began := now()
	start(t, constrain.JSON(), tok)
	t.Logf("%d tokens; their tree took %v", tok.VocabularySize(), now()-began)
	r := rand.New(rand.NewPCG(2, 15))
	m := maskFor(tok)
	var ids []int
	for _, schema := range schemas(t) {
		began := now()
		c, err := constrain.JSONSchema(schema)
		if err != nil {
			continue
		}
		took := now() - began
		if compiling = append(compiling, took); took > 30*time.Millisecond {
			t.Logf("%v: %s", took, schema)
		}
		for range 20 {
			g := start(t, c, tok)
			for range 5 + r.IntN(40) {
				clear(m)
				began := now()
				end := g.Mask(m)
				took := now() - began
				if masks = append(masks, took); took > 5*time.Millisecond {
					t.Logf("%v: a mask of %s", took, schema)
				}
				if ids = m.ids(ids); len(ids) == 0 || end && r.IntN(3) == 0 {
					break
				}
				id := ids[r.IntN(len(ids))]
				began = now()
				if err := g.Accept(id); err != nil {
					t.Fatal(err)
				}
				tokens = append(tokens, took+now()-began)
			}
		}
	}
	tell := func(what string, all []time.Duration) {
		slices.Sort(all)
		var sum time.Duration
		for _, d := range all {
			sum += d
		}
		n := len(all)
		t.Logf("%s: %d, mean %v, median %v, 90%% %v, 99%% %v, 99.9%% %v, most %v", what, n, sum/time.Duration(n), all[n/2], all[n*9/10], all[n*99/100], all[n*999/1000], all[n-1])
	}
	tell("compiling", compiling)
	tell("masks", masks)
	tell("masks with what is accepted", tokens)
}
