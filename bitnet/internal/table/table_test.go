package table

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
	"github.com/gobitnet/gobitnet/quant"
)

// A stored number is the integer q times scale less least, by the descriptions of
// the formats, number by number, apart from how the kernels unpack blocks.
type stored struct {
	q            int
	scale, least float64
}

func (s stored) value() float64 { return float64(s.q)*s.scale - s.least }

func half(b []byte) float64 {
	h := binary.LittleEndian.Uint16(b)
	sign, exponent, fraction := 1-2*float64(h>>15), int(h>>10&31), float64(h&1023)
	switch {
	case exponent == 0:
		return sign * math.Ldexp(fraction, -24)
	case exponent == 31 && fraction != 0:
		return math.NaN()
	case exponent == 31:
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}

// blockTypes are the types in blocks: how many numbers and bytes a block has, where
// its float16 scales are, and number i of a block.
var blockTypes = map[gguf.TensorType]struct {
	numbers, bytes int
	scales         []int
	number         func(b []byte, i int) stored
}{
	gguf.Q8_0: {32, 34, []int{0}, func(b []byte, i int) stored {
		return stored{q: int(int8(b[2+i])), scale: half(b)}
	}},
	gguf.Q4_0: {32, 18, []int{0}, func(b []byte, i int) stored {
		return stored{q: int(b[2+i%16])>>(i/16*4)&15 - 8, scale: half(b)}
	}},
	gguf.Q5_0: {32, 22, []int{0}, func(b []byte, i int) stored {
		high := int(b[2+i/8]) >> (i % 8) & 1
		return stored{q: int(b[6+i%16])>>(i/16*4)&15 + 16*high - 16, scale: half(b)}
	}},
	gguf.Q6_K: {256, 210, []int{208}, func(b []byte, i int) stored {
		h, quarter, l := i/128, i%128/32, i%32
		low := int(b[64*h+quarter%2*32+l]) >> (quarter / 2 * 4) & 15
		high := int(b[128+32*h+l]) >> (2 * quarter) & 3
		return stored{q: low + 16*high - 32, scale: half(b[208:]) * float64(int8(b[192+8*h+2*quarter+l/16]))}
	}},
	gguf.Q4_K: {256, 144, []int{0, 2}, func(b []byte, i int) stored {
		s, j := b[4:16], i/32
		var scale, least byte
		if j < 4 {
			scale, least = s[j]&63, s[j+4]&63
		} else {
			scale, least = s[j+4]&15|s[j-4]>>6<<4, s[j+4]>>4|s[j]>>6<<4
		}
		return stored{int(b[16+i/64*32+i%32]) >> (j % 2 * 4) & 15, half(b) * float64(scale), half(b[2:]) * float64(least)}
	}},
	gguf.Q3_K: {256, 110, []int{108}, func(b []byte, i int) stored {
		low := int(b[32+i/128*32+i%32]) >> (i % 128 / 32 * 2) & 3
		high := int(b[i%32]) >> (i / 32) & 1
		s, k := b[96:108], i/16
		var scale int
		switch k / 4 {
		case 0:
			scale = int(s[k]&15) + int(s[8+k]&3)*16
		case 1:
			scale = int(s[k]&15) + int(s[4+k]>>2&3)*16
		case 2:
			scale = int(s[k-8]>>4) + int(s[k]>>4&3)*16
		case 3:
			scale = int(s[k-8]>>4) + int(s[k-4]>>6&3)*16
		}
		return stored{q: low + 4*high - 4, scale: half(b[108:]) * float64(scale-32)}
	}},
}

// scaleBits are float16 numbers from the smallest to the largest, of both signs.
func scaleBits(r *rand.Rand) uint16 {
	if r.IntN(6) == 0 {
		return []uint16{0, 0x8000, 1, 0x8001, 0x3ff, 0x7bff, 0xfbff, 0x3c00}[r.IntN(8)]
	}
	return uint16(0x1000 + r.IntN(0x2000) + r.IntN(2)<<15)
}

// randomTable has random numbers with scales that are finite, and a row of zeros.
func randomTable(t testing.TB, r *rand.Rand, kind gguf.TensorType, rows, columns int) *Table {
	t.Helper()
	n := rows * columns
	var data []byte
	switch kind {
	case gguf.F16, gguf.BF16:
		for range n {
			data = binary.LittleEndian.AppendUint16(data, scaleBits(r))
		}
	case gguf.F32:
		for range n {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(r.NormFloat64())))
		}
	default:
		l := blockTypes[kind]
		data = make([]byte, n/l.numbers*l.bytes)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		for at := 0; at < len(data); at += l.bytes {
			for _, scale := range l.scales {
				binary.LittleEndian.PutUint16(data[at+scale:], scaleBits(r))
			}
		}
		if rows > 1 {
			clear(data[columns/l.numbers*l.bytes : 2*columns/l.numbers*l.bytes])
		}
	}
	table, err := New(kind, rows, columns, data)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// row returns the numbers of a row of a table in blocks.
func row(t *Table, r int) []stored {
	l := blockTypes[t.kind]
	data := t.Bytes(r, r+1)
	numbers := make([]stored, t.columns)
	for i := range numbers {
		numbers[i] = l.number(data[i/l.numbers*l.bytes:][:l.bytes], i%l.numbers)
	}
	return numbers
}

func sameBits(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

func TestWiden(t *testing.T) {
	for kind := range blockTypes {
		r := rand.New(rand.NewPCG(1, uint64(kind)))
		table := randomTable(t, r, kind, 37, 512)
		got, s := make([]float32, 512), &Scratch{}
		for n := range table.Rows() {
			if err := table.Widen(got, n, s); err != nil {
				t.Fatal(err)
			}
			for i, stored := range row(table, n) {
				if want := float32(stored.value()); got[i] != want {
					t.Fatalf("%v: number %d of row %d is %v, want %v", kind, i, n, got[i], want)
				}
			}
		}
	}
}

// lanes is the sum in sixteen lanes, by fused multiply-add.
func lanes(a, b []float32) float32 {
	var lane [16]float32
	for i := range a {
		lane[i%16] = fma(a[i], b[i], lane[i%16])
	}
	for n := 8; n > 0; n /= 2 {
		for l := range n {
			lane[l] += lane[l+n]
		}
	}
	return lane[0]
}

// fma rounds once: the sum of a product, which float64 holds, and c is corrected to
// be odd where float64 has to round it.
func fma(a, b, c float32) float32 {
	p, z := float64(a)*float64(b), float64(c)
	s := p + z
	if s-s != 0 {
		return float32(s)
	}
	v := s - p
	if rest := (p - (s - v)) + (z - v); rest != 0 && math.Float64bits(s)&1 == 0 {
		if (rest > 0) == (s > 0) {
			s = math.Float64frombits(math.Float64bits(s) + 1)
		} else {
			s = math.Float64frombits(math.Float64bits(s) - 1)
		}
	}
	return float32(s)
}

// product is the definition for one row of a table in blocks.
func product(numbers []stored, x []float32) float32 {
	var fours, scales, mins, sums []float32
	for at := 0; at < len(x); at += 32 {
		largest := 0x1p-100
		for _, v := range x[at : at+32] {
			largest = max(largest, math.Abs(float64(v)))
		}
		scale, unit := float32(32767/largest), float32(largest/32767)
		four, sum := 0, 0
		for i := at; i < at+32; i++ {
			image := int(math.RoundToEven(float64(float32(float64(x[i]) * float64(scale)))))
			four, sum = four+numbers[i].q*image, sum+image
			if i%4 == 3 {
				fours = append(fours, float32(four))
				scales = append(scales, float32(float64(float32(numbers[i].scale))*float64(unit)))
				four = 0
			}
		}
		mins = append(mins, float32(numbers[at].least))
		sums = append(sums, float32(float64(sum)*float64(unit)))
	}
	return lanes(fours, scales) - lanes(mins, sums)
}

// ordinary and wild vectors, in turn: of equal magnitude, with one far above the
// others, of magnitudes far apart, denormal, and zero.
func randomVectors(r *rand.Rand, n, columns int) [][]float32 {
	vs := make([][]float32, n)
	for v := range vs {
		vs[v] = make([]float32, columns)
		for i := range vs[v] {
			x := r.NormFloat64()
			switch v % 5 {
			case 1:
				if i == 5 {
					x = 300
				}
			case 2:
				x = math.Ldexp(x, r.IntN(60)-30)
			case 3:
				x = math.Ldexp(x, -140)
			case 4:
				x = 0
			}
			vs[v][i] = float32(x)
		}
	}
	return vs
}

var allTypes = []gguf.TensorType{gguf.F32, gguf.F16, gguf.BF16, gguf.Q8_0, gguf.Q5_0, gguf.Q4_0, gguf.Q6_K, gguf.Q4_K, gguf.Q3_K}

// TestMultiply holds every set of kernels against the definition, for stretches of
// rows and single ones, and for all numbers of vectors.
func TestMultiply(t *testing.T) {
	for _, k := range quant.Available() {
		set, err := kernel.Named(k.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range allTypes {
			t.Run(k.Name()+"/"+kind.String(), func(t *testing.T) {
				for _, columns := range []int{256, 768} {
					const rows = 21 // more than are taken at a time
					r := rand.New(rand.NewPCG(2, uint64(columns)))
					table := randomTable(t, r, kind, rows, columns)
					vs := randomVectors(r, kernel.MaxVectors, columns)
					var v Vectors
					if err := v.Set(table, k, vs...); err != nil {
						t.Fatal(err)
					}
					want, s := make([]float32, len(vs)*rows), &Scratch{}
					wide := make([]float32, columns)
					for n := range rows {
						if err := table.Widen(wide, n, s); err != nil {
							t.Fatal(err)
						}
						for i, x := range vs {
							if table.Floating() {
								want[i*rows+n] = lanes(wide, x)
							} else {
								want[i*rows+n] = product(row(table, n), x)
							}
						}
					}
					for _, some := range [][2]int{{0, len(vs)}, {0, 1}, {3, 5}, {1, 4}, {len(vs) - 1, len(vs)}} {
						first, last := some[0], some[1]
						for _, stretch := range [][2]int{{0, rows}, {0, 1}, {3, 8}, {rows - 2, rows}} {
							lo, n := stretch[0], stretch[1]-stretch[0]
							got := make([]float32, (last-first)*n+1)
							got[len(got)-1] = 5
							if err := table.Multiply(got[:len(got)-1], set, lo, lo+n, &v, first, last, s); err != nil {
								t.Fatal(err)
							}
							for i, got := range got[:len(got)-1] {
								if want := want[(first+i/n)*rows+lo+i%n]; !sameBits(got, want) {
									t.Fatalf("%d columns: row %d, vector %d is %x, want %x", columns, lo+i%n, first+i/n, got, want)
								}
							}
							if got[len(got)-1] != 5 {
								t.Fatal("wrote past the end")
							}
						}
					}
				}
			})
		}
	}
}

// TestCloseness holds products against double precision.
func TestCloseness(t *testing.T) {
	const rows, columns = 50, 2560
	kernels := quant.Best()
	set, err := kernel.Named(kernels.Name())
	if err != nil {
		t.Fatal(err)
	}
	for kind, l := range blockTypes {
		r := rand.New(rand.NewPCG(3, uint64(kind)))
		table := randomTable(t, r, kind, rows, columns)
		for at := 0; at < len(table.data); at += l.bytes {
			for _, scale := range l.scales {
				binary.LittleEndian.PutUint16(table.data[at+scale:], 0x2000)
			}
		}
		vs := randomVectors(r, 2, columns)
		var v Vectors
		if err := v.Set(table, kernels, vs...); err != nil {
			t.Fatal(err)
		}
		got := make([]float32, len(vs)*rows)
		if err := table.Multiply(got, set, 0, rows, &v, 0, len(vs), &Scratch{}); err != nil {
			t.Fatal(err)
		}
		// The second vector has an element 300 times as large as the others.
		for i, limit := range []float64{5e-5, 1e-4} {
			var off, size float64
			for n := range rows {
				exact := 0.0
				for j, number := range row(table, n) {
					exact += number.value() * float64(vs[i][j])
				}
				d := float64(got[i*rows+n]) - exact
				off, size = off+float64(d*d), size+float64(exact*exact)
			}
			off = math.Sqrt(off / size)
			t.Logf("%v: products of vector %d are off by %.2g of their size", kind, i, off)
			if off > limit {
				t.Errorf("%v: that is above %v", kind, limit)
			}
		}
	}
}

// TestNotFinite asks that what is not finite shows: in the row whose scale it is, and
// in all products of a vector.
func TestNotFinite(t *testing.T) {
	for _, k := range quant.Available() {
		set, err := kernel.Named(k.Name())
		if err != nil {
			t.Fatal(err)
		}
		for kind, l := range blockTypes {
			r := rand.New(rand.NewPCG(4, uint64(kind)))
			table := randomTable(t, r, kind, 3, 256)
			vs := randomVectors(r, 1, 256)
			bad := slices.Clone(vs[0])
			bad[77] = []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}[r.IntN(3)]
			for _, scale := range l.scales {
				for _, bits := range []uint16{0x7c00, 0xfc00, 0x7e00} {
					table.data[table.rowBytes] = 0x55
					binary.LittleEndian.PutUint16(table.data[table.rowBytes+scale:], bits)
					if l.numbers == 256 {
						for i := range 16 { // scales that are not zero
							table.data[table.rowBytes+l.bytes-18+i] |= 1
						}
					}
					var v Vectors
					if err := v.Set(table, k, vs[0], bad); err != nil {
						t.Fatal(err)
					}
					got := make([]float32, 6)
					if err := table.Multiply(got, set, 0, 3, &v, 0, 2, &Scratch{}); err != nil {
						t.Fatal(err)
					}
					for i, v := range got {
						if finite := v-v == 0; finite != (i == 0 || i == 2) {
							t.Fatalf("%s, %v, scale %#x: product %d is %v", k.Name(), kind, bits, i, v)
						}
					}
				}
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	data := make([]byte, 1<<16)
	for _, c := range []struct {
		kind          gguf.TensorType
		rows, columns int
		bytes         int
	}{
		{gguf.F16, 4, 128, 4*256 - 1},
		{gguf.F16, 0, 128, 1024},
		{gguf.F16, 1, 0, 1024},
		{gguf.F32, 4, 24, 1024},
		{gguf.Q8_0, 2, 32, 68},
		{gguf.Q8_0, 2, 64, 4 * 34},
		{gguf.Q8_0, 2, 128, 8*34 - 1},
		{gguf.Q6_K, 1, 128, 210},
		{gguf.Q6_K, 2, 256, 419},
		{gguf.Q6_K, -1, 256, 419},
		{gguf.Q4_K, 1, -256, 419},
		{gguf.I2S, 2, 128, 64},
		{gguf.TQ2_0, 1, 128, 66},
		{gguf.PQ2_0, 2, 128, 67},
		{gguf.Q5_K, 1, 256, 176},
		{gguf.TensorType(999), 1, 256, 512},
	} {
		if _, err := New(c.kind, c.rows, c.columns, data[:c.bytes]); err == nil {
			t.Errorf("%v of %d × %d in %d bytes is taken", c.kind, c.rows, c.columns, c.bytes)
		}
	}
	_, err := New(gguf.Q5_K, 1, 256, data[:176])
	if err == nil || !strings.Contains(err.Error(), "type Q5_K") || !strings.Contains(err.Error(), "requantize") {
		t.Errorf("of a type that is not read: %v", err)
	}
}

// TestTernary compares with package quant, whose kernels compute these tables: rows
// and vectors together or one by one, and the rows that the vocabulary leaves.
func TestTernary(t *testing.T) {
	const all, rows, columns = 13, 11, 512
	for kind, format := range ternaryFormats {
		r := rand.New(rand.NewPCG(5, uint64(kind)))
		size, err := format.TensorBytes(all, columns)
		if err != nil {
			t.Fatal(err)
		}
		// Bytes whose float16 numbers, wherever they lie, are finite.
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(r.IntN(0x40))
		}
		matrix, err := quant.NewMatrix(format, all, columns, data)
		if err != nil {
			t.Fatal(err)
		}
		vs := randomVectors(r, 9, columns)
		vs[4][3] = float32(math.Inf(1))
		var digest string
		for _, k := range quant.Available() {
			table, err := New(kind, rows, columns, data)
			if err != nil {
				t.Fatal(err)
			}
			var v Vectors
			if err := v.Set(table, k, vs...); err != nil {
				t.Fatal(err)
			}
			set, err := kernel.Named(k.Name())
			if err != nil {
				t.Fatal(err)
			}
			got, s := make([]float32, len(vs)*rows), &Scratch{}
			if err := table.Multiply(got, set, 0, rows, &v, 0, len(vs), s); err != nil {
				t.Fatal(err)
			}
			one := make([]float32, 1)
			for i, x := range vs {
				want := make([]float32, all)
				if a, err := k.NewActivations(1, columns, format); err != nil {
					t.Fatal(err)
				} else if a.Quantize(0, x) != nil {
					for n := range want {
						want[n] = float32(math.NaN())
					}
				} else if err := k.Multiply(want, all, matrix, a, &quant.Scratch{}); err != nil {
					t.Fatal(err)
				} else if format != quant.I2S {
					rest, more := make([]float32, columns), make([]float32, all)
					if err := errors.Join(a.Rest(rest, 0, x, format), a.Quantize(0, rest), k.Multiply(more, all, matrix, a, &quant.Scratch{})); err != nil {
						t.Fatal(err)
					}
					for n := range want {
						want[n] += more[n]
					}
				}
				for n := range rows {
					if err := table.Multiply(one, set, n, n+1, &v, i, i+1, s); err != nil {
						t.Fatal(err)
					}
					if got := got[i*rows+n]; !sameBits(got, want[n]) || !sameBits(one[0], want[n]) {
						t.Fatalf("%v by %s: row %d, vector %d is %v and %v, want %v", kind, k.Name(), n, i, got, one[0], want[n])
					}
				}
			}
			if d := fmt.Sprint(got); digest == "" {
				digest = d
			} else if d != digest {
				t.Fatalf("%v: %s gives other products", kind, k.Name())
			}
			wide, want := make([]float32, columns), make([]float32, columns)
			for n := range rows {
				if err := table.Widen(wide, n, s); err != nil {
					t.Fatal(err)
				}
				if err := matrix.Widen(want, n); err != nil {
					t.Fatal(err)
				}
				if !slices.EqualFunc(wide, want, sameBits) {
					t.Fatalf("%v: row %d is another one", kind, n)
				}
			}
		}
	}
}
