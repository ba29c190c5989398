package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/tokenizer"
)

// The types of tokens, numbered as in a GGUF.
const (
	normalToken  int32 = 1
	unknownToken int32 = 2
	controlToken int32 = 3
	addedToken   int32 = 4 // found in a text as it stands
	unusedToken  int32 = 5
	byteToken    int32 = 6
)

// Scores of a SentencePiece vocabulary: those of added tokens, and of pieces that
// no merge makes.
const (
	addedScore  = -1000
	neverMerged = -1e9
)

// A words is a vocabulary as a GGUF has it.
type words struct {
	tokens []token        // by id
	ids    map[string]int // of the tokens' texts

	pieces   bool // SentencePiece: scores and a byte for what has no token
	splitter string
	merges   []string

	addsSpace bool // before a text
	begin     int  // the token of the text's begin; -1 for none
	end       int
	addsBegin bool
	addsEnd   bool
}

type token struct {
	text  string
	kind  int32 // 0 where no token has the id
	score float32
}

// put gives a token its id.
func (v *words) put(file string, id int, t token) error {
	if id < 0 || id >= maxRows {
		return errorf(file, "gives %.40q the id %d", t.text, id)
	}
	for len(v.tokens) <= id {
		v.tokens = append(v.tokens, token{})
	}
	if other, ok := v.ids[t.text]; ok && other != id {
		return errorf(file, "gives %.40q the ids %d and %d", t.text, other, id)
	}
	if old := v.tokens[id]; old.kind != 0 && old.text != t.text {
		return errorf(file, "gives the id %d to %.40q and to %.40q", id, old.text, t.text)
	}
	v.tokens[id], v.ids[t.text] = t, id
	return nil
}

// vocabulary sets the keys about the vocabulary of the model in a folder.
func vocabulary(p *plan, folder string, c *config) error {
	v, err := readWords(folder)
	if err != nil {
		return err
	}
	if len(v.tokens) > c.Vocabulary {
		return errorf("vocabulary", "has %d tokens where the embedding has %d rows", len(v.tokens), c.Vocabulary)
	}
	for id := range c.Vocabulary { // engines want a token for every row
		if id == len(v.tokens) {
			v.tokens = append(v.tokens, token{})
		}
		if t := &v.tokens[id]; t.kind == 0 {
			*t = token{text: "[PAD" + strconv.Itoa(id) + "]", kind: unusedToken, score: neverMerged}
		}
	}
	texts, kinds, scores := make([]string, len(v.tokens)), make([]int32, len(v.tokens)), make([]float32, len(v.tokens))
	for id, t := range v.tokens {
		texts[id], kinds[id], scores[id] = t.text, t.kind, t.score
	}
	if v.pieces {
		p.set("tokenizer.ggml.model", "llama")
		p.set("tokenizer.ggml.pre", "default")
		p.set("tokenizer.ggml.tokens", texts)
		p.set("tokenizer.ggml.scores", scores)
		p.set("tokenizer.ggml.token_type", kinds)
		p.set("tokenizer.ggml.add_space_prefix", v.addsSpace)
	} else {
		p.set("tokenizer.ggml.model", "gpt2")
		p.set("tokenizer.ggml.pre", v.splitter)
		p.set("tokenizer.ggml.tokens", texts)
		p.set("tokenizer.ggml.token_type", kinds)
		p.set("tokenizer.ggml.merges", v.merges)
	}
	return v.specials(p, folder, c)
}

func readWords(folder string) (*words, error) {
	var file jsonTokenizer
	there, err := readJSON(folder, tokenizerFile, maxVocabularyBytes, &file)
	if err != nil {
		return nil, err
	}
	if there {
		t, err := tokenizer.Open(filepath.Join(folder, tokenizerFile))
		if err != nil {
			return nil, &Error{Part: tokenizerFile, Err: err}
		}
		return file.words(t)
	}
	data, err := readFile(folder, pieceFile, maxVocabularyBytes)
	if err != nil {
		return nil, err
	}
	if data == nil {
		return nil, errorf(tokenizerFile, "is missing, and so is %s: the model has no vocabulary", pieceFile)
	}
	v, err := readPieces(data)
	if err != nil {
		return nil, about(pieceFile, err)
	}
	var added map[string]int
	if _, err := readJSON(folder, addedTokensFile, maxConfigBytes, &added); err != nil {
		return nil, err
	}
	for _, text := range slices.Sorted(maps.Keys(added)) {
		if _, ok := v.ids[text]; ok {
			continue
		}
		if err := v.put(addedTokensFile, added[text], token{text, addedToken, addedScore}); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// A specialName is the text of a token, alone or in an object.
type specialName string

func (s *specialName) UnmarshalJSON(data []byte) error {
	*s = ""
	var object struct {
		Content *string `json:"content"`
	}
	if len(data) > 0 && data[0] == '{' {
		if err := json.Unmarshal(data, &object); err != nil || object.Content == nil {
			return err
		}
		*s = specialName(*object.Content)
		return nil
	}
	return json.Unmarshal(data, (*string)(s))
}

// A tokenizerConfig is what tokenizer_config.json says.
type tokenizerConfig struct {
	Begin     specialName     `json:"bos_token"`
	End       specialName     `json:"eos_token"`
	Unknown   specialName     `json:"unk_token"`
	Padding   specialName     `json:"pad_token"`
	AddsBegin *bool           `json:"add_bos_token"`
	AddsEnd   *bool           `json:"add_eos_token"`
	Template  json.RawMessage `json:"chat_template"`
}

// specials sets the keys about tokens with a part of their own, and the template of
// conversations.
func (v *words) specials(p *plan, folder string, c *config) error {
	var t tokenizerConfig
	if _, err := readJSON(folder, tokenizerConfigFile, maxConfigBytes, &t); err != nil {
		return err
	}
	var g struct {
		Begin   tokenIDs `json:"bos_token_id"`
		End     tokenIDs `json:"eos_token_id"`
		Padding tokenIDs `json:"pad_token_id"`
	}
	if _, err := readJSON(folder, generationFile, maxConfigBytes, &g); err != nil {
		return err
	}
	named := func(name specialName) tokenIDs {
		if id, ok := v.ids[string(name)]; ok && name != "" {
			return tokenIDs{id}
		}
		return nil
	}
	// The vocabulary's own word goes first, the model's last.
	begin := slices.Concat(named(t.Begin), g.Begin, c.Begin)
	if v.begin >= 0 {
		begin = append(tokenIDs{v.begin}, begin...)
	}
	// The first is called the end of text, others those of a turn and of a message.
	// Engines end at each of them.
	end := slices.Concat(named(t.End), g.End, c.End)
	if len(end) == 0 {
		end = tokenIDs{v.end}
	}
	for _, s := range []struct {
		ids  tokenIDs
		keys []string
	}{
		{begin, []string{"bos_token_id"}},
		{end, []string{"eos_token_id", "eot_token_id", "eom_token_id"}},
		{named(t.Unknown), []string{"unknown_token_id"}},
		{slices.Concat(named(t.Padding), g.Padding, c.Padding), []string{"padding_token_id"}},
	} {
		var set tokenIDs
		for _, id := range s.ids {
			if slices.Contains(set, id) || len(set) == len(s.keys) {
				continue
			}
			if id < 0 || id >= len(v.tokens) {
				if id == -1 { // which stands for none
					continue
				}
				return errorf(configFile, "has the id %d for %s where the vocabulary has %d tokens", id, s.keys[len(set)], len(v.tokens))
			}
			p.set("tokenizer.ggml."+s.keys[len(set)], uint32(id))
			set = append(set, id)
		}
	}
	if t.AddsBegin != nil {
		v.addsBegin = *t.AddsBegin
	}
	if t.AddsEnd != nil {
		v.addsEnd = *t.AddsEnd
	}
	p.set("tokenizer.ggml.add_bos_token", v.addsBegin && len(begin) > 0)
	if v.addsEnd {
		p.set("tokenizer.ggml.add_eos_token", true)
	}
	template, err := t.template(folder)
	if template != "" {
		p.set("tokenizer.chat_template", template)
	}
	return err
}

// template returns the template of conversations: the file of its own where there is
// one, or what tokenizer_config.json has; of several the one named "default".
func (t *tokenizerConfig) template(folder string) (string, error) {
	data, err := readFile(folder, templateFile, maxConfigBytes)
	if err != nil {
		return "", err
	}
	if data != nil {
		if !utf8.Valid(data) {
			return "", errorf(templateFile, "is not valid UTF-8")
		}
		return string(data), nil
	}
	text := bytes.TrimSpace(t.Template)
	if len(text) == 0 {
		return "", nil
	}
	if text[0] != '[' {
		var one string
		err := json.Unmarshal(text, &one)
		return one, about(tokenizerConfigFile, err)
	}
	var several []struct {
		Name     string `json:"name"`
		Template string `json:"template"`
	}
	if err := json.Unmarshal(text, &several); err != nil {
		return "", about(tokenizerConfigFile, err)
	}
	for _, one := range several {
		if one.Name == "default" {
			return one.Template, nil
		}
	}
	return "", nil
}

// isByteToken reports whether a text is that of a byte token, such as <0x0A>.
func isByteToken(text string) bool {
	var b byte
	n, err := fmt.Sscanf(text, "<0x%02X>", &b)
	return n == 1 && err == nil && text == fmt.Sprintf("<0x%02X>", b) && strings.HasPrefix(text, "<0x")
}
