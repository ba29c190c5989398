package bitnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/quant"
)

// embeddingModel writes the made model of that name as one that embeds texts.
func embeddingModel(t testing.TB, name string, p Pooling) (made madeModel, path string) {
	t.Helper()
	i := slices.IndexFunc(madeModels, func(m madeModel) bool { return m.name == name })
	made = madeModels[i]
	made.set = maps.Clone(made.set)
	made.set["pooling_type"] = uint32(p)
	return made, made.write(t)
}

func mustEmbed(t testing.TB, m *Model, texts [][]int, opts ...EmbedOption) [][]float32 {
	t.Helper()
	vectors, err := m.EmbedTokens(context.Background(), texts, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return vectors
}

// someTexts are texts of all sorts of lengths: more than go together, of one token,
// of several passes.
func someTexts(m *Model) [][]int {
	var texts [][]int
	for i, n := range []int{5, 1, 130, 192, 300, 2, 9, 3, 8, 1, 1, 17, 20, 4, 4, 4, 4, 33, 2, 2, 2, 250} {
		texts = append(texts, longSequence(m)[i:min(i+n, 300)])
	}
	return texts
}

// TestEmbedReference holds a vector against a double-precision yardstick.
func TestEmbedReference(t *testing.T) {
	if _, err := os.Stat(sharedReference); err != nil {
		t.Skip("needs ../shared/reference")
	}
	path, ids, exact := readReference(t, filepath.Join(sharedReference, "embedding"), "exact.f32")
	m := openModel(t, path)
	got := mustEmbed(t, m, [][]int{ids})[0]
	worst := cosine(got, exact[0])
	t.Logf("cosine %.6f", worst)
	if !(worst >= 0.998) {
		t.Errorf("cosine %.6f, want at least 0.998", worst)
	}
}

// TestEmbedPoolings holds each kind of pooling against the plain forward pass in
// double precision.
func TestEmbedPoolings(t *testing.T) {
	for _, pooling := range []Pooling{PoolingMean, PoolingCLS, PoolingLast} {
		made, path := embeddingModel(t, "qwen3-norm-in", pooling)
		file, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		m := openModel(t, path)
		if m.Config().Pooling != pooling {
			t.Errorf("the file says %v, read as %v", pooling, m.Config().Pooling)
		}
		exact := doublePass{madeModel: &made, file: file}
		ids := longSequence(m)[:21]
		want := make([]float64, made.width)
		for i, id := range ids {
			hidden, _ := exact.next(id)
			if pooling == PoolingMean || pooling == PoolingCLS && i == 0 || pooling == PoolingLast && i == len(ids)-1 {
				for j, v := range hidden {
					want[j] += v
				}
			}
		}
		for _, dimensions := range []int{made.width, 48} {
			wanted, squares := make([]float32, dimensions), 0.0
			for i := range wanted {
				wanted[i] = float32(want[i])
			}
			got := mustEmbed(t, m, [][]int{ids}, WithDimensions(dimensions))[0]
			for _, v := range got {
				squares += float64(v) * float64(v)
			}
			// Keys and values are float16, which moves a few activations by one.
			if c := cosine(got, wanted); len(got) != dimensions || !(c >= 0.9995) || math.Abs(squares-1) > 1e-6 {
				t.Errorf("%v: %d elements, of length² %v, cosine %.6f", pooling, len(got), squares, c)
			}
		}
	}
}

// The digest of the vectors of someTexts, which every processor computes.
const embeddingsDigest = "cacd8054df05987e638714c48fa67a8c0e2d0a8035b3d525eadea52618a6e065"

// TestEmbedSameBits embeds texts with every kernel set, together, one by one and
// beside sessions that generate.
func TestEmbedSameBits(t *testing.T) {
	_, path := embeddingModel(t, "qwen3", PoolingMean) // with a head, so that it generates, too
	for _, k := range quant.Available() {
		for _, threads := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("%s/%d", k.Name(), threads), func(t *testing.T) {
				slow := testing.Short() || k.Name() == "generic"
				if slow && threads != 2 {
					t.Skip("slow")
				}
				m := openModel(t, path, WithKernels(k.Name()), WithThreads(threads))
				texts := someTexts(m)
				check := func(how string, vectors [][]float32) {
					if got := digest(vectors); got != embeddingsDigest {
						t.Errorf("%s: digest %s, want %s", how, got, embeddingsDigest)
					}
				}
				check("together", mustEmbed(t, m, texts))
				if slow {
					return
				}
				var alone [][]float32
				for _, ids := range texts {
					alone = append(alone, mustEmbed(t, m, [][]int{ids})...)
				}
				check("one by one", alone)
				slices.Reverse(texts)
				reversed := mustEmbed(t, m, texts)
				slices.Reverse(reversed)
				check("in another order", reversed)
				slices.Reverse(texts)
				busy(t, m)
				check("beside a session", mustEmbed(t, m, texts))
			})
		}
	}
}

// TestEmbedWholePasses counts the passes that many short texts take.
func TestEmbedWholePasses(t *testing.T) {
	_, path := embeddingModel(t, "qwen3-norm-in", PoolingLast)
	m := openModel(t, path)
	var texts [][]int
	for range 64 {
		texts = append(texts, longSequence(m)[:24])
	}
	before := m.passes.count.Load()
	mustEmbed(t, m, texts)
	if n := m.passes.count.Load() - before; n != 64*24/BlockTokens {
		t.Errorf("%d passes for %d tokens", n, 64*24)
	}
}

// TestEmbedCancel ends an embedding at each place that asks for its context.
func TestEmbedCancel(t *testing.T) {
	_, path := embeddingModel(t, "qwen3", PoolingLast)
	m := openModel(t, path, WithThreads(2))
	texts := someTexts(m)[:8]
	want := digest(mustEmbed(t, m, texts))
	busy(t, m)
	ended := 0
	for n := 1; ; n++ {
		vectors, err := m.EmbedTokens(endsAtQuestion(n), texts)
		if err == nil {
			if got := digest(vectors); got != want {
				t.Errorf("digest %s, want %s", got, want)
			}
			break
		}
		if ended++; !errors.Is(err, context.Canceled) {
			t.Fatalf("question %d: %v", n, err)
		}
	}
	if ended < 5 {
		t.Errorf("only %d places ask", ended)
	}
	if got := digest(mustEmbed(t, m, texts)); got != want {
		t.Errorf("afterwards: digest %s, want %s", got, want)
	}
}

func TestEmbedErrors(t *testing.T) {
	ctx := context.Background()
	_, path := embeddingModel(t, "qwen3-norm-in", PoolingLast)
	m := openModel(t, path)
	full := make([]int, m.Config().ContextLength+1)
	var tooLong *ContextError
	if _, err := m.EmbedTokens(ctx, [][]int{{1}, full}); !errors.As(err, &tooLong) || !strings.Contains(err.Error(), "text 1: ") {
		t.Errorf("beyond the context: %v", err)
	}
	if _, err := m.EmbedTokens(ctx, [][]int{full[1:]}); err != nil {
		t.Errorf("as long as the context: %v", err)
	}
	if _, err := m.EmbedTokens(ctx, [][]int{{1, -1}}); !errors.Is(err, ErrToken) {
		t.Errorf("no token: %v", err)
	}
	if _, err := m.EmbedTokens(ctx, [][]int{{1}, nil}); !errors.Is(err, ErrEmpty) {
		t.Errorf("nothing: %v", err)
	}
	if vectors, err := m.Embed(ctx, nil); err != nil || len(vectors) != 0 {
		t.Errorf("no texts: %v, %v", vectors, err)
	}
	for _, opt := range []EmbedOption{WithPooling(PoolingNone), WithPooling(4), WithDimensions(0), WithDimensions(m.Config().EmbeddingLength + 1)} {
		if _, err := m.Embed(ctx, []string{"a"}, opt); !errors.Is(err, ErrOption) {
			t.Errorf("a bad option: %v", err)
		}
	}
	// It does not generate, and a model that does is not made for this.
	var model *ModelError
	if _, err := m.NewSession(); !errors.As(err, &model) || !strings.Contains(err.Error(), "pooling_type") {
		t.Errorf("a session: %v", err)
	}
	if _, err := m.RestoreSession(bytes.NewReader(nil)); !errors.Is(err, ErrModel) {
		t.Errorf("a restored session: %v", err)
	}
	other := tinyModel(t)
	if _, err := other.Embed(ctx, []string{"a"}); !errors.As(err, &model) || !strings.Contains(err.Error(), "pooling_type") {
		t.Errorf("a model that generates: %v", err)
	}
	if vectors, err := other.Embed(ctx, []string{"a"}, WithPooling(PoolingLast)); err != nil || len(vectors[0]) != other.Config().EmbeddingLength {
		t.Errorf("asked for a pooling: %v", err)
	}
	m.Close()
	if _, err := m.Embed(ctx, []string{"a"}); err != ErrClosed {
		t.Errorf("closed: %v", err)
	}
}

// TestEmbedText has what a vocabulary asks for around a text.
func TestEmbedText(t *testing.T) {
	path, _, _ := reference(t, "tiny", "exact.f32")
	for _, around := range []bool{false, true} {
		m := openModel(t, rewrite(t, path, map[string]any{
			"bitnet-b1.58.pooling_type": uint32(3), "tokenizer.ggml.add_bos_token": around, "tokenizer.ggml.add_eos_token": around,
		}, nil))
		const text = "Hello <|eot_id|>"
		ids, err := m.EncodeText(text)
		if err != nil {
			t.Fatal(err)
		}
		begin, _ := m.Tokenizer().BeginOfText()
		end, _ := m.Tokenizer().EndOfText()
		if got := ids[0] == begin && ids[len(ids)-1] == end; got != around {
			t.Errorf("%v: begin or end of text: %v", ids, got)
		}
		special := 0
		for _, id := range ids {
			if m.Tokenizer().IsSpecial(id) {
				special++
			}
		}
		if special != map[bool]int{false: 0, true: 2}[around] {
			t.Errorf("%v has %d special tokens", ids, special)
		}
		vectors, err := m.Embed(context.Background(), []string{text, "Hello"})
		if err != nil {
			t.Fatal(err)
		}
		sameLogits(t, "text and tokens", vectors[0], mustEmbed(t, m, [][]int{ids})[0])
	}
}
