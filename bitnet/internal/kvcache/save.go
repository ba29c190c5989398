package kvcache

import (
	"encoding/binary"
	"io"
	"math"

	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
)

// Save writes the first positions of a cache. What it writes is the same on
// every platform and says nothing about pages but their length: for each
// [ChunkPositions] positions (fewer at the end), each layer and each head, the
// keys of these positions, one after the other, and then their values. Elements
// are little-endian, float16 or float32 by the shape.
func (c *Cache) Save(w io.Writer, positions int) error {
	return c.blocks(positions, func(block []byte, p *page, begin int, places []int) error {
		if c.shape.Half {
			for i, at := range places {
				binary.LittleEndian.PutUint16(block[2*i:], p.half[begin+at])
			}
		} else {
			for i, at := range places {
				binary.LittleEndian.PutUint32(block[4*i:], math.Float32bits(p.float[begin+at]))
			}
		}
		_, err := w.Write(block)
		return err
	})
}

// Load puts so many positions that Save has written into an empty cache. It takes
// memory page by page, as there is something to put there, and reads nothing
// beyond. Where that ends too early the error is [io.ErrUnexpectedEOF].
func (c *Cache) Load(r io.Reader, positions int) error {
	return c.blocks(positions, func(block []byte, p *page, begin int, places []int) error {
		if _, err := io.ReadFull(r, block); err == io.EOF {
			return io.ErrUnexpectedEOF
		} else if err != nil {
			return err
		}
		if c.shape.Half {
			for i, at := range places {
				p.half[begin+at] = binary.LittleEndian.Uint16(block[2*i:])
			}
		} else {
			for i, at := range places {
				p.float[begin+at] = math.Float32frombits(binary.LittleEndian.Uint32(block[4*i:]))
			}
		}
		return nil
	})
}

// blocks calls f for each head of each layer of each page, with room for its keys
// and values, where in the page they begin, and where behind that each element
// lies, in the order in which they are saved. Pages that are not there yet are
// made.
func (c *Cache) blocks(positions int, f func(block []byte, p *page, begin int, places []int) error) error {
	var places []int
	var block []byte
	for first := 0; first < positions; first += ChunkPositions {
		count := min(positions-first, ChunkPositions)
		if n := 2 * count * c.shape.HeadSize; len(places) != n {
			places = c.shape.places(count)
			block = make([]byte, n*c.shape.elementBytes())
		}
		if first/ChunkPositions == len(c.pages) {
			c.pages = append(c.pages, c.newPage())
		}
		for begin := 0; begin < c.shape.pageSize(); begin += 2 * c.shape.regionSize() {
			if err := f(block, c.pages[first/ChunkPositions], begin, places); err != nil {
				return err
			}
		}
	}
	return nil
}

// places returns where the elements of the keys and values of the first positions
// of a page lie, counted from the first key of their head.
func (s Shape) places(count int) []int {
	places := make([]int, 0, 2*count*s.HeadSize)
	for position := range count {
		for d := range s.HeadSize {
			places = append(places, (position/kernel.Lanes*s.HeadSize+d)*kernel.Lanes+position%kernel.Lanes)
		}
	}
	for position := range count {
		for d := range s.HeadSize {
			places = append(places, s.regionSize()+(d/kernel.Lanes*ChunkPositions+position)*kernel.Lanes+d%kernel.Lanes)
		}
	}
	return places
}
