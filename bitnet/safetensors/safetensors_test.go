package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// file puts a header before data.
func file(header, data string) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

// fixture is a file of three tensors, listed in another order than they lie.
const fixtureHeader = `{"__metadata__":{"format":"pt"},"b":{"dtype":"U8","shape":[2,3],"data_offsets":[4,10]},` +
	`"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"empty":{"dtype":"BF16","shape":[0,5],"data_offsets":[4,4]}}   `

func fixture() []byte { return file(fixtureHeader, "\x00\x00\x80\x3fabcdef") }

func parseBytes(data []byte) (*File, error) { return New(bytes.NewReader(data), int64(len(data))) }

func TestRead(t *testing.T) {
	f, err := parseBytes(fixture())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range f.Tensors() {
		data := make([]byte, x.Size())
		if _, err := x.ReadAt(data, 0); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %v %q", x.Name, x.Type, x.Shape, data))
	}
	want := []string{`a F32 [] "\x00\x00\x80?"`, `b U8 [2 3] "abcdef"`, `empty BF16 [0 5] ""`}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	b, ok := f.Tensor("b")
	part := make([]byte, 2)
	if _, err := b.ReadAt(part, 4); !ok || err != nil || string(part) != "ef" {
		t.Errorf("%q, %v", part, err)
	}
	if _, err := b.ReadAt(part, 5); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading beyond the end: %v", err)
	}
	if _, ok := f.Tensor("c"); ok {
		t.Error("there is a tensor c")
	}
}

func TestRefused(t *testing.T) {
	entry := func(dtype, shape, offsets string) string {
		return fmt.Sprintf(`{"x":{"dtype":%q,"shape":%s,"data_offsets":%s}}`, dtype, shape, offsets)
	}
	many := strings.Repeat("1,", maxDims)
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "cut off or empty"},
		{"seven bytes", []byte("1234567"), "cut off or empty"},
		{"length only", file("", ""), "brace"},
		{"web page", []byte("<!DOCTYPE html><html><body>Sign in</body>"), "web page"},
		{"pointer", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:42\n"), "Git LFS pointer"},
		{"GGUF", []byte("GGUF\x03\x00\x00\x00\x01\x00\x00\x00"), "a GGUF file"},
		{"length beyond the end", append([]byte{200, 0, 0, 0, 0, 0, 0, 0}, "{}"...), "cut off"},
		{"length 2^63", append([]byte{0, 0, 0, 0, 0, 0, 0, 128}, "{}"...), "at most"},
		{"length above the limit", append([]byte{1, 225, 245, 5, 0, 0, 0, 0}, "{}"...), "at most"},
		{"no JSON", file("{x}", ""), "not valid JSON"},
		{"cut JSON", file(`{"x":`, ""), "ends too early"},
		{"not UTF-8", file("{\"\xff\":1}", ""), "UTF-8"},
		{"something behind", file("{}{}", ""), "behind its last brace"},
		{"blanks before", file(" {}", ""), "brace"},
		{"tensor twice", file(`{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, "ab"), "twice"},
		{"key twice", file(`{"x":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}`, "a"), "twice"},
		{"metadata twice", file(`{"__metadata__":{"a":"","a":""}}`, ""), "twice"},
		{"metadata of numbers", file(`{"__metadata__":{"a":1}}`, ""), "text"},
		{"no name", file(`{"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, "a"), "without a name"},
		{"no object", file(`{"x":[]}`, ""), "needed"},
		{"another entry", file(`{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"stride":[1]}}`, "a"), "stride"},
		{"no dtype", file(`{"x":{"shape":[1],"data_offsets":[0,1]}}`, "a"), "lacks"},
		{"no shape", file(`{"x":{"dtype":"U8","data_offsets":[0,1]}}`, "a"), "lacks"},
		{"no offsets", file(`{"x":{"dtype":"U8","shape":[1]}}`, "a"), "lacks"},
		{"unknown dtype", file(entry("F4", "[1]", "[0,1]"), "a"), `"F4"`},
		{"dtype in small letters", file(entry("u8", "[1]", "[0,1]"), "a"), `"u8"`},
		{"negative", file(entry("U8", "[-1]", "[0,1]"), "a"), "whole number"},
		{"fraction", file(entry("U8", "[1.0]", "[0,1]"), "a"), "whole number"},
		{"exponent", file(entry("U8", "[1e0]", "[0,1]"), "a"), "whole number"},
		{"a text", file(entry("U8", `["1"]`, "[0,1]"), "a"), "whole number"},
		{"2^64", file(entry("U8", "[18446744073709551617]", "[0,1]"), "a"), "whole number"},
		{"product beyond 64 bits", file(entry("U8", "[2147483647,2147483647,2147483647]", "[0,0]"), ""), "64-bit"},
		{"product above 2^63", file(entry("U16", "[2147483647,2147483647,2]", "[0,0]"), ""), "64-bit"},
		{"dimensions", file(entry("U8", "["+many+"1]", "[0,1]"), "a"), "numbers in a row"},
		{"size", file(entry("F32", "[2]", "[0,7]"), "abcdefg"), "takes 8 bytes"},
		{"one offset", file(entry("U8", "[1]", "[1]"), "a"), "a beginning and an end"},
		{"three offsets", file(entry("U8", "[1]", "[0,1,2]"), "a"), "in a row"},
		{"offsets turned", file(entry("U8", "[1]", "[1,0]"), "a"), "a beginning and an end"},
		{"gap at the beginning", file(entry("U8", "[1]", "[1,2]"), "ab"), "gaps"},
		{"gap", file(`{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"y":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, "abc"), "gaps"},
		{"overlap", file(`{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"y":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, "abc"), "within tensor"},
		{"same bytes", file(`{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"y":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, "ab"), "within tensor"},
		{"beyond the end", file(entry("U8", "[4]", "[0,4]"), "abc"), "cut off"},
		{"bytes of nobody", file(entry("U8", "[2]", "[0,2]"), "abc"), "damaged"},
		{"deep", file(strings.Repeat(`{"x":`, 1<<16), ""), "does not have"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parseBytes(c.data)
			var format *FormatError
			if !errors.Is(err, ErrFormat) || !errors.As(err, &format) {
				t.Fatalf("error %v", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q does not say %q", err, c.want)
			}
		})
	}
}

// write writes files into a new folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func one(name, data string) string {
	return string(file(fmt.Sprintf(`{%q:{"dtype":"U8","shape":[%d],"data_offsets":[0,%[2]d]}}`, name, len(data)), data))
}

func TestFolder(t *testing.T) {
	index := func(pairs ...string) string {
		var b strings.Builder
		b.WriteString(`{"metadata":{"total_size":3},"weight_map":{`)
		for i := 0; i < len(pairs); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "%q:%q", pairs[i], pairs[i+1])
		}
		return b.String() + "}}"
	}
	const first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
	both := map[string]string{first: one("a", "x"), second: one("b", "yz")}
	with := func(text string) map[string]string {
		all := map[string]string{indexName: text}
		for name, data := range both {
			all[name] = data
		}
		return all
	}
	f, err := OpenFolder(write(t, with(index("a", first, "b", second))))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := f.Tensor("b")
	data := make([]byte, 2)
	if _, err := b.ReadAt(data, 0); err != nil || string(data) != "yz" || len(f.Tensors()) != 2 {
		t.Errorf("%q, %v, %d tensors", data, err, len(f.Tensors()))
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := b.ReadAt(data, 0); err == nil {
		t.Error("a tensor can be read after Close")
	}

	single, err := OpenFolder(write(t, map[string]string{singleName: one("a", "x"), indexName: "{"}))
	if err != nil {
		t.Fatal(err)
	}
	single.Close()

	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"nothing", nil, "there is neither"},
		{"shard missing", map[string]string{indexName: index("a", first, "b", second), first: one("a", "x")}, "missing: fetch it"},
		{"tensor missing", with(index("a", first, "b", second, "c", first)), "do not belong together"},
		{"tensor too many", with(index("a", first)), ""},
		{"in another shard", with(index("a", second, "b", first)), "do not belong together"},
		{"tensor in both", map[string]string{indexName: index("a", first, "b", second), first: one("a", "x"), second: one("a", "x")}, "in another file"},
		{"above", with(index("a", "../"+first)), "same folder"},
		{"absolute", with(index("a", "/etc/passwd")), "same folder"},
		{"Windows", with(index("a", `..\x`)), "same folder"},
		{"drive", with(index("a", `c:x`)), "same folder"},
		{"folder", with(index("a", "sub/x")), "same folder"},
		{"dot", with(index("a", ".")), "same folder"},
		{"dots", with(index("a", "..")), "same folder"},
		{"no name", with(index("a", "")), "same folder"},
		{"twice", with(index("a", first, "a", first)), "twice"},
		{"no map", with(`{"metadata":{}}`), "missing or empty"},
		{"no text", with(`{"weight_map":{"a":1}}`), "text"},
		{"no JSON", with("weights"), "JSON"},
		{"behind it", with(index("a", first, "b", second) + "x"), "behind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := OpenFolder(write(t, c.files))
			if c.want == "" { // the second shard is not asked for
				if err != nil || len(f.Tensors()) != 1 {
					t.Fatal(err)
				}
				f.Close()
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not say %q", err, c.want)
			}
			if !errors.Is(err, ErrFormat) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("error %v is of no kind", err)
			}
		})
	}
}

// TestDamaged changes bytes at random: an error or a result, without much memory.
func TestDamaged(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	whole := fixture()
	refused := 0
	for range 400 {
		data := slices.Clone(whole)
		switch random.IntN(4) {
		case 0:
			data = data[:random.IntN(len(data))]
		case 1:
			at := random.IntN(len(data))
			data = slices.Insert(data, at, byte(random.Uint32()))
		default:
			for range 1 + random.IntN(4) {
				data[random.IntN(len(data))] = byte(random.Uint32())
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if check(t, data) != nil {
			refused++
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Fatalf("%d bytes were allocated for a file of %d", n, len(data))
		}
	}
	if refused < 300 {
		t.Errorf("only %d of 400 damaged files are refused", refused)
	}
}

// check parses a file and reads all of it.
func check(t *testing.T, data []byte) error {
	f, err := parseBytes(data)
	if err != nil {
		var format *FormatError
		if !errors.As(err, &format) || format.Field == "" || format.Reason == "" {
			t.Fatalf("error %#v", err)
		}
		return err
	}
	total := int64(0)
	for _, x := range f.Tensors() {
		bytes := make([]byte, x.Size())
		if _, err := x.ReadAt(bytes, 0); err != nil {
			t.Fatal(err)
		}
		total += x.Size()
		if y, ok := f.Tensor(x.Name); !ok || y.Type != x.Type {
			t.Fatalf("tensor %q is not found", x.Name)
		}
	}
	// Every byte belongs to something.
	if length := binary.LittleEndian.Uint64(data); total != int64(len(data))-lengthBytes-int64(length) {
		t.Fatalf("%d bytes in tensors of a file of %d with a header of %d", total, len(data), length)
	}
	return nil
}

func FuzzNew(f *testing.F) {
	f.Add(fixture())
	f.Add(file("{}", ""))
	f.Add(file(`{"x":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}}`, "abcdefgh"))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, data []byte) { check(t, data) })
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":1},"weight_map":{"a":"b"}}`))
	f.Add([]byte(`{"weight_map":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		shardOf, err := parseIndex(data)
		if (err == nil) == (len(shardOf) == 0) && err == nil {
			t.Fatal("an index without tensors")
		}
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Fatalf("error %v", err)
		}
	})
}
