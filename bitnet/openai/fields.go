package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxDepth is how deep the JSON of a request may be nested. Requests need half a
// dozen levels; schemas in fields that nobody reads here may have more.
const maxDepth = 100

// fields are the fields of a JSON object, by their names as they are written. What
// is null is as if it were not there, as clients mean it.
type fields map[string]json.RawMessage

// parseFields reads the object of a request. JSON that programs would understand
// in different ways is refused: a field that is there twice, and text that is not
// UTF-8.
func parseFields(body []byte) (fields, *failure) {
	if !utf8.Valid(body) {
		return nil, invalid("", "the body is not valid UTF-8")
	}
	if err := checkJSON(body); err != nil {
		return nil, invalid("", "the body is not usable JSON: %v", err)
	}
	f, ok := object(body)
	if !ok {
		return nil, invalid("", "the body must be a JSON object")
	}
	return f, nil
}

// object returns the fields of a JSON object that has been checked.
func object(value json.RawMessage) (fields, bool) {
	var f fields
	if json.Unmarshal(value, &f) != nil || f == nil {
		return nil, false
	}
	for name, value := range f {
		if string(value) == "null" {
			delete(f, name)
		}
	}
	return f, true
}

// checkJSON says what is wrong with JSON: its syntax, its depth, or an object that
// has a field twice.
func checkJSON(body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	type level struct {
		names map[string]bool // of an object
		value bool            // a value comes next, not a name
	}
	var levels []level
	for {
		token, err := decoder.Token()
		if err != nil {
			if err == io.EOF && len(levels) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		top := len(levels) - 1
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			levels = levels[:top]
		} else {
			if top >= 0 && levels[top].names != nil {
				if name, ok := token.(string); ok && !levels[top].value {
					if levels[top].names[name] {
						return fmt.Errorf("%q is there twice", name)
					}
					levels[top].names[name] = true
					levels[top].value = true
					continue
				}
				levels[top].value = false
			}
			if delim, ok := token.(json.Delim); ok {
				if len(levels) == maxDepth {
					return fmt.Errorf("it is nested more than %d levels deep", maxDepth)
				}
				next := level{}
				if delim == '{' {
					next.names = map[string]bool{}
				}
				levels = append(levels, next)
			}
		}
		if len(levels) == 0 {
			break
		}
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}

func (f fields) has(name string) bool { return f[name] != nil }

// text returns a string, "" where there is none.
func (f fields) text(name string) (string, *failure) {
	if !f.has(name) {
		return "", nil
	}
	text, ok := asText(f[name])
	if !ok {
		return "", invalid(name, "%s must be a string", name)
	}
	return text, nil
}

func asText(value json.RawMessage) (text string, ok bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	return text, json.Unmarshal(value, &text) == nil
}

func (f fields) boolean(name string) (bool, *failure) {
	switch string(f[name]) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, invalid(name, "%s must be true or false", name)
}

// number returns a number from low to high, or the default where there is none.
func (f fields) number(name string, standard, low, high float64) (float64, *failure) {
	if !f.has(name) {
		return standard, nil
	}
	x, err := strconv.ParseFloat(string(f[name]), 64)
	if err != nil || !(x >= low && x <= high) {
		return 0, invalid(name, "%s must be a number from %v to %v", name, low, high)
	}
	return x, nil
}

// integer returns a whole number from low to high, or the default where there is
// none.
func (f fields) integer(name string, standard, low, high int) (int, *failure) {
	if !f.has(name) {
		return standard, nil
	}
	n, ok := asInteger(f[name])
	if !ok || n < int64(low) || n > int64(high) {
		return 0, invalid(name, "%s must be a whole number from %d to %d", name, low, high)
	}
	return int(n), nil
}

// asInteger reads a whole number, also one that is written as 5.0 or 1e3.
func asInteger(value json.RawMessage) (int64, bool) {
	if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		return n, true
	}
	x, err := strconv.ParseFloat(string(value), 64)
	if err != nil || x != math.Trunc(x) || math.Abs(x) > 1<<53 {
		return 0, false
	}
	return int64(x), true
}

// list returns the elements of an array; ok is false for anything else.
func list(value json.RawMessage) (elements []json.RawMessage, ok bool) {
	if len(value) == 0 || value[0] != '[' {
		return nil, false
	}
	return elements, json.Unmarshal(value, &elements) == nil
}

// anyOf returns the value of the field that has several names in the field, and
// the name that was used. Two of them with different values are refused.
func (f fields) anyOf(names ...string) (string, *failure) {
	used := ""
	for _, name := range names {
		switch {
		case !f.has(name):
		case used == "":
			used = name
		case !bytes.Equal(f[used], f[name]):
			return "", invalid(name, "%s and %s mean the same and differ: leave one out", used, name)
		}
	}
	if used == "" {
		used = names[0]
	}
	return used, nil
}

// refuse answers fields that would change the answer and are not built. Each may
// have the values that ask for nothing.
func (f fields) refuse(all map[string]neutral) *failure {
	names := make([]string, 0, len(all))
	for name := range all {
		if f.has(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names) // so that the answer is always the same
	for _, name := range names {
		if !all[name].allows(f[name]) {
			return unsupported(name, all[name].reason)
		}
	}
	return nil
}

// neutral are values, as JSON, that ask for nothing.
type neutral struct {
	reason string
	values []string
}

func (n neutral) allows(value json.RawMessage) bool {
	var compact bytes.Buffer
	if json.Compact(&compact, value) != nil {
		return false
	}
	if slices.Contains(n.values, compact.String()) {
		return true
	}
	x, err := strconv.ParseFloat(compact.String(), 64)
	if err != nil {
		return false
	}
	for _, v := range n.values {
		if y, err := strconv.ParseFloat(v, 64); err == nil && x == y {
			return true
		}
	}
	return false
}
