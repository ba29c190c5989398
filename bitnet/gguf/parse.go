package gguf

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/internal/input"
)

// What a file may have at most, beyond what its size allows. Real models stay
// far below: a few dozen keys, some thousand tensors.
const (
	maxKeys       = 1 << 16
	maxTensors    = 1 << 18
	maxDims       = 4
	maxNameBytes  = 1<<16 - 1 // of a key or a tensor's name
	maxArrayDepth = 4         // arrays within arrays
	minAlignment  = 8
	maxAlignment  = 1 << 16
)

const (
	minVersion   = 2
	maxVersion   = 3
	headerBytes  = 24
	minKeyBytes  = 8 + 4 + 1     // name length, type, shortest value
	minInfoBytes = 8 + 4 + 4 + 8 // name length, dimension count, type, offset
)

// Parse parses a GGUF file that lies in memory. The result refers to data, which
// must not change as long as the File, its values or its views are in use. What
// is wrong with the contents is a [*FormatError].
func Parse(data []byte) (*File, error) {
	f, err := parse(data)
	if err != nil {
		return nil, err
	}
	part, err := f.part()
	if err != nil {
		return nil, err
	}
	if part.count > 1 {
		return nil, f.partErrorf("is %d: the file is part %d of %d of a model; open it by its path, with the others beside it", part.count, part.number+1, part.count)
	}
	return f, nil
}

// parse is Parse for a file that may be one of several.
func parse(data []byte) (*File, error) {
	p := &parser{data: data}
	f := &File{data: data, alignment: DefaultAlignment}
	tensorCount, keyCount, err := p.header(f)
	if err != nil {
		return nil, err
	}
	if err := p.metadata(f, keyCount); err != nil {
		return nil, err
	}
	if err := p.tensors(f, tensorCount); err != nil {
		return nil, err
	}
	return f, nil
}

// parser reads data from off on.
type parser struct {
	data []byte
	off  int
}

func (p *parser) remaining() int { return len(p.data) - p.off }

// take returns the next n bytes.
func (p *parser) take(n int, what field) ([]byte, error) {
	if n > p.remaining() {
		return nil, formatErrorf(what, p.off, "needs %d bytes where %d are left; the file is cut off, fetch it again", n, p.remaining())
	}
	b := p.data[p.off : p.off+n : p.off+n]
	p.off += n
	return b, nil
}

func (p *parser) uint32(what field) (uint32, error) {
	b, err := p.take(4, what)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (p *parser) uint64(what field) (uint64, error) {
	b, err := p.take(8, what)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// count reads a number of things that take at least elementBytes each, and
// refuses one that the rest of the file has no room for.
func (p *parser) count(elementBytes int, what field) (int, error) {
	start := p.off
	n, err := p.uint64(what)
	if err != nil {
		return 0, err
	}
	if n > uint64(p.remaining()/elementBytes) {
		return 0, formatErrorf(what, start, "claims a length of %d where %d bytes are left; the file is cut off or damaged, fetch it again", n, p.remaining())
	}
	return int(n), nil
}

func (p *parser) bytes(what field) ([]byte, error) {
	n, err := p.count(1, what)
	if err != nil {
		return nil, err
	}
	return p.take(n, what)
}

// name reads a key or a tensor's name and copies it.
func (p *parser) name(what field) (string, error) {
	start := p.off
	b, err := p.bytes(what)
	if err != nil {
		return "", err
	}
	if reason := checkName(b); reason != "" {
		return "", formatErrorf(what, start, "%s", reason)
	}
	return string(b), nil
}

// checkName says what is wrong with a key or a tensor's name, or nothing.
func checkName[T string | []byte](name T) string {
	switch {
	case len(name) == 0:
		return "is empty"
	case len(name) > maxNameBytes:
		return fmt.Sprintf("has %d bytes; at most %d are allowed", len(name), maxNameBytes)
	case !utf8.ValidString(string(name)):
		return "is not valid UTF-8"
	}
	return ""
}

func (p *parser) header(f *File) (tensorCount, keyCount int, err error) {
	magic, err := p.take(len(Magic), field{what: "magic"})
	if err != nil {
		return 0, 0, err
	}
	if string(magic) != Magic {
		what := ""
		if kind := input.Kind(p.data); kind != "" {
			what = " but " + kind
		}
		return 0, 0, formatErrorf(field{what: "magic"}, 0, "is %q where %q is needed; this is not a GGUF file%s", magic, Magic, what)
	}
	start := p.off
	f.version, err = p.uint32(field{what: "version"})
	switch {
	case err != nil:
		return 0, 0, err
	case f.version == 1:
		return 0, 0, formatErrorf(field{what: "version"}, start, "is 1, which is not supported; convert the model to version %d", maxVersion)
	case f.version != 0 && f.version&0xffff == 0:
		return 0, 0, formatErrorf(field{what: "version"}, start, "is %#x: the file is big-endian, which is not supported; convert the model to little-endian", f.version)
	case f.version < minVersion || f.version > maxVersion:
		return 0, 0, formatErrorf(field{what: "version"}, start, "is %d; versions %d to %d are supported", f.version, minVersion, maxVersion)
	}

	read := func(what field, limit int) (int, error) {
		start := p.off
		n, err := p.uint64(what)
		if err != nil {
			return 0, err
		}
		if n > uint64(limit) {
			return 0, formatErrorf(what, start, "is %d; at most %d are supported", n, limit)
		}
		return int(n), nil
	}
	if tensorCount, err = read(field{what: "tensor count"}, maxTensors); err != nil {
		return 0, 0, err
	}
	if keyCount, err = read(field{what: "key count"}, maxKeys); err != nil {
		return 0, 0, err
	}
	if need := int64(keyCount)*minKeyBytes + int64(tensorCount)*minInfoBytes; need > int64(p.remaining()) {
		return 0, 0, formatErrorf(field{what: "header"}, 0, "announces %d keys and %d tensors, which the %d bytes left cannot hold; the file is cut off, fetch it again", keyCount, tensorCount, p.remaining())
	}
	return tensorCount, keyCount, nil
}

func (p *parser) metadata(f *File, keyCount int) error {
	f.keys = make([]string, 0, keyCount)
	f.values = make(map[string]Value, keyCount)
	for i := range keyCount {
		start := p.off
		key, err := p.name(field{what: fmt.Sprintf("name of key %d", i)})
		if err != nil {
			return err
		}
		if _, ok := f.values[key]; ok {
			return formatErrorf(keyField(key), start, "occurs twice")
		}
		typ, err := p.uint32(keyField(key))
		if err != nil {
			return err
		}
		valueStart := p.off
		v, err := p.value(ValueType(typ), key, 0)
		if err != nil {
			return err
		}
		if key == AlignmentKey {
			n, err := v.Uint()
			if err != nil {
				return formatErrorf(keyField(key), valueStart, "%v", err.(*KeyError).Reason)
			}
			if !validAlignment(n) {
				return formatErrorf(keyField(key), valueStart, "is %d; a power of two from %d to %d is needed", n, minAlignment, maxAlignment)
			}
			f.alignment = int(n)
		}
		f.keys = append(f.keys, key)
		f.values[key] = v
	}
	return nil
}

// field names what is being read. It becomes text only when an error needs it.
type field struct {
	what string // "version", "key", "tensor"
	name string // of the key or tensor
}

func (f field) String() string {
	if f.name == "" {
		return f.what
	}
	return fmt.Sprintf("%s %q", f.what, f.name)
}

func keyField(key string) field     { return field{"key", key} }
func tensorField(name string) field { return field{"tensor", name} }

func validAlignment(n uint64) bool {
	return n >= minAlignment && n <= maxAlignment && n&(n-1) == 0
}

// value reads a value and locates its bytes. The elements of an array are
// checked but not kept. Depth counts the arrays around the value.
func (p *parser) value(typ ValueType, key string, depth int) (Value, error) {
	start := p.off
	v := Value{key: key, start: start, typ: typ}
	var err error
	switch {
	case typ == String:
		v.data, err = p.bytes(keyField(key))
	case typ == Array:
		return p.array(key, depth+1)
	case fixedSize(typ) > 0:
		v.data, err = p.take(fixedSize(typ), keyField(key))
	default:
		return Value{}, formatErrorf(keyField(key), start, "is of value type %d, which the format does not have", typ)
	}
	if err != nil {
		return Value{}, err
	}
	if typ == Bool && v.data[0] > 1 {
		return Value{}, formatErrorf(keyField(key), start, "is a bool of value %d; 0 or 1 is needed", v.data[0])
	}
	return v, nil
}

func (p *parser) array(key string, depth int) (Value, error) {
	if depth > maxArrayDepth {
		return Value{}, formatErrorf(keyField(key), p.off, "nests arrays more than %d deep", maxArrayDepth)
	}
	start := p.off
	typ, err := p.uint32(keyField(key))
	if err != nil {
		return Value{}, err
	}
	v := Value{key: key, start: start, typ: Array, elemType: ValueType(typ)}
	minBytes := fixedSize(v.elemType)
	switch {
	case v.elemType == String:
		minBytes = 8
	case v.elemType == Array:
		minBytes = 4 + 8
	case minBytes == 0:
		return Value{}, formatErrorf(keyField(key), start, "is an array of value type %d, which the format does not have", typ)
	}
	if v.length, err = p.count(minBytes, keyField(key)); err != nil {
		return Value{}, err
	}
	elements := p.off
	switch v.elemType {
	case String:
		err = p.skipStrings(v.length, key)
	case Array:
		for range v.length {
			if _, err = p.array(key, depth+1); err != nil {
				break
			}
		}
	default:
		p.off += v.length * minBytes // which count has checked
	}
	if err != nil {
		return Value{}, err
	}
	v.data = p.data[elements:p.off:p.off]
	if v.elemType == Bool {
		for i, b := range v.data {
			if b > 1 {
				return Value{}, formatErrorf(keyField(key), elements+i, "has a bool of value %d; 0 or 1 is needed", b)
			}
		}
	}
	return v, nil
}

// skipStrings steps over n strings. A vocabulary has hundreds of thousands, so
// that it does no more than it must.
func (p *parser) skipStrings(n int, key string) error {
	data, off := p.data, p.off
	for i := range n {
		rest := uint64(len(data) - off)
		if rest < 8 {
			return formatErrorf(keyField(key), off, "has a cut-off string as element %d; fetch the file again", i)
		}
		length := binary.LittleEndian.Uint64(data[off:])
		if length > rest-8 {
			return formatErrorf(keyField(key), off, "claims a string of %d bytes as element %d where %d are left; the file is cut off or damaged, fetch it again", length, i, rest-8)
		}
		off += 8 + int(length)
	}
	p.off = off
	return nil
}

func (p *parser) tensors(f *File, tensorCount int) error {
	f.tensors = make([]Tensor, 0, tensorCount)
	f.byName = make(map[string]int, tensorCount)
	infoStarts := make([]int, 0, tensorCount)
	for i := range tensorCount {
		start := p.off
		t, err := p.tensor(i)
		if err != nil {
			return err
		}
		if _, ok := f.byName[t.Name]; ok {
			return formatErrorf(tensorField(t.Name), start, "occurs twice")
		}
		f.byName[t.Name] = i
		f.tensors = append(f.tensors, t)
		infoStarts = append(infoStarts, start)
	}

	dataStart := alignUp(int64(p.off), f.alignment)
	f.dataStart = int(min(dataStart, int64(len(p.data))))
	renameLegacy(f.tensors, f.alignment, int64(len(p.data))-dataStart)
	ends := make([]int64, tensorCount)
	for i := range f.tensors {
		t := &f.tensors[i]
		fail := func(format string, args ...any) error {
			return formatErrorf(tensorField(t.Name), infoStarts[i], format, args...)
		}
		if t.Offset&int64(f.alignment-1) != 0 {
			return fail("has offset %d, which is no multiple of the alignment %d", t.Offset, f.alignment)
		}
		size, known, reason := t.Type.size(t.Dims)
		if reason != "" {
			return fail("%s", reason)
		}
		room := max(0, int64(len(p.data))-dataStart) // for all tensors
		if t.Offset >= room || size > room-t.Offset {
			return fail("has offset %d and needs at least %d bytes where the file has %d for all tensors; it is cut off or damaged, fetch it again", t.Offset, max(1, size), room)
		}
		t.Offset += dataStart
		ends[i] = t.Offset
		if known {
			ends[i] += size
			t.Data = p.data[t.Offset:ends[i]:ends[i]]
		} else {
			ends[i]++ // it has at least a byte
		}
	}

	order := make([]int, tensorCount)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Compare(f.tensors[a].Offset, f.tensors[b].Offset)
	})
	for k := 1; k < tensorCount; k++ {
		before, after := order[k-1], order[k]
		if ends[before] > f.tensors[after].Offset {
			return formatErrorf(tensorField(f.tensors[after].Name), infoStarts[after], "overlaps tensor %q", f.tensors[before].Name)
		}
	}
	return nil
}

// tensor reads a tensor's description. Its Offset counts from the start of the
// data for now.
func (p *parser) tensor(i int) (Tensor, error) {
	start := p.off
	name, err := p.name(field{what: fmt.Sprintf("name of tensor %d", i)})
	if err != nil {
		return Tensor{}, err
	}
	what := tensorField(name)
	fail := func(format string, args ...any) (Tensor, error) {
		return Tensor{}, formatErrorf(what, start, format, args...)
	}
	dimCount, err := p.uint32(what)
	if err != nil {
		return Tensor{}, err
	}
	if dimCount > maxDims {
		return fail("has %d dimensions; at most %d are supported", dimCount, maxDims)
	}
	dims := make([]int, dimCount)
	for d := range dims {
		n, err := p.uint64(what)
		if err != nil {
			return Tensor{}, err
		}
		if n == 0 || n > math.MaxInt {
			return fail("has %d as dimension %d; a number from 1 to %d is needed", n, d, math.MaxInt)
		}
		dims[d] = int(n)
	}
	if _, ok := elementCount(dims); !ok {
		return fail("has dimensions %v, whose product is above the largest 64-bit number", dims)
	}
	typ, err := p.uint32(what)
	if err != nil {
		return Tensor{}, err
	}
	offset, err := p.uint64(what)
	if err != nil {
		return Tensor{}, err
	}
	if offset > math.MaxInt64 {
		return fail("has offset %d, above the largest signed 64-bit number", offset)
	}
	return Tensor{Name: name, Dims: dims, Type: TensorType(typ), Offset: int64(offset)}, nil
}

func alignUp(n int64, alignment int) int64 {
	a := int64(alignment)
	return (n + a - 1) &^ (a - 1)
}
