package safetensors

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gobitnet/gobitnet/internal/input"
)

// A DataType says how a tensor's elements are stored, such as "BF16".
type DataType string

// The types that models are published in. Files may hold others.
const (
	U8   DataType = "U8"
	F16  DataType = "F16"
	BF16 DataType = "BF16"
	F32  DataType = "F32"
)

// bytesOf is how many bytes an element of each type takes.
var bytesOf = map[DataType]int64{
	"BOOL": 1, U8: 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
	F16: 2, BF16: 2, "I16": 2, "U16": 2,
	F32: 4, "I32": 4, "U32": 4,
	"F64": 8, "I64": 8, "U64": 8, "C64": 8,
}

// A Tensor is one tensor of a model. It may be read by several goroutines at once,
// until the File is closed.
type Tensor struct {
	Name string
	Type DataType

	// Shape has the slowest-running dimension first: a matrix of r rows with c
	// elements each has the Shape {r, c}. It may be empty, for a single element,
	// and have zeros. Do not change it.
	Shape []int

	data *io.SectionReader
}

// Size returns how many bytes the tensor has.
func (t Tensor) Size() int64 { return t.data.Size() }

// ReadAt fills p with the tensor's bytes from offset on. It is an error to ask for
// more than there are.
func (t Tensor) ReadAt(p []byte, offset int64) (int, error) {
	n, err := t.data.ReadAt(p, offset)
	switch {
	case n == len(p):
		return n, nil
	case err == nil || errors.Is(err, io.EOF):
		err = fmt.Errorf("the file ends within it; it has been cut: %w", io.ErrUnexpectedEOF)
	}
	return n, fmt.Errorf("tensor %q: %w", t.Name, err)
}

// A File is the tensors of a file, or of all files of a model. It does not change
// and may be used by several goroutines at once.
type File struct {
	tensors []Tensor
	byName  map[string]int // index into tensors
	files   []*os.File
}

// Tensors returns the tensors in the order of their names. The slice is the
// caller's.
func (f *File) Tensors() []Tensor { return slices.Clone(f.tensors) }

// Tensor returns the tensor of that name, and whether there is one.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.byName[name]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

// Close closes the files. Tensors cannot be read any more.
func (f *File) Close() error {
	var all []error
	for _, file := range f.files {
		all = append(all, file.Close())
	}
	return errors.Join(all...)
}

// New reads the header of a file of size bytes. Tensors are read from r, which the
// caller closes, if need be, after the last use. The error is a [*FormatError], or
// one of r.
func New(r io.ReaderAt, size int64) (*File, error) {
	tensors, err := parse(r, size)
	if err != nil {
		return nil, err
	}
	f := new(File)
	if err := f.add(tensors); err != nil {
		return nil, err
	}
	f.sort()
	return f, nil
}

// Open opens one file. Errors of the file system are wrapped; what is wrong with
// the contents is a [*FormatError].
func Open(path string) (*File, error) {
	f := new(File)
	if _, err := f.open(path); err != nil {
		f.Close()
		return nil, err
	}
	f.sort()
	return f, nil
}

// The names of a model's files in a folder.
const (
	singleName = "model.safetensors"
	indexName  = "model.safetensors.index.json"
)

// OpenFolder opens the model in a folder: model.safetensors or, where there is
// none, the shards that model.safetensors.index.json names. These lie in the
// folder itself; a name that leads elsewhere is refused, and so is an index that
// does not say the same as its shards. (A file may be a symbolic link, as in the
// cache of Hugging Face's own programs.)
func OpenFolder(path string) (*File, error) {
	single := filepath.Join(path, singleName)
	_, err := os.Stat(single)
	if err == nil {
		return Open(single)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	index := filepath.Join(path, indexName)
	shardOf, err := readIndex(index)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is neither %s nor %s: %w", path, singleName, indexName, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	f := new(File)
	if err := f.openShards(path, shardOf); err != nil {
		f.Close()
		return nil, inFile(index, err)
	}
	f.sort()
	return f, nil
}

// openShards opens the files in which an index has tensors.
func (f *File) openShards(folder string, shardOf map[string]string) error {
	var shards []string
	for _, shard := range shardOf {
		shards = append(shards, shard)
	}
	slices.Sort(shards)
	shards = slices.Compact(shards)
	if len(shards) > maxShards {
		return formatErrorf("weight_map", "names %d files; at most %d are supported", len(shards), maxShards)
	}
	found := 0
	for _, shard := range shards {
		if !isPlainName(shard) {
			return formatErrorf("weight_map", "names the file %.80q, which is not simply the name of a file in the same folder", shard)
		}
		tensors, err := f.open(filepath.Join(folder, shard))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: the model lies in %d files, of which this one is missing: fetch it too", err, len(shards))
		}
		if err != nil {
			return err
		}
		for _, t := range tensors {
			if shardOf[t.Name] != shard {
				return formatErrorf("weight_map", "has tensor %.80q in %.80q, but it is in %.80q: the files do not belong together", t.Name, shardOf[t.Name], shard)
			}
		}
		found += len(tensors)
	}
	if found == len(shardOf) {
		return nil
	}
	for _, name := range sortedKeys(shardOf) {
		if _, ok := f.byName[name]; !ok {
			return formatErrorf("weight_map", "has tensor %.80q in %.80q, where it is not: the files do not belong together", name, shardOf[name])
		}
	}
	return nil
}

// isPlainName reports whether a name means a file in the same folder on every
// system.
func isPlainName(name string) bool {
	return filepath.IsLocal(name) && !strings.ContainsAny(name, `/\:`) && name != "."
}

// open opens a file and adds its tensors.
func (f *File) open(path string) ([]Tensor, error) {
	file, info, err := input.Open(path)
	if err != nil {
		return nil, err
	}
	f.files = append(f.files, file)
	tensors, err := parse(file, info.Size())
	if err == nil {
		err = f.add(tensors)
	}
	return tensors, inFile(path, err)
}

func (f *File) add(tensors []Tensor) error {
	if f.byName == nil {
		f.byName = make(map[string]int)
	}
	for _, t := range tensors {
		if _, ok := f.byName[t.Name]; ok {
			return formatErrorf(tensorField(t.Name), "is in another file of the model too")
		}
		f.byName[t.Name] = len(f.tensors)
		f.tensors = append(f.tensors, t)
	}
	return nil
}

func (f *File) sort() {
	slices.SortFunc(f.tensors, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	for i, t := range f.tensors {
		f.byName[t.Name] = i
	}
}
