package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/internal/input"
)

// PullOptions change how [Store.Pull] brings a file.
type PullOptions struct {
	// To is a folder to put the file in, under its own name, instead of the
	// store. A file of that name which is another one is not overwritten.
	To string

	// Insecure allows addresses without encryption, also on other machines.
	Insecure bool

	// Offline asks no network: what is not on this machine is not found.
	Offline bool

	// Progress is called about ten times a second, by one goroutine at a time,
	// while a file comes.
	Progress func(Progress)
}

// Progress is how far a file has come.
type Progress struct {
	Bytes int64 // that are there, also from earlier tries
	Total int64 // of the whole; -1 where it is not known
}

// Pull brings the file of a reference to this machine and returns where it lies.
// What is here already is not asked for again, even if the server has a newer
// one: remove it first.
//
// Where Pull ends before the file is whole, what came stays, and the error is an
// [*UnfinishedError]. It also wraps what went wrong: a [*StatusError], a
// [*SpaceError], a [*MismatchError], [ErrInsecure], the end of ctx, …
func (s *Store) Pull(ctx context.Context, r Reference, o PullOptions) (Entry, error) {
	if r.Name == "" {
		return Entry{}, &ReferenceError{"", "names no model"}
	}
	p := s.inStore(r)
	if o.To != "" {
		p = beside(o.To, r.File)
	} else if e, ok := s.recorded(r); ok && !p.exists() {
		return e, nil
	}
	if o.Offline && r.local == "" {
		// Where nothing is to be had, nothing is written either.
		if _, err := s.Find(r); err != nil && s.cachedPath(r) == "" {
			return Entry{}, err
		}
	}
	if err := os.MkdirAll(filepath.Dir(p.part), 0o777); err != nil {
		return Entry{}, err
	}
	release, err := lock(ctx, p.lock, func() {
		s.log().Info("another process downloads this: waiting for it", "name", r.Name)
	})
	if err != nil {
		return Entry{}, err
	}
	defer release()
	b := &bringing{Store: s, reference: r, options: o, part: p}
	return b.bring(ctx)
}

// A bringing is one call of Pull that has the lock of its part.
type bringing struct {
	*Store
	reference Reference
	options   PullOptions
	part      part
}

func (b *bringing) bring(ctx context.Context) (Entry, error) {
	r := b.reference
	// Whoever had the lock may have brought it, and there may be a copy.
	e, err := b.Find(r)
	found := err == nil
	if !found {
		if e, found = b.cached(ctx, r); found {
			b.log().Info("found in the cache of Hugging Face", "file", e.Path)
		}
	}
	switch {
	case found && b.options.To != "":
		return b.copy(ctx, e.Path, e.SHA256)
	case found:
		if e, err = b.keep(ctx, "", e); err != nil {
			return Entry{}, err
		}
		return e, b.part.discard()
	}
	if r.local != "" {
		return b.copy(ctx, r.local, r.SHA256)
	}
	if b.options.Offline {
		return Entry{}, notHere(r)
	}
	return b.download(ctx)
}

// errThere says that the file that was to come is there already.
var errThere = errors.New("the file is there")

// destination returns errThere if the file of a SHA-256 is where it is to be
// brought, and another error if another file is in its place.
func (b *bringing) destination(ctx context.Context, sum string) error {
	if b.options.To == "" {
		if _, ok := b.summed(b.reference, sum); ok {
			return errThere
		}
		return nil
	}
	path := filepath.Join(b.options.To, b.reference.File)
	got, _, err := Sum(ctx, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case got == sum:
		return errThere
	}
	return fmt.Errorf("%s is there already and is another file, or nobody knows: move it away", path)
}

// copy brings a file of this machine. A sum of "" is not known.
func (b *bringing) copy(ctx context.Context, from, sum string) (Entry, error) {
	if err := b.destination(ctx, sum); err != nil {
		return b.arrived(ctx, sum, err)
	}
	in, info, err := input.Open(from)
	if err != nil {
		return Entry{}, err
	}
	defer in.Close()
	folder := filepath.Dir(b.part.part)
	if free, ok := freeSpace(folder); ok && free < info.Size() {
		return Entry{}, &SpaceError{folder, info.Size(), free}
	}
	out, err := os.OpenFile(b.part.part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return Entry{}, err
	}
	got, _, err := copyAndSum(ctx, out, in)
	if err == nil {
		err = out.Sync()
	}
	if e := out.Close(); err == nil {
		err = e
	}
	if err == nil && sum != "" && got != sum {
		err = &MismatchError{"SHA-256", got, sum, b.reference.wanted()}
	}
	return b.arrived(ctx, got, err)
}

// download brings a file over the network.
func (b *bringing) download(ctx context.Context) (Entry, error) {
	r := b.reference
	src, err := b.source(r, b.options.Insecure)
	if err != nil {
		return Entry{}, err
	}
	file, err := os.OpenFile(b.part.part, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return Entry{}, err
	}
	defer file.Close()
	d := &download{
		pace: b.usualPace(), store: b.Store, reference: r, source: src, part: b.part, file: file,
		progress: b.options.Progress,
		known:    func(sum string) error { return b.destination(ctx, sum) },
	}
	resumed, sum, err := d.resume()
	if sum == "" {
		sum = r.SHA256
	}
	if err == nil && sum != "" {
		err = b.destination(ctx, sum)
	}
	wrong := false // all of it came, and it is not the file
	for err == nil {
		sum, err = d.run(ctx)
		if err != nil || d.record.SHA256 == "" || sum == d.record.SHA256 {
			break
		}
		if !resumed {
			wrong, err = true, &MismatchError{"SHA-256", sum, d.record.SHA256, r.wanted()}
			break
		}
		b.log().Warn("what was here of the file is damaged: beginning anew", "name", r.Name)
		resumed, err = false, d.restart()
	}
	if errors.Is(err, errThere) && d.record.SHA256 != "" {
		sum = d.record.SHA256
	}
	if err == nil && d.record.SHA256 == "" {
		d.record.SHA256 = sum
		if err = d.save(); err == nil {
			err = b.checkHeader(file)
			wrong = err != nil
		}
	}
	file.Close()
	if came := d.record.Done.total(); err != nil && !errors.Is(err, errThere) && !wrong && came > 0 {
		return Entry{}, &UnfinishedError{came, d.record.Total, err}
	}
	return b.arrived(ctx, sum, err)
}

// wanted says who knows the SHA-256.
func (r Reference) wanted() string {
	if r.knownFrom != "" {
		return r.knownFrom
	}
	return "the server"
}

// checkHeader looks whether a GGUF that nobody knows the SHA-256 of is one, and
// as long as it says itself: a server, or a page before it that wants one to log
// in, may have given anything.
func (b *bringing) checkHeader(file *os.File) error {
	if !strings.EqualFold(filepath.Ext(b.reference.File), ".gguf") {
		return nil
	}
	f, err := gguf.Open(file.Name())
	if err == nil {
		return f.Close()
	}
	var wrong *gguf.FormatError
	if errors.As(err, &wrong) {
		if strings.Contains(wrong.Field, "split.count") {
			return nil // one of several files of a model
		}
		return fmt.Errorf("what came from %s is no whole GGUF file: %w", b.reference.Name, wrong)
	}
	return err
}

// arrived gives the file that lies in the part its final name; unless err says
// that it is there already, or that it did not come: then nothing stays.
func (b *bringing) arrived(ctx context.Context, sum string, err error) (Entry, error) {
	r := b.reference
	there := errors.Is(err, errThere)
	if err != nil && !there {
		b.part.discard()
		return Entry{}, err
	}
	e := Entry{Name: r.Name, Source: r.source(), File: r.File, SHA256: sum, Pulled: time.Now().UTC().Truncate(time.Second)}
	e.Path = b.part.part
	if there {
		e.Path = b.filePath(sum)
	}
	if b.options.To != "" {
		e.Path = filepath.Join(b.options.To, r.File)
		if !there {
			if err := rename(b.part.part, e.Path); err != nil {
				return Entry{}, err
			}
		}
	}
	info, err := os.Stat(e.Path)
	if err != nil {
		return Entry{}, err
	}
	e.Bytes = info.Size()
	if b.options.To == "" {
		part := b.part.part
		if there {
			part = ""
		}
		if e, err = b.keep(ctx, part, e); err != nil {
			return Entry{}, err
		}
	}
	return e, b.part.discard()
}
