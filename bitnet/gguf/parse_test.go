package gguf

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fixture is a file put together by hand from the format's description: every
// value type, an array of each kind, tensors of three types.
func fixture() raw {
	r := raw("GGUF").u32(3).u64(3).u64(18)
	r = r.str("general.architecture").u32(8).str("bitnet-b1.58")
	r = r.str("u8").u32(0).u8(200)
	r = r.str("i8").u32(1).u8(0xff)
	r = r.str("u16").u32(2).bytes("\x01\x80")
	r = r.str("i16").u32(3).bytes("\xfe\xff")
	r = r.str("u32").u32(4).u32(4_000_000_000)
	r = r.str("i32").u32(5).u32(0xfffffffd)
	r = r.str("f32").u32(6).f32(1e-5)
	r = r.str("bool").u32(7).u8(1)
	r = r.str("u64").u32(10).u64(math.MaxUint64)
	r = r.str("i64").u32(11).u64(1 << 63)
	r = r.str("f64").u32(12).f64(-0.1)
	r = r.str("strings").u32(9).u32(8).u64(3).str("Ġ").str("").str("\xff")
	r = r.str("ints").u32(9).u32(5).u64(2).u32(7).u32(0xffffffff)
	r = r.str("floats").u32(9).u32(6).u64(2).f32(0.5).f32(-2)
	r = r.str("bools").u32(9).u32(7).u64(3).u8(1).u8(0).u8(1)
	r = r.str("nested").u32(9).u32(9).u64(2)
	r = r.u32(0).u64(2).u8(1).u8(2) // [1, 2] of uint8
	r = r.u32(8).u64(1).str("x")    // ["x"]
	r = r.str("empty").u32(9).u32(8).u64(0)

	r = r.str("norm").u32(1).u64(2).u32(0).u64(0)                  // float32 [2]: 8 bytes at 0
	r = r.str("weights").u32(2).u64(64).u64(2).u32(36).u64(32)     // I2_S [64 2]: 32+32 bytes at 32
	r = r.str("embedding").u32(2).u64(3).u64(5).u32(1).u64(32 * 3) // float16 [3 5]: 30 bytes at 96
	r = r.pad(32)
	r = r.f32(1).f32(2).pad(32)
	r = r.bytes(strings.Repeat("\x1b", 32)).f32(0.25).zeros(28)
	r = r.bytes("abcdefghijklmnopqrstuvwxyz1234").pad(32)
	return r
}

func TestParseFixture(t *testing.T) {
	for _, version := range []byte{2, 3} {
		data := fixture()
		data[4] = version
		f, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		checkParsedFixture(t, data, f, uint32(version))
	}
}

func checkParsedFixture(t *testing.T, data []byte, f *File, version uint32) {
	t.Helper()
	if f.Version() != version || f.Alignment() != 32 || f.Size() != int64(len(data)) {
		t.Errorf("version %d, alignment %d, size %d", f.Version(), f.Alignment(), f.Size())
	}
	want := []struct {
		key   string
		value any
		text  string
	}{
		{"general.architecture", "bitnet-b1.58", `"bitnet-b1.58"`},
		{"u8", uint8(200), "200"},
		{"i8", int8(-1), "-1"},
		{"u16", uint16(0x8001), "32769"},
		{"i16", int16(-2), "-2"},
		{"u32", uint32(4_000_000_000), "4000000000"},
		{"i32", int32(-3), "-3"},
		{"f32", float32(1e-5), "1e-05"},
		{"bool", true, "true"},
		{"u64", uint64(math.MaxUint64), "18446744073709551615"},
		{"i64", int64(math.MinInt64), "-9223372036854775808"},
		{"f64", -0.1, "-0.1"},
		{"strings", nil, `["Ġ", "", "\xff"]`}, // not all valid UTF-8, see below
		{"ints", []int32{7, -1}, "[7, -1]"},
		{"floats", []float32{0.5, -2}, "[0.5, -2]"},
		{"bools", []bool{true, false, true}, "[true, false, true]"},
		{"nested", []any{[]uint8{1, 2}, []string{"x"}}, `[[1, 2], ["x"]]`},
		{"empty", []string{}, "[]"},
	}
	var keys []string
	for _, w := range want {
		keys = append(keys, w.key)
		v, ok := f.Value(w.key)
		if !ok {
			t.Errorf("no key %q", w.key)
			continue
		}
		if w.value != nil {
			if diff := cmp.Diff(w.value, native(t, v)); diff != "" {
				t.Errorf("key %q (-want +got):\n%s", w.key, diff)
			}
		}
		if v.String() != w.text {
			t.Errorf("key %q: String is %s, want %s", w.key, v, w.text)
		}
	}
	if diff := cmp.Diff(keys, f.Keys()); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	v, _ := f.Value("strings")
	var texts []string
	for _, b := range v.Strings() {
		texts = append(texts, string(b))
	}
	if diff := cmp.Diff([]string{"Ġ", "", "\xff"}, texts); diff != "" {
		t.Errorf("Strings (-want +got):\n%s", diff)
	}

	dataStart := int64(len(data) - 32*4)
	wantTensors := []Tensor{
		{"norm", []int{2}, F32, dataStart, data[dataStart:][:8]},
		{"weights", []int{64, 2}, I2S, dataStart + 32, data[dataStart+32:][:64]},
		{"embedding", []int{3, 5}, F16, dataStart + 96, []byte("abcdefghijklmnopqrstuvwxyz1234")},
	}
	if diff := cmp.Diff(wantTensors, f.Tensors()); diff != "" {
		t.Errorf("tensors (-want +got):\n%s", diff)
	}
	if e, _ := f.Tensor("embedding"); e.Elements() != 15 {
		t.Errorf("embedding has %d elements, want 15", e.Elements())
	}
	if _, ok := f.Tensor("other"); ok {
		t.Error("a tensor that is not there was found")
	}
	checkFile(t, data, f)
}

func TestAlignment(t *testing.T) {
	r := header(3, 1, 1).key("general.alignment", Uint32).u32(64).tensor("x", I8, 64, 3).pad(64).zeros(64).bytes("abc")
	f, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	x, _ := f.Tensor("x")
	if f.Alignment() != 64 || string(x.Data) != "abc" {
		t.Errorf("alignment %d, data %q", f.Alignment(), x.Data)
	}
}

// A tensor of a type whose size nobody knows is listed, without data, and the
// tensors around it are read.
func TestUnknownTensorType(t *testing.T) {
	r := header(3, 3, 0).tensor("a", I8, 0, 1).tensor("b", 250, 32, 5, 3).tensor("c", I8, 96, 2).pad(32)
	r = r.bytes("a").pad(32).zeros(64).bytes("cc")
	f, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := f.Tensor("b")
	c, _ := f.Tensor("c")
	if b.Data != nil || b.Type.String() != "type 250" || b.Elements() != 15 || string(c.Data) != "cc" {
		t.Errorf("b is %+v, c is %+v", b, c)
	}
}

// A file that holds metadata alone, such as a vocabulary, may end with it.
func TestNoTensors(t *testing.T) {
	r := header(3, 0, 1).key("k", Uint8).u8(1)
	f, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.Uint("k"); n != 1 || err != nil {
		t.Errorf("k is %d, %v", n, err)
	}
}

func TestHostileFiles(t *testing.T) {
	const huge = 1 << 63
	one := header(3, 1, 0) // one tensor follows
	key := header(3, 0, 1) // one key follows
	nested := func(depth int) raw {
		r := key.key("k", Array)
		for range depth - 1 {
			r = r.u32(uint32(Array)).u64(1)
		}
		return r.u32(uint32(Uint8)).u64(1).u8(0)
	}
	tests := []struct {
		name   string
		data   raw
		field  string // of the error
		offset int64
		reason string // part of the error
	}{
		{"nothing", nil, "magic", 0, "cut off"},
		{"other magic", raw("GGML").zeros(100), "magic", 0, "not a GGUF file"},
		{"version 0", header(0, 0, 0), "version", 4, "is 0"},
		{"version 1", header(1, 0, 0), "version", 4, "convert the model to version 3"},
		{"version 4", header(4, 0, 0), "version", 4, "versions 2 to 3"},
		{"big-endian", raw("GGUF").bytes("\x00\x00\x00\x03").zeros(16), "version", 4, "big-endian"},
		{"2^63 tensors", header(3, huge, 0), "tensor count", 8, "at most"},
		{"2^63 keys", header(3, 0, huge), "key count", 16, "at most"},
		{"most tensors", header(3, maxTensors, 0), "header", 0, "cannot hold"},
		{"most keys", header(3, 0, maxKeys), "header", 0, "cannot hold"},
		{"more keys than bytes", header(3, 0, 2).key("k", Uint8).u8(0), "header", 0, "cannot hold"},

		{"key of 2^63 bytes", key.u64(huge).zeros(8), "name of key 0", 24, "claims a length"},
		{"key of 2^64-1 bytes", key.u64(math.MaxUint64).zeros(8), "name of key 0", 24, "claims a length"},
		{"empty key", key.key("", Uint8).u8(0), "name of key 0", 24, "empty"},
		{"long key", key.key(strings.Repeat("k", maxNameBytes+1), Uint8).u8(0), "name of key 0", 24, "at most"},
		{"key not UTF-8", key.key("a\xff", Uint8).u8(0), "name of key 0", 24, "UTF-8"},
		{"key twice", header(3, 0, 2).key("k", Uint8).u8(0).key("k", Uint8).u8(0), `key "k"`, 38, "twice"},
		{"value type 13", key.key("k", 13).zeros(8), `key "k"`, 37, "value type 13"},
		{"value type 2^32-1", key.key("k", math.MaxUint32).zeros(8), `key "k"`, 37, "value type 4294967295"},
		{"bool 2", key.key("k", Bool).u8(2), `key "k"`, 37, "bool of value 2"},
		{"cut-off number", key.key("k", Uint64).u32(0), `key "k"`, 37, "cut off"},
		{"string of 2^63 bytes", key.key("k", String).u64(huge), `key "k"`, 37, "claims a length"},
		{"array of type 13", key.key("k", Array).u32(13).u64(0), `key "k"`, 37, "array of value type 13"},
		{"2^63 numbers", key.key("k", Array).u32(uint32(Uint64)).u64(huge), `key "k"`, 41, "claims a length"},
		{"2^61 numbers of 8 bytes", key.key("k", Array).u32(uint32(Uint64)).u64(1 << 61), `key "k"`, 41, "claims a length"},
		{"2^63 strings", key.key("k", Array).u32(uint32(String)).u64(huge), `key "k"`, 41, "claims a length"},
		{"2^63 arrays", key.key("k", Array).u32(uint32(Array)).u64(huge), `key "k"`, 41, "claims a length"},
		{"string of 2^63 bytes in an array", key.key("k", Array).u32(uint32(String)).u64(2).str("a").u64(huge), `key "k"`, 58, "element 1"},
		{"cut-off string in an array", key.key("k", Array).u32(uint32(String)).u64(2).str("abcdef").zeros(7), `key "k"`, 63, "element 1"},
		{"bool 3 in an array", key.key("k", Array).u32(uint32(Bool)).u64(2).u8(1).u8(3), `key "k"`, 50, "bool of value 3"},
		{"arrays too deep", nested(maxArrayDepth + 1), `key "k"`, 85, "deep"},
		{"arrays far too deep", nested(1 << 16), `key "k"`, 85, "deep"},

		{"alignment 0", key.key(AlignmentKey, Uint32).u32(0), `key "general.alignment"`, 53, "power of two"},
		{"alignment 48", key.key(AlignmentKey, Uint32).u32(48), `key "general.alignment"`, 53, "power of two"},
		{"alignment 2^31", key.key(AlignmentKey, Uint32).u32(1 << 31), `key "general.alignment"`, 53, "power of two"},
		{"alignment 2^63", key.key(AlignmentKey, Uint64).u64(huge), `key "general.alignment"`, 53, "power of two"},
		{"alignment -32", key.key(AlignmentKey, Int32).u32(-32 & math.MaxUint32), `key "general.alignment"`, 53, "non-negative"},
		{"alignment of type string", key.key(AlignmentKey, String).str("32"), `key "general.alignment"`, 53, "type string"},

		{"cut-off tensor", one.str("a tensor of the name").u32(2).u64(5).u32(5), `tensor "a tensor of the name"`, 64, "cut off"},
		{"tensor name of 2^63 bytes", one.u64(huge).zeros(16), "name of tensor 0", 24, "claims a length"},
		{"empty tensor name", one.tensor("", I8, 0, 1).zeros(64), "name of tensor 0", 24, "empty"},
		{"tensor name not UTF-8", one.tensor("\xc0\x80", I8, 0, 1).zeros(64), "name of tensor 0", 24, "UTF-8"},
		{"tensor twice", header(3, 2, 0).tensor("t", I8, 0, 1).tensor("t", I8, 32, 1).zeros(128), `tensor "t"`, 57, "twice"},
		{"5 dimensions", one.tensor("t", I8, 0, 1, 1, 1, 1, 1).zeros(64), `tensor "t"`, 24, "5 dimensions"},
		{"2^32-1 dimensions", one.str("t").u32(math.MaxUint32).zeros(64), `tensor "t"`, 24, "4294967295 dimensions"},
		{"dimension 0", one.tensor("t", I8, 0, 4, 0).zeros(64), `tensor "t"`, 24, "has 0 as dimension 1"},
		{"dimension 2^63", one.tensor("t", I8, 0, huge).zeros(64), `tensor "t"`, 24, "as dimension 0"},
		{"product 2^64", one.tensor("t", I8, 0, 1<<30, 1<<30, 16).zeros(64), `tensor "t"`, 24, "product"},
		{"product 2^120", one.tensor("t", I8, 0, 1<<30, 1<<30, 1<<30, 1<<30).zeros(64), `tensor "t"`, 24, "product"},
		{"product 2^64 of unknown type", one.tensor("t", 999, 0, 1<<30, 1<<30, 16).zeros(64), `tensor "t"`, 24, "product"},
		{"2^63 bytes", one.tensor("t", F32, 0, 1<<30, 1<<30, 2).zeros(64), `tensor "t"`, 24, "64-bit"},
		{"2^62 weights", one.tensor("t", I2S, 0, 1<<30, 1<<30, 4).zeros(64), `tensor "t"`, 24, "for all tensors"},
		{"100 weights", one.tensor("t", I2S, 0, 50, 2).zeros(128), `tensor "t"`, 24, "multiple of 128"},
		{"half a block", one.tensor("t", Q4_0, 0, 16, 2).zeros(128), `tensor "t"`, 24, "multiple of 32"},
		{"offset 2^63", one.tensor("t", I8, huge, 1).zeros(64), `tensor "t"`, 24, "above the largest"},
		{"offset 2^63-32", one.tensor("t", I8, huge-32, 1).zeros(64), `tensor "t"`, 24, "for all tensors"},
		{"offset at the end", one.tensor("t", I8, 64, 1).pad(32).zeros(64), `tensor "t"`, 24, "for all tensors"},
		{"end beyond the end", one.tensor("t", I8, 32, 33).pad(32).zeros(64), `tensor "t"`, 24, "for all tensors"},
		{"unknown type at the end", one.tensor("t", 999, 64, 1).pad(32).zeros(64), `tensor "t"`, 24, "for all tensors"},
		{"no data at all", one.tensor("t", I8, 0, 1), `tensor "t"`, 24, "for all tensors"},
		{"misaligned", one.tensor("t", I8, 16, 1).zeros(128), `tensor "t"`, 24, "alignment"},
		{"overlap", header(3, 2, 0).tensor("a", I8, 32, 32).tensor("b", I8, 0, 33).pad(32).zeros(64), `tensor "a"`, 24, `overlaps tensor "b"`},
		{"same place", header(3, 2, 0).tensor("a", I8, 0, 1).tensor("b", I8, 0, 1).pad(32).zeros(64), `tensor "b"`, 57, `overlaps tensor "a"`},
		{"same place, unknown types", header(3, 2, 0).tensor("a", 999, 0, 1).tensor("b", 999, 0, 1).pad(32).zeros(64), `tensor "b"`, 57, `overlaps tensor "a"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Parse(test.data)
			runtime.ReadMemStats(&after)
			if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(1<<16+16*len(test.data)); got > limit {
				t.Errorf("allocates %d bytes for a file of %d", got, len(test.data))
			}
			var format *FormatError
			if !errors.Is(err, ErrFormat) || !errors.As(err, &format) {
				t.Fatalf("error is %v, want a FormatError", err)
			}
			if format.Field != test.field || format.Offset != test.offset || !strings.Contains(format.Reason, test.reason) {
				t.Errorf("error is %q, want field %q, offset %d, reason %q", err, test.field, test.offset, test.reason)
			}
			if strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("error %q has more than one line", err)
			}
		})
	}
}

// What the limits allow is read.
func TestLimitsAreReached(t *testing.T) {
	const depth = maxArrayDepth
	r := header(3, 1, 2).key(strings.Repeat("k", maxNameBytes), Uint8).u8(0).key("a", Array)
	for range depth - 1 {
		r = r.u32(uint32(Array)).u64(1)
	}
	r = r.u32(uint32(Uint8)).u64(1).u8(9).tensor("t", I8, 0, 1, 1, 1, 1).pad(32).u8(7)
	f, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	v, _ := f.Value("a")
	if v.String() != "[[[[9]]]]" {
		t.Errorf("value is %v", v)
	}
}

func TestTruncation(t *testing.T) {
	data := fixture()
	end := len(data) - 2 // the last tensor ends with two bytes of padding
	for n := range data {
		f, err := Parse(data[:n])
		if n < end && !errors.Is(err, ErrFormat) {
			t.Errorf("%d of %d bytes: error is %v", n, len(data), err)
		}
		if n >= end {
			if err != nil {
				t.Errorf("without padding: %v", err)
				continue
			}
			checkFile(t, data[:n], f)
		}
	}
}

func TestBitFlips(t *testing.T) {
	original := fixture()
	data := bytes.Clone(original)
	parsed := 0
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			f, err := Parse(data)
			if err == nil {
				checkFile(t, data, f)
				parsed++
			} else if !errors.Is(err, ErrFormat) {
				t.Errorf("byte %d, bit %d: error %v is no FormatError", i, bit, err)
			}
			data[i] = original[i]
		}
	}
	// Flips in numbers, texts and tensor data go unseen; those in lengths,
	// types and offsets must not.
	if all := 8 * len(data); parsed < all/4 || parsed > all*9/10 {
		t.Errorf("%d of %d damaged files were parsed", parsed, all)
	}
}

func TestKeyErrors(t *testing.T) {
	f, err := Parse(fixture())
	if err != nil {
		t.Fatal(err)
	}
	uintOf := func(key string) error { _, err := f.Uint(key); return err }
	intOf := func(key string) error { v, _ := f.Value(key); _, err := v.Int(); return err }
	floatOf := func(key string) error { _, err := f.Float(key); return err }
	boolOf := func(key string) error { _, err := f.Bool(key); return err }
	textOf := func(key string) error { _, err := f.Text(key); return err }
	arrayOf := func(types ...ValueType) func(string) error {
		return func(key string) error { _, err := f.Array(key, types...); return err }
	}
	tests := []struct {
		name string
		get  func(key string) error
		key  string
		want error
		text string
	}{
		{"uint", uintOf, "u64", nil, ""},
		{"uint", uintOf, "u8", nil, ""},
		{"uint", uintOf, "nothing", ErrMissing, `key "nothing": is not in the file's metadata`},
		{"uint", uintOf, "i64", ErrType, `key "i64": is -9223372036854775808 where a non-negative integer is needed`},
		{"uint", uintOf, "f32", ErrType, `key "f32": is of type float32 where a non-negative integer is needed`},
		{"uint", uintOf, "bool", ErrType, `key "bool": is of type bool where a non-negative integer is needed`},
		{"uint", uintOf, "ints", ErrType, `key "ints": is of type array of 2 int32 where a non-negative integer is needed`},
		{"int", intOf, "i64", nil, ""},
		{"int", intOf, "u32", nil, ""},
		{"int", intOf, "u64", ErrType, `key "u64": is 18446744073709551615, above the largest signed 64-bit integer`},
		{"int", intOf, "general.architecture", ErrType, `key "general.architecture": is of type string where an integer is needed`},
		{"float", floatOf, "f32", nil, ""},
		{"float", floatOf, "f64", nil, ""},
		{"float", floatOf, "nothing", ErrMissing, `key "nothing": is not in the file's metadata`},
		{"float", floatOf, "u8", ErrType, `key "u8": is of type uint8 where a floating-point number is needed`},
		{"bool", boolOf, "bool", nil, ""},
		{"bool", boolOf, "nothing", ErrMissing, `key "nothing": is not in the file's metadata`},
		{"bool", boolOf, "u8", ErrType, `key "u8": is of type uint8 where a bool is needed`},
		{"text", textOf, "general.architecture", nil, ""},
		{"text", textOf, "nothing", ErrMissing, `key "nothing": is not in the file's metadata`},
		{"text", textOf, "strings", ErrType, `key "strings": is of type array of 3 string where a string is needed`},
		{"array", arrayOf(String), "strings", nil, ""},
		{"array", arrayOf(Uint32, Int32), "ints", nil, ""},
		{"array", arrayOf(String), "nothing", ErrMissing, `key "nothing": is not in the file's metadata`},
		{"array", arrayOf(Uint32, Uint64), "ints", ErrType, `key "ints": is of type array of 2 int32 where an array of uint32 or uint64 is needed`},
		{"array", arrayOf(Uint8), "u8", ErrType, `key "u8": is of type uint8 where an array of uint8 is needed`},
	}
	for _, test := range tests {
		err := test.get(test.key)
		if test.want == nil {
			if err != nil {
				t.Errorf("%s of %q: %v", test.name, test.key, err)
			}
			continue
		}
		if !errors.Is(err, test.want) || err.Error() != test.text {
			t.Errorf("%s of %q: error is %v, want %v", test.name, test.key, err, test.text)
		}
	}
	if errors.Is(uintOf("nothing"), ErrFormat) {
		t.Error("a missing key is a format error")
	}
}

func TestTextNotUTF8(t *testing.T) {
	f, err := Parse(header(3, 0, 1).key("k", String).str("a\xff"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Text("k"); !errors.Is(err, ErrType) || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("error is %v", err)
	}
	if v, _ := f.Value("k"); v.String() != `"a\xff"` {
		t.Errorf("String is %v", v)
	}
}

// The zero Value, which a caller has who does not look whether there was one,
// is no number and does no harm.
func TestZeroValue(t *testing.T) {
	var v Value
	if _, err := v.Uint(); err == nil {
		t.Error("Uint gives no error")
	}
	if _, err := v.Int(); err == nil {
		t.Error("Int gives no error")
	}
	checkValue(t, v)
}

func TestStringIsShort(t *testing.T) {
	long := strings.Repeat("é", 1000)
	f, err := Parse(header(3, 0, 2).key("t", String).str("x"+long).key("a", Array).u32(uint32(Uint8)).u64(1000).zeros(1000))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := f.Value("t")
	if want := `"x` + strings.Repeat("é", 31) + `"…`; text.String() != want {
		t.Errorf("String is %s, want %s", text, want)
	}
	array, _ := f.Value("a")
	if want := "[0, 0, 0, 0, …]"; array.String() != want {
		t.Errorf("String is %s, want %s", array, want)
	}
}

// A large vocabulary is located, not copied: opening and running over it
// allocates the same few times whatever its length.
func TestArraysAreLazy(t *testing.T) {
	build := func(n int) raw {
		r := header(3, 0, 1).key("tokens", Array).u32(uint32(String)).u64(uint64(n))
		for range n {
			r = r.str("token")
		}
		return r
	}
	allocations := func(data raw) float64 {
		return testing.AllocsPerRun(10, func() {
			f, err := Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			v, _ := f.Value("tokens")
			total := 0
			for _, b := range v.Strings() {
				total += len(b)
			}
			if total != 5*v.Len() {
				t.Fatalf("%d bytes in %d strings", total, v.Len())
			}
		})
	}
	// The runtime may allocate meanwhile, but not once for each string.
	few, many := allocations(build(10)), allocations(build(10_000))
	if many > few+10 {
		t.Errorf("%v allocations for 10 strings, %v for 10,000", few, many)
	}
}

// An iteration stops where the loop does.
func TestIterationStops(t *testing.T) {
	f, err := Parse(fixture())
	if err != nil {
		t.Fatal(err)
	}
	strings, _ := f.Value("strings")
	ints, _ := f.Value("ints")
	floats, _ := f.Value("floats")
	nested, _ := f.Value("nested")
	n := 0
	for range strings.Strings() {
		n++
		break
	}
	for range ints.Ints() {
		n++
		break
	}
	for range floats.Floats() {
		n++
		break
	}
	for _, v := range nested.Values() {
		for range v.Uints() {
			n++
			break
		}
		break
	}
	if n != 4 {
		t.Errorf("%d steps, want 4", n)
	}
}

// If a mapped file is overwritten while it is used, lengths inside arrays can
// change after they were checked. Iterating must stay within the array.
func TestArrayChangedAfterParsing(t *testing.T) {
	data := header(3, 0, 2).key("s", Array).u32(uint32(String)).u64(2).str("a").str("b")
	at := len(data) - 18 // the first string's length
	data = data.key("end", Uint8).u8(1)
	f, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	v, _ := f.Value("s")
	for _, length := range []byte{9, 10, 11, 255} {
		data[at] = length
		n := 0
		for _, b := range v.Strings() {
			if len(b) > 10 {
				t.Errorf("a string of %d bytes from an array of 18", len(b))
			}
			n++
		}
		if n > 1 {
			t.Errorf("length %d: %d strings", length, n)
		}
		for range v.Values() {
			n++
		}
		if n > 2 {
			t.Errorf("length %d: %d values", length, n)
		}
	}
}

func TestTensorTypeSizes(t *testing.T) {
	// Bytes of 512 elements, computed by hand from the fields of each block:
	// scales, minima and the bits of the elements.
	want := map[TensorType]int64{
		F32: 512 * 4, F16: 512 * 2, BF16: 512 * 2, F64: 512 * 8,
		I8: 512, I16: 512 * 2, I32: 512 * 4, I64: 512 * 8,
		Q4_0: 16 * (2 + 16), Q4_1: 16 * (2 + 2 + 16),
		Q5_0: 16 * (2 + 4 + 16), Q5_1: 16 * (2 + 2 + 4 + 16),
		Q8_0: 16 * (2 + 32), Q8_1: 16 * (2 + 2 + 32),
		Q2_K: 2 * (16 + 64 + 2 + 2), Q3_K: 2 * (32 + 64 + 12 + 2),
		Q4_K: 2 * (2 + 2 + 12 + 128), Q5_K: 2 * (2 + 2 + 12 + 32 + 128),
		Q6_K: 2 * (128 + 64 + 16 + 2), Q8_K: 2 * (4 + 256 + 16*2),
		IQ2_XXS: 2 * (2 + 64), IQ2_XS: 2 * (2 + 64 + 8), IQ2_S: 2 * (2 + 32 + 32 + 8 + 8),
		IQ3_XXS: 2 * (2 + 64 + 32), IQ3_S: 2 * (2 + 64 + 8 + 32 + 4),
		IQ1_S: 2 * (2 + 32 + 16), IQ1_M: 2 * (32 + 16 + 8),
		IQ4_NL: 16 * (2 + 16), IQ4_XS: 2 * (2 + 2 + 4 + 128),
		TQ1_0: 2 * (48 + 4 + 2), TQ2_0: 2 * (64 + 2),
		I2S:  512/4 + 32,
		Q2_0: 8 * (2 + 16), PQ2_0: 4 * (2 + 32), PTQ1_0: 4 * (24 + 2 + 2),
	}
	for typ := range TensorType(256) {
		size, known, reason := typ.size([]int{256, 2})
		wantSize, wantKnown := want[typ]
		if size != wantSize || known != wantKnown || reason != "" {
			t.Errorf("%v: size %d, known %v, reason %q; want %d, %v", typ, size, known, reason, wantSize, wantKnown)
		}
		if !wantKnown && !strings.Contains(typ.String(), "type ") {
			t.Errorf("type %d of unknown size is called %q, without its number", typ, typ)
		}
	}
}

// A vocabulary of the size of the published models: 128,256 tokens and 280,147
// merges.
func BenchmarkParse(b *testing.B) {
	r := header(3, 0, 2)
	for name, n := range map[string]int{"tokens": 128_256, "merges": 280_147} {
		r = r.key(name, Array).u32(uint32(String)).u64(uint64(n))
		for range n {
			r = r.str("Ġt oken")
		}
	}
	b.Run("Parse", func(b *testing.B) {
		for b.Loop() {
			if _, err := Parse(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	f, err := Parse(r)
	if err != nil {
		b.Fatal(err)
	}
	merges, _ := f.Value("merges")
	b.Run("Strings", func(b *testing.B) {
		for b.Loop() {
			total := 0
			for _, text := range merges.Strings() {
				total += len(text)
			}
			if total != merges.Len()*len("Ġt oken") {
				b.Fatal(total)
			}
		}
	})
}
