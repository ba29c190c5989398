package gguf

import (
	"bytes"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// resident returns how many bytes of a mapped file this process holds.
func resident(t *testing.T, path string) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skipf("the system does not say what is resident: %v", err)
	}
	total, found := 0, false
	for part := range bytes.SplitSeq(maps, []byte("VmFlags:")) {
		at := bytes.Index(part, []byte(path))
		if at < 0 {
			continue
		}
		match := regexp.MustCompile(`Rss: +(\d+) kB`).FindSubmatch(part[at:])
		if match == nil {
			t.Skip("the system does not say what is resident")
		}
		kilobytes, err := strconv.Atoi(string(match[1]))
		if err != nil {
			t.Fatal(err)
		}
		total, found = total+kilobytes<<10, true
	}
	if !found {
		t.Skip("the system does not list the mapping")
	}
	return total
}

func TestReleaseGivesMemoryBack(t *testing.T) {
	const size = 16 << 20
	r := header(3, 1, 0).tensor("t", I8, 0, size).pad(32)
	r = append(r, bytes.Repeat([]byte{3}, size)...)
	path := writeFile(t, r)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, _ := f.Tensor("t")
	for range 2 {
		if n := bytes.Count(x.Data, []byte{3}); n != size {
			t.Fatalf("%d of %d bytes", n, size)
		}
		before := resident(t, path)
		if before < size {
			t.Skipf("%d bytes are resident after %d were read: the system counts otherwise", before, size)
		}
		f.Release(x.Data[:size/2])
		after := resident(t, path)
		// Large pages may go or stay whole.
		if freed, want := before-after, size/2; freed < want-4<<20 || freed > want+4<<20 {
			t.Errorf("%d bytes were resident, %d after half of them was released", before, after)
		}
	}
}
