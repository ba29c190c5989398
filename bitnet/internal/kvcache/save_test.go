package kvcache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/x448/float16"
)

// TestSaveAndLoad reads back what was saved, and holds the bytes against their
// definition, element by element.
func TestSaveAndLoad(t *testing.T) {
	for _, half := range []bool{true, false} {
		shape := Shape{Layers: 2, Heads: 3, HeadSize: 32, Half: half}
		for _, positions := range []int{0, 1, 17, 128, 129, 300} {
			c := New(shape)
			fill(c, 0, positions+5, 0) // five more, which are not saved
			var saved bytes.Buffer
			if err := c.Save(&saved, positions); err != nil {
				t.Fatal(err)
			}
			var want []byte
			element := func(v float32) {
				if half {
					want = binary.LittleEndian.AppendUint16(want, float16.Fromfloat32(v).Bits())
				} else {
					want = binary.LittleEndian.AppendUint32(want, math.Float32bits(v))
				}
			}
			for first := 0; first < positions; first += ChunkPositions {
				last := min(first+ChunkPositions, positions)
				for layer := range shape.Layers {
					for head := range shape.Heads {
						for position := first; position < last; position++ {
							for d := range shape.HeadSize {
								element(number(layer, head, position, d))
							}
						}
						for position := first; position < last; position++ {
							for d := range shape.HeadSize {
								element(number(layer, head, d, position))
							}
						}
					}
				}
			}
			if !bytes.Equal(saved.Bytes(), want) {
				t.Fatalf("half %v, %d positions: other bytes than defined", half, positions)
			}
			if n := positions * shape.PositionBytes(); len(want) != n {
				t.Fatalf("%d bytes, want %d", len(want), n)
			}
			loaded := New(shape)
			saved.WriteString("more")
			if err := loaded.Load(&saved, positions); err != nil {
				t.Fatal(err)
			}
			if saved.String() != "more" {
				t.Fatalf("%d bytes are left, want 4", saved.Len())
			}
			check(t, loaded, positions, 0)
			fill(loaded, positions, positions+40, 0)
			check(t, loaded, positions+40, 0)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	shape := Shape{Layers: 1, Heads: 2, HeadSize: 16, Half: true}
	c := New(shape)
	fill(c, 0, 200, 0)
	var saved bytes.Buffer
	if err := c.Save(&saved, 200); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 100, 8192, saved.Len() - 1} {
		short := New(shape)
		if err := short.Load(bytes.NewReader(saved.Bytes()[:n]), 200); err != io.ErrUnexpectedEOF {
			t.Errorf("%d of %d bytes: %v", n, saved.Len(), err)
		}
		if pages := n/(ChunkPositions*shape.PositionBytes()) + 1; len(short.pages) > pages {
			t.Errorf("%d of %d bytes: %d pages, want %d", n, saved.Len(), len(short.pages), pages)
		}
	}
	broken := errors.New("broken")
	if err := c.Save(failing{broken}, 200); err != broken {
		t.Errorf("writing: %v", err)
	}
	if err := New(shape).Load(failing{broken}, 200); err != broken {
		t.Errorf("reading: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
func (f failing) Read([]byte) (int, error)  { return 0, f.err }
