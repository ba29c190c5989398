package hub

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// An order has the test program, started again, pull something.
type order struct {
	Folder, Reference, To string
	Recording, Piece      int64
	Usual                 bool // at the usual pace
}

const orderVariable = "HUB_TEST_ORDER"

func TestMain(m *testing.M) {
	text := os.Getenv(orderVariable)
	if text == "" {
		log.SetOutput(io.Discard) // net/http complains about servers that lie
		os.Exit(m.Run())
	}
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	r, err := Parse(o.Reference)
	if err != nil {
		panic(err)
	}
	store := &Store{Folder: o.Folder}
	if !o.Usual {
		store.pace = hurried()
	}
	fmt.Println("ready")
	start := time.Now()
	e, err := store.Pull(context.Background(), r, PullOptions{To: o.To})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(time.Since(start).Nanoseconds(), peakMemory(), e.Path)
}

// peakMemory returns the most memory that this process has had, in bytes, or 0
// where the system does not tell.
func peakMemory() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if kilobytes, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(kilobytes)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// start starts a process with an order and returns when it is about to pull.
func (o order) start(t testing.TB) (process *exec.Cmd, output *bufio.Reader) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	process = exec.Command(self)
	process.Env = append(os.Environ(), orderVariable+"="+string(text))
	process.Stderr = os.Stderr
	pipe, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	output = bufio.NewReader(pipe)
	if line, err := output.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return process, output
}

// TestKill kills a process that pulls, without warning, at 100 moments.
func TestKill(t *testing.T) {
	kills := 100
	if testing.Short() {
		kills = 10
	}
	file := contents(11, 3<<20)
	s := newServer(t, file)
	// Slowly: the file takes longer than a process is let live.
	s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
		s.give(&slowly{w}, r)
		return true
	})
	folder := filepath.Join(t.TempDir(), "store")
	o := order{Folder: folder, Reference: s.address() + "#sha256=" + sumOf(file)}
	store := &Store{Folder: folder}
	r := mustParse(t, o.Reference)
	recorded, whole, resumed := int64(0), 0, 0
	for range kills {
		process, output := o.start(t)
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			time.Sleep(time.Duration(rand.Int64N(int64(60 * time.Millisecond))))
			process.Process.Kill()
		}()
		io.Copy(io.Discard, output)
		<-killed
		process.Wait()

		files := checkFiles(t, folder)
		_, err := store.Find(r)
		switch {
		case err == nil && files == 1:
			// It ended before it was killed, or just then: once more.
			whole++
			recorded = 0
			if _, err := store.Remove(context.Background(), r); err != nil && !errors.Is(err, ErrNotHere) {
				t.Fatal(err)
			}
			os.RemoveAll(filepath.Join(folder, "files"))
			continue
		case files > 0 || err == nil:
			t.Fatalf("%d files, and it is found: %v", files, err)
		}
		now := int64(0)
		if record, err := readRecord(store.inStore(r).record); err == nil {
			now = record.Done.total()
			checkPart(t, store.inStore(r), record, file)
		} else if recorded > 0 {
			t.Fatalf("the record is lost: %v", err)
		}
		if now < recorded {
			t.Fatalf("%d bytes are recorded, after %d before", now, recorded)
		}
		if recorded = now; now > 0 {
			resumed++
		}
	}
	t.Logf("%d kills: %d when the file was whole, %d with a part that went on", kills, whole, resumed)
	if !testing.Short() && (whole == 0 || resumed < kills/2) {
		t.Error("the moments were no good")
	}
	// The rest comes from another server, which counts nothing else.
	other := newServer(t, file)
	store.pace = hurried()
	e, err := store.Pull(context.Background(), mustParse(t, other.address()+"#sha256="+sumOf(file)), PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, e, file)
	if other.sent.Load() > int64(len(file))-recorded {
		t.Errorf("%d bytes sent, with %d of %d there", other.sent.Load(), recorded, len(file))
	}
}

// checkPart fails the test unless all that is recorded is there.
func checkPart(t *testing.T, p part, r record, want []byte) {
	t.Helper()
	got, err := os.ReadFile(p.part)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range r.Done {
		if x[1] > int64(len(got)) || !bytes.Equal(got[x[0]:x[1]], want[x[0]:x[1]]) {
			t.Fatalf("bytes %d to %d are recorded and not there", x[0], x[1])
		}
	}
}

// slowly sends some 20 MB a second on each connection.
type slowly struct{ http.ResponseWriter }

func (w *slowly) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		var k int
		k, err = w.ResponseWriter.Write(p[:min(len(p), 8<<10)])
		n, p = n+k, p[k:]
		time.Sleep(400 * time.Microsecond)
	}
	return n, err
}

// TestTwoProcesses: of processes that pull the same, one downloads.
func TestTwoProcesses(t *testing.T) {
	file := contents(12, 3<<20)
	s := newServer(t, file)
	s.play(func(w http.ResponseWriter, r *http.Request, n int) bool {
		s.give(&slowly{w}, r)
		return true
	})
	for _, to := range []string{"", filepath.Join(t.TempDir(), "to")} {
		s.sent.Store(0)
		folder := filepath.Join(t.TempDir(), "store")
		text := s.address() + "#sha256=" + sumOf(file)
		var group sync.WaitGroup
		for range 4 {
			process, output := order{Folder: folder, Reference: text, To: to}.start(t)
			group.Go(func() {
				line, _ := output.ReadString('\n')
				if err := process.Wait(); err != nil || !strings.Contains(line, string(filepath.Separator)) {
					t.Errorf("%q, %v", line, err)
				}
			})
		}
		// And goroutines of one process.
		store := &Store{Folder: folder, pace: hurried()}
		for range 4 {
			group.Go(func() {
				e, err := store.Pull(context.Background(), mustParse(t, text), PullOptions{To: to})
				if err != nil {
					t.Error(err)
					return
				}
				checkWhole(t, e, file)
			})
		}
		group.Wait()
		if s.sent.Load() != int64(len(file)) {
			t.Errorf("%d bytes sent for %d", s.sent.Load(), len(file))
		}
		for _, place := range []string{filepath.Join(folder, "parts"), to} {
			if files, _ := filepath.Glob(filepath.Join(place, "*.lock")); len(files) > 0 && runtime.GOOS != "windows" { // which may refuse to remove it
				t.Errorf("left: %v", files)
			}
		}
	}
}

// TestMemory: what a process needs does not grow with the file.
func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	size := int64(256 << 20)
	if testing.Short() {
		size = 64 << 20
	}
	seconds, peak := pullZeros(t, t.TempDir(), size)
	t.Logf("%d MB at %.2f GB/s, at most %.1f MB of memory", size>>20, float64(size)/1e9/seconds, float64(peak)/1e6)
	if peak > 64e6 {
		t.Errorf("%d bytes of memory", peak)
	}
}

// BenchmarkPull pulls 2 GB from this machine, onto a disk in memory where there
// is one, in a process of its own.
func BenchmarkPull(b *testing.B) {
	folder := "/dev/shm"
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		folder = ""
	}
	if f := os.Getenv("HUB_BENCHMARK_FOLDER"); f != "" {
		folder = f
	}
	const size = 2_000_000_000
	b.SetBytes(size)
	fastest, most := 0.0, int64(0)
	for b.Loop() {
		temporary, err := os.MkdirTemp(folder, "hub-*")
		if err != nil {
			b.Fatal(err)
		}
		seconds, peak := pullZeros(b, temporary, size)
		os.RemoveAll(temporary)
		fastest, most = max(fastest, size/1e9/seconds), max(most, peak)
	}
	b.ReportMetric(fastest, "GB/s-best")
	b.ReportMetric(float64(most)/1e6, "MB-peak")
}

// pullZeros pulls a file of zeros, in a process of its own at the usual pace, and
// returns how long that took and how much memory it had at most.
func pullZeros(t testing.TB, folder string, size int64) (seconds float64, peak int64) {
	t.Helper()
	source := filepath.Join(folder, "zeros") // takes no room
	f, err := os.Create(source)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, source)
	}))
	defer s.Close()
	process, output := order{Folder: folder, Reference: s.URL + "/model.bin", Usual: true}.start(t)
	line, _ := output.ReadString('\n')
	if err := process.Wait(); err != nil {
		t.Fatal(err)
	}
	var nanoseconds int64
	var path string
	if _, err := fmt.Sscan(line, &nanoseconds, &peak, &path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != size {
		t.Fatalf("%v, %v", info, err)
	}
	return float64(nanoseconds) / 1e9, peak
}

// BenchmarkSum is how fast this processor adds up SHA-256, which Pull can be no
// faster than.
func BenchmarkSum(b *testing.B) {
	buffer := make([]byte, bufferSize)
	b.SetBytes(256 << 20)
	for b.Loop() {
		hash := sha256.New()
		for range (256 << 20) / len(buffer) {
			hash.Write(buffer)
		}
	}
}
