package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// reference is byte-level BPE as it is defined, with maps and strings.
type reference struct {
	ids    map[string]int
	ranks  map[[2]string]int
	pieces func(text string) []string
	whole  bool
}

var llama3Reference = sync.OnceValue(func() *reference {
	r := &reference{ids: make(map[string]int), ranks: make(map[[2]string]int), pieces: newReferenceSplitter(llama3Expression).pieces, whole: true}
	v := llama3()
	for id, token := range v.tokens[:llama3BeginOfText] {
		r.ids[token] = id
	}
	for rank, merge := range v.merges {
		left, right, _ := strings.Cut(merge, " ")
		r.ranks[[2]string{left, right}] = rank
	}
	return r
})

func (r *reference) encode(text string) (ids []int) {
	for _, piece := range r.pieces(text) {
		written := writeByteLevel(piece)
		if id, ok := r.ids[written]; ok && r.whole {
			ids = append(ids, id)
			continue
		}
		tokens := strings.Split(written, "")
		for {
			best, bestRank := -1, 0
			for i := range len(tokens) - 1 {
				rank, ok := r.ranks[[2]string{tokens[i], tokens[i+1]}]
				if ok && (best < 0 || rank < bestRank) {
					best, bestRank = i, rank
				}
			}
			if best < 0 {
				break
			}
			tokens[best] += tokens[best+1]
			tokens = slices.Delete(tokens, best+1, best+2)
		}
		for _, token := range tokens {
			ids = append(ids, r.ids[token])
		}
	}
	return ids
}

// TestMergePieces merges pieces of lengths on both sides of the one where the
// method changes, and both methods must agree with the definition.
func TestMergePieces(t *testing.T) {
	tokenizer := llama3Tokenizer()
	plain := llama3Reference()
	random := rand.New(rand.NewPCG(1, 2))
	const letters = "etaoinshrdlucé漢字и"
	alphabet := []rune(letters)
	for length := 1; length <= 3*shortPiece; length += 1 + length/8 {
		for range 5 {
			var built strings.Builder
			for built.Len() < length {
				// Runs of one letter have many merges of the same rank.
				letter := alphabet[random.IntN(len(alphabet))]
				built.WriteString(strings.Repeat(string(letter), 1+random.IntN(4)))
			}
			piece := built.String()
			want := plain.encode(piece)
			if len(piece) <= shortPiece {
				if got := tokenizer.appendMergedShort(nil, piece); !slices.Equal(got, plain.merge(piece)) {
					t.Errorf("short: %q gives %v, want %v", piece, got, want)
				}
			}
			if got := tokenizer.appendMergedLong(nil, piece); !slices.Equal(got, plain.merge(piece)) {
				t.Errorf("long: %q gives %v, want %v", piece, got, want)
			}
			if got, err := tokenizer.Encode(piece); err != nil || !slices.Equal(got, want) {
				t.Errorf("Encode(%q) = %v, %v, want %v", piece, got, err, want)
			}
		}
	}
}

// merge is encode for a single piece that is not looked up as a whole.
func (r *reference) merge(piece string) []int {
	byMerging := *r
	byMerging.whole = false
	byMerging.pieces = func(text string) []string { return []string{text} }
	return byMerging.encode(piece)
}

func TestMergeOrder(t *testing.T) {
	// The order of the merges decides, not that of the ids: "bc" has the
	// larger id and the earlier merge.
	file := newFile("ab", "bc", "abc")
	file.merges = []string{"b c", "a b", "a bc"}
	tokenizer := file.mustOpen(t)
	for text, want := range map[string][]string{
		"abx": {"ab", "x"},
		"abc": {"abc"},
		"bca": {"bc", "a"},
		"abb": {"ab", "b"},
		// Equal ranks: from the left.
		"ababab": {"ab", "ab", "ab"},
		// "abc" here only by joining a and bc.
		"abcab": {"abc", "ab"},
	} {
		if got := tokenTexts(t, tokenizer, text); !slices.Equal(got, want) {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}

func TestWholePiece(t *testing.T) {
	// "hello" is a token that no merge gives.
	file := newFile("hello", "he")
	file.merges = []string{"h e"}
	tokenizer := file.mustOpen(t)
	if got := tokenTexts(t, tokenizer, "hello"); !slices.Equal(got, []string{"hello"}) {
		t.Errorf("hello gives %q, want it whole", got)
	}
	if got := tokenTexts(t, tokenizer, "hellos"); !slices.Equal(got, []string{"he", "l", "l", "o", "s"}) {
		t.Errorf("hellos gives %q", got)
	}
}

func TestPairHeap(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for size := range 40 {
		var heap pairHeap
		var want []rankedPair
		add := func() {
			pair := newRankedPair(random.Uint32N(10), random.Uint32N(100))
			heap, want = append(heap, pair), append(want, pair)
		}
		for range size {
			add()
		}
		heap.order()
		for range size {
			pair := newRankedPair(random.Uint32N(10), random.Uint32N(100))
			heap.push(pair)
			want = append(want, pair)
		}
		slices.Sort(want)
		for _, pair := range want {
			if rank, at := heap.pop(); newRankedPair(rank, at) != pair {
				t.Fatalf("pop gives %d at %d, want %d at %d", rank, at, pair>>32, uint32(pair))
			}
		}
		if len(heap) != 0 {
			t.Fatalf("%d pairs are left", len(heap))
		}
	}
}
