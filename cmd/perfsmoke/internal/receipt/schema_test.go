package receipt

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func readSchema(t *testing.T) map[string]any {
	t.Helper()
	data, err := os.ReadFile(examples + "receipt.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// validate returns what a document violates of a schema. It knows the keywords
// that the project's schema uses and complains about all others.
func validate(schema map[string]any, v any, path string) (violations []string) {
	bad := func(format string, args ...any) {
		violations = append(violations, path+": "+fmt.Sprintf(format, args...))
	}
	for keyword, want := range schema {
		switch keyword {
		case "$schema", "$id", "title", "description":
		case "type":
			ok := false
			switch v := v.(type) {
			case map[string]any:
				ok = want == "object"
			case []any:
				ok = want == "array"
			case string:
				ok = want == "string"
			case bool:
				ok = want == "boolean"
			case float64:
				ok = want == "number" || want == "integer" && v == float64(int64(v))
			}
			if !ok {
				bad("is no %v", want)
			}
		case "const":
			if v != want {
				bad("is not %v", want)
			}
		case "enum":
			if !slices.Contains(want.([]any), v) {
				bad("is none of %v", want)
			}
		case "pattern":
			if s, ok := v.(string); ok && !regexp.MustCompile(want.(string)).MatchString(s) {
				bad("does not match %v", want)
			}
		case "maxLength", "minLength":
			if s, ok := v.(string); ok {
				n := float64(len([]rune(s)))
				if keyword == "maxLength" && n > want.(float64) || keyword == "minLength" && n < want.(float64) {
					bad("%s %v", keyword, want)
				}
			}
		case "minimum", "maximum", "exclusiveMinimum":
			if n, ok := v.(float64); ok {
				limit := want.(float64)
				if keyword == "minimum" && n < limit || keyword == "maximum" && n > limit || keyword == "exclusiveMinimum" && n <= limit {
					bad("%s %v", keyword, want)
				}
			}
		case "items":
			if a, ok := v.([]any); ok {
				for i, item := range a {
					violations = append(violations, validate(want.(map[string]any), item, fmt.Sprintf("%s[%d]", path, i))...)
				}
			}
		case "minItems", "maxItems":
			if a, ok := v.([]any); ok {
				n := float64(len(a))
				if keyword == "minItems" && n < want.(float64) || keyword == "maxItems" && n > want.(float64) {
					bad("%s %v", keyword, want)
				}
			}
		case "required":
			if o, ok := v.(map[string]any); ok {
				for _, name := range want.([]any) {
					if _, ok := o[name.(string)]; !ok {
						bad("has no %v", name)
					}
				}
			}
		case "properties":
			if o, ok := v.(map[string]any); ok {
				for name, sub := range want.(map[string]any) {
					if value, ok := o[name]; ok {
						violations = append(violations, validate(sub.(map[string]any), value, path+"."+name)...)
					}
				}
			}
		case "propertyNames":
			if o, ok := v.(map[string]any); ok {
				for name := range o {
					violations = append(violations, validate(want.(map[string]any), name, path+"."+name)...)
				}
			}
		case "additionalProperties":
			o, isObject := v.(map[string]any)
			properties, _ := schema["properties"].(map[string]any)
			for name, value := range o {
				if _, ok := properties[name]; ok || !isObject {
					continue
				}
				if sub, ok := want.(map[string]any); ok {
					violations = append(violations, validate(sub, value, path+"."+name)...)
				} else if want == false {
					bad("has %s, which the schema does not", name)
				}
			}
		default:
			bad("keyword %s of the schema is not known to this test", keyword)
		}
	}
	return violations
}

func TestSchemaHoldsForExamples(t *testing.T) {
	schema := readSchema(t)
	for _, name := range []string{"positive.json", "negative-failed-run.json"} {
		data, err := os.ReadFile(examples + name)
		if err != nil {
			t.Fatal(err)
		}
		var document any
		if err := json.Unmarshal(data, &document); err != nil {
			t.Fatal(err)
		}
		for _, v := range validate(schema, document, name) {
			t.Error(v)
		}
	}
}

// TestSchemaIsTheType holds the schema against the Go type, field by field: the
// same names, kinds, and duties.
func TestSchemaIsTheType(t *testing.T) {
	var same func(schema map[string]any, typ reflect.Type, path string)
	same = func(schema map[string]any, typ reflect.Type, path string) {
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		kinds := map[reflect.Kind]string{
			reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer", reflect.Uint64: "integer",
			reflect.Float64: "number", reflect.Slice: "array", reflect.Map: "object", reflect.Struct: "object",
		}
		if schema["type"] != kinds[typ.Kind()] {
			t.Errorf("%s: type %v, want %s", path, schema["type"], kinds[typ.Kind()])
			return
		}
		if d, ok := schema["description"].(string); !ok || d == "" {
			if path != "" && !strings.HasSuffix(path, "[]") {
				t.Errorf("%s: no description", path)
			}
		}
		switch typ.Kind() {
		case reflect.Slice:
			same(schema["items"].(map[string]any), typ.Elem(), path+"[]")
		case reflect.Map:
			same(schema["additionalProperties"].(map[string]any), typ.Elem(), path+"[]")
		case reflect.Struct:
			properties := schema["properties"].(map[string]any)
			var required []any
			if schema["additionalProperties"] != false {
				t.Errorf("%s: allows other properties", path)
			}
			for i := range typ.NumField() {
				name, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
				if options == "" {
					required = append(required, name)
				}
				sub, ok := properties[name].(map[string]any)
				if !ok {
					t.Errorf("%s: no property %s", path, name)
					continue
				}
				same(sub, typ.Field(i).Type, strings.TrimPrefix(path+"."+name, "."))
			}
			if len(properties) != typ.NumField() {
				t.Errorf("%s: %d properties, want %d", path, len(properties), typ.NumField())
			}
			got, _ := schema["required"].([]any)
			for _, name := range required {
				if !slices.Contains(got, name) {
					t.Errorf("%s: %v is not required", path, name)
				}
			}
			if len(got) != len(required) {
				t.Errorf("%s: requires %v, want %v", path, got, required)
			}
		}
	}
	same(readSchema(t), reflect.TypeFor[Receipt](), "")
}

// TestSchemaRejects sees to it that the schema is no empty word: what breaks
// the form of a receipt for Decode breaks it for the schema.
func TestSchemaRejects(t *testing.T) {
	schema := readSchema(t)
	data, err := os.ReadFile(examples + "positive.json")
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	visit := func(path string, v any, set func(any), remove func()) {
		for _, n := range change(v) {
			set(n)
			forged, _ := json.Marshal(document)
			if _, err := Decode(forged); err != nil && n != nil && len(validate(schema, document, "")) == 0 {
				t.Errorf("%s may be %#v by the schema, but: %v", path, n, err)
			}
		}
		set(nil)
		if len(validate(schema, document, "")) == 0 {
			t.Errorf("%s may be null by the schema", path)
		}
		set(v)
	}
	leaves("", document, nil, nil, visit)
}
