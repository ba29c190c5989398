package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hurried is a pace at which everything happens at once, but for silence: a
// machine that does much else may be silent too.
func hurried() *pace {
	return &pace{
		connections: 4, piece: 64 << 10,
		silence: 20 * time.Second, pause: time.Millisecond, longest: 10 * time.Millisecond, patience: time.Second,
		tries: 6, recording: 3 * time.Millisecond, reporting: 3 * time.Millisecond,
	}
}

// contents returns bytes that no part of another file looks like.
func contents(seed byte, size int) []byte {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// A server on this machine gives one file, and plays a trick with it.
type server struct {
	*httptest.Server
	t        testing.TB
	requests atomic.Int64
	sent     atomic.Int64 // bytes of bodies

	mu    sync.Mutex
	file  []byte
	etag  string
	trick func(w http.ResponseWriter, r *http.Request, n int) bool // true: that was the answer; n counts from 1
	seen  []*http.Request
}

func newServer(t testing.TB, file []byte) *server {
	s := &server{t: t, file: file, etag: `"first"`}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(s.requests.Add(1))
	s.mu.Lock()
	trick := s.trick
	s.seen = append(s.seen, r.Clone(context.Background()))
	s.mu.Unlock()
	counted := &countingWriter{w, &s.sent}
	if trick == nil || !trick(counted, r, n) {
		s.give(counted, r)
	}
}

// give does what an honest server does.
func (s *server) give(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	file, etag := s.file, s.etag
	s.mu.Unlock()
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
}

func (s *server) play(trick func(w http.ResponseWriter, r *http.Request, n int) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trick = trick
	s.requests.Store(0)
	s.sent.Store(0)
	s.seen = nil
}

func (s *server) address() string { return s.URL + "/model.bin" }

type countingWriter struct {
	http.ResponseWriter
	sent *atomic.Int64
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.sent.Add(int64(n))
	return n, err
}

func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// cutAfter is a writer that breaks the connection after so many bytes.
type cutAfter struct {
	http.ResponseWriter
	left int
}

func (c *cutAfter) Write(p []byte) (int, error) {
	if len(p) >= c.left {
		c.ResponseWriter.Write(p[:c.left])
		http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

func newStore(t testing.TB) *Store {
	return &Store{Folder: filepath.Join(t.TempDir(), "store"), pace: hurried(), Logger: testLogger(t)}
}

func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func mustParse(t testing.TB, text string) Reference {
	t.Helper()
	r, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// checkWhole fails the test unless the entry's file is exactly want.
func checkWhole(t testing.TB, e Entry, want []byte) {
	t.Helper()
	got, err := os.ReadFile(e.Path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s has %d bytes, not the %d that it should have", e.Path, len(got), len(want))
	}
	if e.SHA256 != sumOf(want) || e.Bytes != int64(len(want)) {
		t.Fatalf("entry %+v", e)
	}
}

// checkNothing fails the test if any file has got its final name.
func checkNothing(t testing.TB, s *Store) {
	t.Helper()
	for _, folder := range []string{"files", "models"} {
		files, _ := os.ReadDir(filepath.Join(s.Folder, folder))
		if len(files) > 0 {
			t.Fatalf("%s has %v", folder, files)
		}
	}
}

// checkFiles fails the test if a file under its final name is not what that says.
func checkFiles(t testing.TB, folder string) int {
	t.Helper()
	files, _ := os.ReadDir(filepath.Join(folder, "files"))
	for _, file := range files {
		f, err := os.Open(filepath.Join(folder, "files", file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.New()
		if _, err := io.Copy(hash, f); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if sum := fmt.Sprintf("%x", hash.Sum(nil)); sum != file.Name() {
			t.Fatalf("the file %s has the sum %s", file.Name(), sum)
		}
	}
	return len(files)
}
