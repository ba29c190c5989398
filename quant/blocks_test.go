package quant

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/x448/float16"
)

// blockFormats are the formats whose blocks have scales.
var blockFormats = []Format{TQ1_0, TQ2_0, Q2_0, PQ2_0, PTQ1_0}

// storedWeight reads one weight of a row, as a code and a scale, by the formats'
// descriptions, apart from how the kernels do it.
func storedWeight(f Format, row []byte, i int) (code int, scale float64) {
	half := func(b []byte) float64 {
		h := binary.LittleEndian.Uint16(b)
		sign, exponent, fraction := 1-2*float64(h>>15), int(h>>10&31), float64(h&1023)
		switch exponent {
		case 0:
			return sign * math.Ldexp(fraction, -24)
		case 31:
			return sign * math.Inf(1)
		}
		return sign * math.Ldexp(1024+fraction, exponent-25)
	}
	// digit n of a number of five digits to the base of three, kept as a fraction
	// of 256.
	digit := func(b byte, n int) int {
		rest := int(b)
		for range n {
			rest = rest * 3 % 256
		}
		return rest * 3 / 256
	}
	switch f {
	case TQ2_0:
		b := row[i/256*66:]
		i %= 256
		return int(b[i/128*32+i%32]) >> (i % 128 / 32 * 2) & 3, half(b[64:])
	case TQ1_0:
		b := row[i/256*54:]
		scale = half(b[52:])
		switch i %= 256; {
		case i < 160:
			return digit(b[i%32], i/32), scale
		case i < 240:
			return digit(b[32+(i-160)%16], (i-160)/16), scale
		}
		return digit(b[48+(i-240)%4], (i-240)/4), scale
	case Q2_0:
		b := row[i/64*18:]
		i %= 64
		return int(b[2+i/4]) >> (i % 4 * 2) & 3, half(b)
	case PQ2_0:
		b := row[i/128*34:]
		i %= 128
		return int(b[2+i/4]) >> (i % 4 * 2) & 3, half(b)
	case PTQ1_0:
		b := row[i/128*28:]
		scale = half(b[26:])
		switch i %= 128; {
		case i < 80:
			return digit(b[i%16], i/16), scale
		case i < 120:
			return digit(b[16+(i-80)%8], (i-80)/8), scale
		}
		return digit(b[24+(i-120)%2], (i-120)/2), scale
	}
	panic("no format of blocks")
}

// setScale stores the scale of block n of a row.
func setScale(f Format, rows []byte, n int, scale uint16) {
	at := map[Format][2]int{TQ1_0: {54, 52}, TQ2_0: {66, 64}, Q2_0: {18, 0}, PQ2_0: {34, 0}, PTQ1_0: {28, 26}}[f]
	binary.LittleEndian.PutUint16(rows[n*at[0]+at[1]:], scale)
}

// halfScales are float16 numbers from the smallest to the largest, of both signs.
func halfScales(r *rand.Rand) uint16 {
	switch r.IntN(8) {
	case 0:
		return []uint16{0, 0x8000, 1, 0x8001, 0x3ff, 0x7bff, 0xfbff, 0x3c00}[r.IntN(8)]
	default:
		return float16.Fromfloat32(float32(r.NormFloat64() * 0.05)).Bits()
	}
}

func randomBlocks(r *rand.Rand, f Format, rows, cols int) []byte {
	size, err := f.TensorBytes(rows, cols)
	if err != nil {
		panic(err)
	}
	data := randomCodes(r, size)
	perRow := cols / map[Format]int{TQ1_0: 256, TQ2_0: 256, Q2_0: 64, PQ2_0: 128, PTQ1_0: 128}[f]
	for n := range rows * perRow {
		setScale(f, data, n, halfScales(r))
	}
	return data
}

// blockProduct is the definition for one row and one token, in arithmetic that
// rounds nothing but where it says so.
func blockProduct(f Format, row []byte, x []float32) float32 {
	const size = 64 // of a block of activations
	y := float32(0)
	for at := 0; at < len(x); at += size {
		block := x[at : at+size]
		largest := 0x1p-100
		for _, v := range block {
			largest = max(largest, math.Abs(float64(v)))
		}
		s := float32(127 / largest)
		sum := 0
		for i, v := range block {
			code, _ := storedWeight(f, row, at+i)
			q := math.RoundToEven(float64(float32(float64(v) * float64(s))))
			sum += (code - 1) * int(max(-128, min(127, q)))
		}
		_, d := storedWeight(f, row, at)
		scale := float32(d * float64(float32(largest/127)))
		exact := new(big.Float).SetPrec(400).SetInt64(int64(sum))
		exact.Mul(exact, new(big.Float).SetFloat64(float64(scale)))
		exact.Add(exact, new(big.Float).SetFloat64(float64(y)))
		if exact.Sign() == 0 {
			y = 0
			continue
		}
		y, _ = exact.Float32()
	}
	return y
}

func blockActivations(t testing.TB, k *Kernels, f Format, x [][]float32) *Activations {
	t.Helper()
	a, err := k.NewActivations(len(x), len(x[0]), f)
	if err != nil {
		t.Fatal(err)
	}
	for token := range x {
		if err := a.Quantize(token, x[token]); err != nil {
			t.Fatal(err)
		}
	}
	for p := range a.Panels() {
		if err := a.Pack(p); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func randomVectors(r *rand.Rand, tokens, cols int) [][]float32 {
	x := make([][]float32, tokens)
	for t := range x {
		x[t] = make([]float32, cols)
		for i := range x[t] {
			x[t][i] = float32(r.NormFloat64() * math.Exp(r.NormFloat64()*3))
		}
		if r.IntN(2) == 0 {
			clear(x[t][:64]) // a block of zeros
		}
	}
	return x
}

// TestBlockProducts holds every format and every kernel against the definition.
func TestBlockProducts(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		r := rand.New(rand.NewPCG(21, 22))
		var scratch Scratch
		for _, f := range blockFormats {
			for _, size := range [][3]int{{1, 256, 1}, {7, 512, 1}, {8, 256, 2}, {9, 768, 3}, {37, 256, 4}, {64, 512, 5}, {65, 256, 6}, {70, 768, 7}, {130, 256, 13}, {17, 1280, 40}} {
				rows, cols, tokens := size[0], size[1], size[2]
				data := randomBlocks(r, f, rows, cols)
				m, err := NewMatrix(f, rows, cols, data)
				if err != nil {
					t.Fatal(err)
				}
				x := randomVectors(r, tokens, cols)
				a := blockActivations(t, k, f, x)
				stride := rows + 3
				dst := make([]float32, tokens*stride)
				for i := range dst {
					dst[i] = 12345
				}
				// In two slices, as goroutines would share it.
				half := rows / 3
				for _, part := range [][2]int{{0, half}, {half, rows}} {
					if part[0] < part[1] {
						if err := k.Multiply(dst[part[0]:], stride, m.Slice(part[0], part[1]), a, &scratch); err != nil {
							t.Fatal(err)
						}
					}
				}
				rowBytes := len(data) / rows
				for token := range tokens {
					for row := range stride {
						want := float32(12345)
						if row < rows {
							want = blockProduct(f, data[row*rowBytes:(row+1)*rowBytes], x[token])
						}
						if got := dst[token*stride+row]; math.Float32bits(got) != math.Float32bits(want) {
							t.Fatalf("%v, %d × %d, %d tokens: row %d, token %d is %v, want %v", f, rows, cols, tokens, row, token, got, want)
						}
					}
				}
			}
		}
	})
}

// TestBlockExtremes has every code beside activations at their limits, where sums
// in 16 bits would overflow.
func TestBlockExtremes(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		var scratch Scratch
		for _, f := range blockFormats {
			const cols, rows = 512, 9
			for _, codes := range []byte{0, 0x55, 0xaa, 0xff} {
				for _, scale := range []uint16{1, 0x3c00, 0xfbff} {
					size, _ := f.TensorBytes(rows, cols)
					data := make([]byte, size)
					for i := range data {
						data[i] = codes
					}
					blocks := size / map[Format]int{TQ1_0: 54, TQ2_0: 66, Q2_0: 18, PQ2_0: 34, PTQ1_0: 28}[f]
					for n := range blocks {
						setScale(f, data, n, scale)
					}
					m, err := NewMatrix(f, rows, cols, data)
					if err != nil {
						t.Fatal(err)
					}
					for _, v := range []float32{-3, 3, 0x1p-149, -0x1p100} {
						for _, tokens := range []int{1, 3, 50} {
							x := make([][]float32, tokens)
							for i := range x {
								x[i] = make([]float32, cols)
								for j := range x[i] {
									x[i][j] = v
								}
							}
							dst := make([]float32, tokens*rows)
							if err := k.Multiply(dst, rows, m, blockActivations(t, k, f, x), &scratch); err != nil {
								t.Fatal(err)
							}
							want := blockProduct(f, data[:size/rows], x[0])
							for i, got := range dst {
								if math.Float32bits(got) != math.Float32bits(want) {
									t.Fatalf("%v, codes %#x, scale %#x, activations %v, %d tokens: product %d is %v, want %v", f, codes, scale, v, tokens, i, got, want)
								}
							}
						}
					}
				}
			}
		}
	})
}

// TestBlockSums has all scales 1, so that every step of a product is a whole number,
// also where a processor is emulated whose float32 arithmetic is not exact.
func TestBlockSums(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		r := rand.New(rand.NewPCG(33, 34))
		b := &k.blocks
		for _, f := range blockFormats {
			for _, size := range [][2]int{{1, 256}, {13, 512}, {70, 768}} {
				rows, cols := size[0], size[1]
				data := randomBlocks(r, f, rows, cols)
				rowBytes := len(data) / rows
				for n := range rows * cols / layouts[f].weights {
					setScale(f, data, n, 0x3c00)
				}
				const size = 64 // of a block of activations
				tokens := max(b.panelTokens, 1)
				q, scale, sum := randomImages(r, tokens, cols)
				for i := range scale {
					scale[i] = 1
				}
				want := make([][]float32, tokens)
				for token := range want {
					want[token] = make([]float32, rows)
					for row := range rows {
						for i := range cols {
							code, _ := storedWeight(f, data[row*rowBytes:], i)
							at := i
							if f == Q2_0 || f == PQ2_0 {
								at = i/size*size + i%4*(size/4) + i%size/4
							}
							want[token][row] += float32((code - 1) * int(q[token*cols+at]))
						}
					}
				}
				got := make([]float32, rows)
				for token := range tokens {
					first := token * cols / size
					b.dots[f](got, data, q[token*cols:(token+1)*cols], scale[first:first+cols/size], sum[first:first+cols/size])
					if !slices.Equal(got, want[token]) {
						t.Fatalf("%v: %d × %d, token %d: %v, want %v", f, rows, cols, token, got, want[token])
					}
				}
				if b.mulTile == nil {
					continue
				}
				tile, scales := make([]byte, b.tileRows*cols), make([]float32, b.tileRows*cols/size)
				panel, products := make([]int8, tokens*cols), make([]float32, b.tileRows*tokens)
				b.packPanel(panel, q, cols)
				for lo := 0; lo < rows; lo += b.tileRows {
					n := min(b.tileRows, rows-lo)
					b.unpackTile[f](tile, scales, data[lo*rowBytes:(lo+n)*rowBytes], cols)
					b.mulTile(products, tile, scales, panel, scale, sum, cols)
					for token := range tokens {
						if got := products[token*b.tileRows:][:n]; !slices.Equal(got, want[token][lo:lo+n]) {
							t.Fatalf("%v: tile at row %d of %d × %d, token %d: %v, want %v", f, lo, rows, cols, token, got, want[token][lo:lo+n])
						}
					}
				}
			}
		}
	})
}

// TestBlockScaleNotFinite: a scale of a damaged file shows in its row, in no
// other.
func TestBlockScaleNotFinite(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		r := rand.New(rand.NewPCG(23, 24))
		var scratch Scratch
		for _, f := range blockFormats {
			for _, tokens := range []int{1, 50} {
				const rows, cols, bad = 20, 512, 13
				data := randomBlocks(r, f, rows, cols)
				blocks := cols / layouts[f].weights
				setScale(f, data, bad*blocks+1, []uint16{0x7c00, 0xfc00, 0x7e01}[r.IntN(3)])
				m, err := NewMatrix(f, rows, cols, data)
				if err != nil {
					t.Fatal(err)
				}
				x := randomVectors(r, tokens, cols)
				dst := make([]float32, tokens*rows)
				if err := k.Multiply(dst, rows, m, blockActivations(t, k, f, x), &scratch); err != nil {
					t.Fatal(err)
				}
				for i, y := range dst {
					if finite := y-y == 0; finite != (i%rows != bad) {
						t.Fatalf("%v, %d tokens: product %d is %v", f, tokens, i, y)
					}
				}
			}
		}
	})
}

func TestBlockActivationsNotFinite(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		for _, f := range blockFormats {
			for _, at := range []int{0, 63, 64, 127, 128, 255} {
				x := make([]float32, 256)
				x[at] = float32(math.Inf(-1))
				a, err := k.NewActivations(1, 256, f)
				if err != nil {
					t.Fatal(err)
				}
				if err := a.Quantize(0, x); !errors.Is(err, ErrActivation) {
					t.Fatalf("%v: infinity at %d: %v", f, at, err)
				}
			}
		}
	})
}

// TestSeveralForms quantizes for several formats at once, which changes none of
// the products.
func TestSeveralForms(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		r := rand.New(rand.NewPCG(25, 26))
		const rows, cols = 20, 512
		var scratch Scratch
		for _, tokens := range []int{1, 7, 200} {
			x := randomVectors(r, tokens, cols)
			all, err := k.NewActivations(tokens, cols, append([]Format{I2S}, blockFormats...)...)
			if err != nil {
				t.Fatal(err)
			}
			for token := range x {
				if err := all.Quantize(token, x[token]); err != nil {
					t.Fatal(err)
				}
			}
			for p := range all.Panels() {
				if err := all.Pack(p); err != nil {
					t.Fatal(err)
				}
			}
			for f := range formats {
				size, _ := f.TensorBytes(rows, cols)
				data := make([]byte, size)
				if f == I2S {
					copy(data, randomCodes(r, rows*cols/4))
					copy(data[rows*cols/4:], "\x00\x00\x00\x3e")
				} else {
					data = randomBlocks(r, f, rows, cols)
				}
				m, err := NewMatrix(f, rows, cols, data)
				if err != nil {
					t.Fatal(err)
				}
				got, want := make([]float32, tokens*rows), make([]float32, tokens*rows)
				if err := k.Multiply(got, rows, m, all, &scratch); err != nil {
					t.Fatal(err)
				}
				if err := k.Multiply(want, rows, m, blockActivations(t, k, f, x), &scratch); err != nil {
					t.Fatal(err)
				}
				for i := range got {
					if got[i] != want[i] {
						t.Fatalf("%v, %d tokens: product %d is %v, alone %v", f, tokens, i, got[i], want[i])
					}
				}
			}
		}
	})
}

// TestWiden holds the widened rows against the formats' descriptions.
func TestWiden(t *testing.T) {
	r := rand.New(rand.NewPCG(27, 28))
	const rows, cols = 3, 768
	for _, f := range append([]Format{I2S}, blockFormats...) {
		size, _ := f.TensorBytes(rows, cols)
		data := make([]byte, size)
		if f == I2S {
			copy(data, randomCodes(r, rows*cols/4))
			copy(data[rows*cols/4:], "\x00\x00\x40\xbf") // −0.75
		} else {
			data = randomBlocks(r, f, rows, cols)
		}
		m, err := NewMatrix(f, rows, cols, data)
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]float32, cols)
		for row := range rows {
			if err := m.Widen(dst, row); err != nil {
				t.Fatal(err)
			}
			for i, got := range dst {
				var want float64
				if f == I2S {
					want = -0.75 * float64(codeAt(data, cols, row, i)-1)
				} else {
					code, scale := storedWeight(f, data[row*(size/rows):], i)
					want = scale * float64(code-1)
				}
				if float64(got) != want {
					t.Fatalf("%v: weight %d of row %d is %v, want %v", f, i, row, got, want)
				}
			}
		}
		for _, row := range []int{-1, rows} {
			if err := m.Widen(dst, row); !errors.Is(err, ErrShape) {
				t.Errorf("%v: row %d: %v", f, row, err)
			}
		}
		if err := m.Widen(dst[1:], 0); !errors.Is(err, ErrShape) {
			t.Errorf("%v: into a short slice: %v", f, err)
		}
	}
}

func TestArrange(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		r := rand.New(rand.NewPCG(29, 30))
		for _, n := range []int{128, 256, 1280} {
			q := randomActivations(r, n)
			got := slices.Clone(q)
			k.blocks.arrange(got)
			for i, v := range q {
				block, at := i/64*64, i%64
				if place := block + at%4*16 + at/4; got[place] != v {
					t.Fatalf("%d in all: activation %d is not at %d", n, i, place)
				}
			}
		}
	})
}

func TestFormats(t *testing.T) {
	for f, want := range map[Format]struct {
		name  string
		bytes int
	}{
		I2S: {"I2_S", 3*256/4 + 32}, TQ1_0: {"TQ1_0", 3 * 54}, TQ2_0: {"TQ2_0", 3 * 66},
		Q2_0: {"Q2_0", 12 * 18}, PQ2_0: {"PQ2_0", 6 * 34}, PTQ1_0: {"PTQ1_0", 6 * 28},
	} {
		n, err := f.TensorBytes(3, 256)
		if err != nil || n != want.bytes || f.String() != want.name {
			t.Errorf("%v, wanted %s: 3 × 256 take %d bytes, want %d; %v", f, want.name, n, want.bytes, err)
		}
		_, err = f.TensorBytes(3, 128)
		if (err != nil) != (f == TQ1_0 || f == TQ2_0) {
			t.Errorf("%v: 3 × 128: %v", f, err)
		}
		for _, size := range [][2]int{{0, 256}, {1, 0}, {1, 64}, {1, 1<<20 + 256}, {math.MaxInt / 8, 256}, {math.MaxInt, math.MaxInt}} {
			if _, err := f.TensorBytes(size[0], size[1]); !errors.Is(err, ErrShape) {
				t.Errorf("%v: %d × %d: %v", f, size[0], size[1], err)
			}
		}
	}
	if fmt.Sprint(formats) != "unknown format" {
		t.Error(formats)
	}
	if _, err := formats.TensorBytes(1, 256); !errors.Is(err, ErrShape) {
		t.Error(err)
	}
	if _, err := generic.NewActivations(1, 256, formats); !errors.Is(err, ErrShape) {
		t.Error(err)
	}
	m, _ := NewMatrix(PQ2_0, 1, 128, make([]byte, 34))
	for _, f := range []Format{I2S, TQ2_0} {
		a, err := generic.NewActivations(1, 128, f)
		if err != nil {
			t.Fatal(err)
		}
		if err := generic.Multiply(make([]float32, 1), 1, m, a, new(Scratch)); !errors.Is(err, ErrShape) {
			t.Errorf("PQ2_0 with activations for %v: %v", f, err)
		}
	}
}
