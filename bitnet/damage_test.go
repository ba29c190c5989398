package bitnet

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// TestDamagedModels damages the file of each made model in 400 ways: every one
// gives a result or an error, soon and in little memory.
func TestDamagedModels(t *testing.T) {
	ways := 400
	if testing.Short() {
		ways = 40
	}
	for _, made := range madeModels {
		t.Run(made.name, func(t *testing.T) {
			path := made.write(t)
			sound, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := gguf.Parse(sound)
			if err != nil {
				t.Fatal(err)
			}
			header := len(f.Header())
			r := rand.New(rand.NewPCG(3, uint64(len(made.name))))
			opened, ran := 0, 0
			for range ways {
				data := damage(r, slices.Clone(sound), header)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				start := time.Now()
				did := useDamaged(data)
				runtime.ReadMemStats(&after)
				if took := time.Since(start); took > 20*time.Second {
					t.Errorf("it took %v", took)
				}
				if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 64<<20 {
					t.Errorf("%d bytes were allocated for a file of %d", bytes, len(data))
				}
				if did > 0 {
					opened++
				}
				if did > 1 {
					ran++
				}
			}
			t.Logf("%d of %d opened, %d gave a result", opened, ways, ran)
			if opened == ways || ran == 0 {
				t.Errorf("%d of %d opened, %d gave a result", opened, ways, ran)
			}
		})
	}
}

// damage changes the bytes of a file, most of all where its keys and the shapes and
// types of its tensors are: at the beginning and the end of its header.
func damage(r *rand.Rand, data []byte, header int) []byte {
	at := r.IntN(1200)
	switch r.IntN(5) {
	case 0, 1:
		at = header - 1 - r.IntN(2500)
	case 2:
		at = r.IntN(header)
	case 3:
		at = header + r.IntN(len(data)-header)
	}
	switch r.IntN(7) {
	case 0:
		data[at] = byte(r.Uint32())
	case 1:
		data[at] ^= 1 << r.IntN(8)
	case 2: // as types of tensors are, and small numbers
		data[at] = byte([]int{0, 1, 2, 8, 12, 14, 34, 35, 36, 42, 142, 143}[r.IntN(12)])
	case 3: // numbers without measure
		at = min(at, len(data)-8)
		binary.LittleEndian.PutUint64(data[at:], 1<<r.IntN(64)-uint64(r.IntN(2)))
	case 4:
		for i := range min(9, len(data)-at) {
			data[at+i] = byte(r.Uint32())
		}
	case 5:
		return data[:at]
	default:
		return slices.Delete(data, at, min(at+1+r.IntN(9), len(data)))
	}
	return data
}

// useDamaged opens a model, generates, and makes a vector. It returns how far it
// came: 1 where it opened, 2 where there was a result.
func useDamaged(data []byte) int {
	m, err := OpenBytes(data, WithThreads(1))
	if err != nil {
		return 0
	}
	defer m.Close()
	did, ids, ctx := 1, []int{1, 2, 3}, context.Background()
	if s, err := m.NewSession(); err == nil {
		defer s.Close()
		if _, err := s.Append(ctx, ids); err == nil {
			did = 2
		}
		if _, err := s.Generate(ctx, "", GenerateOptions{MaxTokens: 2}); err == nil {
			did = 2
		}
	}
	if _, err := m.EmbedTokens(ctx, [][]int{ids}, WithPooling(PoolingMean)); err == nil {
		did = 2
	}
	return did
}
