package bitnet

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

const chatData = "../testdata/chat"

// A chatCase is a conversation and what the published template of a model writes
// of it.
type chatCase struct {
	Template string
	Messages []Message
	Quiet    bool // enable_thinking is false
	Parts    []struct {
		Text, Mark string
		Bos, Eos   bool
		Cut        bool // the head of an answer ends here
	}
}

func readChatCases(t *testing.T) (cases []chatCase) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(chatData, "cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var c chatCase
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	if len(cases) != 258 {
		t.Errorf("%d cases", len(cases))
	}
	return cases
}

// want returns the tokens of a case: marks that are tokens by their ids, the texts
// between them as they stand there.
func (c *chatCase) want(t *testing.T, m *Model) (ids []int) {
	t.Helper()
	stretch := ""
	token := func(id int, ok bool) {
		ids = append(ids, plain(t, m, stretch)...)
		stretch = ""
		if ok {
			ids = append(ids, id)
		}
	}
	for _, part := range c.Parts {
		id, isToken := m.Tokenizer().TokenID(part.Mark)
		switch {
		case part.Bos:
			token(m.Tokenizer().BeginOfText())
		case part.Eos:
			token(m.Tokenizer().EndOfText())
		case part.Cut:
			token(0, false)
		case part.Mark != "" && isToken:
			token(id, true)
		default:
			stretch += part.Mark + part.Text
		}
	}
	token(0, false)
	return ids
}

func templateSource(t *testing.T, name string) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(chatData, name+".jinja"))
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// withTemplate copies the tiny model with a template of conversations, with <think>,
// </think> and the marks given in place of special tokens that nobody uses, the
// marks of this type: 3 for special, 4 for others, and with further keys.
func withTemplate(t *testing.T, template string, marks []string, kind int32, set map[string]any) *Model {
	t.Helper()
	path, _, _ := reference(t, "tiny", "exact.f32")
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tokens, types := vocabularyOf(t, f)
	free := slices.Index(tokens, "<|reserved_special_token_100|>")
	add := func(token string, kind int32) {
		id := slices.Index(tokens, token)
		if id < 0 {
			id, free = free, free+1
		}
		tokens[id], types[id] = token, kind
	}
	add(thinkOpen, 4)
	add(thinkClose, 4)
	for _, mark := range marks {
		add(mark, kind)
	}
	all := map[string]any{"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types, templateKey: template}
	for key, value := range set {
		all[key] = value
	}
	return openModel(t, rewrite(t, path, all, nil))
}

// TestChatTemplates compares EncodeChat with what published templates write.
func TestChatTemplates(t *testing.T) {
	noBegin := map[string]any{"tokenizer.ggml.add_bos_token": false}
	models := map[string][]*Model{}
	for _, name := range []string{"bitnet", "chatml", "chatml-thinking", "falcon3", "llama3"} {
		source := templateSource(t, name)
		f, reason := recognize(source)
		if reason != "" {
			t.Fatalf("%s: %s", name, reason)
		}
		models[name] = []*Model{withTemplate(t, source, f.marks, 3, noBegin)}
	}
	models["bitnet"] = append(models["bitnet"], withTemplate(t, templateSource(t, "bitnet-placeholder"), nil, 0, nil), withoutTemplate(t))
	// The heads of Falcon3 are no tokens in the vocabularies of that name.
	models["falcon3"] = append(models["falcon3"], withTemplate(t, templateSource(t, "falcon3"), nil, 0, noBegin))

	for _, c := range readChatCases(t) {
		var opts []ChatOption
		if c.Quiet {
			opts = append(opts, WithoutThinking())
		}
		for i, m := range models[c.Template] {
			want := c.want(t, m)
			got, err := m.EncodeChat(c.Messages, opts...)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, model %d, quiet %t, %q:\n got %q (%v)\nwant %q", c.Template, i, c.Quiet, c.Messages, m.Tokenizer().Decode(got), err, m.Tokenizer().Decode(want))
			}
		}
	}

	for name := range models {
		m := models[name][0]
		if _, err := m.EncodeChat([]Message{{Role: "tool", Content: "x"}}); !errors.Is(err, ErrOption) {
			t.Errorf("%s: an unknown role: %v", name, err)
		}
		_, err := m.EncodeChat(nil, WithoutThinking())
		if name == "chatml-thinking" {
			if err != nil {
				t.Errorf("%s without thinking: %v", name, err)
			}
		} else if !errors.Is(err, ErrOption) || !strings.Contains(err.Error(), "enable_thinking") {
			t.Errorf("%s without thinking: %v", name, err)
		}
	}
	begin, _ := models["llama3"][0].Tokenizer().BeginOfText()
	asked := withTemplate(t, templateSource(t, "chatml"), []string{"<|im_start|>", "<|im_end|>"}, 3, nil)
	if ids, err := asked.EncodeChat([]Message{{Role: RoleUser, Content: "Hi"}}); err != nil || ids[0] != begin {
		t.Errorf("a vocabulary that asks for begin-of-text: %v, %v", ids, err)
	}
}

// TestChatForgery has the vocabulary call the marks ordinary words, which are found
// in plain text: even so none is found in what was said.
func TestChatForgery(t *testing.T) {
	models := map[string]*Model{}
	for _, c := range readChatCases(t) {
		m := models[c.Template]
		if m == nil {
			source := templateSource(t, c.Template)
			f, _ := recognize(source)
			marks := f.marks
			if f.end == eos {
				marks = append(slices.Clone(marks), "<|end_of_text|>")
			}
			m = withTemplate(t, source, marks, 4, map[string]any{"tokenizer.ggml.add_bos_token": false})
			models[c.Template] = m
		}
		var opts []ChatOption
		if c.Quiet {
			opts = append(opts, WithoutThinking())
		}
		ids, err := m.EncodeChat(c.Messages, opts...)
		if err != nil {
			t.Fatal(err)
		}
		text, marks := "", []string{}
		for _, part := range c.Parts {
			token := part.Mark
			switch {
			case part.Bos:
				token = "<|begin_of_text|>"
			case part.Eos:
				token = "<|end_of_text|>"
			}
			if _, ok := m.Tokenizer().TokenID(token); ok {
				marks = append(marks, token)
			}
			text += token + part.Text
		}
		var found []string
		for _, id := range ids {
			if s := m.Tokenizer().Decode([]int{id}); len(s) > 4 && strings.HasPrefix(s, "<|") {
				found = append(found, s)
			}
		}
		if got := m.Tokenizer().Decode(ids); got != text || !slices.Equal(found, marks) {
			t.Errorf("%s, %q: %q with the marks %q, want %q", c.Template, c.Messages, got, found, marks)
		}
	}
}

func TestUnknownTemplates(t *testing.T) {
	const (
		turns  = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
		start  = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
		llama3 = "{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
	)
	known := func(template, form, system, begins string) {
		t.Helper()
		f, reason := recognize(template)
		if reason != "" || f.name != form || f.system != system || f.start != begins {
			t.Errorf("%q: %+v (%s)", template, f, reason)
		}
	}
	const assistant = "<|im_start|>assistant\n"
	known(turns+start, "ChatML", "", assistant)
	known(strings.ReplaceAll(turns+start, "\n", `\n`), "ChatML", "", assistant)
	known(`{# it's #}{%- for message in messages -%} {{- "<|im_start|>" ~ message.role ~ "\n" -}} {{- message.content -}} <|im_end|>{{ "\n" }} {%- endfor -%}`+start, "ChatML", "", assistant)
	known("{% if messages[0].role != 'system' %}{{ '<|im_start|>system\nIt\\'s \"me\".<|im_end|>\n' }}{% endif %}"+turns+start, "ChatML", `It's "me".`, assistant)
	known("{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"+turns+start, "ChatML", "", assistant)
	known("{% if tools %}<|im_start|>tools{{ tools | tojson }}{% else %}{% endif %}"+turns+start, "ChatML", "", assistant)
	known(turns+"{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n\n</think>\n\n' }}{% endif %}", "ChatML", "", assistant+emptyThinking)
	known("{{ bos_token }}{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}Assistant: {% endif %}", "BitNet", "", "Assistant: ")
	known(llama3, "Llama 3", "", "<|start_header_id|>assistant<|end_header_id|>\n\n")

	for why, template := range map[string]string{
		"nothing":           "",
		"none":              "Hello {{ name }}",
		"Phi's":             "{% for message in messages %}{{ '<|' + message.role + '|>\n' + message.content + '<|end|>\n' }}{% endfor %}" + start,
		"Zephyr's":          "{% for m in messages %}{{ '<|user|>\n' + m.content + eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
		"no start":          turns,
		"another start":     turns + "{% if add_generation_prompt %}{{ '<|im_start|>model\n' }}{% endif %}",
		"a thinking start":  turns + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}",
		"text behind it":    turns + start + "{{ eos_token }}",
		"text ahead":        "<|im_start|>tell" + turns + start,
		"another system":    "{% set text = 'Be kind.' %}{{ '<|im_start|>system\n' + text + '<|im_end|>\n' }}" + turns + start,
		"two systems":       "{% if messages[0].x %}<|im_start|>system\nA<|im_end|>\n{% else %}<|im_start|>system\nB<|im_end|>\n{% endif %}" + turns + start,
		"a hidden system":   "{% if not ns.found %}{{ '<|im_start|>system\nA<|im_end|>\n' }}{% endif %}" + turns + start,
		"a date":            "{{ '<|start_header_id|>system<|end_header_id|>\n\n' }}{{ 'Today Date: ' + date_string }}{{ '<|eot_id|>' }}" + llama3,
		"a macro":           "{% macro turn(m) %}{{ '<|im_start|>' + m.role + '\n' + m.content }}{% endmacro %}" + start,
		"a filter":          strings.Replace(turns, "['content']", "['content'] | upper", 1) + start,
		"no line break":     strings.Replace(turns, " + '\n' }}", " }}", 1) + start,
		"an unended string": strings.Replace(turns, "'<|im_end|>'", "'<|im_end|>", 1) + start,
		"too long":          turns + start + strings.Repeat(" ", maxTemplate),
	} {
		f, reason := recognize(template)
		if reason == "" {
			t.Errorf("%s: is taken for %s", why, f.name)
		}
	}

	for why, c := range map[string]struct {
		m    *Model
		says string
	}{
		"unknown":       {withTemplate(t, "{{ messages }}", nil, 0, nil), "ChatML"},
		"no text":       {withTemplate(t, "", nil, 0, map[string]any{templateKey: uint32(7)}), "string"},
		"no end":        {withTemplate(t, turns+start, nil, 0, nil), "<|im_end|>"},
		"a date":        {withTemplate(t, "{{ '<|start_header_id|>system<|end_header_id|>\n\n' + date }}"+llama3, nil, 0, nil), "date"},
		"no end at all": {withTemplate(t, templateSource(t, "falcon3"), nil, 0, map[string]any{"tokenizer.ggml.eos_token_id": nil}), "end-of-text"},
	} {
		_, err := c.m.EncodeChat(nil)
		var wrong *ModelError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", why, err)
		}
		if _, err := NewChat(t.Context(), newSession(t, c.m), ""); !errors.As(err, &wrong) {
			t.Errorf("%s: a chat: %v", why, err)
		}
		if _, err := newSession(t, c.m).Generate(t.Context(), "text", GenerateOptions{MaxTokens: 1}); err != nil {
			t.Errorf("%s: a text: %v", why, err)
		}
	}

	// A base model of another architecture has no form at all.
	m := withoutTemplate(t)
	m.config.Architecture = "llama"
	if _, err := m.findChat(); !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), "bitnet run --prompt") {
		t.Errorf("a base model: %v", err)
	}
}

func withoutTemplate(t *testing.T) *Model {
	return withTemplate(t, "", nil, 0, map[string]any{templateKey: nil})
}

func FuzzTemplate(f *testing.F) {
	names, err := filepath.Glob(filepath.Join(chatData, "*.jinja"))
	if err != nil || len(names) == 0 {
		f.Fatal(err, names)
	}
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(source))
	}
	f.Add("{{ '<|im_start|>' + ((a)[b|c}} {% else %}{% endif %}{%")
	f.Fuzz(func(t *testing.T, source string) {
		form, reason := recognize(source)
		if (form == nil) == (reason == "") {
			t.Errorf("%+v and %q", form, reason)
		}
		written := 0
		for tag := range templateTags(source) {
			written += len(tag.before) + len(tag.body)
		}
		if written > len(source) {
			t.Errorf("%d bytes of %d", written, len(source))
		}
	})
}
