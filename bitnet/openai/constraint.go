package openai

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/gobitnet/gobitnet/bitnet/constrain"
)

// A form is what a request says that its answer must be.
type form struct {
	param string // the field that says it
	kind  formKind
	text  string // JSON of a schema and of choices, else as it is
}

type formKind byte

const (
	formSchema formKind = iota
	formRegexp
	formGrammar
	formChoice
)

// anyObject is the schema of what clients call JSON mode.
const anyObject = `{"type":"object"}`

// formFields are the fields for a form that vLLM, SGLang and llama-server have
// beside response_format.
var formFields = []struct {
	name string
	kind formKind
}{
	{"guided_json", formSchema}, {"json_schema", formSchema},
	{"guided_regex", formRegexp}, {"regex", formRegexp},
	{"guided_choice", formChoice}, {"choice", formChoice},
	{"guided_grammar", formGrammar}, {"grammar", formGrammar},
}

// structuredFields are the fields of vLLM's structured_outputs.
var structuredFields = map[string]formKind{
	"json": formSchema, "regex": formRegexp, "choice": formChoice, "grammar": formGrammar,
}

// forms returns all that a request of the older endpoints says about the form of its
// answer.
func (f fields) forms() (all []form, bad *failure) {
	if f.has("response_format") {
		if all, bad = responseFormat(f["response_format"], "response_format", "json_schema"); bad != nil {
			return nil, bad
		}
	}
	for _, field := range formFields {
		some, bad := formOf(f[field.name], field.name, field.kind)
		if bad != nil {
			return nil, bad
		}
		all = append(all, some...)
	}
	const structured = "structured_outputs"
	if !f.has(structured) {
		return all, nil
	}
	in, ok := object(f[structured])
	if !ok {
		return nil, invalid(structured, "%s must be an object", structured)
	}
	for _, name := range slices.Sorted(maps.Keys(in)) { // so that the answer is always the same
		value := in[name]
		kind, known := structuredFields[name]
		switch {
		case known:
			some, bad := formOf(value, structured, kind)
			if bad != nil {
				return nil, bad
			}
			all = append(all, some...)
		case name == "json_object" && string(value) == "true":
			all = append(all, form{structured, formSchema, anyObject})
		case string(value) != "false":
			return nil, unsupported(structured, "of its fields json, json_object, regex, choice and grammar are known")
		}
	}
	return all, nil
}

// formOf reads the value of a field. What is empty asks for nothing.
func formOf(value json.RawMessage, param string, kind formKind) ([]form, *failure) {
	text, isText := asText(value)
	switch {
	case value == nil, isText && text == "":
		return nil, nil
	case kind == formChoice:
		if elements, ok := list(value); ok && len(elements) == 0 {
			return nil, nil
		}
		text = string(value)
	case !isText && kind == formSchema: // which may also be a string that holds it
		text = string(value)
	case !isText:
		return nil, invalid(param, "%s must be a string", param)
	}
	return []form{{param, kind, text}}, nil
}

// responseFormat reads OpenAI's field. A schema is in the field inside of it, with
// its name, or where that is "" in the format itself. An answer fits a schema whether
// it is strict or not.
func responseFormat(value json.RawMessage, param, inside string) ([]form, *failure) {
	f, ok := object(value)
	if !ok {
		return nil, invalid(param, "%s must be an object", param)
	}
	kind, ok := asText(f["type"])
	switch {
	case !ok:
	case kind == "text":
		return nil, nil
	case kind == "json_object" && !f.has("schema"):
		return []form{{param, formSchema, anyObject}}, nil
	case kind == "json_object", kind == "json_schema": // the former as llama-server has it
		if kind == "json_schema" && inside != "" {
			if f, ok = object(f[inside]); !ok {
				return nil, invalid(param, "%s.%s must be an object", param, inside)
			}
		}
		if _, bad := f.boolean("strict"); bad != nil {
			return nil, invalid(param, "%s: %s", param, bad.message)
		}
		if _, ok := object(f["schema"]); !ok {
			return nil, invalid(param, "%s: the schema must be an object", param)
		}
		return []form{{param, formSchema, string(f["schema"])}}, nil
	}
	return nil, invalid(param, "%s.type must be text, json_object or json_schema", param)
}

// ollamaForm reads ollama's field: "json", or a schema.
func ollamaForm(value json.RawMessage) ([]form, *failure) {
	if text, ok := asText(value); ok && text == "json" {
		return []form{{"format", formSchema, anyObject}}, nil
	}
	if _, ok := object(value); value == nil || ok || string(value) == `""` {
		return formOf(value, "format", formSchema)
	}
	return nil, invalid("format", "format must be \"json\" or a schema")
}

// setForm holds the answers of a job to what a request of the older endpoints says.
func (c *call) setForm(j *job, f fields) *failure {
	all, bad := f.forms()
	if bad != nil {
		return bad
	}
	return c.constrain(j, all)
}

// constrain holds the answers of a job to the form that was asked for, of which there
// may be one.
func (c *call) constrain(j *job, all []form) *failure {
	switch len(all) {
	case 0:
		return nil
	case 1:
	default:
		if all[0].param == all[1].param {
			return invalid(all[0].param, "%s asks for two forms of an answer: leave one out", all[0].param)
		}
		return invalid(all[1].param, "%s and %s both say what an answer must be: leave one out", all[0].param, all[1].param)
	}
	made, err := c.h.forms.of(c.ctx, c.key, all[0])
	if err == nil {
		j.options.Constraint = made
		return nil
	}
	var unfit *constrain.Error
	if !errors.As(err, &unfit) {
		return c.h.failureOf(c.ctx, err)
	}
	bad := invalid(all[0].param, "%s: %v", all[0].param, unfit)
	if errors.Is(err, errors.ErrUnsupported) {
		bad.code = "unsupported_parameter"
	}
	return bad
}

// compile makes the constraint of a form.
func (f form) compile() (*constrain.Constraint, error) {
	switch f.kind {
	case formRegexp:
		return constrain.Regexp(f.text)
	case formGrammar:
		return constrain.Grammar(f.text)
	case formChoice:
		elements, ok := list(json.RawMessage(f.text))
		texts := make([]string, len(elements))
		for i := range elements {
			if ok {
				texts[i], ok = asText(elements[i])
			}
		}
		if !ok {
			return nil, &constrain.Error{Reason: "choices must be a list of strings"}
		}
		return constrain.Choice(texts)
	}
	return constrain.JSONSchema([]byte(f.text))
}

// compiledForms are constraints that were asked for, with what they have found out
// about the vocabularies since. As with sessions, those of one API key are not found
// by another.
type compiledForms struct {
	compiling chan struct{} // holds something while one is compiled, which takes memory

	mu   sync.Mutex
	kept []keptForm // the one that was used last is the last
}

// formsMost bounds how many are kept. One may take 8 MiB beside what was compiled, for
// each vocabulary that it is used with.
const formsMost = 16

type keptForm struct {
	name [sha256.Size]byte
	made *constrain.Constraint
}

func newCompiledForms() *compiledForms {
	return &compiledForms{compiling: make(chan struct{}, 1)}
}

// of returns the constraint of a form.
func (s *compiledForms) of(ctx context.Context, key int, f form) (*constrain.Constraint, error) {
	name := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", key, f.kind, f.text))
	if made := s.find(name); made != nil {
		return made, nil
	}
	select {
	case s.compiling <- struct{}{}:
		defer func() { <-s.compiling }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if made := s.find(name); made != nil { // it was being compiled for another request
		return made, nil
	}
	made, err := f.compile()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) == formsMost {
		s.kept = slices.Delete(s.kept, 0, 1)
	}
	s.kept = append(s.kept, keptForm{name, made})
	return made, nil
}

func (s *compiledForms) find(name [sha256.Size]byte) *constrain.Constraint {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.kept, func(k keptForm) bool { return k.name == name })
	if i < 0 {
		return nil
	}
	k := s.kept[i]
	s.kept = append(slices.Delete(s.kept, i, i+1), k)
	return k.made
}
