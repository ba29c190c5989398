package hub

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestSpans compares with a byte for each byte.
func TestSpans(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		const size = 64
		var plain [size]bool
		var s spans
		for range 30 {
			from := random.Int64N(size)
			to := from + random.Int64N(size-from+1)
			remove := random.IntN(4) == 0
			if remove {
				s.remove(from, to)
			} else {
				s.add(from, to)
			}
			for i := from; i < to; i++ {
				plain[i] = !remove
			}
			var total, begun, gapFrom int64
			for _, there := range plain {
				if there {
					total++
				}
			}
			for begun < size && plain[begun] {
				begun++
			}
			gapFrom = begun
			gapTo := gapFrom
			for gapTo < size && !plain[gapTo] {
				gapTo++
			}
			gap, ok := s.gap(size)
			if !s.valid(size) || s.total() != total || s.begun() != begun || ok != (gapFrom < gapTo) || ok && gap != (span{gapFrom, gapTo}) {
				t.Fatalf("%v: total %d, begun %d, gap %v %v; want %d, %d, %d to %d", s, s.total(), s.begun(), gap, ok, total, begun, gapFrom, gapTo)
			}
			for _, x := range s {
				for i := x[0]; i < x[1]; i++ {
					if !plain[i] {
						t.Fatalf("%v has %d", s, i)
					}
				}
			}
		}
	}
}

// TestStore: several names, one file.
func TestStore(t *testing.T) {
	file, other := contents(20, 100<<10), contents(21, 50<<10)
	s := newServer(t, file)
	store := newStore(t)
	ctx := context.Background()
	if all, err := store.List(); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := store.Find(mustParse(t, "2b4t")); !errors.Is(err, ErrNotHere) || err.Error() != "2b4t is not on this machine" {
		t.Errorf("error %v", err)
	}
	names := []string{s.URL + "/A.bin", s.URL + "/a.bin", s.URL + "/a.bin?x"}
	var entries []Entry
	for _, name := range names {
		e, err := store.Pull(ctx, mustParse(t, name), PullOptions{})
		if err != nil {
			t.Fatal(err)
		}
		checkWhole(t, e, file)
		entries = append(entries, e)
	}
	s.file, s.etag = other, `"other"`
	e, err := store.Pull(ctx, mustParse(t, s.URL+"/other.bin"), PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n := checkFiles(t, store.Folder); n != 2 {
		t.Errorf("%d files", n)
	}
	// The records can be read by people and programs.
	var record map[string]any
	data, err := os.ReadFile(store.entryPath(names[0]))
	if err != nil || json.Unmarshal(data, &record) != nil || record["name"] != names[0] || record["sha256"] != sumOf(file) || record["bytes"] != float64(len(file)) || strings.Contains(string(data), store.Folder) {
		t.Errorf("%s, %v", data, err)
	}
	all, err := store.List()
	if err != nil || len(all) != 4 || all[0] != entries[0] || all[1] != entries[1] || all[2] != entries[2] || all[3] != e {
		t.Errorf("%v, %v", all, err)
	}
	// A record that cannot be read is left alone, and so is a stray file.
	for _, name := range []string{"broken.json", "x.txt"} {
		if err := os.WriteFile(filepath.Join(store.Folder, "models", name), []byte("{"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := store.List(); err != nil || len(all) != 4 {
		t.Errorf("%v, %v", all, err)
	}
	for i, name := range names {
		freed, err := store.Remove(ctx, mustParse(t, name))
		want := int64(0)
		if i == len(names)-1 {
			want = int64(len(file))
		}
		if err != nil || freed != want {
			t.Errorf("%s: %d bytes freed, %v", name, freed, err)
		}
		if _, err := store.Find(mustParse(t, name)); !errors.Is(err, ErrNotHere) {
			t.Errorf("error %v", err)
		}
	}
	// A file that is damaged is found out, one that is gone is not here.
	r := mustParse(t, s.URL+"/other.bin")
	if _, err := store.Verify(ctx, r); err != nil {
		t.Error(err)
	}
	damaged := append([]byte(nil), other...)
	damaged[777] ^= 1
	if err := os.WriteFile(e.Path, damaged, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Verify(ctx, r); !errors.As(err, new(*MismatchError)) {
		t.Errorf("error %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := store.Verify(ended, r); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	os.Remove(e.Path)
	if _, err := store.Verify(ctx, r); !errors.Is(err, ErrNotHere) {
		t.Errorf("error %v", err)
	}
	e, err = store.Pull(ctx, r, PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, e, other)
}

// TestAfterRename: where a process ended between the two, the file that has its
// name and no record is used.
func TestAfterRename(t *testing.T) {
	file := contents(22, 200<<10)
	s := newServer(t, file)
	store := newStore(t)
	for _, text := range []string{s.address(), s.address() + "#sha256=" + sumOf(file)} {
		r := mustParse(t, text)
		e, err := store.Pull(context.Background(), r, PullOptions{})
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(store.entryPath(r.Name))
		p := store.inStore(r)
		whole := record{Name: r.Name, Total: e.Bytes, SHA256: e.SHA256, ETag: s.etag, Done: spans{{0, e.Bytes}}}
		if err := writeJSON(p.record, whole); err != nil {
			t.Fatal(err)
		}
		s.play(nil)
		again, err := store.Pull(context.Background(), r, PullOptions{})
		if err != nil || again.Path != e.Path || s.requests.Load() != 0 {
			t.Errorf("%+v, %v, %d requests", again, err, s.requests.Load())
		}
		if _, err := os.Stat(p.record); err == nil {
			t.Error("the record of the download stays")
		}
		// What such an end leaves is removed with the model.
		if err := writeJSON(p.record, whole); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Remove(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		if left, err := store.Unfinished(); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	}
}

// TestHuggingFaceCache: what is there is used and not copied, if it is right.
func TestHuggingFaceCache(t *testing.T) {
	file := contents(23, 100<<10)
	cache := t.TempDir()
	folder := filepath.Join(cache, "models--owner--model")
	commit := strings.Repeat("ab", 20)
	blob := filepath.Join(folder, "blobs", sumOf(file))
	link := filepath.Join(folder, "snapshots", commit, "sub", "x.gguf")
	for _, f := range []string{blob, link, filepath.Join(folder, "refs", "main")} {
		if err := os.MkdirAll(filepath.Dir(f), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(blob, file, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "refs", "main"), []byte(commit), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("..", "..", "..", "blobs", sumOf(file)), link); err != nil {
		t.Skip(err)
	}
	ctx := context.Background()
	s := newServer(t, file)
	for _, text := range []string{"hf:owner/model/sub/x.gguf", "hf:owner/model@" + commit + "/sub/x.gguf", "hf:owner/model/sub/x.gguf#sha256=" + sumOf(file)} {
		store := newStore(t)
		store.Endpoint, store.HuggingFaceCache = s.URL, cache
		r := mustParse(t, text)
		e, err := store.Pull(ctx, r, PullOptions{Offline: true})
		if err != nil {
			t.Fatal(err)
		}
		checkWhole(t, e, file)
		if real, _ := filepath.EvalSymlinks(blob); e.Path != real || checkFiles(t, store.Folder) != 0 {
			t.Errorf("%s lies at %s", text, e.Path)
		}
		if found, err := store.Find(r); err != nil || found != e {
			t.Errorf("%+v, %v", found, err)
		}
		// To another folder it is copied.
		to, err := store.Pull(ctx, r, PullOptions{Offline: true, To: t.TempDir()})
		if err != nil || to.Path == e.Path {
			t.Errorf("%+v, %v", to, err)
		}
		checkWhole(t, to, file)
		// It is not ours to remove.
		if freed, err := store.Remove(ctx, r); err != nil || freed != 0 {
			t.Errorf("%d bytes freed, %v", freed, err)
		}
		checkWhole(t, e, file)
	}
	store := newStore(t)
	store.Endpoint, store.HuggingFaceCache = s.URL, cache
	for _, text := range []string{"hf:owner/model/sub/y.gguf", "hf:owner/model@v2/sub/x.gguf", "hf:other/model/sub/x.gguf", "hf:owner/model/sub/x.gguf#sha256=" + sumOf(nil)} {
		if e, err := store.Pull(ctx, mustParse(t, text), PullOptions{Offline: true}); !errors.Is(err, ErrNotHere) {
			t.Errorf("%s: %+v, %v", text, e, err)
		}
	}
	// A damaged one is not used: it comes from the server.
	if err := os.WriteFile(blob, file[1:], 0o666); err != nil {
		t.Fatal(err)
	}
	s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
		w.Header().Set("X-Linked-Etag", `"`+sumOf(file)+`"`)
		return false
	})
	e, err := store.Pull(ctx, mustParse(t, "hf:owner/model/sub/x.gguf"), PullOptions{})
	if err != nil || strings.HasPrefix(e.Path, cache) {
		t.Fatal(e, err)
	}
	checkWhole(t, e, file)
}

// TestReadOnly: to find what is here needs no right to write.
func TestReadOnly(t *testing.T) {
	if runtime.GOOS == "windows" || os.Getuid() == 0 {
		t.Skip("everything may be written here")
	}
	file := contents(24, 1000)
	s := newServer(t, file)
	store := newStore(t)
	r := mustParse(t, s.address())
	if _, err := store.Pull(context.Background(), r, PullOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"models", "files", "parts", "."} {
		path := filepath.Join(store.Folder, folder)
		if err := os.Chmod(path, 0o555); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(path, 0o777)
	}
	e, err := store.Pull(context.Background(), r, PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, e, file)
}
