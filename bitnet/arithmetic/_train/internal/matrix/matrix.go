// Package matrix multiplies float32 matrices with the same bits on every
// processor.
//
// Every element of a product is one chain of fused multiply-adds in float32,
// each rounded once, over the inner dimension in ascending order, starting from
// +0. How the work is cut into blocks and threads, and which instructions do
// it, does not show in the result. Where NaNs meet, the result is a NaN, of
// which neither the sign nor the payload is promised.
package matrix

import (
	"fmt"
	"math/bits"
	"runtime"
	"sync"
)

// A Matrix is Rows×Cols numbers, row after row, without gaps.
type Matrix struct {
	Data       []float32
	Rows, Cols int
}

// New returns a matrix of zeros.
func New(rows, cols int) Matrix {
	return Matrix{Data: make([]float32, rows*cols), Rows: rows, Cols: cols}
}

// Row returns row i, which shares its memory with the matrix.
func (m Matrix) Row(i int) []float32 {
	return m.Data[i*m.Cols : (i+1)*m.Cols : (i+1)*m.Cols]
}

// MultiplyTransposed sets dst[m×n] = a[m×k]·b[n×k]ᵀ. dst must not overlap the
// operands; a wrong shape panics, here and below.
func MultiplyTransposed(dst, a, b Matrix) {
	multiplyTransposed(fastest, dst, a, b)
}

// Multiply sets dst[m×n] = a[m×k]·b[k×n]. dst must not overlap the operands.
func Multiply(dst, a, b Matrix) {
	multiply(fastest, dst, a, b)
}

// TransposedMultiply sets dst[m×n] = a[k×m]ᵀ·b[k×n]. dst must not overlap the
// operands.
func TransposedMultiply(dst, a, b Matrix) {
	transposedMultiply(fastest, dst, a, b)
}

func multiplyTransposed(with *kernels, dst, a, b Matrix) {
	checkShapes("MultiplyTransposed", dst, a, b, dst.Rows == a.Rows && dst.Cols == b.Rows && a.Cols == b.Cols)
	product{
		kernels: with, dst: dst, inner: a.Cols,
		a: operand{data: a.Data, along: a.Cols, inner: 1},
		b: operand{data: b.Data, along: b.Cols, inner: 1},
	}.compute()
}

func multiply(with *kernels, dst, a, b Matrix) {
	checkShapes("Multiply", dst, a, b, dst.Rows == a.Rows && dst.Cols == b.Cols && a.Cols == b.Rows)
	product{
		kernels: with, dst: dst, inner: a.Cols,
		a: operand{data: a.Data, along: a.Cols, inner: 1},
		b: operand{data: b.Data, along: 1, inner: b.Cols},
	}.compute()
}

func transposedMultiply(with *kernels, dst, a, b Matrix) {
	checkShapes("TransposedMultiply", dst, a, b, dst.Rows == a.Cols && dst.Cols == b.Cols && a.Rows == b.Rows)
	product{
		kernels: with, dst: dst, inner: a.Rows,
		a: operand{data: a.Data, along: 1, inner: a.Cols},
		b: operand{data: b.Data, along: 1, inner: b.Cols},
	}.compute()
}

func checkShapes(name string, dst, a, b Matrix, fit bool) {
	if !fit {
		panic(fmt.Sprintf("matrix: %s: shapes do not fit: %d×%d from %d×%d and %d×%d",
			name, dst.Rows, dst.Cols, a.Rows, a.Cols, b.Rows, b.Cols))
	}
	for _, m := range []Matrix{dst, a, b} {
		if m.Rows < 0 || m.Cols < 0 {
			panic(fmt.Sprintf("matrix: %s: a shape of %d×%d", name, m.Rows, m.Cols))
		}
		if high, size := bits.Mul(uint(m.Rows), uint(m.Cols)); high != 0 || size != uint(len(m.Data)) {
			panic(fmt.Sprintf("matrix: %s: %d numbers for %d×%d", name, len(m.Data), m.Rows, m.Cols))
		}
	}
}

// Parallel splits 0…n into one stretch for each thread Go uses, calls f for all
// of them at the same time and returns when all are done. The bounds of the
// stretches depend on the number of threads.
func Parallel(n int, f func(start, end int)) {
	if n <= 0 {
		return
	}
	stretches := min(n, runtime.GOMAXPROCS(0))
	var group sync.WaitGroup
	for i := 1; i < stretches; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			f(stretch(n, stretches, i), stretch(n, stretches, i+1))
		}()
	}
	f(0, stretch(n, stretches, 1))
	group.Wait()
}

// stretch returns where stretch i of 0…n starts, without multiplying n, which
// might overflow.
func stretch(n, stretches, i int) int {
	return n/stretches*i + min(i, n%stretches)
}
