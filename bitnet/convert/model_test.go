package convert

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A model is a small one of a Hugging Face repository: what its folder holds, and
// what its own code computes with that, in double precision.
type model struct {
	class                      string
	kind                       string // how the projections are stored, see storeProjection
	width, inner, blocks       int
	heads, kvHeads, headSize   int
	vocabulary                 int
	activation                 string
	tied, subNorms, headNorms  bool
	base, epsilon              float64
	yarn, context              float64 // the factor, 0 for none, and the context before
	rawActivations             bool    // projections multiply activations that are not rounded
	shards                     int
	config                     map[string]any // further members of config.json
	stored                     map[string]storedTensor
	weights                    map[string][]float64 // as the model computes with them
	random                     *rand.Rand
	subNormNames               [2]string
	ternaryTables              bool
	tokenizer, tokenizerConfig map[string]any
}

type storedTensor struct {
	dtype string
	shape []int
	data  []byte
}

// small returns a model of a class with the usual sizes.
func small(class, kind string) *model {
	m := &model{
		class: class, kind: kind, width: 256, inner: 512, blocks: 2, heads: 4, kvHeads: 2, headSize: 64, vocabulary: 320,
		activation: "silu", base: 10000, epsilon: 1e-5, config: map[string]any{}, stored: map[string]storedTensor{},
		weights: map[string][]float64{}, random: rand.New(rand.NewPCG(7, uint64(len(class)))),
		subNormNames: [2]string{"self_attn.attn_sub_norm", "mlp.ffn_sub_norm"},
		tokenizer:    byteTokenizer(llama3, true), tokenizerConfig: map[string]any{"bos_token": "<s>", "eos_token": map[string]any{"content": "</s>"}},
	}
	switch class {
	case "BitNetForCausalLM":
		m.activation, m.tied, m.subNorms = "relu2", true, true
	case "BitnetForCausalLM":
		m.tied, m.subNorms, m.subNormNames = true, true, [2]string{"self_attn.inner_attn_ln", "mlp.ffn_layernorm"}
	case "Qwen3ForCausalLM":
		m.headSize, m.headNorms, m.epsilon, m.base = 128, true, 1e-6, 1e6
		m.tokenizer = byteTokenizer(qwen2, false)
	}
	return m
}

func layer(i int) string { return fmt.Sprintf("model.layers.%d.", i) }

// write makes up the weights and writes the folder.
func (m *model) write(t testing.TB) string {
	t.Helper()
	m.table("model.embed_tokens.weight")
	if !m.tied {
		m.table("lm_head.weight")
	}
	for i := range m.blocks {
		at := layer(i)
		m.norm(at+"input_layernorm.weight", m.width)
		m.norm(at+"post_attention_layernorm.weight", m.width)
		if m.subNorms {
			m.norm(at+m.subNormNames[0]+".weight", m.heads*m.headSize)
			m.norm(at+m.subNormNames[1]+".weight", m.inner)
		}
		if m.headNorms {
			m.norm(at+"self_attn.q_norm.weight", m.headSize)
			m.norm(at+"self_attn.k_norm.weight", m.headSize)
		}
		m.projection(at+"self_attn.q_proj", m.heads*m.headSize, m.width)
		m.projection(at+"self_attn.k_proj", m.kvHeads*m.headSize, m.width)
		m.projection(at+"self_attn.v_proj", m.kvHeads*m.headSize, m.width)
		m.projection(at+"self_attn.o_proj", m.width, m.heads*m.headSize)
		m.projection(at+"mlp.gate_proj", m.inner, m.width)
		m.projection(at+"mlp.up_proj", m.inner, m.width)
		m.projection(at+"mlp.down_proj", m.width, m.inner)
	}
	m.norm("model.norm.weight", m.width)
	return m.writeFolder(t)
}

func (m *model) writeFolder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	config := map[string]any{
		"architectures": []string{m.class}, "hidden_size": m.width, "intermediate_size": m.inner, "num_hidden_layers": m.blocks,
		"num_attention_heads": m.heads, "num_key_value_heads": m.kvHeads, "head_dim": m.headSize, "vocab_size": m.vocabulary,
		"max_position_embeddings": 512, "hidden_act": m.activation, "rms_norm_eps": m.epsilon, "rope_theta": m.base,
		"tie_word_embeddings": m.tied, "bos_token_id": 1, "eos_token_id": []int{2, 3}, "rope_scaling": nil, "_name_or_path": "made/up",
	}
	if q := map[string]map[string]any{
		"divided":    {"quant_method": "bitnet"},
		"multiplied": {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"},
		"online":     {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"},
	}[m.kind]; q != nil && m.class != "BitnetForCausalLM" {
		config["quantization_config"] = q
	}
	maps.Copy(config, m.config)
	writeJSON(t, dir, configFile, config)
	if m.tokenizer != nil {
		writeJSON(t, dir, tokenizerFile, m.tokenizer)
	}
	writeJSON(t, dir, tokenizerConfigFile, m.tokenizerConfig)

	names := slices.Sorted(maps.Keys(m.stored))
	if m.shards == 0 {
		writeFile(t, dir, "model.safetensors", m.safetensors(names))
		return dir
	}
	index := map[string]string{}
	for i := range m.shards {
		shard := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, m.shards)
		some := names[i*len(names)/m.shards : (i+1)*len(names)/m.shards]
		writeFile(t, dir, shard, m.safetensors(some))
		for _, name := range some {
			index[name] = shard
		}
	}
	writeJSON(t, dir, "model.safetensors.index.json", map[string]any{"metadata": map[string]any{"total_size": 1}, "weight_map": index})
	return dir
}

// safetensors returns a file with these tensors.
func (m *model) safetensors(names []string) []byte {
	header := map[string]any{}
	var data []byte
	for _, name := range names {
		s := m.stored[name]
		header[name] = map[string]any{"dtype": s.dtype, "shape": s.shape, "data_offsets": []int{len(data), len(data) + len(s.data)}}
		data = append(data, s.data...)
	}
	text, _ := json.Marshal(header)
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	return append(append(file, text...), data...)
}

func writeJSON(t testing.TB, dir, name string, value any) {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, name, data)
}

func writeFile(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// bfloat rounds towards zero to a bfloat16.
func bfloat(x float64) float32 {
	return math.Float32frombits(math.Float32bits(float32(x)) &^ 0xffff)
}

// store keeps values that bfloat16 holds.
func (m *model) store(name string, values []float32, shape ...int) {
	s := storedTensor{dtype: "BF16", shape: shape}
	exact := make([]float64, len(values))
	for i, x := range values {
		s.data = binary.LittleEndian.AppendUint16(s.data, uint16(math.Float32bits(x)>>16))
		exact[i] = float64(x)
	}
	m.stored[name], m.weights[name] = s, exact
}

func (m *model) normal(n int, deviation float64) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = bfloat(m.random.NormFloat64() * deviation)
	}
	return values
}

func (m *model) norm(name string, n int) {
	values := m.normal(n, 0.1)
	for i := range values {
		values[i] = bfloat(float64(values[i]) + 1)
	}
	m.store(name, values, n)
}

func (m *model) table(name string) {
	deviation := 3 / math.Sqrt(float64(m.width))
	values := m.normal(m.vocabulary*m.width, deviation)
	if m.ternaryTables {
		values = m.grouped(m.vocabulary*m.width, 128, deviation)
	}
	m.store(name, values, m.vocabulary, m.width)
}

func (m *model) codes(n int) []int8 {
	codes := make([]int8, n)
	for i := range codes {
		if u := m.random.Float64(); u > 0.42 {
			codes[i] = int8(2*m.random.IntN(2) - 1)
		}
	}
	return codes
}

// grouped returns ternary weights with a scale for each group.
func (m *model) grouped(n, group int, deviation float64) []float32 {
	values := make([]float32, n)
	scale := float32(0)
	for i, c := range m.codes(n) {
		if i%group == 0 {
			scale = bfloat(deviation / 0.76 * (0.8 + 0.4*m.random.Float64()))
		}
		values[i] = float32(c) * scale
	}
	return values
}

// projection makes up a matrix. Its kind says how it is stored:
//
//	divided     packed, to be divided by weight_scale
//	multiplied  packed, to be multiplied
//	online      floats that the model rounds
//	single      floats that are ternary with one scale
//	128, 64     floats that are ternary with a scale for so many
func (m *model) projection(name string, rows, cols int) {
	n := rows * cols
	deviation := 1 / math.Sqrt(float64(cols))
	switch m.kind {
	case "divided", "multiplied":
		codes := m.codes(n)
		scale := bfloat(deviation / 0.76 * (0.9 + 0.2*m.random.Float64()))
		factor := float64(scale)
		if m.kind == "divided" {
			scale = bfloat(1 / factor)
			factor = 1 / float64(scale)
		}
		exact := make([]float64, n)
		packed := make([]byte, n/4)
		quarter := rows / 4
		for i, c := range codes {
			exact[i] = float64(c) * factor
			row, col := i/cols, i%cols
			packed[row%quarter*cols+col] |= byte(c+1) << (2 * (row / quarter))
		}
		m.stored[name+".weight"] = storedTensor{"U8", []int{quarter, cols}, packed}
		m.weights[name+".weight"] = exact
		m.store(name+".weight_scale", []float32{scale}, 1)
	case "online":
		values := m.normal(n, deviation)
		m.store(name+".weight", values, rows, cols)
		sum := 0.0
		for _, x := range values {
			sum += math.Abs(float64(x))
		}
		mean := math.Max(1e-5, sum/float64(n))
		for i, x := range values {
			m.weights[name+".weight"][i] = math.Max(-1, math.Min(1, math.RoundToEven(float64(x)/mean))) * mean
		}
	case "single":
		m.store(name+".weight", m.grouped(n, n, deviation), rows, cols)
	case "128":
		m.store(name+".weight", m.grouped(n, 128, deviation), rows, cols)
	case "64":
		m.store(name+".weight", m.grouped(n, 64, deviation), rows, cols)
	}
}

// The expressions of two vocabularies.
const (
	llama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// byteTokenizer is a tokenizer.json of the 256 bytes, some merges and special
// tokens.
func byteTokenizer(expression string, ignoreMerges bool) map[string]any {
	vocabulary := map[string]int{}
	for i, s := range []string{"<unk>", "<s>", "</s>", "<end>"} {
		vocabulary[s] = i
	}
	letter := rune(256)
	for b := range 256 {
		r := rune(b)
		if !(b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae) {
			r, letter = letter, letter+1
		}
		vocabulary[string(r)] = len(vocabulary)
	}
	merges := []string{"h e", "l l", "he ll", "hell o", "Ġ w"}
	for _, merged := range []string{"he", "ll", "hell", "hello", "Ġw"} {
		vocabulary[merged] = len(vocabulary)
	}
	var added []map[string]any
	for i, s := range []string{"<unk>", "<s>", "</s>", "<end>", "<tool>"} {
		if i == 4 {
			i = len(vocabulary)
		}
		added = append(added, map[string]any{"id": i, "content": s, "special": s != "<tool>"})
	}
	return map[string]any{
		"added_tokens": added,
		"pre_tokenizer": map[string]any{"type": "Sequence", "pretokenizers": []any{
			map[string]any{"type": "Split", "pattern": map[string]any{"Regex": expression}, "behavior": "Isolated", "invert": false},
			map[string]any{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
		}},
		"post_processor": map[string]any{
			"type":           "TemplateProcessing",
			"single":         []any{map[string]any{"SpecialToken": map[string]any{"id": "<s>"}}, map[string]any{"Sequence": map[string]any{"id": "A"}}},
			"special_tokens": map[string]any{"<s>": map[string]any{"ids": []int{1}}},
		},
		"decoder": map[string]any{"type": "ByteLevel"},
		"model":   map[string]any{"type": "BPE", "ignore_merges": ignoreMerges, "vocab": vocabulary, "merges": merges},
	}
}

// logits returns the logits after each token, as the model's own code computes
// them, but for the rounding of its floats.
func (m *model) logits(ids []int) [][]float64 {
	type cache struct{ keys, values [][]float64 }
	caches := make([]cache, m.blocks)
	embedding := m.weights["model.embed_tokens.weight"]
	head := embedding
	if !m.tied {
		head = m.weights["lm_head.weight"]
	}
	var all [][]float64
	for position, id := range ids {
		x := slices.Clone(embedding[id*m.width:][:m.width])
		for i := range caches {
			at, cache := layer(i), &caches[i]
			h := m.rms(x, at+"input_layernorm.weight")
			q, k, v := m.linear(at+"self_attn.q_proj", h), m.linear(at+"self_attn.k_proj", h), m.linear(at+"self_attn.v_proj", h)
			m.turn(q, at+"self_attn.q_norm.weight", position)
			m.turn(k, at+"self_attn.k_norm.weight", position)
			cache.keys, cache.values = append(cache.keys, k), append(cache.values, v)
			attended := make([]float64, m.heads*m.headSize)
			for head := range m.heads {
				from := head / (m.heads / m.kvHeads) * m.headSize
				own := q[head*m.headSize:][:m.headSize]
				shares := make([]float64, position+1)
				sum := 0.0
				for p, key := range cache.keys {
					shares[p] = math.Exp(dot(own, key[from:]) / math.Sqrt(float64(m.headSize)))
					sum += shares[p]
				}
				for p, value := range cache.values {
					for j := range own {
						attended[head*m.headSize+j] += shares[p] / sum * value[from+j]
					}
				}
			}
			if m.subNorms {
				attended = m.rms(attended, at+m.subNormNames[0]+".weight")
			}
			add(x, m.linear(at+"self_attn.o_proj", attended))
			h = m.rms(x, at+"post_attention_layernorm.weight")
			gate, up := m.linear(at+"mlp.gate_proj", h), m.linear(at+"mlp.up_proj", h)
			for j, g := range gate {
				if m.activation == "relu2" {
					gate[j] = math.Pow(math.Max(g, 0), 2) * up[j]
				} else {
					gate[j] = g / (1 + math.Exp(-g)) * up[j]
				}
			}
			if m.subNorms {
				gate = m.rms(gate, at+m.subNormNames[1]+".weight")
			}
			add(x, m.linear(at+"mlp.down_proj", gate))
		}
		x = m.rms(x, "model.norm.weight")
		row := make([]float64, m.vocabulary)
		for r := range row {
			row[r] = dot(x, head[r*m.width:])
		}
		all = append(all, row)
	}
	return all
}

func dot(a, b []float64) (sum float64) {
	for i, x := range a {
		sum += x * b[i]
	}
	return sum
}

func add(x, y []float64) {
	for i := range x {
		x[i] += y[i]
	}
}

func (m *model) rms(x []float64, name string) []float64 {
	factor := 1 / math.Sqrt(dot(x, x)/float64(len(x))+m.epsilon)
	y := make([]float64, len(x))
	for i := range y {
		y[i] = x[i] * factor * m.weights[name][i]
	}
	return y
}

// linear multiplies with a projection, by default the 8-bit image of x.
func (m *model) linear(name string, x []float64) []float64 {
	if !m.rawActivations {
		largest := 1e-5
		for _, v := range x {
			largest = math.Max(largest, math.Abs(v))
		}
		x = slices.Clone(x)
		for i, v := range x {
			x[i] = math.Max(-128, math.Min(127, math.RoundToEven(v*127/largest))) * largest / 127
		}
	}
	w := m.weights[name+".weight"]
	y := make([]float64, len(w)/len(x))
	for r := range y {
		y[r] = dot(x, w[r*len(x):])
	}
	return y
}

// turn applies the norm of heads, if there is one, and the rotary positions: the
// first half of a head with the second.
func (m *model) turn(x []float64, norm string, position int) {
	for from := 0; from < len(x); from += m.headSize {
		head := x[from:][:m.headSize]
		if m.headNorms {
			copy(head, m.rms(head, norm))
		}
		half := m.headSize / 2
		for i := range half {
			angle := float64(position) * math.Pow(m.base, -2*float64(i)/float64(m.headSize))
			length := 1.0
			if m.yarn != 0 { // arXiv:2309.00071
				pair := func(turns float64) float64 {
					return float64(m.headSize) * math.Log(m.context/(turns*2*math.Pi)) / (2 * math.Log(m.base))
				}
				low, high := math.Max(math.Floor(pair(32)), 0), math.Min(math.Ceil(pair(1)), float64(m.headSize-1))
				ramp := math.Max(0, math.Min(1, (float64(i)-low)/(high-low)))
				angle = angle/m.yarn*ramp + angle*(1-ramp)
				length = 0.1*math.Log(m.yarn) + 1
			}
			sin, cos := math.Sincos(angle)
			sin, cos = sin*length, cos*length
			a, b := head[i], head[i+half]
			head[i], head[i+half] = a*cos-b*sin, b*cos+a*sin
		}
	}
}
