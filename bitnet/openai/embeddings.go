package openai

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"

	"github.com/gobitnet/gobitnet/bitnet"
)

// textsTogether is how many texts a model takes KV cache for at once, at most.
const textsTogether = 16

// embeddings answers POST /v1/embeddings. OpenAI's own clients ask for base64 and
// take nothing else.
func (c *call) embeddings(f fields) {
	m, bad := c.find(f)
	if bad != nil {
		c.fail(bad)
		return
	}
	inputs, bad := m.promptsOf(f, "input", m.EncodeText)
	if bad != nil {
		c.fail(bad)
		return
	}
	format, bad := f.text("encoding_format")
	if bad == nil && format != "" && format != "float" && format != "base64" {
		bad = invalid("encoding_format", "encoding_format must be float or base64")
	}
	longest, tokens := 0, 0
	for _, ids := range inputs {
		tokens += len(ids)
		if longest = max(longest, len(ids)); bad == nil && len(ids) == 0 {
			bad = invalid("input", "an input is empty")
		}
	}
	if bad == nil && longest > m.context {
		bad = tooLong("input", longest, m.context+1)
	}
	if bad == nil && !m.embeds() {
		bad = notEmbedding(m)
	}
	width := m.Config().EmbeddingLength
	dimensions, wrong := f.integer("dimensions", width, 1, width)
	if bad == nil {
		bad = wrong
	}
	if bad != nil {
		c.fail(bad)
		return
	}
	var vectors [][]float32
	memory := sessionBytes(m.Model, longest) + int64(min(len(inputs), textsTogether))*m.CacheBytes(1)
	err := c.h.compute(c.ctx, m, c.key, 1, memory, func(ctx context.Context) (err error) {
		vectors, err = m.EmbedTokens(ctx, inputs, bitnet.WithDimensions(dimensions))
		return err
	})
	c.prompt = tokens
	if err != nil {
		c.fail(c.h.failureOf(c.ctx, err))
		return
	}
	c.h.metrics.promptTokens.Add(float64(tokens))
	type embedding struct {
		Object    string `json:"object"`
		Index     int    `json:"index"`
		Embedding any    `json:"embedding"`
	}
	data := []embedding{}
	for i, v := range vectors {
		e := embedding{"embedding", i, v}
		if format == "base64" {
			e.Embedding = base64.StdEncoding.EncodeToString(littleEndian(v))
		}
		data = append(data, e)
	}
	c.json(http.StatusOK, struct {
		Object string         `json:"object"`
		Data   []embedding    `json:"data"`
		Model  string         `json:"model"`
		Usage  map[string]int `json:"usage"`
	}{"list", data, m.id, map[string]int{"prompt_tokens": tokens, "total_tokens": tokens}})
}

func notEmbedding(m *model) *failure {
	f := invalid("model", "the model %s generates text: embeddings need a model that is made for them", m.id)
	f.code = "model_not_embedding"
	return f
}

func littleEndian(v []float32) []byte {
	var data []byte
	for _, x := range v {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return data
}
