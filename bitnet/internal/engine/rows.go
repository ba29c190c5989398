package engine

// SomeLogits computes the products of a head's rows that queries name in Rows, where
// few of them are asked for. Nothing else of the head is read.
func (e *Engine) SomeLogits(h *Head, queries []*Query) {
	j := &e.screen
	j.head, j.queries, j.vectors, j.exacts = h, append(j.queries[:0], queries...), j.vectors[:0], j.exacts[:0]
	for i, q := range queries {
		q.Found = false
		q.Logits = grow(q.Logits, len(q.Rows))
		j.vectors = append(j.vectors, q.X)
		for at := range q.Rows {
			j.exacts = append(j.exacts, exact{i, at})
		}
	}
	e.fail(j.x.Set(h.table, e.integer, j.vectors...))
	clear(j.vectors)
	e.counts[headRows] += uint64(len(queries))
	e.Pool.Run(partsOf(len(j.exacts), exactRowsPerPart), j.exact)
	h.readSingles(len(j.exacts))
	clear(j.queries)
}
