package bitnet

// Pooling is how the vectors of a text's tokens become the one that embeds it.
type Pooling int

// The kinds of pooling, by the numbers that files have for them.
const (
	PoolingNone Pooling = iota // the model is not made for that
	PoolingMean                // the mean of all
	PoolingCLS                 // the first token's
	PoolingLast                // the last token's
)

// String returns "none", "mean", "cls" or "last".
func (p Pooling) String() string {
	if p < PoolingNone || p > PoolingLast {
		return "unknown pooling"
	}
	return [...]string{"none", "mean", "cls", "last"}[p]
}
