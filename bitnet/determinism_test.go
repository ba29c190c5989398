package bitnet

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"sync"
	"testing"

	"github.com/gobitnet/gobitnet/quant"
)

// A bitsCase has the digests of all logits of a model's sequence, and of the last
// logits of a sequence that reaches into a further chunk of attention. They are
// the same for every processor, kernel set, number of threads and way of cutting
// the sequence; a change of them is a change of what the project computes.
type bitsCase struct {
	name         string
	path         string
	ids          []int
	digest, long string // long: empty where no other sequence is run
}

const tinyDigest = "5f863ddc8467e5206c64b897ee8698a033e79c9909b71a35c6e9c50ac436f59d"

func bitsCases(t testing.TB) []bitsCase {
	var cases []bitsCase
	for _, c := range []bitsCase{
		{
			name:   "tiny",
			digest: tinyDigest,
			long:   "3bd28f00a4344d73567d9ddf7a7ad3fc7beb8fb3078dfb867aefd7d3f7e28a40",
		},
		{name: "micro-untied", digest: "63bf2458049b859b4f32b8b5fa3e20206f836e76b40670c070f3a90622e538d3"},
	} {
		c.path, c.ids, _ = reference(t, c.name, "exact.f32")
		cases = append(cases, c)
	}
	for _, m := range madeModels {
		c := bitsCase{name: m.name, path: m.write(t), digest: m.digest, long: m.longDigest}
		for i := range 24 {
			c.ids = append(c.ids, (i*i*31+7)%1000)
		}
		cases = append(cases, c)
	}
	return cases
}

func hashRow(h hash.Hash, row []float32) {
	var b [4]byte
	for _, v := range row {
		binary.LittleEndian.PutUint32(b[:], math.Float32bits(v))
		h.Write(b[:])
	}
}

func digest(rows [][]float32) string {
	h := sha256.New()
	for _, row := range rows {
		hashRow(h, row)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// longSequence is long enough for two chunks of attention and a block of
// tokens that is full.
func longSequence(m *Model) []int {
	ids := make([]int, min(300, m.config.ContextLength))
	for i := range ids {
		ids[i] = (i*i*31 + i*7 + 5) % m.config.VocabularySize
	}
	return ids
}

// TestSameBits runs whole models with every kernel set that this processor
// has, several numbers of threads and several ways of cutting the sequence into
// Append calls.
func TestSameBits(t *testing.T) {
	ctx := context.Background()
	cases := bitsCases(t)
	for _, k := range quant.Available() {
		for _, threads := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("%s/%d", k.Name(), threads), func(t *testing.T) {
				// Plain Go, and every kernel where the processor is emulated, are
				// slow: there the short form leaves out what others cover.
				slow := testing.Short() || k.Name() == "generic"
				if testing.Short() && threads != 2 {
					t.Skip("slow")
				}
				for _, c := range cases {
					m := openModel(t, c.path, WithKernels(k.Name()), WithThreads(threads))
					h := sha256.New()
					s := newSession(t, m)
					for _, id := range c.ids {
						logits, err := s.Append(ctx, []int{id})
						if err != nil {
							t.Fatal(err)
						}
						hashRow(h, logits)
					}
					if got := hex.EncodeToString(h.Sum(nil)); got != c.digest {
						t.Errorf("%s token by token: digest %s, want %s", c.name, got, c.digest)
					}
					last, err := s.Append(ctx, nil)
					if err != nil {
						t.Fatal(err)
					}
					for _, cut := range []int{len(c.ids), 5, 2, 12} {
						if slow && cut < 5 {
							break
						}
						s := newSession(t, m)
						var logits []float32
						for lo := 0; lo < len(c.ids); lo += cut {
							if logits, err = s.Append(ctx, c.ids[lo:min(lo+cut, len(c.ids))]); err != nil {
								t.Fatal(err)
							}
						}
						for i, v := range logits {
							if math.Float32bits(v) != math.Float32bits(last[i]) {
								t.Fatalf("%s in pieces of %d: logit %d is %x, token by token %x", c.name, cut, i, v, last[i])
							}
						}
					}

					ids := longSequence(m)
					for i, cuts := range [][]int{{260, 1, 39}, {300}, {128, 172}, {1, 127, 1, 171}} {
						if c.long == "" || slow && (i > 0 || threads == 1) {
							break
						}
						s := newSession(t, m)
						h := sha256.New()
						at := 0
						for i, n := range cuts {
							logits, err := s.Append(ctx, ids[at:at+n])
							if err != nil {
								t.Fatal(err)
							}
							if at += n; i == len(cuts)-1 {
								hashRow(h, logits)
							}
						}
						if got := hex.EncodeToString(h.Sum(nil)); got != c.long {
							t.Errorf("%s, long sequence in pieces of %v: digest %s, want %s", c.name, cuts, got, c.long)
						}
					}
				}
			})
		}
	}
}

// TestSessionsDoNotDisturbEachOther evaluates different sequences at the same
// time.
func TestSessionsDoNotDisturbEachOther(t *testing.T) {
	ctx := context.Background()
	path, ids, _ := reference(t, "tiny", "exact.f32")
	m := openModel(t, path, WithThreads(2))
	run := func(n int) (digest string, err error) {
		s, err := m.NewSession()
		if err != nil {
			return "", err
		}
		defer s.Close()
		h := sha256.New()
		logits, err := s.Append(ctx, ids[:n])
		if err != nil {
			return "", err
		}
		hashRow(h, logits)
		r, err := s.Generate(ctx, "", GenerateOptions{MaxTokens: 6, Temperature: 1.5, TopK: n, Seed: uint64(n)})
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%x %v", h.Sum(nil), r.Tokens), nil
	}
	want := make([]string, 9)
	for n := 1; n < len(want); n++ {
		var err error
		if want[n], err = run(n); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for round := range 3 {
		for n := 1; n < len(want); n++ {
			all.Add(1)
			go func() {
				defer all.Done()
				if got, err := run(n); err != nil || got != want[n] {
					t.Errorf("round %d: session %d: %s, %v; alone %s", round, n, got, err, want[n])
				}
			}()
		}
	}
	all.Wait()
}
