package openai

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/gobitnet/gobitnet/bitnet"
)

// A model is one of those that a handler serves.
type model struct {
	*bitnet.Model
	id      string
	context int // tokens of a prompt and its answer

	// Known once proven is closed.
	proven      chan struct{}
	fingerprint string
	digest      string // the SHA-256 of the file, in hexadecimal

	broken atomic.Pointer[error] // why nothing can be computed any more
}

func newModel(id string, m *bitnet.Model, context int) *model {
	return &model{Model: m, id: id, context: context, proven: make(chan struct{})}
}

// embeds reports whether the model is made to embed texts.
func (m *model) embeds() bool { return m.Config().Pooling != bitnet.PoolingNone }

// prove finds out what names the model's results, and has it compute one token.
func (h *Handler) prove(m *model) {
	defer close(m.proven)
	sum, err := m.SHA256()
	if err == nil {
		m.digest = fmt.Sprintf("%x", sum)
		m.fingerprint = fmt.Sprintf("fp_%x_a%d_%s", sum[:8], bitnet.ArithmeticVersion, templateName(m.Model))
		err = computeOne(h.ended, m)
	}
	if err != nil && h.ended.Err() == nil {
		m.setBroken(err)
		h.options.Logger.Error("the model cannot be used", "model", m.id, "error", err)
	}
}

func computeOne(ctx context.Context, m *model) error {
	first, _ := m.Tokenizer().BeginOfText()
	if m.embeds() {
		_, err := m.EmbedTokens(ctx, [][]int{{first}})
		return err
	}
	s, err := m.NewSession(bitnet.WithContext(1))
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.Append(ctx, []int{first})
	return err
}

func (m *model) setBroken(err error) { m.broken.CompareAndSwap(nil, &err) }

// templateName returns a short name of the form in which the model reads
// conversations: two models or versions that read one differently have different
// names.
func templateName(m *bitnet.Model) string {
	ids, err := m.EncodeChat([]bitnet.Message{
		{Role: bitnet.RoleSystem, Content: "Be brief."},
		{Role: bitnet.RoleUser, Content: " What is 2+2?\n"},
		{Role: bitnet.RoleAssistant, Content: "4"},
		{Role: bitnet.RoleUser, Content: "And 3+4?"},
	})
	if err != nil {
		return "none"
	}
	sum := sha256.New()
	for _, id := range ids {
		_ = binary.Write(sum, binary.LittleEndian, uint32(id))
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:4])
}

// sessionBytes is the memory that a session may come to take: its pages, and one
// more to copy what it shares with others.
func sessionBytes(m *bitnet.Model, tokens int) int64 {
	return m.CacheBytes(tokens) + m.CacheBytes(1)
}

// find returns the model that a request names. It may leave out the name where
// there is one model only.
func (c *call) find(f fields) (*model, *failure) {
	name, bad := f.text("model")
	if bad != nil {
		return nil, bad
	}
	if name == "" {
		if len(c.h.names) > 1 {
			return nil, invalid("model", "name a model: %s", strings.Join(c.h.names, ", "))
		}
		name = c.h.names[0]
	}
	m := c.h.models[name]
	if m == nil && c.ollama {
		m = c.h.models[strings.TrimSuffix(name, ":latest")] // how ollama's clients write it
	}
	if m == nil {
		return nil, unknownModel(name)
	}
	c.model = m.id
	return m, nil
}

func unknownModel(name string) *failure {
	return notFound("model_not_found", "model", "there is no model %q: /v1/models lists those that there are", name)
}

// modelObject is OpenAI's form of a model, with the context as vLLM has it.
type modelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	Context int    `json:"max_model_len"`
}

func (c *call) object(m *model) modelObject {
	return modelObject{ID: m.id, Object: "model", Created: c.h.created.Unix(), OwnedBy: "gobitnet", Context: m.context}
}

func (c *call) listModels() {
	all := []modelObject{}
	for _, name := range c.h.names {
		all = append(all, c.object(c.h.models[name]))
	}
	c.json(http.StatusOK, struct {
		Object string        `json:"object"`
		Data   []modelObject `json:"data"`
	}{"list", all})
}

func (c *call) describeModel() {
	name := strings.TrimPrefix(c.r.URL.Path, modelPath)
	m := c.h.models[name]
	if m == nil {
		c.fail(unknownModel(name))
		return
	}
	c.json(http.StatusOK, c.object(m))
}
