package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
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

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// TestTricks has a server play one trick each. The file comes exactly as it is,
// or it does not come and the error says why.
func TestTricks(t *testing.T) {
	file := contents(1, 300<<10+123) // five pieces
	other := contents(2, len(file))
	status := func(code int, upTo int, headers ...string) func(s *server) {
		return func(s *server) {
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				if n > upTo {
					return false
				}
				for i := 0; i < len(headers); i += 2 {
					w.Header().Set(headers[i], headers[i+1])
				}
				http.Error(w, "no", code)
				return true
			})
		}
	}
	const always = 1 << 30
	for _, test := range []struct {
		name     string
		trick    func(s *server)
		unknown  bool // pull without #sha256=
		silence  time.Duration
		says     string // "" where the file comes
		requests int64  // 0 where they may be any number
	}{
		{name: "none", trick: func(s *server) {}, requests: 5},
		{name: "none, sum not known", trick: func(s *server) {}, unknown: true, requests: 5},
		{name: "whole file to a range", trick: func(s *server) {
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				r.Header.Del("Range")
				return false
			})
		}, requests: 1},
		{name: "whole file in chunks, without a length", trick: func(s *server) {
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				for at := 0; at < len(file); at += 50_000 {
					w.Write(file[at:min(at+50_000, len(file))])
					http.NewResponseController(w).Flush()
				}
				return true
			})
		}, unknown: true, requests: 1},
		{name: "neither length nor chunks", trick: func(s *server) { raw(s, "HTTP/1.0 200 OK\r\n\r\n", file) }, unknown: true, says: "does not say how long the file is"},
		{name: "neither length nor chunks, but a known sum", trick: func(s *server) { raw(s, "HTTP/1.0 200 OK\r\n\r\n", file) }},
		{name: "length too long", trick: func(s *server) {
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				w.Header().Set("Content-Length", fmt.Sprint(len(file)+1000))
				w.Write(file)
				return true
			})
		}, says: "ended the connection after"},
		{name: "length too short", trick: func(s *server) {
			raw(s, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(file)-1000), file)
		}, says: "the file has SHA-256 " + sumOf(file[:len(file)-1000])},
		{name: "range too long", trick: func(s *server) {
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", 64<<10, len(file)))
				w.WriteHeader(206)
				w.Write(file[:64<<10+1])
				return true
			})
		}, says: "was asked for bytes 0 to 65535 and answers with"},
		{name: "another range", trick: func(s *server) {
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 100-199/%d", len(file)))
				w.WriteHeader(206)
				w.Write(file[100:200])
				return true
			})
		}, says: "was asked for bytes 0 to 65535 and answers with"},
		{name: "shorter ranges than asked for", trick: func(s *server) {
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				var from, to int
				fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
				r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, min(to, from+9999)))
				return false
			})
		}},
		{name: "416 always", trick: status(416, always), says: "says that the file is empty", requests: 1},
		{name: "an empty file", trick: func(s *server) { s.file = nil }, unknown: true, says: "empty"},
		{name: "gzip", trick: func(s *server) {
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				w.Header().Set("Content-Encoding", "gzip")
				w.Write(file)
				return true
			})
		}, says: `in the encoding "gzip"`, requests: 1},
		{name: "401", trick: status(401, always), says: "answered 401 Unauthorized: there is no such repository", requests: 1},
		{name: "401 with words", trick: status(401, always, "X-Error-Message", "Access to model x is restricted."), says: "401 Unauthorized: Access to model x is restricted.", requests: 1},
		{name: "403", trick: status(403, always), says: "answered 403 Forbidden: one may not have this file", requests: 1},
		{name: "404", trick: status(404, always), says: "answered 404 Not Found: there is no such file", requests: 1},
		{name: "429 twice", trick: status(429, 2), requests: 7},
		{name: "429 with Retry-After", trick: status(429, 1, "Retry-After", "1"), requests: 6},
		{name: "429 with a long Retry-After", trick: status(429, always, "Retry-After", "3600"), says: "it asks to wait for 1h0m0s", requests: 1},
		{name: "429 always", trick: status(429, always), says: "answered 429 Too Many Requests (tried 6 times)", requests: 6},
		{name: "500 twice", trick: status(500, 2), requests: 7},
		{name: "503 with Retry-After", trick: status(503, 1, "Retry-After", "0"), requests: 6},
		{name: "503 always", trick: status(503, always), says: "answered 503 Service Unavailable (tried 6 times)", requests: 6},
		{name: "silence before the answer", silence: 300 * time.Millisecond, trick: func(s *server) {
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				if n == 1 {
					<-r.Context().Done()
				}
				return n == 1
			})
		}},
		{name: "silence in the middle", silence: 300 * time.Millisecond, trick: func(s *server) {
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				if n != 1 {
					return false
				}
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", 64<<10-1, len(file)))
				w.WriteHeader(206)
				w.Write(file[:10_000])
				http.NewResponseController(w).Flush()
				<-r.Context().Done()
				return true
			})
		}},
		{name: "silence always", silence: 300 * time.Millisecond, trick: func(s *server) {
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				<-r.Context().Done()
				return true
			})
		}, says: "has been silent for 300ms (tried 6 times)", requests: 6},
		{name: "slow drip", silence: 2 * time.Second, trick: func(s *server) {
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				if n != 1 {
					return false
				}
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", 64<<10-1, len(file)))
				w.WriteHeader(206)
				for at := 0; at < 64<<10; at += 4 << 10 { // longer in all than silence may last
					w.Write(file[at : at+4<<10])
					http.NewResponseController(w).Flush()
					time.Sleep(150 * time.Millisecond)
				}
				return true
			})
		}, requests: 5},
		{name: "another file with another tag midway", trick: func(s *server) {
			s.file, s.etag = other, `"other"`
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				if n == 3 {
					s.mu.Lock()
					s.file, s.etag = file, `"first"`
					s.mu.Unlock()
				}
				return false
			})
		}, unknown: true},
		{name: "another file with the same tag midway", trick: func(s *server) {
			s.file = other
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				if n == 3 {
					s.mu.Lock()
					s.file = file
					s.mu.Unlock()
				}
				return false
			})
		}, says: "as #sha256= says"},
		{name: "another file each time", trick: func(s *server) {
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				s.mu.Lock()
				s.etag = fmt.Sprintf(`"%d"`, n)
				s.mu.Unlock()
				return false
			})
		}, unknown: true, says: "changes again and again"},
		{name: "a sum that does not match", trick: func(s *server) { s.file = other }, says: "the file has SHA-256 " + sumOf(other) + ", not " + sumOf(file)},
		{name: "no more than one connection", trick: func(s *server) {
			var busy atomic.Int64
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				defer busy.Add(-1)
				if busy.Add(1) > 1 {
					http.Error(w, "one at a time", http.StatusTooManyRequests)
					return true
				}
				time.Sleep(2 * time.Millisecond)
				s.give(w, r)
				return true
			})
		}},
		{name: "no tags and no dates", trick: func(s *server) { s.etag = "" }, unknown: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, file)
			test.trick(s)
			store := newStore(t)
			if test.silence > 0 {
				store.pace.silence = test.silence
			}
			text := s.address()
			if !test.unknown {
				text += "#sha256=" + sumOf(file)
			}
			r := mustParse(t, text)
			e, err := store.Pull(context.Background(), r, PullOptions{})
			if requests := s.requests.Load(); test.requests != 0 && requests != test.requests {
				t.Errorf("%d requests, want %d", requests, test.requests)
			}
			if test.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				checkWhole(t, e, file)
				if parts, err := os.ReadDir(filepath.Join(store.Folder, "parts")); err != nil || len(parts) > 0 {
					t.Errorf("parts has %v, %v", parts, err)
				}
				// And it is found again without a request.
				before := s.requests.Load()
				if again, err := store.Pull(context.Background(), r, PullOptions{}); err != nil || again.Path != e.Path || s.requests.Load() != before {
					t.Errorf("again: %v, %v, %d requests", again, err, s.requests.Load()-before)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want %q", err, test.says)
			}
			checkNothing(t, store)
		})
	}
}

// raw has the server send exactly these bytes.
func raw(s *server, header string, file []byte) {
	s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			s.t.Error(err)
			return true
		}
		defer conn.Close()
		io.WriteString(conn, header)
		conn.Write(file)
		return true
	})
}

// TestErrorTypes: what callers look inside for.
func TestErrorTypes(t *testing.T) {
	file := contents(1, 200<<10)
	s := newServer(t, file)
	store := newStore(t)
	ctx := context.Background()
	s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
		http.Error(w, "", http.StatusForbidden)
		return true
	})
	var status *StatusError
	if _, err := store.Pull(ctx, mustParse(t, s.address()), PullOptions{}); !errors.As(err, &status) || status.Code != 403 {
		t.Errorf("error %v", err)
	}
	store.pace.connections = 1
	var unfinished *UnfinishedError
	if errors.As(error(status), &unfinished) {
		t.Error("nothing came, but something is said to be kept")
	}
	s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
		if n > 1 {
			http.Error(w, "", http.StatusServiceUnavailable)
		}
		return n > 1
	})
	_, err := store.Pull(ctx, mustParse(t, s.address()), PullOptions{})
	if !errors.As(err, &unfinished) || unfinished.Bytes != 64<<10 || unfinished.Total != int64(len(file)) || !errors.As(err, &status) || status.Code != 503 {
		t.Errorf("error %#v", err)
	}
	if parts, err := store.Unfinished(); err != nil || len(parts) != 1 || parts[0] != (Part{s.address(), 64 << 10, int64(len(file))}) {
		t.Errorf("unfinished %v, %v", parts, err)
	}
	var mismatch *MismatchError
	wrong := s.address() + "#sha256=" + sumOf(nil)
	s.play(nil)
	if _, err := store.Pull(ctx, mustParse(t, wrong), PullOptions{}); !errors.As(err, &mismatch) || mismatch.Got != sumOf(file) || mismatch.Want != sumOf(nil) {
		t.Errorf("error %v", err)
	}
	if _, err := store.Pull(ctx, mustParse(t, s.address()), PullOptions{Offline: true}); !errors.Is(err, ErrNotHere) || s.requests.Load() != 4 {
		t.Errorf("offline: %v after %d requests", err, s.requests.Load())
	}
	if _, err := store.Pull(ctx, Reference{}, PullOptions{}); !errors.As(err, new(*ReferenceError)) {
		t.Errorf("error %v", err)
	}
	freed, err := store.Remove(ctx, mustParse(t, s.address()))
	if err != nil || freed != 64<<10 {
		t.Errorf("removed %d bytes, %v", freed, err)
	}
	if _, err := store.Remove(ctx, mustParse(t, s.address())); !errors.Is(err, ErrNotHere) {
		t.Errorf("error %v", err)
	}
}

// TestCuts breaks the connection at 50 random places of one download, and ends
// the download itself at 50 random places of another, with one connection and
// with four, from servers with and without ranges.
func TestCuts(t *testing.T) {
	file := contents(3, 2<<20+4567)
	const cuts = 50
	for _, connections := range []int{1, 4} {
		t.Run(fmt.Sprintf("connection, %d at a time", connections), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(1, uint64(connections)))
			s := newServer(t, file)
			var mu sync.Mutex
			done := 0
			s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
				mu.Lock()
				cut, after := done < cuts, 1+random.IntN(48<<10)
				if cut {
					done++
				}
				mu.Unlock()
				if !cut {
					return false
				}
				s.give(&cutAfter{w, after}, r)
				return true
			})
			store := newStore(t)
			store.pace.connections = connections
			e, err := store.Pull(context.Background(), mustParse(t, s.address()), PullOptions{})
			if err != nil {
				t.Fatal(err)
			}
			checkWhole(t, e, file)
			if done != cuts {
				t.Errorf("%d cuts", done)
			}
			// What had been sent and was on its way when the connection broke is
			// asked for again: at most what fits into buffers.
			t.Logf("%d cuts, %d requests, %d bytes sent for %d", done, s.requests.Load(), s.sent.Load(), len(file))
			if s.sent.Load() > int64(len(file))+cuts*(48<<10) {
				t.Errorf("%d bytes sent for %d", s.sent.Load(), len(file))
			}
		})
		for _, ranges := range []bool{true, false} {
			t.Run(fmt.Sprintf("download, %d at a time, ranges %v", connections, ranges), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(2, uint64(connections)))
				s := newServer(t, file)
				s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
					if !ranges {
						r.Header.Del("Range")
					}
					return false
				})
				store := newStore(t)
				store.pace.connections = connections
				r := mustParse(t, s.address())
				kept := int64(0)
				for cut := 0; cut < cuts; cut++ {
					place := kept + 1 + random.Int64N(int64(len(file))/cuts)
					ctx, cancel := context.WithCancel(context.Background())
					_, err := store.Pull(ctx, r, PullOptions{Progress: func(p Progress) {
						if p.Bytes >= place {
							cancel()
						}
					}})
					cancel()
					var unfinished *UnfinishedError
					if err == nil { // it was faster
						break
					}
					if !errors.As(err, &unfinished) || !errors.Is(err, context.Canceled) {
						t.Fatal(err)
					}
					if unfinished.Bytes < kept {
						t.Fatalf("%d bytes are kept, after %d before", unfinished.Bytes, kept)
					}
					kept = unfinished.Bytes
					checkNothing(t, store)
				}
				e, err := store.Pull(context.Background(), r, PullOptions{})
				if err != nil {
					t.Fatal(err)
				}
				checkWhole(t, e, file)
				t.Logf("%d requests, %d bytes sent for %d", s.requests.Load(), s.sent.Load(), len(file))
			})
		}
	}
}

// TestResume: what an earlier call has left is used if the file is still the
// same, and only then.
func TestResume(t *testing.T) {
	file, other := contents(4, 400<<10), contents(5, 400<<10)
	half := func(t *testing.T, store *Store, s *server, text string) {
		t.Helper()
		store.pace.connections = 1
		s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n > 4 {
				http.Error(w, "", http.StatusInternalServerError)
			}
			return n > 4
		})
		var unfinished *UnfinishedError
		if _, err := store.Pull(context.Background(), mustParse(t, text), PullOptions{}); !errors.As(err, &unfinished) || unfinished.Bytes != 4*64<<10 {
			t.Fatalf("error %v", err)
		}
		s.play(nil)
	}
	pull := func(t *testing.T, store *Store, text string, want []byte) {
		t.Helper()
		e, err := store.Pull(context.Background(), mustParse(t, text), PullOptions{})
		if err != nil {
			t.Fatal(err)
		}
		checkWhole(t, e, want)
	}
	t.Run("the same", func(t *testing.T) {
		s, store := newServer(t, file), newStore(t)
		half(t, store, s, s.address())
		pull(t, store, s.address(), file)
		if s.sent.Load() != int64(len(file))-4*64<<10 {
			t.Errorf("%d bytes sent", s.sent.Load())
		}
		if got := s.seen[0].Header; got.Get("If-Range") != `"first"` || got.Get("Range") != "bytes=262144-327679" {
			t.Errorf("asked with %v", got)
		}
	})
	t.Run("another file", func(t *testing.T) {
		s, store := newServer(t, file), newStore(t)
		half(t, store, s, s.address())
		s.file, s.etag = other, `"second"`
		pull(t, store, s.address(), other)
	})
	t.Run("a shorter file, 416", func(t *testing.T) {
		s, store := newServer(t, file), newStore(t)
		half(t, store, s, s.address())
		s.file = other[:100<<10]
		pull(t, store, s.address(), other[:100<<10])
	})
	t.Run("no ranges any more", func(t *testing.T) {
		s, store := newServer(t, file), newStore(t)
		half(t, store, s, s.address())
		s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
			r.Header.Del("Range")
			return false
		})
		pull(t, store, s.address(), file)
		if s.requests.Load() != 1 {
			t.Errorf("%d requests", s.requests.Load())
		}
	})
	t.Run("tags that differ, the same sum", func(t *testing.T) {
		s, store := newServer(t, file), newStore(t)
		half(t, store, s, s.address()+"#sha256="+sumOf(file))
		store.Endpoint = s.URL
		s.etag = `"elsewhere"`
		s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
			w.Header().Set("X-Linked-Etag", `"`+sumOf(file)+`"`)
			return false
		})
		pull(t, store, s.address()+"#sha256="+sumOf(file), file)
		// One answer was the whole file, and was left; the rest came by ranges.
		if s.requests.Load() != 4 {
			t.Errorf("%d requests", s.requests.Load())
		}
	})
	t.Run("damaged on the disk", func(t *testing.T) {
		s, store := newServer(t, file), newStore(t)
		text := s.address() + "#sha256=" + sumOf(file)
		half(t, store, s, text)
		part := store.inStore(mustParse(t, text)).part
		f, err := os.OpenFile(part, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteAt([]byte("damage"), 1000)
		f.Close()
		pull(t, store, text, file)
	})
	t.Run("cut on the disk", func(t *testing.T) {
		s, store := newServer(t, file), newStore(t)
		half(t, store, s, s.address())
		if err := os.Truncate(store.inStore(mustParse(t, s.address())).part, 1000); err != nil {
			t.Fatal(err)
		}
		pull(t, store, s.address(), file)
	})
	t.Run("something else in between", func(t *testing.T) {
		// As a page that wants one to log in: what is here stays.
		s, store := newServer(t, file), newStore(t)
		text := s.address() + "#sha256=" + sumOf(file)
		half(t, store, s, text)
		r := mustParse(t, text)
		r.Bytes = int64(len(file)) // as the table knows it
		s.file = []byte("<html>")
		_, err := store.Pull(context.Background(), r, PullOptions{})
		var unfinished *UnfinishedError
		if !errors.As(err, new(*MismatchError)) || !errors.As(err, &unfinished) || unfinished.Bytes != 4*64<<10 {
			t.Errorf("error %v", err)
		}
		s.file = file
		s.play(nil)
		pull(t, store, text, file)
		if s.sent.Load() != int64(len(file))-4*64<<10 {
			t.Errorf("%d bytes sent", s.sent.Load())
		}
	})
	t.Run("a record that is none", func(t *testing.T) {
		s, store := newServer(t, file), newStore(t)
		half(t, store, s, s.address())
		for _, text := range []string{"", "{", `{"total":-5}`, `{"total":100,"etag":"x","done":[[50,200]]}`, `{"total":100,"etag":"x","done":[[50,20]]}`, `{"total":100,"etag":"x","done":[[-1,20]]}`} {
			if err := os.WriteFile(store.inStore(mustParse(t, s.address())).record, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := readRecord(store.inStore(mustParse(t, s.address())).record); err == nil {
				t.Errorf("%q is taken for a record", text)
			}
		}
		pull(t, store, s.address(), file)
	})
	t.Run("the server is away for a while", func(t *testing.T) {
		s, store := newServer(t, file), newStore(t)
		half(t, store, s, s.address())
		s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n == 2 || n == 3 {
				panic(http.ErrAbortHandler)
			}
			return false
		})
		pull(t, store, s.address(), file)
	})
}

// TestOutage: after a time in which nothing came, all connections are used again.
func TestOutage(t *testing.T) {
	file := contents(25, 3<<20)
	s := newServer(t, file)
	store := newStore(t)
	store.pace.tries = 20
	var busy, most atomic.Int64
	s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
		defer busy.Add(-1)
		now := busy.Add(1)
		if n > 4 && n <= 12 { // enough for all but the first to give up
			panic(http.ErrAbortHandler)
		}
		if n > 12 {
			for before := most.Load(); now > before && !most.CompareAndSwap(before, now); before = most.Load() {
			}
			time.Sleep(5 * time.Millisecond)
		}
		return false
	})
	e, err := store.Pull(context.Background(), mustParse(t, s.address()), PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, e, file)
	if most.Load() < 2 {
		t.Errorf("%d at a time afterwards", most.Load())
	}
}

// TestHeader: without a known sum, what is called a GGUF has to be one.
func TestHeader(t *testing.T) {
	s := newServer(t, []byte("<html>log in first</html>"))
	store := newStore(t)
	_, err := store.Pull(context.Background(), mustParse(t, s.URL+"/model.gguf"), PullOptions{})
	if err == nil || !strings.Contains(err.Error(), "is no whole GGUF file") || strings.Contains(err.Error(), store.Folder) {
		t.Errorf("error %v", err)
	}
	checkNothing(t, store)

	whole, err := os.ReadFile(filepath.Join("..", "..", "testdata", "reference", "tiny", "model.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	s.file = whole[:len(whole)-5000]
	if _, err := store.Pull(context.Background(), mustParse(t, s.URL+"/model.gguf"), PullOptions{}); err == nil || !strings.Contains(err.Error(), "is no whole GGUF file") {
		t.Errorf("error %v", err)
	}
	checkNothing(t, store)
	// One of several files of a model is whole by itself.
	var several bytes.Buffer
	w := gguf.NewWriter(&several)
	if err := errors.Join(w.Set("split.no", uint16(0)), w.Set("split.count", uint16(2)), w.Close()); err != nil {
		t.Fatal(err)
	}
	s.file = several.Bytes()
	if _, err := store.Pull(context.Background(), mustParse(t, s.URL+"/m-00001-of-00002.gguf"), PullOptions{}); err != nil {
		t.Error(err)
	}
	s.file = whole
	e, err := store.Pull(context.Background(), mustParse(t, s.URL+"/model.gguf"), PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, e, whole)
}

// TestRedirects: which are followed, and who gets the token.
func TestRedirects(t *testing.T) {
	file := contents(6, 200<<10)
	elsewhere := newServer(t, file)
	hub := newServer(t, file)
	secure := httptest.NewTLSServer(hub)
	defer secure.Close()
	otherName := strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)
	to := func(target string) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, r *http.Request, n int) bool {
			w.Header().Set("X-Linked-Etag", `"`+sumOf(file)+`"`)
			if r.URL.Path == "/there" {
				return false
			}
			http.Redirect(w, r, target, http.StatusFound)
			return true
		}
	}
	for _, test := range []struct {
		name, endpoint, target string
		says                   string
		tokenHere, tokenThere  bool
	}{
		{name: "the same host", endpoint: hub.URL, target: "/there", tokenHere: true},
		{name: "another port", endpoint: hub.URL, target: elsewhere.URL + "/there?signature=secret", tokenHere: true},
		{name: "another host", endpoint: hub.URL, target: otherName + "/there", tokenHere: true},
		{name: "a circle", endpoint: hub.URL, target: "/again", says: "the addresses lead in a circle", tokenHere: true},
		{name: "to http", endpoint: secure.URL, target: elsewhere.URL + "/there?signature=secret", says: "would be asked without encryption", tokenHere: true},
		{name: "to another scheme", endpoint: hub.URL, target: "ftp://127.0.0.1/there", says: "of the kind ftp, not https", tokenHere: true},
		{name: "to a machine in plain http", endpoint: hub.URL, target: "http://192.0.2.1/there", says: "192.0.2.1 would be asked without encryption", tokenHere: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var told bytes.Buffer
			store := newStore(t)
			store.Logger = slog.New(slog.NewTextHandler(&told, &slog.HandlerOptions{Level: slog.LevelDebug}))
			store.Endpoint, store.Token = test.endpoint, "hf_secret"
			store.transport = secure.Client().Transport
			hub.play(to(test.target))
			elsewhere.play(nil)
			r := mustParse(t, "hf:owner/model@v1/folder/model.bin")
			e, err := store.Pull(context.Background(), r, PullOptions{})
			if test.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				checkWhole(t, e, file)
			} else {
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("error %v", err)
				}
				checkNothing(t, store)
			}
			if err != nil && strings.Contains(err.Error(), "secret") || strings.Contains(told.String(), "secret") {
				t.Errorf("a secret is told: %v", err)
			}
			if got := hub.seen[0].URL.Path; got != "/owner/model/resolve/v1/folder/model.bin" {
				t.Errorf("asked for %s", got)
			}
			for _, seen := range hub.seen {
				if got := seen.Header.Get("Authorization"); got != "Bearer hf_secret" {
					t.Errorf("the endpoint got the token %q", got)
				}
			}
			for _, seen := range elsewhere.seen {
				if got := seen.Header.Get("Authorization"); got != "" {
					t.Errorf("another server got the token %q", got)
				}
			}
		})
	}
	// Nor does a server get it that is asked directly.
	store := newStore(t)
	store.Endpoint, store.Token = hub.URL, "hf_secret"
	elsewhere.play(nil)
	if _, err := store.Pull(context.Background(), mustParse(t, elsewhere.address()), PullOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, seen := range elsewhere.seen {
		if seen.Header.Get("Authorization") != "" {
			t.Error("another server got the token")
		}
	}
}

// TestLinkedSum: the endpoint's word on the SHA-256 is checked, before and after.
func TestLinkedSum(t *testing.T) {
	file := contents(7, 200<<10)
	s := newServer(t, file)
	store := newStore(t)
	store.Endpoint = s.URL
	store.pace.connections = 1
	say := func(sum string) {
		s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
			w.Header().Set("X-Linked-Etag", `"`+sum+`"`)
			return false
		})
	}
	say(sumOf(nil))
	var mismatch *MismatchError
	if _, err := store.Pull(context.Background(), mustParse(t, "hf:a/b/c.bin"), PullOptions{}); !errors.As(err, &mismatch) || mismatch.From != "the server" {
		t.Errorf("error %v", err)
	}
	checkNothing(t, store)
	say(sumOf(nil))
	if _, err := store.Pull(context.Background(), mustParse(t, "hf:a/b/c.bin#sha256="+sumOf(file)), PullOptions{}); !errors.As(err, &mismatch) || s.requests.Load() != 1 {
		t.Errorf("error %v after %d requests", err, s.requests.Load())
	}
	say(sumOf(file))
	e, err := store.Pull(context.Background(), mustParse(t, "hf:a/b/c.bin"), PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, e, file)
	// Under another name the server says that it is the same, and it is here.
	say(sumOf(file))
	again, err := store.Pull(context.Background(), mustParse(t, "hf:d/e/f.bin"), PullOptions{})
	if err != nil || again.Path != e.Path || s.requests.Load() != 1 {
		t.Errorf("%+v, %v, %d requests", again, err, s.requests.Load())
	}
	// The table's size is checked before anything comes.
	say(sumOf(file))
	if _, err := store.Pull(context.Background(), mustParse(t, "2b4t"), PullOptions{}); !errors.As(err, &mismatch) || !strings.Contains(err.Error(), "the table of models") {
		t.Errorf("error %v", err)
	}
}

// TestCertificate: a server that nobody vouches for is not asked.
func TestCertificate(t *testing.T) {
	file := contents(8, 1000)
	s := newServer(t, file)
	secure := httptest.NewUnstartedServer(s)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains
	secure.StartTLS()
	defer secure.Close()
	store := newStore(t)
	_, err := store.Pull(context.Background(), mustParse(t, secure.URL+"/model.bin"), PullOptions{})
	if err == nil || !strings.Contains(err.Error(), "certificate") || s.requests.Load() != 0 {
		t.Errorf("error %v after %d requests", err, s.requests.Load())
	}
	checkNothing(t, store)
	store.transport = secure.Client().Transport
	e, err := store.Pull(context.Background(), mustParse(t, secure.URL+"/model.bin"), PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, e, file)
}

func TestInsecure(t *testing.T) {
	store := newStore(t)
	_, err := store.Pull(context.Background(), mustParse(t, "http://192.0.2.1/model.bin"), PullOptions{})
	if !errors.Is(err, ErrInsecure) {
		t.Errorf("error %v", err)
	}
	store.Endpoint = "http://192.0.2.1"
	if _, err := store.Pull(context.Background(), mustParse(t, "2b4t"), PullOptions{}); !errors.Is(err, ErrInsecure) {
		t.Errorf("error %v", err)
	}
	asked := 0
	store.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		asked++
		return nil, io.ErrUnexpectedEOF
	})
	store.Pull(context.Background(), mustParse(t, "http://192.0.2.1/model.bin"), PullOptions{Insecure: true})
	if asked != 6 {
		t.Errorf("%d requests", asked)
	}
	store.Endpoint = "nonsense"
	if _, err := store.Pull(context.Background(), mustParse(t, "2b4t"), PullOptions{}); err == nil || !strings.Contains(err.Error(), "is no address") {
		t.Errorf("error %v", err)
	}
	checkNothing(t, store)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestSlowReader: a disk that is slower than the server is no silence.
func TestSlowReader(t *testing.T) {
	file := contents(18, 64<<10)
	s := newServer(t, file)
	store := newStore(t)
	store.pace.silence = 300 * time.Millisecond
	src, err := store.source(mustParse(t, s.address()), false)
	if err != nil {
		t.Fatal(err)
	}
	a, err := src.get(context.Background(), span{0, int64(len(file))}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer a.body.Close()
	for at := 0; at < len(file); at += 32 << 10 {
		time.Sleep(500 * time.Millisecond)
		if _, err := io.ReadFull(a.body, make([]byte, 32<<10)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRefused: an address where nobody listens is not tried six times.
func TestRefused(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	store := newStore(t)
	store.pace.pause = time.Hour
	if _, err := store.Pull(context.Background(), mustParse(t, s.URL+"/model.bin"), PullOptions{}); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v", err)
	}
}

// TestTo: a file in a folder of the user's, under its own name.
func TestTo(t *testing.T) {
	file := contents(9, 200<<10)
	s := newServer(t, file)
	store := newStore(t)
	folder := filepath.Join(t.TempDir(), "a", "b")
	ctx := context.Background()
	r := mustParse(t, s.address()+"#sha256="+sumOf(file))
	for range 2 {
		e, err := store.Pull(ctx, r, PullOptions{To: folder})
		if err != nil {
			t.Fatal(err)
		}
		checkWhole(t, e, file)
		if e.Path != filepath.Join(folder, "model.bin") {
			t.Errorf("path %s", e.Path)
		}
	}
	if files, _ := os.ReadDir(folder); len(files) != 1 || s.sent.Load() != int64(len(file)) {
		t.Errorf("files %v after %d bytes", files, s.sent.Load())
	}
	checkNothing(t, store)
	// Another file is not overwritten, whether the sum is known or not.
	other := filepath.Join(folder, "model.bin")
	if err := os.WriteFile(other, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{s.address(), s.address() + "#sha256=" + sumOf(file)} {
		if _, err := store.Pull(ctx, mustParse(t, text), PullOptions{To: folder}); err == nil || !strings.Contains(err.Error(), "is there already") {
			t.Errorf("error %v", err)
		}
	}
	if got, _ := os.ReadFile(other); string(got) != "mine" {
		t.Errorf("overwritten by %q", got)
	}
	if files, _ := os.ReadDir(folder); len(files) != 1 {
		t.Errorf("files %v", files)
	}
	os.Remove(other)
	// What is there of another file of the same name is not gone on with.
	otherFile := contents(19, len(file))
	o := newServer(t, otherFile)
	o.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
		if n > 1 {
			http.Error(w, "", http.StatusInternalServerError)
		}
		return n > 1
	})
	store.pace.connections = 1
	if _, err := store.Pull(ctx, mustParse(t, o.address()), PullOptions{To: folder}); !errors.As(err, new(*UnfinishedError)) {
		t.Errorf("error %v", err)
	}
	s.play(nil)
	if e, err := store.Pull(ctx, mustParse(t, s.address()), PullOptions{To: folder}); err != nil || s.sent.Load() != int64(len(file)) {
		t.Errorf("%v, %d bytes sent", err, s.sent.Load())
	} else {
		checkWhole(t, e, file)
		os.Remove(e.Path)
	}
	// From the store it is copied.
	if _, err := store.Pull(ctx, r, PullOptions{}); err != nil {
		t.Fatal(err)
	}
	s.play(nil)
	e, err := store.Pull(ctx, r, PullOptions{To: folder, Offline: true})
	if err != nil || s.requests.Load() != 0 {
		t.Fatal(err, s.requests.Load())
	}
	checkWhole(t, e, file)
}

// TestLocal: file: references.
func TestLocal(t *testing.T) {
	file := contents(10, 100<<10)
	path := filepath.Join(t.TempDir(), "a model.bin")
	if err := os.WriteFile(path, file, 0o666); err != nil {
		t.Fatal(err)
	}
	store := newStore(t)
	e, err := store.Pull(context.Background(), mustParse(t, "file:"+path), PullOptions{Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, e, file)
	if err := os.WriteFile(path, []byte("other"), 0o666); err != nil {
		t.Fatal(err)
	}
	checkWhole(t, e, file) // it is a copy
	if _, err := store.Pull(context.Background(), mustParse(t, "file:"+path+"#sha256="+sumOf(file[1:])), PullOptions{}); !errors.As(err, new(*MismatchError)) {
		t.Errorf("error %v", err)
	}
	if _, err := store.Pull(context.Background(), mustParse(t, "file:"+path+"x"), PullOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if _, err := store.Pull(context.Background(), mustParse(t, "file:"+store.Folder), PullOptions{}); err == nil || !strings.Contains(err.Error(), "a folder") {
		t.Errorf("error %v", err)
	}
	if n := checkFiles(t, store.Folder); n != 1 {
		t.Errorf("%d files", n)
	}
}
