package largepages

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"
)

func TestMemory(t *testing.T) {
	if !Available() {
		t.Skip("this system gives no large pages")
	}
	const size = 64<<20 + 12345
	m, err := New(size)
	if err != nil {
		t.Fatal(err)
	}
	data := m.Bytes()
	if len(data) != size || uintptr(unsafe.Pointer(&data[0]))%pageSize != 0 {
		t.Fatalf("%d bytes at %p", len(data), &data[0])
	}
	for i := range data[:size/2] {
		data[i] = byte(i * 7) // the other half is not there yet
	}
	if m.Begun() {
		t.Error("begun without being asked")
	}
	m.Enlarge()
	for limit := time.Now().Add(30 * time.Second); m.Enlarged() < size; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%d bytes of %d are enlarged", m.Enlarged(), size)
		}
		data[1000]++ // it may be used meanwhile
		data[1000]--
	}
	for i, v := range data {
		if want := byte(i * 7); i < size/2 && v != want || i >= size/2 && v != 0 {
			t.Fatalf("byte %d is %d", i, v)
		}
	}
	if large := inLargePages(t, &data[0]); large == 0 {
		// The system may have none to give.
		t.Log("no large pages")
	} else {
		t.Logf("%d KB in large pages", large)
	}
	if err := m.Free(); err != nil {
		t.Fatal(err)
	}
	if err := (*Memory)(nil).Free(); err != nil {
		t.Fatal(err)
	}
}

// TestFreeEarly gives memory back while it is being enlarged.
func TestFreeEarly(t *testing.T) {
	if !Available() {
		t.Skip("this system gives no large pages")
	}
	for i := range 10 {
		m, err := New(256 << 20)
		if err != nil {
			t.Fatal(err)
		}
		m.Enlarge()
		time.Sleep(time.Duration(i) * time.Millisecond)
		if err := m.Free(); err != nil {
			t.Fatal(err)
		}
	}
}

// inLargePages asks the system how much of the mapping at an address lies in
// large pages, in KB.
func inLargePages(t *testing.T, at *byte) int {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	address := uint64(uintptr(unsafe.Pointer(at)))
	inside := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if bounds, _, ok := strings.Cut(line, " "); ok && strings.Contains(bounds, "-") {
			low, high, _ := strings.Cut(bounds, "-")
			lo, _ := strconv.ParseUint(low, 16, 64)
			hi, _ := strconv.ParseUint(high, 16, 64)
			inside = lo <= address && address < hi
		}
		if rest, ok := strings.CutPrefix(line, "AnonHugePages:"); ok && inside {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n
		}
	}
	return 0
}
