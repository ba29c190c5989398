package matrix

func Dots(dst, x, rows []float32, stride int) {
	for j := range dst {
		dst[j] = Dot(x, rows[j*stride:][:len(x)])
	}
}
func AddCombined(y, weights, rows []float32, stride int) {
	for j, w := range weights {
		AddScaled(y, w, rows[j*stride:][:len(y)])
	}
}
func AddOuter(rows []float32, stride int, weights, x []float32) {
	for j, w := range weights {
		AddScaled(rows[j*stride:][:len(x)], w, x)
	}
}
