package tokenizer

import (
	"sync"
	"unicode/utf8"
)

// What the readers of both file formats build a tokenizer with.

// appendToken gives the next id to a token in the form that files write it in:
// ordinary tokens in the byte-level alphabet, all others as they are.
func (v *vocabulary) appendToken(key string, id int, written []byte, k kind) error {
	if len(v.bytes) > maxTextBytes-len(written) {
		return unsupported(key, id, "makes more than %d bytes of text with the tokens before it, more than is implemented", maxTextBytes)
	}
	if k == ordinary {
		var ok bool
		if v.bytes, ok = appendByteLevel(v.bytes, written); !ok {
			return malformed(key, id, "is %.40q, which has characters that are not of the byte-level alphabet", written)
		}
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
	v.bytes = append(v.bytes, written...)
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

// mergeSource runs over the merges of a file in their order and gives yield
// the two tokens of each, in the byte-level alphabet, until yield returns
// false. It may be called several times at once.
type mergeSource func(yield func(left, right []byte) bool) error

// resolvedMerge is a merge with ids for its tokens.
type resolvedMerge struct{ left, right, result uint32 }

// buildMerges makes the table of a file's merges, count in number. The key is
// for errors.
func buildMerges(v *vocabulary, key string, count int, source mergeSource) (*mergeTable, error) {
	// Finding the tokens takes most of the time that opening a vocabulary
	// takes. Two goroutines share it.
	merges := make([]resolvedMerge, count)
	first := mergeResolver{vocabulary: v, key: key, merges: merges, next: 0, end: count / 2}
	second := mergeResolver{vocabulary: v, key: key, merges: merges, next: count / 2, end: count}
	var secondError error
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		secondError = second.resolve(source)
	}()
	err := first.resolve(source)
	wait.Wait()
	if err == nil {
		err = secondError
	}
	if err != nil {
		return nil, err
	}
	return newMergeTable(v, key, merges)
}

// mergeBatch is how many merges are looked up at a time.
const mergeBatch = 64

// mergeResolver finds the ids of a range of merges. The tables this reads are
// far larger than the caches near the core. So what single look-ups would wait
// for is fetched for a batch at a time, all at once.
type mergeResolver struct {
	vocabulary *vocabulary
	key        string
	merges     []resolvedMerge // of the file
	next, end  int             // the range that is not yet resolved

	pending []pendingMerge // the next ones of it
	bytes   []byte         // of the pending merges' tokens
	result  uint32         // of the merge before
}

// pendingMerge is a merge whose tokens are bytes[start:cut] and
// bytes[cut:end].
type pendingMerge struct {
	start, cut, end     int
	leftHash, rightHash uint64
}

func (r *mergeResolver) resolve(source mergeSource) error {
	r.pending = make([]pendingMerge, 0, mergeBatch)
	index, start := 0, r.next
	var failed error
	err := source(func(left, right []byte) bool {
		if index >= r.end {
			return false
		}
		if index >= start {
			if len(r.pending) == mergeBatch {
				if failed = r.flush(); failed != nil {
					return false
				}
			}
			if failed = r.add(index, left, right); failed != nil {
				return false
			}
		}
		index++
		return true
	})
	switch {
	case failed != nil:
		return failed
	case err != nil:
		return err
	case index < r.end:
		return malformed(r.key, index, "is missing; the file has changed while it was read")
	}
	return r.flush()
}

// add makes a merge pending.
func (r *mergeResolver) add(index int, left, right []byte) error {
	m := pendingMerge{start: len(r.bytes)}
	var leftOK, rightOK bool
	r.bytes, leftOK = appendByteLevel(r.bytes, left)
	m.cut = len(r.bytes)
	r.bytes, rightOK = appendByteLevel(r.bytes, right)
	m.end = len(r.bytes)
	if !leftOK || !rightOK {
		return malformed(r.key, index, "is %.40q and %.40q, which have characters that are not of the byte-level alphabet", left, right)
	}
	m.leftHash = r.vocabulary.hash(r.bytes[m.start:m.cut])
	m.rightHash = r.vocabulary.hash(r.bytes[m.cut:m.end])
	r.pending = append(r.pending, m)
	return nil
}

// flush resolves the pending merges.
func (r *mergeResolver) flush() error {
	r.fetch()
	for _, m := range r.pending {
		left, right := r.bytes[m.start:m.cut], r.bytes[m.cut:m.end]
		leftID, ok := r.vocabulary.findHashed(m.leftHash, left)
		if !ok {
			return malformed(r.key, r.next, "has the left token %.40q, which is not in the vocabulary", left)
		}
		rightID, ok := r.vocabulary.findHashed(m.rightHash, right)
		if !ok {
			return malformed(r.key, r.next, "has the right token %.40q, which is not in the vocabulary", right)
		}
		if r.result, ok = r.find(r.bytes[m.start:m.end]); !ok {
			return malformed(r.key, r.next, "joins %.40q and %.40q to what is not in the vocabulary", left, right)
		}
		r.merges[r.next] = resolvedMerge{leftID, rightID, r.result}
		r.next++
	}
	r.pending, r.bytes = r.pending[:0], r.bytes[:0]
	return nil
}

// find returns the token that a merge gives. Where the merges are in the order
// of the tokens they give, as vocabularies have them, this is the token of the
// merge before or the one behind it.
func (r *mergeResolver) find(token []byte) (uint32, bool) {
	for _, id := range [...]uint32{r.result, r.result + 1} {
		if r.vocabulary.is(id, token) {
			return id, true
		}
	}
	return r.vocabulary.findHashed(r.vocabulary.hash(token), token)
}

// fetch brings what findHashed will read for the pending merges into the
// cache. No step waits for the one before it, as it would in findHashed, so
// that the processor has many reads under way.
func (r *mergeResolver) fetch() {
	v := r.vocabulary
	mask := len(v.slots) - 1
	var ends [2 * mergeBatch]uint32
	for i, m := range r.pending {
		// The end of the token in the slot; 0, the start of the first, if free.
		ends[2*i] = v.offsets[v.slots[int(m.leftHash)&mask]&idMask]
		ends[2*i+1] = v.offsets[v.slots[int(m.rightHash)&mask]&idMask]
	}
	fetchBytes(v.bytes, ends[:2*len(r.pending)])
}

// fetchBytes reads the bytes before each of the places. It is not inlined lest
// the compiler see that the result serves nothing.
//
//go:noinline
func fetchBytes(bytes []byte, ends []uint32) (sum byte) {
	for _, end := range ends {
		if end > 0 {
			sum += bytes[end-1]
		}
	}
	return sum
}
