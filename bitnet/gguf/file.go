package gguf

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/gobitnet/gobitnet/internal/input"
)

// Magic is the four bytes that a GGUF file begins with.
const Magic = "GGUF"

// AlignmentKey is the metadata key that sets the alignment of tensors.
const AlignmentKey = "general.alignment"

// DefaultAlignment is the alignment of tensors, in bytes, in a file without
// [AlignmentKey].
const DefaultAlignment = 32

// A File is the parsed header, metadata and tensor list of a GGUF file, or of a
// model that lies in several. It does not change and may be used by any number
// of goroutines at once.
type File struct {
	path      string // empty for a file in memory
	data      []byte
	dataStart int // where the tensors' data begins
	version   uint32
	alignment int
	keys      []string
	values    map[string]Value
	tensors   []Tensor       // also those of parts
	byName    map[string]int // index into tensors
	parts     []*File        // the other files of a model in several

	mu      sync.RWMutex // guards mapping, and so its life
	mapping *mapping     // nil if there is none, or no more
}

// Header returns a view of the bytes ahead of the tensors' data: header,
// metadata and list of tensors. It serves [File.Release], once the metadata has
// been read.
func (f *File) Header() []byte { return f.data[:f.dataStart:f.dataStart] }

// Paths returns the path that was opened, and behind it those of the other files
// of a model that lies in several. It returns nothing for a File from [Parse].
func (f *File) Paths() []string {
	var paths []string
	for _, part := range f.all() {
		if part.path != "" {
			paths = append(paths, part.path)
		}
	}
	return paths
}

// all returns the file and the other files of its model.
func (f *File) all() []*File { return append([]*File{f}, f.parts...) }

// A Tensor is one tensor of a file.
type Tensor struct {
	Name string

	// Dims holds at most four dimensions, the fastest-running one first: a
	// matrix of r rows with c elements each has Dims {c, r}. No dimension is
	// below 1. The slice belongs to the File: do not change it.
	Dims []int

	Type TensorType

	// Offset is where the tensor's bytes begin, counted from the start of the
	// file that has them. It is a multiple of the file's alignment.
	Offset int64

	// Data is a read-only view of exactly the tensor's bytes. It is nil if the
	// size of the type is not known to this package.
	Data []byte
}

// Elements returns how many elements the tensor has: the product of its
// dimensions.
func (t Tensor) Elements() int64 {
	n, _ := elementCount(t.Dims)
	return n
}

// Open maps the file at path and parses it. On a platform that cannot map files
// it reads the whole file. The caller closes the File when nothing uses its
// views any more.
//
// Where it is the first file of a model in several, named "…-00001-of-00003.gguf"
// and so on, the others are opened with it: the File has the metadata of the
// first and the tensors of all.
//
// Errors of the file system are wrapped (errors.Is with fs.ErrNotExist and the
// like), and what is not a regular file is refused; what is wrong with the
// contents is a [*FormatError].
func Open(path string) (*File, error) {
	f, err := openPart(path)
	if err != nil {
		return nil, err
	}
	if err := f.openOtherParts(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openPart opens one file.
func openPart(path string) (*File, error) {
	file, info, err := input.Open(path)
	if err != nil {
		return nil, err
	}
	size := int(info.Size())
	if size < 0 || int64(size) != info.Size() {
		file.Close()
		return nil, fmt.Errorf("open %s: its %d bytes are more than a program of this processor can address; use a 64-bit one", path, info.Size())
	}
	if size == 0 { // which cannot be mapped
		file.Close()
		return nil, fmt.Errorf("open %s: %w", path, formatErrorf(field{what: "header"}, 0, "the file is empty"))
	}
	m, err := mapFile(file, size)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	f, err := parse(m.data)
	if err != nil {
		m.unmap()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	f.path, f.mapping = path, m
	return f, nil
}

// Check reports whether a mapped file is still as it was opened: it returns an
// error that wraps [ErrChanged] where the file has been cut, or written to. Whoever
// reads tensors for a long time calls it now and then; it takes less than a
// microsecond on a local disk. It returns nothing for a File from [Parse], after
// Close, and on systems that let nobody cut a mapped file.
//
// What it cannot see is what happens between the call and the reading; see
// [File.Fault].
func (f *File) Check() error {
	if err := f.check(); err != nil {
		return err
	}
	for _, part := range f.parts {
		if err := part.check(); err != nil {
			return err
		}
	}
	return nil
}

// Fault turns what recover returned into an error that wraps [ErrChanged], where
// it is a fault of reading this file: a part that has been cut off, or that the
// disk does not give. Of anything else it returns nothing, and the caller panics
// again. Go panics over such faults only in goroutines that have called
// debug.SetPanicOnFault, and ends the program otherwise.
func (f *File) Fault(recovered any) error {
	fault, ok := recovered.(interface{ Addr() uintptr })
	if !ok {
		return nil
	}
	for _, part := range f.all() {
		if part.path == "" || !within(part.data, fault.Addr()) {
			continue
		}
		if err := part.check(); err != nil {
			return err
		}
		return fmt.Errorf("%s: %w, or its disk fails: a part of it cannot be read", part.path, ErrChanged)
	}
	return nil
}

// within reports whether an address is that of one of data's bytes.
func within(data []byte, address uintptr) bool {
	first := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	return address >= first && address-first < uintptr(len(data))
}

func (f *File) check() error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.mapping == nil {
		return nil
	}
	if reason := f.mapping.changed(); reason != "" {
		return fmt.Errorf("%s: %w: %s; open it again", f.path, ErrChanged, reason)
	}
	return nil
}

// Close gives the mapping back to the system. Every view into the file dies with
// it: using one afterwards ends the program. Further calls do nothing. A File
// from [Parse] need not be closed.
func (f *File) Close() error {
	var first error
	for _, part := range f.all() {
		if err := part.close(); first == nil {
			first = err
		}
	}
	return first
}

func (f *File) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mapping == nil {
		return nil
	}
	m := f.mapping
	f.mapping = nil
	return m.unmap()
}

// Size returns the file's size in bytes, that of all files for a model in several.
func (f *File) Size() int64 {
	size := int64(0)
	for _, part := range f.all() {
		size += int64(len(part.data))
	}
	return size
}

// SHA256 computes the SHA-256 of the whole file, or of all files of a model in
// several, one behind the other. It reads them from one end to the other, and
// hands the memory of a mapped file back meanwhile, as [File.Release] does. Errors
// wrap [ErrChanged], and [os.ErrClosed] after Close.
func (f *File) SHA256() (sum [sha256.Size]byte, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			if err = f.Fault(v); err == nil {
				panic(v)
			}
		}
	}()
	if err := f.Check(); err != nil {
		return sum, err
	}
	const step = 4 << 20 // so long Close may have to wait
	hash := sha256.New()
	for _, part := range f.all() {
		for data := range slices.Chunk(part.data, step) {
			if err := part.copyTo(hash, data); err != nil {
				return sum, err
			}
			part.Release(data)
		}
	}
	hash.Sum(sum[:0])
	return sum, f.Check()
}

// copyTo writes a part of the file's bytes to w, unless it has been closed.
func (f *File) copyTo(w io.Writer, data []byte) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.path != "" && f.mapping == nil {
		return fmt.Errorf("%s: %w", f.path, os.ErrClosed)
	}
	_, err := w.Write(data)
	return err
}

// Version returns the version of the format, 2 or 3.
func (f *File) Version() uint32 { return f.version }

// Alignment returns the alignment of tensors in bytes, a power of two.
func (f *File) Alignment() int { return f.alignment }

// Keys returns the metadata keys in the order of the file. The slice is the
// caller's.
func (f *File) Keys() []string { return slices.Clone(f.keys) }

// Value returns the metadata value of a key, and whether there is one.
func (f *File) Value(key string) (Value, bool) {
	v, ok := f.values[key]
	return v, ok
}

// Tensors returns the tensors in the order in which the file lists them. The
// slice is the caller's.
func (f *File) Tensors() []Tensor { return slices.Clone(f.tensors) }

// Tensor returns the tensor of that name, and whether there is one.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.byName[name]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

func (f *File) lookup(key string) (Value, error) {
	v, ok := f.values[key]
	if !ok {
		return Value{}, &KeyError{Key: key, Reason: "is not in the file's metadata", Err: ErrMissing}
	}
	return v, nil
}

// Uint returns the non-negative integer of any width under key. The error wraps
// [ErrMissing] or [ErrType].
func (f *File) Uint(key string) (uint64, error) {
	v, err := f.lookup(key)
	if err != nil {
		return 0, err
	}
	return v.Uint()
}

// Float returns the float32 or float64 under key; it may be infinite or not a
// number. The error wraps [ErrMissing] or [ErrType].
func (f *File) Float(key string) (float64, error) {
	v, err := f.lookup(key)
	if err != nil {
		return 0, err
	}
	return v.Float()
}

// Bool returns the truth value under key. The error wraps [ErrMissing] or
// [ErrType].
func (f *File) Bool(key string) (bool, error) {
	v, err := f.lookup(key)
	if err != nil {
		return false, err
	}
	return v.Bool()
}

// Text returns a copy of the string under key, which is valid UTF-8. The error
// wraps [ErrMissing] or [ErrType].
func (f *File) Text(key string) (string, error) {
	v, err := f.lookup(key)
	if err != nil {
		return "", err
	}
	return v.Text()
}

// Array returns the array under key if its elements are of one of the given
// types. The error wraps [ErrMissing] or [ErrType].
func (f *File) Array(key string, elemTypes ...ValueType) (Value, error) {
	v, err := f.lookup(key)
	if err != nil {
		return Value{}, err
	}
	if v.typ != Array || !slices.Contains(elemTypes, v.elemType) {
		names := make([]string, len(elemTypes))
		for i, t := range elemTypes {
			names[i] = t.String()
		}
		return Value{}, v.typeError("an array of " + strings.Join(names, " or "))
	}
	return v, nil
}
