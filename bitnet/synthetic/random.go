package synthetic

import (
	"encoding/binary"
	"io"
	"math"
	"sync"

	"github.com/x448/float16"

	"github.com/gobitnet/gobitnet/quant"
)

const (
	// shareOfZeros is about that of the published model.
	shareOfZeros = 0.42
	scaleBytes   = quant.ScaleBytes
	chunkBytes   = 1 << 16
)

// random is the generator SplitMix64 (Steele, Lea and Flood, "Fast Splittable
// Pseudorandom Number Generators", 2014).
type random struct{ state uint64 }

// newRandom returns the generator of one stream of a seed.
func newRandom(seed, stream uint64) *random {
	r := &random{seed}
	return &random{r.next() ^ (&random{^stream}).next()}
}

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// uniform returns a number from 0 up to 1.
func (r *random) uniform() float64 { return float64(r.next()>>11) / (1 << 53) }

// bell returns a number with mean 0 and variance 1, nearly normal: a sum of
// four uniform ones, which unlike a logarithm or a cosine is the same on every
// machine.
func (r *random) bell() float64 {
	z := r.next()
	sum := z&0xffff + z>>16&0xffff + z>>32&0xffff + z>>48
	return (float64(sum)/65536 - (2 - 2./65536)) * math.Sqrt(3)
}

func appendFloat32(b []byte, x float32) []byte {
	return binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
}

// Weights are drawn from tables of 65,536, four at a time, which is many times
// as fast as computing each.

// writeHalves writes n float16 values of a standard deviation.
func (r *random) writeHalves(w io.Writer, n int, deviation float64) error {
	table := make([]uint16, 1<<16)
	for i := range table {
		table[i] = float16.Fromfloat32(float32(r.bell() * deviation)).Bits()
	}
	var chunk [chunkBytes]byte
	for n > 0 {
		size := min(2*n, chunkBytes)
		for i := 0; i < size; i += 8 {
			z := r.next()
			binary.LittleEndian.PutUint64(chunk[i:], uint64(table[z&0xffff])|uint64(table[z>>16&0xffff])<<16|
				uint64(table[z>>32&0xffff])<<32|uint64(table[z>>48])<<48)
		}
		if _, err := w.Write(chunk[:size]); err != nil {
			return err
		}
		n -= size / 2
	}
	return nil
}

// codeTable has bytes of four ternary codes each.
var codeTable = sync.OnceValue(func() []byte {
	r := newRandom(0, 0)
	table := make([]byte, 1<<16)
	for i := range table {
		for range 4 {
			code := byte(1) // the weight 0
			if r.uniform() >= shareOfZeros {
				code = byte(r.next()>>63) * 2
			}
			table[i] = table[i]<<2 | code
		}
	}
	return table
})

// writeCodes writes n bytes of ternary codes.
func (r *random) writeCodes(w io.Writer, n int) error {
	table := codeTable()
	var chunk [chunkBytes]byte
	for n > 0 {
		size := min(n, chunkBytes)
		for i := 0; i < size; i += 4 {
			z := r.next()
			binary.LittleEndian.PutUint32(chunk[i:], uint32(table[z&0xffff])|uint32(table[z>>16&0xffff])<<8|
				uint32(table[z>>32&0xffff])<<16|uint32(table[z>>48])<<24)
		}
		if _, err := w.Write(chunk[:size]); err != nil {
			return err
		}
		n -= size
	}
	return nil
}
