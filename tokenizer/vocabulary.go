package tokenizer

import (
	"hash/maphash"
	"math/bits"
)

// Limits of a vocabulary. They keep an id, and with it a merge, small enough
// for the packed tables below, and are far above what any model has.
const (
	idBits   = 21
	rankBits = 22

	idMask   = 1<<idBits - 1
	rankMask = 1<<rankBits - 1

	// Both tables store a number plus one, as 0 marks what is free.
	maxTokens = idMask
	maxMerges = rankMask

	// maxTextBytes bounds the bytes of all tokens together, which are
	// addressed with 32 bits.
	maxTextBytes = 1 << 30
	// maxAddedBytes bounds a token that is searched in texts. The search costs
	// at most this much for each byte of a text.
	maxAddedBytes = 1024
)

// kind says what part a token plays.
type kind uint8

const (
	ordinary  kind = iota // found by merging
	added                 // found in the text as it stands, before it is cut into pieces; merges may make it too
	special               // found in the text as it stands, unless the text is plain
	unused                // never encoded
	byteValue             // stands for a byte of a character that is no token
)

// vocabulary holds the tokens: their bytes one behind the other, and a hash
// table from bytes to id. A few flat slices instead of a string and a map
// entry for each token take a fraction of the time and memory.
type vocabulary struct {
	// sentencePiece says that files write ordinary tokens with a mark for each
	// blank, and not in the byte-level alphabet.
	sentencePiece bool

	kinds   []kind   // by id
	bytes   []byte   // of all tokens, in the order of their ids
	offsets []uint32 // token id is bytes[offsets[id]:offsets[id+1]]

	// heads holds the first bytes of each token, so that comparing the short
	// ones, which most are, takes one number and not two look-ups more.
	heads []uint64

	// slots is an open-addressing table of the tokens that merging can give.
	// A slot holds id + 1 in its low bits and a part of the hash in the bits
	// above, and 0 when free.
	slots []uint32
	// seed and keys differ from process to process, so that no file can be
	// made to collide.
	seed maphash.Seed
	keys [2]uint64

	byteIDs [256]uint32 // id + 1 of the token of a single byte; 0 for none
}

// newVocabulary makes room for tokens, which are appended first and then entered,
// all at once.
func newVocabulary(tokens, textBytes int) *vocabulary {
	seed := maphash.MakeSeed()
	return &vocabulary{
		kinds:   make([]kind, 0, tokens),
		bytes:   make([]byte, 0, textBytes),
		offsets: make([]uint32, 1, tokens+1),
		heads:   make([]uint64, 0, tokens),
		seed:    seed,
		keys:    [2]uint64{maphash.String(seed, "pair"), maphash.String(seed, "token") | 1},
	}
}

// tableSize returns the size of an open-addressing table: a power of two with
// at least a third of it free.
func tableSize(entries int) int {
	return 1 << bits.Len(uint(entries+entries/2))
}

func (v *vocabulary) size() int { return len(v.kinds) }

// token returns the bytes of a token, which the caller must not change.
func (v *vocabulary) token(id uint32) []byte {
	return v.bytes[v.offsets[id]:v.offsets[id+1]]
}

// closeToken gives the next id to the bytes that have been appended to
// v.bytes since the last token.
func (v *vocabulary) closeToken(k kind) {
	head := headOf(v.bytes[v.offsets[len(v.kinds)]:])
	v.kinds = append(v.kinds, k)
	v.offsets = append(v.offsets, uint32(len(v.bytes)))
	v.heads = append(v.heads, head)
}

// appendTokens appends the tokens of another vocabulary.
func (v *vocabulary) appendTokens(other *vocabulary) {
	for _, end := range other.offsets[1:] {
		v.offsets = append(v.offsets, uint32(len(v.bytes))+end)
	}
	v.bytes = append(v.bytes, other.bytes...)
	v.kinds = append(v.kinds, other.kinds...)
	v.heads = append(v.heads, other.heads...)
}

// tokenBatch is how many tokens are looked up at a time where there are many.
// The tables that this reads are larger than the caches near the core, and the
// processor reads at once what it need not read in turn.
const tokenBatch = 64

// enterTokens makes all tokens known to findText.
func (v *vocabulary) enterTokens() {
	v.slots = make([]uint32, tableSize(v.size()))
	var hashes [tokenBatch]uint64
	for from := 0; from < v.size(); from += tokenBatch {
		count := min(tokenBatch, v.size()-from)
		for i := range count {
			id := uint32(from + i)
			hashes[i] = v.hash(v.heads[id], v.token(id))
		}
		fetchSlots(v.slots, hashes[:count])
		for i := range count {
			v.enterToken(uint32(from+i), hashes[i])
		}
	}
}

func (v *vocabulary) enterToken(id uint32, hash uint64) {
	token := v.token(id)
	switch {
	case v.kinds[id] == special, v.kinds[id] == unused, v.kinds[id] == byteValue, len(token) == 0:
		return
	}
	slot, known := probe(v, hash, v.heads[id], token)
	if known { // of tokens with the same bytes, the first is encoded
		if v.kinds[id] == ordinary {
			v.kinds[id] = unused
		}
		return
	}
	v.slots[slot] = hashTag(hash) | (id + 1)
	if len(token) == 1 {
		v.byteIDs[token[0]] = id + 1
	}
}

// fetchSlots reads the slots of hashes, all at once. It is not inlined lest the
// compiler see that the result serves nothing.
//
//go:noinline
func fetchSlots(slots []uint32, hashes []uint64) (sum uint32) {
	mask := len(slots) - 1
	for _, hash := range hashes {
		sum += slots[int(hash)&mask]
	}
	return sum
}

// headBytes is the length up to which a token's head is all of it.
const headBytes = 7

// headOf returns the first bytes of a token and, above them, its length, or 255
// where there are more: tokens of up to headBytes bytes are equal where these are.
func headOf[T string | []byte](token T) uint64 {
	n := len(token)
	switch {
	case n >= 8:
		return word(token[:8]) | 0xff<<56
	case n >= 4:
		last := half(token[n-4:])
		return uint64(n)<<56 | uint64(half(token[:4])) | uint64(last)<<(8*(n-4))
	case n > 0:
		return uint64(n)<<56 | uint64(token[0]) | uint64(token[n/2])<<(8*(n/2)) | uint64(token[n-1])<<(8*(n-1))
	}
	return 0
}

func half[T string | []byte](b T) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func word[T string | []byte](b T) uint64 {
	return uint64(half(b[:4])) | uint64(half(b[4:]))<<32
}

// hashTag is the part of a hash that a slot keeps.
func hashTag(hash uint64) uint32 { return uint32(hash>>32) &^ idMask }

// hash returns the hash of a token, of which head is the head.
func (v *vocabulary) hash(head uint64, token []byte) uint64 {
	if len(token) > headBytes {
		return maphash.Bytes(v.seed, token)
	}
	return v.hashHead(head)
}

// hashHead returns the hash of a token that is no longer than its head.
func (v *vocabulary) hashHead(head uint64) uint64 {
	high, low := bits.Mul64(head^v.keys[0], v.keys[1])
	return high ^ low
}

// probe returns the slot of the token with these bytes, or the free slot where
// it belongs.
func probe[T string | []byte](v *vocabulary, hash, head uint64, token T) (slot int, known bool) {
	tag := hashTag(hash)
	mask := len(v.slots) - 1
	for slot = int(hash) & mask; ; slot = (slot + 1) & mask {
		entry := v.slots[slot]
		if entry == 0 {
			return slot, false
		}
		if entry&^idMask != tag || v.heads[entry&idMask-1] != head {
			continue
		}
		if len(token) <= headBytes || string(v.token(entry&idMask-1)) == string(token) {
			return slot, true
		}
	}
}

// findHashed returns the id of the token that merging can give with these
// bytes, of which hash is the hash and head the head.
func (v *vocabulary) findHashed(hash, head uint64, token []byte) (uint32, bool) {
	slot, known := probe(v, hash, head, token)
	return v.slots[slot]&idMask - 1, known
}

// findText is findHashed for a part of a text.
func (v *vocabulary) findText(token string) (uint32, bool) {
	head := headOf(token)
	hash := v.hashHead(head)
	if len(token) > headBytes {
		hash = maphash.String(v.seed, token)
	}
	slot, known := probe(v, hash, head, token)
	return v.slots[slot]&idMask - 1, known
}

// is reports whether find would return this id for a token with these
// bytes. It may say no where the answer is yes.
func (v *vocabulary) is(id uint32, head uint64, token []byte) bool {
	if int(id) >= v.size() || v.kinds[id] != ordinary || v.heads[id] != head {
		return false
	}
	return len(token) <= headBytes || string(v.token(id)) == string(token)
}
