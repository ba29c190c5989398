package bitnet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/x448/float16"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/internal/table"
)

// A made model is a small one with made-up weights, of which a test writes the
// file.
type madeModel struct {
	name                  string
	architecture          string
	width, inner          int
	heads, keyHeads, size int            // query heads, key-value heads, and their size
	set                   map[string]any // keys below the architecture's name
	untied                bool
	halfNorms             bool // norms of float16
	inputNorms, scales    bool
	digest, longDigest    string          // of all logits, and of the last of longSequence: see TestSameBits
	weights               gguf.TensorType // of the projections; I2_S where 0
	embedding, head       gguf.TensorType // F16 where 0, which is F32's number
	neighbours            bool            // what the plain forward pass is to do
	silu, sub, headNorm   bool
}

// madeModels has every architecture, with what its files may have.
var madeModels = []madeModel{
	{
		digest: "f72f36e6e05aef56623301374ea53a9e189a84a5717e39bc68e7ad6b1b6bf530", longDigest: "37a2f73b81170ebc76f0424c6ce1af468a29969065117ce24de7a68b4d5f6e50",
		name: "bitnet", architecture: "bitnet", width: 384, inner: 512, heads: 4, keyHeads: 4, size: 96, scales: true,
		silu: true, sub: true,
	},
	{
		digest: "0833d867e93f0db0b8e4f0110cc8f5bee64d19ee12e4516123dcf66889cdcbce", longDigest: "b17fb45957808f499e3e7a5c014a3300b6deb93896b6dfb1872ff8ab0bf12c17",
		name: "bitnet-relu2", architecture: "bitnet", width: 128, inner: 256, heads: 2, keyHeads: 1, size: 64,
		set: map[string]any{"hidden_act": "relu2"}, sub: true,
	},
	{
		digest: "1002df23ce01fdc8e3fedff740330ff3036b904339270d441b88e6bf0fe925f4", longDigest: "bd79fa28013629cb3ad86c18476ab5396db63e641498da1be937b3ff070875f0",
		name: "llama", architecture: "llama", width: 256, inner: 384, heads: 4, keyHeads: 2, size: 64, untied: true,
		set: map[string]any{"rope.freq_base": float32(500000)}, silu: true, neighbours: true,
	},
	{
		digest: "c3722f55229e14ef9c7a25af79afe3ae781f10377afae95f843cda0951b003d7", longDigest: "ae445780c1a0020f37ef6939d804d000c1228482eee72e4efa41a58d4aaed755",
		name: "qwen3", architecture: "qwen3", width: 128, inner: 256, heads: 4, keyHeads: 2, size: 128, untied: true, halfNorms: true,
		set: map[string]any{
			"attention.key_length": uint32(128), "attention.value_length": uint32(128), "rope.freq_base": float32(1e6),
			"rope.scaling.type": "yarn", "rope.scaling.factor": float32(4), "rope.scaling.original_context_length": uint32(64),
		},
		silu: true, headNorm: true,
	},
	{
		digest: "d44b377e722ec5343d27860fed1fdc6746819b4b2f1fdbbc5148ad800a98728f", longDigest: "d673c6b25c4b118755642d74a768abd38e74a12775d974338d8eb26c90ecdabe",
		name: "qwen3-norm-in", architecture: "qwen3", width: 128, inner: 384, heads: 2, keyHeads: 1, size: 128, halfNorms: true, inputNorms: true,
		set:  map[string]any{"attention.key_length": uint32(128), "rope.dimension_count": uint32(128), "rope.freq_base": float32(1e6)},
		silu: true, headNorm: true,
	},
	{
		digest: "652212ad4ff8d1a0a5c23e10a208f4e749e55f1e726b53a13013e59ad1aa296e", longDigest: "877e9a5f148e26de7182c49f572b9cfcedf5866a958e9e7b9fbdaa27af670674",
		name: "llama-tq2-q4", architecture: "llama", width: 256, inner: 512, heads: 4, keyHeads: 2, size: 64, untied: true,
		weights: gguf.TQ2_0, embedding: gguf.Q4_K, head: gguf.Q6_K, silu: true, neighbours: true,
	},
	{
		digest: "70e2095df1b922617c1051bfa1f8ccd1ceeb77332dd5c11698046495bb8904b9", longDigest: "3f6f08473a7025598b4d7c79f3974012ed60c5238e508d5483dce3c03be6d7be",
		name: "bitnet-tq1-embedding-and-head-q4k", architecture: "bitnet", width: 256, inner: 512, heads: 4, keyHeads: 4, size: 64, scales: true,
		weights: gguf.TQ1_0, embedding: gguf.Q4_K, silu: true, sub: true,
	},
	{
		digest: "c0ceea16025d8eda3a5618ccf50be611d4a654857652bb92b382fc169e2b76a9", longDigest: "9dfe9599d634c385751aeb85d56d262e92e91df1dc424141e9810413c4f8aed2",
		name: "qwen3-q2", architecture: "qwen3", width: 128, inner: 256, heads: 4, keyHeads: 2, size: 64,
		set:     map[string]any{"attention.key_length": uint32(64), "rope.freq_base": float32(1e6)},
		weights: gguf.Q2_0, embedding: gguf.Q2_0, silu: true, headNorm: true,
	},
	{
		digest: "701011b58a3170f96c0fc3620d890dd66c1caa22a38f7c8a45504ba6cbb86802", longDigest: "6696b7050b5e988c4cd6052872ac7e2ee00a4b69cfdabba67095c7a36950ec71",
		name: "qwen3-pq2", architecture: "qwen3", width: 128, inner: 384, heads: 2, keyHeads: 1, size: 128, untied: true,
		set:     map[string]any{"attention.key_length": uint32(128), "rope.freq_base": float32(1e6)},
		weights: gguf.PQ2_0, embedding: gguf.PQ2_0, head: gguf.PQ2_0, silu: true, headNorm: true,
	},
	{
		digest: "a76053b4675123ae74d457130f44a189d86d60e19bef6d821321b329047204f2", longDigest: "65e4aa4bee336ffc11653af316514dc0f7362777667d86ed11e0236498bdf983",
		name: "qwen3-ptq1-q8-embedded", architecture: "qwen3", width: 256, inner: 384, heads: 2, keyHeads: 1, size: 128, untied: true,
		set:     map[string]any{"rope.freq_base": float32(1e6)},
		weights: gguf.PTQ1_0, embedding: gguf.Q8_0, head: gguf.PTQ1_0, silu: true, headNorm: true,
	},
	{
		digest: "59fea4262280089eaec3710240b7078d970b1c3980b45d7f12b0b45c13c8e1a2", longDigest: "1bc7c81f075c1797f36fda075eaecc7d02bb0f20f226923aa1fa05616a5d4e20",
		name: "b158-q6k", architecture: "bitnet-b1.58", width: 256, inner: 384, heads: 4, keyHeads: 2, size: 64,
		set:       map[string]any{"rope.freq_base": float32(500000)},
		embedding: gguf.Q6_K, sub: true,
	},
}

// write writes the model, with the vocabulary of the reference model micro-untied.
func (m *madeModel) write(t testing.TB) string {
	t.Helper()
	return m.writeWith(t, gguf.F16)
}

// writeWith is write with embedding and head of a type where the model names none.
func (m *madeModel) writeWith(t testing.TB, tables gguf.TensorType) string {
	t.Helper()
	reference, _, _ := reference(t, "micro-untied", "exact.f32")
	f, err := gguf.Open(reference)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	path := filepath.Join(t.TempDir(), m.name+".gguf")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := gguf.NewWriter(out)
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(w.Set("general.architecture", m.architecture))
	for name, value := range map[string]any{
		"context_length": uint32(512), "embedding_length": uint32(m.width), "block_count": uint32(2), "feed_forward_length": uint32(m.inner),
		"attention.head_count": uint32(m.heads), "attention.head_count_kv": uint32(m.keyHeads), "attention.layer_norm_rms_epsilon": float32(1e-6),
	} {
		check(w.Set(m.architecture+"."+name, value))
	}
	for name, value := range m.set {
		check(w.Set(m.architecture+"."+name, value))
	}
	vocabulary := 0
	for _, key := range f.Keys() {
		if strings.HasPrefix(key, "tokenizer.") {
			value, _ := f.Value(key)
			check(w.Set(key, value))
			if key == "tokenizer.ggml.tokens" {
				vocabulary = value.Len()
			}
		}
	}
	// All numbers are exact in their types, so that they are the same on every
	// platform.
	r := rand.New(rand.NewPCG(7, uint64(len(m.name))))
	add := func(name string, dims []int, kind gguf.TensorType, data []byte) {
		check(w.AddTensor(name, dims, kind, func(w io.Writer) error { _, err := w.Write(data); return err }))
	}
	table := func(name string, kind gguf.TensorType) {
		if kind == 0 {
			kind = tables
		}
		add(name, []int{m.width, vocabulary}, kind, tableData(r, kind, m.width*vocabulary))
	}
	norm := func(name string, n int, half bool) {
		var data []byte
		kind := gguf.F32
		for range n {
			if x := float32(48+r.IntN(32)) / 64; half {
				kind, data = gguf.F16, binary.LittleEndian.AppendUint16(data, float16.Fromfloat32(x).Bits())
			} else {
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
			}
		}
		add(name+".weight", []int{n}, kind, data)
	}
	var i2s func(name string, columns, rows int)
	ternary := func(name string, columns, rows int) {
		if m.weights != 0 {
			add(name+".weight", []int{columns, rows}, m.weights, makeBlocks(r, m.weights, columns*rows))
		} else {
			i2s(name, columns, rows)
		}
		if m.inputNorms {
			norm(name+"_norm_in", columns, true)
		}
		if m.scales {
			add(name+".scale", []int{1}, gguf.F32, binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(12+r.IntN(8))/16)))
		}
	}
	i2s = func(name string, columns, rows int) {
		data := make([]byte, columns*rows/4, columns*rows/4+32)
		for i := range data {
			for shift := 0; shift < 8; shift += 2 {
				data[i] |= byte(r.IntN(3)) << shift
			}
		}
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(12+r.IntN(8))/256))
		add(name+".weight", []int{columns, rows}, gguf.I2S, data[:cap(data)])
	}
	table("token_embd.weight", m.embedding)
	norm("output_norm", m.width, m.halfNorms)
	if m.untied {
		table("output.weight", m.head)
	}
	for _, b := range []string{"blk.0.", "blk.1."} {
		norm(b+"attn_norm", m.width, m.halfNorms)
		norm(b+"ffn_norm", m.width, m.halfNorms)
		if m.sub {
			norm(b+"attn_sub_norm", m.heads*m.size, m.halfNorms)
			norm(b+"ffn_sub_norm", m.inner, m.halfNorms)
		}
		if m.headNorm {
			norm(b+"attn_q_norm", m.size, m.halfNorms)
			norm(b+"attn_k_norm", m.size, m.halfNorms)
		}
		ternary(b+"attn_q", m.width, m.heads*m.size)
		ternary(b+"attn_k", m.width, m.keyHeads*m.size)
		ternary(b+"attn_v", m.width, m.keyHeads*m.size)
		ternary(b+"attn_output", m.heads*m.size, m.width)
		ternary(b+"ffn_gate", m.width, m.inner)
		ternary(b+"ffn_up", m.width, m.inner)
		ternary(b+"ffn_down", m.inner, m.width)
	}
	check(w.Close())
	return path
}

// makeBlocks makes weights in blocks: random bytes with codes that are sound, and
// scales by which weights of a table come to about 1, those of matrices to less.
func makeBlocks(r *rand.Rand, kind gguf.TensorType, weights int) []byte {
	b := blocks[kind]
	data := make([]byte, weights/b.weights*b.bytes)
	for i := range data {
		if data[i] = byte(r.IntN(256)); b.pairs {
			data[i] = byte(r.IntN(3) | r.IntN(3)<<2 | r.IntN(3)<<4 | r.IntN(3)<<6)
		}
	}
	for at := 0; at < len(data); at += b.bytes {
		for i, exponent := range b.scales { // 2^exponent to twice that
			scale := uint16((15+exponent)<<10 | r.IntN(1<<10))
			binary.LittleEndian.PutUint16(data[at+b.at+2*i:], scale)
		}
	}
	return data
}

// blocks has how some types cut weights into blocks, and where their float16 scales
// lie.
var blocks = map[gguf.TensorType]struct {
	weights, bytes int
	pairs          bool // codes of two bits, all of them 0, 1 or 2
	at             int
	scales         []int // exponents
	activations    int   // that have a scale in common, 0 where they are taken as they are
}{
	gguf.TQ1_0:  {256, 54, false, 52, []int{-4}, 64},
	gguf.TQ2_0:  {256, 66, true, 64, []int{-4}, 64},
	gguf.Q2_0:   {64, 18, true, 0, []int{-4}, 64},
	gguf.PQ2_0:  {128, 34, true, 0, []int{-4}, 64},
	gguf.PTQ1_0: {128, 28, false, 26, []int{-4}, 64},
	gguf.Q8_0:   {32, 34, false, 0, []int{-7}, 0},
	gguf.Q5_0:   {32, 22, false, 0, []int{-4}, 0},
	gguf.Q4_0:   {32, 18, false, 0, []int{-3}, 0},
	gguf.Q3_K:   {256, 110, false, 108, []int{-7}, 0},
	gguf.Q4_K:   {256, 144, false, 0, []int{-9, -7}, 0},
	gguf.Q6_K:   {256, 210, false, 208, []int{-11}, 0},
}

// doublePass is a made model in double precision, one token after the other: a forward
// pass that shares nothing with the engine's.
type doublePass struct {
	*madeModel
	file       *gguf.File
	keys, vals [2][][]float64 // [block][position]
}

func (p *doublePass) floats(name string) []float64 {
	t, ok := p.file.Tensor(name)
	if !ok {
		panic(name)
	}
	x := make([]float64, t.Elements())
	if _, ok := blocks[t.Type]; ok {
		rows, err := table.New(t.Type, t.Dims[1], t.Dims[0], t.Data)
		if err != nil {
			panic(err)
		}
		row := make([]float32, t.Dims[0])
		for at := 0; at < len(x); at += len(row) {
			if err := rows.Widen(row, at/len(row), new(table.Scratch)); err != nil {
				panic(err)
			}
			for i, v := range row {
				x[at+i] = float64(v)
			}
		}
		return x
	}
	for i := range x {
		if t.Type == gguf.F16 {
			x[i] = float64(float16.Frombits(binary.LittleEndian.Uint16(t.Data[2*i:])).Float32())
		} else {
			x[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:])))
		}
	}
	return x
}

func (p *doublePass) norm(x []float64, name string) []float64 {
	w := p.floats(name + ".weight")
	y := make([]float64, len(x))
	for at := 0; at < len(x); at += len(w) { // a head at a time where the weights are a head's
		sum := 0.0
		for _, v := range x[at : at+len(w)] {
			sum += v * v
		}
		for i, v := range w {
			y[at+i] = x[at+i] / math.Sqrt(sum/float64(len(w))+1e-6) * v
		}
	}
	return y
}

func (p *doublePass) linear(name string, x []float64) []float64 {
	if p.inputNorms {
		x = p.norm(x, name+"_norm_in")
	}
	largest := 1e-5
	for _, v := range x {
		largest = max(largest, math.Abs(v))
	}
	t, _ := p.file.Tensor(name + ".weight")
	if t.Type != gguf.I2S {
		y := p.multiply(t.Name, rounded(x, blocks[t.Type].activations))
		if p.scales {
			scale := p.floats(name + ".scale")[0]
			for i := range y {
				y[i] *= scale
			}
		}
		return y
	}
	weights := len(x) * t.Dims[1]
	factor := float64(math.Float32frombits(binary.LittleEndian.Uint32(t.Data[weights/4:]))) * largest / 127
	if p.scales {
		factor *= p.floats(name + ".scale")[0]
	}
	y := make([]float64, t.Dims[1])
	for i := range weights {
		code := t.Data[i/128*32+i%32] >> (6 - i%128/32*2) & 3
		y[i/len(x)] += (float64(code) - 1) * math.RoundToEven(x[i%len(x)]*127/largest) * factor
	}
	return y
}

// rounded returns x in 8 bits, with a scale for each so many elements.
func rounded(x []float64, size int) []float64 {
	x = slices.Clone(x)
	for at := 0; at < len(x); at += size {
		block, largest := x[at:at+size], 0.0
		for _, v := range block {
			largest = max(largest, math.Abs(v))
		}
		for i, v := range block {
			if largest > 0 {
				block[i] = math.RoundToEven(v*127/largest) * largest / 127
			}
		}
	}
	return x
}

// multiply multiplies a vector by a matrix with scales for blocks, or by a table.
func (p *doublePass) multiply(name string, x []float64) []float64 {
	t, _ := p.file.Tensor(name)
	y := make([]float64, t.Dims[1])
	for i, w := range p.floats(name) {
		y[i/len(x)] += w * x[i%len(x)]
	}
	return y
}

// rotate turns a head, by the formulas of the papers.
func (p *doublePass) rotate(x []float64, position int) {
	number := func(name string, otherwise float64) float64 {
		switch v := p.set[name].(type) {
		case float32:
			return float64(v)
		case uint32:
			return float64(v)
		}
		return otherwise
	}
	n := float64(len(x))
	base, factor := number("rope.freq_base", 10000), number("rope.scaling.factor", 1)
	for i := range len(x) / 2 {
		theta := math.Pow(base, -2*float64(i)/n)
		if factor > 1 {
			original := number("rope.scaling.original_context_length", 0)
			from := math.Floor(n * math.Log(original/(32*2*math.Pi)) / (2 * math.Log(base)))
			to := math.Ceil(n * math.Log(original/(2*math.Pi)) / (2 * math.Log(base)))
			ramp := (float64(i) - max(from, 0)) / (min(to, n-1) - max(from, 0))
			ramp = min(max(ramp, 0), 1)
			theta = theta/factor*ramp + theta*(1-ramp)
		}
		a, b := i, i+len(x)/2
		if p.neighbours {
			a, b = 2*i, 2*i+1
		}
		sin, cos := math.Sincos(float64(position) * theta)
		length := 0.1*math.Log(factor) + 1
		x[a], x[b] = length*(x[a]*cos-x[b]*sin), length*(x[a]*sin+x[b]*cos)
	}
}

// next returns the vector and the logits after one more token.
func (p *doublePass) next(id int) (hidden, logits []float64) {
	x := slices.Clone(p.floats("token_embd.weight")[id*p.width : (id+1)*p.width])
	add := func(y []float64) {
		for i, v := range y {
			x[i] += v
		}
	}
	for block, b := range []string{"blk.0.", "blk.1."} {
		h := p.norm(x, b+"attn_norm")
		q, k, v := p.linear(b+"attn_q", h), p.linear(b+"attn_k", h), p.linear(b+"attn_v", h)
		if p.headNorm {
			q, k = p.norm(q, b+"attn_q_norm"), p.norm(k, b+"attn_k_norm")
		}
		position := len(p.keys[block])
		for _, heads := range [][]float64{q, k} {
			for at := 0; at < len(heads); at += p.size {
				p.rotate(heads[at:at+p.size], position)
			}
		}
		p.keys[block], p.vals[block] = append(p.keys[block], k), append(p.vals[block], v)
		a := make([]float64, len(q))
		for head := range p.heads {
			query, from := q[head*p.size:(head+1)*p.size], head/(p.heads/p.keyHeads)*p.size
			weights, sum := make([]float64, position+1), 0.0
			for t := range weights {
				for i, v := range query {
					weights[t] += v * p.keys[block][t][from+i] / math.Sqrt(float64(p.size))
				}
				weights[t] = math.Exp(weights[t])
				sum += weights[t]
			}
			for t, weight := range weights {
				for i := range query {
					a[head*p.size+i] += weight / sum * p.vals[block][t][from+i]
				}
			}
		}
		if p.sub {
			a = p.norm(a, b+"attn_sub_norm")
		}
		add(p.linear(b+"attn_output", a))

		h = p.norm(x, b+"ffn_norm")
		f, up := p.linear(b+"ffn_gate", h), p.linear(b+"ffn_up", h)
		for i, g := range f {
			if p.silu {
				f[i] = g / (1 + math.Exp(-g)) * up[i]
			} else {
				f[i] = max(g, 0) * max(g, 0) * up[i]
			}
		}
		if p.sub {
			f = p.norm(f, b+"ffn_sub_norm")
		}
		add(p.linear(b+"ffn_down", f))
	}
	x = p.norm(x, "output_norm")
	head := "token_embd.weight"
	if p.untied {
		head = "output.weight"
	}
	return x, p.multiply(head, x)
}

// TestArchitectures holds models of every architecture against a plain forward
// pass in double precision.
func TestArchitectures(t *testing.T) {
	for _, made := range madeModels {
		t.Run(made.name, func(t *testing.T) {
			path := made.write(t)
			file, err := gguf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			m := openModel(t, path)
			exact, s := doublePass{madeModel: &made, file: file}, newSession(t, m, WithFloat32Cache())
			worst := 1.0
			for i := range 20 {
				id := (i*i*31 + 7) % m.Config().VocabularySize
				_, want := exact.next(id)
				wanted := make([]float32, len(want))
				for i, v := range want {
					wanted[i] = float32(v)
				}
				worst = min(worst, cosine(mustAppend(t, s, id), wanted))
			}
			// No activation of these models lies so near the middle of two integers
			// that float32 and float64 round it to different ones. A head in blocks is
			// multiplied by a 16-bit image, a ternary one by two of 8 bits.
			if !(worst >= 1-1e-9) {
				t.Errorf("smallest cosine 1 − %.1e", 1-worst)
			}
		})
	}
}

// TestRefusals asks for models that somebody might hope for.
func TestRefusals(t *testing.T) {
	path, _, _ := reference(t, "micro-untied", "exact.f32")
	const arch = "bitnet-b1.58."
	for _, c := range []struct {
		set   map[string]any
		words string
	}{
		{map[string]any{"general.architecture": "qwen35"}, "1.7B, 4B and 8B"},
		{map[string]any{"general.architecture": "gemma3"}, "bitnet-embedding-0.6b"},
		{map[string]any{"general.architecture": "falcon"}, "must be one of bitnet-b1.58, bitnet-25, bitnet, llama, qwen3"},
		{map[string]any{arch + "embedding_length": uint32(3200), arch + "feed_forward_length": uint32(8640), arch + "attention.head_count": uint32(32)}, "bitnet_b1_58-large can"},
		{map[string]any{"prism.hadamard.version": uint32(1)}, "a rotated basis"},
		{map[string]any{arch + "rope.scaling.type": "yarn", arch + "rope.scaling.factor": float32(0.5)}, "between 1"},
		{map[string]any{arch + "rope.scaling.type": "yarn", arch + "rope.scaling.factor": float32(4)}, "original_context_length"},
	} {
		if _, err := Open(rewrite(t, path, c.set, nil)); !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%v: %v", c.set, err)
		}
	}
	// The type of a tensor stands behind its name and two dimensions.
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const name = "blk.0.attn_q.weight"
	at := bytes.Index(data, []byte(name)) + len(name) + 4 + 2*8
	for _, kind := range []byte{38, 39} {
		data[at] = kind
		if _, err := OpenBytes(data); !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "I2_S") {
			t.Errorf("type %d: %v", kind, err)
		}
	}
}

// TestActivation says by an option what a file does not.
func TestActivation(t *testing.T) {
	path, ids, _ := reference(t, "tiny", "exact.f32")
	said := openModel(t, rewrite(t, path, map[string]any{"bitnet-b1.58.hidden_act": "silu"}, nil))
	silu, plain := openModel(t, path, WithActivation("silu")), openModel(t, path)
	same := openModel(t, path, WithActivation("relu2"))
	want := append([]float32(nil), mustAppend(t, newSession(t, said), ids...)...)
	sameLogits(t, "silu", mustAppend(t, newSession(t, silu), ids...), want)
	if other := mustAppend(t, newSession(t, plain), ids...); cosine(other, want) > 0.999 {
		t.Error("the activation makes no difference")
	}
	if said.Config().Activation != "silu" || silu.Config().Activation != "silu" || plain.Config().Activation != "relu2" {
		t.Errorf("%+v, %+v, %+v", said.Config(), silu.Config(), plain.Config())
	}
	var saved bytes.Buffer
	s := newSession(t, plain)
	mustAppend(t, s, ids...)
	if err := s.Save(&saved); err != nil {
		t.Fatal(err)
	}
	if _, err := silu.RestoreSession(bytes.NewReader(saved.Bytes())); !errors.Is(err, ErrSave) {
		t.Errorf("a session is restored with another activation: %v", err)
	}
	if s, err := same.RestoreSession(bytes.NewReader(saved.Bytes())); err != nil {
		t.Error(err)
	} else {
		s.Close()
	}
	if _, err := Open(path, WithActivation("gelu")); !errors.Is(err, ErrOption) || !strings.Contains(err.Error(), "silu") {
		t.Errorf("gelu: %v", err)
	}
}

// TestArchitectureSessions forks and restores sessions of every architecture.
func TestArchitectureSessions(t *testing.T) {
	for _, made := range madeModels {
		m := openModel(t, made.write(t))
		ids := longSequence(m)[:140]
		s := newSession(t, m)
		mustAppend(t, s, ids[:130]...)
		fork := s.Fork()
		defer fork.Close()
		var saved bytes.Buffer
		if err := s.Save(&saved); err != nil {
			t.Fatal(err)
		}
		restored, err := m.RestoreSession(&saved)
		if err != nil {
			t.Fatal(err)
		}
		defer restored.Close()
		want := append([]float32(nil), mustAppend(t, s, ids[130:]...)...)
		for _, other := range []*Session{fork, restored} {
			var logits []float32
			for _, id := range ids[130:] {
				logits = mustAppend(t, other, id)
			}
			sameLogits(t, made.name, logits, want)
		}
	}
}
