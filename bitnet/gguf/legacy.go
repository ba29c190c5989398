package gguf

import (
	"cmp"
	"slices"
)

// renameLegacy finds out whether a file is one of those that were written before
// type 42 got its meaning of today, Q2_0 with blocks of 64 elements, and gives
// the tensors of that number their present type: PQ2_0, blocks of 128. Nothing but
// the places of the tensors tells: all of them must lie as PQ2_0 has it, and one
// have no room for Q2_0. Offsets count from the start of the data, of which there
// are room bytes.
func renameLegacy(tensors []Tensor, alignment int, room int64) {
	order := make([]*Tensor, len(tensors))
	for i := range tensors {
		order[i] = &tensors[i]
	}
	slices.SortFunc(order, func(a, b *Tensor) int { return cmp.Compare(a.Offset, b.Offset) })
	legacy := false
	for i, t := range order {
		if t.Type != Q2_0 {
			continue
		}
		end := room
		if i+1 < len(order) {
			end = order[i+1].Offset
		}
		size, _, reason := PQ2_0.size(t.Dims)
		// The last one's padding may be missing.
		if space := end - t.Offset; reason != "" || space != alignUp(size, alignment) && (i+1 < len(order) || space != size) {
			return
		}
		today, _, _ := Q2_0.size(t.Dims)
		legacy = legacy || today > end-t.Offset
	}
	if !legacy {
		return
	}
	for _, t := range order {
		if t.Type == Q2_0 {
			t.Type = PQ2_0
		}
	}
}
