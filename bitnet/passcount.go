package bitnet

// Passes returns how many passes the model has computed since it was opened, and
// how many tokens went through it in them. One pass serves all sessions that wait
// at the time, so that tokens by passes says how well they share the reading of
// the weights.
func (m *Model) Passes() (passes, tokens uint64) {
	return m.passes.count.Load(), m.passes.rows.Load()
}
