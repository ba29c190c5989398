// Package kvcache stores the keys and values of a sequence.
//
// A cache is a list of pages of [ChunkPositions] positions each, all layers
// together. Copies of a cache share their pages until one of them writes.
// Within a page, each layer and key-value head has its keys and its values in
// the column groups that kernel.Set's products read:
//
//	keys    [position/16][dimension][position%16]
//	values  [dimension/16][position][dimension%16]
//
// so that scores have positions side by side and sums of values dimensions.
package kvcache

import (
	"sync/atomic"

	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
)

// ChunkPositions is the number of positions of a page, which are also the
// absolute places at which attention is cut.
const ChunkPositions = 128

// A Shape is what a cache must know of its model.
type Shape struct {
	Layers, Heads int // key-value heads
	HeadSize      int // a multiple of 16
	Half          bool
}

// regionSize is the number of keys, and of values, of one head in one page.
func (s Shape) regionSize() int { return ChunkPositions * s.HeadSize }

func (s Shape) pageSize() int { return 2 * s.Layers * s.Heads * s.regionSize() }

// PositionBytes returns the memory that one position takes.
func (s Shape) PositionBytes() int { return s.pageSize() / ChunkPositions * s.elementBytes() }

func (s Shape) elementBytes() int {
	if s.Half {
		return 2
	}
	return 4
}

// page holds float16 or float32 values, by the shape.
type page struct {
	owners atomic.Int32
	half   []uint16
	float  []float32
}

// A Cache holds the positions that have been reserved. One goroutine at a
// time changes it; several may store and read different heads or positions.
type Cache struct {
	shape Shape
	pages []*page
}

// New returns an empty cache.
func New(shape Shape) *Cache { return &Cache{shape: shape} }

// Shape returns what New was given.
func (c *Cache) Shape() Shape { return c.shape }

// Reserve makes the positions from lo up to, not including, hi writable. The
// positions below lo are there already.
func (c *Cache) Reserve(lo, hi int) {
	for i := lo / ChunkPositions; i*ChunkPositions < hi; i++ {
		if i == len(c.pages) {
			c.pages = append(c.pages, c.newPage())
		} else if shared := c.pages[i]; shared.owners.Load() > 1 {
			own := c.newPage()
			copy(own.half, shared.half)
			copy(own.float, shared.float)
			c.pages[i] = own
			shared.owners.Add(-1)
		}
	}
}

func (c *Cache) newPage() *page {
	p := new(page)
	p.owners.Store(1)
	if c.shape.Half {
		p.half = make([]uint16, c.shape.pageSize())
	} else {
		p.float = make([]float32, c.shape.pageSize())
	}
	return p
}

// Truncate gives up the pages that hold only positions from n on.
func (c *Cache) Truncate(n int) {
	keep := (n + ChunkPositions - 1) / ChunkPositions
	for i := keep; i < len(c.pages); i++ {
		c.pages[i].owners.Add(-1)
		c.pages[i] = nil
	}
	c.pages = c.pages[:min(keep, len(c.pages))]
}

// Fork returns a copy that shares all pages.
func (c *Cache) Fork() *Cache {
	for _, p := range c.pages {
		p.owners.Add(1)
	}
	return &Cache{shape: c.shape, pages: append([]*page(nil), c.pages...)}
}

// Store keeps the key and value, HeadSize long each, of a reserved position.
// scratch is working memory of HeadSize numbers.
func (c *Cache) Store(set *kernel.Set, layer, head, position int, key, value []float32, scratch []uint16) {
	p, size := c.pages[position/ChunkPositions], c.shape.HeadSize
	region := c.shape.regionSize()
	keys := (layer*c.shape.Heads + head) * 2 * region
	values := keys + region
	slot := position % ChunkPositions
	keys += slot/kernel.Lanes*kernel.Lanes*size + slot%kernel.Lanes
	values += slot * kernel.Lanes
	if c.shape.Half {
		scatter(set, p.half[keys:], p.half[values:], key, value, scratch[:size])
	} else {
		for d, v := range key {
			p.float[keys+d*kernel.Lanes] = v
		}
		for d := 0; d < size; d += kernel.Lanes {
			copy(p.float[values+d*ChunkPositions:][:kernel.Lanes], value[d:])
		}
	}
}

func scatter(set *kernel.Set, keys, values []uint16, key, value []float32, half []uint16) {
	set.FloatToHalf(half, key)
	for d, v := range half {
		keys[d*kernel.Lanes] = v
	}
	set.FloatToHalf(half, value)
	for d := 0; d < len(half); d += kernel.Lanes {
		copy(values[d*ChunkPositions:][:kernel.Lanes], half[d:])
	}
}

// Scores stores the products of the keys of the first count positions of a
// chunk with each of the queries, query r at q[r·HeadSize:], at
// scores[r·ChunkPositions:]. What lies behind the count is overwritten with
// anything.
func (c *Cache) Scores(set *kernel.Set, scores []float32, layer, head, chunk, count int, q []float32, queries int) {
	size := c.shape.HeadSize
	groups := (count + kernel.Lanes - 1) / kernel.Lanes
	at := (layer*c.shape.Heads + head) * 2 * c.shape.regionSize()
	if p := c.pages[chunk]; c.shape.Half {
		set.MulHalf(scores, ChunkPositions, q, size, queries, p.half[at:at+c.shape.regionSize()], size*kernel.Lanes, size, groups)
	} else {
		set.MulFloat(scores, ChunkPositions, q, size, queries, p.float[at:at+c.shape.regionSize()], size*kernel.Lanes, size, groups)
	}
}

// Sum stores the sums of the values of the first count positions of a chunk,
// weighted by weights[r·ChunkPositions:], at sums[r·HeadSize:] for each query r.
func (c *Cache) Sum(set *kernel.Set, sums []float32, layer, head, chunk, count int, weights []float32, queries int) {
	size := c.shape.HeadSize
	at := (layer*c.shape.Heads+head)*2*c.shape.regionSize() + c.shape.regionSize()
	if p := c.pages[chunk]; c.shape.Half {
		set.MulHalf(sums, size, weights, ChunkPositions, queries, p.half[at:at+c.shape.regionSize()], ChunkPositions*kernel.Lanes, count, size/kernel.Lanes)
	} else {
		set.MulFloat(sums, size, weights, ChunkPositions, queries, p.float[at:at+c.shape.regionSize()], ChunkPositions*kernel.Lanes, count, size/kernel.Lanes)
	}
}
