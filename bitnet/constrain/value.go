package constrain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"unicode/utf8"
)

// value is a JSON value that remembers the order of members.
type value struct {
	kind    valueKind
	text    string // of a string; of a number as it is written
	number  *big.Rat
	truth   bool
	items   []*value
	members []member
	place   string // a JSON pointer
}

type member struct {
	name  string
	value *value
}

type valueKind uint8

const (
	aNull valueKind = iota
	aBool
	aNumber
	aString
	anArray
	anObject
)

func (k valueKind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

const (
	longestSchema = 4 << 20
	deepestSchema = 256
	// longestNumber and largestExponent bound what a number costs to compute with.
	longestNumber   = 400
	largestExponent = 400
)

// parseValue reads a JSON text.
func parseValue(data []byte) (*value, error) {
	if len(data) > longestSchema {
		return nil, &Error{Reason: fmt.Sprintf("a schema of %d bytes", len(data)), Err: ErrTooLarge}
	}
	if !utf8.Valid(data) {
		return nil, &Error{Reason: "the schema is not valid UTF-8"}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := readValue(d, "", 0)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("something follows the value")
		}
	}
	var own *Error
	if err != nil && !errors.As(err, &own) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, &Error{Reason: fmt.Sprintf("the schema is not JSON: %v (byte %d)", err, d.InputOffset())}
	}
	return v, err
}

func readValue(d *json.Decoder, place string, depth int) (*value, error) {
	if depth > deepestSchema {
		return nil, &Error{Place: place, Reason: fmt.Sprintf("more than %d levels", deepestSchema), Err: ErrTooLarge}
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	v := &value{place: place}
	switch t := t.(type) {
	case nil:
	case bool:
		v.kind, v.truth = aBool, t
	case string:
		v.kind, v.text = aString, t
	case json.Number:
		v.kind, v.text = aNumber, t.String()
		if v.number, err = parseNumber(v.text); err != nil {
			return nil, &Error{Place: place, Reason: err.Error(), Err: ErrTooLarge}
		}
	case json.Delim:
		if t == '[' {
			v.kind = anArray
			for d.More() {
				item, err := readValue(d, fmt.Sprintf("%s/%d", place, len(v.items)), depth+1)
				if err != nil {
					return nil, err
				}
				v.items = append(v.items, item)
			}
		} else {
			v.kind = anObject
			seen := map[string]bool{}
			for d.More() {
				t, err := d.Token()
				if err != nil {
					return nil, err
				}
				name := t.(string)
				at := place + "/" + pointerEscape.Replace(name)
				if seen[name] {
					return nil, &Error{Place: at, Reason: "the name is there twice"}
				}
				seen[name] = true
				of, err := readValue(d, at, depth+1)
				if err != nil {
					return nil, err
				}
				v.members = append(v.members, member{name, of})
			}
		}
		_, err = d.Token() // the end of it
	}
	return v, err
}

var (
	pointerEscape   = strings.NewReplacer("~", "~0", "/", "~1")
	pointerUnescape = strings.NewReplacer("~1", "/", "~0", "~")
)

// parseNumber reads a JSON number exactly.
func parseNumber(s string) (*big.Rat, error) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	exponent = strings.TrimLeft(strings.TrimLeft(exponent, "+-"), "0")
	if len(mantissa) > longestNumber || len(exponent) > 3 || exponent != "" && atoi(exponent) > largestExponent {
		return nil, fmt.Errorf("the number %.20s… is too long or too large", s)
	}
	n, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, fmt.Errorf("%.20s is no number", s)
	}
	return n, nil
}

func atoi(digits string) (n int) {
	for _, d := range digits {
		n = 10*n + int(d-'0')
	}
	return n
}

// get returns a member's value, or nil.
func (v *value) get(name string) *value {
	for i := range v.members {
		if v.members[i].name == name {
			return v.members[i].value
		}
	}
	return nil
}

// equal reports whether two values are the same, by value and whatever the order
// of members.
func (v *value) equal(w *value) bool {
	if v.kind != w.kind || len(v.items) != len(w.items) || len(v.members) != len(w.members) {
		return false
	}
	switch v.kind {
	case aBool:
		return v.truth == w.truth
	case aString:
		return v.text == w.text
	case aNumber:
		return v.number.Cmp(w.number) == 0
	}
	for i, item := range v.items {
		if !item.equal(w.items[i]) {
			return false
		}
	}
	for _, m := range v.members {
		if other := w.get(m.name); other == nil || !m.value.equal(other) {
			return false
		}
	}
	return true
}

// json returns the value as JSON, without white space. Whole numbers that are not
// too long are written as such.
func (v *value) json() string {
	switch v.kind {
	case aNull:
		return "null"
	case aBool:
		return fmt.Sprint(v.truth)
	case aNumber:
		if v.number.IsInt() && len(v.number.Num().String()) <= mostDigits+1 {
			return v.number.Num().String()
		}
		return v.text
	case aString:
		return quote(v.text)
	case anArray:
		all := make([]string, len(v.items))
		for i, item := range v.items {
			all[i] = item.json()
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	all := make([]string, len(v.members))
	for i, m := range v.members {
		all[i] = quote(m.name) + ":" + m.value.json()
	}
	return "{" + strings.Join(all, ",") + "}"
}
