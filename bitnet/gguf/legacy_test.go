package gguf

import (
	"slices"
	"testing"
)

// TestLegacy tells files of type 42 with blocks of 128 elements from those with
// blocks of 64, by the places of their tensors.
func TestLegacy(t *testing.T) {
	const number = 42
	type tensor struct {
		typ    TensorType
		offset uint64
	}
	// Matrices of 256 × 20: 1,440 bytes in blocks of 64, 1,360 (and 16 for
	// alignment) in blocks of 128. Norms of 8 numbers between them.
	for _, c := range []struct {
		name    string
		tensors []tensor
		bytes   int
		want    TensorType // of the matrices, 0 for an error
	}{
		{"blocks of 64", []tensor{{number, 0}, {F32, 1440}, {number, 1472}}, 1472 + 1440, Q2_0},
		{"blocks of 128", []tensor{{number, 0}, {F32, 1376}, {number, 1408}}, 1408 + 1376, PQ2_0},
		{"no padding at the end", []tensor{{number, 0}, {F32, 1376}, {number, 1408}}, 1408 + 1360, PQ2_0},
		{"another order", []tensor{{number, 1408}, {number, 0}, {F32, 1376}}, 1408 + 1376, PQ2_0},
		{"one matrix alone", []tensor{{number, 0}}, 1376, PQ2_0},
		{"one matrix alone, blocks of 64", []tensor{{number, 0}}, 1440, Q2_0},
		{"blocks of 64, cut off", []tensor{{number, 0}, {F32, 1440}, {number, 1472}}, 1472 + 1376, 0},
		{"blocks of 64, one cut off", []tensor{{number, 0}}, 1392, 0},
		{"blocks of 128, cut off", []tensor{{number, 0}, {F32, 1376}, {number, 1408}}, 1408 + 1344, 0},
		{"one of each", []tensor{{number, 0}, {F32, 1376}, {number, 1408}, {F32, 1408 + 1440}}, 1408 + 1440 + 32, 0},
		{"PQ2_0 by its number", []tensor{{PQ2_0, 0}, {F32, 1376}, {PQ2_0, 1408}}, 1408 + 1376, PQ2_0},
	} {
		r := header(3, uint64(len(c.tensors)), 0)
		for i, x := range c.tensors {
			dims := []uint64{256, 20}
			if x.typ == F32 {
				dims = []uint64{8}
			}
			r = r.tensor(string(rune('a'+i)), x.typ, x.offset, dims...)
		}
		r = r.pad(DefaultAlignment).zeros(c.bytes)
		f, err := Parse(r)
		if c.want == 0 {
			if err == nil {
				t.Errorf("%s: no error", c.name)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var types []TensorType
		for _, x := range f.Tensors() {
			if x.Type != F32 {
				types = append(types, x.Type)
			}
		}
		if slices.ContainsFunc(types, func(typ TensorType) bool { return typ != c.want }) {
			t.Errorf("%s: types %v, want %v", c.name, types, c.want)
		}
	}
}
