package bitnet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"testing/iotest"
)

func mustSave(t testing.TB, s *Session) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := s.Save(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func mustRestore(t testing.TB, m *Model, saved []byte, opts ...SessionOption) *Session {
	t.Helper()
	s, err := m.RestoreSession(bytes.NewReader(saved), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestSaveAndRestore saves at ten positions and goes on with another model that
// is opened from the same bytes, and with the old one.
func TestSaveAndRestore(t *testing.T) {
	for _, name := range []string{"tiny", "micro-untied"} {
		for _, opts := range [][]SessionOption{nil, {WithFloat32Cache()}} {
			path, _, _ := reference(t, name, "exact.f32")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			m := openModel(t, path, WithThreads(2))
			other, err := OpenBytes(data, WithThreads(1))
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			ids := longSequence(m)
			s := newSession(t, m, opts...)
			o := GenerateOptions{MaxTokens: 6, Temperature: 1, TopK: 50, Seed: 4}
			for _, n := range []int{0, 1, 2, 15, 16, 127, 128, 129, 200, 250} {
				mustAppend(t, s, ids[s.Len():n+1]...)
				s.Truncate(n) // also without anything known of what follows
				saved := mustSave(t, s)
				if again := mustSave(t, s.Fork()); !bytes.Equal(again, saved) {
					t.Fatalf("%s at %d: a fork is saved as other bytes", name, n)
				}
				fork := s.Fork()
				next := mustAppend(t, fork, ids[n:n+3]...)
				continued := mustGenerate(t, fork, "x", o)
				for _, m := range []*Model{m, other} {
					restored := mustRestore(t, m, saved, opts...)
					if !slices.Equal(restored.Tokens(), ids[:n]) {
						t.Fatalf("%s at %d: the session holds %d other tokens", name, n, restored.Len())
					}
					if again := mustSave(t, restored); !bytes.Equal(again, saved) {
						t.Fatalf("%s at %d: saved again it is other bytes", name, n)
					}
					if n > 0 {
						sameLogits(t, fmt.Sprintf("%s at %d", name, n), mustAppend(t, restored), mustAppend(t, s.Fork()))
					}
					sameLogits(t, fmt.Sprintf("%s after %d", name, n), mustAppend(t, restored, ids[n:n+3]...), next)
					if got := mustGenerate(t, restored, "x", o); !slices.Equal(got.Tokens, continued.Tokens) {
						t.Fatalf("%s after %d: generated %v, want %v", name, n, got.Tokens, continued.Tokens)
					}
				}
			}
		}
	}
}

// TestSaveWhileGenerating saves in the loop over Stream, where the last token has
// been chosen and not evaluated, and drafts lie in the cache.
func TestSaveWhileGenerating(t *testing.T) {
	m := tinyModel(t)
	prompt, o := "abc", GenerateOptions{MaxTokens: 12, Temperature: 1, Seed: 9}
	want := mustGenerate(t, newSession(t, m), prompt, o)
	s := newSession(t, m)
	s.lookahead.draft = drafter(want.Tokens, want.PromptTokens, 2)
	var saved [][]byte
	for _, err := range s.Stream(context.Background(), prompt, o) {
		if err != nil {
			t.Fatal(err)
		}
		saved = append(saved, mustSave(t, s))
	}
	if s.Result().AcceptedTokens == 0 {
		t.Error("no draft was right")
	}
	for i, saved := range saved {
		restored := mustRestore(t, m, saved)
		tokens := restored.Tokens()
		if !slices.Equal(tokens[want.PromptTokens:], want.Tokens[:i+1]) {
			t.Fatalf("after %d tokens the session holds %v", i+1, tokens)
		}
		sameLogits(t, fmt.Sprintf("after %d tokens", i+1), mustAppend(t, restored), mustAppend(t, newSession(t, m), tokens...))
	}
}

// TestRestoreDamaged damages saved sessions in 300 ways.
func TestRestoreDamaged(t *testing.T) {
	m := tinyModel(t)
	s := newSessionOf(t, m, longSequence(m)[:20])
	mustGenerate(t, s, "", GenerateOptions{MaxTokens: 3})
	sound := mustSave(t, s)
	r := rand.New(rand.NewPCG(10, 3))
	truncated := 0
	for i := range 300 {
		damaged := slices.Clone(sound)
		what := ""
		switch at := r.IntN(len(sound)); i % 6 {
		case 0: // in the header
			at = r.IntN(60)
			damaged[at] ^= 1 << r.IntN(8)
			what = fmt.Sprintf("a bit of byte %d", at)
		case 1: // in a token, or in the checksum
			if at = 56 + r.IntN(4*23); i%12 == 1 {
				at = len(sound) - 1 - r.IntN(32)
			}
			damaged[at] += byte(1 + r.IntN(255))
			what = fmt.Sprintf("byte %d", at)
		case 2: // anywhere
			damaged[at] ^= 1 << r.IntN(8)
			what = fmt.Sprintf("a bit of byte %d", at)
		case 3:
			damaged = damaged[:at]
			what = fmt.Sprintf("%d of %d bytes", at, len(sound))
		case 4:
			damaged = slices.Delete(damaged, at, min(at+1+r.IntN(9), len(sound)))
			what = fmt.Sprintf("some bytes left out at %d", at)
		case 5:
			damaged = slices.Insert(damaged, at, byte(r.Uint32()|1), byte(i))
			what = fmt.Sprintf("two bytes put in at %d", at)
		}
		restored, err := m.RestoreSession(bytes.NewReader(damaged))
		var saved *SaveError
		if restored != nil || !errors.Is(err, ErrSave) || !errors.As(err, &saved) || saved.Reason == "" {
			t.Errorf("%s: %v", what, err)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			truncated++
		} else if i%6 == 3 {
			t.Errorf("%s: %v, want an unexpected end", what, err)
		}
	}
	if truncated < 100 {
		t.Errorf("%d of 300 were found to be cut short, want at least 100", truncated)
	}
	mustRestore(t, m, sound)
}

func TestRestoreErrors(t *testing.T) {
	m := tinyModel(t)
	s := newSessionOf(t, m, []int{1, 2, 3, 4, 5})
	saved := mustSave(t, s)
	restore := func(m *Model, r io.Reader, opts ...SessionOption) error {
		t.Helper()
		s, err := m.RestoreSession(r, opts...)
		if s != nil || err == nil {
			t.Errorf("a session, and the error %v", err)
		}
		return err
	}
	path, _, _ := reference(t, "micro-untied", "exact.f32")
	if err := restore(openModel(t, path), bytes.NewReader(saved)); !errors.Is(err, ErrSave) {
		t.Errorf("another model: %v", err)
	}
	var full *ContextError
	if err := restore(m, bytes.NewReader(saved), WithContext(4)); !errors.As(err, &full) || full.Added != 5 || full.Context != 4 {
		t.Errorf("a small context: %v", err)
	}
	for _, opt := range []SessionOption{WithContext(0), WithFloat32Cache()} {
		if err := restore(m, bytes.NewReader(saved), opt); !errors.Is(err, ErrOption) {
			t.Errorf("an unusable option: %v", err)
		}
	}
	broken := errors.New("broken")
	for _, n := range []int{0, 10, 70, 300} {
		r := io.MultiReader(bytes.NewReader(saved[:n]), iotest.ErrReader(broken))
		if err := restore(m, r); !errors.Is(err, broken) || errors.Is(err, ErrSave) {
			t.Errorf("a broken reader after %d bytes: %v", n, err)
		}
	}
	if err := s.Save(failingWriter{broken}); !errors.Is(err, broken) {
		t.Errorf("a broken writer: %v", err)
	}
	// Exactly what was saved is read, in whatever pieces it comes.
	r := bytes.NewReader(append(slices.Clone(saved), "more"...))
	restored, err := m.RestoreSession(iotest.OneByteReader(r), WithContext(5), WithoutLookahead(), nil)
	if err != nil || r.Len() != 4 {
		t.Fatalf("%v, and %d bytes are left", err, r.Len())
	}
	if restored.Context() != 5 || !restored.lookahead.off {
		t.Error("options have no effect")
	}
	s.Close()
	if err := s.Save(io.Discard); err != ErrClosed {
		t.Errorf("a closed session: %v", err)
	}
	m.Close()
	if err := restored.Save(io.Discard); err != ErrClosed {
		t.Errorf("a closed model: %v", err)
	}
	if err := restore(m, bytes.NewReader(saved)); err != ErrClosed {
		t.Errorf("for a closed model: %v", err)
	}
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }

// FuzzRestoreSession restores from anything, also with a checksum that is right:
// there is a typed error, or a session that can be used.
func FuzzRestoreSession(f *testing.F) {
	path, _, _ := reference(f, "micro-untied", "exact.f32")
	m := openModel(f, path, WithThreads(1))
	for _, opts := range [][]SessionOption{nil, {WithFloat32Cache()}} {
		s := newSessionOf(f, m, []int{1, 2, 3}, opts...)
		s.tokens = append(s.tokens, 4)
		saved := mustSave(f, s)
		f.Add(saved)
		f.Add(saved[:len(saved)/2])
		s.Truncate(0)
		f.Add(mustSave(f, s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		check := func(data []byte) {
			s, err := m.RestoreSession(bytes.NewReader(data))
			if err != nil {
				if !errors.Is(err, ErrSave) {
					t.Fatal(err)
				}
				return
			}
			defer s.Close()
			if _, err := s.Append(context.Background(), []int{5}); err != nil && !errors.Is(err, ErrNotFinite) && !errors.Is(err, ErrContext) {
				t.Fatal(err)
			}
		}
		check(data)
		if n := len(data) - sha256.Size; n > 0 {
			sum := sha256.Sum256(data[:n])
			check(append(data[:n:n], sum[:]...))
		}
	})
}
