package bitnet

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/quant"
)

// A tableType is a type of embeddings and heads, with the digest of all logits of a
// model that has both in it: see TestTables. Of a type in blocks, numbers is how many
// of them are in bytes, and scales are where a block has its float16 numbers.
type tableType struct {
	kind           gguf.TensorType
	numbers, bytes int
	scales         []int
	digest         string
}

var tableTypes = []tableType{
	{kind: gguf.F32, digest: "45355da4c6fc11f30af23a8aa203cb1e76623cdf9fcd086006770e91c0127aa7"},
	{kind: gguf.BF16, digest: "ad1ef2490d466d85096f5ef420e33fd1fb05485fd010963a27cabc5972f65e12"},
	{kind: gguf.Q8_0, numbers: 32, bytes: 34, scales: []int{0}, digest: "c0a5de3c0cd4072fa26aae4d867f10faef08bd5df98994ebecab87e12a5b0c1f"},
	{kind: gguf.Q5_0, numbers: 32, bytes: 22, scales: []int{0}, digest: "87b5c7c83d9395166a381e49f8e9d43266cfe925c67e420ee507a1da1acf6cfb"},
	{kind: gguf.Q4_0, numbers: 32, bytes: 18, scales: []int{0}, digest: "71e6087af6d00e86a3d98fe0479026a5612dcfffaa172cd15209cad135999edc"},
	{kind: gguf.Q6_K, numbers: 256, bytes: 210, scales: []int{208}, digest: "f21e8f814f4d6becf531aa9c763000aacf582af58bdaec8cd2ee635acb53e24d"},
	{kind: gguf.Q4_K, numbers: 256, bytes: 144, scales: []int{0, 2}, digest: "1a294f9ccc4ca00014ba81cf9cce3210ea8235502b794cfe3844cb711f3051d2"},
	{kind: gguf.Q3_K, numbers: 256, bytes: 110, scales: []int{108}, digest: "c0ac56c62b3b61475db63eedd40922f8160ae084e48ae3b0e64bc9a5749155f9"},
	{kind: gguf.I2S, digest: "89a21cb5f54cb02f9b51cc169a0cd12c3928f1a37b9dce1ad1c57c8c09da520e"},
	{kind: gguf.TQ1_0, numbers: 256, bytes: 54, scales: []int{52}, digest: "c9b066e845cebc96f6d9b940f905664a2912c8275c31732aad60787fc16dab37"},
	{kind: gguf.TQ2_0, numbers: 256, bytes: 66, scales: []int{64}, digest: "fc2c66de9d773524165042dcfe80dc8bb2877aed1ff3e6e02053fc9abda29f43"},
	{kind: gguf.Q2_0, numbers: 64, bytes: 18, scales: []int{0}, digest: "cee78c5f16a681a38bf5ac1f49cd5c445f1d02651d13771b0ec1de1427f92f7e"},
	{kind: gguf.PQ2_0, numbers: 128, bytes: 34, scales: []int{0}, digest: "6e034c716ed1e1d1896b265bc3cbf95ad8c9569a1be24e840753132a439b285c"},
	{kind: gguf.PTQ1_0, numbers: 128, bytes: 28, scales: []int{26}, digest: "f4bdf5f8ff66a1097f5e379d1f5a90ba8e85bc53be99bad84f26bd33e09793e9"},
}

// tableData returns n random numbers of a type, exact in it, so that they are the
// same on every platform.
func tableData(r *rand.Rand, kind gguf.TensorType, n int) []byte {
	half := func() uint16 { return uint16(r.IntN(2)<<15 | (12+r.IntN(3))<<10 | r.IntN(1<<10)) } // ±1/8 to ±1
	var data []byte
	switch kind {
	case gguf.F16:
		for range n {
			data = binary.LittleEndian.AppendUint16(data, half())
		}
	case gguf.BF16:
		for range n {
			data = binary.LittleEndian.AppendUint16(data, uint16(r.IntN(2)<<15|(124+r.IntN(3))<<7|r.IntN(1<<7)))
		}
	case gguf.F32:
		for range n {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(r.IntN(1<<16)-1<<15)/(1<<15)))
		}
	case gguf.I2S:
		data = make([]byte, n/4, n/4+32)
		for i := range data {
			data[i] = byte(r.IntN(3) | r.IntN(3)<<2 | r.IntN(3)<<4 | r.IntN(3)<<6)
		}
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(0.25))[:cap(data)]
	default:
		at := slices.IndexFunc(tableTypes, func(l tableType) bool { return l.kind == kind })
		l := tableTypes[at]
		data = make([]byte, n/l.numbers*l.bytes)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		for at := 0; at < len(data); at += l.bytes {
			for _, scale := range l.scales {
				binary.LittleEndian.PutUint16(data[at+scale:], half())
			}
		}
	}
	return data
}

// TestTables runs a model with embedding and head of each type: with every set of
// kernels and several numbers of threads all logits are the same, whether a token
// comes alone, in a prompt or beside other sessions; greedy decoding takes the
// largest; and the kernel that computes the head bears its name.
func TestTables(t *testing.T) {
	ctx := context.Background()
	made := madeModel{name: "tables", architecture: "llama", width: 256, inner: 384, heads: 4, keyHeads: 2, size: 64, untied: true}
	ids := []int{5, 77, 300, 999, 12, 12, 640, 3}
	for _, c := range tableTypes {
		t.Run(c.kind.String(), func(t *testing.T) {
			path := made.writeWith(t, c.kind)
			for _, k := range quant.Available() {
				for _, threads := range []int{1, 3} {
					if testing.Short() && threads == 1 {
						continue
					}
					m := openModel(t, path, WithKernels(k.Name()), WithThreads(threads))
					var alone [][]float32
					s := newSession(t, m)
					for _, id := range ids {
						logits, err := s.Append(ctx, []int{id})
						if err != nil {
							t.Fatal(err)
						}
						alone = append(alone, slices.Clone(logits))
					}
					if got := digest(alone); got != c.digest {
						t.Errorf("%s, %d threads: digest %s, want %s", k.Name(), threads, got, c.digest)
					}

					// Several sessions at once, each with all logits of its prompt.
					var wait sync.WaitGroup
					for range 3 {
						s := newSession(t, m)
						wait.Go(func() {
							at := 0
							for logits, err := range s.AppendEach(ctx, ids) {
								if err != nil {
									t.Error(err)
									return
								}
								if !slices.Equal(logits, alone[at]) {
									t.Errorf("%s, %d threads: the logits of token %d are others in a prompt", k.Name(), threads, at)
								}
								at++
							}
							if at != len(ids) {
								t.Errorf("logits of %d tokens, not %d", at, len(ids))
							}
						})
					}
					wait.Wait()

					// Greedy decoding, which finds the largest logit by a screen where there is
					// one.
					result, err := s.Generate(ctx, "", GenerateOptions{MaxTokens: 5})
					if err != nil {
						t.Fatal(err)
					}
					other := newSession(t, m)
					logits, err := other.Append(ctx, ids)
					for _, id := range result.Tokens {
						if err != nil {
							t.Fatal(err)
						}
						if want := slices.Index(logits, slices.Max(logits)); id != want {
							t.Errorf("%s: greedy took %d where %d has the largest logit", k.Name(), id, want)
						}
						logits, err = other.Append(ctx, []int{id})
					}
					counts, err := m.KernelCounts(ctx)
					if err != nil {
						t.Fatal(err)
					}
					name := "head_" + strings.ToLower(c.kind.String()) + "_"
					full, screens := 0, 0
					for kernel := range counts {
						switch {
						case strings.HasPrefix(kernel, name):
							full++
						case strings.HasPrefix(kernel, "head_i8_screen_"):
							screens++
						case strings.HasPrefix(kernel, "head_"):
							t.Errorf("%s where the head is %v", kernel, c.kind)
						}
					}
					floating := c.kind == gguf.F32 || c.kind == gguf.BF16
					if full != 1 || (screens == 1) != floating {
						t.Errorf("the kernels are %v", counts)
					}
				}
			}
		})
	}
}

// TestDamagedTables has a scale in the embedding of a token that is not a number.
func TestDamagedTables(t *testing.T) {
	ctx := context.Background()
	made := madeModel{name: "damaged", architecture: "llama", width: 256, inner: 256, heads: 4, keyHeads: 2, size: 64, untied: true}
	for _, c := range tableTypes {
		if c.scales == nil {
			continue
		}
		path := rewrite(t, made.writeWith(t, c.kind), nil, func(x *gguf.Tensor) {
			if x.Name == "token_embd.weight" {
				row := 77 * made.width / c.numbers * c.bytes
				binary.LittleEndian.PutUint16(x.Data[row+c.scales[0]:], 0x7e00)
			}
		})
		s := newSession(t, openModel(t, path))
		if _, err := s.Append(ctx, []int{5, 77}); !errors.Is(err, ErrNotFinite) || s.Len() != 0 {
			t.Errorf("%v: %v, length %d", c.kind, err, s.Len())
		}
		if _, err := s.Append(ctx, []int{5, 78}); err != nil {
			t.Errorf("%v: %v afterwards", c.kind, err)
		}
	}
}
