package bitnet

// Lookahead guesses what comes next and has the guess evaluated together with the
// token at hand, which costs little more than the token alone. The session then
// chooses token by token exactly as it would have without, and keeps what was
// evaluated for as long as its choice is the one that was guessed. So the text
// is the same, sampled text too, and only the time differs.
//
// The guess is what followed the last tokens where they occurred before (Saxena,
// "Prompt Lookup Decoding", 2023), which is often right where a text quotes its
// prompt or repeats itself, and costs nothing to make.

const (
	// mostDrafts bounds a guess: rows beyond it would wait behind prompts.
	mostDrafts = fewRows - 1
	// leastMatch is how many of the last tokens must have occurred before, and
	// mostMatch how many are compared.
	leastMatch = 2
	mostMatch  = 32
	// longestPause bounds for how many tokens nothing is guessed after guesses
	// that failed.
	longestPause = 128
)

// propose returns what followed the longest earlier occurrence of the last
// tokens, the latest one of equally long ones: at most n tokens, a part of
// tokens.
func propose(tokens []int, n int) []int {
	best, at := leastMatch-1, 0
	last := len(tokens) - 1
	for i := last - 1; i > best-1 && best < mostMatch; i-- {
		if tokens[i] != tokens[last] {
			continue
		}
		match := 1
		for match < mostMatch && match <= i && tokens[i-match] == tokens[last-match] {
			match++
		}
		if match > best {
			best, at = match, i+1
		}
	}
	if at == 0 {
		return nil
	}
	return tokens[at:min(at+n, len(tokens))]
}

// lookahead is what a session has learned from its guesses.
type lookahead struct {
	off   bool
	draft func(tokens []int, n int) []int // propose, but for tests

	length int // of the next guess, at most
	failed int // guesses one after the other
	pause  int // tokens without a guess that are left
}

// guess returns at most n tokens that may follow, which hold until tokens change.
func (l *lookahead) guess(tokens []int, n int) []int {
	if l.off || n <= 0 {
		return nil
	}
	if l.pause > 0 {
		l.pause--
		return nil
	}
	l.length = max(l.length, 1)
	return l.draft(tokens, min(n, l.length, mostDrafts))
}

// learn is told how much of a guess was right. Guesses that are right become
// longer. After two of which nothing was there is a pause, twice as long with each
// more.
func (l *lookahead) learn(guessed, right int) {
	switch {
	case guessed == 0:
	case right == guessed:
		l.length, l.failed = min(2*l.length, mostDrafts), 0
	case right > 0:
		l.length, l.failed = right, 0
	default:
		l.length = max(l.length/2, 1)
		if l.failed++; l.failed > 1 {
			l.pause = min(1<<l.failed, longestPause)
		}
	}
}
