package main

import (
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/x448/float16"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// otherModel writes the tiny model as one of the architecture llama: without
// sub-norms, with an embedding of float32, and where block is true with weights that
// have a scale for each 256.
func otherModel(t *testing.T, block bool) string {
	t.Helper()
	model, err := gguf.Open(filepath.Join("..", "..", "testdata", "reference", "tiny", "model.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	path := filepath.Join(t.TempDir(), "llama.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	w, r := gguf.NewWriter(f), rand.New(rand.NewPCG(1, 2))
	for _, key := range model.Keys() {
		var value any
		if value, _ = model.Value(key); key == "general.architecture" {
			value = "llama"
		}
		check(w.Set(strings.Replace(key, "bitnet-b1.58.", "llama.", 1), value))
	}
	for _, x := range model.Tensors() {
		kind, data := x.Type, x.Data
		switch {
		case strings.Contains(x.Name, "sub_norm"):
			continue
		case kind == gguf.F16:
			kind, data = gguf.F32, nil
			for i := 0; i < len(x.Data); i += 2 {
				half := float16.Frombits(binary.LittleEndian.Uint16(x.Data[i:]))
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(half.Float32()))
			}
		case kind == gguf.I2S && block:
			kind, data = gguf.TQ2_0, nil
			for range x.Elements() / 256 {
				for range 64 { // four codes each
					data = append(data, byte(r.IntN(3)|r.IntN(3)<<2|r.IntN(3)<<4|r.IntN(3)<<6))
				}
				data = binary.LittleEndian.AppendUint16(data, float16.Fromfloat32(float32(12+r.IntN(8))/256).Bits())
			}
		}
		check(w.AddTensor(x.Name, x.Dims, kind, func(w io.Writer) error { _, err := w.Write(data); return err }))
	}
	check(w.Close())
	return path
}

// TestOtherModels runs models that are not in the layout of the published one, and
// verifies their receipts, also by running them again.
func TestOtherModels(t *testing.T) {
	for _, block := range []bool{false, true} {
		path := otherModel(t, block)
		r, status, out, stderr := smoke(t, modelConsole(nil), "--model", path, "--threads", "2", "--repeat", "2", "--max-tokens", "8")
		if status != exitOK {
			t.Fatalf("status %d: %s%s", status, out, stderr)
		}
		wantGood(t, r)
		// What is read, counted by hand: four blocks of width 256 and 512, with
		// 256 for queries and 128 for keys and values.
		const ternary, norms = 4 * (2*256*256 + 2*256*128 + 3*256*512), 4 * (4*2*256 + 256)
		bytes := ternary/4 + 4*7*4 + norms + 4*256
		if block {
			bytes = ternary/256*66 + norms + 4*256
		}
		const head = 256 * 4096
		if g := r.Model.Config; g.Architecture != "llama" || g.ReadBytes != int64(bytes+4*head) || g.DecodeBytes != int64(bytes+head) {
			t.Errorf("block: %v: %+v, want %d bytes beside the head's", block, g, bytes)
		}
		again := writeReceipt(t, r)
		if status, _, stderr := run(t, modelConsole(nil), "verify", "--model", path, "--replay", again); status != exitOK {
			t.Errorf("verify: status %d: %s", status, stderr)
		}
	}
}
