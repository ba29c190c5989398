package matrix

// lanes is the number of partial sums of Dot.
const lanes = 16

// Dot returns the dot product of a and b, which have the same length: number i
// goes to partial sum i%16 by a fused multiply-add, in ascending order, and the
// partial sums are added up pairwise, l with l+8, l+4, l+2, l+1.
func Dot(a, b []float32) float32 { return dot(fastest, a, b) }

// AddScaled sets y[i] to s·x[i]+y[i], rounded once. x and y have the same
// length.
func AddScaled(y []float32, s float32, x []float32) { addScaled(fastest, y, s, x) }

func dot(with *kernels, a, b []float32) float32 {
	if len(a) != len(b) {
		panic("matrix: Dot: the lengths differ")
	}
	var sum [lanes]float32
	whole := len(a) &^ (lanes - 1)
	if whole > 0 {
		with.dot(&sum, a[:whole], b[:whole])
	}
	for l, v := range a[whole:] {
		sum[l] = fma(v, b[whole+l], sum[l])
	}
	for width := lanes / 2; width > 0; width /= 2 {
		for l := range width {
			sum[l] += sum[l+width]
		}
	}
	return sum[0]
}

func addScaled(with *kernels, y []float32, s float32, x []float32) {
	if len(y) != len(x) {
		panic("matrix: AddScaled: the lengths differ")
	}
	whole := len(y) &^ (lanes - 1)
	if whole > 0 {
		with.addScaled(y[:whole], s, x[:whole])
	}
	for i := whole; i < len(y); i++ {
		y[i] = fma(s, x[i], y[i])
	}
}
