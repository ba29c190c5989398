package engine

import "github.com/gobitnet/gobitnet/quant"

// repackRowsPerPart is how many rows a thread repacks at a time.
const repackRowsPerPart = 64

// ResidentBytes returns how many bytes a matrix takes where [Engine.Move] puts it.
func ResidentBytes(m quant.Matrix) int {
	if f := m.Format().Resident(); f != m.Format() {
		// The shape is that of a matrix, so that there is no error.
		n, _ := f.TensorBytes(m.Rows(), m.Cols())
		return n
	}
	return len(m.Codes())
}

// Move copies the weights of a matrix to dst, of ResidentBytes, in the format in
// which they are multiplied fastest, and returns the matrix from there. All its
// products are the same.
func (e *Engine) Move(dst []byte, m quant.Matrix) quant.Matrix {
	if m.Format().Resident() == m.Format() {
		e.Copy(dst, m.Codes())
		return m.WithCodes(dst)
	}
	j := &e.repack
	j.dst, j.matrix, j.rowBytes = dst, m, len(dst)/m.Rows()
	e.Pool.Run(partsOf(m.Rows(), repackRowsPerPart), j.do)
	moved, err := quant.NewMatrix(m.Format().Resident(), m.Rows(), m.Cols(), dst)
	e.fail(err)
	j.dst, j.matrix = nil, quant.Matrix{}
	return moved
}

func (e *Engine) repackPart(_, part int) {
	j := &e.repack
	lo, hi := part*repackRowsPerPart, min((part+1)*repackRowsPerPart, j.matrix.Rows())
	_, err := j.matrix.Slice(lo, hi).Repack(j.dst[lo*j.rowBytes : hi*j.rowBytes])
	e.fail(err)
}
