package openai

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
)

// Bounds of what one request may ask for.
const (
	// mostChoices is what clients take: some refuse an index above 127.
	mostChoices = 128
	mostStops   = 64
	mostStop    = 1024 // bytes of a stop string
	mostScores  = 20   // tokens by probability in one place
)

// unbuilt are fields that OpenAI, vLLM and llama-server have for what is not built
// here, and that would change the answer.
var unbuilt = map[string]neutral{
	"tools":                      {"no tools are built in yet", []string{"[]"}},
	"tool_choice":                {"no tools are built in yet", []string{`"none"`, `"auto"`}},
	"functions":                  {"no tools are built in yet", []string{"[]"}},
	"function_call":              {"no tools are built in yet", []string{`"none"`, `"auto"`}},
	"guided_whitespace_pattern":  {"white space in JSON is a blank or none", []string{`""`}},
	"modalities":                 {"models here write text", []string{`["text"]`}},
	"audio":                      {"models here write text", nil},
	"web_search_options":         {"models here search nothing", nil},
	"use_beam_search":            {"tokens are drawn one by one", []string{"false"}},
	"length_penalty":             {"tokens are drawn one by one", []string{"1"}},
	"min_tokens":                 {"it is not built", []string{"0"}},
	"ignore_eos":                 {"it is not built", []string{"false"}},
	"bad_words":                  {"use logit_bias", []string{"[]"}},
	"allowed_token_ids":          {"use logit_bias", []string{"[]"}},
	"typical_p":                  {"it is not built", []string{"1"}},
	"tfs_z":                      {"it is not built", []string{"1"}},
	"mirostat":                   {"it is not built", []string{"0"}},
	"dynatemp_range":             {"it is not built", []string{"0"}},
	"dry_multiplier":             {"it is not built", []string{"0"}},
	"xtc_probability":            {"it is not built", []string{"0"}},
	"top_a":                      {"it is not built", []string{"0"}},
	"prompt_logprobs":            {"use echo of /v1/completions", []string{"0", "false"}},
	"truncate_prompt_tokens":     {"shorten the prompt", []string{"-1"}},
	"include_stop_str_in_output": {"it is not built", []string{"false"}},
	"skip_special_tokens":        {"special tokens are never part of the text", []string{"true"}},
	"chat_template":              {"the model's own form is used", []string{`""`}},
	"continue_final_message":     {"it is not built", []string{"false"}},
	"add_generation_prompt":      {"it is not built", []string{"true"}},
}

// sampling reads the fields that say how tokens are chosen, as OpenAI, vLLM and
// llama-server name them. What is not given is OpenAI's: temperature 1, and nothing
// left out.
func (f fields) sampling(m *model) (o bitnet.GenerateOptions, bad *failure) {
	if bad = f.refuse(unbuilt); bad != nil {
		return o, bad
	}
	if o.Temperature, bad = f.number("temperature", 1, 0, 2); bad != nil {
		return o, bad
	}
	if o.Temperature < 1e-6 {
		o.Temperature = 0
	}
	topP, bad := f.number("top_p", 1, 0, 1)
	if bad != nil {
		return o, bad
	}
	if o.TopP = topP; topP == 0 {
		o.Temperature = 0 // the fewest tokens that there can be
	}
	topK, bad := f.integer("top_k", 0, -1, 1<<30)
	if bad != nil {
		return o, bad
	}
	o.TopK = max(topK, 0)
	if o.MinP, bad = f.number("min_p", 0, 0, 1); bad != nil {
		return o, bad
	}
	penalty, bad := f.anyOf("repetition_penalty", "repeat_penalty")
	if bad != nil {
		return o, bad
	}
	if o.RepetitionPenalty, bad = f.number(penalty, 1, 1e-6, 1e6); bad != nil {
		return o, bad
	}
	if o.PresencePenalty, bad = f.number("presence_penalty", 0, -2, 2); bad != nil {
		return o, bad
	}
	if o.FrequencyPenalty, bad = f.number("frequency_penalty", 0, -2, 2); bad != nil {
		return o, bad
	}
	if o.LogitBias, bad = f.logitBias(m.Config().VocabularySize); bad != nil {
		return o, bad
	}
	if o.Stop, bad = f.stop(); bad != nil {
		return o, bad
	}
	if f.has("stop_token_ids") {
		ids, ok := tokenIDs(f["stop_token_ids"], m.Config().VocabularySize)
		if !ok {
			return o, invalid("stop_token_ids", "stop_token_ids must be a list of token ids below %d", m.Config().VocabularySize)
		}
		o.EndTokens = ids
	}
	for _, name := range []string{"user", "prompt_cache_key", "safety_identifier"} {
		// They say who asks, and change nothing.
		if _, bad := f.text(name); bad != nil {
			return o, bad
		}
	}
	return o, nil
}

func (f fields) logitBias(vocabulary int) (map[int]float64, *failure) {
	if !f.has("logit_bias") {
		return nil, nil
	}
	all, ok := object(f["logit_bias"])
	if !ok {
		return nil, invalid("logit_bias", "logit_bias must be an object of token ids and numbers")
	}
	bias := map[int]float64{}
	for text, value := range all {
		id, err := strconv.Atoi(text)
		if err != nil || id < 0 || id >= vocabulary || strconv.Itoa(id) != text {
			return nil, invalid("logit_bias", "logit_bias names a token %q: ids go from 0 to %d", text, vocabulary-1)
		}
		x, err := strconv.ParseFloat(string(value), 64)
		if err != nil || !(x >= -100 && x <= 100) {
			return nil, invalid("logit_bias", "logit_bias of token %d must be a number from -100 to 100", id)
		}
		bias[id] = x
	}
	return bias, nil
}

func (f fields) stop() ([]string, *failure) {
	if !f.has("stop") {
		return nil, nil
	}
	var stops []string
	if text, ok := asText(f["stop"]); ok {
		stops = []string{text}
	} else if elements, ok := list(f["stop"]); ok && len(elements) <= mostStops {
		for _, e := range elements {
			text, ok := asText(e)
			if !ok {
				return nil, invalid("stop", "stop must hold strings")
			}
			stops = append(stops, text)
		}
	} else {
		return nil, invalid("stop", "stop must be a string, or at most %d of them", mostStops)
	}
	for _, stop := range stops {
		if stop == "" || len(stop) > mostStop {
			return nil, invalid("stop", "a stop string must have 1 to %d bytes", mostStop)
		}
	}
	return stops, nil
}

// tokenIDs reads a list of token ids.
func tokenIDs(value []byte, vocabulary int) (ids []int, ok bool) {
	elements, ok := list(value)
	if !ok {
		return nil, false
	}
	for _, e := range elements {
		id, ok := asInteger(e)
		if !ok || id < 0 || id >= int64(vocabulary) {
			return nil, false
		}
		ids = append(ids, int(id))
	}
	return ids, true
}

// newJob begins the job of a request: all but its prompts. Where no limit is given
// it is the standard one, below 0 none but the context.
func (c *call) newJob(f fields, m *model, standard, least int) (*job, *failure) {
	j := &job{model: m, key: c.key}
	var bad *failure
	if j.options, bad = f.sampling(m); bad != nil {
		return nil, bad
	}
	if j.n, bad = f.integer("n", 1, 1, mostChoices); bad != nil {
		return nil, bad
	}
	limit, bad := f.anyOf("max_completion_tokens", "max_tokens")
	if bad != nil {
		return nil, bad
	}
	if standard < 0 {
		standard = m.context
	}
	if j.limit, bad = f.integer(limit, standard, least, 1<<31-1); bad != nil {
		return nil, bad
	}
	if j.digest, bad = c.wantsDigest(); bad != nil {
		return nil, bad
	}
	if bad = f.seed(c, &j.options); bad != nil {
		return nil, bad
	}
	return j, nil
}

// seed sets the seed. Where none is given it follows from the id of the answer, so
// that whoever has the answer has the seed, too.
func (f fields) seed(c *call, o *bitnet.GenerateOptions) *failure {
	if !f.has("seed") {
		sum := sha256.Sum256([]byte(c.identify()))
		o.Seed = binary.BigEndian.Uint64(sum[:])
		return nil
	}
	if seed, err := strconv.ParseUint(string(f["seed"]), 10, 64); err == nil {
		o.Seed = seed
		return nil
	}
	seed, ok := asInteger(f["seed"])
	if !ok {
		return invalid("seed", "seed must be a whole number of 64 bits")
	}
	o.Seed = uint64(seed)
	return nil
}

// identify returns the id of the answer, without what says of which kind it is.
func (c *call) identify() string {
	if c.answerID == "" {
		c.answerID = rand.Text()
	}
	return c.answerID
}

// moment returns when the answer was made, in seconds since 1970.
func (c *call) moment() int64 {
	if c.created.IsZero() {
		c.created = time.Now()
	}
	return c.created.Unix()
}

// digestHeader asks for a digest of the logits, and has it in the answer.
const digestHeader = "X-Bitnet-Digest"

func (c *call) wantsDigest() (bool, *failure) {
	switch kind := c.r.Header.Get(digestHeader); kind {
	case "":
		return false, nil
	case "sha256":
		return true, nil
	default:
		return false, invalid("", "the header %s must be sha256", digestHeader)
	}
}

// digests returns the value of the header: one digest for each answer.
func (a *answers) digests() string {
	var all []string
	for i := range a.choices {
		all = append(all, a.choices[i].digest)
	}
	return strings.Join(all, ", ")
}
