package kvcache

// Bytes returns the memory that so many positions take: whole pages.
func (s Shape) Bytes(positions int) int64 {
	pages := (positions + ChunkPositions - 1) / ChunkPositions
	return int64(pages) * s.pageBytes()
}

func (s Shape) pageBytes() int64 { return int64(s.pageSize()) * int64(s.elementBytes()) }

// Share returns the cache's share of its memory: of a page with n owners, a n-th.
func (c *Cache) Share() int64 {
	share := int64(0)
	for _, p := range c.pages {
		share += c.shape.pageBytes() / int64(max(p.owners.Load(), 1))
	}
	return share
}
