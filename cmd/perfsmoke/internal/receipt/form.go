package receipt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// checkVersion looks for another version of the format first, whose other fields
// would be confusing to complain about.
func checkVersion(data []byte) error {
	var version struct {
		SchemaVersion any `json:"schema_version"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return nil // checkForm says where it is broken
	}
	if v, ok := version.SchemaVersion.(string); ok && v != SchemaVersion {
		return &VersionError{Version: v}
	}
	return nil
}

// checkForm walks a document along the Receipt type and refuses what
// encoding/json lets pass: unknown, repeated and missing fields, null, names in
// another case, and what follows the document.
func checkForm(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := walk(d, "", reflect.TypeFor[Receipt]()); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return &FormatError{Reason: "goes on after its end"}
	}
	return nil
}

func walk(d *json.Decoder, path string, t reflect.Type) error {
	token, err := d.Token()
	if err != nil {
		return &FormatError{Field: path, Reason: "is no JSON: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	fits := false
	switch v := token.(type) {
	case string:
		fits = t.Kind() == reflect.String
	case bool:
		fits = t.Kind() == reflect.Bool
	case json.Number:
		switch t.Kind() {
		case reflect.Int, reflect.Int64:
			_, err := strconv.ParseInt(v.String(), 10, t.Bits())
			fits = err == nil
		case reflect.Uint64:
			_, err := strconv.ParseUint(v.String(), 10, 64)
			fits = err == nil
		case reflect.Float64:
			_, err := v.Float64()
			fits = err == nil
		}
	case json.Delim:
		switch {
		case v == '[' && t.Kind() == reflect.Slice:
			for i := 0; d.More(); i++ {
				if err := walk(d, fmt.Sprintf("%s[%d]", path, i), t.Elem()); err != nil {
					return err
				}
			}
			return closing(d, path)
		case v == '{' && (t.Kind() == reflect.Struct || t.Kind() == reflect.Map):
			return walkObject(d, path, t)
		}
	}
	if !fits {
		return &FormatError{Field: path, Reason: fmt.Sprintf("is %s where %s belongs", describe(token), wanted(t))}
	}
	return nil
}

func walkObject(d *json.Decoder, path string, t reflect.Type) error {
	fields := map[string]reflect.StructField{}
	if t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			fields[name] = t.Field(i)
		}
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return &FormatError{Field: path, Reason: "is no JSON: " + err.Error()}
		}
		name := token.(string)
		below := name
		if path != "" {
			below = path + "." + name
		}
		if seen[name] {
			return &FormatError{Field: below, Reason: "stands there twice"}
		}
		seen[name] = true
		elem := t
		if t.Kind() == reflect.Map {
			elem = t.Elem()
		} else if f, ok := fields[name]; ok {
			elem = f.Type
		} else {
			return &FormatError{Field: below, Reason: "is no field of a receipt"}
		}
		if err := walk(d, below, elem); err != nil {
			return err
		}
	}
	for i := 0; t.Kind() == reflect.Struct && i < t.NumField(); i++ {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if !seen[name] && options == "" {
			if path != "" {
				name = path + "." + name
			}
			return &FormatError{Field: name, Reason: "is missing"}
		}
	}
	return closing(d, path)
}

func closing(d *json.Decoder, path string) error {
	if _, err := d.Token(); err != nil {
		return &FormatError{Field: path, Reason: "is no JSON: " + err.Error()}
	}
	return nil
}

func describe(token json.Token) string {
	switch v := token.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a truth value"
	case json.Number:
		return "the number " + v.String()
	case json.Delim:
		if v == '[' {
			return "an array"
		}
		return "an object"
	}
	return "something else"
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a truth value"
	case reflect.Int, reflect.Int64:
		return "an integer"
	case reflect.Uint64:
		return "an integer that is not negative"
	case reflect.Float64:
		return "a number that a float64 can hold"
	case reflect.Slice:
		return "an array"
	}
	return "an object"
}
