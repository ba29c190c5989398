package quant

// A Format says how the weights of a ternary matrix are stored, and with it in
// what form they want the activations that they are multiplied with.
type Format uint8

// The formats, under the names of the ggml library.
const (
	// I2S has one scale for all weights of a matrix. Activations have one scale
	// for each token, as BitNet models were trained.
	I2S Format = iota
	formats
)

// String returns the format's usual name, such as "I2_S".
func (f Format) String() string {
	if f >= formats {
		return "unknown format"
	}
	return [formats]string{"I2_S"}[f]
}
