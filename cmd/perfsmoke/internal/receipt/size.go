package receipt

// WeightBytes returns how much of a model's file is read to evaluate one token
// and compute all its logits: every ternary matrix with its scale, every norm,
// the output head, and the token's row of the embedding.
func (c Config) WeightBytes() int64 {
	const scale = 4
	width, inner, keys := int64(c.EmbeddingLength), int64(c.FeedForwardLength), int64(c.KVHeads)*int64(c.HeadSize)
	ternary := (2*width*width+2*width*keys+3*width*inner)/4 + 7*scale
	norms := 4 * (3*width + inner)
	return int64(c.Blocks)*(ternary+norms) + 4*width + 2*width*int64(c.VocabularySize) + 2*width
}

// CacheBytes returns how much of the KV cache one position takes, which is read
// for each token after it: a key and a value of float16 in each block.
func (c Config) CacheBytes() int64 {
	return 2 * 2 * int64(c.KVHeads) * int64(c.HeadSize) * int64(c.Blocks)
}

// BytesPerToken returns what decoding one token by itself reads on average, where
// a number of tokens is generated after a prompt: the first of them comes with
// the prompt, the i-th reads the cache of prompt+i−1 positions. Where there is
// one only, it is what that reads. Of the head its 8-bit image is read, a byte for
// each element; the few rows that matter are read in full and do not count.
func (c Config) BytesPerToken(prompt, generated int) float64 {
	positions := float64(prompt)
	if generated > 1 {
		positions += float64(generated) / 2
	}
	weights := c.WeightBytes() - int64(c.EmbeddingLength)*int64(c.VocabularySize)
	return float64(weights) + float64(positions*float64(c.CacheBytes()))
}
