package portable

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestAgainstMath(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		x := math.Ldexp(1+r.Float64(), r.IntN(200)-100)
		if got, want := Log(x), math.Log(x); math.Abs(got-want) > 2e-15*math.Abs(want)+1e-16 {
			t.Fatalf("Log(%v) = %v, want %v", x, got, want)
		}
		x = r.Float64()*1400 - 700
		if got, want := Exp(x), math.Exp(x); math.Abs(got-want) > 4e-15*want {
			t.Fatalf("Exp(%v) = %v, want %v", x, got, want)
		}
		x = math.Ldexp(r.Float64()*2-1, r.IntN(21))
		sin, cos := Sincos(x)
		if wantSin, wantCos := math.Sincos(x); math.Abs(sin-wantSin) > 1e-15 || math.Abs(cos-wantCos) > 1e-15 {
			t.Fatalf("Sincos(%v) = %v, %v, want %v, %v", x, sin, cos, wantSin, wantCos)
		}
	}
	if Log(1) != 0 || Exp(0) != 1 {
		t.Error("Log(1) or Exp(0) is not exact")
	}
}

// TestSameBits holds the bits against those of linux/amd64, so that a platform
// where they differ is seen.
func TestSameBits(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	digest := sha256.New()
	for range 50_000 {
		x := r.Float64()*4096 + 1e-3
		sin, cos := Sincos(x)
		binary.Write(digest, binary.LittleEndian, []float64{Log(x), Exp(-x / 8), sin, cos})
	}
	const want = "cea84a3ff5c85912a8bd3e3e199e9a94cfdd96a1430e84301ae67cd64904370e"
	if got := fmt.Sprintf("%x", digest.Sum(nil)); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}
