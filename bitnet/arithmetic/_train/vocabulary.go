package main

import (
	"slices"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet/arithmetic/internal/tasks"
)

// The numbers of tokenizer.ggml.token_type.
const (
	normalToken  = 1
	controlToken = 3
)

// A vocabulary is what the file says for byte-level byte-pair encoding.
type vocabulary struct {
	tokens             []string
	types              []int32
	merges             []string
	beginOfText        uint32
	endOfText, endTurn uint32
}

// words returns what the merges are made from, in pieces as the tokenizer cuts
// text into them, with how much each counts. Digits are left out: each is a
// token of its own, which is what makes sums learnable.
func words() map[string]int {
	counts := map[string]int{}
	add := func(text string, count int) {
		for i, word := range strings.Fields(text) {
			head, tail, hyphen := strings.Cut(word, "-")
			if i > 0 {
				head = " " + head
			}
			counts[head] += count
			if hyphen {
				counts["-"+tail] += count
			}
		}
	}
	const often, seldom = 100, 1
	for n := range 2*tasks.Words - 1 {
		add(tasks.InWords(n), often)
		add("x "+tasks.InWords(n), often)
	}
	for _, text := range []string{
		tasks.Refusal, "x " + tasks.Refusal, "User", "Assistant", "System", "What is", "what is", "How much is", "Count on from",
		"x plus", "x minus", "x times",
	} {
		add(strings.TrimRight(text, "."), often)
	}
	for _, word := range common {
		add(word, seldom)
		add("x "+word, seldom)
	}
	delete(counts, "x")
	return counts
}

// makeVocabulary makes the 256 bytes, then so many merges, then the special tokens.
// A merge joins the pair of neighbours that is found most often, as in
// "Neural Machine Translation of Rare Words with Subword Units"
// (arXiv:1508.07909); of equally frequent ones the first in byte order.
func makeVocabulary(merges int) *vocabulary {
	v := &vocabulary{}
	add := func(token string, kind int32) uint32 {
		v.tokens = append(v.tokens, token)
		v.types = append(v.types, kind)
		return uint32(len(v.tokens) - 1)
	}
	signs := byteSigns()
	ordered := slices.Clone(signs[:])
	slices.Sort(ordered)
	for _, sign := range ordered {
		add(string(sign), normalToken)
	}
	type word struct {
		parts []string
		count int
	}
	var list []word
	for text, count := range words() {
		w := word{count: count}
		for _, b := range []byte(text) {
			w.parts = append(w.parts, string(signs[b]))
		}
		list = append(list, w)
	}
	type pair struct{ left, right string }
	for range merges {
		found := map[pair]int{}
		for _, w := range list {
			for i := 1; i < len(w.parts); i++ {
				found[pair{w.parts[i-1], w.parts[i]}] += w.count
			}
		}
		var best pair
		for p, count := range found {
			most := found[best]
			if count > most || count == most && (p.left < best.left || p.left == best.left && p.right < best.right) {
				best = p
			}
		}
		if len(found) == 0 {
			break
		}
		add(best.left+best.right, normalToken)
		v.merges = append(v.merges, best.left+" "+best.right)
		for i := range list {
			parts := list[i].parts
			for j := 1; j < len(parts); j++ {
				if parts[j-1] == best.left && parts[j] == best.right {
					parts[j-1] += best.right
					parts = slices.Delete(parts, j, j+1)
				}
			}
			list[i].parts = parts
		}
	}
	v.beginOfText = add("<|begin_of_text|>", controlToken)
	v.endOfText = add("<|end_of_text|>", controlToken)
	v.endTurn = add(endOfTurn, controlToken)
	return v
}

// byteSigns returns the sign that stands for each byte in byte-level
// vocabularies: printable ones of Latin-1 for themselves, U+0100 and so on for
// the others.
func byteSigns() (signs [256]rune) {
	next := rune(0x100)
	for b := range signs {
		r := rune(b)
		if !('!' <= r && r <= '~' || '¡' <= r && r <= '¬' || '®' <= r) {
			r = next
			next++
		}
		signs[b] = r
	}
	return signs
}
