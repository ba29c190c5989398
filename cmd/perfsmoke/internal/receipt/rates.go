package receipt

import "slices"

// Steady returns, for each of a number of sessions, the times of the tokens that
// tell how fast decoding is, from the times of all tokens but the first, which lie
// one session after the other. These are all but each session's second token,
// with which a model makes the 8-bit image of its head, once; where there is none
// beyond it, that one.
func Steady(sessions int, seconds []float64) [][]float64 {
	if sessions < 1 || len(seconds)%sessions != 0 {
		return nil
	}
	each := len(seconds) / sessions
	var steady [][]float64
	for s := range slices.Chunk(seconds, max(each, 1)) {
		steady = append(steady, s[min(1, each-1):])
	}
	return steady
}

// Rate returns how many tokens a second sessions decode together: the number of
// their steady tokens ÷ the time of the session that took longest for them. It is
// 0 where there are none.
func Rate(sessions int, seconds []float64) float64 {
	tokens, longest := 0, 0.0
	for _, s := range Steady(sessions, seconds) {
		tokens += len(s)
		longest = max(longest, sum(s))
	}
	if longest == 0 {
		return 0
	}
	return float64(tokens) / longest
}

func sum(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total
}

// Drafts returns how many tokens were guessed in all repeats, and how many of them
// were right.
func (r *Receipt) Drafts() (proposed, accepted int64) {
	for _, p := range r.Repeats {
		proposed, accepted = proposed+p.DraftsProposed, accepted+p.DraftsAccepted
	}
	return proposed, accepted
}

// passRate returns how often a second a repeat read the weights at the least. A
// session needs a pass for each of its tokens, less the drafts that were right,
// and shares it with all others at best.
func (r *Receipt) passRate(p *Repeat) float64 {
	tokens := len(p.TokenSeconds) / r.Sessions
	if tokens > 1 {
		tokens-- // the one that is not steady
	}
	if tokens == 0 {
		return 0
	}
	passes := max(float64(tokens)-float64(p.DraftsAccepted)/float64(r.Sessions), 0)
	return Rate(r.Sessions, p.TokenSeconds) / float64(r.Sessions) * passes / float64(tokens)
}

// Derive fills in what follows from the other fields: each repeat's rate, the
// timings, and the rates of the whole.
func (r *Receipt) Derive() {
	r.BytesPerToken = r.Model.Config.BytesPerToken(len(r.PromptIDs), r.TokensGenerated)
	var loads, prompts, seconds, tokens, rates, speeds []float64
	for i := range r.Repeats {
		p := &r.Repeats[i]
		p.TokensPerSecond = Rate(r.Sessions, p.TokenSeconds)
		loads, prompts, rates = append(loads, p.LoadSeconds), append(prompts, p.PromptSeconds), append(rates, p.TokensPerSecond)
		speeds = append(speeds, r.BytesPerToken*r.passRate(p))
		for s, steady := range Steady(r.Sessions, p.TokenSeconds) {
			seconds = append(seconds, p.TokenSeconds[s*len(p.TokenSeconds)/r.Sessions])
			tokens = append(tokens, steady...)
		}
	}
	r.Timings = Timings{
		LoadSeconds:        Median(loads),
		PromptSeconds:      Median(prompts),
		SecondTokenSeconds: Median(seconds),
		TokenSecondsMedian: Median(tokens),
		TokenSecondsP95:    Percentile(tokens, 95),
	}
	if r.Timings.PromptSeconds > 0 {
		r.Timings.PromptTokensPerSecond = float64(r.Sessions*len(r.PromptIDs)) / r.Timings.PromptSeconds
	}
	r.TokensPerSecond = Median(rates)
	r.BytesPerSecond = Median(speeds)
	r.BandwidthShare = 0
	if r.Limits != nil && r.Limits.MemoryBytesPerSecond > 0 {
		r.BandwidthShare = r.BytesPerSecond / r.Limits.MemoryBytesPerSecond
	}
}
