// Package limits measures what a machine can do at most, as a yardstick for what
// a model makes of it.
package limits

import (
	"slices"
	"sync"
	"time"
)

const (
	// minMemory is the size of a buffer that few caches hold, and maxMemory
	// what is enough for any of them.
	minMemory = 256 << 20
	maxMemory = 1 << 30
	// leastMemory is what is read where memory is short.
	leastMemory = 32 << 20
	// timesCache is how many times as large as the last cache a buffer is, so
	// that what is left in it from the last pass hardly counts.
	timesCache = 4

	memoryPasses     = 6
	workingSetPasses = 24
	// passTime is how long a pass lasts at least: a small buffer is read again
	// and again. It is short, so that on a busy machine some passes go through
	// without being interrupted.
	passTime = time.Millisecond
)

// MemoryBuffer returns how large a buffer to read for measuring memory: several
// times the last cache, of lastCache bytes, and at most a quarter of the memory
// that is available. Either may be 0, not known.
func MemoryBuffer(lastCache, available int64) int64 {
	size := min(max(timesCache*lastCache, minMemory), maxMemory)
	if available > 0 {
		size = min(size, max(available/4, leastMemory))
	}
	return size &^ 4095
}

// A Measurement is how fast a buffer was read, in bytes a second.
type Measurement struct {
	BufferBytes int64
	Passes      []float64
}

// Best returns the fastest pass.
func (m Measurement) Best() float64 { return slices.Max(m.Passes) }

// A Reader reads its buffer with several threads.
type Reader struct {
	parts [][]uint64 // one for each thread
	sink  []uint64   // keeps the sums from being optimized away
}

// NewReader makes a buffer of a number of bytes, at least 64 for each thread.
func NewReader(bytes int64, threads int) *Reader {
	words := max(bytes/8, int64(8*threads))
	r := &Reader{parts: make([][]uint64, threads), sink: make([]uint64, threads)}
	r.each(func(i int) {
		// Each thread's part is a slice of its own, first touched by it,
		// which places it well where memory is near some processors.
		part := make([]uint64, words*int64(i+1)/int64(threads)-words*int64(i)/int64(threads))
		preferLargePages(part)
		for j := range part {
			part[j] = uint64(j) * 0x9e3779b97f4a7c15
		}
		r.parts[i] = part
	})
	return r
}

// each runs do for every thread and waits for all.
func (r *Reader) each(do func(i int)) {
	var done sync.WaitGroup
	for i := range r.parts {
		done.Add(1)
		go func() {
			defer done.Done()
			do(i)
		}()
	}
	done.Wait()
}

// Bytes returns the size of the buffer.
func (r *Reader) Bytes() int64 {
	n := 0
	for _, p := range r.parts {
		n += 8 * len(p)
	}
	return int64(n)
}

// pass reads the whole buffer a number of times and returns how long it took.
func (r *Reader) pass(rounds int) time.Duration {
	start := time.Now()
	r.each(func(i int) {
		for range rounds {
			r.sink[i] += touch(r.parts[i])
		}
	})
	return time.Since(start)
}

// Measure reads the buffer several times over.
func (r *Reader) Measure(passes int) Measurement {
	rounds := 1
	took := r.pass(rounds)
	for took < passTime && rounds < 1<<24 {
		rounds = int(int64(rounds)*int64(passTime)/max(int64(took), 1)) + 1
		took = r.pass(rounds)
	}
	m := Measurement{BufferBytes: r.Bytes()}
	for range passes {
		took := max(r.pass(rounds), 1)
		m.Passes = append(m.Passes, float64(m.BufferBytes)*float64(rounds)/took.Seconds())
	}
	return m
}

// Memory measures how fast memory is read that the caches do not hold.
func Memory(bytes int64, threads int) Measurement {
	return NewReader(bytes, threads).Measure(memoryPasses)
}

// WorkingSet measures how fast a buffer is read again and again of which the
// caches may hold as much as they can.
func WorkingSet(bytes int64, threads int) Measurement {
	return NewReader(bytes, threads).Measure(workingSetPasses)
}

// lineWords is the number of words in a cache line, the smallest that is common.
const lineWords = 8

// touch adds up one word of every cache line, which brings all of it from
// memory and leaves the processor little else to do. It goes through the four
// quarters side by side: processors read ahead of each of several streams, and
// one alone does not keep the memory busy.
func touch(words []uint64) uint64 {
	quarter := len(words) / 4 / lineWords * lineWords
	a, b, c, d := words[:quarter], words[quarter:2*quarter], words[2*quarter:3*quarter], words[3*quarter:4*quarter]
	sum := uint64(0)
	for i := 0; i < len(a) && i < len(b) && i < len(c) && i < len(d); i += lineWords {
		sum += a[i] + b[i] + c[i] + d[i]
	}
	for i := 4 * quarter; i < len(words); i += lineWords {
		sum += words[i]
	}
	return sum
}
