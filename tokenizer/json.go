package tokenizer

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// The part of a tokenizer.json that decides which tokens a text gets. What is
// not listed (truncation, padding, offsets) does not.
type jsonFile struct {
	AddedTokens   []jsonAddedToken `json:"added_tokens"`
	Normalizer    *jsonStep        `json:"normalizer"`
	PreTokenizer  *jsonStep        `json:"pre_tokenizer"`
	PostProcessor *jsonStep        `json:"post_processor"`
	Decoder       *jsonStep        `json:"decoder"`
	Model         jsonModel        `json:"model"`
}

type jsonAddedToken struct {
	ID         uint32 `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LeftStrip  bool   `json:"lstrip"`
	RightStrip bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// jsonStep is a step of any of the four stages; each type of step has some of
// the fields.
type jsonStep struct {
	Type string `json:"type"`

	// Sequence
	Normalizers   []jsonStep `json:"normalizers"`
	PreTokenizers []jsonStep `json:"pretokenizers"`
	Processors    []jsonStep `json:"processors"`
	Decoders      []jsonStep `json:"decoders"`

	// Split
	Pattern struct {
		Regex string `json:"Regex"`
	} `json:"pattern"`
	Behavior string `json:"behavior"`
	Invert   bool   `json:"invert"`

	// ByteLevel
	AddPrefixSpace *bool `json:"add_prefix_space"`
	UseRegex       *bool `json:"use_regex"`

	// TemplateProcessing
	Single        []jsonTemplatePart           `json:"single"`
	SpecialTokens map[string]jsonTemplateToken `json:"special_tokens"`
}

type jsonTemplatePart struct {
	SpecialToken *struct {
		ID string `json:"id"`
	} `json:"SpecialToken"`
	Sequence *struct {
		ID string `json:"id"`
	} `json:"Sequence"`
}

type jsonTemplateToken struct {
	IDs []uint32 `json:"ids"`
}

type jsonModel struct {
	Type         string   `json:"type"`
	Dropout      *float64 `json:"dropout"`
	UnknownToken *string  `json:"unk_token"`
	WordPrefix   *string  `json:"continuing_subword_prefix"`
	WordSuffix   *string  `json:"end_of_word_suffix"`
	ByteFallback bool     `json:"byte_fallback"`
	IgnoreMerges bool     `json:"ignore_merges"`

	// These two are nearly all of the file. They are read where they lie, by
	// jsonCursor, instead of being made into a million small strings.
	Vocabulary json.RawMessage `json:"vocab"`
	Merges     json.RawMessage `json:"merges"`
}

// fromJSON builds a tokenizer from a tokenizer.json.
func fromJSON(data []byte) (*Tokenizer, error) {
	const key = "tokenizer.json"
	// The decoder would replace what is not UTF-8, and so change tokens.
	if !utf8.Valid(data) {
		return nil, malformed(key, none, "is not valid UTF-8")
	}
	var file jsonFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, &VocabularyError{Key: key, Index: none, Reason: err.Error(), Err: err}
	}
	if err := file.check(); err != nil {
		return nil, err
	}
	t := &Tokenizer{wholePieces: file.Model.IgnoreMerges}
	if err := file.buildVocabulary(t); err != nil {
		return nil, err
	}
	if err := file.buildMerges(t); err != nil {
		return nil, err
	}
	if err := file.setTextEnds(t); err != nil {
		return nil, err
	}
	t.setEndTokens(t.endOfText)
	return t, nil
}

// check refuses what would be tokenized wrongly here.
func (f *jsonFile) check() error {
	for _, step := range f.Normalizer.steps() {
		return unsupported("normalizer", none, "is %.40q; none is implemented", step.Type)
	}
	if err := checkSplitter(f.PreTokenizer.steps()); err != nil {
		return err
	}
	for _, step := range f.Decoder.steps() {
		if step.Type != "ByteLevel" {
			return unsupported("decoder", none, "is %.40q; only ByteLevel is implemented", step.Type)
		}
	}
	m := f.Model
	switch {
	case m.Type != "BPE" && m.Type != "":
		return unsupported("model.type", none, "is %.40q; only BPE is implemented", m.Type)
	case m.Dropout != nil && *m.Dropout != 0:
		return unsupported("model.dropout", none, "is %g; only 0 is implemented", *m.Dropout)
	case m.UnknownToken != nil:
		return unsupported("model.unk_token", none, "is %.40q; a byte-level vocabulary needs none, and it is not implemented", *m.UnknownToken)
	case m.WordPrefix != nil && *m.WordPrefix != "":
		return unsupported("model.continuing_subword_prefix", none, "is %.40q; none is implemented", *m.WordPrefix)
	case m.WordSuffix != nil && *m.WordSuffix != "":
		return unsupported("model.end_of_word_suffix", none, "is %.40q; none is implemented", *m.WordSuffix)
	case m.ByteFallback:
		return unsupported("model.byte_fallback", none, "is true, which is not implemented")
	}
	for i, token := range f.AddedTokens {
		switch {
		case token.Content == "":
			return malformed("added_tokens", i, "has no content")
		case token.SingleWord:
			return unsupported("added_tokens", i, "has single_word set, which is not implemented")
		case token.LeftStrip:
			return unsupported("added_tokens", i, "has lstrip set, which is not implemented")
		case token.RightStrip:
			return unsupported("added_tokens", i, "has rstrip set, which is not implemented")
		}
	}
	return nil
}

// steps returns the steps of a stage with the members of sequences in their
// place.
func (s *jsonStep) steps() []*jsonStep {
	if s == nil {
		return nil
	}
	if s.Type != "Sequence" {
		return []*jsonStep{s}
	}
	var all []*jsonStep
	for _, members := range [][]jsonStep{s.Normalizers, s.PreTokenizers, s.Processors, s.Decoders} {
		for i := range members {
			all = append(all, members[i].steps()...)
		}
	}
	return all
}

// checkSplitter accepts the two steps of Llama 3: cut into pieces, then write
// the pieces in the byte-level alphabet.
func checkSplitter(steps []*jsonStep) error {
	const key = "pre_tokenizer"
	if len(steps) != 2 || steps[0].Type != "Split" || steps[1].Type != "ByteLevel" {
		return unsupported(key, none, "is not a Split and a ByteLevel step; only the splitter of Llama 3 is implemented")
	}
	split, byteLevel := steps[0], steps[1]
	switch {
	case split.Pattern.Regex != llama3Pattern:
		return unsupported(key, none, "splits at %.200q; only the expression of Llama 3 is implemented", split.Pattern.Regex)
	case split.Behavior != "Isolated" || split.Invert:
		return unsupported(key, none, "splits with behavior %.40q and invert %t; only Isolated and false are implemented", split.Behavior, split.Invert)
	case byteLevel.AddPrefixSpace == nil || *byteLevel.AddPrefixSpace:
		return unsupported(key, none, "has add_prefix_space set, which is not implemented")
	case byteLevel.UseRegex == nil || *byteLevel.UseRegex:
		return unsupported(key, none, "has use_regex set, GPT-2's splitter, which is not implemented")
	}
	return nil
}

// buildVocabulary orders the tokens by id. The ids of the vocabulary and the
// added tokens together must run from 0 without a hole.
func (f *jsonFile) buildVocabulary(t *Tokenizer) error {
	const key, addedKey = "model.vocab", "added_tokens"
	count := len(f.AddedTokens)
	err := readJSONVocabulary(f.Model.Vocabulary, func([]byte, uint64) error {
		count++
		return nil
	})
	if err != nil {
		return err
	}
	if count > maxTokens {
		return unsupported(key, none, "has %d tokens with %s; at most %d are implemented", count, addedKey, maxTokens)
	}

	addedAt := make(map[uint32]*jsonAddedToken, len(f.AddedTokens))
	addedIDs := make(map[string]uint32, len(f.AddedTokens))
	for i := range f.AddedTokens {
		token := &f.AddedTokens[i]
		if token.ID >= uint32(count) {
			return malformed(addedKey, i, "has the id %d, but there are at most %d tokens", token.ID, count)
		}
		if addedAt[token.ID] != nil {
			return malformed(addedKey, i, "has the id %d, like %.40q", token.ID, addedAt[token.ID].Content)
		}
		if id, known := addedIDs[token.Content]; known {
			return malformed(addedKey, i, "is %.40q, which has the id %d already", token.Content, id)
		}
		addedAt[token.ID], addedIDs[token.Content] = token, token.ID
	}

	tokens := make([][]byte, count)
	size := 0
	err = readJSONVocabulary(f.Model.Vocabulary, func(text []byte, id uint64) error {
		if id >= uint64(len(tokens)) {
			return malformed(key, none, "gives %.40q the id %d, but there are at most %d tokens", text, id, len(tokens))
		}
		if tokens[id] != nil {
			return malformed(key, int(id), "is the id of %.40q and of %.40q", tokens[id], text)
		}
		if other, isAdded := addedIDs[string(text)]; isAdded && uint64(other) != id {
			return malformed(key, int(id), "is %.40q, to which %s gives the id %d", text, addedKey, other)
		}
		if token := addedAt[uint32(id)]; token != nil {
			if token.Content != string(text) {
				return malformed(key, int(id), "is %.40q here and %.40q in %s", text, token.Content, addedKey)
			}
			count-- // it has been counted twice
		}
		tokens[id] = text
		size += len(text)
		return nil
	})
	if err != nil {
		return err
	}
	for id, token := range addedAt {
		if tokens[id] == nil {
			tokens[id] = []byte(token.Content)
			size += len(token.Content)
		}
	}
	tokens = tokens[:count]

	t.vocabulary = newVocabulary(len(tokens), min(size, maxTextBytes))
	var search addedSearch
	for id, text := range tokens {
		if text == nil {
			return malformed(key, id, "is missing: %d tokens have other ids", len(tokens))
		}
		k := ordinary
		if token := addedAt[uint32(id)]; token != nil {
			k = added
			if token.Special {
				k = special
			}
			search.add(addedToken{text: token.Content, id: uint32(id)}, k, token.Normalized)
		}
		if err := t.vocabulary.appendToken(key, id, text, k); err != nil {
			return err
		}
	}
	if len(tokens) == 0 {
		return malformed(key, none, "has no token")
	}
	t.vocabulary.enterTokens()
	t.found, t.foundPlain = search.build()
	return nil
}

func (f *jsonFile) buildMerges(t *Tokenizer) (err error) {
	const key = "model.merges"
	count := 0
	err = readJSONMerges(f.Model.Merges, func(_, _ []byte) bool {
		count++
		return true
	})
	if err != nil {
		return err
	}
	if count > maxMerges {
		return unsupported(key, none, "has %d elements; at most %d are implemented", count, maxMerges)
	}
	t.merges, err = buildMerges(t.vocabulary, key, count, func(from int, yield func(left, right []byte) bool) error {
		return readJSONMerges(f.Model.Merges, func(left, right []byte) bool {
			if from > 0 {
				from--
				return true
			}
			return yield(left, right)
		})
	})
	return err
}

// setTextEnds finds begin-of-text, which the template of the post-processor
// puts before every text, and end-of-text, which has no place in the file but
// its name.
func (f *jsonFile) setTextEnds(t *Tokenizer) error {
	const key = "post_processor"
	t.beginOfText = t.specialNamed("<|begin_of_text|>")
	t.endOfText = t.specialNamed("<|end_of_text|>")
	for _, step := range f.PostProcessor.steps() {
		if step.Type == "ByteLevel" {
			continue // changes offsets only
		}
		if step.Type != "TemplateProcessing" {
			return unsupported(key, none, "is %.40q; only ByteLevel and TemplateProcessing are implemented", step.Type)
		}
		name, err := step.templatePrefix()
		if err != nil {
			return unsupported(key, none, "%v", err)
		}
		if name == "" {
			continue
		}
		ids := step.SpecialTokens[name].IDs
		if len(ids) != 1 || !t.IsSpecial(int(ids[0])) {
			return malformed(key, none, "puts %.40q before a text, which is no special token of the vocabulary", name)
		}
		t.beginOfText, t.addsBeginOfText = int(ids[0]), true
	}
	return nil
}

func (t *Tokenizer) specialNamed(text string) int {
	if id, ok := t.TokenID(text); ok && t.IsSpecial(id) {
		return id
	}
	return none
}

// templatePrefix returns the name of the token that a template puts before a
// text, "" for none.
func (s *jsonStep) templatePrefix() (name string, err error) {
	parts := s.Single
	if len(parts) == 2 && parts[0].SpecialToken != nil {
		name = parts[0].SpecialToken.ID
		parts = parts[1:]
	}
	if len(parts) != 1 || parts[0].Sequence == nil || parts[0].Sequence.ID != "A" {
		return "", errors.New("adds more than one token before a text; that is not implemented")
	}
	return name, nil
}
