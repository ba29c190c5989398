package matrix

import (
	"runtime"
	"sync"
)

// An operand is a matrix as the product sees it: number k of its row or column i
// is data[i·along+k·inner], and along or inner is 1.
type operand struct {
	data         []float32
	along, inner int
}

// A product is dst = a·b with chains of a length of inner.
type product struct {
	*kernels
	dst   Matrix
	a, b  operand
	inner int
}

const (
	// A block of b is at most blockInner×blockColumns numbers, so that it
	// stays in the second-level cache of a core while all rows of a pass by.
	blockInner   = 256
	blockColumns = 512

	// Fewer multiply-adds than this are done before another thread wakes up.
	worthThreads = 1 << 17

	maxRows    = 12
	maxColumns = 32
)

// space is what one thread needs for the operands and results that cannot be
// used where they are.
type space struct {
	a [maxRows * blockInner]float32
	b [blockColumns * blockInner]float32
	c [maxRows * maxColumns]float32
}

var spaces = sync.Pool{New: func() any { return new(space) }}

func (p product) compute() {
	m, n := p.dst.Rows, p.dst.Cols
	if m == 0 || n == 0 {
		return
	}
	if p.inner == 0 {
		clear(p.dst.Data)
		return
	}
	if float64(m)*float64(n)*float64(p.inner) < worthThreads {
		p.part(0, m, 0, n)
		return
	}
	// Cut where the largest part is smallest.
	down, across, threads := ceil(m, p.rows), ceil(n, p.columns), runtime.GOMAXPROCS(0)
	if ceil(down, threads)*across <= down*ceil(across, threads) {
		Parallel(down, func(start, end int) {
			p.part(start*p.rows, min(end*p.rows, m), 0, n)
		})
	} else {
		Parallel(across, func(start, end int) {
			p.part(0, m, start*p.columns, min(end*p.columns, n))
		})
	}
}

// ceil returns x/y, rounded up.
func ceil(x, y int) int { return (x-1)/y + 1 }

// part computes rows top…bottom and columns left…right of dst.
func (p product) part(top, bottom, left, right int) {
	s := spaces.Get().(*space)
	defer spaces.Put(s)
	// Blocks of even length: a short last one would spend more on the results
	// it stores and loads.
	stretches := ceil(p.inner, blockInner)
	for i := range stretches {
		start, end := stretch(p.inner, stretches, i), stretch(p.inner, stretches, i+1)
		for column := left; column < right; column += blockColumns {
			p.block(s, start, end, top, bottom, column, min(column+blockColumns, right))
		}
	}
}

// block does the steps start…end of the chains of part of dst.
func (p product) block(s *space, start, end, top, bottom, left, right int) {
	inner := end - start
	n := p.dst.Cols
	panel := inner * p.columns
	for column := left; column < right; column += p.columns {
		p.b.pack(s.b[(column-left)/p.columns*panel:][:panel], column, min(p.columns, right-column), p.columns, start, end)
	}
	for row := top; row < bottom; row += p.rows {
		height := min(p.rows, bottom-row)
		a, aAlong, aInner := s.a[:inner*p.rows], 1, p.rows
		if height == p.rows && p.a.inner == 1 {
			a, aAlong, aInner = p.a.data[row*p.a.along+start:], p.a.along, 1
		} else {
			p.a.pack(a, row, height, p.rows, start, end)
		}
		for column := left; column < right; column += p.columns {
			width := min(p.columns, right-column)
			b := s.b[(column-left)/p.columns*panel:][:panel]
			c := p.dst.Data[row*n+column:]
			if height == p.rows && width == p.columns {
				p.tile(c, n, a, aAlong, aInner, b, inner, start > 0)
				continue
			}
			whole := s.c[:p.rows*p.columns]
			if start > 0 {
				for i := range height {
					copy(whole[i*p.columns:][:width], c[i*n:])
				}
			}
			p.tile(whole, p.columns, a, aAlong, aInner, b, inner, start > 0)
			for i := range height {
				copy(c[i*n:][:width], whole[i*p.columns:])
			}
		}
	}
}

// pack stores numbers start…end of count rows or columns from first on, one
// number of each after the other, as if there were size of them: zeros stand for
// the missing ones.
func (o operand) pack(dst []float32, first, count, size, start, end int) {
	if count < size {
		clear(dst)
	}
	if o.along == 1 {
		o.packAlong(dst, first, count, size, start, end)
	} else {
		o.packAcross(dst, first, count, size, start, end)
	}
}

func (o operand) packAlong(dst []float32, first, count, size, start, end int) {
	for k := start; k < end; k++ {
		to, from := dst[:size], o.data[k*o.inner+first:][:count]
		dst = dst[size:]
		for len(from) >= 4 {
			*(*[4]float32)(to) = [4]float32(from)
			to, from = to[4:], from[4:]
		}
		copy(to, from)
	}
}

func (o operand) packAcross(dst []float32, first, count, size, start, end int) {
	inner := end - start
	row := func(i int) []float32 { return o.data[(first+i)*o.along+start:][:inner] }
	i := 0
	for ; i+4 <= count; i += 4 {
		r0, r1, r2, r3 := row(i), row(i + 1)[:inner], row(i + 2)[:inner], row(i + 3)[:inner]
		at := i
		for k, v := range r0 {
			*(*[4]float32)(dst[at:]) = [4]float32{v, r1[k], r2[k], r3[k]}
			at += size
		}
	}
	for ; i < count; i++ {
		at := i
		for _, v := range row(i) {
			dst[at] = v
			at += size
		}
	}
}
