package tokenizer

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
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

	// Split, Replace
	Pattern  jsonPattern `json:"pattern"`
	Behavior string      `json:"behavior"`
	Invert   bool        `json:"invert"`
	Content  string      `json:"content"`

	// ByteLevel, Metaspace
	AddPrefixSpace *bool `json:"add_prefix_space"`
	UseRegex       *bool `json:"use_regex"`

	// Digits
	IndividualDigits bool `json:"individual_digits"`

	// Prepend
	Prepend string `json:"prepend"`

	// Metaspace
	Replacement   string `json:"replacement"`
	PrependScheme string `json:"prepend_scheme"`
	SplitsBlanks  *bool  `json:"split"`

	// TemplateProcessing
	Single        []jsonTemplatePart           `json:"single"`
	SpecialTokens map[string]jsonTemplateToken `json:"special_tokens"`
}

type jsonPattern struct {
	Regex  string `json:"Regex"`
	String string `json:"String"`
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
	FuseUnknown  bool     `json:"fuse_unk"`
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
	t := new(Tokenizer)
	build := file.buildByteLevel
	if file.Model.ByteFallback {
		build = file.buildSentencePiece
	}
	if err := build(t); err != nil {
		return nil, err
	}
	if err := file.setTextEnds(t); err != nil {
		return nil, err
	}
	t.setEndTokens(t.endOfText)
	return t, nil
}

// check refuses what would be tokenized wrongly here, whatever the kind of
// vocabulary.
func (f *jsonFile) check() error {
	m := f.Model
	switch {
	case m.Type != "BPE" && m.Type != "":
		return unsupported("model.type", none, "is %.40q; only BPE is implemented", m.Type)
	case m.Dropout != nil && *m.Dropout != 0:
		return unsupported("model.dropout", none, "is %g; only 0 is implemented", *m.Dropout)
	case m.WordPrefix != nil && *m.WordPrefix != "":
		return unsupported("model.continuing_subword_prefix", none, "is %.40q; none is implemented", *m.WordPrefix)
	case m.WordSuffix != nil && *m.WordSuffix != "":
		return unsupported("model.end_of_word_suffix", none, "is %.40q; none is implemented", *m.WordSuffix)
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

// checkAround refuses what would be wrong beside a kind of vocabulary: other types
// of decoders, and tokens that are searched in what a normalizer has changed.
func (f *jsonFile) checkAround(decoders ...string) error {
	for i, token := range f.AddedTokens {
		if token.Normalized && len(f.Normalizer.steps()) > 0 {
			return unsupported("added_tokens", i, "has normalized set, which is not implemented beside a normalizer")
		}
	}
	for _, step := range f.Decoder.steps() {
		if !slices.Contains(decoders, step.Type) {
			return unsupported("decoder", none, "is %.40q; implemented: %s", step.Type, strings.Join(decoders, ", "))
		}
	}
	return nil
}

// buildByteLevel builds a tokenizer of byte-level BPE.
func (f *jsonFile) buildByteLevel(t *Tokenizer) error {
	for _, step := range f.Normalizer.steps() {
		if step.Type != "NFC" {
			return unsupported("normalizer", none, "is %.40q; only NFC is implemented", step.Type)
		}
		t.composes = true
	}
	s, err := jsonSplitter(f.PreTokenizer.steps())
	if err != nil {
		return err
	}
	if err := f.checkAround("ByteLevel"); err != nil {
		return err
	}
	if name := f.Model.UnknownToken; name != nil {
		return unsupported("model.unk_token", none, "is %.40q; a byte-level vocabulary needs none, and it is not implemented", *name)
	}
	t.splitter, t.pieceLength, t.wholePieces = s, s.pieceLength, f.Model.IgnoreMerges
	if err := f.buildVocabulary(t, false); err != nil {
		return err
	}
	t.merges, err = f.buildMerges(t.vocabulary)
	return err
}

// jsonSplitter returns the splitter with the expressions of these steps, the last
// of which writes the pieces in the byte-level alphabet.
func jsonSplitter(steps []*jsonStep) (*splitter, error) {
	const key = "pre_tokenizer"
	var expressions []string
	for i, step := range steps {
		switch step.Type {
		case "Split":
			if step.Pattern.Regex == "" || step.Behavior != "Isolated" || step.Invert {
				return nil, unsupported(key, none, "splits with behavior %.40q and invert %t; only Isolated and false, at a Regex, are implemented", step.Behavior, step.Invert)
			}
			expressions = append(expressions, step.Pattern.Regex)
		case "Digits":
			expression := numbers
			if step.IndividualDigits {
				expression = oneNumber
			}
			expressions = append(expressions, expression)
		case "ByteLevel":
			if step.AddPrefixSpace == nil || *step.AddPrefixSpace {
				return nil, unsupported(key, none, "has add_prefix_space set, which is not implemented")
			}
			if step.UseRegex == nil || *step.UseRegex {
				expressions = append(expressions, gpt2Expression)
			}
			if i < len(steps)-1 {
				return nil, unsupported(key, none, "has %.40q behind ByteLevel, which is not implemented", steps[i+1].Type)
			}
		default:
			return nil, unsupported(key, none, "is %.40q; only Split, Digits and ByteLevel are implemented", step.Type)
		}
	}
	if len(steps) == 0 || steps[len(steps)-1].Type != "ByteLevel" {
		return nil, unsupported(key, none, "does not end with ByteLevel; only byte-level BPE, and SentencePiece with byte_fallback, are implemented")
	}
	s := splitterOf(expressions)
	if s == nil {
		return nil, unsupported(key, none, "splits at %.200q, which is not implemented; use another file of the same vocabulary, such as a GGUF", expressions)
	}
	return s, nil
}

// buildSentencePiece builds a tokenizer of SentencePiece's kind: its texts are
// merged whole, with marks for blanks, and what is no token falls back to bytes.
func (f *jsonFile) buildSentencePiece(t *Tokenizer) error {
	before, splitsBlanks, err := f.blanks()
	if err != nil {
		return err
	}
	if err := f.checkAround("Replace", "ByteFallback", "Fuse", "Strip", "Metaspace"); err != nil {
		return err
	}
	if f.Model.IgnoreMerges {
		return unsupported("model.ignore_merges", none, "is true, which is not implemented beside byte_fallback")
	}
	if err := f.buildVocabulary(t, true); err != nil {
		return err
	}
	unknown := none
	if name := f.Model.UnknownToken; name != nil {
		id, ok := t.TokenID(*name)
		if !ok {
			return malformed("model.unk_token", none, "is %.40q, which is not in the vocabulary", *name)
		}
		unknown = id
	}
	s, err := newSentencePieces(t.vocabulary, unknown, "model.vocab")
	if err != nil {
		return err
	}
	if slices.Contains(s.byteTokens[:], 0) && !f.Model.FuseUnknown {
		return unsupported("model.fuse_unk", none, "is false where tokens for bytes are missing; that is not implemented")
	}
	s.prefix, s.splitsBlanks = before, splitsBlanks
	s.merges, err = f.buildMerges(t.vocabulary)
	t.sentencePieces = s
	return err
}

// blanks returns what becomes of blanks, which either the normalizer or the
// pre-tokenizer makes into marks, in one of the ways in which converters of
// SentencePiece's files have written that down.
func (f *jsonFile) blanks() (before prefix, splits bool, err error) {
	marked := false
	blank := jsonPattern{String: " "}
	for _, step := range f.Normalizer.steps() {
		switch {
		case step.Type == "Prepend" && step.Prepend == blankMark:
			before = prefix{wanted: true, afterTokens: true}
		case step.Type == "Replace" && step.Pattern == blank && step.Content == blankMark:
			marked = true
		default:
			return before, false, unsupported("normalizer", none, "is %.40q; only Prepend and Replace that mark blanks by %s are implemented beside byte_fallback", step.Type, blankMark)
		}
	}
	const key = "pre_tokenizer"
	for _, step := range f.PreTokenizer.steps() {
		switch {
		case step.Type == "Split" && step.Pattern == blank && marked:
			// There is no blank left.
		case step.Type == "Metaspace" && step.Replacement == blankMark && !marked && !before.wanted:
			marked, splits = true, step.SplitsBlanks == nil || *step.SplitsBlanks
			switch scheme := step.PrependScheme; {
			case scheme == "always", scheme == "" && (step.AddPrefixSpace == nil || *step.AddPrefixSpace):
				before = prefix{wanted: true, afterTokens: true, unlessBlank: true}
			case scheme == "first":
				before = prefix{wanted: true, unlessBlank: true}
			case scheme != "never" && scheme != "":
				return before, false, unsupported(key, none, "has the prepend_scheme %.40q; only always, first and never are implemented", scheme)
			}
		default:
			return before, false, unsupported(key, none, "is %.40q; only Metaspace, instead of a normalizer, is implemented beside byte_fallback", step.Type)
		}
	}
	if !marked {
		return before, false, unsupported("normalizer", none, "does not replace blanks by %s; only SentencePiece's vocabularies are implemented with byte_fallback", blankMark)
	}
	return before, splits, nil
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

// buildVocabulary orders the tokens by id. The ids of the vocabulary and the
// added tokens together must run from 0 without a hole.
func (f *jsonFile) buildVocabulary(t *Tokenizer, sentencePiece bool) error {
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
	t.vocabulary.sentencePiece = sentencePiece
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
		} else if _, isByte := byteWritten(text); isByte && sentencePiece {
			k = byteValue
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

func (f *jsonFile) buildMerges(v *vocabulary) (*mergeTable, error) {
	const key = "model.merges"
	count := 0
	err := readJSONMerges(f.Model.Merges, func(_, _ []byte) bool {
		count++
		return true
	})
	if err != nil {
		return nil, err
	}
	if count > maxMerges {
		return nil, unsupported(key, none, "has %d elements; at most %d are implemented", count, maxMerges)
	}
	return buildMerges(v, key, count, func(from int, yield func(left, right []byte) bool) error {
		return readJSONMerges(f.Model.Merges, func(left, right []byte) bool {
			if from > 0 {
				from--
				return true
			}
			return yield(left, right)
		})
	})
}

// setTextEnds finds begin-of-text and end-of-text, which have no place in the file
// but their names, and whether the template of the post-processor puts them
// before and behind every text.
func (f *jsonFile) setTextEnds(t *Tokenizer) error {
	const key = "post_processor"
	t.beginOfText = t.specialNamed("<|begin_of_text|>", "<s>")
	t.endOfText = t.specialNamed("<|end_of_text|>", "</s>", "<|endoftext|>")
	for _, step := range f.PostProcessor.steps() {
		if step.Type == "ByteLevel" {
			continue // changes offsets only
		}
		if step.Type != "TemplateProcessing" {
			return unsupported(key, none, "is %.40q; only ByteLevel and TemplateProcessing are implemented", step.Type)
		}
		before, behind, err := step.templateEnds()
		if err != nil {
			return unsupported(key, none, "%v", err)
		}
		for _, end := range []struct {
			name string
			id   *int
			adds *bool
		}{{before, &t.beginOfText, &t.addsBeginOfText}, {behind, &t.endOfText, &t.addsEndOfText}} {
			if end.name == "" {
				continue
			}
			ids := step.SpecialTokens[end.name].IDs
			if len(ids) != 1 || !t.IsSpecial(int(ids[0])) {
				return malformed(key, none, "adds %.40q to a text, which is no special token of the vocabulary", end.name)
			}
			*end.id, *end.adds = int(ids[0]), true
		}
	}
	return nil
}

// specialNamed returns the first of these special tokens that there is.
func (t *Tokenizer) specialNamed(texts ...string) int {
	for _, text := range texts {
		if id, ok := t.TokenID(text); ok && t.IsSpecial(id) {
			return id
		}
	}
	return none
}

// templateEnds returns the names of the tokens that a template puts before and
// behind a text, "" for none.
func (s *jsonStep) templateEnds() (before, behind string, err error) {
	parts := s.Single
	if len(parts) > 1 && parts[0].SpecialToken != nil {
		before, parts = parts[0].SpecialToken.ID, parts[1:]
	}
	if n := len(parts); n > 1 && parts[n-1].SpecialToken != nil {
		behind, parts = parts[n-1].SpecialToken.ID, parts[:n-1]
	}
	if len(parts) != 1 || parts[0].Sequence == nil || parts[0].Sequence.ID != "A" {
		return "", "", errors.New("adds more than one token before or behind a text; that is not implemented")
	}
	return before, behind, nil
}
