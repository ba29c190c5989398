package constrain

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"runtime"
	"slices"
	"sync"
	"weak"

	"github.com/gobitnet/gobitnet/tokenizer"
)

// vocabulary is the tree of the bytes of all tokens of a tokenizer that stand for
// text, laid flat in depth-first order: a walk that leaves out what does not fit
// goes through memory in one direction.
type vocabulary struct {
	nodes []treeNode
	twins []twin   // tokens that are not in the tree, as another has their bytes
	text  []byte   // of all tokens, one after the other
	from  []uint32 // where that of a token begins; one more at the end

	mu     sync.Mutex
	locals map[localKey]*local // of terminals that all constraints share
}

type treeNode struct {
	token int32  // that ends here, or −1
	skip  int32  // the first node that is not beneath this one
	depth uint16 // bytes before this one
	char  byte
}

// twin is a token with the bytes of an earlier one.
type twin struct{ token, first int32 }

// longestToken is how many bytes the walk has room for. Longer tokens do not take
// part: whatever they stand for can be written with shorter ones.
const longestToken = 512

var vocabularies struct {
	sync.Mutex
	known map[weak.Pointer[tokenizer.Tokenizer]]func() *vocabulary
}

// vocabularyOf returns the tree of a tokenizer, which is built the first time and
// kept as long as the tokenizer.
func vocabularyOf(t *tokenizer.Tokenizer) *vocabulary {
	key := weak.Make(t)
	v := &vocabularies
	v.Lock()
	build, ok := v.known[key]
	if !ok {
		if v.known == nil {
			v.known = map[weak.Pointer[tokenizer.Tokenizer]]func() *vocabulary{}
		}
		// Built outside of this lock, and by nobody twice. What is kept must not
		// hold on to the tokenizer.
		build = sync.OnceValue(func() *vocabulary { return newVocabulary(key.Value()) })
		v.known[key] = build
		runtime.AddCleanup(t, func(key weak.Pointer[tokenizer.Tokenizer]) {
			v.Lock()
			delete(v.known, key)
			v.Unlock()
		}, key)
	}
	v.Unlock()
	built := build()
	runtime.KeepAlive(t)
	return built
}

func newVocabulary(t *tokenizer.Tokenizer) *vocabulary {
	n := t.VocabularySize()
	v := &vocabulary{from: make([]uint32, n+1), locals: map[localKey]*local{}}
	v.text = make([]byte, 0, 8*n)
	// Sorted by their first bytes, and only where these are equal by the rest.
	type entry struct {
		first uint64
		id    int32
	}
	entries := make([]entry, 0, n)
	for id := range n {
		v.from[id] = uint32(len(v.text))
		if !t.IsSpecial(id) {
			v.text = t.AppendToken(v.text, id)
		}
		if size := len(v.text) - int(v.from[id]); size > longestToken {
			v.text = v.text[:v.from[id]]
		} else if size > 0 {
			var first [8]byte
			copy(first[:], v.text[v.from[id]:])
			entries = append(entries, entry{binary.BigEndian.Uint64(first[:]), int32(id)})
		}
	}
	v.from[n] = uint32(len(v.text))
	slices.SortFunc(entries, func(a, b entry) int {
		if c := cmp.Compare(a.first, b.first); c != 0 {
			return c
		}
		if c := bytes.Compare(v.token(a.id), v.token(b.id)); c != 0 {
			return c
		}
		return int(a.id - b.id)
	})
	v.nodes = make([]treeNode, 0, 3*n)
	open := make([]int32, 0, longestToken) // the nodes of the token before
	var before []byte
	for i, e := range entries {
		id, token := e.id, v.token(e.id)
		if i > 0 && bytes.Equal(token, before) {
			v.twins = append(v.twins, twin{id, v.nodes[len(v.nodes)-1].token})
			continue
		}
		common := 0
		for common < len(before) && before[common] == token[common] {
			common++
		}
		for len(open) > common {
			v.nodes[open[len(open)-1]].skip = int32(len(v.nodes))
			open = open[:len(open)-1]
		}
		for at := common; at < len(token); at++ {
			open = append(open, int32(len(v.nodes)))
			v.nodes = append(v.nodes, treeNode{token: -1, depth: uint16(at), char: token[at]})
		}
		v.nodes[len(v.nodes)-1].token = id
		before = token
	}
	for _, at := range open {
		v.nodes[at].skip = int32(len(v.nodes))
	}
	v.nodes = slices.Clip(v.nodes)
	return v
}

func (v *vocabulary) size() int { return len(v.from) - 1 }

// words is the length of a mask.
func (v *vocabulary) words() int { return (v.size() + 63) / 64 }

func (v *vocabulary) token(id int32) []byte { return v.text[v.from[id]:v.from[id+1]] }

func allow(mask []uint64, token int32) { mask[token>>6] |= 1 << (token & 63) }

// double allows the tokens that stand for the same as others that are allowed.
func (v *vocabulary) double(mask []uint64) {
	for _, twin := range v.twins {
		if first := twin.first; mask[first>>6]>>(first&63)&1 != 0 {
			allow(mask, twin.token)
		}
	}
}

// extends reports whether a token begins with a text and goes on after it.
func (v *vocabulary) extends(text []byte) bool {
	lo, hi := 0, len(v.nodes)
	for _, c := range text {
		for lo < hi && v.nodes[lo].char != c {
			lo = int(v.nodes[lo].skip)
		}
		if lo >= hi {
			return false
		}
		lo, hi = lo+1, int(v.nodes[lo].skip)
	}
	return lo < hi
}
