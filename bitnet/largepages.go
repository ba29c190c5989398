package bitnet

import (
	"slices"
	"unsafe"

	"github.com/gobitnet/gobitnet/bitnet/internal/engine"
	"github.com/gobitnet/gobitnet/bitnet/internal/largepages"
	"github.com/gobitnet/gobitnet/quant"
)

// What is read for every token, the ternary weights and the screen of the head, or a
// head that has none, lies in large pages where the system gives them: a mapped file lies in small
// ones, as a rule, and reading it from one end to the other takes up to a
// quarter longer. That is done in the background and by and by, once a model has
// been used for a while; the weights are copied block by block, each after a
// pass, and their memory in the file is handed back. Those that have five weights in a
// byte are unpacked to two bits a weight on the way: that takes a fifth more memory,
// but no processor takes five apart as fast as memory brings them.
type residence struct {
	least int // bytes for which large pages make a difference
	after int // passes after which it begins

	stay    bool               // the weights are to stay in the file
	weights *largepages.Memory // nil where they are in the file
	screen  *largepages.Memory // nil where there is none, or it lies elsewhere
	passes  int
	blocks  int // moved; the head, where it is, counts as one more
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
	if r.stay || r.blocks == m.movable() {
		return
	}
	if r.weights == nil {
		bytes := 0
		for i := range m.movable() {
			bytes += m.movableBytes(i)
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
	if r.used+m.movableBytes(r.blocks) > r.weights.Enlarged() {
		return
	}
	if r.blocks < len(m.weights.blocks) {
		for _, matrix := range m.weights.blocks[r.blocks].matrices() {
			*matrix = m.moved(*matrix)
		}
		m.useFormats()
	} else if matrix, ok := m.weights.head.Matrix(); ok {
		m.weights.head.MoveMatrix(m.moved(matrix))
	} else {
		rows := m.headBytes()
		to := r.take(len(rows))
		m.engine.Copy(to, rows)
		m.weights.head.Move(to)
		m.file.Release(rows)
	}
	r.blocks++
}

// movable returns how many things are moved one by one: the blocks, and the head
// unless what is read of it is its screen.
func (m *Model) movable() int {
	if m.head.Screens() {
		return len(m.weights.blocks)
	}
	return len(m.weights.blocks) + 1
}

// movableBytes returns how much memory the i-th of them takes.
func (m *Model) movableBytes(i int) int {
	if i < len(m.weights.blocks) {
		return m.weights.blocks[i].codeBytes()
	}
	if matrix, ok := m.weights.head.Matrix(); ok {
		return aligned(engine.ResidentBytes(matrix))
	}
	return aligned(len(m.headBytes()))
}

func (m *Model) headBytes() []byte { return m.weights.head.Bytes(0, m.head.Rows()) }

func (b *block) matrices() [7]*quant.Matrix {
	return [...]*quant.Matrix{&b.q.W, &b.k.W, &b.v.W, &b.output.W, &b.gate.W, &b.up.W, &b.down.W}
}

func (b *block) codeBytes() (n int) {
	for _, m := range b.matrices() {
		n += aligned(engine.ResidentBytes(*m))
	}
	return n
}

func aligned(n int) int { return (n + codesAlignment - 1) / codesAlignment * codesAlignment }

// moved copies a matrix of the file to large pages and hands its memory back.
func (m *Model) moved(matrix quant.Matrix) quant.Matrix {
	there := m.engine.Move(m.residence.take(engine.ResidentBytes(matrix)), matrix)
	m.file.Release(matrix.Codes())
	return there
}

// take returns the next bytes of the large pages.
func (r *residence) take(n int) []byte {
	from := r.used
	r.used += aligned(n)
	return r.weights.Bytes()[from : from+n : from+n]
}

// useFormats has activations made for the formats that the matrices are in by now:
// some are better multiplied in another one than they are stored in.
func (m *Model) useFormats() {
	var formats []quant.Format
	for i := range m.weights.blocks {
		for _, matrix := range m.weights.blocks[i].matrices() {
			if f := matrix.Format(); !slices.Contains(formats, f) {
				formats = append(formats, f)
			}
		}
	}
	if !slices.Equal(formats, m.weights.formats) {
		m.weights.formats = formats
		m.workspace = workspace{}
	}
}

// free gives the memory back. Nothing is evaluated any more.
func (r *residence) free() error {
	if err := r.weights.Free(); err != nil {
		return err
	}
	return r.screen.Free()
}
