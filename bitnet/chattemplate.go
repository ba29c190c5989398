package bitnet

import (
	"regexp"
	"strings"
)

// A chatTemplate is what a template of conversations writes, as far as that can
// be told by reading it. Templates are programs, in the language of Jinja. They
// are not run but recognised: so no file decides how long that takes and what
// memory, and what a person said can be told from what the template says.
type chatTemplate struct {
	// shapes are the texts that it puts together between one statement and the
	// next, with the names of what is put in: "<|im_start|>{role}\n{content}".
	// What it only writes where there are tools is left out.
	shapes []string
	// conditions are the statements that the shapes are in, the innermost ones; an
	// else has the text of what it belongs to.
	conditions []string
	// start is what it writes behind the last mention of add_generation_prompt,
	// the beginning of an answer.
	start string
	// thinkingOff says that start ends with what is written only where thinking
	// is turned off.
	thinkingOff bool
}

// maxTemplate is the length up to which a template is read, many times that of
// published ones.
const maxTemplate = 256 << 10

// readTemplate reads a template. It never fails: what it cannot tell, such as a
// call of a macro, is a "?" in braces in the shape.
func readTemplate(source string) chatTemplate {
	var t chatTemplate
	var open []templateStatement // those that have not ended
	skipped := 0                 // so many of them are about tools
	starting := false
	add := func(shape string) {
		condition := ""
		if len(open) > 0 {
			condition = open[len(open)-1].text
		}
		t.shapes, t.conditions = append(t.shapes, shape), append(t.conditions, condition)
	}
	var shape, start strings.Builder
	flush := func() {
		if shape.Len() > 0 {
			add(shape.String())
			shape.Reset()
		}
	}
	write := func(text string) {
		if skipped == 0 {
			shape.WriteString(text)
			if starting {
				start.WriteString(text)
			}
		}
	}
	enter := func(text string, tools bool) {
		open = append(open, templateStatement{text, tools})
		if tools {
			skipped++
		}
	}
	leave := func() (left templateStatement) {
		if n := len(open); n > 0 {
			open, left = open[:n-1], open[n-1]
			if left.tools {
				skipped--
			}
		}
		return left
	}
	for tag := range templateTags(source) {
		write(tag.before)
		switch tag.kind {
		case '{':
			write(shapeOf(tag.body))
		case '%':
			flush()
			word, rest, _ := strings.Cut(tag.body, " ")
			switch word {
			case "if", "for", "macro", "filter", "call":
				enter(tag.body, aboutTools(tag.body))
			case "elif":
				leave()
				enter(tag.body, aboutTools(tag.body))
			case "else":
				enter(leave().text, false)
			case "endif", "endfor", "endmacro", "endfilter", "endcall":
				leave()
			case "set":
				if _, value, ok := strings.Cut(rest, "="); ok && skipped == 0 {
					add(shapeOf(value))
				}
			}
			if strings.Contains(tag.body, "add_generation_prompt") {
				starting, t.thinkingOff = true, false
				start.Reset()
			} else if starting && hushed.MatchString(tag.body) {
				t.thinkingOff = true
			}
		}
	}
	flush()
	t.start = start.String()
	return t
}

// A templateStatement is one that others are within.
type templateStatement struct {
	text  string
	tools bool
}

var (
	hushed       = regexp.MustCompile(`^if enable_thinking is defined and (enable_thinking is false|not enable_thinking)$`)
	withoutCalls = regexp.MustCompile(`not \w+\.tool_calls|\w+\.multi_step_tool`)
)

// aboutTools reports whether what follows a statement is only written where the
// model has tools, or has called them.
func aboutTools(statement string) bool {
	return strings.Contains(withoutCalls.ReplaceAllString(statement, ""), "tool")
}

// A templateTag is one {{ }}, {% %} or {# #}, or the end of a template.
type templateTag struct {
	before string // the text ahead of it, less the white space that is not written
	kind   byte   // '{', '%', '#' or, at the end, 0
	body   string
}

// templateTags runs over a template's tags, with Jinja's rules of white space in
// the settings that templates of conversations are written for: the line break
// behind a statement and the blanks of a line ahead of it are not written.
func templateTags(source string) func(yield func(templateTag) bool) {
	return func(yield func(templateTag) bool) {
		rest := strings.TrimSuffix(source, "\n")
		lineStart := true // nothing has been written in this line
		stripNext, skipBreak := false, false
		for {
			at := strings.IndexByte(rest, '{')
			for at >= 0 && (at+1 == len(rest) || !strings.Contains("{%#", rest[at+1:at+2])) {
				next := strings.IndexByte(rest[at+1:], '{')
				if next < 0 {
					at = -1
				} else {
					at += 1 + next
				}
			}
			text := rest
			if at >= 0 {
				text = rest[:at]
			}
			if stripNext {
				text = strings.TrimLeft(text, " \t\r\n")
			} else if skipBreak && strings.HasPrefix(text, "\n") {
				text, lineStart = text[1:], true
			}
			if at < 0 {
				yield(templateTag{before: text})
				return
			}
			kind := rest[at+1]
			body, length := tagBody(rest[at:])
			rest = rest[at+length:]
			if strings.HasPrefix(body, "-") {
				text = strings.TrimRight(text, " \t\r\n")
			} else if kind != '{' && !strings.HasPrefix(body, "+") {
				blanks := strings.TrimRight(text, " \t")
				if strings.HasSuffix(blanks, "\n") || blanks == "" && lineStart {
					text = blanks
				}
			}
			stripNext, skipBreak = strings.HasSuffix(body, "-"), kind != '{'
			lineStart = false
			body = strings.Trim(body, "+- \t\r\n")
			if !yield(templateTag{text, kind, body}) {
				return
			}
		}
	}
}

// tagBody returns what is in the tag that a text begins with, and the tag's
// length. A tag that does not end goes to the end of the text.
func tagBody(text string) (body string, length int) {
	end := "}}"
	if text[1] != '{' {
		end = text[1:2] + "}"
	}
	quote := byte(0)
	for i := 2; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case text[1] != '#' && (c == '"' || c == '\''):
			quote = c
		case strings.HasPrefix(text[i:], end):
			return text[2:i], i + 2
		}
	}
	return text[2:], len(text)
}

// shapeOf returns the shape of what an expression gives: texts and names that
// are put behind each other by + or ~.
func shapeOf(expression string) string {
	var shape strings.Builder
	for _, term := range splitOutside(expression, "+~") {
		shape.WriteString(termShape(strings.TrimSpace(term)))
	}
	return shape.String()
}

const (
	unknownShape = "{?}"
	// maxChanges is how many changes of what is put in are looked at.
	maxChanges = 4
)

var (
	// A name, the last part of its path, and calls of strip behind it.
	namePath  = regexp.MustCompile(`^(?:\w+(?:\[-?\w+\])?(?:\.|\[['"]))*(\w+)(?:['"]\])?((?:\.[lr]?strip\([^()]*\))*)$`)
	stripCall = regexp.MustCompile(`\.([lr]?strip)\(([^()]*)\)`)
)

func termShape(term string) string {
	if text, ok := literal(term); ok {
		return text
	}
	parts := splitOutside(term, "|")
	match := namePath.FindStringSubmatch(strings.TrimSpace(parts[0]))
	if match == nil || len(parts) > maxChanges {
		return unknownShape
	}
	shape := match[1]
	for _, call := range stripCall.FindAllStringSubmatch(match[2], maxChanges) {
		argument, isText := literal(call[2])
		switch {
		case call[2] == "":
			shape += "|" + call[1]
		case isText && argument == "\n":
			shape += "|" + call[1] + " lines"
		default:
			return unknownShape
		}
	}
	for _, filter := range parts[1:] {
		if filter = strings.TrimSpace(filter); filter == "trim" {
			filter = "strip"
		}
		shape += "|" + filter
	}
	return "{" + shape + "}"
}

// literal returns the text of a quoted string.
func literal(term string) (string, bool) {
	n := len(term)
	if n < 2 || term[0] != '"' && term[0] != '\'' || term[n-1] != term[0] {
		return "", false
	}
	var text strings.Builder
	for i := 1; i < n-1; i++ {
		c := term[i]
		if c == term[0] {
			return "", false // more than one string
		}
		if c == '\\' {
			if i++; i == n-1 {
				return "", false
			}
			switch c = term[i]; c {
			case 'n':
				c = '\n'
			case 't':
				c = '\t'
			case '\\', '\'', '"':
			default:
				return "", false
			}
		}
		text.WriteByte(c)
	}
	return text.String(), true
}

// splitOutside cuts an expression at the signs given, but not within quotes or
// brackets.
func splitOutside(expression, signs string) []string {
	var parts []string
	depth, from := 0, 0
	quote := byte(0)
	for i := 0; i < len(expression); i++ {
		switch c := expression[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		case depth == 0 && strings.IndexByte(signs, c) >= 0:
			parts = append(parts, expression[from:i])
			from = i + 1
		}
	}
	return append(parts, expression[from:])
}
