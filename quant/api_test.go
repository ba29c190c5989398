package quant_test

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/quant"
)

func tensor(t *testing.T, rows, cols int, scale float32) []byte {
	t.Helper()
	size, err := quant.I2S.TensorBytes(rows, cols)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, size)
	binary.LittleEndian.PutUint32(data[size-quant.ScaleBytes:], math.Float32bits(scale))
	return data
}

func matrix(t *testing.T, rows, cols int) quant.Matrix {
	t.Helper()
	m, err := quant.NewMatrix(quant.I2S, rows, cols, tensor(t, rows, cols, 1))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPackErrors(t *testing.T) {
	for _, size := range []struct{ bytes, weights int }{{0, 128}, {31, 128}, {33, 128}, {32, 127}, {16, 64}, {32, 256}} {
		if err := quant.Pack(make([]byte, size.bytes), make([]int8, size.weights)); !errors.Is(err, quant.ErrShape) {
			t.Errorf("packing %d weights into %d bytes: %v", size.weights, size.bytes, err)
		}
		if err := quant.Unpack(make([]int8, size.weights), make([]byte, size.bytes)); !errors.Is(err, quant.ErrShape) {
			t.Errorf("unpacking %d bytes into %d weights: %v", size.bytes, size.weights, err)
		}
	}
	for _, w := range []int8{-128, -2, 2, 127} {
		weights := make([]int8, 256)
		weights[200] = w
		codes := slices.Repeat([]byte{0xee}, 64)
		if err := quant.Pack(codes, weights); err == nil || !strings.Contains(err.Error(), "weight 200") {
			t.Errorf("packing a weight of %d: %v", w, err)
		}
		if !slices.Equal(codes, slices.Repeat([]byte{0xee}, 64)) {
			t.Errorf("packing a weight of %d wrote codes", w)
		}
	}
	if err := quant.Pack(nil, nil); err != nil {
		t.Errorf("packing nothing: %v", err)
	}
}

func TestMatrixErrors(t *testing.T) {
	for _, size := range [][2]int{
		{0, 128}, {-1, 128}, {1, 0}, {1, -128}, {1, 64}, {1, 129}, {1, 1<<20 + 128},
		{math.MaxInt, 128}, {math.MaxInt / 32, 128}, {math.MinInt, math.MinInt}, {math.MaxInt, math.MaxInt},
	} {
		if n, err := quant.I2S.TensorBytes(size[0], size[1]); !errors.Is(err, quant.ErrShape) {
			t.Errorf("%d × %d takes %d bytes: %v", size[0], size[1], n, err)
		}
		if _, err := quant.NewMatrix(quant.I2S, size[0], size[1], make([]byte, 64)); !errors.Is(err, quant.ErrShape) {
			t.Errorf("a matrix of %d × %d: %v", size[0], size[1], err)
		}
	}
	data := tensor(t, 3, 256, 1)
	for _, wrong := range [][]byte{nil, data[1:], append(slices.Clone(data), 0), data[:len(data)-quant.ScaleBytes]} {
		if _, err := quant.NewMatrix(quant.I2S, 3, 256, wrong); !errors.Is(err, quant.ErrShape) {
			t.Errorf("a tensor of %d bytes, not %d: %v", len(wrong), len(data), err)
		}
	}
	for _, scale := range []float32{float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())} {
		if _, err := quant.NewMatrix(quant.I2S, 3, 256, tensor(t, 3, 256, scale)); !errors.Is(err, quant.ErrScale) {
			t.Errorf("a scale of %v: %v", scale, err)
		}
	}
	m, err := quant.NewMatrix(quant.I2S, 3, 256, tensor(t, 3, 256, -0.25))
	if err != nil || m.Rows() != 3 || m.Cols() != 256 || m.Scale() != -0.25 {
		t.Errorf("%d × %d by %v: %v", m.Rows(), m.Cols(), m.Scale(), err)
	}
}

func TestSlice(t *testing.T) {
	m := matrix(t, 10, 128)
	for _, c := range []struct{ lo, hi, rows int }{
		{0, 10, 10}, {3, 7, 4}, {-5, 4, 4}, {8, 99, 2}, {7, 3, 0}, {10, 20, 0}, {math.MinInt, math.MaxInt, 10}, {-3, -1, 0},
	} {
		if got := m.Slice(c.lo, c.hi).Rows(); got != c.rows {
			t.Errorf("rows %d to %d of 10 are %d, want %d", c.lo, c.hi, got, c.rows)
		}
	}
}

func TestNamed(t *testing.T) {
	all := quant.Available()
	if all[0] != quant.Best() || all[len(all)-1].Name() != "generic" {
		t.Errorf("the best of all is %s, the last %s", quant.Best().Name(), all[len(all)-1].Name())
	}
	for i, k := range all {
		if found, err := quant.Named(k.Name()); found != k || err != nil {
			t.Errorf("the %q kernels are not found: %v", k.Name(), err)
		}
		all[i] = nil // what Available returned is the caller's
	}
	for _, name := range []string{"", "sse", "AVX2", "generic "} {
		if k, err := quant.Named(name); k != nil || !errors.Is(err, quant.ErrKernels) {
			t.Errorf("the %q kernels: %v", name, err)
		}
	}
}

func TestActivationsErrors(t *testing.T) {
	for _, k := range quant.Available() {
		for _, size := range [][2]int{{0, 128}, {-1, 128}, {1, 0}, {1, 64}, {1, -128}, {1, 1<<20 + 128}, {math.MaxInt, 128}, {math.MaxInt/128 + 1, 128}} {
			if _, err := k.NewActivations(size[0], size[1], quant.I2S); !errors.Is(err, quant.ErrShape) {
				t.Errorf("%s: activations of %d × %d: %v", k.Name(), size[0], size[1], err)
			}
		}
		a, err := k.NewActivations(40, 256, quant.I2S)
		if err != nil {
			t.Fatal(err)
		}
		for _, tokens := range []int{0, -1, 41} {
			if err := a.Resize(tokens); !errors.Is(err, quant.ErrShape) || a.Tokens() != 40 {
				t.Errorf("%s: %d tokens of 40: %v", k.Name(), tokens, err)
			}
		}
		if err := a.Resize(39); err != nil || a.Tokens() != 39 || a.Cols() != 256 {
			t.Errorf("%s: %d × %d: %v", k.Name(), a.Tokens(), a.Cols(), err)
		}
		for _, token := range []int{-1, 39, 40} {
			if err := a.Quantize(token, make([]float32, 256)); !errors.Is(err, quant.ErrShape) {
				t.Errorf("%s: token %d of 39: %v", k.Name(), token, err)
			}
		}
		for _, n := range []int{0, 128, 257} {
			if err := a.Quantize(0, make([]float32, n)); !errors.Is(err, quant.ErrShape) {
				t.Errorf("%s: %d values for 256: %v", k.Name(), n, err)
			}
		}
		for _, panel := range []int{-1, a.Panels()} {
			if err := a.Pack(panel); !errors.Is(err, quant.ErrShape) {
				t.Errorf("%s: panel %d of %d: %v", k.Name(), panel, a.Panels(), err)
			}
		}
	}
}

func TestMultiplyErrors(t *testing.T) {
	m := matrix(t, 10, 256)
	for _, k := range quant.Available() {
		a, err := k.NewActivations(3, 256, quant.I2S)
		if err != nil {
			t.Fatal(err)
		}
		var scratch quant.Scratch
		for _, c := range []struct {
			dst, stride int
			m           quant.Matrix
			ok          bool
		}{
			{30, 10, m, true},
			{36, 13, m, true},
			{29, 10, m, false},
			{35, 13, m, false},
			{30, 9, m, false},
			{30, 0, m, false},
			{30, -10, m, false},
			{30, math.MinInt, m, false},
			{30, math.MaxInt, m, false},
			{30, math.MaxInt/2 + 2, m, false},
			{0, 10, m, false},
			{30, 10, matrix(t, 10, 128), false},
			{30, 10, quant.Matrix{}, false},
			{0, 0, m.Slice(5, 5), true},
		} {
			err := k.Multiply(make([]float32, c.dst), c.stride, c.m, a, &scratch)
			if c.ok && err != nil || !c.ok && !errors.Is(err, quant.ErrShape) {
				t.Errorf("%s: %d × %d into %d at a stride of %d: %v", k.Name(), c.m.Rows(), c.m.Cols(), c.dst, c.stride, err)
			}
		}
		for _, other := range quant.Available() {
			if err := other.Multiply(make([]float32, 30), 10, m, a, &scratch); (err == nil) != (other == k) {
				t.Errorf("activations of %s, multiplied by %s: %v", k.Name(), other.Name(), err)
			}
		}
	}
}

func TestDotErrors(t *testing.T) {
	for _, k := range quant.Available() {
		for _, size := range []struct{ codes, q int }{{0, 0}, {32, 127}, {31, 128}, {32, 256}, {16, 64}, {1<<18 + 32, 1<<20 + 128}} {
			if _, err := k.Dot(make([]byte, size.codes), make([]int8, size.q)); !errors.Is(err, quant.ErrShape) {
				t.Errorf("%s: %d bytes with %d activations: %v", k.Name(), size.codes, size.q, err)
			}
		}
	}
}
