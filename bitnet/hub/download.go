package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

const (
	bufferSize  = 256 << 10
	maxRestarts = 3
)

// pace is how much is asked for at a time, and how long things may take.
type pace struct {
	connections int   // at most, where a server allows several
	piece       int64 // bytes that one request asks for

	silence   time.Duration // of a server before it is given up
	pause     time.Duration // before the second try; it doubles
	longest   time.Duration // that pauses grow to
	patience  time.Duration // the longest Retry-After that is obeyed
	tries     int           // without a byte, before giving up
	recording time.Duration // between records of what is there
	reporting time.Duration // between reports of progress
}

func (s *Store) usualPace() *pace {
	if s.pace != nil {
		return s.pace
	}
	return &pace{
		connections: 4, piece: 32 << 20,
		silence: 30 * time.Second, pause: time.Second, longest: 30 * time.Second, patience: 5 * time.Minute,
		tries: 6, recording: time.Second, reporting: 100 * time.Millisecond,
	}
}

// errChanged says that a server has another file than the one whose part is here.
var errChanged = errors.New("the file on the server has changed")

// A download brings the bytes of one file into its part.
type download struct {
	*pace
	store     *Store
	reference Reference
	source    *source
	part      part
	progress  func(Progress)
	known     func(sum string) error // told of the SHA-256 before bytes come
	file      *os.File

	grown chan struct{} // something has been added to done

	mu       sync.Mutex
	record   record         // Done is what is in the file, on the disk or not
	claimed  spans          // what workers are at
	answered bool           // the server has given bytes of the file once
	whole    bool           // it gives the whole file or nothing
	trusting bool           // If-Range is left out: the server told the SHA-256
	busy     int            // workers beside the first
	extra    sync.WaitGroup // of them
}

// resume reads what an earlier call has left, and reports whether there was
// something. Bytes without a record of what they are say nothing. A record
// without bytes tells the SHA-256 of a file that may have got its name already.
func (d *download) resume() (resumed bool, left string, err error) {
	r, err := readRecord(d.part.record)
	same := r.Name == d.reference.Name // beside it, files of several models may have one name
	if d.reference.SHA256 != "" {
		same = r.SHA256 == d.reference.SHA256
	}
	if err == nil && same && len(r.Done) > 0 && r.SHA256+r.ETag+r.Modified != "" {
		info, err := d.file.Stat()
		if err == nil && info.Size() >= r.Done[len(r.Done)-1][1] {
			d.record = r
			return true, r.SHA256, nil
		}
		left = r.SHA256
	}
	return false, left, d.restart()
}

// run brings what is missing and returns the SHA-256 of the whole. The part stays
// whatever happens.
func (d *download) run(ctx context.Context) (sum string, err error) {
	for restarts := 0; ; restarts++ {
		sum, err = d.once(ctx)
		if !errors.Is(err, errChanged) {
			return sum, err
		}
		if restarts == maxRestarts {
			return "", fmt.Errorf("the file on the server changes again and again: try later")
		}
		d.store.log().Info("the file on the server is another one than before: beginning anew", "name", d.reference.Name)
		if err := d.restart(); err != nil {
			return "", err
		}
	}
}

// restart forgets what is there.
func (d *download) restart() error {
	d.record = d.reference.record()
	d.claimed, d.answered, d.whole, d.trusting = nil, false, false, false
	if err := d.file.Truncate(0); err != nil {
		return err
	}
	return d.save()
}

// once brings what is missing, if the file stays the same meanwhile.
func (d *download) once(ctx context.Context) (sum string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d.grown = make(chan struct{}, 1)
	summed := make(chan error, 1)
	go func() {
		var err error
		sum, err = d.sum(ctx)
		if err != nil {
			cancel(err)
		}
		summed <- err
	}()
	stopWatch := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		d.watch(stopWatch)
	}()
	for err == nil {
		err = d.work(ctx, cancel, true)
		d.extra.Wait() // they may bring what the first one could not
		if p := d.there(); p.Bytes == p.Total {
			err = nil
			break
		}
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		cancel(err)
	}
	// The error that ended a worker may have been the end of another's.
	if e := <-summed; err == nil {
		err = e
	} else if cause := context.Cause(ctx); errors.Is(err, context.Canceled) && cause != nil {
		err = cause
	}
	close(stopWatch)
	<-watched
	e := d.save()
	if n := len(d.record.Done); n > 0 && diskFull(e) {
		// Where there is no room left for the record, it takes that of the last bytes.
		end := d.record.Done[n-1][1]
		begin := max(end-bufferSize, 0)
		d.record.Done.remove(begin, end)
		if e = d.file.Truncate(begin); e == nil {
			e = d.save()
		}
	}
	if err == nil {
		err = e
	}
	return sum, err
}

// watch records and reports what is there, until stop is closed.
func (d *download) watch(stop <-chan struct{}) {
	record, report := time.NewTicker(d.recording), time.NewTicker(d.reporting)
	defer record.Stop()
	defer report.Stop()
	// Writing out may take long; reports go on meanwhile.
	saving := make(chan struct{}, 1)
	for {
		select {
		case <-record.C:
			select {
			case saving <- struct{}{}:
				go func() {
					if err := d.save(); err != nil {
						d.store.log().Debug("cannot record what is there", "error", err)
					}
					<-saving
				}()
			default:
			}
		case <-report.C:
			d.report()
		case <-stop:
			saving <- struct{}{}
			d.report()
			return
		}
	}
}

func (d *download) report() {
	if d.progress != nil {
		d.progress(d.there())
	}
}

// save records what is there, once that has reached the disk.
func (d *download) save() error {
	d.mu.Lock()
	record := d.record
	record.Done = append(spans(nil), d.record.Done...)
	d.mu.Unlock()
	if err := d.file.Sync(); err != nil {
		return err
	}
	return writeJSON(d.part.record, record)
}

// sum adds up the SHA-256 in the order of the file, close behind what comes.
func (d *download) sum(ctx context.Context) (string, error) {
	hash := sha256.New()
	buffer := make([]byte, bufferSize)
	for at := int64(0); ; {
		d.mu.Lock()
		end, total := d.record.Done.begun(), d.record.Total
		d.mu.Unlock()
		if at == end {
			if at == total {
				return hex.EncodeToString(hash.Sum(nil)), nil
			}
			select {
			case <-d.grown:
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
			continue
		}
		n, err := d.file.ReadAt(buffer[:min(end-at, bufferSize)], at)
		hash.Write(buffer[:n])
		at += int64(n)
		if err != nil {
			return "", err
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
	}
}

// work brings pieces until none is left to be claimed. The first worker tries
// again as long as there is hope; the others end at the first try that brings
// nothing, since a server need not allow them.
func (d *download) work(ctx context.Context, cancel context.CancelCauseFunc, first bool) error {
	failures := 0
	for {
		piece, ok := d.claim()
		if !ok {
			return nil
		}
		n, err := d.fetch(ctx, cancel, piece, first)
		d.mu.Lock()
		d.claimed.remove(piece[0], piece[1])
		d.mu.Unlock()
		if err == nil {
			if first && failures > 0 {
				d.others(ctx, cancel) // the trouble was theirs too
			}
			failures = 0
			continue
		}
		if n > 0 {
			failures = 0
		}
		var p *passing
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.As(err, &p):
			if !first && !errors.Is(err, errChanged) && !errors.As(err, new(localError)) {
				return nil
			}
			cancel(err)
			return err
		case !first && n == 0:
			return nil
		}
		d.mu.Lock()
		answered := d.answered
		d.mu.Unlock()
		if p.first && !answered {
			return p.err
		}
		failures++
		pause := min(d.pause<<min(failures-1, 20), d.longest)
		pause = pause*3/4 + time.Duration(rand.Int64N(int64(pause)/2+1)) // not all of a crowd at once
		switch {
		case failures == d.tries:
			return fmt.Errorf("%w (tried %d times)", p.err, failures)
		case p.after > d.patience:
			return fmt.Errorf("%w: it asks to wait for %v: try again then", p.err, p.after)
		case p.after > pause:
			pause = p.after
		}
		level := slog.LevelInfo
		if !first {
			level = slog.LevelDebug // one voice is enough
		}
		d.store.log().Log(ctx, level, "trying again", "after", pause.Round(time.Millisecond), "because", p.err)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// others starts as many workers beside the first as are missing.
func (d *download) others(ctx context.Context, cancel context.CancelCauseFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ; !d.whole && d.busy < d.connections-1; d.busy++ {
		d.extra.Go(func() {
			d.work(ctx, cancel, false)
			d.mu.Lock()
			d.busy--
			d.mu.Unlock()
		})
	}
}

// localError is trouble with this machine's disk.
type localError struct{ error }

func (e localError) Unwrap() error { return e.error }

// claim chooses the next piece to bring.
func (d *download) claim() (span, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	taken := append(spans(nil), d.record.Done...)
	for _, c := range d.claimed {
		taken.add(c[0], c[1])
	}
	total := d.record.Total
	if total < 0 {
		total = taken.begun() + d.piece // as far as is known
	}
	gap, ok := taken.gap(total)
	if !ok {
		return gap, false
	}
	if !d.whole {
		gap[1] = min(gap[1], (gap[0]/d.piece+1)*d.piece)
	}
	d.claimed.add(gap[0], gap[1])
	return gap, true
}

// errNoRanges says that a server gives the whole file where another worker is at
// it already.
var errNoRanges = errors.New("the server gives no ranges")

// fetch brings a piece, or as much of it as comes, and returns how many bytes
// that was.
func (d *download) fetch(ctx context.Context, cancel context.CancelCauseFunc, piece span, first bool) (n int64, err error) {
	d.mu.Lock()
	validator := d.record.ETag
	if validator == "" {
		validator = d.record.Modified
	}
	if len(d.record.Done) == 0 || d.trusting {
		validator = ""
	}
	d.mu.Unlock()
	a, err := d.source.get(ctx, piece, validator)
	if beyond := new(rangeError); errors.As(err, &beyond) {
		if err = d.checkSize(beyond.total); err == nil {
			err = errChanged
			if validator == "" && piece[0] == 0 {
				err = d.emptyError()
			}
		}
	}
	if err != nil {
		return 0, err
	}
	defer a.body.Close()
	if !first && !a.ranged {
		return 0, errNoRanges
	}
	begins, again, err := d.compare(a)
	if err != nil || again {
		return 0, err
	}
	if begins && a.ranged && a.total > d.piece {
		d.others(ctx, cancel)
	}
	end := a.to
	if end < 0 {
		end = d.there().Total
	}
	buffer := make([]byte, bufferSize)
	for at := a.from; at != end; {
		want := int64(len(buffer))
		if end >= 0 {
			want = min(want, end-at)
		}
		got, err := a.body.Read(buffer[:want])
		if got > 0 {
			added, err := d.put(buffer[:got], at)
			n += added
			at += int64(got)
			if err != nil {
				return n, err
			}
		}
		switch {
		case err == io.EOF && end < 0:
			end = at
			d.setTotal(at)
		case (err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF)) && at != end:
			return n, &passing{err: fmt.Errorf("%s ended the connection after %d of %d bytes", d.source.address.Host, at-a.from, end-a.from)}
		case err != nil && err != io.EOF:
			return n, err
		}
	}
	return n, nil
}

func (d *download) setTotal(n int64) {
	d.mu.Lock()
	d.record.Total = n
	d.mu.Unlock()
	d.tellGrown()
}

// compare holds an answer against what is known of the file, and takes down what
// the first one says. It reports whether it was that, and whether the same is to
// be asked once more.
func (d *download) compare(a *answer) (first, again bool, err error) {
	r := d.reference
	if r.SHA256 != "" && a.sum != "" && a.sum != r.SHA256 {
		return false, false, &MismatchError{"SHA-256", a.sum, r.SHA256, r.knownFrom}
	}
	if err := d.checkSize(a.total); err != nil {
		return false, false, err
	}
	d.mu.Lock()
	begun, known := len(d.record.Done) > 0, d.record.SHA256 != "" || a.sum != ""
	switch {
	case begun && !d.record.sameFile(a):
		err = errChanged
	case begun && !a.ranged && a.sum != "" && !d.trusting:
		// It is the same file, though its copies may differ in their ETags.
		d.trusting, again = true, true
	case a.total == 0:
		err = d.emptyError()
	case !a.framed && d.record.Total < 0 && !known:
		err = fmt.Errorf("%s does not say how long the file is, so that nobody can know when it is whole: give its SHA-256 by #sha256=", d.source.address.Host)
	default:
		d.whole = !a.ranged
		first, d.answered = !d.answered, true
	}
	if first {
		if a.total >= 0 {
			d.record.Total = a.total
		}
		if r.SHA256 == "" && a.sum != "" {
			d.record.SHA256 = a.sum
		}
		d.record.ETag, d.record.Modified = a.etag, a.modified
	}
	sum := d.record.SHA256
	d.mu.Unlock()
	if first {
		d.tellGrown()
		if err = d.known(sum); err == nil {
			err = d.room()
		}
	}
	return first, again, err
}

// checkSize returns an error if the file is known to have another size than the
// server's; -1 is what the server does not say.
func (d *download) checkSize(total int64) error {
	if r := d.reference; r.Bytes > 0 && total >= 0 && total != r.Bytes {
		return &MismatchError{"size", strconv.FormatInt(total, 10), strconv.FormatInt(r.Bytes, 10), r.knownFrom}
	}
	return nil
}

func (d *download) emptyError() error {
	return fmt.Errorf("%s says that the file is empty", d.source.address.Host)
}

// room returns an error if the disk has no room for the rest.
func (d *download) room() error {
	p := d.there()
	if free, ok := freeSpace(d.folder()); ok && p.Total-p.Bytes > free {
		return &SpaceError{d.folder(), p.Total - p.Bytes, free}
	}
	return nil
}

func (d *download) folder() string { return filepath.Dir(d.part.part) }

// there returns how far the file has come.
func (d *download) there() Progress {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Progress{d.record.Done.total(), d.record.Total}
}

// put writes bytes to their place, and returns how many are new there.
func (d *download) put(p []byte, at int64) (added int64, err error) {
	d.mu.Lock()
	there := d.record.Done.begun()
	d.mu.Unlock()
	if at+int64(len(p)) <= there {
		return 0, nil
	}
	if _, err := d.file.WriteAt(p, at); err != nil {
		if diskFull(err) {
			p := d.there()
			free, _ := freeSpace(d.folder())
			err = &SpaceError{d.folder(), max(p.Total-p.Bytes, 0), free}
		}
		return 0, localError{err}
	}
	d.mu.Lock()
	before := d.record.Done.total()
	d.record.Done.add(at, at+int64(len(p)))
	added = d.record.Done.total() - before
	d.mu.Unlock()
	d.tellGrown()
	return added, nil
}

// tellGrown wakes sum.
func (d *download) tellGrown() {
	select {
	case d.grown <- struct{}{}:
	default:
	}
}
