package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// An inspection is the object that inspect --json prints.
type inspection struct {
	File      string                  `json:"file"`
	Version   uint32                  `json:"version"`
	Alignment int                     `json:"alignment"`
	Size      int64                   `json:"size"`
	Metadata  map[string]inspectedKey `json:"metadata"`
	Tensors   []inspectedTensor       `json:"tensors"`
	Use       struct {
		Tokenize inspectedUse `json:"tokenize"`
		Run      inspectedUse `json:"run"`
	} `json:"use"`
}

type inspectedKey struct {
	Type   string `json:"type"`             // of a list's elements, where it is a list
	Length *int   `json:"length,omitempty"` // of a list
	Value  any    `json:"value"`            // null for a long list
}

type inspectedTensor struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Dims   []int  `json:"dims"`  // the fastest-running one first
	Bytes  *int   `json:"bytes"` // null where the type's size is unknown
	Offset int64  `json:"offset"`
}

type inspectedUse struct {
	Possible bool   `json:"possible"`
	Reason   string `json:"reason,omitempty"` // why not
}

// maxListed is how long a list may be to be printed.
const maxListed = 64

func printInspection(w io.Writer, name string, f *gguf.File, u use) error {
	all := inspection{
		File: name, Version: f.Version(), Alignment: f.Alignment(), Size: f.Size(),
		Metadata: map[string]inspectedKey{}, Tensors: []inspectedTensor{},
	}
	for _, key := range f.Keys() {
		value, _ := f.Value(key)
		entry := inspectedKey{Type: value.ElemType().String(), Value: plainValue(value)}
		if value.Type() == gguf.Array {
			n := value.Len()
			entry.Length = &n
		}
		all.Metadata[key] = entry
	}
	for _, t := range f.Tensors() {
		entry := inspectedTensor{Name: t.Name, Type: t.Type.String(), Dims: append([]int{}, t.Dims...), Offset: t.Offset}
		if t.Data != nil {
			n := len(t.Data)
			entry.Bytes = &n
		}
		all.Tensors = append(all.Tensors, entry)
	}
	possible := func(err error) inspectedUse {
		if err != nil {
			return inspectedUse{Reason: err.Error()}
		}
		return inspectedUse{Possible: true}
	}
	all.Use.Tokenize, all.Use.Run = possible(u.tokenize), possible(u.run)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(all); err != nil {
		return fmt.Errorf("writing standard output: %w", err)
	}
	return nil
}

// plainValue returns a value as what JSON has for it. Numbers are written as
// they are told to people, and those that JSON does not have as text.
func plainValue(v gguf.Value) any {
	switch v.Type() {
	case gguf.String:
		text, err := v.Text()
		if errors.Is(err, gguf.ErrType) {
			return v.String() // in quotes, with escapes for what is not UTF-8
		}
		return text
	case gguf.Bool:
		truth, _ := v.Bool()
		return truth
	case gguf.Array:
		if v.Len() > maxListed {
			return nil
		}
		list := []any{}
		for _, element := range v.Values() {
			list = append(list, plainValue(element))
		}
		return list
	}
	text := v.String()
	if _, err := strconv.ParseFloat(text, 64); err != nil || !json.Valid([]byte(text)) {
		return text
	}
	return json.Number(text)
}
