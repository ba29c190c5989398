package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestDiskFull pulls onto a small disk in memory.
func TestDiskFull(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(disk, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no disk can be mounted here: %v", err)
	}
	defer syscall.Unmount(disk, 0)
	file := contents(13, 3<<20)
	s := newServer(t, file)
	store := newStore(t)
	store.Folder = filepath.Join(disk, "store")
	ctx := context.Background()

	// The server says how long it is: nothing but the first answer's beginning comes.
	r := mustParse(t, s.address())
	var space *SpaceError
	_, err := store.Pull(ctx, r, PullOptions{})
	if !errors.As(err, &space) || space.Needed != int64(len(file)) || space.Free > 1<<20 {
		t.Errorf("error %v", err)
	}
	if s.requests.Load() != 1 {
		t.Errorf("%d requests", s.requests.Load())
	}
	checkNothing(t, store)

	// The server does not: what fits is kept, and goes on when there is room.
	s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
		w.Header().Set("ETag", `"first"`)
		for at := 0; at < len(file); at += 50_000 {
			if _, err := w.Write(file[at:min(at+50_000, len(file))]); err != nil {
				break
			}
			http.NewResponseController(w).Flush()
		}
		return true
	})
	_, err = store.Pull(ctx, r, PullOptions{})
	var unfinished *UnfinishedError
	if !errors.As(err, &space) || !errors.As(err, &unfinished) || unfinished.Bytes < 512<<10 {
		t.Errorf("error %v", err)
	}
	t.Logf("%v; %d bytes are kept", err, unfinished.Bytes)
	checkNothing(t, store)
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=8m"); err != nil {
		t.Fatal(err)
	}
	s.play(nil)
	e, err := store.Pull(ctx, r, PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, e, file)
	if want := fmt.Sprintf("bytes=%d-", unfinished.Bytes); !strings.HasPrefix(s.seen[0].Header.Get("Range"), want) {
		t.Errorf("asked for %s, want %s", s.seen[0].Header.Get("Range"), want)
	}

	// A copy asks for the space too.
	local := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(local, contents(14, 7<<20), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Pull(ctx, mustParse(t, fmt.Sprintf("file:%s", local)), PullOptions{}); !errors.As(err, &space) {
		t.Errorf("error %v", err)
	}
	if n := checkFiles(t, store.Folder); n != 1 {
		t.Errorf("%d files", n)
	}
}
