// Package output writes files whole or not at all.
package output

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A File is what is to be written where.
type File struct {
	Path string
	Data []byte
}

// Write writes files, all of them or, as far as the system allows, none. A
// regular file, or one that does not exist yet, gets its contents as a whole: at
// no moment is there a part of it, and a file that was there before keeps its
// permissions. A symbolic link is followed. What is no regular file, such as a
// device or a pipe, is written to and stays what it is, and so does what standard
// output and standard error have been redirected to.
//
// A signal that comes meanwhile leaves nothing behind, and is forgotten.
func Write(files ...File) (err error) {
	defer holdSignals()()
	var prepared []*replacement
	defer func() {
		for _, r := range prepared {
			r.discard()
		}
	}()
	var through []File
	for _, f := range files {
		target, replaced, err := destination(f.Path)
		if err != nil {
			return err
		}
		if !replaced {
			through = append(through, f)
			continue
		}
		r, err := prepare(target, contents(f.Data))
		if err != nil {
			return err
		}
		prepared = append(prepared, r)
	}
	for _, f := range through {
		if err := writeThrough(f.Path, contents(f.Data)); err != nil {
			return err
		}
	}
	for _, r := range prepared {
		if err := r.commit(); err != nil {
			return err
		}
	}
	return nil
}

// Stream has write fill the file at path, as [Write] does with one whose contents
// are in memory. Signals are for the caller to heed: they may end the process, and
// leave a file with a name of its own beside the other.
func Stream(path string, write func(io.Writer) error) error {
	target, replaced, err := destination(path)
	if err != nil {
		return err
	}
	if replaced {
		return Replace(target, write)
	}
	return writeThrough(path, write)
}

// Replace has write fill a regular file, which then takes the place of what is at
// path, as [Write] does.
func Replace(path string, write func(io.Writer) error) error {
	r, err := prepare(path, write)
	if err != nil {
		return err
	}
	defer r.discard()
	return r.commit()
}

// Check finds out whether a file of so many bytes could be written by Write,
// without writing it.
func Check(path string, size int) error {
	defer holdSignals()()
	target, replaced, err := destination(path)
	if err != nil {
		return err
	}
	if !replaced {
		info, err := os.Stat(path)
		if err != nil || waits(info) {
			return err
		}
		f, err := openThrough(path)
		if err != nil {
			return err
		}
		return f.Close()
	}
	r, err := prepare(target, contents(make([]byte, size)))
	if err != nil {
		return err
	}
	r.discard()
	return nil
}

// CheckAppend is Check for so many bytes at the end of a file.
func CheckAppend(path string, size int) error {
	info, before := os.Stat(path)
	if before == nil && waits(info) {
		return nil
	}
	f, err := OpenAppend(path)
	if err != nil {
		return err
	}
	info, err = f.Stat()
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	defer holdSignals()()
	if errors.Is(before, fs.ErrNotExist) {
		defer os.Remove(path)
	}
	// Space is a matter of the whole disk. Where no file can be made beside
	// this one, it cannot be told.
	r, err := create(path)
	if err != nil {
		return nil
	}
	defer r.discard()
	return r.fill(contents(make([]byte, size)))
}

// waits reports whether somebody may wait at the other end, to whom opening and
// closing the file would look like its end.
func waits(info fs.FileInfo) bool { return info.Mode()&fs.ModeNamedPipe != 0 }

func contents(data []byte) func(io.Writer) error {
	return func(w io.Writer) error { _, err := w.Write(data); return err }
}

// destination says what to write to for path: the file at the end of symbolic
// links, where it may be replaced. Otherwise path itself is to be opened.
func destination(path string) (target string, replaced bool, err error) {
	const mostLinks = 40
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return "", false, &fs.PathError{Op: "write", Path: path, Err: errors.New("is a folder")}
	case err == nil && (!info.Mode().IsRegular() || standard(info) != nil):
		return path, false, nil
	case err == nil:
		target, err = filepath.EvalSymlinks(path)
		return target, true, err
	case !errors.Is(err, fs.ErrNotExist):
		return "", false, err
	}
	// There is nothing, or a link to nothing.
	for range mostLinks {
		link, err := os.Readlink(path)
		if err != nil {
			return path, true, nil
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(path), link)
		}
		path = link
	}
	return "", false, &fs.PathError{Op: "write", Path: path, Err: errors.New("has too many symbolic links")}
}

// standard returns standard output or standard error, where that is the file, and
// nil where it is another one.
func standard(info fs.FileInfo) *os.File {
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		if own, err := f.Stat(); err == nil && os.SameFile(info, own) {
			return f
		}
	}
	return nil
}

func writeThrough(path string, write func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil {
		// Opened again, a file would be written from its beginning once more.
		if f := standard(info); f != nil {
			return write(f)
		}
	}
	f, err := openThrough(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// A replacement is a file beside another one, whose place it is to take.
type replacement struct {
	file   *os.File
	path   string
	target string
}

func prepare(target string, write func(io.Writer) error) (*replacement, error) {
	r, err := create(target)
	if err != nil {
		return nil, err
	}
	if err := r.fill(write); err != nil {
		r.discard()
		return nil, err
	}
	return r, nil
}

// create makes the file, with the permissions that a new file gets or the target
// has.
func create(target string) (*replacement, error) {
	mode, isThere := fs.FileMode(0o666), false
	if info, err := os.Stat(target); err == nil {
		mode, isThere = info.Mode().Perm(), true
	}
	const tries = 10_000
	for try := 0; ; try++ {
		path := fmt.Sprintf("%s.%d-%d.tmp", target, os.Getpid(), try)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if errors.Is(err, fs.ErrExist) && try < tries {
			continue
		}
		if err != nil {
			// Of the target: that there is another file is nobody's concern.
			var inner *fs.PathError
			if errors.As(err, &inner) {
				err = &fs.PathError{Op: "write", Path: target, Err: inner.Err}
			}
			return nil, err
		}
		r := &replacement{file: f, path: path, target: target}
		if isThere { // the process's mask is not for it
			if err := f.Chmod(mode); err != nil && !errors.Is(err, errors.ErrUnsupported) {
				r.discard()
				return nil, err
			}
		}
		return r, nil
	}
}

// fill writes the contents to the disk.
func (r *replacement) fill(write func(io.Writer) error) error {
	err := write(r.file)
	if err == nil {
		// A file system that cannot do it has nothing better to offer.
		if err = r.file.Sync(); errors.Is(err, errors.ErrUnsupported) || isInvalid(err) {
			err = nil
		}
	}
	if e := r.file.Close(); err == nil {
		err = e
	}
	r.file = nil
	var inner *fs.PathError
	if errors.As(err, &inner) && inner.Path == r.path {
		err = &fs.PathError{Op: inner.Op, Path: r.target, Err: inner.Err}
	}
	return err
}

// commit lets the file take its place.
func (r *replacement) commit() error {
	if err := os.Rename(r.path, r.target); err != nil {
		return fmt.Errorf("write %s: %w", r.target, errors.Unwrap(err))
	}
	r.path = ""
	if folder, err := os.Open(filepath.Dir(r.target)); err == nil {
		folder.Sync() // for good, also where the power fails now; some systems cannot
		folder.Close()
	}
	return nil
}

// discard removes the file, unless it has taken its place.
func (r *replacement) discard() {
	if r.file != nil {
		r.file.Close()
	}
	if r.path != "" {
		os.Remove(r.path)
	}
}
