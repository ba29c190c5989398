package bitnet

// CacheBytes returns the memory that the KV cache of a session with so many tokens
// takes, in float16 as sessions have it by default: whole pages, of 128 tokens
// each. It is what a program that divides memory among sessions reckons with.
func (m *Model) CacheBytes(tokens int) int64 {
	return m.cacheShape(true).Bytes(tokens)
}

// CacheBytes returns the session's share of the memory of KV caches: a page that n
// sessions have in common, since one is a [Session.Fork] of the other, counts a
// n-th. So the shares of all sessions together are the memory that they take.
func (s *Session) CacheBytes() int64 {
	if s.cache == nil {
		return 0
	}
	return s.cache.Share()
}
