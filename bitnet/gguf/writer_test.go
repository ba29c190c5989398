package gguf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// writeBytes returns a function for AddTensor that writes b, in uneven pieces.
func writeBytes(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		for len(b) > 0 {
			n := min(len(b), 7)
			if _, err := w.Write(b[:n]); err != nil {
				return err
			}
			b = b[n:]
		}
		return nil
	}
}

// The Writer makes the file that was put together by hand, byte for byte.
func TestWriterMakesFixture(t *testing.T) {
	want := fixture()
	parsed, err := Parse(want)
	if err != nil {
		t.Fatal(err)
	}
	copied := func(key string) Value {
		v, _ := parsed.Value(key)
		return v
	}
	var out bytes.Buffer
	w := NewWriter(&out)
	set := func(key string, value any) {
		t.Helper()
		if err := w.Set(key, value); err != nil {
			t.Error(err)
		}
	}
	set("general.architecture", "bitnet-b1.58")
	set("u8", uint8(200))
	set("i8", int8(-1))
	set("u16", uint16(0x8001))
	set("i16", int16(-2))
	set("u32", uint32(4_000_000_000))
	set("i32", int32(-3))
	set("f32", float32(1e-5))
	set("bool", true)
	set("u64", uint64(math.MaxUint64))
	set("i64", int64(math.MinInt64))
	set("f64", -0.1)
	set("strings", copied("strings")) // with bytes that are not UTF-8
	set("ints", []int32{7, -1})
	set("floats", []float32{0.5, -2})
	set("bools", []bool{true, false, true})
	set("nested", copied("nested"))
	set("empty", []string(nil))
	for _, x := range parsed.Tensors() {
		if err := w.AddTensor(x.Name, x.Dims, x.Type, writeBytes(x.Data)); err != nil {
			t.Error(err)
		}
	}
	if out.Len() != 0 {
		t.Errorf("%d bytes were written before Close", out.Len())
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("written (%d bytes):\n%q\nwant (%d bytes):\n%q", out.Len(), out.Bytes(), len(want), want)
	}
}

// content is a random file to be written and read back.
type content struct {
	alignment uint32 // 0 for none set
	keys      []string
	values    []any
	names     []string
	tensors   []Tensor // Dims, Type and Data alone
}

func randomList[T any](r *rand.Rand, element func() T) []T {
	list := make([]T, r.IntN(20))
	for i := range list {
		list[i] = element()
	}
	return list
}

func randomValue(r *rand.Rand) any {
	text := func() string {
		runes := randomList(r, func() rune { return rune(r.IntN(0xd800)) })
		return string(runes)
	}
	boolean := func() bool { return r.IntN(2) == 0 }
	float := func() float64 { return r.NormFloat64() * 1e10 }
	all := []func() any{
		func() any { return uint8(r.Uint64()) }, func() any { return int8(r.Uint64()) },
		func() any { return uint16(r.Uint64()) }, func() any { return int16(r.Uint64()) },
		func() any { return r.Uint32() }, func() any { return r.Int32() - 1<<30 },
		func() any { return r.Uint64() }, func() any { return -r.Int64() },
		func() any { return float32(float()) }, func() any { return float() },
		func() any { return boolean() }, func() any { return text() },
		func() any { return randomList(r, func() uint8 { return uint8(r.Uint64()) }) },
		func() any { return randomList(r, func() int8 { return int8(r.Uint64()) }) },
		func() any { return randomList(r, func() uint16 { return uint16(r.Uint64()) }) },
		func() any { return randomList(r, func() int16 { return int16(r.Uint64()) }) },
		func() any { return randomList(r, r.Uint32) },
		func() any { return randomList(r, func() int32 { return int32(r.Uint32()) }) },
		func() any { return randomList(r, r.Uint64) },
		func() any { return randomList(r, func() int64 { return int64(r.Uint64()) }) },
		func() any { return randomList(r, func() float32 { return float32(float()) }) },
		func() any { return randomList(r, float) },
		func() any { return randomList(r, boolean) },
		func() any { return randomList(r, text) },
	}
	return all[r.IntN(len(all))]()
}

func randomContent(r *rand.Rand) content {
	var c content
	if r.IntN(2) == 0 {
		c.alignment = 8 << r.IntN(6)
	}
	for i := range r.IntN(12) {
		c.keys = append(c.keys, fmt.Sprintf("key.%d.é", i))
		c.values = append(c.values, randomValue(r))
	}
	types := []TensorType{F32, F16, BF16, I8, I2S, Q4_0, Q8_0, Q6_K, TQ2_0}
	for i := range r.IntN(8) {
		typ := types[r.IntN(len(types))]
		first := 1 + r.IntN(5)
		if l := layouts[typ]; l.blockElements > 1 {
			first *= int(l.blockElements)
		} else if typ == I2S {
			first *= i2sBlockElements
		}
		dims := []int{first, 1 + r.IntN(3), 1 + r.IntN(2), 1 + r.IntN(2)}[:1+r.IntN(4)]
		size, _, _ := typ.size(dims)
		data := make([]byte, size)
		for k := range data {
			data[k] = byte(r.Uint64())
		}
		c.names = append(c.names, fmt.Sprintf("blk.%d.weight", i))
		c.tensors = append(c.tensors, Tensor{Dims: dims, Type: typ, Data: data})
	}
	return c
}

func (c content) write(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out)
	for i, key := range c.keys {
		if i == len(c.keys)/2 && c.alignment != 0 {
			if err := w.Set(AlignmentKey, c.alignment); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Set(key, c.values[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i, x := range c.tensors {
		if err := w.AddTensor(c.names[i], x.Dims, x.Type, writeBytes(x.Data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// What is written is read back, whatever it is; writing it again gives the same
// bytes, and so does copying the file value by value.
func TestRoundTrip(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 0))
		c := randomContent(r)
		data := c.write(t)
		if !bytes.Equal(data, c.write(t)) {
			t.Fatalf("seed %d: two writings differ", seed)
		}
		f, err := Parse(data)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		checkFile(t, data, f)

		wantAlignment := DefaultAlignment
		if c.alignment != 0 && len(c.keys) > 0 {
			wantAlignment = int(c.alignment)
		}
		if f.Alignment() != wantAlignment {
			t.Errorf("seed %d: alignment %d, want %d", seed, f.Alignment(), wantAlignment)
		}
		for i, key := range c.keys {
			v, ok := f.Value(key)
			if !ok {
				t.Fatalf("seed %d: no key %q", seed, key)
			}
			if diff := cmp.Diff(c.values[i], native(t, v)); diff != "" {
				t.Errorf("seed %d: key %q (-want +got):\n%s", seed, key, diff)
			}
		}
		if got := len(f.Tensors()); got != len(c.tensors) {
			t.Fatalf("seed %d: %d tensors, want %d", seed, got, len(c.tensors))
		}
		for i, x := range f.Tensors() {
			if diff := cmp.Diff(c.names[i], x.Name); diff != "" {
				t.Errorf("seed %d (-want +got):\n%s", seed, diff)
			}
			x.Name, x.Offset = "", 0
			if diff := cmp.Diff(c.tensors[i], x); diff != "" {
				t.Errorf("seed %d: tensor %q (-want +got):\n%s", seed, c.names[i], diff)
			}
		}
		if copied := copyFile(t, f); !bytes.Equal(copied, data) {
			t.Errorf("seed %d: a copy differs from the file", seed)
		}
	}
}

// copyFile writes what a file holds with a Writer. All sizes must be known.
func copyFile(t *testing.T, f *File) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out)
	for _, key := range f.Keys() {
		v, _ := f.Value(key)
		if err := w.Set(key, v); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range f.Tensors() {
		if err := w.AddTensor(x.Name, x.Dims, x.Type, writeBytes(x.Data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestWriterRefuses(t *testing.T) {
	nothing := func(io.Writer) error { return nil }
	tests := []struct {
		name string
		call func(w *Writer) error
		want string // part of the error
	}{
		{"int", func(w *Writer) error { return w.Set("k", 1) }, `key "k": a value of Go type int`},
		{"uint", func(w *Writer) error { return w.Set("k", uint(1)) }, "Go type uint"},
		{"nil", func(w *Writer) error { return w.Set("k", nil) }, "Go type <nil>"},
		{"[]int", func(w *Writer) error { return w.Set("k", []int{1}) }, "Go type []int"},
		{"zero Value", func(w *Writer) error { return w.Set("k", Value{}) }, "zero Value"},
		{"empty key", func(w *Writer) error { return w.Set("", true) }, "the key is empty"},
		{"long key", func(w *Writer) error { return w.Set(strings.Repeat("k", maxNameBytes+1), true) }, "at most 65535"},
		{"key not UTF-8", func(w *Writer) error { return w.Set("\xff", true) }, "not valid UTF-8"},
		{"key twice", func(w *Writer) error { return errors.Join(w.Set("k", true), w.Set("k", true)) }, "set already"},
		{"text not UTF-8", func(w *Writer) error { return w.Set("k", "\xff") }, "not valid UTF-8"},
		{"texts not UTF-8", func(w *Writer) error { return w.Set("k", []string{"a", "\xff"}) }, "string 1 is not valid UTF-8"},
		{"alignment of another type", func(w *Writer) error { return w.Set(AlignmentKey, uint64(32)) }, "a uint32"},
		{"alignment 0", func(w *Writer) error { return w.Set(AlignmentKey, uint32(0)) }, "power of two"},
		{"alignment 24", func(w *Writer) error { return w.Set(AlignmentKey, uint32(24)) }, "power of two"},

		{"empty name", func(w *Writer) error { return w.AddTensor("", []int{1}, I8, nothing) }, "the name is empty"},
		{"name not UTF-8", func(w *Writer) error { return w.AddTensor("\xff", []int{1}, I8, nothing) }, "not valid UTF-8"},
		{"name twice", func(w *Writer) error {
			return errors.Join(w.AddTensor("t", []int{1}, I8, nothing), w.AddTensor("t", []int{1}, I8, nothing))
		}, "of that name already"},
		{"5 dimensions", func(w *Writer) error { return w.AddTensor("t", []int{1, 1, 1, 1, 1}, I8, nothing) }, "5 dimensions"},
		{"dimension 0", func(w *Writer) error { return w.AddTensor("t", []int{2, 0}, I8, nothing) }, "has 0 as dimension 1"},
		{"dimension -1", func(w *Writer) error { return w.AddTensor("t", []int{-1}, I8, nothing) }, "has -1 as dimension 0"},
		{"product 2^64", func(w *Writer) error { return w.AddTensor("t", []int{1 << 30, 1 << 30, 1 << 4}, I8, nothing) }, "product"},
		{"unknown type", func(w *Writer) error { return w.AddTensor("t", []int{1}, 38, nothing) }, "TL1 (type 38) is not known"},
		{"part of a block", func(w *Writer) error { return w.AddTensor("t", []int{64}, I2S, nothing) }, "multiple of 128"},
		{"no function", func(w *Writer) error { return w.AddTensor("t", []int{1}, I8, nil) }, "nil"},
		{"2^63 bytes in all", func(w *Writer) error {
			dims := []int{1 << 30, 1 << 30, 4}
			return errors.Join(w.AddTensor("a", dims, I8, nothing), w.AddTensor("b", dims, I8, nothing), w.Close())
		}, `tensor "b": the file gets more bytes`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			w := NewWriter(&out)
			err := test.call(w)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error is %v, want one with %q", err, test.want)
			}
			if out.Len() != 0 {
				t.Errorf("%d bytes were written", out.Len())
			}
		})
	}
}

// A refused key or tensor leaves no trace: the file is written without it.
func TestWriterGoesOnAfterRefusal(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	if w.Set("k", 1) == nil || w.AddTensor("t", []int{0}, I8, writeBytes(nil)) == nil {
		t.Fatal("nothing was refused")
	}
	if err := errors.Join(w.Set("k", uint8(1)), w.AddTensor("t", []int{1}, I8, writeBytes([]byte{5}))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := header(3, 1, 1).key("k", Uint8).u8(1).tensor("t", I8, 0, 1).pad(32).u8(5).pad(32)
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("written %q, want %q", out.Bytes(), want)
	}
}

var errDisk = errors.New("disk full")

// brokenWriter fails after some bytes.
type brokenWriter struct{ left int }

func (b *brokenWriter) Write(p []byte) (int, error) {
	if len(p) > b.left {
		n := b.left
		b.left = 0
		return n, errDisk
	}
	b.left -= len(p)
	return len(p), nil
}

func TestWriterCountsBytes(t *testing.T) {
	errOwn := errors.New("own error")
	tests := []struct {
		name  string
		write func(w io.Writer) error
		want  string
	}{
		{"exact", writeBytes(make([]byte, 100)), ""},
		{"one fewer", writeBytes(make([]byte, 99)), "1 bytes fewer"},
		{"nothing", writeBytes(nil), "100 bytes fewer"},
		{"one more", writeBytes(make([]byte, 101)), "more bytes"},
		{"more, and no look at the error", func(w io.Writer) error { w.Write(make([]byte, 101)); return nil }, "more bytes"},
		{"more, then exact", func(w io.Writer) error {
			w.Write(make([]byte, 101))
			w.Write(make([]byte, 100))
			return nil
		}, "more bytes"},
		{"own error", func(io.Writer) error { return errOwn }, "own error"},
	}
	for _, test := range tests {
		w := NewWriter(io.Discard)
		if err := w.AddTensor("t", []int{100}, I8, test.write); err != nil {
			t.Fatal(err)
		}
		err := w.Close()
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), `tensor "t"`) {
			t.Errorf("%s: error is %v, want one with %q", test.name, err, test.want)
		}
	}
}

// The error of the underlying writer comes back wherever it happens, also if
// the function that writes a tensor drops it.
func TestWriterReportsBrokenWriter(t *testing.T) {
	const size = 200_000 // more than is buffered
	build := func(out io.Writer) error {
		w := NewWriter(out)
		err := errors.Join(
			w.Set("k", strings.Repeat("x", size)),
			w.AddTensor("t", []int{size}, I8, func(w io.Writer) error {
				for range size / 1000 {
					w.Write(make([]byte, 1000))
				}
				return nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		return w.Close()
	}
	var whole bytes.Buffer
	if err := build(&whole); err != nil {
		t.Fatal(err)
	}
	for left := 0; left < whole.Len(); left += 9973 {
		if err := build(&brokenWriter{left}); err == nil {
			t.Errorf("no error from a writer that fails after %d bytes", left)
		} else if !errors.Is(err, errDisk) {
			t.Errorf("after %d bytes: error is %v, want %v", left, err, errDisk)
		}
	}
}

func TestWriterAfterClose(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	n := out.Len()
	if w.Close() == nil || w.Set("k", true) == nil || w.AddTensor("t", []int{1}, I8, writeBytes([]byte{0})) == nil {
		t.Error("a closed writer gives no error")
	}
	if out.Len() != n {
		t.Error("a closed writer writes")
	}
	if _, err := Parse(out.Bytes()); err != nil {
		t.Errorf("the empty file: %v", err)
	}
}
