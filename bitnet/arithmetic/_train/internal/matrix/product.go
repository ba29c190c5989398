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
	// A block of each operand that is packed is at most blockInner×blockAlong
	// numbers, so that both stay in the second-level cache of a core, even one
	// of two threads, while they are used again and again.
	blockInner = 256
	blockAlong = 288

	// Fewer multiply-adds than this are done before another thread wakes up.
	worthThreads = 1 << 17

	maxRows    = 8
	maxColumns = 48
)

// space is what one thread needs for the operands and results that cannot be
// used where they are.
type space struct {
	a [blockAlong * blockInner]float32
	b [blockAlong * blockInner]float32
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
	rowsAtOnce := bottom - top
	if p.a.inner != 1 {
		rowsAtOnce = evenly(rowsAtOnce, p.rows)
	}
	columnsAtOnce := evenly(right-left, p.columns)
	stretches := ceil(p.inner, blockInner)
	for i := range stretches {
		start, end := stretch(p.inner, stretches, i), stretch(p.inner, stretches, i+1)
		for row := top; row < bottom; row += rowsAtOnce {
			rows := min(rowsAtOnce, bottom-row)
			if p.a.inner != 1 {
				p.packA(s.a[:], row, rows, start, end)
			}
			for column := left; column < right; column += columnsAtOnce {
				columns := min(columnsAtOnce, right-column)
				p.packB(s.b[:], column, columns, start, end)
				p.block(s, row, rows, column, columns, start, end)
			}
		}
	}
}

// evenly returns how many of n rows or columns to do at once, a multiple of the
// size of a tile, so that no block is much smaller than the others.
func evenly(n, size int) int {
	tiles := ceil(n, size)
	return ceil(tiles, ceil(tiles, blockAlong/size)) * size
}

// block does the steps start…end of the chains of a block of dst, from the
// packed columns of b and the rows of a, which are packed or where they are.
func (p product) block(s *space, top, rows, left, columns, start, end int) {
	inner := end - start
	n := p.dst.Cols
	for row := 0; row < rows; row += p.rows {
		height := min(p.rows, rows-row)
		a, aAlong, aInner := s.a[:], 1, p.rows
		switch {
		case p.a.inner != 1:
			a = s.a[row*inner:]
		case height == p.rows:
			a, aAlong, aInner = p.a.data[(top+row)*p.a.along+start:], p.a.along, 1
		default:
			p.packA(a, top+row, height, start, end)
		}
		for column := 0; column < columns; column += p.columns {
			width := min(p.columns, columns-column)
			padded := p.padded(width)
			b := s.b[column*inner:]
			c := p.dst.Data[(top+row)*n+left+column:]
			if height == p.rows && width == padded {
				p.tile(c, n, a, aAlong, aInner, b, inner, padded, start > 0)
				continue
			}
			whole := s.c[:p.rows*padded]
			if start > 0 {
				for i := range height {
					copy(whole[i*padded:][:width], c[i*n:])
				}
			}
			p.tile(whole, padded, a, aAlong, aInner, b, inner, padded, start > 0)
			for i := range height {
				copy(c[i*n:][:width], whole[i*padded:])
			}
		}
	}
}

// padded returns the width of the tile for the last columns.
func (p product) padded(width int) int { return ceil(width, p.narrowest) * p.narrowest }

func (p product) packA(dst []float32, first, count, start, end int) {
	p.pack(dst, p.a, first, count, p.rows, p.rows, start, end)
}

func (p product) packB(dst []float32, first, count, start, end int) {
	p.pack(dst, p.b, first, count, p.columns, p.padded(count%p.columns), start, end)
}

// pack stores numbers start…end of count rows or columns from first on, in
// panels of size of them. A panel holds one number of each after the other. The
// last panel, where it has less, is for padded of them, with zeros instead of
// those that are missing.
func (p product) pack(dst []float32, o operand, first, count, size, padded, start, end int) {
	inner := end - start
	whole := count / size * size
	rest := count - whole
	last := dst[whole*inner:]
	if rest > 0 && rest < padded {
		clear(last[:padded*inner])
	}
	if o.along == 1 {
		from := o.data[start*o.inner+first:]
		if whole > 0 {
			p.spread(dst, from, o.inner, inner, whole/size, size)
		}
		for k := 0; rest > 0 && k < inner; k++ {
			copy(last[k*padded:], from[k*o.inner+whole:][:rest])
		}
		return
	}
	for i := 0; i < whole; i += size {
		o.packAcross(dst[i*inner:][:size*inner], first+i, size, size, start, end)
	}
	if rest > 0 {
		o.packAcross(last[:padded*inner], first+whole, rest, padded, start, end)
	}
}

// packAcross packs one panel of rows.
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
