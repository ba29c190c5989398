package tokenizer

import (
	"slices"
	"sort"
	"strings"
)

// addedTokens finds tokens in a text as it stands: where several start at a
// place, the longest.
type addedTokens struct {
	tokens []addedToken // sorted by text, each text once
	starts [256]bool    // the first bytes of all texts
}

type addedToken struct {
	text string
	id   uint32
}

// newAddedTokens makes the search for the tokens given, or nil if there are
// none. Of tokens with the same text the one with the smallest id is found.
func newAddedTokens(tokens []addedToken) *addedTokens {
	if len(tokens) == 0 {
		return nil
	}
	slices.SortFunc(tokens, func(a, b addedToken) int {
		if order := strings.Compare(a.text, b.text); order != 0 {
			return order
		}
		return int(a.id) - int(b.id)
	})
	a := &addedTokens{tokens: slices.CompactFunc(tokens, func(a, b addedToken) bool { return a.text == b.text })}
	for _, token := range a.tokens {
		a.starts[token.text[0]] = true
	}
	return a
}

// next returns the first token in the text and where it lies.
func (a *addedTokens) next(text string) (token addedToken, at int, found bool) {
	for at := range len(text) {
		if a.starts[text[at]] {
			if token, found = a.longest(text[at:]); found {
				return token, at, true
			}
		}
	}
	return addedToken{}, 0, false
}

// longest returns the longest token that the text starts with.
func (a *addedTokens) longest(text string) (token addedToken, found bool) {
	// All tokens of candidates start with text[:depth].
	candidates := a.tokens
	for depth := 0; len(candidates) > 0; depth++ {
		if len(candidates[0].text) == depth {
			token, found = candidates[0], true
			candidates = candidates[1:]
		}
		if depth == len(text) {
			break
		}
		c := text[depth]
		from := sort.Search(len(candidates), func(i int) bool { return candidates[i].text[depth] >= c })
		candidates = candidates[from:]
		to := sort.Search(len(candidates), func(i int) bool { return candidates[i].text[depth] > c })
		candidates = candidates[:to]
	}
	return token, found
}

// find returns the id of the token with exactly this text.
func (a *addedTokens) find(text string) (id uint32, found bool) {
	if a == nil {
		return 0, false
	}
	i, found := slices.BinarySearchFunc(a.tokens, text, func(token addedToken, text string) int {
		return strings.Compare(token.text, text)
	})
	if !found {
		return 0, false
	}
	return a.tokens[i].id, true
}
