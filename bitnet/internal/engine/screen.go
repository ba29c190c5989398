package engine

import (
	"math"
	"slices"

	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
	"github.com/gobitnet/gobitnet/bitnet/internal/table"
)

// Greedy decoding needs the largest logit, not all of them. A screen is the
// output head in 8 bits, half the memory of a float16 one to read, with a bound on
// what that changes; the rows whose logit can be among the largest are then
// computed from the head itself.
//
// Let a row of the head be w = step·q + e, with q the 8-bit row, and let the
// vector that it is multiplied with be x = unit·y + d, with y 16-bit integers.
// Then
//
//	|w·x − step·unit·(q·y)| ≤ ‖e‖·‖x‖ + ‖step·q‖·‖d‖ ≤ ‖e‖·(‖x‖+‖d‖) + ‖w‖·‖d‖
//
// by the Cauchy–Schwarz inequality, q·y being an exact integer. The logit that
// the head's kernel computes differs from w·x by at most γ·‖w‖·‖x‖, where γ =
// m·u/(1−m·u), u = 2⁻²⁴ and m is the longest chain of roundings (Higham,
// "Accuracy and Stability of Numerical Algorithms", section 3.1). A row can be
// among the k largest only if its upper bound is not below the k-th largest of
// all lower bounds.
type screen struct {
	cols int
	// q holds the 8-bit rows, releaseRowsPerPart in each piece. Pieces come into
	// being as the rows are read, so that the memory of the head, handed back
	// meanwhile, makes room for them.
	q    [][]int8
	rows []screenRow
	// most holds the largest numbers of the rows of each piece.
	most []screenRow
}

// stretch returns the 8-bit rows from lo up to, not including, hi, which lie in
// one piece.
func (s *screen) stretch(lo, hi int) []int8 {
	first := lo / releaseRowsPerPart * releaseRowsPerPart
	return s.q[lo/releaseRowsPerPart][(lo-first)*s.cols : (hi-first)*s.cols]
}

type screenRow struct {
	step float32
	rest float32 // at least ‖e‖
	norm float32 // at least ‖w‖
}

const (
	scanRowsPerPart  = 256 // divides releaseRowsPerPart
	scanRowsPerCall  = 64  // whose 8-bit rows stay in the second-level cache for all vectors
	exactRowsPerPart = 8

	// outward widens the norms and bounds by more than the roundings made in
	// computing them.
	outward = 1 + 1e-4
)

// A Query asks for the rows of a head that may have one of the K largest
// products with a vector.
type Query struct {
	X []float32
	K int

	// Rows are the answer, in ascending order, and Logits their products. Found
	// is false where X is such that all rows would have to be computed.
	Rows   []int
	Logits []float32
	Found  bool

	y                []int16
	unit             float64
	eFactor, wFactor float64 // a row's bound is rest·eFactor + norm·wFactor
}

type screening struct {
	head    *Head
	memory  []int8
	queries []*Query // those that the screen can answer
	vectors [][]float32
	x       table.Vectors
	y       []int16   // the images of their vectors, one after the other
	found   []finding // [thread][query]
	dots    [][]int32 // [thread]
	exacts  []exact

	build, scan, exact func(thread, part int)
}

// exact is a row whose logit is to be computed: number at of a query's.
type exact struct{ query, at int }

// contender is a row that may be among the largest.
type contender struct {
	row   int
	upper float64
}

type finding struct {
	lowest     []float64 // the largest lower bounds so far, a heap with the smallest first
	contenders []contender
}

// Screened reports whether the head's screen has been built.
func (h *Head) Screened() bool { return h.screen != nil }

// ScreenBytes returns how many bytes the 8-bit rows of a screen take.
func (h *Head) ScreenBytes() int { return h.Rows() * h.table.Columns() }

// BuildScreen makes the screen of a head that can have one. Its rows come to lie in
// memory, of ScreenBytes, or where that is nil in memory of their own.
func (e *Engine) BuildScreen(h *Head, memory []int8) {
	j := &e.screen
	rows := h.Rows()
	parts := partsOf(rows, releaseRowsPerPart)
	h.screen = &screen{cols: h.table.Columns(), q: make([][]int8, parts), rows: make([]screenRow, rows), most: make([]screenRow, parts)}
	j.head, j.memory = h, memory
	e.Pool.Run(parts, j.build)
	j.memory = nil
}

func (e *Engine) buildScreenPart(thread, part int) {
	j := &e.screen
	h, s := j.head, j.head.screen
	lo, hi := part*releaseRowsPerPart, min((part+1)*releaseRowsPerPart, len(s.rows))
	if j.memory != nil {
		s.q[part] = j.memory[lo*s.cols : hi*s.cols]
	} else {
		s.q[part] = make([]int8, (hi-lo)*s.cols)
	}
	// A square below float32's smallest numbers is off by so much at most.
	lost := float64(s.cols) * math.SmallestNonzeroFloat32
	for r := lo; r < hi; r++ {
		q := s.stretch(r, r+1)
		step, rest, squares := h.table.Quantize(q, e.float, r, &e.workers[thread].table)
		row := screenRow{
			step: step,
			rest: float32(math.Sqrt(float64(rest)+lost) * outward),
			norm: float32(math.Sqrt(float64(squares)+lost) * outward),
		}
		if sum := row.step + row.rest + row.norm; sum-sum != 0 {
			// Infinite or not a number: nothing is known of this row.
			row = screenRow{rest: float32(math.Inf(1))}
			clear(q)
		}
		s.rows[r] = row
		most := &s.most[part]
		*most = screenRow{max(most.step, row.step), max(most.rest, row.rest), max(most.norm, row.norm)}
	}
	if h.release != nil {
		h.release(h.table.Bytes(lo, hi))
	}
}

// Largest answers queries by the screen of a head, which has been built.
func (e *Engine) Largest(h *Head, queries []*Query) {
	j := &e.screen
	j.head, j.queries, j.vectors, j.y = h, j.queries[:0], j.vectors[:0], j.y[:0]
	for _, q := range queries {
		if q.Found = q.K < h.Rows() && q.quantize(); q.Found {
			j.queries = append(j.queries, q)
			j.vectors = append(j.vectors, q.X)
			j.y = append(j.y, q.y...)
		}
	}
	n := len(j.queries)
	if n == 0 {
		return
	}
	e.fail(j.x.Set(h.table, e.integer, j.vectors...))
	clear(j.vectors)
	e.counts[headInt8] += uint64(n)
	for len(j.found) < n*len(e.workers) {
		j.found = append(j.found, finding{})
	}
	if j.dots == nil {
		j.dots = make([][]int32, len(e.workers))
	}
	for i := range j.found {
		f := &j.found[i]
		f.lowest, f.contenders = f.lowest[:0], f.contenders[:0]
	}
	e.Pool.Run(partsOf(h.Rows(), scanRowsPerPart), j.scan)
	j.exacts = j.exacts[:0]
	for i := range j.queries {
		e.settle(i)
	}
	e.Pool.Run(partsOf(len(j.exacts), exactRowsPerPart), j.exact)
	h.readSingles(len(j.exacts))
	clear(j.queries)
}

// settle takes together what the threads have found for a query.
func (e *Engine) settle(query int) {
	j := &e.screen
	q, n := j.queries[query], len(j.queries)
	all := &j.found[query]
	for thread := range e.workers[1:] {
		for _, lower := range j.found[(thread+1)*n+query].lowest {
			all.offer(lower, q.K)
		}
	}
	threshold := all.lowest[0]
	q.Rows = q.Rows[:0]
	for thread := range e.workers {
		for _, c := range j.found[thread*n+query].contenders {
			if c.upper >= threshold {
				q.Rows = append(q.Rows, c.row)
			}
		}
	}
	slices.Sort(q.Rows)
	q.Logits = grow(q.Logits, len(q.Rows))
	for at := range q.Rows {
		j.exacts = append(j.exacts, exact{query, at})
	}
}

// quantize expresses X in 16-bit integers, small enough that their products
// with 8-bit integers sum up in 32 bits, and prepares the factors of the bound.
func (q *Query) quantize() bool {
	n := float64(len(q.X))
	largest, sum, squares := 0.0, 0.0, 0.0
	for _, v := range q.X {
		a := math.Abs(float64(v))
		largest, sum, squares = max(largest, a), sum+a, squares+float64(a*a)
	}
	if squares == 0 || math.IsInf(squares, 0) || squares != squares {
		return false
	}
	q.unit = max(largest/math.MaxInt16, sum/(math.MaxInt32/128-n))
	q.y = grow(q.y, len(q.X))
	rest := 0.0
	for i, v := range q.X {
		y := math.RoundToEven(float64(v) / q.unit)
		q.y[i] = int16(y)
		d := float64(v) - float64(y*q.unit)
		rest += float64(d * d)
	}
	norm, off := math.Sqrt(squares)*outward, math.Sqrt(rest)*outward
	chain := (n/16 + 6) / (1 << 24)
	gamma := chain / (1 - chain)
	q.eFactor, q.wFactor = (norm+off)*outward, (off+float64(gamma*norm))*outward
	return true
}

func (e *Engine) scanScreenPart(thread, part int) {
	j := &e.screen
	s, n := j.head.screen, len(j.queries)
	start, end := part*scanRowsPerPart, min((part+1)*scanRowsPerPart, len(s.rows))
	dots := grow(j.dots[thread], kernel.MaxVectors*scanRowsPerCall)
	j.dots[thread] = dots
	for lo := start; lo < end; lo += scanRowsPerCall {
		hi := min(lo+scanRowsPerCall, end)
		for first := 0; first < n; first += kernel.MaxVectors {
			last := min(first+kernel.MaxVectors, n)
			e.float.DotsInt8(dots[:(last-first)*(hi-lo)], s.stretch(lo, hi), j.y[first*s.cols:last*s.cols], s.cols)
			for i := first; i < last; i++ {
				j.queries[i].scan(&j.found[thread*n+i], s, lo, dots[(i-first)*(hi-lo):][:hi-lo])
			}
		}
	}
}

// scan looks at the integer products of the rows from lo on.
func (q *Query) scan(f *finding, s *screen, lo int, dots []int32) {
	least := q.leastDot(&s.most[lo/releaseRowsPerPart], f)
	for i, dot := range dots {
		if dot < least {
			continue
		}
		logit, bound := q.estimate(&s.rows[lo+i], dot)
		if len(f.lowest) == q.K && logit+bound < f.lowest[0] {
			continue
		}
		f.contenders = append(f.contenders, contender{lo + i, logit + bound})
		f.offer(logit-bound, q.K)
	}
}

// estimate returns the logit that a row's integer product stands for, and how
// far from that the true one can be.
func (q *Query) estimate(r *screenRow, dot int32) (logit, bound float64) {
	return float64(dot) * float64(float64(r.step)*q.unit),
		float64(float64(r.rest)*q.eFactor) + float64(float64(r.norm)*q.wFactor)
}

// leastDot returns an integer product below which no row of a piece can be a
// contender any more: a quick look that spares nearly all of them the estimate.
func (q *Query) leastDot(most *screenRow, f *finding) int32 {
	if len(f.lowest) < q.K {
		return math.MinInt32
	}
	one, bound := q.estimate(most, 1)
	least := (f.lowest[0] - bound) / one
	if !(least > 0) { // also where it is not a number
		return math.MinInt32
	}
	return int32(min(least*(1-1e-9), math.MaxInt32-1))
}

// offer keeps the k largest of all values offered.
func (f *finding) offer(v float64, k int) {
	h := f.lowest
	if len(h) < k {
		h = append(h, v)
		for i := len(h) - 1; i > 0 && h[i] < h[(i-1)/2]; i = (i - 1) / 2 {
			h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
		}
		f.lowest = h
		return
	}
	if !(v > h[0]) {
		return
	}
	h[0] = v
	for i := 0; ; {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(h) && h[child] < h[least] {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

func (e *Engine) exactRowsPart(thread, part int) {
	j := &e.screen
	for i := part * exactRowsPerPart; i < min((part+1)*exactRowsPerPart, len(j.exacts)); i++ {
		query, at := j.exacts[i].query, j.exacts[i].at
		q := j.queries[query]
		r := q.Rows[at]
		e.fail(j.head.table.Multiply(q.Logits[at:at+1], e.float, r, r+1, &j.x, query, query+1, &e.workers[thread].table))
	}
}
