package portable

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestFMA holds the emulated fused multiply-add against exact arithmetic.
func TestFMA(t *testing.T) {
	exact := func(x, y, z float32) float32 {
		p := new(big.Float).SetPrec(2000).Mul(big.NewFloat(float64(x)), big.NewFloat(float64(y)))
		p.Add(p, big.NewFloat(float64(z)))
		f, _ := p.Float32()
		return f
	}
	r := rand.New(rand.NewPCG(1, 2))
	check := func(x, y, z float32) {
		t.Helper()
		got, want := FMA(x, y, z), exact(x, y, z)
		if want == 0 && got == 0 {
			return // big.Float's zeros have another sign rule
		}
		if math.Float32bits(got) != math.Float32bits(want) {
			t.Fatalf("FMA(%x, %x, %x) = %x, want %x", x, y, z, got, want)
		}
	}
	for range 300_000 {
		x := math.Float32frombits(r.Uint32()&0x807fffff | uint32(100+r.IntN(54))<<23)
		y := math.Float32frombits(r.Uint32()&0x807fffff | uint32(100+r.IntN(54))<<23)
		z := math.Float32frombits(r.Uint32()&0x807fffff | uint32(60+r.IntN(134))<<23)
		check(x, y, z)
	}
	// Sums that lie on or just beside a midpoint of two float32.
	for range 200_000 {
		x := float32(1 + r.IntN(1<<12))
		y := float32(1+r.IntN(1<<13)) * (1 - 2*float32(r.IntN(2)))
		z := float32(math.Ldexp(float64(1+r.IntN(1<<23)), r.IntN(30)))
		check(x, y, z)
		check(x*0x1p-60, y*0x1p-60, z)
		check(x*0x1p-40, y, z*0x1p-20)
		check(x*0x1p-70, y*0x1p-70, z*0x1p-148)
		check(math.Float32frombits(r.Uint32()&0x00ffffff), float32(r.NormFloat64()), math.Float32frombits(r.Uint32()&0x80ffffff))
	}
	inf := float32(math.Inf(1))
	if got := FMA(inf, 1, 1); got != inf {
		t.Error("infinity is lost:", got)
	}
	if got := FMA(math.MaxFloat32, 2, -1); got != inf {
		t.Error("no overflow:", got)
	}
	if got := FMA(inf, 0, 1); got == got {
		t.Error("∞·0 is", got)
	}
	if got := FMA(-1, 0, float32(math.Copysign(0, -1))); !math.Signbit(float64(got)) {
		t.Error("−0 + −0 is not −0")
	}
}
