package matrix

// kernels are the innermost loops in one set of instructions.
type kernels struct {
	name string

	// rows×columns is the size of a tile. The last tile of a row of tiles may
	// be narrower, by any multiple of narrowest.
	rows, columns, narrowest int

	// tile computes one tile of a product: c[i·cStride+j], for i < rows and
	// j < columns, is the chain over k < inner of
	// a[i·aAlong+k·aInner]·b[k·columns+j], starting from +0, or, with resume,
	// from what c holds.
	tile func(c []float32, cStride int, a []float32, aAlong, aInner int, b []float32, inner, columns int, resume bool)

	// spread stores rows of src, which start srcStride numbers apart and are
	// panels·size long, in panels of size columns: row k of panel j goes to
	// dst[j·rows·size+k·size:]. None of the counts is 0.
	spread func(dst, src []float32, srcStride, rows, panels, size int)
}

// implementations are what this processor can run, fastest first.
var implementations = append(processorKernels(), &generic)

var fastest = implementations[0]

// checkTile panics where a tile does not lie inside its slices, so that the
// assembly never leaves them.
func checkTile(rows, columns int, c []float32, cStride int, a []float32, aAlong, aInner int, b []float32, inner int) {
	if inner <= 0 || cStride < columns || aAlong < 1 || aInner < 1 {
		panic("matrix: not a tile")
	}
	_ = c[(rows-1)*cStride+columns-1]
	_ = a[(rows-1)*aAlong+(inner-1)*aInner]
	_ = b[inner*columns-1]
}

// checkSpread panics where spread would leave its slices.
func checkSpread(dst, src []float32, srcStride, rows, panels, size int) {
	if rows < 1 || panels < 1 || size < 1 || srcStride < 1 {
		panic("matrix: nothing to spread")
	}
	_ = dst[rows*panels*size-1]
	_ = src[(rows-1)*srcStride+panels*size-1]
}
