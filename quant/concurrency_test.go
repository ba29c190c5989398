package quant

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestConcurrent multiplies on many goroutines while the garbage collector runs
// all the time and interrupts them: the kernels' registers must survive, and
// nobody may see anybody else's.
func TestConcurrent(t *testing.T) {
	const (
		rows, cols, tokens = 140, 256, 50
		goroutines         = 8
		duration           = 100 * time.Millisecond
	)
	r := rand.New(rand.NewPCG(11, 12))
	tensor := make([]byte, rows*cols/4+ScaleBytes)
	copy(tensor, randomCodes(r, rows*cols/4))
	binary.LittleEndian.PutUint32(tensor[rows*cols/4:], math.Float32bits(0.75))
	m, err := NewMatrix(I2S, rows, cols, tensor)
	if err != nil {
		t.Fatal(err)
	}
	// Each goroutine has activations of its own, so that sums in wrong hands
	// are wrong.
	x := make([][]float32, goroutines*tokens)
	for i := range x {
		x[i] = make([]float32, cols)
		for j := range x[i] {
			x[i][j] = float32(r.NormFloat64())
		}
	}
	multiply := func(k *Kernels, x [][]float32, dst []float32, scratch *Scratch) error {
		a, err := k.NewActivations(tokens, cols, I2S)
		if err != nil {
			return err
		}
		for token := range x {
			if err := a.Quantize(token, x[token]); err != nil {
				return err
			}
		}
		for p := range a.Panels() {
			if err := a.Pack(p); err != nil {
				return err
			}
		}
		return k.Multiply(dst, rows, m, a, scratch)
	}
	want := make([][]float32, goroutines)
	for g := range want {
		want[g] = make([]float32, tokens*rows)
		if err := multiply(&generic, x[g*tokens:(g+1)*tokens], want[g], new(Scratch)); err != nil {
			t.Fatal(err)
		}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	forEachKernels(t, func(t *testing.T, k *Kernels) {
		var collector, multipliers sync.WaitGroup
		stop := make(chan struct{})
		collector.Add(1)
		go func() {
			defer collector.Done()
			for {
				select {
				case <-stop:
					return
				default:
					runtime.GC()
				}
			}
		}()
		deadline := time.Now().Add(duration)
		for g := range goroutines {
			multipliers.Add(1)
			go func() {
				defer multipliers.Done()
				dst := make([]float32, tokens*rows)
				for round := 0; round == 0 || time.Now().Before(deadline); round++ {
					clear(dst)
					if err := multiply(k, x[g*tokens:(g+1)*tokens], dst, new(Scratch)); err != nil {
						t.Error(err)
						return
					}
					for i := range dst {
						if dst[i] != want[g][i] {
							t.Errorf("goroutine %d, round %d: product %d is %v, want %v", g, round, i, dst[i], want[g][i])
							return
						}
					}
				}
			}()
		}
		multipliers.Wait()
		close(stop)
		collector.Wait()
	})
}
