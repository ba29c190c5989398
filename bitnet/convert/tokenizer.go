package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/gobitnet/gobitnet/tokenizer"
)

// A jsonTokenizer is what of tokenizer.json goes into a GGUF. Everything else about
// it the package tokenizer has read, and refused what engines would not do.
type jsonTokenizer struct {
	Added      []jsonAdded `json:"added_tokens"`
	Normalizer *struct {
		Type        string `json:"type"`
		Normalizers []struct {
			Type string `json:"type"`
		} `json:"normalizers"`
	} `json:"normalizer"`
	PreTokenizer *struct {
		Type          string  `json:"type"`
		PrependScheme *string `json:"prepend_scheme"`
		AddsSpace     *bool   `json:"add_prefix_space"`
	} `json:"pre_tokenizer"`
	Model struct {
		Unknown      *string     `json:"unk_token"`
		ByteFallback bool        `json:"byte_fallback"`
		IgnoreMerges bool        `json:"ignore_merges"`
		Vocabulary   jsonWords   `json:"vocab"`
		Merges       []jsonMerge `json:"merges"`
	} `json:"model"`
}

type jsonAdded struct {
	ID      int    `json:"id"`
	Content string `json:"content"`
	Special bool   `json:"special"`
}

// jsonWords is an object of texts and ids in its order.
type jsonWords []struct {
	text string
	id   int
}

func (w *jsonWords) UnmarshalJSON(data []byte) error {
	tokens := json.NewDecoder(bytes.NewReader(data))
	if token, err := tokens.Token(); err != nil || token != json.Delim('{') {
		return errors.New("model.vocab is no object of texts and ids")
	}
	for {
		token, err := tokens.Token()
		if err != nil {
			return err
		}
		text, ok := token.(string)
		if !ok {
			return nil // the closing brace
		}
		var id int
		if err := tokens.Decode(&id); err != nil {
			return fmt.Errorf("model.vocab has %.40q with an id that is no whole number: %w", text, err)
		}
		*w = append(*w, struct {
			text string
			id   int
		}{text, id})
	}
}

// jsonMerge is a pair of tokens, "left right" or ["left", "right"].
type jsonMerge struct{ left, right string }

func (m *jsonMerge) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		var pair []string
		if err := json.Unmarshal(data, &pair); err != nil {
			return err
		}
		if len(pair) != 2 {
			return fmt.Errorf("model.merges has %d texts where two are needed", len(pair))
		}
		m.left, m.right = pair[0], pair[1]
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	var ok bool
	if m.left, m.right, ok = strings.Cut(text, " "); !ok {
		return fmt.Errorf("model.merges has %.40q, not two tokens with a blank between them", text)
	}
	return nil
}

// words returns the vocabulary, which t was built from.
func (f *jsonTokenizer) words(t *tokenizer.Tokenizer) (*words, error) {
	m := &f.Model
	v := &words{ids: make(map[string]int, len(m.Vocabulary)), begin: -1, end: -1, pieces: m.ByteFallback, splitter: t.Splitter()}
	for _, w := range m.Vocabulary {
		if err := v.put(tokenizerFile, w.id, token{text: w.text, kind: normalToken}); err != nil {
			return nil, err
		}
	}
	var err error
	if v.pieces {
		v.addsSpace = f.addsSpace()
		err = f.scorePieces(v)
	} else {
		err = f.copyMerges(v)
	}
	if err != nil {
		return nil, err
	}
	for _, a := range f.Added {
		added := token{text: a.Content, kind: addedToken}
		if a.Special {
			added.kind = controlToken
		}
		if _, ok := v.ids[a.Content]; !ok && v.pieces {
			added.score = addedScore
		}
		if m.Unknown != nil && a.Content == *m.Unknown {
			added.kind = unknownToken
		}
		if err := v.put(tokenizerFile, a.ID, added); err != nil {
			return nil, err
		}
	}
	if id, ok := t.BeginOfText(); ok {
		v.begin = id
	}
	if id, ok := t.EndOfText(); ok {
		v.end = id
	}
	v.addsBegin, v.addsEnd = t.AddsBeginOfText(), t.AddsEndOfText()
	return v, nil
}

// copyMerges writes the merges of a byte-level vocabulary.
func (f *jsonTokenizer) copyMerges(v *words) error {
	if v.splitter == "" {
		return errorf(tokenizerFile, "pre_tokenizer goes with ignore_merges %t, for which together a GGUF has no word", f.Model.IgnoreMerges)
	}
	for i, m := range f.Model.Merges {
		if m.left == "" || m.right == "" || strings.Contains(m.left+m.right, " ") {
			return errorf(tokenizerFile, "model.merges has %.40q and %.40q as number %d, which a GGUF cannot hold", m.left, m.right, i)
		}
		v.merges = append(v.merges, m.left+" "+m.right)
	}
	return nil
}

// addsSpace reports whether a blank goes before a text.
func (f *jsonTokenizer) addsSpace() bool {
	if n := f.Normalizer; n != nil {
		if n.Type == "Prepend" {
			return true
		}
		for _, step := range n.Normalizers {
			if step.Type == "Prepend" {
				return true
			}
		}
	}
	p := f.PreTokenizer
	switch {
	case p == nil || p.Type != "Metaspace":
		return false
	case p.PrependScheme != nil:
		return *p.PrependScheme != "never"
	}
	return p.AddsSpace == nil || *p.AddsSpace
}

// blank is what SentencePiece writes for a blank.
const blank = "▁"

// scorePieces gives the tokens of a SentencePiece vocabulary the scores that the
// order of the merges stands for: the earlier the first merge that makes a token,
// the higher its score. Where runs of blanks are merged last of all, they have no
// order among themselves: the models that such files are made of give all of them
// one very low score.
func (f *jsonTokenizer) scorePieces(v *words) error {
	firstMerge := make(map[int]int, len(v.tokens))
	lastWord, firstRun := -1, len(f.Model.Merges)
	isRun := func(text string) bool { return strings.Trim(text, blank) == "" }
	for rank, m := range f.Model.Merges {
		text := m.left + m.right
		id, ok := v.ids[text]
		if !ok {
			return errorf(tokenizerFile, "model.merges makes %.40q, which is no token", text)
		}
		if _, known := firstMerge[id]; !known {
			firstMerge[id] = rank
		}
		if isRun(text) {
			firstRun = min(firstRun, rank)
		} else {
			lastWord = rank
		}
	}
	for id := range v.tokens {
		t := &v.tokens[id]
		rank, merged := firstMerge[id]
		switch {
		case merged && isRun(t.text) && firstRun > lastWord:
			t.score = neverMerged
		case merged:
			t.score = -float32(rank + 1)
		case isByteToken(t.text):
			t.kind = byteToken
		}
	}
	return nil
}
