package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gobitnet/gobitnet/internal/input"
)

// A Store keeps models in a folder. Its fields are set before it is used; any
// number of goroutines, and of processes, may use one folder.
type Store struct {
	// Folder is where everything lies. It need not exist yet.
	Folder string

	// Endpoint is the address that hf: references and names of the table are
	// asked of, "" for https://huggingface.co.
	Endpoint string

	// Token is sent to the endpoint's host, and to no other, whatever it
	// redirects to.
	Token string

	// HuggingFaceCache is the folder in which Hugging Face's own programs keep
	// their files; "" for none.
	HuggingFaceCache string

	// Logger is told of requests, tries and waiting; nil for nobody.
	Logger *slog.Logger

	transport http.RoundTripper // nil for one that heeds the environment's proxies
	pace      *pace             // nil for the usual one
}

// DefaultFolder returns the folder for models in the user's cache folder.
func DefaultFolder() (string, error) {
	folder, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("there is no cache folder: %w", err)
	}
	return filepath.Join(folder, "gobitnet", "hub"), nil
}

// An Entry is a model that is here.
type Entry struct {
	Name   string    `json:"name"`
	Source string    `json:"source"` // where it came from
	File   string    `json:"file"`   // its name there
	Bytes  int64     `json:"bytes"`
	SHA256 string    `json:"sha256"`
	Pulled time.Time `json:"pulled"`

	// Path is where it lies. In the store's own records it stands only where
	// that is outside the store.
	Path string `json:"path,omitempty"`
}

// A Part is a download that is not finished.
type Part struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"` // that are there
	Total int64  `json:"total"` // of the whole; -1 where it is not known
}

func (s *Store) log() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger
}

func (s *Store) filePath(sum string) string { return filepath.Join(s.Folder, "files", sum) }

// entryPath returns where the record of a name lies. Names that differ have
// files that differ, also where the system tells no capitals from small letters.
func (s *Store) entryPath(name string) string {
	file := name
	if _, ok := modelNamed(name); !ok {
		readable := strings.Map(func(c rune) rune {
			if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-' {
				return c
			}
			return '_'
		}, strings.ToLower(name))
		file = fmt.Sprintf("%.80s-%x", readable, sum256(name)[:6])
	}
	return filepath.Join(s.Folder, "models", file+".json")
}

func sum256(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// Find returns the model of a reference, if it is here; it asks no network. The
// error wraps [ErrNotHere] where it is not.
func (s *Store) Find(r Reference) (Entry, error) {
	if e, ok := s.recorded(r); ok {
		return e, nil
	}
	if e, ok := s.summed(r, r.SHA256); ok {
		return e, nil
	}
	return Entry{}, notHere(r)
}

func notHere(r Reference) error { return fmt.Errorf("%s %w", r.Name, ErrNotHere) }

// recorded returns what the name stands for.
func (s *Store) recorded(r Reference) (Entry, bool) {
	e, err := s.read(s.entryPath(r.Name))
	return e, err == nil && e.Name == r.Name && (r.SHA256 == "" || r.SHA256 == e.SHA256) && e.there()
}

// summed returns the file of a SHA-256, which may have come under another name.
func (s *Store) summed(r Reference, sum string) (Entry, bool) {
	if sum == "" {
		return Entry{}, false
	}
	e := Entry{Name: r.Name, Source: r.source(), File: r.File, SHA256: sum, Path: s.filePath(sum)}
	info, err := os.Stat(e.Path)
	if err != nil || !info.Mode().IsRegular() {
		return Entry{}, false
	}
	e.Bytes, e.Pulled = info.Size(), info.ModTime().UTC()
	return e, true
}

// there reports whether the entry's file is where it was.
func (e Entry) there() bool {
	info, err := os.Stat(e.Path)
	return err == nil && info.Mode().IsRegular() && info.Size() == e.Bytes
}

// read reads a record, of whatever contents.
func (s *Store) read(path string) (Entry, error) {
	var e Entry
	data, err := os.ReadFile(path)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return e, err
	}
	if !wholeSum.MatchString(e.SHA256) {
		return e, fmt.Errorf("%s names no SHA-256", path)
	}
	if e.Path == "" {
		e.Path = s.filePath(e.SHA256)
	}
	return e, nil
}

// entries returns all that is recorded, with and without files.
func (s *Store) entries() ([]Entry, error) {
	files, err := jsonFiles(filepath.Join(s.Folder, "models"))
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, path := range files {
		e, err := s.read(path)
		if err != nil || s.entryPath(e.Name) != path {
			s.log().Warn("a record of the store cannot be read", "file", path, "error", err)
			continue
		}
		all = append(all, e)
	}
	return all, nil
}

// jsonFiles returns the records in a folder, which need not exist.
func jsonFiles(folder string) (paths []string, err error) {
	files, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, file := range files {
		if strings.HasSuffix(file.Name(), ".json") {
			paths = append(paths, filepath.Join(folder, file.Name()))
		}
	}
	return paths, nil
}

// List returns the models that are here, in the order of their names.
func (s *Store) List() ([]Entry, error) {
	all, err := s.entries()
	all = slices.DeleteFunc(all, func(e Entry) bool { return !e.there() })
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}

// Unfinished returns the downloads that are not finished, whether somebody works
// on them or not.
func (s *Store) Unfinished() ([]Part, error) {
	records, err := jsonFiles(filepath.Join(s.Folder, "parts"))
	if err != nil {
		return nil, err
	}
	var all []Part
	for _, path := range records {
		if r, err := readRecord(path); err == nil {
			all = append(all, Part{r.Name, r.Done.total(), r.Total})
		}
	}
	slices.SortFunc(all, func(a, b Part) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Remove takes a model out of the store, and what there is of its unfinished
// download, and returns how many bytes that freed: none for a file that another
// name stands for too, or that lies outside the store and stays. The error wraps
// [ErrNotHere] where there is nothing to remove.
func (s *Store) Remove(ctx context.Context, r Reference) (freed int64, err error) {
	found := false
	err = s.exclusively(ctx, func() error {
		path := s.entryPath(r.Name)
		e, err := s.read(path)
		if err != nil || e.Name != r.Name {
			return nil
		}
		found = true
		if err := os.Remove(path); err != nil {
			return err
		}
		others, err := s.entries()
		if err != nil {
			return err
		}
		file := s.filePath(e.SHA256)
		shared := slices.ContainsFunc(others, func(other Entry) bool { return other.SHA256 == e.SHA256 })
		if shared || e.Path != file {
			return nil
		}
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		freed = e.Bytes
		return nil
	})
	if err != nil {
		return freed, err
	}
	t := s.inStore(r)
	if t.exists() {
		release, err := lock(ctx, t.lock, func() { s.log().Info("another process downloads this: waiting for it", "name", r.Name) })
		if err != nil {
			return freed, err
		}
		defer release()
		if info, err := os.Stat(t.part); err == nil {
			found, freed = true, freed+info.Size()
		}
		if err := t.discard(); err != nil {
			return freed, err
		}
	}
	if !found {
		return 0, notHere(r)
	}
	return freed, nil
}

// Verify reads a model that is here once more and compares its SHA-256. The
// error is a [*MismatchError] where it has changed.
func (s *Store) Verify(ctx context.Context, r Reference) (Entry, error) {
	e, err := s.Find(r)
	if err != nil {
		return e, err
	}
	sum, _, err := Sum(ctx, e.Path)
	if err == nil && sum != e.SHA256 {
		err = &MismatchError{What: "SHA-256", Got: sum, Want: e.SHA256, From: "the record of its download"}
	}
	return e, err
}

// Sum returns the SHA-256 of a file, in hexadecimal digits, and its size.
func Sum(ctx context.Context, path string) (sum string, bytes int64, err error) {
	f, _, err := input.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	return copyAndSum(ctx, io.Discard, f)
}

// copyAndSum copies everything, until ctx ends.
func copyAndSum(ctx context.Context, w io.Writer, r io.Reader) (sum string, bytes int64, err error) {
	hash := sha256.New()
	buffer := make([]byte, bufferSize)
	for {
		n, err := r.Read(buffer)
		hash.Write(buffer[:n])
		if _, err := w.Write(buffer[:n]); err != nil {
			return "", bytes, err
		}
		bytes += int64(n)
		if err == io.EOF {
			return hex.EncodeToString(hash.Sum(nil)), bytes, nil
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return "", bytes, err
		}
	}
}

// exclusively runs f while no other process changes what names stand for.
func (s *Store) exclusively(ctx context.Context, f func() error) error {
	if err := os.MkdirAll(s.Folder, 0o777); err != nil {
		return err
	}
	release, err := lock(ctx, filepath.Join(s.Folder, "lock"), nil)
	if err != nil {
		return err
	}
	defer release()
	return f()
}

// keep puts a whole file, which lies at part, into the store, and records it.
func (s *Store) keep(ctx context.Context, part string, e Entry) (Entry, error) {
	err := s.exclusively(ctx, func() error {
		file := s.filePath(e.SHA256)
		if part != "" {
			if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
				return err
			}
			if info, err := os.Stat(file); err == nil && info.Size() == e.Bytes {
				os.Remove(part) // it came under another name meanwhile
			} else if err := rename(part, file); err != nil {
				return err
			}
			e.Path = file
		}
		record := e
		if record.Path == file {
			record.Path = ""
		}
		return writeJSON(s.entryPath(e.Name), record)
	})
	return e, err
}

// writeJSON writes a small file that people read, whole or not at all. Only one
// process at a time may do so.
func writeJSON(path string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	temporary := path + ".tmp"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = rename(temporary, path)
	}
	if err != nil {
		os.Remove(temporary)
	}
	return err
}

// rename gives a file its final name, for good also where the power fails
// afterwards, on systems that write folders out when asked to.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if folder, err := os.Open(filepath.Dir(to)); err == nil {
		folder.Sync()
		folder.Close()
	}
	return nil
}
