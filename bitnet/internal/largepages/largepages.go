// Package largepages gives memory that the system is asked to keep in large
// pages. Reading much memory in an order that repeats costs a look-up for every
// page, which processors keep only so many of: in pages of 2 MB instead of 4 KB
// that is nothing worth mentioning.
package largepages

import (
	"sync/atomic"
	"time"
)

const (
	pageSize = 2 << 20
	// rest is how many times as long as it has worked Enlarge rests. Making a
	// large page takes a tenth of a millisecond where the system has one, and
	// many times that where it must move others away first, or is itself a guest
	// whose memory comes into being only now; and all the while whoever computes
	// on all processors computes at half its speed.
	rest = 3
)

// Memory is a stretch of address space, whose pages come into being when they are
// first touched, as small ones.
type Memory struct {
	data     []byte // begins at a large page
	mapping  []byte
	enlarged atomic.Int64
	ending   chan struct{}
	ended    chan struct{} // closed when Enlarge has ended; nil before it began
}

// Bytes returns the memory, which is zero at first. It must not be used after
// Free.
func (m *Memory) Bytes() []byte { return m.data }

// Enlarge begins to put the memory into large pages, from the front to the end
// and a little at a time. What is in it stays, and it may be used meanwhile. It
// is called once.
func (m *Memory) Enlarge() {
	m.ended = make(chan struct{})
	go func() {
		defer close(m.ended)
		for at := 0; at < len(m.data); at += pageSize {
			start := time.Now()
			m.enlarge(m.data[at:min(at+pageSize, len(m.data))])
			m.enlarged.Store(int64(min(at+pageSize, len(m.data))))
			select {
			case <-m.ending:
				return
			case <-time.After(rest * time.Since(start)):
			}
		}
	}()
}

// Begun reports whether Enlarge has been called.
func (m *Memory) Begun() bool { return m.ended != nil }

// Enlarged returns up to where Enlarge has come.
func (m *Memory) Enlarged() int { return int(m.enlarged.Load()) }

// Free gives the memory back.
func (m *Memory) Free() error {
	if m == nil {
		return nil
	}
	close(m.ending)
	if m.ended != nil {
		<-m.ended
	}
	return m.unmap()
}
