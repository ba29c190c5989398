package bitnet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/quant"
	"github.com/gobitnet/gobitnet/tokenizer"
	"github.com/google/go-cmp/cmp"
)

func TestConfig(t *testing.T) {
	m := tinyModel(t, WithThreads(3), WithKernels("generic"))
	want := Config{
		Architecture: "bitnet-b1.58", Name: "synthetic-tiny", VocabularySize: 4096, ContextLength: 512,
		EmbeddingLength: 256, Blocks: 4, FeedForwardLength: 512, Heads: 4, KVHeads: 2, HeadSize: 64, Activation: "relu2",
		RoPEBase: 500000, Epsilon: 1e-5, TiedHead: true,
	}
	if diff := cmp.Diff(want, m.Config()); diff != "" {
		t.Error(diff)
	}
	if m.Threads() != 3 || m.Kernels() != "generic" {
		t.Errorf("%d threads, %s kernels", m.Threads(), m.Kernels())
	}
	path, _, _ := reference(t, "micro-untied", "exact.f32")
	if openModel(t, path).Config().TiedHead {
		t.Error("a model with output.weight has a tied head")
	}
}

func TestOptions(t *testing.T) {
	path, _, _ := reference(t, "tiny", "exact.f32")
	other, _, _ := reference(t, "micro-untied", "exact.f32")
	small, err := tokenizer.Open(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		opt  Option
		want error
	}{
		"threads -1":    {WithThreads(-1), ErrOption},
		"threads 5000":  {WithThreads(5000), ErrOption},
		"kernels":       {WithKernels("abacus"), quant.ErrKernels},
		"kernels' type": {WithKernels("abacus"), ErrOption},
		"tokenizer":     {WithTokenizer(small), ErrModel},
		"no tokenizer":  {WithTokenizer(nil), ErrOption},
	} {
		if _, err := Open(path, c.opt); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	same, err := tokenizer.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if m := openModel(t, path, WithTokenizer(same)); m.Tokenizer() != same {
		t.Error("the tokenizer given is not used")
	}
}

// rewrite copies a model with changes: set maps keys to other values (nil
// leaves a key out) and adds those that are new, and tensor may change a tensor's
// name, dimensions, type and bytes, or leave it out by an empty name. Tensors of
// the names in more, of 32 ones each, are added.
func rewrite(t testing.TB, model string, set map[string]any, tensor func(x *gguf.Tensor), more ...string) string {
	t.Helper()
	f, err := gguf.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	path := filepath.Join(t.TempDir(), "model.gguf")
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
	for _, key := range f.Keys() {
		value, changed := set[key]
		if !changed {
			value, _ = f.Value(key)
		}
		if value != nil {
			check(w.Set(key, value))
		}
	}
	for key, value := range set {
		if _, ok := f.Value(key); !ok && value != nil {
			check(w.Set(key, value))
		}
	}
	for _, name := range more {
		check(w.AddTensor(name, []int{32}, gguf.F32, func(w io.Writer) error {
			_, err := w.Write(bytes.Repeat([]byte{0, 0, 0x80, 0x3f}, 32))
			return err
		}))
	}
	for _, x := range f.Tensors() {
		if tensor != nil {
			x.Dims, x.Data = append([]int(nil), x.Dims...), append([]byte(nil), x.Data...)
			tensor(&x)
		}
		if x.Name != "" {
			check(w.AddTensor(x.Name, x.Dims, x.Type, func(w io.Writer) error {
				_, err := w.Write(x.Data)
				return err
			}))
		}
	}
	check(w.Close())
	return path
}

// TestUnusableModels changes a good model in one way after the other. Each
// change gives a typed error that names what is wrong.
func TestUnusableModels(t *testing.T) {
	path, _, _ := reference(t, "micro-untied", "exact.f32")
	const arch = "bitnet-b1.58."
	keys := map[string]struct {
		value any
		want  error
	}{
		"general.architecture":                    {"qwen35", ErrModel},
		arch + "context_length":                   {uint32(0), ErrModel},
		arch + "embedding_length":                 {uint32(256), ErrModel},
		arch + "block_count":                      {uint32(3), ErrModel},
		arch + "feed_forward_length":              {uint64(1) << 63, ErrModel},
		arch + "attention.head_count":             {uint32(3), ErrModel},
		arch + "attention.head_count_kv":          {uint32(0), ErrModel},
		arch + "rope.dimension_count":             {uint32(32), ErrModel},
		arch + "rope.freq_base":                   {float32(math.NaN()), ErrModel},
		arch + "attention.layer_norm_rms_epsilon": {float32(math.Inf(1)), ErrModel},
		arch + "vocab_size":                       {uint32(7), ErrModel},
		"tokenizer.ggml.model":                    {"llama", tokenizer.ErrVocabulary},
		"tokenizer.ggml.tokens":                   {[]string{"a"}, tokenizer.ErrVocabulary},
		"tokenizer.ggml.bos_token_id":             {uint32(1 << 31), tokenizer.ErrVocabulary},
	}
	for key, c := range keys {
		for i, value := range []any{c.value, nil, []string{"wrong type"}} {
			if (key == arch+"vocab_size" || key == arch+"rope.dimension_count") && i == 1 || strings.HasPrefix(key, "tokenizer.ggml.") && i > 0 {
				continue // may be left out; or is the tokenizer's own to test
			}
			m, err := Open(rewrite(t, path, map[string]any{key: value}, nil))
			if err == nil {
				m.Close()
				t.Errorf("%s = %v: no error", key, value)
				continue
			}
			if !errors.Is(err, c.want) || strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("%s = %v: %v", key, value, err)
			}
			if c.want == ErrModel && !strings.Contains(err.Error(), key) && !strings.Contains(err.Error(), "tensor") && !strings.Contains(err.Error(), "head") {
				t.Errorf("%s = %v: the error does not say where: %v", key, value, err)
			}
		}
	}

	setScale := func(bits uint32) func(x *gguf.Tensor) {
		return func(x *gguf.Tensor) { binary.LittleEndian.PutUint32(x.Data[len(x.Data)-quant.ScaleBytes:], bits) }
	}
	tensors := []struct {
		name   string
		change func(x *gguf.Tensor)
		want   error
	}{
		{"token_embd.weight", func(x *gguf.Tensor) { x.Name = "" }, ErrModel},
		{"token_embd.weight", func(x *gguf.Tensor) { x.Dims = []int{x.Dims[0] * x.Dims[1]} }, ErrModel},
		{"token_embd.weight", func(x *gguf.Tensor) { x.Dims[0], x.Dims[1] = x.Dims[1], x.Dims[0] }, ErrModel},
		{"output.weight", func(x *gguf.Tensor) { x.Dims[1], x.Data = x.Dims[1]-1, x.Data[:len(x.Data)-2*x.Dims[0]] }, ErrModel},
		{"output_norm.weight", func(x *gguf.Tensor) { x.Name = "" }, ErrModel},
		{"blk.1.ffn_sub_norm.weight", func(x *gguf.Tensor) { x.Type, x.Data = gguf.I16, x.Data[:len(x.Data)/2] }, ErrModel},
		{"blk.0.attn_norm.weight", func(x *gguf.Tensor) { binary.LittleEndian.PutUint32(x.Data[8:], 0x7fc00000) }, ErrModel},
		{"blk.0.attn_q.weight", func(x *gguf.Tensor) { x.Name = "" }, ErrModel},
		{"blk.0.attn_k.weight", func(x *gguf.Tensor) { x.Dims[0], x.Dims[1] = x.Dims[0]*2, x.Dims[1]/2 }, ErrModel},
		{"blk.1.ffn_down.weight", func(x *gguf.Tensor) { x.Type, x.Dims = gguf.I8, []int{len(x.Data)} }, ErrModel},
		{"blk.1.ffn_up.weight", setScale(0x7fc00000), quant.ErrScale},
		{"blk.1.ffn_gate.weight", setScale(0x7f800000), quant.ErrScale},
		{"blk.0.attn_output.weight", setScale(0xff800000), ErrModel},
	}
	for i, c := range tensors {
		_, err := Open(rewrite(t, path, nil, func(x *gguf.Tensor) {
			if x.Name == c.name {
				c.change(x)
			}
		}))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.name) {
			t.Errorf("change %d of %s: %v", i, c.name, err)
		}
	}

	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := Open(filepath.Join("..", "go.mod")); !errors.Is(err, gguf.ErrFormat) {
		t.Errorf("a file that is no GGUF: %v", err)
	}
}

// TestAsksForMore opens models that ask for more than is computed here, and ones
// that say that they do not.
func TestAsksForMore(t *testing.T) {
	path, _, _ := reference(t, "micro-untied", "exact.f32")
	const arch = "bitnet-b1.58."
	for _, c := range []struct {
		key   string
		value any
		ok    bool
	}{
		{"general.type", "model", true},
		{"general.type", "adapter", false},
		{"general.type", "mmproj", false},
		{"adapter.type", "lora", false},
		{"adapter.lora.alpha", float32(16), false},
		{"prism.hadamard.version", uint32(1), false},
		{"general.quantized_by", "somebody", true},
		{arch + "tensor_data_layout", "reference", true},
		{arch + "tensor_data_layout", "Meta AI original pth", false},
		{arch + "rope.scaling.type", "none", true},
		{arch + "rope.scaling.type", "linear", true},
		{arch + "rope.scaling.type", "dynamic", false},
		{arch + "rope.scaling.type", "longrope", false},
		{arch + "rope.scaling.type", uint32(0), false},
		{arch + "rope.scaling.factor", float32(1), true},
		{arch + "rope.scaling.factor", float32(4), false},
		{arch + "rope.scaling.factor", float32(math.NaN()), false},
		{arch + "rope.scaling.factor", "4", false},
		{arch + "rope.scaling.attn_factor", float32(1.2), false},
		{arch + "rope.scaling.original_context_length", uint32(4096), true},
		{arch + "rope.scaling.finetuned", true, true},
		{arch + "rope.scaling.yarn_beta_fast", float32(32), true},
		{arch + "rope.scaling.yarn_beta_fast", float32(16), false},
		{arch + "rope.scaling.yarn_ext_factor", float32(0), false},
		{arch + "rope.scaling.yarn_log_multiplier", float32(0.1), false},
		{arch + "rope.scale_linear", float32(2), false},
		{arch + "rope.dimension_sections", []int32{0, 0, 0, 0}, true},
		{arch + "rope.dimension_sections", []int32{0, 16, 0, 0}, false},
		{arch + "rope.freq_base_swa", float32(1e4), false},
		{arch + "attention.key_length", uint32(64), true},
		{arch + "attention.key_length", uint32(32), false},
		{arch + "attention.value_length", uint32(32), false},
		{arch + "attention.causal", true, true},
		{arch + "attention.causal", false, false},
		{arch + "attention.sliding_window", uint32(0), true},
		{arch + "attention.sliding_window", uint32(512), false},
		{arch + "attention.sliding_window_pattern", []bool{false, false}, true},
		{arch + "attention.sliding_window_pattern", []bool{false, true}, false},
		{arch + "attention.max_alibi_bias", float32(8), false},
		{arch + "attention.clamp_kqv", float32(8), false},
		{arch + "attention.scale", float64(0.5), false},
		{arch + "attention.q_lora_rank", uint32(64), false},
		{arch + "attention.what_comes_next", uint32(1), false},
		{arch + "expert_count", uint32(0), true},
		{arch + "expert_count", uint32(8), false},
		{arch + "expert_used_count", uint64(2), false},
		{arch + "attn_logit_softcapping", float32(50), false},
		{arch + "final_logit_softcapping", float32(30), false},
		{arch + "final_logit_softcapping", float32(0), true},
		{arch + "logit_scale", float32(1), true},
		{arch + "logit_scale", float32(0.25), false},
		{arch + "residual_scale", float32(0.25), false},
		{arch + "embedding_scale", float32(12), false},
		{arch + "use_parallel_residual", true, false},
		{arch + "hidden_act", "relu2", true},
		{arch + "hidden_act", "silu", true},
		{arch + "hidden_act", "gelu", false},
		{arch + "hidden_act", uint32(1), false},
		{arch + "ssm.state_size", uint32(16), false},
		{arch + "nextn_predict_layers", uint32(1), false},
		{arch + "pooling_type", uint32(4), false},
		{"llama.rope.scaling.factor", float32(4), true}, // of another architecture
	} {
		m, err := Open(rewrite(t, path, map[string]any{c.key: c.value}, nil))
		if err == nil {
			m.Close()
		}
		if c.ok && err != nil || !c.ok && (!errors.Is(err, ErrModel) || !strings.Contains(err.Error(), c.key)) {
			t.Errorf("%s = %v: %v", c.key, c.value, err)
		}
	}

	for _, name := range []string{
		"rope_freqs.weight", "output.bias", "output_norm.bias", "position_embd.weight",
		"blk.0.attn_q.bias", "blk.1.ffn_up.scale", "blk.0.attn_q_norm.weight", "blk.0.attn_q_norm_in.weight",
		"blk.0.attn_q.weight.lora_a", "blk.0.ffn_gate_exps.weight", "blk.2.attn_norm.weight", "blk.99.attn_norm.weight",
	} {
		_, err := Open(rewrite(t, path, nil, nil, name))
		if !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), "tensor "+name) {
			t.Errorf("with tensor %s: %v", name, err)
		}
	}
}

// TestPaddedVocabulary has an embedding and a head with rows behind the
// vocabulary, which win every comparison if anything looks at them.
func TestPaddedVocabulary(t *testing.T) {
	for _, name := range []string{"micro-untied", "tiny"} {
		path, ids, _ := reference(t, name, "exact.f32")
		plain := openModel(t, path)
		const padding = 56
		pad := func(x *gguf.Tensor) {
			if x.Name == "token_embd.weight" || x.Name == "output.weight" {
				x.Dims[1] += padding
				for range padding * x.Dims[0] {
					x.Data = binary.LittleEndian.AppendUint16(x.Data, 0x7c00) // infinity
				}
			}
		}
		vocabulary := plain.Config().VocabularySize
		for _, size := range []any{nil, uint32(vocabulary), uint32(vocabulary + padding)} {
			padded := openModel(t, rewrite(t, path, map[string]any{"bitnet-b1.58.vocab_size": size}, pad))
			if diff := cmp.Diff(plain.Config(), padded.Config()); diff != "" {
				t.Error(diff)
			}
			a, b := newSession(t, plain), newSession(t, padded)
			sameLogits(t, name, mustAppend(t, b, ids...), mustAppend(t, a, ids...))
			if _, err := b.Append(t.Context(), []int{vocabulary}); !errors.Is(err, ErrToken) {
				t.Errorf("a token of the padding: %v", err)
			}
			for _, o := range []GenerateOptions{
				{MaxTokens: 8}, {MaxTokens: 8, Temperature: 1, TopK: 5, Seed: 1}, {MaxTokens: 8, Temperature: 2, Seed: 2},
				{MaxTokens: 8, RepetitionPenalty: 1.5},
			} {
				want, err := a.Generate(t.Context(), "", o)
				if err != nil {
					t.Fatal(err)
				}
				var probabilities []float64
				for token, err := range b.Stream(t.Context(), "", o) {
					if err != nil {
						t.Fatal(err)
					}
					probabilities = append(probabilities, token.LogProb())
				}
				if diff := cmp.Diff(want.Tokens, b.Result().Tokens); diff != "" {
					t.Errorf("%s, %+v: %s", name, o, diff)
				}
				for _, p := range probabilities {
					if !(p <= 0 && p > -100) {
						t.Errorf("%s: probabilities %v", name, probabilities)
					}
				}
			}
		}
		for _, size := range []int{vocabulary - 1, vocabulary + 1, vocabulary + padding + 1} {
			if _, err := Open(rewrite(t, path, map[string]any{"bitnet-b1.58.vocab_size": uint32(size)}, pad)); !errors.Is(err, ErrModel) {
				t.Errorf("a vocab_size of %d: %v", size, err)
			}
		}
	}
}

// TestModelInParts runs a model in three files.
func TestModelInParts(t *testing.T) {
	path, ids, _ := reference(t, "micro-untied", "exact.f32")
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const parts = 3
	prefix := filepath.Join(t.TempDir(), "model")
	part := func(i int) string { return fmt.Sprintf("%s-%05d-of-%05d.gguf", prefix, i+1, parts) }
	for i := range parts {
		var file bytes.Buffer
		w := gguf.NewWriter(&file)
		set := map[string]any{"split.no": uint16(i), "split.count": uint16(parts), "split.tensors.count": int32(len(f.Tensors()))}
		if i == 0 {
			for _, key := range f.Keys() {
				set[key], _ = f.Value(key)
			}
		}
		for key, value := range set {
			if err := w.Set(key, value); err != nil {
				t.Fatal(err)
			}
		}
		for n, x := range f.Tensors() {
			if n%parts != i {
				continue
			}
			if err := w.AddTensor(x.Name, x.Dims, x.Type, func(w io.Writer) error { _, err := w.Write(x.Data); return err }); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(part(i), file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, b := newSession(t, openModel(t, path)), newSession(t, openModel(t, part(0)))
	sameLogits(t, "in parts", mustAppend(t, b, ids...), mustAppend(t, a, ids...))
	for range 2 { // of which the second asks the screen of the head, which gives memory back
		want, err := a.Generate(t.Context(), "", GenerateOptions{MaxTokens: 4})
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Generate(t.Context(), "", GenerateOptions{MaxTokens: 4})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Tokens, got.Tokens); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := tokenizer.Open(part(0)); err != nil {
		t.Error(err)
	}
	if err := os.Remove(part(2)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(part(0)); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), part(2)) {
		t.Errorf("without the last part: %v", err)
	}
}

// TestOlderArchitectureName runs a file as older conversions name it.
func TestOlderArchitectureName(t *testing.T) {
	path, ids, _ := reference(t, "micro-untied", "exact.f32")
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	older := filepath.Join(t.TempDir(), "older.gguf")
	out, err := os.Create(older)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := gguf.NewWriter(out)
	for _, key := range f.Keys() {
		var value any
		value, _ = f.Value(key)
		if key == "general.architecture" {
			value = "bitnet-25"
		}
		if err := w.Set(strings.Replace(key, "bitnet-b1.58", "bitnet-25", 1), value); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range f.Tensors() {
		if err := w.AddTensor(x.Name, x.Dims, x.Type, func(w io.Writer) error { _, err := w.Write(x.Data); return err }); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sameLogits(t, "the older name", mustAppend(t, newSession(t, openModel(t, older)), ids...), mustAppend(t, newSession(t, openModel(t, path)), ids...))
}

// TestDamagedWeights runs models whose weights open well but are wrong: code 3
// everywhere, and an embedding that is not finite.
func TestDamagedWeights(t *testing.T) {
	path, ids, _ := reference(t, "micro-untied", "exact.f32")
	codes := rewrite(t, path, nil, func(x *gguf.Tensor) {
		if x.Type == gguf.I2S {
			for i := range x.Data[:len(x.Data)-quant.ScaleBytes] {
				x.Data[i] |= byte(i)
			}
		}
	})
	var want []float32
	for _, k := range quant.Available() {
		logits := mustAppend(t, newSession(t, openModel(t, codes, WithKernels(k.Name()))), ids...)
		if want == nil {
			want = logits
		}
		sameLogits(t, "code 3 with "+k.Name(), logits, want)
	}
	infinite := rewrite(t, path, nil, func(x *gguf.Tensor) {
		if x.Name == "token_embd.weight" {
			binary.LittleEndian.PutUint16(x.Data[2*(ids[1]*x.Dims[0]+3):], 0x7c00)
		}
	})
	for _, k := range quant.Available() {
		s := newSession(t, openModel(t, infinite, WithKernels(k.Name())))
		before := mustAppend(t, s, ids[0])
		if _, err := s.Append(t.Context(), ids[1:3]); err != ErrNotFinite || s.Len() != 1 {
			t.Errorf("%s: an infinite embedding: %v, length %d", k.Name(), err, s.Len())
		}
		sameLogits(t, "afterwards", mustAppend(t, s), before)
	}
}

// TestOverflowInTheLastBlock has the arithmetic come to infinity where nothing is
// quantized any more.
func TestOverflowInTheLastBlock(t *testing.T) {
	path, ids, _ := reference(t, "tiny", "exact.f32")
	huge := rewrite(t, path, nil, func(x *gguf.Tensor) {
		if x.Name == "blk.3.ffn_down.weight" {
			binary.LittleEndian.PutUint32(x.Data[len(x.Data)-quant.ScaleBytes:], math.Float32bits(3e38))
		}
	})
	for _, k := range quant.Available() {
		s := newSession(t, openModel(t, huge, WithKernels(k.Name())))
		if _, err := s.Append(t.Context(), ids[:3]); err != ErrNotFinite || s.Len() != 0 {
			t.Errorf("%s: %v, length %d", k.Name(), err, s.Len())
		}
	}
}

// FuzzOpen changes bytes of a small model: it opens and runs, or gives an
// error.
func FuzzOpen(f *testing.F) {
	path, ids, _ := reference(f, "micro-untied", "exact.f32")
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte{})
	f.Add(uint32(8), []byte{0xff, 0xff})
	f.Add(uint32(700), []byte("\x00\x00\x00\x80"))
	f.Add(uint32(len(good)-40), []byte{1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		data := append([]byte(nil), good...)
		copy(data[int(at)%len(data):], change)
		file, err := gguf.Parse(data)
		if err != nil {
			return
		}
		m, err := newModel(file, []Option{WithThreads(1)}, false)
		if err != nil {
			return
		}
		defer m.Close()
		s, err := m.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(t.Context(), ids[:2]); err != nil && err != ErrNotFinite && !errors.Is(err, ErrToken) {
			t.Fatal(err)
		}
	})
}
