// Package constrain makes a model's text fit: a JSON schema, a regular expression, a
// grammar, a list of choices.
//
//	answer, err := constrain.JSONSchema([]byte(`{
//		"type": "object",
//		"properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
//		"required": ["city", "people"],
//		"additionalProperties": false
//	}`))
//	if err != nil {
//		return err
//	}
//	result, err := session.Generate(ctx, prompt, bitnet.GenerateOptions{Constraint: answer})
//
// A [Constraint] never changes and serves any number of sessions of any models at
// once. What it works out for a vocabulary it keeps, so that one that is used again
// should be kept.
//
// # Nothing is ignored
//
// What a schema, an expression or a grammar asks for and this package cannot hold to
// is an [*Error] when it is compiled, which names the keyword and its place. So is
// what would take too much memory or time ([ErrTooLarge]), and what no text fits.
//
// # What a text may be
//
// Constraints work on bytes. A token may end within a character. Any token may come
// whose bytes fit, however the tokenizer would have cut the text; where the text has
// no choice, it is cut as the tokenizer does. The text may end, by one of the
// model's end tokens, exactly where it is complete. Generation can also end before
// that, because of MaxTokens or a full context: see its Reason.
//
// A text that fits comes to an end only if the model ends it: a string or a list
// without a bound may go on for long. White space cannot: JSON has none but a single
// blank, or none, after each colon and comma.
//
// # Schemas
//
// Schemas are those of JSON Schema, drafts 2020-12, 2019-09 and 7. Supported are
//
//   - type, also a list of types; enum, const; true and false as schemas
//   - properties, required, additionalProperties, patternProperties, minProperties
//     and maxProperties: members come in the order of properties, then others.
//     Names that are not listed have a single spelling, without escapes that are
//     not needed, so that they cannot repeat a listed one
//   - items, prefixItems (and the items and additionalItems of draft 7), minItems,
//     maxItems
//   - minLength, maxLength, pattern, format: date, time, date-time, uuid, email,
//     ipv4, ipv6, uri
//   - minimum, maximum, exclusiveMinimum, exclusiveMaximum; multipleOf with whole
//     numbers up to 1000. Numbers have at most 20 digits before and behind the
//     point; those that must be multiples are no larger than 2⁵³
//   - anyOf, allOf; oneOf where it can be seen that no value fits two of its schemas
//   - $ref within the schema, recursive too, $defs, definitions, $anchor
//
// and what only describes: title, description, default, examples, $comment and the
// like. Strings with a pattern or a format have a single spelling, too.
//
// # Regular expressions
//
// Regexp and pattern take the expressions of Go's regexp/syntax, with \s, \S and the
// point as ECMAScript has them, \uXXXX and \cX; so there is no looking ahead or
// back, no reference to what was matched, and no word boundary. Regexp is
// about the whole text, pattern about any part of a string.
//
// # Grammars
//
// Grammars are those of llama.cpp, GBNF, with the rule root as their start. A rule
// that begins with itself is refused.
package constrain
