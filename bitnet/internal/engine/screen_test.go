package engine

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/internal/kernel"
	"github.com/gobitnet/gobitnet/bitnet/internal/table"
	"github.com/gobitnet/gobitnet/quant"
)

// hostileHead has rows of every kind: ordinary, with one outlier, denormal,
// zero, equal to others, infinite and not a number.
func hostileHead(r *rand.Rand, rows, cols int) []uint16 {
	head := make([]uint16, rows*cols)
	set := kernel.Available()[0]
	x := make([]float32, cols)
	for row := range rows {
		for i := range x {
			x[i] = float32(r.NormFloat64() * 0.05)
			switch row % 11 {
			case 3:
				x[i] *= 1e-6
			case 4:
				x[i] = 0
			}
		}
		if row%11 == 2 {
			x[r.IntN(cols)] = 300
		}
		set.FloatToHalf(head[row*cols:(row+1)*cols], x)
		switch {
		case row%11 == 7:
			copy(head[row*cols:], head[(row-5)*cols:(row-4)*cols])
		case row == 500:
			head[row*cols+5] = 0x7c00
		case row == 600:
			head[row*cols+5] = 0x7e00
		}
	}
	return head
}

// TestBounds holds the bound of every row against the logit that the kernel of the
// head's type computes, and the rows that are found against all of them.
func TestBounds(t *testing.T) {
	for _, k := range quant.Available() {
		for _, kind := range []gguf.TensorType{gguf.F16, gguf.BF16, gguf.F32} {
			t.Run(k.Name()+"/"+kind.String(), func(t *testing.T) { testBounds(t, k, kind) })
		}
	}
}

func testBounds(t *testing.T, k *quant.Kernels, kind gguf.TensorType) {
	const rows, cols = 2000, 384
	r := rand.New(rand.NewPCG(1, 2))
	var data []byte
	for _, h := range hostileHead(r, rows, cols) {
		var wide [1]float32
		kernel.Widen(wide[:], []uint16{h})
		switch kind {
		case gguf.F16:
			data = binary.LittleEndian.AppendUint16(data, h)
		case gguf.BF16:
			data = binary.LittleEndian.AppendUint16(data, uint16(math.Float32bits(wide[0])>>16))
		default:
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(wide[0]))
		}
	}
	rowBytes := len(data) / rows
	e, err := New(2, k)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Pool.Close()
	if err := e.Pool.Acquire(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer e.Pool.Release()
	released := make([]int, rows)
	rowsOf, err := table.New(kind, rows, cols, data)
	if err != nil {
		t.Fatal(err)
	}
	h := NewHead(rowsOf, func(part []byte) {
		at := (cap(data) - cap(part)) / rowBytes
		for i := range len(part) / rowBytes {
			released[at+i]++
		}
	})
	e.BuildScreen(h, nil)
	h.release = nil
	if slices.Min(released) != 1 || slices.Max(released) != 1 {
		t.Error("the head was not released once")
	}
	x, logits := make([]float32, cols), make([]float32, rows)
	for trial := range 30 {
		for i := range x {
			x[i] = float32(r.NormFloat64())
			switch trial % 4 {
			case 1:
				x[i] *= 1e-4
			case 2:
				x[i] = float32(math.Exp(r.NormFloat64() * 3))
			case 3:
				x[i] = float32(i / (cols - 3) * 1000)
			}
		}
		e.Logits([][]float32{logits}, h, [][]float32{x}, false)
		q := Query{X: x}
		if !q.quantize() {
			t.Fatal("no bound for an ordinary vector")
		}
		var dots [1]int32
		for row := range rows {
			e.float.DotsInt8(dots[:], h.screen.stretch(row, row+1), q.y, cols)
			estimate, bound := q.estimate(&h.screen.rows[row], dots[0])
			if row == 500 || row == 600 {
				if !math.IsInf(bound, 1) {
					t.Fatalf("row %d is not finite, its bound is %v", row, bound)
				}
				continue
			}
			if diff := math.Abs(float64(logits[row]) - estimate); !(diff <= bound) {
				t.Fatalf("trial %d, row %d: %v off where %v was promised", trial, row, diff, bound)
			}
		}
		for _, keep := range []int{1, 3, 50} {
			q := Query{X: x, K: keep}
			e.Largest(h, []*Query{&q})
			if !q.Found {
				t.Fatal("not found")
			}
			found, values := q.Rows, q.Logits
			if !slices.IsSorted(found) {
				t.Fatal("rows are not in order")
			}
			for i, row := range found {
				if math.Float32bits(values[i]) != math.Float32bits(logits[row]) {
					t.Fatalf("row %d is %x, in full %x", row, values[i], logits[row])
				}
			}
			sorted := slices.DeleteFunc(slices.Clone(logits), func(v float32) bool { return v-v != 0 })
			slices.Sort(sorted)
			least := sorted[len(sorted)-keep]
			for row, v := range logits {
				if v >= least && !slices.Contains(found, row) {
					t.Fatalf("trial %d: row %d with %v is one of the %d largest and was not found", trial, row, v, keep)
				}
			}
		}
	}
	clear(x)
	none := Query{X: x, K: 1, Found: true}
	if e.Largest(h, []*Query{&none}); none.Found {
		t.Error("a bound for a vector of zeros, whose logits are all equal")
	}
	x[3], none.Found = float32(math.Inf(1)), true
	if e.Largest(h, []*Query{&none}); none.Found {
		t.Error("a bound for a vector that is not finite")
	}
}
