package validate

import (
	"fmt"
	"math/rand/v2"
)

// everyday are schemas as people write them.
var everyday = []string{
	`{"type":"object"}`,
	`{"type":"object","properties":{"answer":{"type":"integer"}},"required":["answer"],"additionalProperties":false}`,
	`{"type":"object","properties":{"name":{"type":"string","minLength":1,"maxLength":40},"age":{"type":"integer","minimum":0,"maximum":150},"email":{"type":"string","format":"email"},"tags":{"type":"array","items":{"type":"string","maxLength":12},"minItems":1,"maxItems":5}},"required":["name","age"],"additionalProperties":false}`,
	`{"$schema":"http://json-schema.org/draft-07/schema#","title":"Event","type":"object","properties":{"when":{"type":"string","format":"date-time"},"day":{"type":"string","format":"date"},"id":{"type":"string","format":"uuid"},"from":{"type":"string","format":"ipv4"},"to":{"type":"string","format":"ipv6"},"link":{"type":"string","format":"uri"}},"required":["when","id"],"additionalProperties":false}`,
	`{"type":"object","properties":{"kind":{"enum":["circle","square"]},"size":{"type":"number","exclusiveMinimum":0,"maximum":99.5}},"required":["kind","size"],"additionalProperties":false}`,
	`{"oneOf":[{"type":"object","properties":{"type":{"const":"cat"},"lives":{"type":"integer","minimum":1,"maximum":9}},"required":["type","lives"],"additionalProperties":false},{"type":"object","properties":{"type":{"const":"dog"},"good":{"type":"boolean"}},"required":["type"],"additionalProperties":false}]}`,
	`{"$defs":{"node":{"type":"object","properties":{"value":{"type":"integer"},"children":{"type":"array","items":{"$ref":"#/$defs/node"},"maxItems":3}},"required":["value"],"additionalProperties":false}},"$ref":"#/$defs/node"}`,
	`{"type":"array","prefixItems":[{"type":"number","minimum":-90,"maximum":90},{"type":"number","minimum":-180,"maximum":180}],"items":false,"minItems":2}`,
	`{"type":"object","patternProperties":{"^x-":{"type":"string"},"^[0-9]{1,3}$":{"type":"integer"}},"additionalProperties":false}`,
	`{"type":"object","properties":{"a":{"type":"string"}},"patternProperties":{"^b":{"type":"null"}},"additionalProperties":{"type":"boolean"}}`,
	`{"allOf":[{"type":"object","properties":{"a":{"type":"integer","minimum":3}},"required":["a"]},{"properties":{"a":{"maximum":7},"b":{"type":"string"}},"required":["b"]}]}`,
	`{"type":"object","properties":{"zip":{"type":"string","pattern":"^[0-9]{5}(-[0-9]{4})?$"},"phone":{"type":"string","pattern":"^\\+?[0-9 ]{5,15}$"},"code":{"type":"string","pattern":"[A-Z]{3}","maxLength":8}},"required":["zip","phone","code"],"additionalProperties":false}`,
	`{"type":["string","null"],"maxLength":5}`,
	`{"type":"object","properties":{"name":{"const":"get_weather"},"arguments":{"type":"object","properties":{"city":{"type":"string"},"unit":{"enum":["celsius","fahrenheit"]}},"required":["city"],"additionalProperties":false}},"required":["name","arguments"],"additionalProperties":false}`,
	`{"anyOf":[{"type":"integer","multipleOf":7,"minimum":-100,"maximum":1000},{"type":"string","enum":["none","a lot"]},{"type":"array","items":{"type":"number"},"maxItems":2}]}`,
	`{"type":"object","properties":{"steps":{"type":"array","items":{"type":"object","properties":{"explanation":{"type":"string"},"output":{"type":"string"}},"required":["explanation","output"],"additionalProperties":false}},"final_answer":{"type":"string"}},"required":["steps","final_answer"],"additionalProperties":false}`,
	`{"type":"object","properties":{"a":{},"b":{},"c":{}},"required":["b"],"minProperties":2,"maxProperties":2,"additionalProperties":false}`,
	`{"type":"object","maxProperties":2,"additionalProperties":{"type":"integer"}}`,
	`{"type":"object","properties":{"p":{"type":"number","minimum":0,"maximum":1},"q":{"type":"number","exclusiveMinimum":0.25,"exclusiveMaximum":0.75},"r":{"type":"number","maximum":-1.5}},"required":["p","q","r"],"additionalProperties":false}`,
	`{"type":"string","minLength":3,"maxLength":3}`,
	`{"type":"string","maxLength":600}`,
	`{"type":"array","items":{"type":"boolean"},"minItems":300,"maxItems":310}`,
	`{"properties":{"deep":{"properties":{"er":{"properties":{"still":{"type":"integer"}},"required":["still"]}},"required":["er"]}},"required":["deep"],"type":"object"}`,
	`{"type":"string","pattern":"é|ü+$|^[α-ω]{2,4}"}`,
	`{"type":"object","properties":{"say \"hi\"\n":{"type":"integer"},"größe":{"type":"integer"}},"additionalProperties":{"type":"null"}}`,
}

// randomSchema returns a schema of the supported keywords.
func randomSchema(r *rand.Rand, depth int) map[string]any {
	s := map[string]any{}
	kinds := []string{"string", "integer", "number", "boolean", "null"}
	if depth > 0 {
		kinds = append(kinds, "object", "object", "array", "array", "anyOf", "allOf", "oneOf")
	}
	sub := func() any {
		if r.IntN(12) == 0 {
			return true
		}
		return randomSchema(r, depth-1)
	}
	low, high := r.IntN(6), r.IntN(12)
	number := func() any {
		if r.IntN(2) == 0 {
			return r.IntN(2000) - 1000
		}
		return float64(r.IntN(200000)-100000) / []float64{8, 10, 100, 1000}[r.IntN(4)]
	}
	switch kind := kinds[r.IntN(len(kinds))]; kind {
	case "string":
		s["type"] = kind
		switch r.IntN(5) {
		case 0:
			s["enum"] = []any{"red", "green", "bl\"ue", "", "ё", 5}
		case 1:
			s["pattern"] = []string{"^[a-z]+$", "[0-9]", "^(a|bc)*d?$", "^.{2,4}$", "x.*y", "^[^aeiou]*$", `^\w+@\w+$`, "^$|z"}[r.IntN(8)]
		case 2:
			s["format"] = []string{"date", "time", "date-time", "uuid", "email", "ipv4", "ipv6", "uri"}[r.IntN(8)]
		}
		if s["format"] == nil && r.IntN(2) == 0 {
			s["minLength"] = low
		}
		if s["format"] == nil && r.IntN(2) == 0 {
			s["maxLength"] = low + high
		}
	case "integer", "number":
		s["type"] = kind
		for _, keyword := range []string{"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"} {
			if r.IntN(3) == 0 {
				s[keyword] = number()
			}
		}
		if r.IntN(4) == 0 {
			s["multipleOf"] = 1 + r.IntN(30)
		}
	case "object":
		s["type"] = kind
		properties := map[string]any{}
		var required []any
		for i := range r.IntN(5) {
			name := fmt.Sprintf("%c%d", 'a'+rune(r.IntN(4)), i)
			properties[name] = sub()
			if r.IntN(2) == 0 {
				required = append(required, name)
			}
		}
		if r.IntN(8) == 0 {
			required = append(required, "unlisted")
		}
		s["properties"] = properties
		if required != nil {
			s["required"] = required
		}
		switch r.IntN(4) {
		case 0:
			s["additionalProperties"] = false
		case 1:
			s["additionalProperties"] = sub()
		}
		if r.IntN(4) == 0 {
			s["patternProperties"] = map[string]any{[]string{"^a", "1$", "^[xyz]{2}$"}[r.IntN(3)]: sub()}
		}
		if r.IntN(5) == 0 {
			s["maxProperties"] = high
		}
		if r.IntN(5) == 0 {
			s["minProperties"] = r.IntN(3)
		}
	case "array":
		s["type"] = kind
		if r.IntN(2) == 0 {
			s["items"] = sub()
		}
		if r.IntN(3) == 0 {
			s["prefixItems"] = []any{sub(), sub()}
		}
		if r.IntN(2) == 0 {
			s["minItems"] = r.IntN(3)
		}
		if r.IntN(2) == 0 {
			s["maxItems"] = 2 + r.IntN(4)
		}
	case "boolean", "null":
		s["type"] = kind
	case "anyOf", "oneOf":
		s[kind] = []any{sub(), sub(), sub()}
	case "allOf":
		s[kind] = []any{sub(), sub()}
	}
	return s
}
