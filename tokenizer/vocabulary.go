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
	ordinary kind = iota // found by merging
	added                // found in the text as it stands, before it is cut into pieces; merges may make it too
	special              // found in the text as it stands, unless the text is plain
	unused               // never encoded
)

// vocabulary holds the tokens: their bytes one behind the other, and a hash
// table from bytes to id. A few flat slices instead of a string and a map
// entry for each token take a fraction of the time and memory.
type vocabulary struct {
	kinds   []kind   // by id
	bytes   []byte   // of all tokens, in the order of their ids
	offsets []uint32 // token id is bytes[offsets[id]:offsets[id+1]]

	// slots is an open-addressing table of the tokens that merging can give.
	// A slot holds id + 1 in its low bits and a part of the hash in the bits
	// above, and 0 when free.
	slots []uint32
	// seed differs from process to process, so that no file can be made
	// to collide.
	seed maphash.Seed

	byteIDs [256]uint32 // id + 1 of the token of a single byte; 0 for none
}

func newVocabulary(tokens, textBytes int) *vocabulary {
	return &vocabulary{
		kinds:   make([]kind, 0, tokens),
		bytes:   make([]byte, 0, textBytes),
		offsets: make([]uint32, 1, tokens+1),
		slots:   make([]uint32, tableSize(tokens)),
		seed:    maphash.MakeSeed(),
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
	id := uint32(len(v.kinds))
	v.kinds = append(v.kinds, k)
	v.offsets = append(v.offsets, uint32(len(v.bytes)))
	token := v.token(id)
	if k == special || k == unused || len(token) == 0 {
		return
	}
	hash := v.hash(token)
	slot, known := probe(v, hash, token)
	if known { // of tokens with the same bytes, the first is encoded
		if k == ordinary {
			v.kinds[id] = unused
		}
		return
	}
	v.slots[slot] = hashTag(hash) | (id + 1)
	if len(token) == 1 {
		v.byteIDs[token[0]] = id + 1
	}
}

// hashTag is the part of a hash that a slot keeps.
func hashTag(hash uint64) uint32 { return uint32(hash>>32) &^ idMask }

// probe returns the slot of the token with these bytes, or the free slot where
// it belongs.
func probe[T string | []byte](v *vocabulary, hash uint64, token T) (slot int, known bool) {
	tag := hashTag(hash)
	mask := len(v.slots) - 1
	for slot = int(hash) & mask; ; slot = (slot + 1) & mask {
		entry := v.slots[slot]
		if entry == 0 {
			return slot, false
		}
		if entry&^idMask == tag && string(v.token(entry&idMask-1)) == string(token) {
			return slot, true
		}
	}
}

func (v *vocabulary) hash(token []byte) uint64 { return maphash.Bytes(v.seed, token) }

// findHashed returns the id of the token that merging can give with these
// bytes, of which hash is the hash.
func (v *vocabulary) findHashed(hash uint64, token []byte) (uint32, bool) {
	slot, known := probe(v, hash, token)
	return v.slots[slot]&idMask - 1, known
}

// findText is findHashed for a part of a text.
func (v *vocabulary) findText(token string) (uint32, bool) {
	slot, known := probe(v, maphash.String(v.seed, token), token)
	return v.slots[slot]&idMask - 1, known
}

// is reports whether findHashed would return this id for a token with these
// bytes. It may say no where the answer is yes.
func (v *vocabulary) is(id uint32, token []byte) bool {
	return int(id) < v.size() && v.kinds[id] == ordinary && string(v.token(id)) == string(token)
}
