// Package input is what every reader of a named file or a piped text does first:
// it opens nothing that could keep it waiting, takes a byte-order mark for no
// text, and knows by sight what people have by mistake in a file's place.
package input

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

// Open opens a regular file for reading. Everything else (a folder, a named pipe,
// a device, a socket) is refused at once by a [fs.PathError], because opening a
// pipe waits for whoever writes into it, and a device may have no end.
func Open(path string) (*os.File, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		var about *fs.PathError
		if errors.As(err, &about) {
			about.Op = "open" // which is what was wanted
		}
		return nil, nil, err
	}
	if err := checkRegular(path, info); err != nil {
		return nil, nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	// What lies at the path may be another file by now.
	info, err = file.Stat()
	if err == nil {
		err = checkRegular(path, info)
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

func checkRegular(path string, info fs.FileInfo) error {
	what := ""
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		what = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	default:
		what = "something else"
	}
	return &fs.PathError{Op: "open", Path: path, Err: errors.New("is " + what + ", not a regular file")}
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// TrimMark returns a text without the byte-order mark that programs under
// Windows put before UTF-8.
func TrimMark(text []byte) []byte { return bytes.TrimPrefix(text, byteOrderMark) }

// SkipMark is [TrimMark] for what is still to be read.
func SkipMark(r io.Reader) io.Reader { return &markSkipper{r: r} }

// A markSkipper looks at the first bytes when it is first asked for some, and not
// before: whoever types them may not have begun.
type markSkipper struct {
	r    io.Reader
	seen bool
}

func (s *markSkipper) Read(p []byte) (int, error) {
	if !s.seen {
		s.seen = true
		b := bufio.NewReader(s.r)
		// One byte after the other, lest a terminal's first line is waited for
		// that is shorter than a mark.
		for n := 1; n <= len(byteOrderMark); n++ {
			start, err := b.Peek(n)
			if err != nil || !bytes.HasPrefix(byteOrderMark, start) {
				break
			}
			if n == len(byteOrderMark) {
				b.Discard(n)
			}
		}
		s.r = b
	}
	return s.r.Read(p)
}
