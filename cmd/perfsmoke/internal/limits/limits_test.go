package limits

import (
	"testing"
)

func TestTouchReadsEveryLine(t *testing.T) {
	for n := range 400 {
		words := make([]uint64, n)
		want := uint64(0)
		for i := range words {
			words[i] = uint64(i) * 0x123456789abcdef1
			if i%8 == 0 {
				want += words[i]
			}
		}
		if got := touch(words); got != want {
			t.Errorf("%d words: %d, want %d", n, got, want)
		}
	}
}

func TestReaderHasWholeBuffer(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 7} {
		for _, bytes := range []int64{0, 8, 4096, 100_000} {
			r := NewReader(bytes, threads)
			if got, want := r.Bytes(), max(bytes, int64(64*threads)); got != want {
				t.Errorf("%d bytes for %d threads: %d, want %d", bytes, threads, got, want)
			}
			for i, p := range r.parts {
				if len(p) == 0 {
					t.Errorf("%d bytes for %d threads: thread %d has none", bytes, threads, i)
				}
			}
		}
	}
}

// TestMeasure holds the result against the obvious bounds.
func TestMeasure(t *testing.T) {
	m := NewReader(1<<20, 1).Measure(3)
	if len(m.Passes) != 3 || m.BufferBytes != 1<<20 {
		t.Fatalf("%+v", m)
	}
	for _, p := range m.Passes {
		if p < 1e7 || p > 1e13 || p > m.Best() {
			t.Errorf("%g bytes a second, best %g", p, m.Best())
		}
	}
}

func TestMemoryBuffer(t *testing.T) {
	const mega, giga = 1 << 20, 1 << 30
	for _, c := range []struct{ cache, available, want int64 }{
		{0, 0, 256 * mega},
		{32 * mega, 4 * giga, 256 * mega},
		{100 * mega, 4 * giga, 400 * mega},
		{600 * mega, 64 * giga, giga},
		{600 * mega, 2 * giga, 512 * mega},
		{36 * mega, 400 * mega, 100 * mega},
		{36 * mega, 10 * mega, 32 * mega},
	} {
		if got := MemoryBuffer(c.cache, c.available); got != c.want {
			t.Errorf("cache %d, available %d: %d, want %d", c.cache, c.available, got, c.want)
		}
	}
}

func BenchmarkMemory(b *testing.B) {
	for _, threads := range []int{1, 2} {
		r := NewReader(256<<20, threads)
		b.Run("threads="+string(rune('0'+threads)), func(b *testing.B) {
			b.SetBytes(r.Bytes())
			for b.Loop() {
				r.pass(1)
			}
		})
	}
}
