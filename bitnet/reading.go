package bitnet

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// reading brings the ternary weights of a mapped file into the process's memory,
// in the order of the file, while the model is being opened. The first
// evaluation needs them all, and several threads that meet with missing pages at
// once, all over the file, wait for each other and for the disk several times as
// long. The output head is not read: its memory is handed back as soon as it has
// served.
type reading struct {
	ending atomic.Bool
	ended  chan struct{}
	bytes  int // read; valid once ended is closed
}

func startReading(f *gguf.File) *reading {
	r := &reading{ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		// Where the file is cut meanwhile, whoever computes with it will tell.
		debug.SetPanicOnFault(true)
		defer func() {
			if fault := recover(); fault != nil && f.Fault(fault) == nil {
				panic(fault)
			}
		}()
		for _, t := range f.Tensors() {
			if t.Type == gguf.I2S && !r.read(t.Data) {
				return
			}
		}
	}()
	return r
}

// readStride is how far apart the bytes lie that are read. With a page, systems
// bring the pages around it that they have: Linux, if not told otherwise, 64 KB.
const readStride = 64 << 10

// read reads a byte of each stride and reports whether it came to the end.
func (r *reading) read(data []byte) bool {
	var sum byte
	for at := 0; at < len(data); at += readStride {
		if r.ending.Load() {
			return false
		}
		sum += data[at]
		r.bytes++
	}
	runtime.KeepAlive(sum) // lest the compiler see that it serves nothing
	return true
}

// end waits until nothing is read any more. The file may then be closed.
func (r *reading) end() {
	if r != nil {
		r.ending.Store(true)
		<-r.ended
	}
}
