package gguf

import (
	"fmt"
	"math"
	"strings"
)

// The keys of a model that has been split into several files. Its first file has
// all other metadata; each has the list and the bytes of its own tensors.
const (
	keyPart        = "split.no"    // of this file, from 0 on
	keyParts       = "split.count" // files of the model
	keyPartTensors = "split.tensors.count"
)

// maxParts bounds how many files a model may be split into.
const maxParts = 1024

// A part is a file's place among those of its model.
type part struct{ number, count int }

// part returns the file's place, number 0 of 1 for a model in one file.
func (f *File) part() (part, error) {
	count, err := f.partKey(keyParts, 1)
	if err != nil || count <= 1 {
		return part{0, 1}, err
	}
	if count > maxParts {
		return part{}, f.partErrorf("is %d; at most %d files are supported", count, maxParts)
	}
	number, err := f.partKey(keyPart, 0)
	if err != nil {
		return part{}, err
	}
	if number >= count {
		return part{}, f.partErrorf("is %d where %s is %d", count, keyPart, number)
	}
	return part{number, count}, nil
}

func (f *File) partKey(key string, missing int) (int, error) {
	v, ok := f.values[key]
	if !ok {
		return missing, nil
	}
	n, err := v.Uint()
	if err != nil {
		return 0, formatErrorf(keyField(key), v.start, "%v", err.(*KeyError).Reason)
	}
	return int(min(n, math.MaxInt32)), nil
}

func (f *File) partErrorf(format string, args ...any) error {
	return formatErrorf(keyField(keyParts), f.values[keyParts].start, format, args...)
}

// openOtherParts opens the other files of a model of which f is the first, and
// adds their tensors.
func (f *File) openOtherParts() error {
	own, err := f.part()
	if err != nil {
		return fmt.Errorf("open %s: %w", f.path, err)
	}
	if own.count == 1 {
		return nil
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("open %s: %w", f.path, f.partErrorf("is %d: the file is part %d of %d of a model%s", own.count, own.number+1, own.count, fmt.Sprintf(format, args...)))
	}
	prefix, ok := strings.CutSuffix(f.path, partSuffix(own))
	if !ok {
		return fail("; its name must end in %s, as it was published, for the others to be found", partSuffix(own))
	}
	if own.number != 0 {
		return fail("; open the first, %s", prefix+partSuffix(part{0, own.count}))
	}
	for number := 1; number < own.count; number++ {
		place := part{number, own.count}
		other, err := openPart(prefix + partSuffix(place))
		if err != nil {
			// This is about another file, and says so.
			return fmt.Errorf("open %s, part 1 of %d: part %d: %w", f.path, own.count, number+1, err)
		}
		f.parts = append(f.parts, other)
		if found, err := other.part(); err != nil {
			return fmt.Errorf("open %s: %w", other.path, err)
		} else if found != place {
			return fail("; %s is part %d of %d", other.path, found.number+1, found.count)
		}
		for _, t := range other.tensors {
			if _, ok := f.byName[t.Name]; ok {
				return fail("; %s has tensor %q, which a part before it has", other.path, t.Name)
			}
			f.byName[t.Name] = len(f.tensors)
			f.tensors = append(f.tensors, t)
		}
	}
	if n, err := f.partKey(keyPartTensors, len(f.tensors)); err != nil {
		return fmt.Errorf("open %s: %w", f.path, err)
	} else if n != len(f.tensors) {
		return fail("; %s is %d, but the parts have %d tensors", keyPartTensors, n, len(f.tensors))
	}
	return nil
}

// partSuffix returns how the name of a part ends.
func partSuffix(p part) string { return fmt.Sprintf("-%05d-of-%05d.gguf", p.number+1, p.count) }
