package bitnet

import (
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// TestReading has the weights read to their end, and stopped at any time.
func TestReading(t *testing.T) {
	path, _, _ := reference(t, "tiny", "exact.f32")
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, tensor := range f.Tensors() {
		if tensor.Type == gguf.I2S {
			want += (len(tensor.Data) + readStride - 1) / readStride
		}
	}
	r := startReading(f)
	<-r.ended
	if want == 0 || r.bytes != want {
		t.Errorf("%d bytes were read, want %d", r.bytes, want)
	}
	r.end()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	for range 50 {
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		r := startReading(f)
		r.end()
		if err := f.Close(); err != nil { // what still reads would end the program
			t.Fatal(err)
		}
	}
}

// TestCloseAtOnce closes models whose weights may still be read, and opens in vain.
func TestCloseAtOnce(t *testing.T) {
	path, _, _ := reference(t, "tiny", "exact.f32")
	for range 20 {
		m, err := Open(path, WithThreads(2))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, WithThreads(-1)); err == nil {
			t.Fatal("no error")
		}
	}
}
