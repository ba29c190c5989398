package convert

import (
	"encoding/binary"
	"math"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// decode returns the values of a tensor in double precision. It is written from the
// tables of the formats, and shares nothing with what encodes.
func decode(t gguf.Tensor) []float64 {
	n := int(t.Elements())
	values := make([]float64, n)
	half := func(b []byte) float64 {
		h := binary.LittleEndian.Uint16(b)
		x := math.Ldexp(float64(h&1023), -24)
		if e := int(h >> 10 & 31); e > 0 {
			x = math.Ldexp(1+float64(h&1023)/1024, e-15)
		}
		if h>>15 == 1 {
			x = -x
		}
		return x
	}
	blocks := func(weights, bytes int, decode func(b []byte, values []float64)) {
		for i := range n / weights {
			decode(t.Data[i*bytes:][:bytes], values[i*weights:][:weights])
		}
	}
	// digit returns a base-3 digit of a byte, the first for n = 0.
	digit := func(b byte, n int) float64 {
		v := int(b)
		for range n {
			v = v * 3 % 256
		}
		return float64(v * 3 / 256)
	}
	switch t.Type {
	case gguf.F32:
		for i := range values {
			values[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:])))
		}
	case gguf.F16:
		for i := range values {
			values[i] = half(t.Data[2*i:])
		}
	case gguf.I2S:
		scale := float64(math.Float32frombits(binary.LittleEndian.Uint32(t.Data[n/4:])))
		for i := range values {
			b, j := i/128, i%128
			values[i] = (float64(t.Data[32*b+j%32]>>(6-2*(j/32))&3) - 1) * scale
		}
	case gguf.TQ2_0:
		blocks(256, 66, func(b []byte, v []float64) {
			for i := range v {
				v[i] = (float64(b[32*(i/128)+i%32]>>(2*(i/32%4))&3) - 1) * half(b[64:])
			}
		})
	case gguf.TQ1_0:
		blocks(256, 54, func(b []byte, v []float64) {
			for i := range v {
				var q float64
				switch {
				case i < 160:
					q = digit(b[i%32], i/32)
				case i < 240:
					q = digit(b[32+i%16], (i-160)/16)
				default:
					q = digit(b[48+i%4], (i-240)/4)
				}
				v[i] = (q - 1) * half(b[52:])
			}
		})
	case gguf.PTQ1_0:
		blocks(128, 28, func(b []byte, v []float64) {
			for i := range v {
				var q float64
				switch {
				case i < 80:
					q = digit(b[i%16], i/16)
				case i < 120:
					q = digit(b[16+i%8], (i-80)/8)
				default:
					q = digit(b[24+i%2], (i-120)/2)
				}
				v[i] = (q - 1) * half(b[26:])
			}
		})
	case gguf.Q2_0, gguf.PQ2_0:
		weights := map[gguf.TensorType]int{gguf.Q2_0: 64, gguf.PQ2_0: 128}[t.Type]
		blocks(weights, 2+weights/4, func(b []byte, v []float64) {
			for i := range v {
				v[i] = (float64(b[2+i/4]>>(2*(i%4))&3) - 1) * half(b)
			}
		})
	case gguf.Q8_0:
		blocks(32, 34, func(b []byte, v []float64) {
			for i := range v {
				v[i] = float64(int8(b[2+i])) * half(b)
			}
		})
	case gguf.Q6_K:
		blocks(256, 210, func(b []byte, v []float64) {
			for h := range 2 {
				low, high, scales := b[64*h:], b[128+32*h:], b[192+8*h:]
				for l := range 32 {
					for k, q := range []byte{
						low[l]&15 | high[l]&3<<4, low[l+32]&15 | high[l]>>2&3<<4,
						low[l]>>4 | high[l]>>4&3<<4, low[l+32]>>4 | high[l]>>6<<4,
					} {
						v[128*h+32*k+l] = half(b[208:]) * float64(int8(scales[2*k+l/16])) * (float64(q) - 32)
					}
				}
			}
		})
	default:
		return nil
	}
	return values
}
