package bitnet

import (
	"unsafe"

	"github.com/gobitnet/gobitnet/bitnet/internal/largepages"
	"github.com/gobitnet/gobitnet/quant"
)

// What is read for every token, the ternary weights and the screen of the head,
// lies in large pages where the system gives them: a mapped file lies in small
// ones, as a rule, and reading it from one end to the other takes up to a
// quarter longer. That is done in the background and by and by, once a model has
// been used for a while; the weights are copied block by block, each after a
// pass, and their memory in the file is handed back.
type residence struct {
	least int // bytes for which large pages make a difference
	after int // passes after which it begins

	stay    bool               // the weights are to stay in the file
	weights *largepages.Memory // nil where they are in the file
	screen  *largepages.Memory // nil where there is none, or it lies elsewhere
	passes  int
	blocks  int // moved
	used    int // bytes of weights
}

const (
	leastLarge = 64 << 20
	// settleAfter is as many passes as save about the time that it takes where
	// the system has large pages at hand.
	settleAfter = 32
	// codesAlignment keeps rows from sharing cache lines with other tensors.
	codesAlignment = 64
)

// screenMemory returns memory for the screen of the head, or nil where it is to
// have memory of its own.
func (r *residence) screenMemory(bytes int) []int8 {
	if bytes < r.least || !largepages.Available() {
		return nil
	}
	m, err := largepages.New(bytes)
	if err != nil {
		return nil
	}
	r.screen = m
	data := m.Bytes()
	return unsafe.Slice((*int8)(unsafe.Pointer(&data[0])), len(data))
}

// settle is called after each pass, in the engine's turn.
func (m *Model) settle() {
	r := &m.residence
	if r.passes++; r.passes < r.after {
		return
	}
	if screen := r.screen; screen != nil && screen.Enlarged() < len(screen.Bytes()) {
		if !screen.Begun() {
			screen.Enlarge()
		}
		return
	}
	if r.stay || r.blocks == len(m.weights.blocks) {
		return
	}
	if r.weights == nil {
		bytes := 0
		for i := range m.weights.blocks {
			bytes += m.weights.blocks[i].codeBytes()
		}
		if r.stay = bytes < r.least || !largepages.Available(); r.stay {
			return
		}
		memory, err := largepages.New(bytes)
		if r.stay = err != nil; r.stay {
			return
		}
		r.weights = memory
		memory.Enlarge()
	}
	if b := &m.weights.blocks[r.blocks]; r.used+b.codeBytes() <= r.weights.Enlarged() {
		m.move(b)
		r.blocks++
	}
}

func (b *block) matrices() [7]*quant.Matrix {
	return [...]*quant.Matrix{&b.q.W, &b.k.W, &b.v.W, &b.output.W, &b.gate.W, &b.up.W, &b.down.W}
}

func (b *block) codeBytes() (n int) {
	for _, m := range b.matrices() {
		n += aligned(len(m.Codes()))
	}
	return n
}

func aligned(n int) int { return (n + codesAlignment - 1) / codesAlignment * codesAlignment }

// move copies the weights of a block.
func (m *Model) move(b *block) {
	r := &m.residence
	for _, matrix := range b.matrices() {
		codes := matrix.Codes()
		moved := r.weights.Bytes()[r.used : r.used+len(codes) : r.used+len(codes)]
		m.engine.Copy(moved, codes)
		*matrix = matrix.WithCodes(moved)
		m.file.Release(codes)
		r.used += aligned(len(codes))
	}
}

// free gives the memory back. Nothing is evaluated any more.
func (r *residence) free() error {
	if err := r.weights.Free(); err != nil {
		return err
	}
	return r.screen.Free()
}
