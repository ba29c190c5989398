//go:build !purego

package quant

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// needAMX skips a test where the processor or the system lack AMX.
func needAMX(tb testing.TB) {
	tb.Helper()
	if !slices.Contains(available, &amx) {
		tb.Skip("no AMX here")
	}
}

// peakOperands returns operands for peakAMX and what it computes from them in
// one round.
func peakOperands() (q *[1024]int8, codes *[1024]byte, sums [256]int32) {
	r := rand.New(rand.NewPCG(13, 14))
	q, codes = new([1024]int8), new([1024]byte)
	for i := range q {
		q[i], codes[i] = int8(r.Uint32()), byte(r.Uint32()&3)
	}
	for token := range 16 {
		for row := range 16 {
			for i := range 64 {
				sums[16*token+row] += int32(q[64*token+i]) * int32(codes[64*(i/4)+4*row+i%4])
			}
		}
	}
	return q, codes, sums
}

func TestPeakAMX(t *testing.T) {
	needAMX(t)
	q, codes, want := peakOperands()
	const rounds = 3
	var got [256]int32
	peakAMX(&got, q, codes, rounds)
	for i := range got {
		if got[i] != rounds*want[i] {
			t.Fatalf("sum %d is %d, want %d", i, got[i], rounds*want[i])
		}
	}
}

// TestAMXReleased looks at the thread's tile registers after a multiplication:
// left configured, they would make every switch of threads save them.
func TestAMXReleased(t *testing.T) {
	needAMX(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const cols = 128
	config := [64]byte{0: 99}
	mulTileAMX(make([]int32, tileRowsAMX*panelTokensAMX), make([]byte, tileRowsAMX*cols), make([]int8, panelTokensAMX*cols), cols)
	storeTileConfig(&config)
	if config != [64]byte{} {
		t.Errorf("the configuration after a multiplication is % x", config)
	}
}
