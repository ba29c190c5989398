package convert

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// A made is a tensor of a file that a test writes.
type made struct {
	name string
	dims []int
	typ  gguf.TensorType
	data []byte
}

// writeGGUF writes a file and returns its path.
func writeGGUF(t testing.TB, tensors []made, keys ...any) string {
	t.Helper()
	var out bytes.Buffer
	w := gguf.NewWriter(&out)
	for i := 0; i < len(keys); i += 2 {
		if err := w.Set(keys[i].(string), keys[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range tensors {
		if err := w.AddTensor(x.name, x.dims, x.typ, func(w io.Writer) error { _, err := w.Write(x.data); return err }); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, out.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// i2s returns a tensor of random ternary weights of one scale.
func i2s(random *rand.Rand, name string, rows, cols int, scale float32) made {
	data := make([]byte, rows*cols/4+32)
	for i := range rows * cols / 4 {
		for shift := 0; shift < 8; shift += 2 {
			data[i] |= byte(random.IntN(3)) << shift
		}
	}
	binary.LittleEndian.PutUint32(data[rows*cols/4:], math.Float32bits(scale))
	return made{name, []int{cols, rows}, gguf.I2S, data}
}

func floats(values []float32) []byte {
	var data []byte
	for _, x := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return data
}

func normal(random *rand.Rand, n int, deviation float64) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(random.NormFloat64() * deviation)
	}
	return values
}

// ternaryFile is a file with scales that float16 holds and others.
func ternaryFile(t testing.TB) string {
	random := rand.New(rand.NewPCG(3, 4))
	zeros := made{"blk.0.ffn_up.weight", []int{256, 4}, gguf.I2S, bytes.Repeat([]byte{0x55}, 256)}
	zeros.data = binary.LittleEndian.AppendUint32(zeros.data, math.Float32bits(1.2345678))
	zeros.data = append(zeros.data, make([]byte, 28)...)
	return writeGGUF(t, []made{
		{embeddingName, []int{256, 8}, gguf.F32, floats(normal(random, 8*256, 1))},
		{"blk.0.attn_norm.weight", []int{256}, gguf.F32, floats(normal(random, 256, 1))},
		i2s(random, "blk.0.attn_q.weight", 512, 256, 1.0/3),
		i2s(random, "blk.0.attn_k.weight", 128, 256, 0.75),
		i2s(random, "blk.0.ffn_down.weight", 256, 768, -0.0123456),
		zeros,
	}, "general.architecture", "llama", "general.file_type", uint32(40), "llama.block_count", uint32(1),
		"tokenizer.ggml.tokens", []string{"a", "b"})
}

func reopen(t testing.TB, data []byte) *gguf.File {
	t.Helper()
	f, err := gguf.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestRoundTrip goes from I2_S to each type with blocks, from there to another, and
// back: not a bit of the file differs.
func TestRoundTrip(t *testing.T) {
	from := ternaryFile(t)
	original, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	save := func(data []byte) string {
		path := filepath.Join(t.TempDir(), "model.gguf")
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	types := []gguf.TensorType{gguf.TQ1_0, gguf.TQ2_0, gguf.Q2_0, gguf.PQ2_0, gguf.PTQ1_0}
	for i, typ := range types {
		there, report := convertTo(t, from, Options{Type: typ})
		if report.Type != typ || report.Rounded != 3 || report.Architecture != "llama" {
			t.Errorf("%v: %+v", typ, report)
		}
		// The weights are what they were, but for the rounding of their scale.
		f, whole := reopen(t, there), reopen(t, original)
		for _, x := range f.Tensors() {
			old, _ := whole.Tensor(x.Name)
			if old.Type == gguf.I2S && x.Type != typ {
				t.Errorf("%s is %v", x.Name, x.Type)
			}
			a, b := decode(old), decode(x)
			for j := range a {
				if math.Abs(a[j]-b[j]) > math.Abs(a[j])/2048 || math.Signbit(a[j]) != math.Signbit(b[j]) && a[j] != 0 {
					t.Fatalf("%v: %s, weight %d is %v, was %v", typ, x.Name, j, b[j], a[j])
				}
			}
		}
		other := types[(i+1)%len(types)]
		further, _ := convertTo(t, save(there), Options{Type: other})
		direct, _ := convertTo(t, from, Options{Type: other})
		if !bytes.Equal(further, direct) {
			t.Errorf("%v by way of %v differs from %v", other, typ, other)
		}
		back, report := convertTo(t, save(further), Options{Type: gguf.I2S})
		if !bytes.Equal(back, original) {
			t.Errorf("by way of %v and %v: the file differs from the original", typ, other)
		}
		if report.Type != gguf.I2S || report.Rounded != 0 {
			t.Errorf("%+v", report)
		}
	}
}

// TestDeterminism has the bytes on record: they are the same with every processor,
// compiler and number of threads.
func TestDeterminism(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{Embedding: gguf.Q8_0}, "d0f34b0f9fcebebe"},
		{Options{Embedding: gguf.Q6_K}, "4d2e962e7c01386f"},
		{Options{Type: gguf.TQ1_0, Embedding: gguf.F16}, "a1315acb44cf5328"},
	} {
		from := ternaryFile(t)
		for _, threads := range []int{1, 2, 5} {
			runtime.GOMAXPROCS(threads)
			data, _ := convertTo(t, from, c.options)
			sum := sha256.Sum256(data)
			if got := hex.EncodeToString(sum[:8]); got != c.want {
				t.Errorf("%+v with %d threads: %s, want %s", c.options, threads, got, c.want)
			}
		}
	}
}

// TestTableQuality holds tables against what they were. The errors are relative to
// the root of the mean square.
func TestTableQuality(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	const rows, cols = 64, 2048
	values := normal(random, rows*cols, 0.05)
	for i := range 256 { // hard blocks: nothing, one value, tiny, huge, a step
		values[i], values[256+i], values[512+i] = 0, 0, float32(1e-9*random.NormFloat64())
		values[768+i], values[1024+i] = float32(1000*random.NormFloat64()), float32(i/128)
	}
	values[300] = -3
	from := writeGGUF(t, []made{{embeddingName, []int{cols, rows}, gguf.F32, floats(values)}}, "general.architecture", "llama")
	for typ, most := range map[gguf.TensorType]float64{gguf.F16: 0.0003, gguf.Q8_0: 0.0065, gguf.Q6_K: 0.0175} {
		data, _ := convertTo(t, from, Options{Embedding: typ})
		stored, _ := reopen(t, data).Tensor(embeddingName)
		got := decode(stored)
		worst, square, wrong := 0.0, 0.0, 0.0
		for block := 0; block < len(values); block += 256 {
			var s, w float64
			for i := block; i < block+256; i++ {
				x := float64(values[i])
				s += x * x
				w += (got[i] - x) * (got[i] - x)
			}
			if block >= 2048 {
				square, wrong = square+s, wrong+w
				worst = max(worst, math.Sqrt(w/s))
			} else if s > 1e-10 && math.Sqrt(w/s) > 2*most || s == 0 && w != 0 {
				t.Errorf("%v: hard block at %d: error %v of %v", typ, block, math.Sqrt(w), math.Sqrt(s))
			}
		}
		t.Logf("%v: error %.5f, in the worst block %.5f", typ, math.Sqrt(wrong/square), worst)
		if e := math.Sqrt(wrong / square); e > most || worst > 1.5*most {
			t.Errorf("%v: error %.5f, in the worst block %.5f, want at most %v", typ, e, worst, most)
		}
	}
}

// TestFileRefused asks for what a type does not hold.
func TestFileRefused(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	q2 := func(scales ...uint16) made {
		x := made{"blk.0.attn_q.weight", []int{64 * len(scales), 1}, gguf.Q2_0, nil}
		for _, s := range scales {
			x.data = append(binary.LittleEndian.AppendUint16(x.data, s), bytes.Repeat([]byte{0xa8}, 16)...)
		}
		return x
	}
	three := i2s(random, "blk.0.attn_q.weight", 2, 256, 1)
	three.data[100] |= 3
	infinite := i2s(random, "blk.0.attn_q.weight", 2, 256, float32(math.Inf(1)))
	table := func(values ...float32) made {
		return made{embeddingName, []int{len(values), 1}, gguf.F32, floats(values)}
	}
	const one, two = 0x3c00, 0x4000 // 1 and 2 in float16
	for _, c := range []struct {
		name    string
		tensor  made
		keys    []any
		options Options
		want    string
	}{
		{"nothing asked", q2(one), nil, Options{}, "nothing is asked"},
		{"no such type", q2(one), nil, Options{Type: gguf.Q4_K}, "option Type"},
		{"no such embedding", q2(one), nil, Options{Embedding: gguf.Q4_0}, "option Embedding"},
		{"two scales to I2_S", q2(one, two), nil, Options{Type: gguf.I2S}, "has room for one"},
		{"two scales in a block", q2(one, two, one, one), nil, Options{Type: gguf.TQ2_0}, "has room for one"},
		{"columns", q2(one), nil, Options{Type: gguf.PQ2_0}, "multiple of 128"},
		{"columns of I2_S", made{"blk.0.ffn_down.weight", []int{192, 2}, gguf.I2S, make([]byte, 128)}, nil, Options{Type: gguf.Q2_0}, "across rows"},
		{"code 3", three, nil, Options{Type: gguf.TQ2_0}, "code 3"},
		{"weight 2", made{"blk.0.attn_q.weight", []int{128, 1}, gguf.PQ2_0, append([]byte{0, 0x3c}, bytes.Repeat([]byte{0xff}, 32)...)}, nil, Options{Type: gguf.I2S}, "not ternary"},
		{"infinite", infinite, nil, Options{Type: gguf.TQ2_0}, "+Inf"},
		{"infinite block", q2(0x7c00, one), nil, Options{Type: gguf.PQ2_0}, "Inf"},
		{"beyond float16", i2s(random, "blk.0.attn_q.weight", 2, 256, 1e6), nil, Options{Type: gguf.TQ2_0}, "outside what float16 holds"},
		{"below float16", i2s(random, "blk.0.attn_q.weight", 2, 256, 1e-7), nil, Options{Type: gguf.TQ2_0}, "outside what float16 holds"},
		{"floats", made{"blk.0.attn_q.weight", []int{64, 1}, gguf.F16, make([]byte, 128)}, nil, Options{Type: gguf.I2S}, "not ternary"},
		{"no matrix", made{"blk.0.attn_norm.weight", []int{4}, gguf.F32, make([]byte, 16)}, nil, Options{Type: gguf.I2S}, "none is a ternary matrix"},
		{"encoded table", made{embeddingName, []int{32, 1}, gguf.Q4_0, make([]byte, 18)}, nil, Options{Embedding: gguf.F16}, "Q4_0"},
		{"table of a vector", made{headName, []int{32}, gguf.F32, make([]byte, 128)}, nil, Options{Embedding: gguf.Q8_0}, "dimensions"},
		{"width of a table", table(make([]float32, 48)...), nil, Options{Embedding: gguf.Q8_0}, "multiple of 32"},
		{"value beyond float16", table(1, 1e6), nil, Options{Embedding: gguf.F16}, "beyond what float16"},
		{"value beyond Q8_0", table(append(make([]float32, 31), 1e38)...), nil, Options{Embedding: gguf.Q8_0}, "beyond what Q8_0"},
		{"value beyond Q6_K", table(append(make([]float32, 255), -3e38)...), nil, Options{Embedding: gguf.Q6_K}, "beyond what Q6_K"},
		{"not a number", table(1, float32(math.NaN())), nil, Options{Embedding: gguf.F16}, "NaN"},
		{"exact scale of another", q2(one), []any{exactScaleNames, []string{"blk.0.attn_q.weight"}, exactScaleValues, []float32{2}}, Options{Type: gguf.TQ2_0}, "multiple of 256"},
		{"exact scale changed", q2(one, one), []any{exactScaleNames, []string{"blk.0.attn_q.weight"}, exactScaleValues, []float32{2}}, Options{Type: gguf.I2S}, "somebody has changed"},
		{"exact scales of two lengths", q2(one, one), []any{exactScaleNames, []string{"a", "b"}, exactScaleValues, []float32{2}}, Options{Type: gguf.I2S}, "has 1 elements"},
		{"exact scale not finite", q2(one, one), []any{exactScaleNames, []string{"a"}, exactScaleValues, []float32{float32(math.Inf(1))}}, Options{Type: gguf.I2S}, "Inf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := writeGGUF(t, []made{c.tensor}, c.keys...)
			_, err := Write(context.Background(), io.Discard, path, c.options)
			if !errors.Is(err, ErrConvert) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not say %q", err, c.want)
			}
		})
	}
	// What is missing, and what is no GGUF.
	if _, err := Write(context.Background(), io.Discard, filepath.Join(t.TempDir(), "x"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	text := filepath.Join(t.TempDir(), "x")
	os.WriteFile(text, []byte("<html>"), 0o666)
	if _, err := Write(context.Background(), io.Discard, text, Options{Type: gguf.I2S}); !errors.Is(err, gguf.ErrFormat) {
		t.Errorf("error %v", err)
	}
}

// TestFileTables looks at what becomes of a table in each case.
func TestFileTables(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	bonsai := writeGGUF(t, []made{
		{embeddingName, []int{128, 2}, gguf.PQ2_0, bytes.Repeat(append([]byte{0, 0x3c}, bytes.Repeat([]byte{0x98}, 32)...), 2)},
		{"blk.0.attn_q.weight", []int{128, 2}, gguf.PQ2_0, bytes.Repeat(append([]byte{0, 0x38}, bytes.Repeat([]byte{0x62}, 32)...), 2)},
	}, "general.architecture", "qwen3", "split.count", uint16(1))
	before, err := os.ReadFile(bonsai)
	if err != nil {
		t.Fatal(err)
	}
	whole, _ := reopen(t, before).Tensor(embeddingName)
	for _, c := range []struct {
		options      Options
		table, type_ gguf.TensorType
	}{
		{Options{Type: gguf.PTQ1_0}, gguf.PTQ1_0, gguf.PTQ1_0},
		{Options{Type: gguf.I2S}, gguf.PQ2_0, gguf.I2S},
		{Options{Type: gguf.Q2_0, Embedding: gguf.F16}, gguf.F16, gguf.Q2_0},
		{Options{Embedding: gguf.Q8_0}, gguf.Q8_0, gguf.PQ2_0},
	} {
		data, report := convertTo(t, bonsai, c.options)
		f := reopen(t, data)
		table, _ := f.Tensor(embeddingName)
		if report.Embedding != c.table || report.Type != c.type_ || table.Type != c.table {
			t.Errorf("%+v: %+v, table %v", c.options, report, table.Type)
		}
		if _, ok := f.Value("split.count"); ok {
			t.Error("the file says that it is one of several")
		}
		for i, x := range decode(table) {
			if want := decode(whole)[i]; math.Abs(x-want) > 1e-3 {
				t.Fatalf("%+v: value %d is %v, want %v", c.options, i, x, want)
			}
		}
	}
	// An embedding that has the type already is copied.
	half := writeGGUF(t, []made{{embeddingName, []int{32, 4}, gguf.Q8_0, make([]byte, 34*4)}, i2s(random, "blk.0.attn_q.weight", 2, 256, 1)})
	data, _ := convertTo(t, half, Options{Embedding: gguf.Q8_0})
	if original, _ := os.ReadFile(half); !bytes.Equal(data, original) {
		t.Error("a copy differs")
	}
}

// TestProgress sees the work come to its end, and to an end before that.
func TestProgress(t *testing.T) {
	from := ternaryFile(t)
	var last, all int64
	o := Options{Type: gguf.TQ2_0, Progress: func(written, total int64) {
		if written < last || all != 0 && total != all {
			t.Errorf("%d of %d after %d of %d", written, total, last, all)
		}
		last, all = written, total
	}}
	convertTo(t, from, o)
	if last != all || all == 0 {
		t.Errorf("at the end: %d of %d", last, all)
	}

	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	last, all = 0, 0
	o.Progress = func(written, total int64) { cancel(reason) }
	if _, err := Write(ctx, io.Discard, from, o); !errors.Is(err, reason) {
		t.Errorf("error %v", err)
	}
	full := fmt.Errorf("no room")
	_, err := Write(context.Background(), failing{full}, from, Options{Type: gguf.TQ2_0})
	if !errors.Is(err, full) || errors.Is(err, ErrConvert) {
		t.Errorf("error %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write(p []byte) (int, error) { return 0, f.err }

// FuzzTernary packs whatever codes, in every type, as they come back.
func FuzzTernary(f *testing.F) {
	f.Add([]byte("ternary"))
	f.Fuzz(func(t *testing.T, data []byte) {
		codes := make([]int8, 256)
		for i := range codes {
			if len(data) > 0 {
				codes[i] = int8(data[i%len(data)]/byte(1+i/len(data))%3) - 1
			}
		}
		for typ, p := range packings {
			block := make([]byte, p.bytes)
			p.pack(block, codes[:p.weights])
			binary.LittleEndian.PutUint16(block[p.scaleAt:], 0x3c00)
			got := decode(gguf.Tensor{Type: typ, Dims: []int{p.weights}, Data: block})
			back := make([]int8, p.weights)
			p.unpack(back, block)
			for i, c := range codes[:p.weights] {
				if got[i] != float64(c) || back[i] != c {
					t.Fatalf("%v: weight %d is %v and %d, was %d", typ, i, got[i], back[i], c)
				}
			}
		}
		if slices.Max(codes) > 1 {
			t.Fatal("codes")
		}
	})
}
