package openai

import (
	"net/http"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/tokenizer"
)

// tokenize answers POST /tokenize for the clients of llama-server, who send
// content, and those of vLLM, who send prompt or messages.
func (c *call) tokenize(f fields) {
	m, bad := c.find(f)
	if bad != nil {
		c.fail(bad)
		return
	}
	ids, bad := m.tokensOf(f)
	if bad != nil {
		c.fail(bad)
		return
	}
	answer := struct {
		Tokens  any `json:"tokens"`
		Count   int `json:"count"`
		Context int `json:"max_model_len"`
	}{append([]int{}, ids...), len(ids), m.context}
	pieces, bad := f.boolean("with_pieces")
	if bad != nil {
		c.fail(bad)
		return
	}
	if pieces {
		all := []any{}
		for _, id := range ids {
			all = append(all, map[string]any{"id": id, "piece": m.tokenPiece(id)})
		}
		answer.Tokens = all
	}
	c.json(http.StatusOK, answer)
}

// tokenPiece returns a token's text, or its bytes where these are none.
func (m *model) tokenPiece(id int) any {
	token := m.Tokenizer().AppendToken(nil, id)
	if utf8.Valid(token) {
		return string(token)
	}
	piece := make([]int, len(token))
	for i, b := range token {
		piece[i] = int(b)
	}
	return piece
}

func (m *model) tokensOf(f fields) ([]int, *failure) {
	if f.has("messages") {
		messages, bad := chatMessages(f["messages"], "messages")
		if bad != nil {
			return nil, bad
		}
		ids, err := m.EncodeChat(messages)
		if err != nil {
			return nil, invalid("messages", "%v", err)
		}
		return ids, nil
	}
	name, begin, special := "content", "add_special", "parse_special"
	if f.has("prompt") {
		name, begin = "prompt", "add_special_tokens"
	} else if !f.has("content") {
		return nil, invalid("content", "there is nothing to tokenize: send content, prompt or messages")
	}
	text, bad := f.text(name)
	if bad != nil {
		return nil, bad
	}
	options := []tokenizer.EncodeOption{}
	withBegin := name == "prompt"
	if f.has(begin) {
		if withBegin, bad = f.boolean(begin); bad != nil {
			return nil, bad
		}
	}
	if withBegin && m.Tokenizer().AddsBeginOfText() {
		options = append(options, tokenizer.AddBeginOfText())
	}
	if f.has(special) {
		parse, bad := f.boolean(special)
		if bad != nil {
			return nil, bad
		}
		if !parse {
			options = append(options, tokenizer.PlainText())
		}
	}
	ids, err := m.Tokenizer().Encode(text, options...)
	if err != nil {
		return nil, invalid(name, "%v", err)
	}
	return ids, nil
}

// detokenize answers POST /detokenize for both, too.
func (c *call) detokenize(f fields) {
	m, bad := c.find(f)
	if bad != nil {
		c.fail(bad)
		return
	}
	ids, ok := tokenIDs(f["tokens"], m.Config().VocabularySize)
	if !ok {
		c.fail(invalid("tokens", "tokens must be a list of whole numbers from 0 to %d", m.Config().VocabularySize-1))
		return
	}
	text := m.decode(ids)
	c.json(http.StatusOK, map[string]string{"content": text, "prompt": text})
}
