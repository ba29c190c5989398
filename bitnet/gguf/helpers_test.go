package gguf

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"unicode/utf8"
)

// raw builds a file by hand, field by field, so that tests do not have to trust
// the Writer and can build what it refuses.
type raw []byte

func (r raw) u8(v uint8) raw     { return append(r, v) }
func (r raw) u32(v uint32) raw   { return binary.LittleEndian.AppendUint32(r, v) }
func (r raw) u64(v uint64) raw   { return binary.LittleEndian.AppendUint64(r, v) }
func (r raw) f32(v float32) raw  { return r.u32(math.Float32bits(v)) }
func (r raw) f64(v float64) raw  { return r.u64(math.Float64bits(v)) }
func (r raw) str(s string) raw   { return append(r.u64(uint64(len(s))), s...) }
func (r raw) bytes(s string) raw { return append(r, s...) }

// header begins a file.
func header(version uint32, tensors, keys uint64) raw {
	return raw("GGUF").u32(version).u64(tensors).u64(keys)
}

// key begins a metadata value.
func (r raw) key(name string, t ValueType) raw { return r.str(name).u32(uint32(t)) }

// tensor adds a tensor's description.
func (r raw) tensor(name string, t TensorType, offset uint64, dims ...uint64) raw {
	r = r.str(name).u32(uint32(len(dims)))
	for _, d := range dims {
		r = r.u64(d)
	}
	return r.u32(uint32(t)).u64(offset)
}

// zeros adds n zero bytes.
func (r raw) zeros(n int) raw { return append(r, make([]byte, n)...) }

// pad adds zero bytes up to a multiple of n.
func (r raw) pad(n int) raw {
	for len(r)%n != 0 {
		r = append(r, 0)
	}
	return r
}

// native turns a value into the Go value that Set takes, except that a nested
// array becomes a []any.
func native(t *testing.T, v Value) any {
	t.Helper()
	switch v.Type() {
	case Uint8, Uint16, Uint32, Uint64:
		u, err := v.Uint()
		if err != nil {
			t.Fatal(err)
		}
		switch v.Type() {
		case Uint8:
			return uint8(u)
		case Uint16:
			return uint16(u)
		case Uint32:
			return uint32(u)
		}
		return u
	case Int8, Int16, Int32, Int64:
		i, err := v.Int()
		if err != nil {
			t.Fatal(err)
		}
		switch v.Type() {
		case Int8:
			return int8(i)
		case Int16:
			return int16(i)
		case Int32:
			return int32(i)
		}
		return i
	case Float32, Float64:
		x, err := v.Float()
		if err != nil {
			t.Fatal(err)
		}
		if v.Type() == Float32 {
			return float32(x)
		}
		return x
	case Bool:
		b, err := v.Bool()
		if err != nil {
			t.Fatal(err)
		}
		return b
	case String:
		s, err := v.Text()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	switch v.ElemType() {
	case Uint8:
		return collect[uint8](t, v)
	case Int8:
		return collect[int8](t, v)
	case Uint16:
		return collect[uint16](t, v)
	case Int16:
		return collect[int16](t, v)
	case Uint32:
		return collect[uint32](t, v)
	case Int32:
		return collect[int32](t, v)
	case Uint64:
		return collect[uint64](t, v)
	case Int64:
		return collect[int64](t, v)
	case Float32:
		return collect[float32](t, v)
	case Float64:
		return collect[float64](t, v)
	case Bool:
		return collect[bool](t, v)
	case String:
		return collect[string](t, v)
	}
	return collect[any](t, v)
}

func collect[T any](t *testing.T, v Value) []T {
	t.Helper()
	list := []T{}
	for i, element := range v.Values() {
		if i != len(list) {
			t.Fatalf("index %d after %d elements", i, len(list))
		}
		list = append(list, native(t, element).(T))
	}
	if len(list) != v.Len() {
		t.Fatalf("%d elements where Len is %d", len(list), v.Len())
	}
	return list
}

// checkFile calls every accessor of a file and checks what must hold of any
// file that was parsed, however damaged.
func checkFile(t *testing.T, data []byte, f *File) {
	t.Helper()
	if f.Size() != int64(len(data)) {
		t.Fatalf("Size is %d for %d bytes", f.Size(), len(data))
	}
	if v := f.Version(); v != 2 && v != 3 {
		t.Fatalf("version %d was accepted", v)
	}
	if a := f.Alignment(); a < 8 || a&(a-1) != 0 {
		t.Fatalf("alignment %d was accepted", a)
	}
	for _, key := range f.Keys() {
		v, ok := f.Value(key)
		if !ok {
			t.Fatalf("key %q has no value", key)
		}
		if !utf8.ValidString(key) {
			t.Fatalf("key %q was accepted", key)
		}
		checkValue(t, v)
		_, errUint := f.Uint(key)
		_, errFloat := f.Float(key)
		_, errBool := f.Bool(key)
		_, errText := f.Text(key)
		_, errArray := f.Array(key, v.ElemType())
		for _, err := range []error{errUint, errFloat, errBool, errText, errArray} {
			var keyError *KeyError
			if err != nil && (!errors.Is(err, ErrType) || !errors.As(err, &keyError) || keyError.Key != key) {
				t.Fatalf("key %q: error %v is not an ErrType that names the key", key, err)
			}
		}
		if isArray := v.Type() == Array; isArray != (errArray == nil) {
			t.Fatalf("key %q: Array gives %v for a value of type %v", key, errArray, v.Type())
		}
	}
	tensors := f.Tensors()
	for i, a := range tensors {
		if got, ok := f.Tensor(a.Name); !ok || got.Offset != a.Offset {
			t.Fatalf("tensor %q is not found by its name", a.Name)
		}
		if len(a.Dims) > 4 || a.Elements() < 1 {
			t.Fatalf("tensor %q with dimensions %v was accepted", a.Name, a.Dims)
		}
		if a.Offset%int64(f.Alignment()) != 0 || a.Offset+int64(len(a.Data)) > f.Size() {
			t.Fatalf("tensor %q at %d with %d bytes was accepted", a.Name, a.Offset, len(a.Data))
		}
		if len(a.Data) > 0 && &a.Data[0] != &data[a.Offset] {
			t.Fatalf("tensor %q: Data is not at Offset", a.Name)
		}
		if cap(a.Data) != len(a.Data) {
			t.Fatalf("tensor %q: appending to Data would write into the file", a.Name)
		}
		_ = a.Type.String()
		if i >= 64 {
			continue // pairs are too many
		}
		for _, b := range tensors[:i] {
			if a.Offset < b.Offset+int64(len(b.Data)) && b.Offset < a.Offset+int64(len(a.Data)) {
				t.Fatalf("tensors %q and %q overlap", a.Name, b.Name)
			}
		}
	}
}

func checkValue(t *testing.T, v Value) {
	t.Helper()
	if len(v.String()) > 4096 {
		t.Fatalf("String has %d bytes", len(v.String()))
	}
	counts := map[string]int{}
	for range v.Strings() {
		counts["strings"]++
	}
	for range v.Ints() {
		counts["ints"]++
	}
	for range v.Uints() {
		counts["uints"]++
	}
	for range v.Floats() {
		counts["floats"]++
	}
	n := 0
	for _, element := range v.Values() {
		if element.Type() != v.ElemType() {
			t.Fatalf("an element of type %v in an array of %v", element.Type(), v.ElemType())
		}
		if element.Type() == Array {
			checkValue(t, element)
		}
		n++
	}
	want := map[string]int{}
	if v.Type() == Array && v.Len() > 0 {
		switch v.ElemType() {
		case String:
			want["strings"] = v.Len()
		case Uint8, Uint16, Uint32:
			want["ints"], want["uints"] = v.Len(), v.Len()
		case Int8, Int16, Int32, Int64:
			want["ints"] = v.Len()
		case Uint64:
			want["uints"] = v.Len()
		case Float32, Float64:
			want["floats"] = v.Len()
		}
	}
	if v.Type() == Array && n != v.Len() {
		t.Fatalf("Values yields %d elements where Len is %d", n, v.Len())
	}
	if len(counts) != len(want) {
		t.Fatalf("array of %d %v yields %v, want %v", v.Len(), v.ElemType(), counts, want)
	}
	for name, count := range want {
		if counts[name] != count {
			t.Fatalf("array of %d %v yields %v, want %v", v.Len(), v.ElemType(), counts, want)
		}
	}
}
