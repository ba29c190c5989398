// Package largepages gives memory that the system is asked to keep in large
// pages. Reading much memory in an order that repeats costs a look-up for every
// page, which processors keep only so many of: in pages of 2 MB instead of 4 KB
// that is nothing worth mentioning.
package largepages

import "sync/atomic"

const pageSize = 2 << 20

// Memory is a stretch of address space. Its pages come into being when they are
// first touched, or by Populate.
type Memory struct {
	data      []byte // begins at a large page
	mapping   []byte
	populated atomic.Int64
	ending    atomic.Bool
	ended     chan struct{} // closed when nothing is populated any more
}

// Bytes returns the memory, which is zero at first. It must not be used after
// Free.
func (m *Memory) Bytes() []byte { return m.data }

// Populate begins to bring the pages into being from the front to the end, which
// can take seconds where the system has to make large pages first. It is called
// once.
func (m *Memory) Populate() {
	m.ended = make(chan struct{})
	go func() {
		defer close(m.ended)
		const step = 8 * pageSize
		for at := 0; at < len(m.data) && !m.ending.Load(); at += step {
			m.populate(m.data[at:min(at+step, len(m.data))])
			m.populated.Store(int64(min(at+step, len(m.data))))
		}
	}()
}

// Populated returns up to where Populate has come.
func (m *Memory) Populated() int { return int(m.populated.Load()) }

// Free gives the memory back.
func (m *Memory) Free() error {
	if m == nil {
		return nil
	}
	m.ending.Store(true)
	if m.ended != nil {
		<-m.ended
	}
	return m.unmap()
}
