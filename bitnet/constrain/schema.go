package constrain

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// JSONSchema returns the constraint of a JSON text that a schema describes.
func JSONSchema(schema []byte) (*Constraint, error) {
	root, err := parseValue(schema)
	if err != nil {
		return nil, err
	}
	c := schemaCompiler{root: root, known: map[string]*expr{}, units: map[*value]int{}, terminals: map[string]*terminal{}}
	if err := c.checkRoot(); err != nil {
		return nil, err
	}
	all, err := c.join(nil, root)
	if err != nil {
		return nil, err
	}
	start, err := c.rule(all)
	if err != nil {
		return nil, err
	}
	if start == nothing {
		return nil, &Error{Reason: "no value fits the schema"}
	}
	for len(c.queue) > 0 {
		next := c.queue[len(c.queue)-1]
		c.queue = c.queue[:len(c.queue)-1]
		if c.rules.all[next.rule], err = c.language(next.all); err != nil {
			return nil, err
		}
	}
	p, err := c.rules.compile(start.rule)
	var left *leftRecursion
	switch {
	case errors.As(err, &left):
		return nil, &Error{Place: c.places[left.rule], Reason: "the schema refers to itself without an end"}
	case err != nil:
		return nil, &Error{Reason: err.Error(), Err: cause(err)}
	case p == nil:
		return nil, &Error{Reason: "no value fits the schema"}
	}
	return &Constraint{program: p}, nil
}

// schemaCompiler makes rules of schemas. What has to hold together at one place, a
// schema with all that it refers to, is a unit list, and each such list is one rule.
type schemaCompiler struct {
	root  *value
	id    string // of the root, without a fragment
	draft int    // 7, 2019 or 2020; 0 where none is named

	rules     rules
	places    map[int]string // of a rule, for errors
	known     map[string]*expr
	queue     []queued
	joined    int // how many schemas have been found to hold together
	units     map[*value]int
	terminals map[string]*terminal
}

type queued struct {
	rule int
	all  *together
}

// together are schemas that hold for one value: objects of keywords, and choices of
// which some schema must hold as well.
type together struct {
	schemas []*value
	choices []choiceOf
	never   bool // there is a schema false among them
}

// choiceOf are the schemas of an anyOf or a oneOf.
type choiceOf struct {
	keyword string
	all     *value
	of      *value   // the schema that has it
	within  []*value // that schema, and those by which it came to hold
}

const (
	mostSchemaRules = 6000
	mostJoined      = 300_000 // schemas that hold together at a place, over all places
	mostProperties  = 2000
)

func unsupportedAt(v *value, keyword, format string, args ...any) error {
	return &Error{Place: v.place, Keyword: keyword, Reason: fmt.Sprintf(format, args...), Err: errors.ErrUnsupported}
}

func wrongAt(v *value, keyword, format string, args ...any) error {
	return &Error{Place: v.place, Keyword: keyword, Reason: fmt.Sprintf(format, args...)}
}

// wrap gives an error that has none a place.
func wrap(v *value, keyword string, err error) error {
	var own *Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	return &Error{Place: v.place, Keyword: keyword, Reason: err.Error(), Err: cause(err)}
}

func (c *schemaCompiler) checkRoot() error {
	c.places = map[int]string{}
	if c.root.kind != anObject {
		return nil
	}
	if s := c.root.get("$schema"); s != nil {
		switch strings.TrimSuffix(s.text, "#") {
		case "https://json-schema.org/draft/2020-12/schema":
			c.draft = 2020
		case "https://json-schema.org/draft/2019-09/schema":
			c.draft = 2019
		case "http://json-schema.org/draft-07/schema", "https://json-schema.org/draft-07/schema":
			c.draft = 7
		default:
			return unsupportedAt(c.root, "$schema", "%q is none of the drafts 2020-12, 2019-09 and 7", s.text)
		}
	}
	if id := c.root.get("$id"); id != nil {
		c.id, _, _ = strings.Cut(id.text, "#")
	}
	return nil
}

// describing are keywords that do not say what a value may be.
var describing = []string{"title", "description", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly", "$defs", "definitions", "$anchor"}

// join adds a schema to those that hold together, and those that it refers to.
func (c *schemaCompiler) join(t *together, s *value) (*together, error) {
	if t == nil {
		t = &together{}
	}
	return t, c.joinTo(t, s, nil)
}

func (c *schemaCompiler) joinTo(t *together, s *value, within []*value) error {
	switch {
	case s.kind == aBool:
		t.never = t.never || !s.truth
		return nil
	case s.kind != anObject:
		return wrongAt(s, "", "a schema is an object, true or false, not %v", s.kind)
	case slices.Contains(within, s):
		return wrongAt(s, "", "the schema refers to itself without an end")
	case slices.Contains(t.schemas, s):
		return nil
	}
	if c.joined++; c.joined > mostJoined {
		return &Error{Place: s.place, Reason: "too many schemas hold together in too many ways", Err: ErrTooLarge}
	}
	t.schemas = append(t.schemas, s)
	within = append(within, s)
	if s != c.root {
		for _, own := range []string{"$id", "$schema"} {
			if s.get(own) != nil {
				return unsupportedAt(s, own, "it is supported at the root only")
			}
		}
	}
	ref := s.get("$ref")
	if ref != nil {
		if c.draft == 7 {
			for _, m := range s.members {
				if m.name != "$ref" && m.name != "$schema" && m.name != "$id" && !slices.Contains(describing, m.name) {
					return unsupportedAt(s, m.name, "draft 7 ignores it beside $ref: take it away, or put both into an allOf")
				}
			}
		}
		target, err := c.resolve(s, ref)
		if err != nil {
			return err
		}
		if err := c.joinTo(t, target, within); err != nil {
			return err
		}
	}
	if all := s.get("allOf"); all != nil {
		if err := wantList(s, "allOf", all); err != nil {
			return err
		}
		for _, part := range all.items {
			if err := c.joinTo(t, part, within); err != nil {
				return err
			}
		}
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		if of := s.get(keyword); of != nil {
			if err := wantList(s, keyword, of); err != nil {
				return err
			}
			t.choices = append(t.choices, choiceOf{keyword, of, s, slices.Clone(within)})
		}
	}
	return nil
}

func wantList(s *value, keyword string, v *value) error {
	if v.kind != anArray || len(v.items) == 0 {
		return wrongAt(s, keyword, "it must be a list with something in it")
	}
	return nil
}

// resolve returns the schema that a $ref names.
func (c *schemaCompiler) resolve(s, ref *value) (*value, error) {
	if ref.kind != aString {
		return nil, wrongAt(s, "$ref", "it must be a string")
	}
	base, fragment, _ := strings.Cut(ref.text, "#")
	if base != "" && base != c.id {
		return nil, unsupportedAt(s, "$ref", "%q is not in this schema", ref.text)
	}
	pointer, err := url.PathUnescape(fragment)
	if err != nil {
		return nil, wrongAt(s, "$ref", "%q is no address", ref.text)
	}
	target := c.root
	if pointer != "" && pointer[0] != '/' {
		if target = c.anchor(c.root, pointer, 0); target == nil {
			return nil, wrongAt(s, "$ref", "there is no $anchor %q", pointer)
		}
		return target, nil
	}
	if pointer != "" {
		for _, step := range strings.Split(pointer[1:], "/") {
			step = pointerUnescape.Replace(step)
			next := target.get(step)
			if target.kind == anArray {
				if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(target.items) {
					next = target.items[i]
				}
			}
			if next == nil {
				return nil, wrongAt(s, "$ref", "%q leads nowhere", ref.text)
			}
			if next.kind == anObject && next.get("$id") != nil && next.get("$id").kind == aString {
				return nil, unsupportedAt(next, "$id", "it is supported at the root only")
			}
			target = next
		}
	}
	return target, nil
}

// anchor finds the schema with an $anchor. What stands in enum and const is no
// schema.
func (c *schemaCompiler) anchor(v *value, name string, depth int) *value {
	if a := v.get("$anchor"); v.kind == anObject && a != nil && a.kind == aString && a.text == name {
		return v
	}
	for _, m := range v.members {
		if m.name != "enum" && m.name != "const" {
			if found := c.anchor(m.value, name, depth+1); found != nil {
				return found
			}
		}
	}
	for _, item := range v.items {
		if found := c.anchor(item, name, depth+1); found != nil {
			return found
		}
	}
	return nil
}

// rule returns a call of the rule of schemas that hold together.
func (c *schemaCompiler) rule(t *together) (*expr, error) {
	if t.never {
		return nothing, nil
	}
	key := c.key(t)
	if x, ok := c.known[key]; ok {
		return x, nil
	}
	if len(c.rules.all) > mostSchemaRules {
		return nil, &Error{Reason: fmt.Sprintf("the schema takes more than %d rules", mostSchemaRules), Err: ErrTooLarge}
	}
	x := &expr{kind: call, rule: c.rules.reserve()}
	c.known[key] = x
	if len(t.schemas) > 0 {
		c.places[x.rule] = t.schemas[0].place
	}
	c.queue = append(c.queue, queued{x.rule, t})
	return x, nil
}

func (c *schemaCompiler) key(t *together) string {
	unit := func(v *value) int {
		i, ok := c.units[v]
		if !ok {
			i = len(c.units)
			c.units[v] = i
		}
		return i
	}
	var ids []int
	for _, s := range t.schemas {
		ids = append(ids, unit(s))
	}
	slices.Sort(ids)
	var choices []int
	for _, o := range t.choices {
		choices = append(choices, unit(o.all))
	}
	slices.Sort(choices)
	return fmt.Sprint(ids, choices)
}

// ruleOf returns a call of the rule of some schemas.
func (c *schemaCompiler) ruleOf(all []*value) (*expr, error) {
	t := &together{}
	for _, s := range all {
		if err := c.joinTo(t, s, nil); err != nil {
			return nil, err
		}
	}
	return c.rule(t)
}

// chosen returns what holds together without the first choice, and with one of its
// schemas instead.
func (c *schemaCompiler) chosen(t *together, s *value) (*together, error) {
	u := &together{schemas: slices.Clone(t.schemas), choices: slices.Clone(t.choices[1:])}
	return u, c.joinTo(u, s, t.choices[0].within)
}

// language returns the expression of schemas that hold together.
func (c *schemaCompiler) language(t *together) (*expr, error) {
	if len(t.choices) > 0 {
		return c.choose(t)
	}
	s, err := c.shape(t)
	if err != nil {
		return nil, err
	}
	return c.values(s)
}

// choose returns the expression of the first choice, each of its schemas together
// with all else.
func (c *schemaCompiler) choose(t *together) (*expr, error) {
	o := t.choices[0]
	var parts []*together
	var all []*expr
	for _, s := range o.all.items {
		part, err := c.chosen(t, s)
		if err != nil {
			return nil, err
		}
		x, err := c.rule(part)
		if err != nil {
			return nil, err
		}
		all, parts = append(all, x), append(parts, part)
	}
	if o.keyword == "oneOf" {
		for i, a := range parts {
			for j, b := range parts[:i] {
				apart, err := c.apart(a, b, 3)
				if err != nil {
					return nil, err
				}
				if !apart {
					return nil, unsupportedAt(o.of, "oneOf", "its schemas %d and %d may hold for the same value: use anyOf, or properties that tell them apart", j, i)
				}
			}
		}
	}
	return either(all...), nil
}

// types is a set of kinds of values. Numbers are whole ones and others.
type types uint8

const (
	typeNull types = 1 << iota
	typeBool
	typeWhole
	typeFraction
	typeString
	typeArray
	typeObject
	allTypes = typeObject<<1 - 1
)

var typeNames = map[string]types{
	"null": typeNull, "boolean": typeBool, "integer": typeWhole, "number": typeWhole | typeFraction,
	"string": typeString, "array": typeArray, "object": typeObject,
}

// typeOf returns the type of a value.
func (v *value) typeOf() types {
	switch v.kind {
	case aNull:
		return typeNull
	case aBool:
		return typeBool
	case aString:
		return typeString
	case anArray:
		return typeArray
	case anObject:
		return typeObject
	}
	if v.number.IsInt() {
		return typeWhole
	}
	return typeFraction
}

// shape is what the keywords of schemas that hold together say.
type shape struct {
	of     *value // one of the schemas, for errors
	types  types
	values []*value // that it must be one of, where listed
	listed bool

	lo, hi    *bound
	multiples []*big.Rat

	minLength, maxLength int // −1 for no bound, as of the others
	patterns             []*value
	formats              []*value

	arrays             []arrayPart
	minItems, maxItems int

	objects                      []objectPart
	required                     []string
	minProperties, maxProperties int
}

type arrayPart struct {
	prefix []*value
	items  *value // nil for anything
}

type objectPart struct {
	properties, patterns []member
	others               *value // nil for anything
}

// shape reads the keywords of schemas.
func (c *schemaCompiler) shape(t *together) (*shape, error) {
	s := &shape{of: c.root, types: allTypes, maxLength: -1, maxItems: -1, maxProperties: -1}
	if t.never {
		s.types = 0
	}
	for i, schema := range t.schemas {
		if i == 0 {
			s.of = schema
		}
		if err := c.keywords(s, schema); err != nil {
			return nil, err
		}
	}
	if len(s.multiples) > 0 && s.types&typeFraction != 0 {
		for _, m := range s.multiples {
			if !m.IsInt() {
				return nil, unsupportedAt(s.of, "multipleOf", "%s is not a whole number", m.RatString())
			}
		}
		s.types &^= typeFraction // and the multiples are whole ones
	}
	if s.listed {
		kept := s.values[:0:0]
		for _, v := range s.values {
			fits, err := c.fits(s, v)
			if err != nil {
				return nil, err
			}
			if fits {
				kept = append(kept, v)
			}
		}
		s.values = kept
	}
	return s, nil
}

func (c *schemaCompiler) keywords(s *shape, schema *value) error {
	var object objectPart
	var array arrayPart
	var isObject, isArray bool
	for _, m := range schema.members {
		v := m.value
		count := func(to *int, larger bool) error {
			n, ok := v.count()
			if !ok {
				return wrongAt(schema, m.name, "it must be a whole number that is not negative")
			}
			if *to < 0 || larger == (n > *to) {
				*to = n
			}
			return nil
		}
		var err error
		switch m.name {
		case "$ref", "allOf", "anyOf", "oneOf", "$schema", "$id": // done
		case "type":
			err = s.keepTypes(schema, v)
		case "enum", "const":
			all := []*value{v}
			if m.name == "enum" {
				if v.kind != anArray {
					return wrongAt(schema, m.name, "it must be a list")
				}
				all = v.items
			}
			if !s.listed {
				s.listed, s.values = true, all
			} else {
				s.values = slices.DeleteFunc(slices.Clone(s.values), func(a *value) bool {
					return !slices.ContainsFunc(all, a.equal)
				})
			}
		case "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum":
			if v.kind != aNumber {
				return wrongAt(schema, m.name, "it must be a number")
			}
			b := &bound{v.number, strings.HasPrefix(m.name, "exclusive")}
			to, sign := &s.lo, 1
			if strings.HasSuffix(m.name, "aximum") {
				to, sign = &s.hi, -1
			}
			if *to == nil || b.at.Cmp((*to).at)*sign > 0 || b.at.Cmp((*to).at) == 0 && b.exclusive {
				*to = b
			}
		case "multipleOf":
			if v.kind != aNumber || v.number.Sign() <= 0 {
				return wrongAt(schema, m.name, "it must be a number above 0")
			}
			s.multiples = append(s.multiples, v.number)
		case "minLength":
			err = count(&s.minLength, true)
		case "maxLength":
			err = count(&s.maxLength, false)
		case "pattern", "format":
			if v.kind != aString {
				return wrongAt(schema, m.name, "it must be a string")
			}
			if m.name == "format" && formats[v.text] == "" {
				return unsupportedAt(schema, m.name, "%q is not supported", v.text)
			}
			to := &s.patterns
			if m.name == "format" {
				to = &s.formats
			}
			*to = append(*to, v)
		case "prefixItems":
			if c.draft == 7 || c.draft == 2019 {
				return unsupportedAt(schema, m.name, "this draft does not know it")
			}
			isArray, array.prefix = true, v.items
			err = wantList(schema, m.name, v)
		case "items":
			isArray = true
			if v.kind != anArray {
				array.items = v
			} else if array.prefix = v.items; c.draft == 2020 || schema.get("prefixItems") != nil {
				return wrongAt(schema, m.name, "in draft 2020-12 it is a schema: prefixItems are a list")
			}
		case "additionalItems":
			if items := schema.get("items"); items == nil || items.kind != anArray {
				return unsupportedAt(schema, m.name, "it means something only beside a list of items")
			}
			array.items = v
		case "minItems":
			err = count(&s.minItems, true)
		case "maxItems":
			err = count(&s.maxItems, false)
		case "uniqueItems":
			if v.kind != aBool {
				return wrongAt(schema, m.name, "it must be true or false")
			}
			if n := schema.get("maxItems"); v.truth && (n == nil || n.kind != aNumber || n.number.Cmp(big.NewRat(1, 1)) > 0) {
				return unsupportedAt(schema, m.name, "it is supported for one item at most")
			}
		case "properties", "patternProperties":
			if v.kind != anObject {
				return wrongAt(schema, m.name, "it must be an object")
			}
			if isObject = true; m.name == "properties" {
				object.properties = v.members
			} else {
				object.patterns = v.members
			}
		case "additionalProperties":
			isObject, object.others = true, v
		case "required":
			if v.kind != anArray {
				return wrongAt(schema, m.name, "it must be a list of names")
			}
			for _, name := range v.items {
				if name.kind != aString {
					return wrongAt(schema, m.name, "it must be a list of names")
				}
				if !slices.Contains(s.required, name.text) {
					s.required = append(s.required, name.text)
				}
			}
		case "minProperties":
			err = count(&s.minProperties, true)
		case "maxProperties":
			err = count(&s.maxProperties, false)
		default:
			if !slices.Contains(describing, m.name) {
				return unsupportedAt(schema, m.name, "the keyword is not supported")
			}
		}
		if err != nil {
			return err
		}
	}
	if isArray {
		s.arrays = append(s.arrays, array)
	}
	if isObject {
		s.objects = append(s.objects, object)
	}
	return nil
}

// mostCount bounds counts in schemas; larger ones are as good as none.
const mostCount = 1 << 30

// count returns a whole number that is not negative.
func (v *value) count() (int, bool) {
	if v.kind != aNumber || !v.number.IsInt() || v.number.Sign() < 0 {
		return 0, false
	}
	if n := v.number.Num(); n.IsInt64() && n.Int64() < mostCount {
		return int(n.Int64()), true
	}
	return mostCount, true
}

func (s *shape) keepTypes(schema, v *value) error {
	names := []*value{v}
	if v.kind == anArray {
		names = v.items
	}
	var all types
	for _, name := range names {
		t, ok := typeNames[name.text]
		if name.kind != aString || !ok {
			return wrongAt(schema, "type", "%s is no type", name.json())
		}
		all |= t
	}
	s.types &= all
	return nil
}

// fits reports whether a listed value fits all else.
func (c *schemaCompiler) fits(s *shape, v *value) (bool, error) {
	if v.typeOf()&s.types == 0 {
		return false, nil
	}
	switch v.kind {
	case aNumber:
		for _, m := range s.multiples {
			if !new(big.Rat).Quo(v.number, m).IsInt() {
				return false, nil
			}
		}
		return s.inRange(v.number), nil
	case aString:
		if s.minLength == 0 && s.maxLength < 0 && len(s.patterns)+len(s.formats) == 0 {
			return true, nil
		}
		t, err := c.stringTerminal(s)
		if err != nil || t == nil {
			return false, err
		}
		return t.matches(quote(v.text)), nil
	case anArray:
		if len(s.arrays) > 0 || s.minItems > 0 || s.maxItems >= 0 {
			return false, unsupportedAt(s.of, "enum", "lists are not supported beside other keywords for them")
		}
	case anObject:
		if len(s.objects)+len(s.required) > 0 || s.minProperties > 0 || s.maxProperties >= 0 {
			return false, unsupportedAt(s.of, "enum", "objects are not supported beside other keywords for them")
		}
	}
	return true, nil
}

// matches reports whether a text is the terminal's.
func (t *terminal) matches(text string) bool {
	state, count := int32(1), t.start()
	for i := 0; i < len(text) && state != 0; i++ {
		state, count = t.step(state, count, text[i])
	}
	return t.dfa.accepts[state]
}

func (s *shape) inRange(n *big.Rat) bool {
	if s.lo != nil {
		if c := n.Cmp(s.lo.at); c < 0 || c == 0 && s.lo.exclusive {
			return false
		}
	}
	if s.hi != nil {
		if c := n.Cmp(s.hi.at); c > 0 || c == 0 && s.hi.exclusive {
			return false
		}
	}
	return true
}

// values returns the expression of all values of a shape.
func (c *schemaCompiler) values(s *shape) (*expr, error) {
	if s.listed {
		all := make([]*expr, len(s.values))
		for i, v := range s.values {
			all[i] = text(v.json())
		}
		d, err := determinize(either(all...))
		if err != nil || d == nil {
			return nothing, wrap(s.of, "enum", err)
		}
		return is(&terminal{dfa: d}), nil
	}
	var all []*expr
	for _, kind := range []struct {
		types types
		make  func(*shape) (*expr, error)
	}{
		{typeNull, func(*shape) (*expr, error) { return text("null"), nil }},
		{typeBool, func(*shape) (*expr, error) { return either(text("true"), text("false")), nil }},
		{typeWhole | typeFraction, c.numbers},
		{typeString, c.strings},
		{typeArray, c.array},
		{typeObject, c.object},
	} {
		if s.types&kind.types == 0 {
			continue
		}
		x, err := kind.make(s)
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return either(all...), nil
}

// wholeBounds returns the least and the largest whole number. What must be a multiple
// is no larger than what a float64 holds exactly: many a reader has no better.
func (s *shape) wholeBounds() (lo, hi *big.Int) {
	one := big.NewInt(1)
	most := largestWhole
	if len(s.multiples) > 0 {
		most = big.NewInt(1<<53 - 1)
	}
	lo, hi = new(big.Int).Neg(most), most
	if s.lo != nil { // rounded up, or to the next
		n := new(big.Int).Div(s.lo.at.Num(), s.lo.at.Denom()) // towards −∞, the denominator being positive
		if !s.lo.at.IsInt() || s.lo.exclusive {
			n.Add(n, one)
		}
		if n.Cmp(lo) > 0 {
			lo = n
		}
	}
	if s.hi != nil {
		n := new(big.Int).Div(s.hi.at.Num(), s.hi.at.Denom())
		if s.hi.at.IsInt() && s.hi.exclusive {
			n.Sub(n, one)
		}
		if n.Cmp(hi) < 0 {
			hi = n
		}
	}
	return lo, hi
}

const largestMultiple = 1000

func (c *schemaCompiler) numbers(s *shape) (*expr, error) {
	whole := s.types&typeFraction == 0
	if s.lo == nil && s.hi == nil && len(s.multiples) == 0 {
		if whole {
			return is(shared().integer), nil
		}
		return is(shared().number), nil
	}
	key := fmt.Sprint("number", whole, s.lo, s.hi, s.multiples)
	if t := c.terminals[key]; t != nil {
		return is(t), nil
	}
	var d *dfa
	var err error
	if whole {
		lo, hi := s.wholeBounds()
		if lo.Cmp(hi) > 0 {
			return nothing, nil
		}
		d, err = determinize(wholeNumbers(lo, hi))
		for _, m := range s.multiples {
			if err != nil || d == nil {
				break
			}
			// What p/q divides among whole numbers is what p divides.
			if m.Num().Cmp(big.NewInt(largestMultiple)) > 0 {
				return nil, &Error{Place: s.of.place, Keyword: "multipleOf", Reason: fmt.Sprintf("%s is above %d", m.RatString(), largestMultiple), Err: ErrTooLarge}
			}
			d, err = product(d, multiplesOf(int(m.Num().Int64())), both)
		}
	} else {
		d, err = decimals(s.lo, s.hi)
	}
	if err != nil || d == nil {
		return nothing, wrap(s.of, "", err)
	}
	t := &terminal{dfa: d}
	c.terminals[key] = t
	return is(t), nil
}

func (c *schemaCompiler) strings(s *shape) (*expr, error) {
	t, err := c.stringTerminal(s)
	if err != nil || t == nil {
		return nothing, err
	}
	return is(t), nil
}

// stringTerminal returns the terminal of the strings of a shape, nil where there are
// none.
func (c *schemaCompiler) stringTerminal(s *shape) (*terminal, error) {
	if s.maxLength >= 0 && s.minLength > s.maxLength {
		return nil, nil
	}
	key := fmt.Sprint("string", s.minLength, s.maxLength)
	for _, p := range append(slices.Clone(s.patterns), s.formats...) {
		key += fmt.Sprintf(" %p", p)
	}
	if t, ok := c.terminals[key]; ok {
		return t, nil
	}
	var d *dfa
	meet := func(v *value, keyword string, x *expr) error {
		other, err := determinize(x)
		if err == nil && other != nil && d != nil {
			other, err = product(d, other, both)
		}
		if err != nil {
			return wrap(v, keyword, err)
		}
		if d = other; d == nil {
			return errNone
		}
		return nil
	}
	t := stringOf(s.minLength, s.maxLength)
	err := func() error {
		for _, p := range s.patterns {
			x, err := patternOf(p.text)
			if err != nil {
				return wrap(s.of, "pattern", err)
			}
			if err := meet(s.of, "pattern", x); err != nil {
				return err
			}
		}
		for _, f := range s.formats {
			x, err := parseRegexp(formats[f.text], quoted)
			if err != nil {
				return wrap(s.of, "format", err)
			}
			if err := meet(s.of, "format", x); err != nil {
				return err
			}
		}
		if d == nil {
			return nil
		}
		if s.minLength > 0 || s.maxLength >= 0 {
			keyword := "maxLength"
			if s.maxLength < 0 {
				keyword = "minLength"
			}
			if err := meet(s.of, keyword, times(quoted(0, utf8.MaxRune), s.minLength, s.maxLength)); err != nil {
				return err
			}
		}
		t = &terminal{dfa: d.inQuotes()}
		return nil
	}()
	if err == errNone {
		t, err = nil, nil
	}
	if err == nil {
		c.terminals[key] = t
	}
	return t, err
}

var errNone = errors.New("nothing is left")

// patternOf returns what stands between the quotation marks of the JSON strings in
// which a pattern is found.
func patternOf(pattern string) (*expr, error) {
	x, err := parseRegexp(pattern, quoted)
	if err != nil {
		return nil, err
	}
	rest := times(quoted(0, utf8.MaxRune), 0, -1)
	return cat(rest, x, rest), nil
}

// array returns the arrays of a shape.
func (c *schemaCompiler) array(s *shape) (*expr, error) {
	if s.maxItems >= 0 && s.minItems > s.maxItems {
		return nothing, nil
	}
	places := 0
	for _, part := range s.arrays {
		places = max(places, len(part.prefix))
	}
	if s.maxItems >= 0 {
		places = min(places, s.maxItems)
	}
	item := func(i int) (*expr, error) {
		var all []*value
		for _, part := range s.arrays {
			switch {
			case i < len(part.prefix):
				all = append(all, part.prefix[i])
			case part.items != nil:
				all = append(all, part.items)
			}
		}
		return c.ruleOf(all)
	}
	items := empty
	if s.maxItems < 0 || s.maxItems > places {
		x, err := item(places)
		if err != nil {
			return nil, err
		}
		most := -1
		if s.maxItems >= 0 {
			most = s.maxItems - places
		}
		least := max(s.minItems-places, 0)
		if places > 0 {
			items = times(cat(comma, x), least, most)
		} else {
			if most > 0 {
				most--
			}
			if items = cat(x, times(cat(comma, x), max(least-1, 0), most)); least == 0 {
				items = maybe(items)
			}
		}
	}
	for i := places - 1; i >= 0; i-- {
		x, err := item(i)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			x = cat(comma, x)
		}
		if items = cat(x, items); i >= s.minItems {
			items = maybe(items)
		}
	}
	return cat(text("["), items, text("]")), nil
}

// object returns the objects of a shape.
func (c *schemaCompiler) object(s *shape) (*expr, error) {
	if s.maxProperties >= 0 && max(s.minProperties, len(s.required)) > s.maxProperties {
		return nothing, nil
	}
	var names []string
	listed := map[string]bool{}
	list := func(name string) {
		if !listed[name] {
			listed[name] = true
			names = append(names, name)
		}
	}
	for _, part := range s.objects {
		for _, p := range part.properties {
			list(p.name)
		}
	}
	for _, name := range s.required {
		list(name)
	}
	if len(names) > mostProperties {
		return nil, &Error{Place: s.of.place, Keyword: "properties", Reason: fmt.Sprintf("more than %d", mostProperties), Err: ErrTooLarge}
	}
	patterns, err := c.namePatterns(s)
	if err != nil {
		return nil, err
	}
	o := &object{}
	for _, name := range names {
		x, err := c.ruleOf(s.valuesOf(name, func(pattern string) bool { return patterns[pattern].matches(quote(name)) }))
		if err != nil {
			return nil, err
		}
		if x == nothing && !slices.Contains(s.required, name) {
			continue // it may not be there, and is none of the others
		}
		o.listed = append(o.listed, property{quote(name) + ":", x, slices.Contains(s.required, name)})
	}
	if o.others, err = c.others(s, names, patterns); err != nil {
		return nil, err
	}
	inside := &expr{kind: members, object: o}
	if s.minProperties > len(s.required) || s.maxProperties >= 0 && (o.others != nil || s.maxProperties < len(o.listed)) {
		if inside, err = c.countedMembers(s, o); err != nil {
			return nil, err
		}
	}
	return cat(text("{"), inside, text("}")), nil
}

// namePatterns returns the automata of the names that fit each pattern of
// patternProperties.
func (c *schemaCompiler) namePatterns(s *shape) (map[string]*dfa, error) {
	all := map[string]*dfa{}
	for _, part := range s.objects {
		for _, p := range part.patterns {
			if all[p.name] != nil {
				continue
			}
			x, err := patternOf(p.name)
			var d *dfa
			if err == nil {
				d, err = determinize(x)
			}
			if err != nil {
				return nil, wrap(s.of, "patternProperties", err)
			}
			if d == nil {
				return nil, wrongAt(s.of, "patternProperties", "no name fits %q", p.name)
			}
			all[p.name] = d.inQuotes()
		}
	}
	return all, nil
}

// valuesOf returns the schemas of the value of a name that has these patterns.
func (s *shape) valuesOf(name string, matches func(pattern string) bool) []*value {
	var all []*value
	for _, part := range s.objects {
		found := false
		for _, p := range part.properties {
			if p.name == name {
				all, found = append(all, p.value), true
			}
		}
		for _, p := range part.patterns {
			if matches(p.name) {
				all, found = append(all, p.value), true
			}
		}
		if !found && part.others != nil {
			all = append(all, part.others)
		}
	}
	return all
}

// mostPatterns bounds how many patterns of names there may be at a place: each may
// hold or not.
const mostPatterns = 4

// others returns the members whose names are not listed, nil where there are none.
func (c *schemaCompiler) others(s *shape, names []string, patterns map[string]*dfa) (*expr, error) {
	if len(patterns) > mostPatterns {
		return nil, &Error{Place: s.of.place, Keyword: "patternProperties", Reason: fmt.Sprintf("more than %d patterns", mostPatterns), Err: ErrTooLarge}
	}
	value := func(matches func(string) bool) (*expr, error) {
		return c.ruleOf(s.valuesOf("", func(p string) bool { return matches(p) }))
	}
	if len(patterns) == 0 {
		x, err := value(nil)
		if x == nothing || err != nil {
			return nil, err
		}
		return cat(is(nameExcept(names)), text(":"), blank, x), nil
	}
	ordered := slices.Sorted(maps.Keys(patterns))
	listed := make([]*expr, len(names))
	for i, name := range names {
		listed[i] = text(quote(name))
	}
	apart, err := determinize(either(listed...))
	if err != nil {
		return nil, wrap(s.of, "properties", err)
	}
	var all []*expr
	for which := range 1 << len(ordered) {
		holds := func(p string) bool { return which>>slices.Index(ordered, p)&1 != 0 }
		d := shared().name.dfa
		for _, p := range ordered {
			keep := without
			if holds(p) {
				keep = both
			}
			if d != nil && err == nil {
				d, err = product(d, patterns[p], keep)
			}
		}
		if d != nil && apart != nil && err == nil {
			d, err = product(d, apart, without)
		}
		if err != nil {
			return nil, wrap(s.of, "patternProperties", err)
		}
		if d == nil {
			continue
		}
		x, err := value(holds)
		if err != nil {
			return nil, err
		}
		if x != nothing {
			all = append(all, cat(is(&terminal{dfa: d}), text(":"), blank, x))
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	return either(all...), nil
}

// mostCounted bounds the properties of an object whose members are counted.
const mostCounted = 64

// countedMembers returns the members of an object of so many. Of names that are not
// listed one may come twice, which counts once: two of them are not taken for two.
func (c *schemaCompiler) countedMembers(s *shape, o *object) (*expr, error) {
	n := len(o.listed)
	if n > mostCounted {
		return nil, &Error{Place: s.of.place, Keyword: "maxProperties", Reason: fmt.Sprintf("more than %d properties are counted", mostCounted), Err: ErrTooLarge}
	}
	left := make([]int, n+1) // required ones from here on
	for i := n - 1; i >= 0; i-- {
		left[i] = left[i+1]
		if o.listed[i].required {
			left[i]++
		}
	}
	least := s.minProperties
	if o.others != nil && least > len(s.required)+1 {
		return nil, unsupportedAt(s.of, "minProperties", "%d are more than the required properties and one, and names could repeat: list the properties, or require them", least)
	}
	const unbounded = mostCount
	most := unbounded
	if s.maxProperties >= 0 {
		most = s.maxProperties
	}
	made := map[[2]int]*expr{}
	var from func(i, count int) *expr
	from = func(i, count int) *expr {
		count = min(count, max(least, min(most, n))) // beyond it, counting makes no difference
		key := [2]int{i, count}
		if x, ok := made[key]; ok {
			return x
		}
		separate := func(x *expr) *expr {
			if count > 0 {
				return cat(comma, x)
			}
			return x
		}
		var x *expr
		if i == n {
			need, room := max(least-count, 0), most-count
			if o.others == nil || room == 0 {
				if x = empty; need > 0 {
					x = nothing
				}
			} else {
				more := -1
				if most != unbounded {
					more = room - 1
				}
				if x = separate(cat(o.others, times(cat(comma, o.others), 0, more))); need == 0 {
					x = maybe(x)
				}
			}
		} else {
			p := o.listed[i]
			var all []*expr
			if count+1+left[i+1] <= most {
				all = append(all, separate(cat(text(p.key), blank, p.value, from(i+1, count+1))))
			}
			if !p.required {
				all = append(all, from(i+1, count))
			}
			x = either(all...)
		}
		x = c.rules.add(x)
		made[key] = x
		return x
	}
	return from(0, 0), nil
}

// apart reports whether it can be seen that no value fits both.
func (c *schemaCompiler) apart(a, b *together, depth int) (bool, error) {
	if a.never || b.never {
		return true, nil
	}
	if depth == 0 {
		return false, nil
	}
	for _, swap := range []bool{false, true} {
		x, y := a, b
		if swap {
			x, y = b, a
		}
		if len(x.choices) == 0 {
			continue
		}
		for _, s := range x.choices[0].all.items {
			chosen, err := c.chosen(x, s)
			if err != nil {
				return false, err
			}
			if apart, err := c.apart(chosen, y, depth-1); !apart || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	s, err := c.shape(a)
	if err != nil {
		return false, err
	}
	t, err := c.shape(b)
	if err != nil {
		return false, err
	}
	if s.listed || t.listed {
		if !s.listed {
			s, t = t, s
		}
		for _, v := range s.values {
			if t.listed {
				if slices.ContainsFunc(t.values, v.equal) {
					return false, nil
				}
			} else if fits, err := c.fits(t, v); fits || err != nil {
				return false, nil // or it is not known
			}
		}
		return true, nil
	}
	for kind := types(1); kind < allTypes; kind <<= 1 {
		if s.types&t.types&kind == 0 {
			continue
		}
		apart := false
		switch kind {
		case typeWhole, typeFraction:
			apart = s.below(t) || t.below(s)
		case typeString:
			if apart = s.maxLength >= 0 && s.maxLength < t.minLength || t.maxLength >= 0 && t.maxLength < s.minLength; !apart {
				apart, err = c.stringsApart(s, t)
			}
		case typeArray:
			apart = s.maxItems >= 0 && s.maxItems < t.minItems || t.maxItems >= 0 && t.maxItems < s.minItems
		case typeObject:
			apart, err = c.objectsApart(s, t, depth)
		}
		if !apart || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (s *shape) below(t *shape) bool {
	if s.hi == nil || t.lo == nil {
		return false
	}
	d := s.hi.at.Cmp(t.lo.at)
	return d < 0 || d == 0 && (s.hi.exclusive || t.lo.exclusive)
}

func (c *schemaCompiler) stringsApart(s, t *shape) (bool, error) {
	if len(s.patterns)+len(s.formats) == 0 || len(t.patterns)+len(t.formats) == 0 {
		return false, nil
	}
	a, err := c.stringTerminal(s)
	if a == nil || err != nil {
		return err == nil, err
	}
	b, err := c.stringTerminal(t)
	if b == nil || err != nil {
		return err == nil, err
	}
	d, err := product(a.dfa, b.dfa, both)
	return d == nil && err == nil, wrap(s.of, "oneOf", err)
}

// objectsApart looks for a property that one requires and whose values do not fit the
// other.
func (c *schemaCompiler) objectsApart(s, t *shape, depth int) (bool, error) {
	for _, swap := range []bool{false, true} {
		if swap {
			s, t = t, s
		}
		if t.maxProperties >= 0 && t.maxProperties < max(len(s.required), s.minProperties) {
			return true, nil
		}
		for _, name := range s.required {
			var sides [2]*together
			for i, of := range []*shape{s, t} {
				patterns, err := c.namePatterns(of)
				if err != nil {
					return false, err
				}
				side := &together{}
				for _, v := range of.valuesOf(name, func(p string) bool { return patterns[p].matches(quote(name)) }) {
					if err := c.joinTo(side, v, nil); err != nil {
						return false, err
					}
				}
				sides[i] = side
			}
			if apart, err := c.apart(sides[0], sides[1], depth-1); apart || err != nil {
				return apart, err
			}
		}
	}
	return false, nil
}
