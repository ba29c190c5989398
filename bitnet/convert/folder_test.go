package convert

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/safetensors"
	"github.com/gobitnet/gobitnet/tokenizer"
)

// tiny returns a small model that is written quickly.
func tiny(class, kind string) *model {
	m := small(class, kind)
	m.blocks, m.width, m.inner, m.heads, m.kvHeads, m.headSize = 1, 128, 128, 2, 1, 64
	return m
}

// TestExactFolder holds the weights themselves against the folder's: each code and
// each scale, and the order of the rows.
func TestExactFolder(t *testing.T) {
	for _, c := range []struct {
		class, kind string
		typ         gguf.TensorType
	}{
		{"BitNetForCausalLM", "multiplied", gguf.I2S}, {"BitNetForCausalLM", "online", gguf.I2S}, {"LlamaForCausalLM", "divided", gguf.I2S},
		{"LlamaForCausalLM", "single", gguf.I2S}, {"Qwen3ForCausalLM", "128", gguf.PQ2_0}, {"Qwen3ForCausalLM", "64", gguf.Q2_0},
	} {
		m := small(c.class, c.kind)
		data, report := convertTo(t, m.write(t), Options{})
		if report.Type != c.typ || report.Rounded != 0 {
			t.Errorf("%s %s: %+v", c.class, c.kind, report)
		}
		f := reopen(t, data)
		for to, from := range map[string]string{
			"blk.1.attn_q.weight": "model.layers.1.self_attn.q_proj.weight", "blk.0.attn_k.weight": "model.layers.0.self_attn.k_proj.weight",
			"blk.1.attn_output.weight": "model.layers.1.self_attn.o_proj.weight", "blk.0.ffn_down.weight": "model.layers.0.mlp.down_proj.weight",
			"blk.1.ffn_norm.weight": "model.layers.1.post_attention_layernorm.weight", "output_norm.weight": "model.norm.weight",
		} {
			stored, ok := f.Tensor(to)
			want, got := m.weights[from], decode(stored)
			if !ok || len(got) != len(want) {
				t.Fatalf("%s %s: %s has %d weights, want %d", c.class, c.kind, to, len(got), len(want))
			}
			cols := stored.Dims[0]
			for i, x := range got {
				row := i / cols
				if c.class == "LlamaForCausalLM" && (strings.Contains(to, "attn_q") || strings.Contains(to, "attn_k")) {
					// Row 2i+s of a head is the model's row i of half s.
					head, place := row/m.headSize*m.headSize, row%m.headSize
					row = head + place/2 + place%2*m.headSize/2
				}
				// The scale is a float32.
				if w := want[row*cols+i%cols]; math.Abs(x-w) > 1e-7*math.Abs(w) {
					t.Fatalf("%s %s: %s, weight %d is %v, want %v", c.class, c.kind, to, i, x, w)
				}
			}
		}
	}
}

// TestMetadata looks at keys, tokens and template.
func TestMetadata(t *testing.T) {
	m := tiny("Qwen3ForCausalLM", "single")
	m.vocabulary = 270
	m.headSize = 128
	m.config["rope_scaling"] = map[string]any{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}
	m.config["pad_token_id"] = 0
	m.tokenizerConfig["add_bos_token"] = false
	m.tokenizerConfig["chat_template"] = []map[string]any{{"name": "rag", "template": "no"}, {"name": "default", "template": "{{ yes }}"}}
	dir := m.write(t)
	writeJSON(t, dir, generationFile, map[string]any{"eos_token_id": []int{3, 2}, "temperature": 0.6})
	data, report := convertTo(t, dir, Options{})
	f := reopen(t, data)
	for key, want := range map[string]string{
		"general.architecture": `"qwen3"`, "general.name": `"up"`, "general.file_type": "40", "general.quantization_version": "2",
		"qwen3.vocab_size": "270", "qwen3.context_length": "512", "qwen3.embedding_length": "128", "qwen3.block_count": "1",
		"qwen3.feed_forward_length": "128", "qwen3.attention.head_count": "2", "qwen3.attention.head_count_kv": "1",
		"qwen3.attention.key_length": "128", "qwen3.attention.value_length": "128", "qwen3.rope.dimension_count": "128",
		"qwen3.rope.freq_base": "1e+06", "qwen3.attention.layer_norm_rms_epsilon": "1e-06",
		"qwen3.rope.scaling.type": `"yarn"`, "qwen3.rope.scaling.factor": "4", "qwen3.rope.scaling.original_context_length": "128",
		"tokenizer.ggml.model": `"gpt2"`, "tokenizer.ggml.pre": `"qwen2"`, "tokenizer.ggml.add_bos_token": "false",
		"tokenizer.ggml.bos_token_id": "1", "tokenizer.ggml.eos_token_id": "2", "tokenizer.ggml.eot_token_id": "3", "tokenizer.ggml.padding_token_id": "0",
		"tokenizer.chat_template": `"{{ yes }}"`,
	} {
		if value, ok := f.Value(key); !ok || value.String() != want {
			t.Errorf("%s is %v, want %s", key, value, want)
		}
	}
	if report.Architecture != "qwen3" {
		t.Errorf("%+v", report)
	}
	tokens, _ := f.Array("tokenizer.ggml.tokens", gguf.String)
	kinds, _ := f.Array("tokenizer.ggml.token_type", gguf.Int32)
	var got []string
	for _, s := range tokens.Strings() {
		got = append(got, string(s))
	}
	var types []int64
	for _, n := range kinds.Ints() {
		types = append(types, n)
	}
	if len(got) != 270 || got[1] != "<s>" || types[1] != 3 || got[4+'A'-'!'] == "" || got[265] != "<tool>" || types[265] != 4 || got[266] != "[PAD266]" || types[269] != 5 {
		t.Errorf("tokens %q of types %v", got[260:], types[260:])
	}
	// The vocabulary gives the ids that tokenizer.json gives.
	made, err := tokenizer.FromGGUF(f)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := tokenizer.Open(filepath.Join(dir, tokenizerFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"hello world 123", "<tool>hello<end>", "  x\n\n", "é"} {
		a, err := made.Encode(text)
		b, err2 := whole.Encode(text)
		if err != nil || err2 != nil || !slices.Equal(a, b) {
			t.Errorf("%q: %v, want %v (%v, %v)", text, a, b, err, err2)
		}
	}

	// A file of its own has the template that holds, and the first of the ends
	// is the vocabulary's.
	writeFile(t, dir, templateFile, []byte("{{ file }}"))
	data, _ = convertTo(t, dir, Options{})
	if text, _ := reopen(t, data).Text("tokenizer.chat_template"); text != "{{ file }}" {
		t.Errorf("template %q", text)
	}
	for class, want := range map[string]string{"BitNetForCausalLM": "bitnet-b1.58", "BitnetForCausalLM": "bitnet", "LlamaForCausalLM": "llama"} {
		if _, report := convertTo(t, tiny(class, "online").write(t), Options{}); report.Architecture != want {
			t.Errorf("%s becomes %s, want %s", class, report.Architecture, want)
		}
	}
	silu := tiny("BitNetForCausalLM", "online")
	silu.activation = "silu"
	if _, report := convertTo(t, silu.write(t), Options{}); report.Architecture != "bitnet" {
		t.Errorf("BitNetForCausalLM with SiLU becomes %s", report.Architecture)
	}
}

// pieceModel writes a SentencePiece model of byte pairs.
func pieceModel(kind, extraBlanks uint64) []byte {
	field := func(b []byte, number int, data []byte) []byte {
		b = binary.AppendUvarint(b, uint64(number<<3|2))
		return append(binary.AppendUvarint(b, uint64(len(data))), data...)
	}
	number := func(b []byte, field int, n uint64) []byte {
		return binary.AppendUvarint(binary.AppendUvarint(b, uint64(field<<3)), n)
	}
	var b []byte
	piece := func(text string, score float32, kind uint64) {
		p := field(nil, 1, []byte(text))
		p = binary.LittleEndian.AppendUint32(append(p, 2<<3|5), math.Float32bits(score))
		b = field(b, 1, number(p, 3, kind))
	}
	piece("<unk>", 0, 2)
	piece("<s>", 0, 3)
	piece("</s>", 0, 3)
	const digits = "0123456789ABCDEF"
	for i := range 256 {
		piece("<0x"+digits[i/16:i/16+1]+digits[i%16:i%16+1]+">", 0, 6)
	}
	for i, text := range []string{"▁a", "▁h", "el", "lo", "▁hel", "▁hello", "a", "h", "e", "l", "o", "▁"} {
		piece(text, -float32(i), 1)
	}
	b = field(b, 2, number(nil, 3, kind))
	return field(b, 3, number(nil, 4, extraBlanks))
}

// TestPieces converts a model whose vocabulary is a SentencePiece model, as
// 1bitLLM's are, and has it answer.
func TestPieces(t *testing.T) {
	m := tiny("BitnetForCausalLM", "online")
	m.tokenizer = nil
	m.heads, m.kvHeads, m.headSize = 2, 2, 64
	dir := m.write(t)
	writeFile(t, dir, pieceFile, pieceModel(2, 0))
	writeJSON(t, dir, addedTokensFile, map[string]int{"<pad>": 271, "</line>": 272, "<s>": 1})
	data, _ := convertTo(t, dir, Options{})
	f := reopen(t, data)
	for key, want := range map[string]string{
		"tokenizer.ggml.model": `"llama"`, "tokenizer.ggml.add_space_prefix": "true", "tokenizer.ggml.add_bos_token": "true",
		"tokenizer.ggml.bos_token_id": "1", "tokenizer.ggml.eos_token_id": "2",
	} {
		if value, ok := f.Value(key); !ok || value.String() != want {
			t.Errorf("%s is %v, want %s", key, value, want)
		}
	}
	opened, err := bitnet.OpenBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	made, err := tokenizer.FromGGUF(f)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]int{"hello a": {264, 259}, "x": {270, 3 + 'x'}, "<pad>a": {271, 259}} {
		if ids, err := made.Encode(text); err != nil || !slices.Equal(ids, want) {
			t.Errorf("%q: %v, %v, want %v", text, ids, err, want)
		}
	}

	for name, broken := range map[string][]byte{
		"model type 1": pieceModel(1, 0), "runs of blanks": pieceModel(2, 1), "no pieces": {}, "cut off": pieceModel(2, 0)[:1000], "no SentencePiece": []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
	} {
		writeFile(t, dir, pieceFile, broken)
		if _, err := Write(context.Background(), io.Discard, dir, Options{}); !errors.Is(err, ErrConvert) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestFolderRefused changes one thing of a folder that can be converted.
func TestFolderRefused(t *testing.T) {
	config := func(name string, value any) func(m *model) {
		return func(m *model) { m.config[name] = value }
	}
	quantized := func(members ...any) func(m *model) {
		q := map[string]any{"quant_method": "bitnet"}
		for i := 0; i < len(members); i += 2 {
			q[members[i].(string)] = members[i+1]
		}
		return config("quantization_config", q)
	}
	const projection = "model.layers.0.mlp.up_proj.weight"
	stored := func(name string, change func(s *storedTensor)) func(m *model) {
		return func(m *model) {
			s := m.stored[name]
			change(&s)
			m.stored[name] = s
		}
	}
	without := func(name string) func(m *model) { return func(m *model) { delete(m.stored, name) } }
	for _, c := range []struct {
		name    string
		class   string
		kind    string
		before  func(m *model) // the weights are made up
		after   func(m *model)
		options Options
		want    string
	}{
		{name: "class", after: config("architectures", []string{"GemmaForCausalLM"}), want: "GemmaForCausalLM"},
		{name: "no class", after: config("architectures", nil), want: "architectures"},
		{name: "no activation", after: config("hidden_act", ""), want: "hidden_act is missing"},
		{name: "activation", after: config("hidden_act", "gelu"), want: "hidden_act"},
		{name: "ReLU² in Llama", after: config("hidden_act", "relu2"), want: "hidden_act"},
		{name: "no width", after: config("hidden_size", 0), want: "hidden_size"},
		{name: "huge width", after: config("hidden_size", int64(1<<40)), want: "hidden_size"},
		{name: "negative blocks", after: config("num_hidden_layers", -1), want: "num_hidden_layers"},
		{name: "text for a number", after: config("num_hidden_layers", "2"), want: "num_hidden_layers"},
		{name: "odd head", after: config("head_dim", 63), want: "head_dim"},
		{name: "huge heads", after: config("head_dim", 1<<20), want: "more than is supported"},
		{name: "uneven heads", after: config("num_key_value_heads", 3), want: "evenly"},
		{name: "epsilon", after: config("rms_norm_eps", 0), want: "rms_norm_eps"},
		{name: "biases", after: config("attention_bias", true), want: "biases"},
		{name: "window", after: config("use_sliding_window", true), want: "use_sliding_window"},
		{name: "layers", after: config("layer_types", []string{"sliding_attention"}), want: "sliding_attention"},
		{name: "partial rotation", after: config("partial_rotary_factor", 0.5), want: "partial_rotary_factor"},
		{name: "four bits", after: config("input_bits", 4), want: "input_bits"},
		{name: "RoPE base", after: config("rope_theta", -1), want: "rope_theta"},
		{name: "RoPE scaling", after: config("rope_scaling", map[string]any{"rope_type": "llama3", "factor": 8}), want: `"llama3"`},
		{name: "RoPE factor", after: config("rope_scaling", map[string]any{"type": "linear"}), want: "factor"},
		{name: "YaRN of its own", after: config("rope_scaling", map[string]any{"type": "yarn", "factor": 4, "beta_fast": 16}), want: "YaRN"},
		{name: "quantization", after: config("quantization_config", map[string]any{"quant_method": "gptq"}), want: `"gptq"`},
		{name: "linear class", after: quantized("linear_class", "otherlinear"), want: `"otherlinear"`},
		{name: "norm in linear", after: quantized("use_rms_norm", true), want: "use_rms_norm"},
		{name: "packed where floats are said", after: quantized("linear_class", "autobitlinear", "quantization_mode", "online"), want: "quantization_mode online"},
		{name: "packed without a word", after: config("quantization_config", nil), want: "no quantization_config"},
		{name: "no scale", after: without("model.layers.0.mlp.up_proj.weight_scale"), want: "weight_scale: is missing"},
		{name: "scale of two", after: stored("model.layers.0.mlp.up_proj.weight_scale", func(s *storedTensor) { s.shape, s.data = []int{2}, make([]byte, 4) }), want: "one float"},
		{name: "scale zero", after: stored("model.layers.0.mlp.up_proj.weight_scale", func(s *storedTensor) { s.data = make([]byte, 2) }), want: "no scale"},
		{name: "scale infinite", after: stored("model.layers.0.mlp.up_proj.weight_scale", func(s *storedTensor) { s.data = []byte{0x80, 0x7f} }), want: "Inf"},
		{name: "code 3", after: stored(projection, func(s *storedTensor) { s.data[77] |= 0xc0 }), want: "code 3"},
		{name: "packed shape", after: stored(projection, func(s *storedTensor) { s.shape = []int{s.shape[0] * 2, s.shape[1] / 2} }), want: "shape"},
		{name: "projection missing", after: without(projection), want: "is missing"},
		{name: "norm missing", after: without("model.norm.weight"), want: "is missing"},
		{name: "head missing", after: without("lm_head.weight"), want: "is missing"},
		{name: "norm not finite", after: stored("model.norm.weight", func(s *storedTensor) { s.data[1] = 0x7f; s.data[0] = 0xc0 }), want: "NaN"},
		{name: "vocabulary size", after: config("vocab_size", 300), want: "shape"},
		{name: "tokens without rows", before: func(m *model) { m.vocabulary = 200 }, want: "266 tokens"},
		{name: "tensor too many", after: func(m *model) {
			m.stored["model.layers.0.self_attn.q_proj.bias"] = storedTensor{"BF16", []int{1}, make([]byte, 2)}
		}, want: "has no place"},
		{name: "end of text", before: func(m *model) { m.tokenizerConfig = map[string]any{}; m.config["eos_token_id"] = 1000 }, want: "id 1000"},
		{name: "columns", kind: "online", class: "BitnetForCausalLM", before: func(m *model) { m.inner = 64 * 3 }, want: "down_proj.weight: has rows of 192 weights; I2_S needs a multiple of 128"},
		{name: "no ternary model", kind: "online", after: config("quantization_config", nil), want: "no ternary model"},
		{name: "blocks too large", kind: "64", options: Options{Type: gguf.PQ2_0}, want: "smaller ones"},
		{name: "rounded blocks", kind: "online", after: config("quantization_config", nil), options: Options{Type: gguf.TQ2_0}, before: func(m *model) { m.width, m.inner = 256, 256; m.heads = 4 }, want: "not ternary"},
		{name: "another normalizer", before: func(m *model) { m.tokenizer["normalizer"] = map[string]any{"type": "Lowercase"} }, want: "normalizer"},
		{name: "another splitter", before: func(m *model) { m.tokenizer = byteTokenizer(`\w+`, true) }, want: "pre_tokenizer"},
		{name: "merging of another kind", before: func(m *model) { m.tokenizer = byteTokenizer(qwen2, true) }, want: "ignore_merges true"},
		{name: "no vocabulary", before: func(m *model) { m.tokenizer = nil }, want: "no vocabulary"},
		{name: "Q6_K", options: Options{Embedding: gguf.Q6_K}, want: "embed_tokens.weight: has rows of 128 values; Q6_K needs a multiple of 256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.class == "" {
				c.class = "LlamaForCausalLM"
			}
			if c.kind == "" {
				c.kind = "divided"
			}
			m := tiny(c.class, c.kind)
			if c.before != nil {
				c.before(m)
			}
			m.write(t)
			if c.after != nil {
				c.after(m)
			}
			_, err := Write(context.Background(), io.Discard, m.writeFolder(t), c.options)
			if !errors.Is(err, ErrConvert) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not say %q", err, c.want)
			}
		})
	}

	// Rounded where that is asked for.
	m := tiny("LlamaForCausalLM", "online")
	m.write(t)
	m.config["quantization_config"] = nil
	if _, report := convertTo(t, m.writeFolder(t), Options{Type: gguf.I2S}); report.Type != gguf.I2S {
		t.Errorf("%+v", report)
	}
	if _, err := Write(context.Background(), io.Discard, t.TempDir(), Options{}); !errors.Is(err, ErrConvert) {
		t.Errorf("an empty folder: %v", err)
	}
	dir := t.TempDir()
	writeJSON(t, dir, configFile, map[string]any{"architectures": []string{"LlamaForCausalLM"}, "hidden_size": 128, "intermediate_size": 128,
		"num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 300, "max_position_embeddings": 10, "rms_norm_eps": 1e-5, "hidden_act": "silu"})
	if _, err := Write(context.Background(), io.Discard, dir, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no weights: %v", err)
	}
}

// TestSameBytes converts twice, from one file and from shards.
func TestSameBytes(t *testing.T) {
	m := tiny("LlamaForCausalLM", "divided")
	first, _ := convertTo(t, m.write(t), Options{})
	m.shards = 4
	second, _ := convertTo(t, m.writeFolder(t), Options{})
	if !bytes.Equal(first, second) {
		t.Error("the same model in shards gives another file")
	}
}

// TestDamagedFolder changes bytes of each file: an error or a result, in bounded
// memory, and no panic.
func TestDamagedFolder(t *testing.T) {
	m := tiny("LlamaForCausalLM", "divided")
	m.shards = 2
	dir := m.write(t)
	writeFile(t, dir, templateFile, []byte("{{ messages }}"))
	pieces := tiny("BitnetForCausalLM", "online")
	pieces.tokenizer = nil
	second := pieces.write(t)
	writeFile(t, second, pieceFile, pieceModel(2, 0))
	writeJSON(t, second, addedTokensFile, map[string]int{"<pad>": 271})
	random := rand.New(rand.NewPCG(11, 12))
	count := 400
	if testing.Short() {
		count = 60
	}
	for _, from := range []string{dir, second} {
		files, err := os.ReadDir(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			path := filepath.Join(from, file.Name())
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			refused := 0
			for range count / 4 {
				data := slices.Clone(whole)
				header := len(data)
				if strings.HasSuffix(path, ".safetensors") { // of the weights any bytes may be
					header = int(8 + binary.LittleEndian.Uint64(data))
				}
				switch at := random.IntN(header); random.IntN(4) {
				case 0:
					data = data[:at]
				case 1:
					data = slices.Insert(data, at, byte(random.Uint32()))
				case 2: // an important character in place of another
					data[at] = `{}[]":,0-9`[random.IntN(10)]
				default:
					data[at] = byte(random.Uint32())
				}
				writeFile(t, from, file.Name(), data)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := Write(context.Background(), io.Discard, from, Options{})
				runtime.ReadMemStats(&after)
				if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
					t.Fatalf("%s: %d bytes were allocated", file.Name(), n)
				}
				if err != nil {
					refused++
					if !errors.Is(err, ErrConvert) && !errors.Is(err, safetensors.ErrFormat) && !errors.Is(err, fs.ErrNotExist) {
						t.Fatalf("%s: error of no kind: %v", file.Name(), err)
					}
				}
			}
			t.Logf("%s: %d of %d refused", file.Name(), refused, count/4)
			writeFile(t, from, file.Name(), whole)
		}
		convertTo(t, from, Options{}) // all is as it was
	}
}

// FuzzVocabulary reads any bytes as the files of a vocabulary.
func FuzzVocabulary(f *testing.F) {
	f.Add([]byte(`{"model":{"vocab":{"a":0},"merges":[]}}`), []byte(`{"bos_token":"a","chat_template":"x"}`), pieceModel(2, 0))
	f.Add([]byte{}, []byte(`{"eos_token":{"content":"</s>"},"add_bos_token":true}`), []byte("\n\x05\n\x01a\x18\x01"))
	f.Fuzz(func(t *testing.T, vocabularyFile, configFile, pieces []byte) {
		dir := t.TempDir()
		if len(vocabularyFile) > 0 {
			writeFile(t, dir, tokenizerFile, vocabularyFile)
		}
		writeFile(t, dir, tokenizerConfigFile, configFile)
		writeFile(t, dir, pieceFile, pieces)
		var p plan
		if err := vocabulary(&p, dir, &config{Vocabulary: 300}); err != nil {
			if !errors.Is(err, ErrConvert) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		var out bytes.Buffer
		if err := p.write(context.Background(), &out, nil); err != nil && !errors.Is(err, ErrConvert) {
			t.Fatalf("error of no kind: %v", err)
		}
	})
}

// TestMemory converts matrices of 64 MB, which the disk need not hold, in less
// memory than one of them takes.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it goes through 700 MB")
	}
	m := tiny("LlamaForCausalLM", "online")
	m.write(t)
	m.width, m.inner, m.heads, m.kvHeads = 4096, 8192, 64, 64
	m.tied = true
	header := map[string]any{}
	end := 0
	add := func(name string, shape ...int) {
		size := 2
		for _, n := range shape {
			size *= n
		}
		header[name] = map[string]any{"dtype": "BF16", "shape": shape, "data_offsets": []int{end, end + size}}
		end += size
	}
	for name, s := range m.stored {
		shape := slices.Clone(s.shape)
		switch {
		case name == "lm_head.weight":
			continue
		case name == "model.embed_tokens.weight":
			shape[1] = m.width
		case len(shape) == 1:
			shape[0] = m.width
		case strings.Contains(name, "down_proj"):
			shape[0], shape[1] = m.width, m.inner
		case strings.Contains(name, "mlp"):
			shape[0], shape[1] = m.inner, m.width
		default:
			shape[0], shape[1] = m.width, m.width
		}
		add(name, shape...)
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	m.stored = map[string]storedTensor{}
	dir := m.writeFolder(t)
	file := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	writeFile(t, dir, "model.safetensors", file)
	if err := os.Truncate(filepath.Join(dir, "model.safetensors"), int64(len(file)+end)); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	before, most := memory.HeapAlloc, uint64(0)
	o := Options{Progress: func(_, _ int64) {
		runtime.GC()
		runtime.ReadMemStats(&memory)
		most = max(most, memory.HeapAlloc-min(before, memory.HeapAlloc))
	}}
	if _, err := Write(context.Background(), io.Discard, dir, o); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MB at most, of weights of %d MB", most>>20, end>>20)
	if most > 32<<20 {
		t.Errorf("%d bytes were in use", most)
	}
}
