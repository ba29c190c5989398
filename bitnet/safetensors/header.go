package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/internal/input"
)

// MaxHeader is the longest header that there may be, as in the format's own
// library.
const MaxHeader = 100_000_000

// What a model may have at most. Real ones stay far below.
const (
	maxMembers = 1 << 18 // tensors, above all
	maxDims    = 8
	maxShards  = 1024
	maxIndex   = 64 << 20 // bytes of an index
)

const lengthBytes = 8 // ahead of the header

func tensorField(name string) string { return fmt.Sprintf("tensor %.80q", name) }

// parse reads the header of a file and returns its tensors.
func parse(r io.ReaderAt, size int64) ([]Tensor, error) {
	start := make([]byte, min(max(size, 0), input.KindBytes))
	if err := readAt(r, start, 0); err != nil {
		return nil, err
	}
	if len(start) < lengthBytes {
		return nil, formatErrorf("header", "the file has %d bytes; it is cut off or empty", size)
	}
	length := binary.LittleEndian.Uint64(start)
	if len(start) == lengthBytes || start[lengthBytes] != '{' {
		what := ""
		if kind := input.Kind(start); kind != "" {
			what = "; this is " + kind
		}
		return nil, formatErrorf("header", "does not begin with a brace%s", what)
	}
	switch {
	case length > MaxHeader:
		return nil, formatErrorf("header", "claims a length of %d bytes; at most %d are allowed", length, MaxHeader)
	case int64(length) > size-lengthBytes:
		return nil, formatErrorf("header", "claims a length of %d bytes where %d are left; the file is cut off, fetch it again", length, size-lengthBytes)
	}
	header := make([]byte, length)
	if err := readAt(r, header, lengthBytes); err != nil {
		return nil, err
	}
	entries, err := readHeader(header)
	if err != nil {
		return nil, err
	}
	dataStart := lengthBytes + int64(length)
	if err := checkOffsets(entries, size-dataStart); err != nil {
		return nil, err
	}
	tensors := make([]Tensor, len(entries))
	for i, e := range entries {
		tensors[i] = Tensor{Name: e.name, Type: e.dataType, Shape: e.shape, data: io.NewSectionReader(r, dataStart+e.begin, e.end-e.begin)}
	}
	return tensors, nil
}

func readAt(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return formatErrorf("header", "the file is shorter than it was; somebody writes to it")
	}
	return err
}

// An entry is what the header says of a tensor.
type entry struct {
	name       string
	dataType   DataType
	shape      []int
	begin, end int64 // of its bytes, behind the header
}

// checkOffsets holds the tensors, which it orders by their places, against the
// bytes that there are: each begins where the one before ends.
func checkOffsets(entries []entry, room int64) error {
	slices.SortStableFunc(entries, func(a, b entry) int {
		if a.begin != b.begin {
			return int(max(min(a.begin-b.begin, 1), -1))
		}
		return int(max(min(a.end-b.end, 1), -1))
	})
	at := int64(0)
	for i, e := range entries {
		switch {
		case e.begin > at:
			return formatErrorf(tensorField(e.name), "begins at %d, %d bytes behind the tensor before it; gaps are not allowed", e.begin, e.begin-at)
		case e.begin < at:
			return formatErrorf(tensorField(e.name), "begins at %d, within tensor %.80q", e.begin, entries[i-1].name)
		case e.end > room:
			return formatErrorf(tensorField(e.name), "ends at byte %d where the file has %d for all tensors; it is cut off or damaged, fetch it again", e.end, room)
		}
		at = e.end
	}
	if at != room {
		return formatErrorf("header", "the tensors end at byte %d where the file has %d; it is damaged, fetch it again", at, room)
	}
	return nil
}

// readHeader reads the header's JSON. Everything is read by a walk over its
// tokens, which sees names that occur twice.
func readHeader(data []byte) ([]entry, error) {
	w, err := newWalk(data, "header")
	if err != nil {
		return nil, err
	}
	var entries []entry
	err = w.object("header", func(name string) error {
		if name == "__metadata__" {
			return w.object(name, func(key string) error {
				_, err := w.text(fmt.Sprintf("__metadata__ %.80q", key))
				return err
			})
		}
		e, err := w.entry(name)
		entries = append(entries, e)
		return err
	})
	if err == nil {
		err = w.end("header")
	}
	return entries, err
}

// entry reads the description of a tensor.
func (w *walk) entry(name string) (entry, error) {
	field := tensorField(name)
	e := entry{name: name, begin: -1, end: -1}
	if name == "" {
		return e, formatErrorf("header", "has a tensor without a name")
	}
	hasShape := false
	err := w.object(field, func(key string) error {
		switch key {
		case "dtype":
			text, err := w.text(field)
			e.dataType = DataType(text)
			return err
		case "shape":
			hasShape = true
			return w.numbers(field, maxDims, func(n int64) { e.shape = append(e.shape, int(n)) })
		case "data_offsets":
			var offsets []int64
			if err := w.numbers(field, 2, func(n int64) { offsets = append(offsets, n) }); err != nil {
				return err
			}
			if len(offsets) != 2 || offsets[1] < offsets[0] {
				return formatErrorf(field, "has data_offsets %v; a beginning and an end are needed", offsets)
			}
			e.begin, e.end = offsets[0], offsets[1]
			return nil
		}
		return formatErrorf(field, "has an entry %.80q, which the format does not have", key)
	})
	if err != nil {
		return e, err
	}
	width, known := bytesOf[e.dataType]
	switch {
	case e.dataType == "" || !hasShape || e.begin < 0:
		return e, formatErrorf(field, "lacks its dtype, its shape or its data_offsets")
	case !known:
		return e, formatErrorf(field, "is of type %.80q, which is not supported", e.dataType)
	}
	size := uint64(width)
	for _, d := range e.shape {
		high, low := bits.Mul64(size, uint64(d))
		if high != 0 || low > math.MaxInt64 {
			return e, formatErrorf(field, "of type %s and shape %v has more bytes than a 64-bit number holds", e.dataType, e.shape)
		}
		size = low
	}
	if int64(size) != e.end-e.begin {
		return e, formatErrorf(field, "of type %s and shape %v takes %d bytes where data_offsets give it %d", e.dataType, e.shape, size, e.end-e.begin)
	}
	return e, nil
}

// readIndex reads which file each tensor is in.
func readIndex(path string) (map[string]string, error) {
	file, info, err := input.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info.Size() > maxIndex {
		return nil, inFile(path, formatErrorf("index", "has %d bytes; at most %d are supported", info.Size(), maxIndex))
	}
	data, err := io.ReadAll(io.LimitReader(file, maxIndex))
	if err != nil {
		return nil, err
	}
	shardOf, err := parseIndex(data)
	return shardOf, inFile(path, err)
}

func parseIndex(data []byte) (map[string]string, error) {
	w, err := newWalk(data, "index")
	if err != nil {
		return nil, err
	}
	shardOf := make(map[string]string)
	err = w.object("index", func(name string) error {
		if name != "weight_map" {
			return w.skip("index") // metadata: how many bytes there are
		}
		return w.object(name, func(tensor string) error {
			shard, err := w.text(name)
			shardOf[tensor] = shard
			return err
		})
	})
	if err == nil {
		err = w.end("index")
	}
	if err == nil && len(shardOf) == 0 {
		err = formatErrorf("weight_map", "is missing or empty")
	}
	return shardOf, err
}

// A walk goes over the tokens of a JSON text.
type walk struct{ tokens *json.Decoder }

func newWalk(data []byte, field string) (*walk, error) {
	data = input.TrimMark(data)
	if !utf8.Valid(data) { // the decoder would put something else in its place
		return nil, formatErrorf(field, "is not valid UTF-8")
	}
	w := &walk{json.NewDecoder(bytes.NewReader(data))}
	w.tokens.UseNumber()
	return w, nil
}

func (w *walk) next(field string) (json.Token, error) {
	token, err := w.tokens.Token()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, formatErrorf(field, "ends too early")
	}
	if err != nil {
		return nil, formatErrorf(field, "is not valid JSON: %v", err)
	}
	return token, nil
}

// object calls member with each name of an object, to have its value read.
func (w *walk) object(field string, member func(name string) error) error {
	if err := w.delimiter(field, '{'); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for {
		token, err := w.next(field)
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			return nil // the closing brace: the decoder allows nothing else
		}
		if seen[name] {
			return formatErrorf(field, "has %.80q twice", name)
		}
		seen[name] = true
		if len(seen) > maxMembers {
			return formatErrorf(field, "has more than %d members, which is not supported", maxMembers)
		}
		if err := member(name); err != nil {
			return err
		}
	}
}

func (w *walk) delimiter(field string, wanted json.Delim) error {
	token, err := w.next(field)
	if err != nil {
		return err
	}
	if token != wanted {
		return formatErrorf(field, "has %.80q where %q is needed", fmt.Sprint(token), wanted.String())
	}
	return nil
}

func (w *walk) text(field string) (string, error) {
	token, err := w.next(field)
	if err != nil {
		return "", err
	}
	text, ok := token.(string)
	if !ok {
		return "", formatErrorf(field, "has %.80q where a text is needed", fmt.Sprint(token))
	}
	return text, nil
}

// numbers reads an array of at most limit whole numbers that are not negative.
func (w *walk) numbers(field string, limit int, yield func(int64)) error {
	if err := w.delimiter(field, '['); err != nil {
		return err
	}
	for count := 0; ; count++ {
		token, err := w.next(field)
		if err != nil {
			return err
		}
		if token == json.Delim(']') {
			return nil
		}
		written, ok := token.(json.Number)
		n, err := strconv.ParseUint(written.String(), 10, 63)
		if !ok || err != nil || n > math.MaxInt {
			return formatErrorf(field, "has %.80q where a whole number is needed", fmt.Sprint(token))
		}
		if count == limit {
			return formatErrorf(field, "has more than %d numbers in a row", limit)
		}
		yield(int64(n))
	}
}

// skip steps over a value.
func (w *walk) skip(field string) error {
	var value json.RawMessage
	if err := w.tokens.Decode(&value); err != nil {
		return formatErrorf(field, "is not valid JSON: %v", err)
	}
	return nil
}

// end checks that nothing follows but blanks, by which headers are filled up.
func (w *walk) end(field string) error {
	if _, err := w.tokens.Token(); !errors.Is(err, io.EOF) {
		return formatErrorf(field, "has something behind its last brace")
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
