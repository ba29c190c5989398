package hub

import "slices"

// A span is the bytes from the first up to, but not with, the second.
type span [2]int64

// spans are stretches of a file in order, with gaps between them.
type spans []span

// add joins a stretch to the others.
func (s *spans) add(from, to int64) {
	if from >= to {
		return
	}
	first, _ := slices.BinarySearchFunc(*s, from, func(x span, from int64) int {
		if x[1] < from {
			return -1
		}
		return 1
	})
	last := first
	for ; last < len(*s) && (*s)[last][0] <= to; last++ {
		from, to = min(from, (*s)[last][0]), max(to, (*s)[last][1])
	}
	*s = slices.Replace(*s, first, last, span{from, to})
}

// remove takes a stretch out.
func (s *spans) remove(from, to int64) {
	var left spans
	for _, x := range *s {
		left.add(x[0], min(x[1], from))
		left.add(max(x[0], to), x[1])
	}
	*s = left
}

// total returns how many bytes there are.
func (s spans) total() (n int64) {
	for _, x := range s {
		n += x[1] - x[0]
	}
	return n
}

// begun returns how many bytes there are from the beginning without a gap.
func (s spans) begun() int64 {
	if len(s) == 0 || s[0][0] > 0 {
		return 0
	}
	return s[0][1]
}

// gap returns the first stretch of a file of so many bytes that is missing.
func (s spans) gap(size int64) (span, bool) {
	from := s.begun()
	to := size
	for _, x := range s {
		if x[0] > from {
			to = min(to, x[0])
			break
		}
	}
	return span{from, to}, from < to
}

// valid reports whether spans that were read from a file are in order, and
// within size bytes unless size is negative.
func (s spans) valid(size int64) bool {
	end := int64(-1)
	for _, x := range s {
		if x[0] <= end || x[1] <= x[0] {
			return false
		}
		end = x[1]
	}
	return size < 0 || end <= size
}
