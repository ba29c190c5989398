package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"

	"github.com/x448/float16"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/quant"
)

// export returns the model as a GGUF file, in the layout of the published ones.
func (m *model) export(v *vocabulary) ([]byte, error) {
	var file bytes.Buffer
	w := gguf.NewWriter(&file)
	const architecture = "bitnet-b1.58"
	for _, pair := range []struct {
		key   string
		value any
	}{
		{"general.architecture", architecture},
		{"general.name", "gobitnet-arithmetic"},
		{"general.license", "mit"},
		{architecture + ".vocab_size", uint32(len(v.tokens))},
		{architecture + ".context_length", uint32(m.Context)},
		{architecture + ".embedding_length", uint32(m.Width)},
		{architecture + ".block_count", uint32(m.Blocks)},
		{architecture + ".feed_forward_length", uint32(m.Inner)},
		{architecture + ".rope.dimension_count", uint32(m.head())},
		{architecture + ".attention.head_count", uint32(m.Heads)},
		{architecture + ".attention.head_count_kv", uint32(m.KVHeads)},
		{architecture + ".attention.layer_norm_rms_epsilon", m.Epsilon},
		{architecture + ".rope.freq_base", float32(m.RoPEBase)},
		{"general.file_type", uint32(40)}, // mostly I2_S
		{"tokenizer.ggml.model", "gpt2"},
		{"tokenizer.ggml.tokens", v.tokens},
		{"tokenizer.ggml.token_type", v.types},
		{"tokenizer.ggml.merges", v.merges},
		{"tokenizer.ggml.bos_token_id", v.beginOfText},
		{"tokenizer.ggml.eos_token_id", v.endOfText},
		{"tokenizer.ggml.padding_token_id", v.endOfText},
		{"tokenizer.ggml.add_bos_token", true},
		{"tokenizer.chat_template", "{{ bos_token }}{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}Assistant: {% endif %}"},
		{"general.quantization_version", uint32(2)},
	} {
		if err := w.Set(pair.key, pair.value); err != nil {
			return nil, err
		}
	}
	for _, p := range m.parameters {
		dims, kind := []int{p.Cols, p.Rows}, gguf.F16
		switch {
		case p.ternary:
			kind = gguf.I2S
		case p != m.embedding:
			dims, kind = []int{p.Cols}, gguf.F32
		}
		err := w.AddTensor(p.name, dims, kind, func(out io.Writer) error {
			data, err := p.bytes(kind)
			if err == nil {
				_, err = out.Write(data)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return file.Bytes(), nil
}

func (p *parameter) bytes(kind gguf.TensorType) ([]byte, error) {
	switch kind {
	case gguf.F16:
		data := make([]byte, 0, 2*len(p.Data))
		for _, v := range p.Data {
			data = binary.LittleEndian.AppendUint16(data, float16.Fromfloat32(v).Bits())
		}
		return data, nil
	case gguf.F32:
		data := make([]byte, 0, 4*len(p.Data))
		for _, v := range p.Data {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		return data, nil
	}
	scale := absoluteMean(p.Data)
	weights := make([]int8, len(p.Data))
	for i, v := range p.Data {
		weights[i] = int8(ternary(v, scale))
	}
	data := make([]byte, len(p.Data)/4+quant.ScaleBytes)
	if err := quant.Pack(data[:len(p.Data)/4], weights); err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint32(data[len(p.Data)/4:], math.Float32bits(scale))
	return data, nil
}
