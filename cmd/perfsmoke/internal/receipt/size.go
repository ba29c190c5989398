package receipt

// WeightBytes returns how much of a model's file is read to evaluate one token
// and compute all its logits: every ternary matrix with its scale, every norm,
// the output head, and the token's row of the embedding.
func (c Config) WeightBytes() int64 {
	if c.ReadBytes > 0 {
		return c.ReadBytes
	}
	const scale = 4
	width, inner := int64(c.EmbeddingLength), int64(c.FeedForwardLength)
	norms := 4 * (3*width + inner)
	return int64(c.Blocks)*(c.blockWeights()/4+7*scale+norms) + 4*width + 2*c.headWeights() + 2*width
}

// decodeBytes is WeightBytes for greedy decoding. Of a float16 head its 8-bit image
// is read, a byte for each element; the few rows that matter are read in full and
// do not count.
func (c Config) decodeBytes() int64 {
	if c.DecodeBytes > 0 {
		return c.DecodeBytes
	}
	return c.WeightBytes() - c.headWeights()
}

// SetBytes records what is read, where it does not follow from the rest.
func (c *Config) SetBytes(read, decode int64) {
	if read != c.WeightBytes() || decode != c.decodeBytes() {
		c.ReadBytes, c.DecodeBytes = read, decode
	}
}

// blockWeights returns the number of ternary weights in a block.
func (c Config) blockWeights() int64 {
	width, inner, size := int64(c.EmbeddingLength), int64(c.FeedForwardLength), int64(c.HeadSize)
	return 2*width*size*(int64(c.Heads)+int64(c.KVHeads)) + 3*width*inner
}

func (c Config) headWeights() int64 { return int64(c.EmbeddingLength) * int64(c.VocabularySize) }

// mostNorms returns more than the bytes of all norms that a model can have.
func (c Config) mostNorms() int64 {
	const each = 4 * 16
	return each * int64(c.Blocks+1) * int64(c.EmbeddingLength+c.FeedForwardLength+c.Heads*c.HeadSize)
}

// bounds returns between what WeightBytes must lie, whatever types the weights have:
// ternary ones take more than a bit and less than three, those of a head no more
// than 32.
func (c Config) bounds() (low, high int64) {
	ternary, head := int64(c.Blocks)*c.blockWeights(), c.headWeights()
	return (ternary + head) / 8, ternary*3/8 + 4*head + c.mostNorms()
}

// CacheBytes returns how much of the KV cache one position takes, which is read
// for each token after it: a key and a value of float16 in each block.
func (c Config) CacheBytes() int64 {
	return 2 * 2 * int64(c.KVHeads) * int64(c.HeadSize) * int64(c.Blocks)
}

// BytesPerToken returns what decoding one token by itself reads on average, where
// a number of tokens is generated after a prompt: the first of them comes with
// the prompt, the i-th reads the cache of prompt+i−1 positions. Where there is
// one only, it is what that reads.
func (c Config) BytesPerToken(prompt, generated int) float64 {
	positions := float64(prompt)
	if generated > 1 {
		positions += float64(generated) / 2
	}
	return float64(c.decodeBytes()) + float64(positions*float64(c.CacheBytes()))
}
