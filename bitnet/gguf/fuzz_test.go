package gguf

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzParse parses any bytes, calls every accessor of what parses, and checks
// that a copy made with the Writer says the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(fixture()))
	f.Add([]byte(header(2, 0, 0)))
	f.Add([]byte(header(3, 1, 1).key(AlignmentKey, Uint32).u32(64).tensor("x", I8, 64, 3).pad(64).zeros(64).bytes("abc")))
	f.Add([]byte(header(3, 2, 0).tensor("a", 250, 0, 5, 3).tensor("b", Q4_0, 32, 32).pad(32).zeros(64)))
	f.Add([]byte(header(3, 0, 1).key("k", Array).u32(9).u64(1).u32(9).u64(1).u32(8).u64(1).str("x")))
	f.Add([]byte(header(3, 0, 1).key("k", Array).u32(8).u64(2).str("a").u64(1 << 63)))
	f.Add([]byte(header(3, 1<<63, 1<<63)))
	f.Add([]byte(header(3, 0, 2).key(keyPart, Uint16).u8(0).u8(0).key(keyParts, Uint16).u8(2).u8(0)))
	f.Add([]byte(header(3, 0, 2).key(keyPart, Uint8).u8(9).key(keyParts, Uint8).u8(2)))
	f.Add([]byte(header(3, 0, 1).key(keyParts, String).str("2")))
	f.Add([]byte("<!DOCTYPE html>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			var format *FormatError
			if !errors.Is(err, ErrFormat) || !errors.As(err, &format) {
				t.Fatalf("error %v is no FormatError", err)
			}
			if format.Offset < 0 || format.Offset > int64(len(data)) || format.Field == "" || format.Reason == "" {
				t.Fatalf("error %#v", format)
			}
			return
		}
		checkFile(t, data, file)

		if v, ok := file.Value(AlignmentKey); ok && v.Type() != Uint32 {
			return // read, but not written
		}
		for _, x := range file.Tensors() {
			if x.Data == nil {
				return // of unknown size
			}
		}
		copied := copyFile(t, file)
		again, err := Parse(copied)
		if err != nil {
			t.Fatalf("the copy: %v", err)
		}
		checkFile(t, copied, again)
		for i, key := range file.Keys() {
			a, _ := file.Value(key)
			b, _ := again.Value(key)
			if again.Keys()[i] != key || a.Type() != b.Type() || a.ElemType() != b.ElemType() || a.Len() != b.Len() || a.String() != b.String() {
				t.Fatalf("key %q is %v, in the copy %v", key, a, b)
			}
		}
		for i, a := range file.Tensors() {
			if b := again.Tensors()[i]; a.Name != b.Name || a.Type != b.Type || !bytes.Equal(a.Data, b.Data) {
				t.Fatalf("tensor %q differs in the copy", a.Name)
			}
		}
		if twice := copyFile(t, again); !bytes.Equal(copied, twice) {
			t.Fatal("the copy of the copy differs")
		}
	})
}
