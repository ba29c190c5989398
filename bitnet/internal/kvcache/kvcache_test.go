package kvcache

import (
	"math"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
)

// number is a value that is exact in float16 and different for nearby places.
func number(layer, head, position, dimension int) float32 {
	return float32((layer*31+head*17+position*7+dimension*3)%2001 - 1000)
}

func fill(c *Cache, lo, hi int, offset float32) {
	set, shape := kernel.Available()[0], c.Shape()
	key, value, scratch := make([]float32, shape.HeadSize), make([]float32, shape.HeadSize), make([]uint16, shape.HeadSize)
	c.Reserve(lo, hi)
	for position := lo; position < hi; position++ {
		for layer := range shape.Layers {
			for head := range shape.Heads {
				for d := range key {
					key[d] = number(layer, head, position, d) + offset
					value[d] = number(layer, head, d, position) - offset
				}
				c.Store(set, layer, head, position, key, value, scratch)
			}
		}
	}
}

// check reads positions back through products with unit vectors.
func check(t *testing.T, c *Cache, count int, offset float32) {
	t.Helper()
	shape := c.Shape()
	for _, set := range kernel.Available() {
		scores, weights := make([]float32, 2*ChunkPositions), make([]float32, 2*ChunkPositions)
		q, sums := make([]float32, 2*shape.HeadSize), make([]float32, 2*shape.HeadSize)
		for layer := range shape.Layers {
			for head := range shape.Heads {
				for chunk := 0; chunk*ChunkPositions < count; chunk++ {
					n := min(count-chunk*ChunkPositions, ChunkPositions)
					for _, d := range []int{0, 5, shape.HeadSize - 1} {
						clear(q)
						q[shape.HeadSize+d] = 1
						c.Scores(set, scores, layer, head, chunk, n, q, 2)
						for i := range n {
							want := number(layer, head, chunk*ChunkPositions+i, d) + offset
							if got := scores[ChunkPositions+i]; got != want || scores[i] != 0 {
								t.Fatalf("%s: key of layer %d, head %d, position %d, dimension %d is %v, want %v", set.Name, layer, head, chunk*ChunkPositions+i, d, got, want)
							}
						}
					}
					for _, i := range []int{0, n / 2, n - 1} {
						clear(weights)
						weights[ChunkPositions+i] = 1
						c.Sum(set, sums, layer, head, chunk, n, weights, 2)
						for d := range shape.HeadSize {
							want := number(layer, head, d, chunk*ChunkPositions+i) - offset
							if got := sums[shape.HeadSize+d]; got != want {
								t.Fatalf("%s: value of layer %d, head %d, position %d, dimension %d is %v, want %v", set.Name, layer, head, chunk*ChunkPositions+i, d, got, want)
							}
						}
					}
				}
			}
		}
	}
}

func TestStoreAndRead(t *testing.T) {
	for _, half := range []bool{true, false} {
		c := New(Shape{Layers: 2, Heads: 3, HeadSize: 32, Half: half})
		fill(c, 0, 5, 0)
		check(t, c, 5, 0)
		fill(c, 5, 300, 0)
		check(t, c, 300, 0)
		c.Truncate(130)
		if len(c.pages) != 2 {
			t.Fatalf("%d pages for 130 positions", len(c.pages))
		}
		check(t, c, 130, 0)
		fill(c, 130, 200, 0)
		check(t, c, 200, 0)
	}
}

func TestForksAreIndependent(t *testing.T) {
	c := New(Shape{Layers: 1, Heads: 1, HeadSize: 16, Half: true})
	fill(c, 0, 200, 0)
	fork := c.Fork()
	if &fork.pages[0].half[0] != &c.pages[0].half[0] {
		t.Fatal("a fork does not share pages")
	}
	fill(fork, 150, 160, 9)
	check(t, c, 200, 0)
	if fork.pages[0] != c.pages[0] || fork.pages[1] == c.pages[1] {
		t.Fatal("a fork that wrote shares the wrong pages")
	}
	if n := c.pages[1].owners.Load(); n != 1 {
		t.Fatalf("the page that was copied has %d owners", n)
	}
	// The first is alone with its last page now and writes without a copy.
	before := c.pages[1]
	fill(c, 199, 201, 0)
	if c.pages[1] != before {
		t.Fatal("copied a page that is not shared")
	}
	check(t, c, 201, 0)
	fork.Truncate(0)
	if len(fork.pages) != 0 || c.pages[0].owners.Load() != 1 {
		t.Fatal("Truncate kept pages")
	}
}

func TestHalfIsRounded(t *testing.T) {
	c := New(Shape{Layers: 1, Heads: 1, HeadSize: 16, Half: true})
	c.Reserve(0, 1)
	key := make([]float32, 16)
	key[3] = math.Pi
	set := kernel.Available()[0]
	c.Store(set, 0, 0, 0, key, key, make([]uint16, 16))
	scores, q := make([]float32, ChunkPositions), make([]float32, 16)
	q[3] = 1
	c.Scores(set, scores, 0, 0, 0, 1, q, 1)
	if scores[0] != 3.140625 { // π to 11 bits
		t.Fatalf("π is %v", scores[0])
	}
}

func TestPositionBytes(t *testing.T) {
	s := Shape{Layers: 30, Heads: 5, HeadSize: 128, Half: true}
	if got := s.PositionBytes(); got != 30*2*5*128*2 {
		t.Fatal(got)
	}
}
