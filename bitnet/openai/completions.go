package openai

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

const completionID = "cmpl-"

const responseID = "resp_"

// completions answers POST /v1/completions.
func (c *call) completions(f fields) {
	m, bad := c.find(f)
	if bad != nil {
		c.fail(bad)
		return
	}
	const standard = 16 // OpenAI's
	j, bad := c.newJob(f, m, standard, 0)
	if bad == nil {
		bad = c.setForm(j, f)
	}
	if bad != nil {
		c.fail(bad)
		return
	}
	prompts, bad := m.promptsOf(f, "prompt", m.encodePrompt)
	if bad == nil {
		bad = j.setPrompts("prompt", prompts...)
	}
	if bad == nil {
		bad = f.completionScores(j)
	}
	echo := false
	if bad == nil {
		echo, bad = f.boolean("echo")
	}
	if bad == nil && f.has("suffix") && string(f["suffix"]) != `""` {
		bad = unsupported("suffix", "models here write on from the end")
	}
	if bad == nil {
		var best int
		if best, bad = f.integer("best_of", j.n, 1, mostChoices); bad == nil && best != j.n {
			bad = unsupported("best_of", "all n answers are returned")
		}
	}
	stream, withUsage := false, false
	if bad == nil {
		stream, withUsage, bad = f.streaming()
	}
	if j.judges = echo && j.scores; j.judges && stream && bad == nil {
		bad = unsupported("echo", "with logprobs it cannot be streamed")
	}
	if bad != nil {
		c.fail(bad)
		return
	}
	var echoes []string // by choice
	for i := range len(prompts) * j.n {
		text := ""
		if echo {
			text = m.decode(m.withoutBegin(prompts[i/j.n]))
		}
		echoes = append(echoes, text)
	}
	if !c.known(m) {
		return
	}
	if stream {
		s := &completionStream{chunkHead: chunkHead{c.head(completionID, "text_completion", m), withUsage, c.usage}, job: j, echoes: echoes, offsets: make([]int, len(echoes))}
		c.stream(j, events, s)
		return
	}
	c.answer(j, func(a *answers) any {
		all := completion{c.head(completionID, "text_completion", m), []completionChoice{}, c.usage(a)}
		for i := range a.choices {
			done := completionChoice{Text: echoes[i] + a.choices[i].text, Index: i, Reason: &a.choices[i].reason}
			if j.scores {
				offset, pieces := 0, a.choices[i].pieces
				if judged := a.choices[i].prompt; echo {
					pieces = slices.Concat(m.echoed(judged), pieces)
				}
				done.LogProbs = completionScoresOf(j, pieces, &offset)
			}
			all.Choices = append(all.Choices, done)
		}
		return all
	})
}

type completion struct {
	head
	Choices []completionChoice `json:"choices"`
	Usage   *usage             `json:"usage"`
}

type completionChoice struct {
	Text     string            `json:"text"`
	Index    int               `json:"index"`
	LogProbs *completionScores `json:"logprobs"`
	Reason   *string           `json:"finish_reason"`
}

// completionScores are the probabilities of tokens as completions have them: lists
// of the same length.
type completionScores struct {
	Tokens  []string             `json:"tokens"`
	Scores  []*float64           `json:"token_logprobs"` // null where nothing was before
	Top     []map[string]float64 `json:"top_logprobs"`
	Offsets []int                `json:"text_offset"`
}

// completionScoresOf puts the probabilities of tokens into their form. Offset
// counts the characters of the text so far.
func completionScoresOf(j *job, pieces []piece, offset *int) *completionScores {
	s := &completionScores{Tokens: []string{}, Scores: []*float64{}, Offsets: []int{}}
	if j.options.Alternatives > 0 {
		s.Top = []map[string]float64{}
	}
	for _, p := range pieces {
		s.Tokens = append(s.Tokens, j.model.tokenName(p.id))
		if logProb := finite(p.logProb); math.IsNaN(p.logProb) {
			s.Scores = append(s.Scores, nil)
		} else {
			s.Scores = append(s.Scores, &logProb)
		}
		s.Offsets = append(s.Offsets, *offset)
		*offset += utf8.RuneCountInString(p.text)
		if s.Top == nil {
			continue
		}
		var top map[string]float64
		if p.alternatives != nil {
			top = map[string]float64{}
		}
		for _, a := range p.alternatives {
			name := j.model.tokenName(a.ID)
			if have, ok := top[name]; !ok || a.LogProb > have {
				top[name] = finite(a.LogProb)
			}
		}
		s.Top = append(s.Top, top)
	}
	return s
}

// echoed returns the tokens of a judged prompt that its text has, each with its part
// of that.
func (m *model) echoed(judged []piece) []piece {
	ids := make([]int, len(judged))
	for i, p := range judged {
		ids[i] = p.id
	}
	all := slices.Clone(judged[len(ids)-len(m.withoutBegin(ids)):])
	previous := -1
	for i := range all {
		all[i].text = string(m.Tokenizer().AppendNext(nil, previous, all[i].id))
		previous = all[i].id
	}
	return all
}

// tokenName returns the text of a token, and its bytes, as OpenAI writes them,
// where it ends within a character.
func (m *model) tokenName(id int) string {
	token := m.Tokenizer().AppendToken(nil, id)
	if utf8.Valid(token) {
		return string(token)
	}
	var name strings.Builder
	name.WriteString("bytes:")
	for _, b := range token {
		fmt.Fprintf(&name, `\x%02x`, b)
	}
	return name.String()
}

// completionScores reads how many probabilities the answer is to have.
func (f fields) completionScores(j *job) (bad *failure) {
	j.scores = f.has("logprobs") && string(f["logprobs"]) != "false"
	if j.scores {
		j.options.Alternatives, bad = f.integer("logprobs", 0, 0, mostScores)
	}
	return bad
}

// promptsOf reads a prompt: a text, several, the tokens of one, or of several. Texts
// are encoded, tokens taken as they are.
func (m *model) promptsOf(f fields, name string, encode func(text string) ([]int, error)) ([][]int, *failure) {
	value := f[name]
	if _, ok := asText(value); ok {
		ids, bad := m.promptOf(value, name, encode)
		return [][]int{ids}, bad
	}
	elements, ok := list(value)
	if !ok || len(elements) == 0 {
		return nil, invalid(name, "%s must be a text, a list of texts, a list of tokens, or a list of such lists", name)
	}
	if first := elements[0][0]; first != '"' && first != '[' {
		ids, bad := m.promptOf(value, name, encode)
		return [][]int{ids}, bad
	}
	if len(elements) > mostChoices {
		return nil, invalid(name, "%s has %d elements, and %d is the most", name, len(elements), mostChoices)
	}
	prompts := make([][]int, len(elements))
	for i, e := range elements {
		var bad *failure
		if prompts[i], bad = m.promptOf(e, name, encode); bad != nil {
			return nil, bad
		}
	}
	return prompts, nil
}

// promptOf reads one prompt: a text, or its tokens.
func (m *model) promptOf(value json.RawMessage, name string, encode func(text string) ([]int, error)) ([]int, *failure) {
	text, ok := asText(value)
	if !ok {
		ids, ok := tokenIDs(value, m.Config().VocabularySize)
		if !ok {
			return nil, invalid(name, "%s must hold texts, or tokens: whole numbers from 0 to %d", name, m.Config().VocabularySize-1)
		}
		return ids, nil
	}
	ids, err := encode(text)
	if err != nil {
		return nil, invalid(name, "%v", err)
	}
	return ids, nil
}

// encodePrompt encodes a text in which special tokens are recognised, and puts
// begin-of-text first where the model wants it.
func (m *model) encodePrompt(text string) ([]int, error) {
	ids, err := m.Tokenizer().Encode(text)
	if err != nil {
		return nil, err
	}
	begin, ok := m.Tokenizer().BeginOfText()
	if ok && m.Tokenizer().AddsBeginOfText() && (len(ids) == 0 || ids[0] != begin) {
		ids = append([]int{begin}, ids...)
	}
	return ids, nil
}

// withoutBegin returns the tokens of a prompt that its text has.
func (m *model) withoutBegin(ids []int) []int {
	if begin, ok := m.Tokenizer().BeginOfText(); ok && len(ids) > 0 && ids[0] == begin {
		return ids[1:]
	}
	return ids
}

// decode returns the text of tokens. What is no text in it is U+FFFD.
func (m *model) decode(ids []int) string {
	return strings.ToValidUTF8(m.Tokenizer().Decode(ids), "\uFFFD")
}

// completionStream makes the chunks of a completion.
type completionStream struct {
	chunkHead
	job     *job
	echoes  []string
	offsets []int
}

func (s *completionStream) opening(choice int) []byte {
	return s.chunk(completionChoice{Text: s.echoes[choice], Index: choice}, nil)
}

func (s *completionStream) nothing(choice int) []byte {
	return s.chunk(completionChoice{Index: choice}, nil)
}

func (s *completionStream) token(choice int, p piece) []byte {
	d := completionChoice{Text: p.text, Index: choice}
	if s.job.scores && p.id >= 0 {
		d.LogProbs = completionScoresOf(s.job, []piece{p}, &s.offsets[choice])
	}
	return s.chunk(d, nil)
}

func (s *completionStream) ending(choice int, a *choice) []byte {
	return s.chunk(completionChoice{Index: choice, Reason: &a.reason}, nil)
}
