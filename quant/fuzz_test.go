package quant

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"
)

// FuzzPackUnpack takes the data as codes, which unpack as the format says and
// pack to themselves, and as weights, which are packed if they are ternary.
func FuzzPackUnpack(f *testing.F) {
	f.Add([]byte("\x00\x55\xaa\xff0123456789abcdefghijklmnopqrs!"))
	f.Add(bytes.Repeat([]byte{0, 1, 0xff, 1}, 32))
	f.Add(bytes.Repeat([]byte{0x18}, 64))
	f.Fuzz(func(t *testing.T, data []byte) {
		codes := data[:len(data)/BlockBytes*BlockBytes]
		weights := make([]int8, 4*len(codes))
		if err := Unpack(weights, codes); err != nil {
			t.Fatal(err)
		}
		ternary := true
		for i, w := range weights {
			if want := codeAt(codes, len(weights), 0, i) - 1; int32(w) != want {
				t.Fatalf("weight %d is %d, want %d", i, w, want)
			}
			ternary = ternary && w <= 1
		}
		packed := make([]byte, len(codes))
		if err := Pack(packed, weights); (err == nil) != ternary {
			t.Fatalf("packing: %v; ternary: %v", err, ternary)
		}
		if ternary && !bytes.Equal(packed, codes) {
			t.Fatalf("%x packed to %x", codes, packed)
		}

		weights = weights[:0]
		ternary = true
		for _, b := range data {
			weights = append(weights, int8(b))
			ternary = ternary && int8(b) >= -1 && int8(b) <= 1
		}
		packed = make([]byte, len(weights)/4)
		err := Pack(packed, weights)
		if len(weights)%BlockSize != 0 {
			if !errors.Is(err, ErrShape) {
				t.Fatalf("packing %d weights: %v", len(weights), err)
			}
			return
		}
		if (err == nil) != ternary {
			t.Fatalf("packing: %v; ternary: %v", err, ternary)
		}
		if ternary {
			unpacked := make([]int8, len(weights))
			if err := Unpack(unpacked, packed); err != nil || !slices.Equal(unpacked, weights) {
				t.Fatalf("%d packed and unpacked to %d: %v", weights, unpacked, err)
			}
		}
	})
}

// FuzzCodeDots compares all kernels with the plain ones, by rows and by tiles:
// of the data, one byte chooses the length of a row and the number of tokens, the
// next bytes are activations, and codes are the rest.
func FuzzCodeDots(f *testing.F) {
	f.Add([]byte{0})
	f.Add(append([]byte{1}, bytes.Repeat([]byte{0x80, 0x7f}, 300)...))
	f.Add(append([]byte{6}, bytes.Repeat([]byte{0xff, 0x80}, 800)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		cols := BlockSize * (1 + int(data[0]%8))
		tokens := 1 + int(data[0]/8)%8
		data = data[1:]
		q := make([]int8, tokens*cols)
		for i := range min(len(q), len(data)) {
			q[i] = int8(data[i])
		}
		// At least one row, and with what remains of the last one, zeros.
		data = data[min(len(q), len(data)):]
		rows := min(len(data)/(cols/4)+1, 100)
		codes := make([]byte, rows*cols/4)
		copy(codes, data)

		want := make([]int32, tokens*rows)
		for token := range tokens {
			codeDotsGeneric(want[token*rows:(token+1)*rows], codes, q[token*cols:(token+1)*cols], cols)
		}
		for _, k := range available {
			n := min(tokens, k.dotTokens)
			sums := make([]int32, n*rows)
			k.codeDots(sums, codes, q[:n*cols], cols)
			if !slices.Equal(sums, want[:n*rows]) {
				t.Fatalf("%s: %d, want %d", k.name, sums, want[:n*rows])
			}
			if k.mulTile == nil {
				continue
			}
			tile, panel := make([]byte, k.tileRows*cols), make([]int8, k.panelTokens*cols)
			k.packPanel(panel, q[:cols], cols)
			tileRows := min(rows, k.tileRows)
			k.unpackTile(tile, codes[:tileRows*cols/4], cols)
			sums = make([]int32, k.tileRows*k.panelTokens)
			k.mulTile(sums, tile, panel, cols)
			if !slices.Equal(sums[:tileRows], want[:tileRows]) {
				t.Fatalf("%s in a tile: %d, want %d", k.name, sums[:tileRows], want[:tileRows])
			}
		}
	})
}

// FuzzBlocks compares all kernels with the plain ones: of the data, one byte chooses
// the format, the next the number of tokens and the address, then come activations in
// the form that kernels get them, and the rest are rows of blocks, with any scales.
func FuzzBlocks(f *testing.F) {
	for i := range blockFormats {
		f.Add(append([]byte{byte(i), 0x33}, bytes.Repeat([]byte{0x7f, 0x81, 0x3c}, 600)...))
		f.Add(append([]byte{byte(i), 0x85}, bytes.Repeat([]byte{0xff, 0x7b}, 1200)...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 {
			return
		}
		format := blockFormats[int(data[0])%len(blockFormats)]
		tokens, odd := 1+int(data[1])%16, int(data[1]>>7)
		data = data[2:]
		const cols = 256
		x := make([][]float32, tokens)
		for token := range x {
			x[token] = make([]float32, cols)
			for i := range min(cols, len(data)) {
				x[token][i] = float32(int8(data[i]))
			}
			data = data[min(cols, len(data)):]
		}
		rowBytes := format.rowBytes(cols)
		rows := min(len(data)/rowBytes+1, 100)
		codes := make([]byte, odd+rows*rowBytes)[odd:]
		copy(codes, data)
		m, err := NewMatrix(format, rows, cols, codes)
		if err != nil {
			t.Fatal(err)
		}
		var want []float32
		for i := range available {
			k := available[len(available)-1-i] // plain Go first
			got := make([]float32, tokens*rows)
			if err := k.Multiply(got, rows, m, blockActivations(t, k, format, x), new(Scratch)); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				want = got
			}
			for n := range got {
				if math.Float32bits(got[n]) != math.Float32bits(want[n]) && (got[n] == got[n] || want[n] == want[n]) {
					t.Fatalf("%s, %v, %d rows, %d tokens: product %d is %v, want %v", k.name, format, rows, tokens, n, got[n], want[n])
				}
			}
		}
	})
}
