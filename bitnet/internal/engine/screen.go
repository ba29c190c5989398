package engine

import (
	"math"
	"slices"
)

// Greedy decoding needs the largest logit, not all of them. An Image is the
// output head in 8 bits, half the memory to read, with a bound on what that
// changes; the rows whose logit can be among the largest are then computed
// from the float16 head itself.
//
// Let a row of the head be w = step·q + e, with q the 8-bit row, and let the
// vector that it is multiplied with be x = unit·y + d, with y 16-bit integers.
// Then
//
//	|w·x − step·unit·(q·y)| ≤ ‖e‖·‖x‖ + ‖step·q‖·‖d‖ ≤ ‖e‖·(‖x‖+‖d‖) + ‖w‖·‖d‖
//
// by the Cauchy–Schwarz inequality, q·y being an exact integer. The logit that
// the float16 kernel computes differs from w·x by at most γ·‖w‖·‖x‖, where γ =
// m·u/(1−m·u), u = 2⁻²⁴ and m is the longest chain of roundings (Higham,
// "Accuracy and Stability of Numerical Algorithms", section 3.1). A row can be
// among the k largest only if its upper bound is not below the k-th largest of
// all lower bounds.
type Image struct {
	cols int
	// q holds the 8-bit rows, releaseRowsPerPart in each piece. Pieces come into
	// being as the rows are read, so that the memory of the float16 head, handed
	// back meanwhile, makes room for them.
	q    [][]int8
	rows []imageRow
	// most holds the largest numbers of the rows of each piece.
	most []imageRow
}

// stretch returns the 8-bit rows from lo up to, not including, hi, which lie in
// one piece.
func (m *Image) stretch(lo, hi int) []int8 {
	first := lo / releaseRowsPerPart * releaseRowsPerPart
	return m.q[lo/releaseRowsPerPart][(lo-first)*m.cols : (hi-first)*m.cols]
}

type imageRow struct {
	step float32
	rest float32 // at least ‖e‖
	norm float32 // at least ‖w‖
}

const (
	scanRowsPerPart  = 256 // divides releaseRowsPerPart
	exactRowsPerPart = 8

	// outward widens the norms and bounds by more than the roundings made in
	// computing them.
	outward = 1 + 1e-4
)

type screening struct {
	image *Image
	head  []uint16
	x     []float32

	y                []int16
	unit             float64
	eFactor, wFactor float64 // a row's bound is rest·eFactor + norm·wFactor
	keep             int
	found            []finding
	rows             []int
	logits           []float32

	build, scan, exact func(thread, part int)
}

// contender is a row that may be among the largest.
type contender struct {
	row   int
	upper float64
}

type finding struct {
	dots       [scanRowsPerPart]int32
	lowest     []float64 // the largest lower bounds so far, a heap with the smallest first
	contenders []contender
}

// BuildImage makes the image of a head of rows of len(head)/rows values each.
// release, where it is not nil, is told each stretch of the head when it has
// been read.
func (e *Engine) BuildImage(head []uint16, cols int, release func(rows []uint16)) *Image {
	j := &e.screen
	rows := len(head) / cols
	parts := partsOf(rows, releaseRowsPerPart)
	j.image = &Image{cols: cols, q: make([][]int8, parts), rows: make([]imageRow, rows), most: make([]imageRow, parts)}
	j.head, e.release = head, release
	e.Pool.Run(parts, j.build)
	return j.image
}

func (e *Engine) buildImagePart(_, part int) {
	j := &e.screen
	m := j.image
	lo, hi := part*releaseRowsPerPart, min((part+1)*releaseRowsPerPart, len(m.rows))
	m.q[part] = make([]int8, (hi-lo)*m.cols)
	for r := lo; r < hi; r++ {
		q := m.stretch(r, r+1)
		step, rest, squares := e.float.QuantizeHalf(q, j.head[r*m.cols:(r+1)*m.cols])
		row := imageRow{
			step: step,
			rest: float32(math.Sqrt(float64(rest)) * outward),
			norm: float32(math.Sqrt(float64(squares)) * outward),
		}
		if sum := row.step + row.rest + row.norm; sum-sum != 0 {
			// Infinite or not a number: nothing is known of this row.
			row = imageRow{rest: float32(math.Inf(1))}
			clear(q)
		}
		m.rows[r] = row
		most := &m.most[part]
		*most = imageRow{max(most.step, row.step), max(most.rest, row.rest), max(most.norm, row.norm)}
	}
	if e.release != nil {
		e.release(j.head[lo*m.cols : hi*m.cols])
	}
}

// Largest returns the rows of the head that may have one of the k largest
// products with x, in ascending order, and their logits. The slices are valid
// until the next call. ok is false where x is such that all rows would have to
// be computed.
func (e *Engine) Largest(image *Image, head []uint16, x []float32, k int) (rows []int, logits []float32, ok bool) {
	j := &e.screen
	j.image, j.head, j.x, j.keep = image, head, x, k
	if !j.setVector(x) || k >= len(image.rows) {
		return nil, nil, false
	}
	e.counts[headInt8]++
	if len(j.found) != len(e.workers) {
		j.found = make([]finding, len(e.workers))
	}
	for i := range j.found {
		f := &j.found[i]
		f.lowest, f.contenders = f.lowest[:0], f.contenders[:0]
	}
	e.Pool.Run(partsOf(len(image.rows), scanRowsPerPart), j.scan)

	all := &j.found[0]
	for i := range j.found[1:] {
		for _, lower := range j.found[i+1].lowest {
			all.offer(lower, k)
		}
	}
	threshold := all.lowest[0]
	j.rows = j.rows[:0]
	for i := range j.found {
		for _, c := range j.found[i].contenders {
			if c.upper >= threshold {
				j.rows = append(j.rows, c.row)
			}
		}
	}
	slices.Sort(j.rows)
	j.logits = grow(j.logits, len(j.rows))
	e.Pool.Run(partsOf(len(j.rows), exactRowsPerPart), j.exact)
	return j.rows, j.logits, true
}

// setVector expresses x in 16-bit integers, small enough that their products
// with 8-bit integers sum up in 32 bits, and prepares the factors of the bound.
func (j *screening) setVector(x []float32) bool {
	n := float64(len(x))
	largest, sum, squares := 0.0, 0.0, 0.0
	for _, v := range x {
		a := math.Abs(float64(v))
		largest, sum, squares = max(largest, a), sum+a, squares+float64(a*a)
	}
	if squares == 0 || math.IsInf(squares, 0) || squares != squares {
		return false
	}
	j.unit = max(largest/math.MaxInt16, sum/(math.MaxInt32/128-n))
	j.y = grow(j.y, len(x))
	rest := 0.0
	for i, v := range x {
		y := math.RoundToEven(float64(v) / j.unit)
		j.y[i] = int16(y)
		d := float64(v) - float64(y*j.unit)
		rest += float64(d * d)
	}
	norm, off := math.Sqrt(squares)*outward, math.Sqrt(rest)*outward
	chain := (n/16 + 6) / (1 << 24)
	gamma := chain / (1 - chain)
	j.eFactor, j.wFactor = (norm+off)*outward, (off+float64(gamma*norm))*outward
	return true
}

func (e *Engine) scanImagePart(thread, part int) {
	j, f := &e.screen, &e.screen.found[thread]
	m := j.image
	lo, hi := part*scanRowsPerPart, min((part+1)*scanRowsPerPart, len(m.rows))
	dots := f.dots[:hi-lo]
	e.float.DotsInt8(dots, m.stretch(lo, hi), j.y, m.cols)
	least := j.leastDot(&m.most[lo/releaseRowsPerPart], f)
	for i, dot := range dots {
		if dot < least {
			continue
		}
		logit, bound := j.estimate(&m.rows[lo+i], dot)
		if len(f.lowest) == j.keep && logit+bound < f.lowest[0] {
			continue
		}
		f.contenders = append(f.contenders, contender{lo + i, logit + bound})
		f.offer(logit-bound, j.keep)
	}
}

// estimate returns the logit that a row's integer product stands for, and how
// far from that the true one can be.
func (j *screening) estimate(r *imageRow, dot int32) (logit, bound float64) {
	return float64(dot) * float64(float64(r.step)*j.unit),
		float64(float64(r.rest)*j.eFactor) + float64(float64(r.norm)*j.wFactor)
}

// leastDot returns an integer product below which no row of a piece can be a
// contender any more: a quick look that spares nearly all of them the estimate.
func (j *screening) leastDot(most *imageRow, f *finding) int32 {
	if len(f.lowest) < j.keep {
		return math.MinInt32
	}
	one, bound := j.estimate(most, 1)
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

func (e *Engine) exactRowsPart(_, part int) {
	j := &e.screen
	n := j.image.cols
	for i := part * exactRowsPerPart; i < min((part+1)*exactRowsPerPart, len(j.rows)); i++ {
		r := j.rows[i]
		e.float.DotsHalf(j.logits[i:i+1], j.head[r*n:(r+1)*n], j.x, n)
	}
}
