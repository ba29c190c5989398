package gguf

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A ValueType is the type of a metadata value or of an array's elements.
type ValueType uint32

// The value types, numbered as in the file.
const (
	Uint8   ValueType = 0
	Int8    ValueType = 1
	Uint16  ValueType = 2
	Int16   ValueType = 3
	Uint32  ValueType = 4
	Int32   ValueType = 5
	Float32 ValueType = 6
	Bool    ValueType = 7
	String  ValueType = 8
	Array   ValueType = 9
	Uint64  ValueType = 10
	Int64   ValueType = 11
	Float64 ValueType = 12
)

// valueTypes gives each type's name and how many bytes a value takes, 0 for
// those that say their length themselves.
var valueTypes = [...]struct {
	name  string
	bytes int
}{
	Uint8: {"uint8", 1}, Int8: {"int8", 1},
	Uint16: {"uint16", 2}, Int16: {"int16", 2},
	Uint32: {"uint32", 4}, Int32: {"int32", 4},
	Float32: {"float32", 4}, Bool: {"bool", 1},
	String: {"string", 0}, Array: {"array", 0},
	Uint64: {"uint64", 8}, Int64: {"int64", 8},
	Float64: {"float64", 8},
}

// String returns the type's name, such as "uint32".
func (t ValueType) String() string {
	if int64(t) < int64(len(valueTypes)) {
		return valueTypes[t].name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// A Value is one metadata value of a file: a number, a truth value, a text or
// an array of these. It is small, refers to the file's bytes, and may be used
// by several goroutines at once until the file is closed.
type Value struct {
	key      string
	start    int // where it begins in the file
	typ      ValueType
	elemType ValueType // of an array
	length   int       // elements of an array
	data     []byte    // the value as in the file, without an array's or string's length
}

// Type returns the value's type.
func (v Value) Type() ValueType { return v.typ }

// ElemType returns the type of an array's elements, and the value's own type
// if it is no array.
func (v Value) ElemType() ValueType {
	if v.typ == Array {
		return v.elemType
	}
	return v.typ
}

// Len returns how many elements an array has, and 1 if the value is no array.
func (v Value) Len() int {
	if v.typ == Array {
		return v.length
	}
	return 1
}

func (v Value) typeError(wanted string) error {
	found := v.typ.String()
	if v.typ == Array {
		found = fmt.Sprintf("array of %d %s", v.length, v.elemType)
	}
	return &KeyError{Key: v.key, Reason: fmt.Sprintf("is of type %s where %s is needed", found, wanted), Err: ErrType}
}

// Uint returns an integer of any width that is not negative.
func (v Value) Uint() (uint64, error) {
	if u, ok := decodeUint(v.typ, v.data); ok {
		return u, nil
	}
	i, err := v.Int()
	if err != nil {
		return 0, v.typeError("a non-negative integer")
	}
	if i < 0 {
		return 0, &KeyError{Key: v.key, Reason: fmt.Sprintf("is %d where a non-negative integer is needed", i), Err: ErrType}
	}
	return uint64(i), nil
}

// Int returns an integer of any width that fits into an int64.
func (v Value) Int() (int64, error) {
	if v.typ == Uint64 {
		u := binary.LittleEndian.Uint64(v.data)
		if u > math.MaxInt64 {
			return 0, &KeyError{Key: v.key, Reason: fmt.Sprintf("is %d, above the largest signed 64-bit integer", u), Err: ErrType}
		}
		return int64(u), nil
	}
	i, ok := decodeInt(v.typ, v.data)
	if !ok {
		return 0, v.typeError("an integer")
	}
	return i, nil
}

// Float returns a float32 or float64; it may be infinite or not a number.
func (v Value) Float() (float64, error) {
	x, ok := decodeFloat(v.typ, v.data)
	if !ok {
		return 0, v.typeError("a floating-point number")
	}
	return x, nil
}

// Bool returns a truth value.
func (v Value) Bool() (bool, error) {
	if v.typ != Bool || len(v.data) == 0 {
		return false, v.typeError("a bool")
	}
	return v.data[0] != 0, nil
}

// Text returns a copy of a string, which is valid UTF-8.
func (v Value) Text() (string, error) {
	if v.typ != String {
		return "", v.typeError("a string")
	}
	s := string(v.data)
	if !utf8.ValidString(s) {
		return "", &KeyError{Key: v.key, Reason: "is a string that is not valid UTF-8", Err: ErrType}
	}
	return s, nil
}

// Strings runs over the elements of an array of strings: their index and their
// bytes, which are a view into the file and may be any bytes, also invalid
// UTF-8. It allocates nothing. Of any other value it yields nothing;
// [File.Array] checks the type.
func (v Value) Strings() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		if v.typ != Array || v.elemType != String {
			return
		}
		rest := v.data
		// The lengths were checked when the file was parsed. They are checked
		// again because a mapped file may have been written to since.
		for i := range v.length {
			if len(rest) < 8 {
				return
			}
			n := binary.LittleEndian.Uint64(rest)
			rest = rest[8:]
			if n > uint64(len(rest)) {
				return
			}
			if !yield(i, rest[:n:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// Ints runs over the elements of an array of integers of any type but uint64,
// with their index. Of any other value it yields nothing.
func (v Value) Ints() iter.Seq2[int, int64] {
	return func(yield func(int, int64) bool) {
		if v.typ != Array {
			return
		}
		width := fixedSize(v.elemType)
		for i := range v.length {
			if x, ok := decodeInt(v.elemType, v.data[i*width:]); !ok || !yield(i, x) {
				return
			}
		}
	}
}

// Uints runs over the elements of an array of unsigned integers of any width,
// with their index. Of any other value it yields nothing.
func (v Value) Uints() iter.Seq2[int, uint64] {
	return func(yield func(int, uint64) bool) {
		if v.typ != Array {
			return
		}
		width := fixedSize(v.elemType)
		for i := range v.length {
			if x, ok := decodeUint(v.elemType, v.data[i*width:]); !ok || !yield(i, x) {
				return
			}
		}
	}
}

// Floats runs over the elements of an array of float32 or float64, with their
// index. Of any other value it yields nothing.
func (v Value) Floats() iter.Seq2[int, float64] {
	return func(yield func(int, float64) bool) {
		if v.typ != Array {
			return
		}
		width := fixedSize(v.elemType)
		for i := range v.length {
			if x, ok := decodeFloat(v.elemType, v.data[i*width:]); !ok || !yield(i, x) {
				return
			}
		}
	}
}

// Values runs over the elements of any array, with their index, each as a
// value of its own. It is the way into arrays of bools and of arrays. Of a value
// that is no array it yields nothing.
func (v Value) Values() iter.Seq2[int, Value] {
	return func(yield func(int, Value) bool) {
		if v.typ != Array {
			return
		}
		p := parser{data: v.data}
		for i := range v.length {
			element, err := p.value(v.elemType, v.key, 1)
			if err != nil || !yield(i, element) {
				return
			}
		}
	}
}

// String returns a short text for people: a number, a quoted text, an array's
// first elements. Long texts and arrays are cut, which "…" shows.
func (v Value) String() string {
	const (
		maxElements = 4
		maxBytes    = 64
	)
	switch v.typ {
	case Bool:
		return strconv.FormatBool(v.data[0] != 0)
	case Float32:
		return strconv.FormatFloat(float64(math.Float32frombits(binary.LittleEndian.Uint32(v.data))), 'g', -1, 32)
	case Float64:
		return strconv.FormatFloat(math.Float64frombits(binary.LittleEndian.Uint64(v.data)), 'g', -1, 64)
	case String:
		if len(v.data) <= maxBytes {
			return strconv.Quote(string(v.data))
		}
		cut := maxBytes
		for cut > maxBytes-utf8.UTFMax && !utf8.RuneStart(v.data[cut]) {
			cut--
		}
		return strconv.Quote(string(v.data[:cut])) + "…"
	case Array:
		var b strings.Builder
		b.WriteByte('[')
		for i, element := range v.Values() {
			if i > 0 {
				b.WriteString(", ")
			}
			if i == maxElements {
				b.WriteString("…")
				break
			}
			b.WriteString(element.String())
		}
		b.WriteByte(']')
		return b.String()
	default:
		if u, ok := decodeUint(v.typ, v.data); ok {
			return strconv.FormatUint(u, 10)
		}
		i, _ := decodeInt(v.typ, v.data)
		return strconv.FormatInt(i, 10)
	}
}

// fixedSize returns how many bytes a value takes, and 0 for strings, arrays and
// unknown types.
func fixedSize(t ValueType) int {
	if int64(t) < int64(len(valueTypes)) {
		return valueTypes[t].bytes
	}
	return 0
}

// decodeInt decodes the first value of data, and reports false if the type is
// no integer or may not fit.
func decodeInt(t ValueType, data []byte) (int64, bool) {
	if len(data) < fixedSize(t) {
		return 0, false
	}
	switch t {
	case Uint8:
		return int64(data[0]), true
	case Int8:
		return int64(int8(data[0])), true
	case Uint16:
		return int64(binary.LittleEndian.Uint16(data)), true
	case Int16:
		return int64(int16(binary.LittleEndian.Uint16(data))), true
	case Uint32:
		return int64(binary.LittleEndian.Uint32(data)), true
	case Int32:
		return int64(int32(binary.LittleEndian.Uint32(data))), true
	case Int64:
		return int64(binary.LittleEndian.Uint64(data)), true
	}
	return 0, false
}

// decodeUint decodes the first value of data, and reports false if the type is
// no unsigned integer.
func decodeUint(t ValueType, data []byte) (uint64, bool) {
	if len(data) < fixedSize(t) {
		return 0, false
	}
	switch t {
	case Uint8:
		return uint64(data[0]), true
	case Uint16:
		return uint64(binary.LittleEndian.Uint16(data)), true
	case Uint32:
		return uint64(binary.LittleEndian.Uint32(data)), true
	case Uint64:
		return binary.LittleEndian.Uint64(data), true
	}
	return 0, false
}

// decodeFloat decodes the first value of data, and reports false if the type is
// no floating-point type.
func decodeFloat(t ValueType, data []byte) (float64, bool) {
	if len(data) < fixedSize(t) {
		return 0, false
	}
	switch t {
	case Float32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(data))), true
	case Float64:
		return math.Float64frombits(binary.LittleEndian.Uint64(data)), true
	}
	return 0, false
}
