package quant

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// forEachKernels runs a test over every implementation that this processor
// has, plain Go included.
func forEachKernels(t *testing.T, test func(t *testing.T, k *Kernels)) {
	t.Helper()
	for _, k := range available {
		t.Run(k.name, func(t *testing.T) { test(t, k) })
	}
}

// columnCounts are row lengths that have every remainder of the widths at which
// kernels work.
var columnCounts = []int{128, 256, 384, 512, 640, 768, 1152, 2560, 6912}

func randomCodes(r *rand.Rand, n int) []byte {
	codes := make([]byte, n)
	for i := range codes {
		codes[i] = byte(r.Uint32())
	}
	return codes
}

func randomActivations(r *rand.Rand, n int) []int8 {
	q := make([]int8, n)
	for i := range q {
		q[i] = int8(r.Uint32())
	}
	return q
}

// codeAt reads one code as the format's description says, apart from how the
// kernels do it.
func codeAt(codes []byte, cols, row, col int) int32 {
	block := codes[(row*cols+col)/128*32:]
	col %= 128
	return int32(block[col%32]) >> (6 - 2*(col/32)) & 3
}

func TestCodeDots(t *testing.T) {
	const maxRows = 35
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, cols := range columnCounts {
			codes, q := randomCodes(r, maxRows*cols/4), randomActivations(r, k.dotTokens*cols)
			want := make([][]int32, k.dotTokens)
			for token := range want {
				want[token] = make([]int32, maxRows)
				for row := range want[token] {
					for i, v := range q[token*cols : (token+1)*cols] {
						want[token][row] += codeAt(codes, cols, row, i) * int32(v)
					}
				}
			}
			for _, rows := range []int{1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 17, 20, 31, maxRows} {
				for tokens := 1; tokens <= k.dotTokens; tokens++ {
					sums := make([]int32, tokens*rows+1)
					sums[tokens*rows] = 12345
					k.codeDots(sums[:tokens*rows], codes[:rows*cols/4], q[:tokens*cols], cols)
					for token := range tokens {
						if got := sums[token*rows:][:rows]; !slices.Equal(got, want[token][:rows]) {
							t.Fatalf("%d × %d with %d tokens: token %d has %d, want %d", rows, cols, tokens, token, got, want[token][:rows])
						}
					}
					if sums[tokens*rows] != 12345 {
						t.Fatalf("%d × %d with %d tokens: wrote past the last row", rows, cols, tokens)
					}
				}
			}
		}
	})
}

// TestExtremes puts every activation and every weight at its limits, where
// sums in 16 bits would overflow.
func TestExtremes(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		for _, cols := range columnCounts {
			for _, code := range []byte{0, 1, 2, 3} {
				for _, v := range []int8{-128, -1, 0, 127} {
					const rows = 5
					codes := slices.Repeat([]byte{code * 0x55}, rows*cols/4)
					q := slices.Repeat([]int8{v}, k.dotTokens*cols)
					want := int32(code) * int32(v) * int32(cols)
					for tokens := 1; tokens <= k.dotTokens; tokens++ {
						sums := make([]int32, tokens*rows)
						k.codeDots(sums, codes, q[:tokens*cols], cols)
						for i, got := range sums {
							if got != want {
								t.Fatalf("codeDots: %d columns, code %d, activation %d, %d tokens, sum %d: %d, want %d", cols, code, v, tokens, i, got, want)
							}
						}
					}
					if k.mulTile == nil {
						continue
					}
					tokens := min(k.dotTokens, k.panelTokens)
					tile, panel := make([]byte, k.tileRows*cols), make([]int8, k.panelTokens*cols)
					k.packPanel(panel, q[:tokens*cols], cols)
					k.unpackTile(tile, codes, cols)
					tileSums := make([]int32, k.tileRows*k.panelTokens)
					k.mulTile(tileSums, tile, panel, cols)
					for token := range tokens {
						for row := range min(rows, k.tileRows) {
							if got := tileSums[token*k.tileRows+row]; got != want {
								t.Fatalf("mulTile: %d columns, code %d, activation %d, token %d, row %d: %d, want %d", cols, code, v, token, row, got, want)
							}
						}
					}
				}
			}
		}
	})
}

func TestMulTile(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		if k.mulTile == nil {
			t.Skip("no tiles")
		}
		r := rand.New(rand.NewPCG(3, 4))
		for _, cols := range columnCounts {
			for _, size := range [][2]int{{k.tileRows, k.panelTokens}, {1, 1}, {k.tileRows - 1, k.panelTokens - 1}} {
				rows, tokens := max(size[0], 1), max(size[1], 1)
				codes, q := randomCodes(r, rows*cols/4), randomActivations(r, tokens*cols)
				tile, panel := make([]byte, k.tileRows*cols), make([]int8, k.panelTokens*cols)
				for i := range panel {
					panel[i] = 99
				}
				k.packPanel(panel, q, cols)
				k.unpackTile(tile, codes, cols)
				sums := make([]int32, k.tileRows*k.panelTokens)
				k.mulTile(sums, tile, panel, cols)
				want := make([]int32, rows)
				for token := range k.panelTokens {
					clear(want)
					if token < tokens {
						codeDotsGeneric(want, codes, q[token*cols:(token+1)*cols], cols)
					}
					for row := range rows {
						if got := sums[token*k.tileRows+row]; got != want[row] {
							t.Fatalf("%d × %d with %d tokens: row %d, token %d is %d, want %d", rows, cols, tokens, row, token, got, want[row])
						}
					}
				}
			}
		}
	})
}

// vectors yields inputs for the float kernels: ordinary ones, ties of the
// rounding, tiny, huge and denormal magnitudes, zeros of both signs.
func vectors(yield func(name string, x []float32) bool) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range columnCounts {
		x := make([]float32, n)
		fill := func(name string, f func(i int) float32) bool {
			for i := range x {
				x[i] = f(i)
			}
			return yield(fmt.Sprintf("%s/%d", name, n), x)
		}
		if !fill("normal", func(int) float32 { return float32(r.NormFloat64()) }) ||
			!fill("ties", func(i int) float32 {
				if i == n-1 {
					return -127
				}
				return float32(i%256) - 127.5
			}) ||
			!fill("zeros", func(i int) float32 { return float32(math.Copysign(0, float64(i&1)-0.5)) }) ||
			!fill("tiny", func(int) float32 { return float32(r.NormFloat64() * 1e-7) }) ||
			!fill("denormal", func(i int) float32 { return math.Float32frombits(uint32(i) | uint32(i)<<31) }) ||
			!fill("huge", func(int) float32 { return float32(r.NormFloat64() * 1e37) }) ||
			!fill("one", func(i int) float32 { return float32(i/(n-1)) * -3.25 }) {
			return
		}
	}
}

func TestQuantize(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		for name, x := range vectors {
			a, err := k.NewActivations(2, len(x), I2S)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Quantize(1, x); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			// The definition, in double precision where that is exact.
			largest := 1e-5
			for _, v := range x {
				largest = max(largest, math.Abs(float64(v)))
			}
			s := float32(127 / float64(float32(largest)))
			q, gotS, gotSum := a.Token(1)
			if gotS != s {
				t.Fatalf("%s: scale %v, want %v", name, gotS, s)
			}
			var sum int32
			for i, v := range x {
				want := int8(max(-128, min(127, math.RoundToEven(float64(float32(float64(v)*float64(s)))))))
				if q[i] != want {
					t.Fatalf("%s: %v at %d is %d, want %d", name, v, i, q[i], want)
				}
				sum += int32(want)
			}
			if gotSum != sum {
				t.Fatalf("%s: sum %d, want %d", name, gotSum, sum)
			}
		}
	})
}

func TestQuantizeNotFinite(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		for _, bad := range []float32{float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), math.Float32frombits(0xff800001)} {
			for _, at := range []int{0, 1, 31, 77, 127} {
				x := make([]float32, 128)
				x[at] = bad
				x[(at+5)%128] = math.MaxFloat32
				a, _ := k.NewActivations(1, 128, I2S)
				if err := a.Quantize(0, x); err != ErrActivation {
					t.Fatalf("%v at %d: error %v", bad, at, err)
				}
			}
		}
	})
}

func TestScaleSums(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		r := rand.New(rand.NewPCG(7, 8))
		for n := range 70 {
			sums := make([]int32, n)
			for i := range sums {
				sums[i] = int32(r.Uint32()) >> (r.Uint32() % 24)
			}
			offset, s, scale := int32(r.Uint32())>>8, r.Float32()*1000, r.Float32()-0.5
			got := make([]float32, n+1)
			got[n] = 7
			k.scaleSums(got[:n], sums, offset, s, scale)
			for i, sum := range sums {
				quotient := float32(float64(float32(sum-offset)) / float64(s))
				want := float32(float64(quotient) * float64(scale))
				if math.Float32bits(got[i]) != math.Float32bits(want) {
					t.Fatalf("(%d − %d) / %v · %v is %v, want %v", sum, offset, s, scale, got[i], want)
				}
			}
			if got[n] != 7 {
				t.Fatal("wrote past the end")
			}
		}
	})
}

func TestMultiply(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		r := rand.New(rand.NewPCG(9, 10))
		var scratch Scratch
		for _, cols := range []int{128, 640} {
			for _, rows := range []int{1, 17, 300} {
				tensor := make([]byte, rows*cols/4+ScaleBytes)
				copy(tensor, randomCodes(r, rows*cols/4))
				copy(tensor[rows*cols/4:], "\x00\x00\x00\x3e") // 0.125
				m, err := NewMatrix(I2S, rows, cols, tensor)
				if err != nil {
					t.Fatal(err)
				}
				for _, tokens := range []int{1, 2, 3, 7, 8, 9, 12, 21, 50} {
					a, err := k.NewActivations(tokens, cols, I2S)
					if err != nil {
						t.Fatal(err)
					}
					x := make([]float32, cols)
					for token := range tokens {
						for i := range x {
							x[i] = float32(r.NormFloat64())
						}
						if err := a.Quantize(token, x); err != nil {
							t.Fatal(err)
						}
					}
					for p := range a.Panels() {
						if err := a.Pack(p); err != nil {
							t.Fatal(err)
						}
					}
					stride := rows + 3
					dst := make([]float32, tokens*stride)
					// In two slices, as goroutines would share it.
					half := rows / 2
					if half > 0 {
						if err := k.Multiply(dst, stride, m.Slice(0, half), a, &scratch); err != nil {
							t.Fatal(err)
						}
					}
					if err := k.Multiply(dst[half:], stride, m.Slice(half, rows), a, &scratch); err != nil {
						t.Fatal(err)
					}
					for token := range tokens {
						q, s, _ := a.Token(token)
						for row := range rows {
							var sum int64
							for i, v := range q {
								sum += int64(codeAt(tensor, cols, row, i)-1) * int64(v)
							}
							want := float32(float64(float32(float64(sum)/float64(s))) * 0.125)
							if got := dst[token*stride+row]; math.Float32bits(got) != math.Float32bits(want) {
								t.Fatalf("%d × %d, %d tokens: row %d, token %d is %v, want %v", rows, cols, tokens, row, token, got, want)
							}
						}
					}
				}
			}
		}
	})
}

func benchmarkSizes(b *testing.B, run func(b *testing.B, k *Kernels, rows, cols int)) {
	for _, k := range available {
		for _, size := range [][2]int{{2560, 2560}, {6912, 2560}, {2560, 6912}} {
			b.Run(fmt.Sprintf("%s/%dx%d", k.name, size[0], size[1]), func(b *testing.B) { run(b, k, size[0], size[1]) })
		}
	}
}

// BenchmarkCodeDots streams enough different matrices that they come from
// memory, as they do in decoding.
func BenchmarkCodeDots(b *testing.B) {
	codes := randomCodes(rand.New(rand.NewPCG(1, 1)), 256<<20)
	benchmarkSizes(b, func(b *testing.B, k *Kernels, rows, cols int) {
		q := randomActivations(rand.New(rand.NewPCG(2, 2)), cols)
		sums := make([]int32, rows)
		size := rows * cols / 4
		b.SetBytes(int64(size))
		at := 0
		for b.Loop() {
			if at+size > len(codes) {
				at = 0
			}
			for lo := 0; lo < rows; lo += sumsPerCall {
				hi := min(lo+sumsPerCall, rows)
				k.codeDots(sums[lo:hi], codes[at+lo*cols/4:at+hi*cols/4], q, cols)
			}
			at += size
		}
	})
}

// BenchmarkFewTokens multiplies a few tokens by matrices that come from memory,
// and by one that the second-level cache holds, in turns with registers: the
// metrics are medians of multiply-adds a second, and of their share of what the
// multipliers do at most.
func BenchmarkFewTokens(b *testing.B) {
	for _, k := range available {
		for _, matrix := range []struct {
			name              string
			rows, cols, count int
		}{{"memory", 6912, 2560, 24}, {"cache", 640, 2560, 1}} {
			matrices := make([]Matrix, matrix.count)
			for i := range matrices {
				tensor := randomCodes(rand.New(rand.NewPCG(4, uint64(i))), matrix.rows*matrix.cols/4)
				m, err := NewMatrix(I2S, matrix.rows, matrix.cols, append(tensor, make([]byte, ScaleBytes)...))
				if err != nil {
					b.Fatal(err)
				}
				matrices[i] = m
			}
			for _, tokens := range []int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32} {
				b.Run(fmt.Sprintf("%s/%s/%d", k.name, matrix.name, tokens), func(b *testing.B) {
					a := randomTokens(b, k, tokens, matrix.cols)
					dst := make([]float32, tokens*matrix.rows)
					var scratch Scratch
					var rates, shares []float64
					next := 0
					for b.Loop() {
						start := time.Now()
						limit := float64(k.MultiplyRegisters(1<<22)) / time.Since(start).Seconds()
						start = time.Now()
						for p := range a.Panels() {
							if err := a.Pack(p); err != nil {
								b.Fatal(err)
							}
						}
						if err := k.Multiply(dst, matrix.rows, matrices[next], a, &scratch); err != nil {
							b.Fatal(err)
						}
						rate := float64(matrix.rows*matrix.cols*tokens) / time.Since(start).Seconds()
						next = (next + 1) % len(matrices)
						rates, shares = append(rates, rate), append(shares, rate/limit)
					}
					slices.Sort(rates)
					slices.Sort(shares)
					b.ReportMetric(rates[len(rates)/2]/1e9, "Gmac/s")
					b.ReportMetric(shares[len(shares)/2]*100, "%limit")
				})
			}
		}
	}
}

// randomTokens returns quantized tokens, not packed.
func randomTokens(b *testing.B, k *Kernels, tokens, cols int) *Activations {
	b.Helper()
	a, err := k.NewActivations(tokens, cols, I2S)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 3))
	x := make([]float32, cols)
	for t := range tokens {
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		if err := a.Quantize(t, x); err != nil {
			b.Fatal(err)
		}
	}
	return a
}

// BenchmarkMultiply512 is a prefill of 512 tokens through one matrix, on one
// processor; the metric is multiply-adds a second.
func BenchmarkMultiply512(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, k *Kernels, rows, cols int) {
		const tokens = 512
		r := rand.New(rand.NewPCG(3, 3))
		tensor := append(randomCodes(r, rows*cols/4), make([]byte, ScaleBytes)...)
		m, err := NewMatrix(I2S, rows, cols, tensor)
		if err != nil {
			b.Fatal(err)
		}
		a := randomTokens(b, k, tokens, cols)
		for p := range a.Panels() {
			if err := a.Pack(p); err != nil {
				b.Fatal(err)
			}
		}
		dst := make([]float32, tokens*rows)
		var scratch Scratch
		for b.Loop() {
			if err := k.Multiply(dst, rows, m, a, &scratch); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(rows)*float64(cols)*tokens*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gmac/s")
	})
}

// BenchmarkLimits measures what one processor can do at most: MB/s read from
// memory, to compare with BenchmarkCodeDots, and multiply-adds a second, to
// compare with BenchmarkMultiply512.
func BenchmarkLimits(b *testing.B) {
	data := make([]byte, 256<<20)
	for i := 0; i < len(data); i += 4096 {
		data[i] = 1 // so that the pages are there
	}
	for _, k := range available {
		b.Run("read/"+k.name, func(b *testing.B) {
			const size = 1 << 20
			b.SetBytes(size)
			at := 0
			for b.Loop() {
				k.ReadMemory(data[at : at+size])
				at = (at + size) % len(data)
			}
		})
		b.Run("multiply/"+k.name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				n += k.MultiplyRegisters(1 << 20)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e9, "Gmac/s")
		})
	}
}

func TestLimits(t *testing.T) {
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		for _, n := range []int{0, 1, 511, 512, 513, 5000} {
			k.ReadMemory(make([]byte, n))
		}
		for _, n := range []int{-1, 0, 1, 1 << 20} {
			if got := k.MultiplyRegisters(n); got <= 0 || n > 1<<10 && (got > n || got < n*3/4) {
				t.Errorf("asked for %d multiply-adds, got %d", n, got)
			}
		}
	})
}
