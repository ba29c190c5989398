package tokenizer

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"
)

// mergeTable holds the merges: which two neighbours join, in which order of
// preference (the rank, from 0), and what they become.
type mergeTable struct {
	// slots is an open-addressing table. A slot holds the left id, the right
	// id and rank + 1, from the high bits to the low ones, and 0 when free.
	slots   []uint64
	results []uint32 // by rank
	key     uint64   // of the hash, random like vocabulary.seed

	// bytePairs has rank + 1 of the merge of two single bytes, the left one
	// times 256 plus the right one, and 0 where there is none. It is small
	// enough for the caches near the core, and each piece starts with bytes.
	bytePairs [1 << 16]uint32
}

// noRank is the rank of two tokens that no merge joins: behind all others.
const noRank = 1<<32 - 1

// newMergeTable makes room for a number of merges.
func newMergeTable(count int) *mergeTable {
	return &mergeTable{
		slots:   make([]uint64, tableSize(count)),
		results: make([]uint32, count),
		key:     maphash.Bytes(maphash.MakeSeed(), nil) | 1,
	}
}

func bytePair(left, right byte) uint16 { return uint16(left)<<8 | uint16(right) }

// pairOf returns two ids as one number.
func pairOf(left, right uint32) uint64 { return uint64(left)<<idBits | uint64(right) }

// start returns the slot at which the search for a pair starts.
func (m *mergeTable) start(pair uint64) int {
	high, low := bits.Mul64(pair^m.key, m.key)
	return int(high^low) & (len(m.slots) - 1)
}

// add enters a merge. If its pair has one already, that one's rank is returned
// and nothing changes. Goroutines may add different ranks at once.
func (m *mergeTable) add(merge resolvedMerge, rank int) (other int, repeated bool) {
	pair := pairOf(merge.left, merge.right)
	for slot := m.start(pair); ; {
		entry := atomic.LoadUint64(&m.slots[slot])
		switch {
		case entry == 0:
			if atomic.CompareAndSwapUint64(&m.slots[slot], 0, pair<<rankBits|uint64(rank+1)) {
				m.results[rank] = merge.result
				return 0, false
			}
			// Somebody else was quicker: look again.
		case entry>>rankBits == pair:
			return int(entry&rankMask) - 1, true
		default:
			slot = (slot + 1) & (len(m.slots) - 1)
		}
	}
}

// fetch reads the slots of merges that will be added, all at once, so that add
// need not wait for them one by one. It is not inlined lest the compiler see
// that the result serves nothing.
//
//go:noinline
func (m *mergeTable) fetch(merges []resolvedMerge) (sum uint64) {
	for _, merge := range merges {
		sum += atomic.LoadUint64(&m.slots[m.start(pairOf(merge.left, merge.right))])
	}
	return sum
}

// rank returns the rank of the merge of two tokens, noRank if there is none.
func (m *mergeTable) rank(left, right uint32) uint32 {
	pair := pairOf(left, right)
	for slot := m.start(pair); m.slots[slot] != 0; slot = (slot + 1) & (len(m.slots) - 1) {
		if m.slots[slot]>>rankBits == pair {
			return uint32(m.slots[slot]&rankMask) - 1
		}
	}
	return noRank
}

// Byte-pair encoding of a piece starts with one token for each byte. As long
// as any two neighbours have a merge, the pair whose merge has the lowest
// rank, the leftmost of equals, becomes one token (Sennrich et al., "Neural
// Machine Translation of Rare Words with Subword Units", 2016).

// shortPiece is the length up to which looking at all pairs for each merge is
// faster than keeping them in a heap.
const shortPiece = 64

// appendMerged appends the ids of the tokens that a piece is merged to. Where
// a byte of the piece has no token, it returns the index of that byte, else -1.
func (t *Tokenizer) appendMerged(ids []int, piece string) (_ []int, missing int) {
	for i := range len(piece) {
		if t.vocabulary.byteIDs[piece[i]] == 0 {
			return ids, i
		}
	}
	if len(piece) <= shortPiece {
		return t.appendMergedShort(ids, piece), -1
	}
	return t.appendMergedLong(ids, piece), -1
}

func (t *Tokenizer) appendMergedShort(ids []int, piece string) []int {
	var tokenArray, rankArray [shortPiece]uint32
	tokens := tokenArray[:len(piece)]
	ranks := rankArray[:len(piece)] // of the merge of tokens[i] and tokens[i+1]; noRank at the end
	for i := range tokens {
		tokens[i] = t.vocabulary.byteIDs[piece[i]] - 1
	}
	for i := range len(tokens) - 1 {
		ranks[i] = t.merges.bytePairs[bytePair(piece[i], piece[i+1])] - 1 // noRank if there is none
	}
	ranks[len(ranks)-1] = noRank
	for {
		best, bestRank := 0, uint32(noRank)
		for i, rank := range ranks {
			if rank < bestRank {
				best, bestRank = i, rank
			}
		}
		if bestRank == noRank {
			break
		}
		tokens[best] = t.merges.results[bestRank]
		copy(tokens[best+1:], tokens[best+2:])
		copy(ranks[best:], ranks[best+1:])
		tokens, ranks = tokens[:len(tokens)-1], ranks[:len(ranks)-1]
		if best > 0 {
			ranks[best-1] = t.merges.rank(tokens[best-1], tokens[best])
		}
		if best+1 < len(tokens) {
			ranks[best] = t.merges.rank(tokens[best], tokens[best+1])
		}
	}
	for _, token := range tokens {
		ids = append(ids, int(token))
	}
	return ids
}

// link is a token in the list that appendMergedLong shortens. It lies at the
// index of its first byte.
type link struct {
	token          uint32
	rank           uint32 // of the merge with the next token, noRank if there is none
	previous, next uint32
}

// appendMergedLong does the same in time that grows as n log n with the
// length of the piece. The pairs wait in a heap; one that has changed since
// it was put there is known by its rank, and skipped.
func (t *Tokenizer) appendMergedLong(ids []int, piece string) []int {
	n := uint32(len(piece))
	links := make([]link, n)
	for i := range links {
		links[i] = link{
			token:    t.vocabulary.byteIDs[piece[i]] - 1,
			previous: uint32(i) - 1,
			next:     uint32(i) + 1,
		}
	}
	waiting := make(pairHeap, 0, n)
	for i := range links {
		links[i].rank = noRank
		if i+1 < len(links) {
			links[i].rank = t.merges.bytePairs[bytePair(piece[i], piece[i+1])] - 1
		}
		if links[i].rank != noRank {
			waiting = append(waiting, newRankedPair(links[i].rank, uint32(i)))
		}
	}
	waiting.order()
	for len(waiting) > 0 {
		rank, at := waiting.pop()
		left := &links[at]
		if left.rank != rank {
			continue
		}
		right := &links[left.next]
		right.rank = noRank
		left.token = t.merges.results[rank]
		left.next = right.next
		left.rank = noRank
		if left.next < n {
			links[left.next].previous = at
			left.rank = t.merges.rank(left.token, links[left.next].token)
			if left.rank != noRank {
				waiting.push(newRankedPair(left.rank, at))
			}
		}
		if at > 0 {
			before := &links[left.previous]
			before.rank = t.merges.rank(before.token, left.token)
			if before.rank != noRank {
				waiting.push(newRankedPair(before.rank, left.previous))
			}
		}
	}
	for i := uint32(0); i < n; i = links[i].next {
		ids = append(ids, int(links[i].token))
	}
	return ids
}

// rankedPair is a merge that waits: its rank, and below it the place of its
// left token, so that the smallest is the one to do first.
type rankedPair uint64

func newRankedPair(rank, at uint32) rankedPair { return rankedPair(rank)<<32 | rankedPair(at) }

// pairHeap is a binary heap with the smallest pair first.
type pairHeap []rankedPair

// order makes a heap of pairs in any order.
func (h pairHeap) order() {
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.sink(i)
	}
}

func (h *pairHeap) push(pair rankedPair) {
	*h = append(*h, pair)
	pairs := *h
	for i := len(pairs) - 1; i > 0; {
		parent := (i - 1) / 2
		if pairs[parent] <= pair {
			break
		}
		pairs[i], pairs[parent] = pairs[parent], pair
		i = parent
	}
}

func (h *pairHeap) pop() (rank, at uint32) {
	pairs := *h
	first := pairs[0]
	pairs[0] = pairs[len(pairs)-1]
	*h = pairs[:len(pairs)-1]
	if len(*h) > 0 {
		h.sink(0)
	}
	return uint32(first >> 32), uint32(first)
}

// sink moves the pair at i down to its place.
func (h pairHeap) sink(i int) {
	pair := h[i]
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1] < h[child] {
			child++
		}
		if pair <= h[child] {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = pair
}
