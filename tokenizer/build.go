package tokenizer

import (
	"bytes"
	"sync"
	"unicode/utf8"
)

// What the readers of both file formats build a tokenizer with.

// appendOrdinary appends the bytes that an ordinary token's written form stands
// for, and reports whether it is one.
func (v *vocabulary) appendOrdinary(dst, written []byte) ([]byte, bool) {
	if v.sentencePiece {
		return appendBlanks(dst, written), utf8.Valid(written)
	}
	return appendByteLevel(dst, written)
}

// notOrdinary says what is wrong with a written form.
func (v *vocabulary) notOrdinary() string {
	if v.sentencePiece {
		return "is not valid UTF-8"
	}
	return "has characters that are not of the byte-level alphabet"
}

// appendToken gives the next id to a token in the form that files write it in:
// ordinary tokens in the byte-level alphabet or with marks for blanks, those of
// bytes as numbers, all others as they are.
func (v *vocabulary) appendToken(key string, id int, written []byte, k kind) error {
	if len(v.bytes) > maxTextBytes-len(written) {
		return unsupported(key, id, "makes more than %d bytes of text with the tokens before it, more than is implemented", maxTextBytes)
	}
	switch k {
	case ordinary:
		var ok bool
		if v.bytes, ok = v.appendOrdinary(v.bytes, written); !ok {
			return malformed(key, id, "is %.40q, which %s", written, v.notOrdinary())
		}
		if v.sentencePiece && bytes.IndexByte(written, ' ') >= 0 {
			k = unused // texts have marks where this has a blank
		}
		v.closeToken(k)
		return nil
	case byteValue:
		b, ok := byteWritten(written)
		if !ok {
			return malformed(key, id, "is %.40q, but stands for a byte, which is written like <0x0A>", written)
		}
		v.bytes = append(v.bytes, b)
		v.closeToken(k)
		return nil
	}
	if k != unused {
		if len(written) > maxAddedBytes {
			return unsupported(key, id, "is a special or added token of %d bytes; at most %d are implemented", len(written), maxAddedBytes)
		}
		// A token that ends within a character would cut one in the text.
		if !utf8.Valid(written) {
			return malformed(key, id, "is %.40q, a special or added token that is not valid UTF-8", written)
		}
	}
	if k == added && v.sentencePiece {
		v.bytes = appendBlanks(v.bytes, written)
	} else {
		v.bytes = append(v.bytes, written...)
	}
	v.closeToken(k)
	return nil
}

// addedSearch collects the tokens that are searched in texts: in a first pass
// and, for the late ones, in what that leaves.
type addedSearch struct {
	all, plain [2][]addedToken
}

func (s *addedSearch) add(token addedToken, k kind, late bool) {
	if k != added && k != special || token.text == "" {
		return
	}
	pass := 0
	if late {
		pass = 1
	}
	s.all[pass] = append(s.all[pass], token)
	if k == added {
		s.plain[pass] = append(s.plain[pass], token)
	}
}

func (s *addedSearch) build() (all, plain []*addedTokens) {
	for pass := range s.all {
		if search := newAddedTokens(s.all[pass]); search != nil {
			all = append(all, search)
		}
		if search := newAddedTokens(s.plain[pass]); search != nil {
			plain = append(plain, search)
		}
	}
	return all, plain
}

// mergeSource runs over the merges of a file in their order, from one on, and
// gives yield the two tokens of each, as they are written, until yield returns
// false. It may be called several times at once.
type mergeSource func(from int, yield func(left, right []byte) bool) error

// resolvedMerge is a merge with ids for its tokens.
type resolvedMerge struct{ left, right, result uint32 }

// buildMerges makes the table of a file's merges, count in number. The key is
// for errors.
func buildMerges(v *vocabulary, key string, count int, source mergeSource) (*mergeTable, error) {
	// Two goroutines share the work. Where they meet with something wrong, going
	// through all of it in order gives the error of the first wrong merge.
	table := newMergeTable(count)
	first := mergeResolver{vocabulary: v, table: table, key: key, next: 0, end: count / 2}
	second := mergeResolver{vocabulary: v, table: table, key: key, next: count / 2, end: count}
	var firstError, secondError error
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		secondError = second.resolve(source)
	}()
	firstError = first.resolve(source)
	wait.Wait()
	if firstError != nil || secondError != nil {
		table = newMergeTable(count)
		all := mergeResolver{vocabulary: v, table: table, key: key, end: count}
		if err := all.resolve(source); err != nil {
			return nil, err
		}
	}
	return table, nil
}

// mergeResolver finds the ids of a range of merges and enters these in a table.
// What this reads is far larger than the caches near the core. So what single
// look-ups would wait for is fetched for a batch at a time, all at once.
type mergeResolver struct {
	vocabulary *vocabulary
	table      *mergeTable
	key        string
	next, end  int // the range that is not yet resolved

	pending  []pendingMerge // the next ones of it
	resolved []resolvedMerge
	bytes    []byte // of the pending merges' tokens
	result   uint32 // of the merge before
}

// pendingMerge is a merge whose tokens are bytes[start:cut] and
// bytes[cut:end].
type pendingMerge struct {
	start, cut, end     int
	leftHead, rightHead uint64
	leftHash, rightHash uint64
}

func (r *mergeResolver) resolve(source mergeSource) error {
	r.pending = make([]pendingMerge, 0, tokenBatch)
	r.resolved = make([]resolvedMerge, 0, tokenBatch)
	index := r.next
	var failed error
	err := source(index, func(left, right []byte) bool {
		if index >= r.end {
			return false
		}
		if len(r.pending) == tokenBatch {
			if failed = r.flush(); failed != nil {
				return false
			}
		}
		if failed = r.add(index, left, right); failed != nil {
			return false
		}
		index++
		return true
	})
	if failed != nil {
		return failed
	}
	// A merge that waits comes before whatever is wrong behind it.
	if failed = r.flush(); failed != nil {
		return failed
	}
	if err == nil && index < r.end {
		err = malformed(r.key, index, "is missing; the file has changed while it was read")
	}
	return err
}

// add makes a merge pending.
func (r *mergeResolver) add(index int, left, right []byte) error {
	m := pendingMerge{start: len(r.bytes)}
	var leftOK, rightOK bool
	r.bytes, leftOK = r.vocabulary.appendOrdinary(r.bytes, left)
	m.cut = len(r.bytes)
	r.bytes, rightOK = r.vocabulary.appendOrdinary(r.bytes, right)
	m.end = len(r.bytes)
	if !leftOK || !rightOK {
		return malformed(r.key, index, "is %.40q and %.40q, one of which %s", left, right, r.vocabulary.notOrdinary())
	}
	leftBytes, rightBytes := r.bytes[m.start:m.cut], r.bytes[m.cut:m.end]
	m.leftHead, m.rightHead = headOf(leftBytes), headOf(rightBytes)
	m.leftHash, m.rightHash = r.vocabulary.hash(m.leftHead, leftBytes), r.vocabulary.hash(m.rightHead, rightBytes)
	r.pending = append(r.pending, m)
	return nil
}

// flush resolves the pending merges.
func (r *mergeResolver) flush() error {
	r.fetch()
	for i := range r.pending {
		m := &r.pending[i]
		left, right := r.bytes[m.start:m.cut], r.bytes[m.cut:m.end]
		leftID, ok := r.vocabulary.findHashed(m.leftHash, m.leftHead, left)
		if !ok {
			return malformed(r.key, r.next+i, "has the left token %.40q, which is not in the vocabulary", left)
		}
		rightID, ok := r.vocabulary.findHashed(m.rightHash, m.rightHead, right)
		if !ok {
			return malformed(r.key, r.next+i, "has the right token %.40q, which is not in the vocabulary", right)
		}
		if r.result, ok = r.find(r.bytes[m.start:m.end]); !ok {
			return malformed(r.key, r.next+i, "joins %.40q and %.40q to what is not in the vocabulary", left, right)
		}
		r.resolved = append(r.resolved, resolvedMerge{leftID, rightID, r.result})
	}
	r.table.fetch(r.resolved)
	for _, merge := range r.resolved {
		if earlier, repeated := r.table.add(merge, r.next); repeated {
			return malformed(r.key, r.next, "joins the same tokens as merge %d", earlier)
		}
		if token := r.vocabulary.token(merge.result); len(token) == 2 {
			r.table.bytePairs[bytePair(token[0], token[1])] = uint32(r.next + 1)
		}
		r.next++
	}
	r.pending, r.resolved, r.bytes = r.pending[:0], r.resolved[:0], r.bytes[:0]
	return nil
}

// find returns the token that a merge gives. Where the merges are in the order
// of the tokens they give, as vocabularies have them, this is the token of the
// merge before or the one behind it.
func (r *mergeResolver) find(token []byte) (uint32, bool) {
	v, head := r.vocabulary, headOf(token)
	for _, id := range [...]uint32{r.result, r.result + 1} {
		if v.is(id, head, token) {
			return id, true
		}
	}
	return v.findHashed(v.hash(head, token), head, token)
}

// fetch brings what findHashed will read for the pending merges into the
// cache. No step waits for the one before it, as it would in findHashed, so
// that the processor has many reads under way.
func (r *mergeResolver) fetch() {
	v := r.vocabulary
	mask := len(v.slots) - 1
	var heads [2 * tokenBatch]uint32
	for i, m := range r.pending {
		heads[2*i] = v.slots[int(m.leftHash)&mask] & idMask
		heads[2*i+1] = v.slots[int(m.rightHash)&mask] & idMask
	}
	fetchHeads(v.heads, heads[:2*len(r.pending)])
}

// fetchHeads reads the heads of ids + 1. It is not inlined lest the compiler see
// that the result serves nothing.
//
//go:noinline
func fetchHeads(heads []uint64, numbers []uint32) (sum uint64) {
	for _, number := range numbers {
		if number > 0 {
			sum += heads[number-1]
		}
	}
	return sum
}
