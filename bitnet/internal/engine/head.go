package engine

import (
	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
	"github.com/gobitnet/gobitnet/bitnet/internal/table"
)

const (
	// headRowsPerPart is how many rows of the head a thread takes at a
	// time, and headRowsPerCall what one kernel call may take without holding up
	// the garbage collector. Its rows stay in the second-level cache for all
	// vectors.
	headRowsPerPart = 256
	headRowsPerCall = 48
	// releaseRowsPerPart is so many that giving their memory back, one system
	// call, is cheap beside reading them.
	releaseRowsPerPart = 512
	// singlesPerRelease is after how many rows that are read here and there
	// memory is handed back: so many that this takes no time worth mentioning,
	// so few that large pages of 2 MB around them do not count beside the model.
	singlesPerRelease = 64
)

// A Head is the output head of a model, a row for each token of the vocabulary,
// and, once it has been built, the screen of it.
type Head struct {
	table   *table.Table
	release func(data []byte) // nil where memory cannot be handed back
	screen  *screen
	singles int // rows read here and there since memory was handed back
}

// NewHead makes a head of a table. release, where it is not nil, hands back the
// memory of a stretch of its rows, which must remain readable. A head that has no
// screen is read again for every token: nothing of it is handed back.
func NewHead(t *table.Table, release func(data []byte)) *Head {
	if !t.Floating() {
		release = nil
	}
	return &Head{table: t, release: release}
}

// Screens reports whether the head can have a screen: that of one in integers would
// be no smaller than the head.
func (h *Head) Screens() bool { return h.table.Floating() }

// Rows returns the number of rows: the length of all logits.
func (h *Head) Rows() int { return h.table.Rows() }

// readSingles counts rows that were read here and there, and hands memory back
// when they have become many.
func (h *Head) readSingles(n int) {
	if h.singles += n; h.singles >= singlesPerRelease && h.release != nil {
		h.release(h.table.Bytes(0, h.Rows()))
		h.singles = 0
	}
}

type headProduct struct {
	head        *Head
	x           table.Vectors
	logits      [][]float32
	release     bool
	rowsPerPart int
	do          func(thread, part int)
}

// Logits computes all logits of some vectors, Rows each. Where release is set,
// memory is handed back as soon as it has been read.
func (e *Engine) Logits(logits [][]float32, h *Head, x [][]float32, release bool) {
	j := &e.head
	j.head, j.logits = h, logits
	e.fail(j.x.Set(h.table, e.integer, x...))
	e.heads[h.table.Type()] += uint64(len(x))
	j.release, j.rowsPerPart = release && h.release != nil, headRowsPerPart
	if j.release {
		j.rowsPerPart = releaseRowsPerPart
	}
	e.Pool.Run(partsOf(h.Rows(), j.rowsPerPart), j.do)
	j.logits = nil
}

func (e *Engine) headPart(thread, part int) {
	j := &e.head
	start, end := part*j.rowsPerPart, min((part+1)*j.rowsPerPart, j.head.Rows())
	for lo := start; lo < end; lo += headRowsPerCall {
		e.headRows(&e.workers[thread], lo, min(lo+headRowsPerCall, end))
	}
	if j.release {
		j.head.release(j.head.table.Bytes(start, end))
	}
}

// headRows computes a few logits of every vector.
func (e *Engine) headRows(w *workspace, lo, hi int) {
	j := &e.head
	t := j.head.table
	if len(j.logits) == 1 {
		e.fail(t.Multiply(j.logits[0][lo:hi], e.float, lo, hi, &j.x, 0, 1, &w.table))
		return
	}
	for first := 0; first < len(j.logits); first += kernel.MaxVectors {
		last := min(first+kernel.MaxVectors, len(j.logits))
		w.products = grow(w.products, (last-first)*(hi-lo))
		e.fail(t.Multiply(w.products, e.float, lo, hi, &j.x, first, last, &w.table))
		for v := first; v < last; v++ {
			copy(j.logits[v][lo:hi], w.products[(v-first)*(hi-lo):])
		}
	}
}
