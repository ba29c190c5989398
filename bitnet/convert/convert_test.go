package convert

import (
	"bytes"
	"context"
	"math"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// convertTo converts and returns the file.
func convertTo(t testing.TB, from string, o Options) ([]byte, Report) {
	t.Helper()
	var out bytes.Buffer
	report, err := Write(context.Background(), &out, from, o)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), report
}

func cosine(a []float32, b []float64) float64 {
	var ab, aa, bb float64
	for i, v := range a {
		ab += float64(v) * b[i]
		aa += float64(v) * float64(v)
		bb += b[i] * b[i]
	}
	return ab / math.Sqrt(aa*bb)
}

var testIDs = []int{1, 40, 260, 7, 77, 133, 264, 12, 90, 200, 201, 5}

// TestLogits converts folders of every kind and holds the logits of the result
// against those that come of the folder in double precision.
func TestLogits(t *testing.T) {
	for _, c := range []struct {
		class, kind string
		change      func(m *model)
		options     Options
		typ, table  gguf.TensorType
		least       float64
	}{
		{class: "BitNetForCausalLM", kind: "multiplied", typ: gguf.I2S, table: gguf.F16, least: 0.998},
		{class: "BitNetForCausalLM", kind: "online", change: func(m *model) { m.shards = 3 }, typ: gguf.I2S, table: gguf.F16, least: 0.998},
		{class: "BitNetForCausalLM", kind: "divided", typ: gguf.I2S, table: gguf.F16, least: 0.998},
		{class: "LlamaForCausalLM", kind: "divided", typ: gguf.I2S, table: gguf.F16, least: 0.998},
		{class: "LlamaForCausalLM", kind: "divided", change: func(m *model) { m.shards = 2 }, options: Options{Embedding: gguf.Q6_K}, typ: gguf.I2S, table: gguf.Q6_K, least: 0.998},
		{class: "LlamaForCausalLM", kind: "single", typ: gguf.I2S, table: gguf.F16, least: 0.998},
		{class: "BitnetForCausalLM", kind: "online", typ: gguf.I2S, table: gguf.F16, least: 0.998},
		{class: "BitnetForCausalLM", kind: "online", options: Options{Type: gguf.TQ1_0, Embedding: gguf.Q8_0}, change: func(m *model) { m.rawActivations = true }, typ: gguf.TQ1_0, table: gguf.Q8_0, least: 0.9993},
		{class: "Qwen3ForCausalLM", kind: "128", change: func(m *model) { m.rawActivations, m.ternaryTables, m.tied = true, true, true }, typ: gguf.PQ2_0, table: gguf.PQ2_0, least: 0.9993},
		{class: "Qwen3ForCausalLM", kind: "128", change: func(m *model) { m.rawActivations = true }, options: Options{Type: gguf.PTQ1_0, Embedding: gguf.Q8_0}, typ: gguf.PTQ1_0, table: gguf.Q8_0, least: 0.9993},
		{class: "Qwen3ForCausalLM", kind: "64", change: func(m *model) { m.rawActivations = true }, typ: gguf.Q2_0, table: gguf.F16, least: 0.9993},
		{class: "Qwen3ForCausalLM", kind: "64", change: func(m *model) {
			m.rawActivations, m.yarn, m.context = true, 4, 128
			m.config["rope_scaling"] = map[string]any{"type": "yarn", "factor": 4, "original_max_position_embeddings": 128}
		}, options: Options{Embedding: gguf.Q8_0}, typ: gguf.Q2_0, table: gguf.Q8_0, least: 0.9993},
		{class: "Qwen3ForCausalLM", kind: "online", typ: gguf.I2S, table: gguf.F16, least: 0.998},
	} {
		m := small(c.class, c.kind)
		if c.change != nil {
			c.change(m)
		}
		t.Run(c.class+" "+c.kind+" "+c.typ.String()+" "+c.table.String(), func(t *testing.T) {
			data, report := convertTo(t, m.write(t), c.options)
			if report.Type != c.typ || report.Embedding != c.table {
				t.Errorf("%+v, want %v and %v", report, c.typ, c.table)
			}
			// What the tables lose is not the conversion's fault: TestTableQuality
			// says how much that may be.
			for to, from := range map[string]string{embeddingName: "model.embed_tokens.weight", headName: "lm_head.weight"} {
				if stored, ok := reopen(t, data).Tensor(to); ok {
					m.weights[from] = decode(stored)
				}
			}
			opened, err := bitnet.OpenBytes(data)
			if err != nil {
				t.Fatal(err)
			}
			defer opened.Close()
			s, err := opened.NewSession(bitnet.WithFloat32Cache())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			worst := 1.0
			exact := m.logits(testIDs)
			for i, id := range testIDs {
				logits, err := s.Append(context.Background(), []int{id})
				if err != nil {
					t.Fatal(err)
				}
				worst = min(worst, cosine(logits, exact[i]))
			}
			t.Logf("smallest cosine %.6f", worst)
			if !(worst >= c.least) {
				t.Errorf("smallest cosine %.6f, want at least %v", worst, c.least)
			}
		})
	}
}
