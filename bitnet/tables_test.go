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

// tableTypes are the types of embeddings and heads, with the digest of all logits of a
// model that has both in it: see TestTables.
var tableTypes = []struct {
	kind   gguf.TensorType
	digest string
}{
	{gguf.F32, "45355da4c6fc11f30af23a8aa203cb1e76623cdf9fcd086006770e91c0127aa7"},
	{gguf.BF16, "ad1ef2490d466d85096f5ef420e33fd1fb05485fd010963a27cabc5972f65e12"},
	{gguf.Q8_0, "af3cf850d79144c7fe993f173fb06c830d58ab26e8c53fcd5aa33c4d89c3d59f"},
	{gguf.Q5_0, "7e0558c50c7d030c0d791e0b9243c23970a0e1e04176482b46a93ba8be7f726c"},
	{gguf.Q4_0, "8b37068602fa8cd025dfb7b2470d705f3dece30d452be1a76c5f45829d58f5d8"},
	{gguf.Q6_K, "2238843bb59e277ac732446580b53494b3490a7d5ece66e86b139e4c513f51e1"},
	{gguf.Q4_K, "10f8bd6fb227ab7ba32bf52ae944a9ef91b5620008dcb159a89819ac0451e218"},
	{gguf.Q3_K, "cb58325f4396b4e61a6b431cbe115d3cec811f250f3eefaff9bfad9362f90ffd"},
	{gguf.I2S, "89a21cb5f54cb02f9b51cc169a0cd12c3928f1a37b9dce1ad1c57c8c09da520e"},
	{gguf.TQ1_0, "7460fdf5f0506bf4022c93e8f210ad77c0bdb1a44d07c2dfb46e17227a4009b9"},
	{gguf.TQ2_0, "3390dc91baf37d9406c4645504609d62ac2e8e3acb9c554acaf0bdd9ead6e4b5"},
	{gguf.Q2_0, "539884a83d58d4d4a4f441f70c360d03bcb83f1db3ec737cb4d1e37a4e64f67a"},
	{gguf.PQ2_0, "d7a23069d57bf7ffb58ecebfa7f850f964c1795c9164dd9ed4b9acb02b838334"},
	{gguf.PTQ1_0, "0fb4d853eadafd2860daf2aefad4e1186cfd31096a09c75a6d4713a7964d91bc"},
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
		data = makeBlocks(r, kind, n)
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
		b, ok := blocks[c.kind]
		if !ok {
			continue
		}
		path := rewrite(t, made.writeWith(t, c.kind), nil, func(x *gguf.Tensor) {
			if x.Name == "token_embd.weight" {
				row := 77 * made.width / b.weights * b.bytes
				binary.LittleEndian.PutUint16(x.Data[row+b.at:], 0x7e00)
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
