package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/google/go-cmp/cmp"
)

func TestInspect(t *testing.T) {
	got, _ := succeed(t, "inspect", tiny)
	for _, want := range []string{
		"GGUF version 3",
		"2,895,648 bytes",
		"metadata   24 keys",
		`string          "bitnet-b1.58"`,
		"string × 4096",
		"tensors    46",
		"blk.3.ffn_down.weight       I2_S     512 × 256               32,800 B",
		"28 tensors        2,359,296 elements  590,720 bytes",
		"tokenize   yes, 4096 tokens",
		"run        yes: 4 blocks of width 256",
		"form       heads of 64, ReLU², the embedding as output head\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if again, _ := succeed(t, "inspect", "--model", tiny); again != got {
		t.Error("with --model it prints something else")
	}
	if got, _ := succeed(t, "inspect", vocabularyFile(t)); !strings.Contains(got, "tensors    0\n") || !strings.Contains(got, "tokenize   yes") || !strings.Contains(got, "run        no: tensor token_embd.weight: is missing") {
		t.Errorf("of a vocabulary it says\n%s", got)
	}
}

// A file of another model, with a tensor of an unknown type and names that give
// orders to terminals, is shown all the same.
func TestInspectForeign(t *testing.T) {
	var file bytes.Buffer
	w := gguf.NewWriter(&file)
	for key, value := range map[string]any{
		"general.architecture":      "llama\x1b[2J",
		"general.\x1b]0;owned\a":    uint32(1),
		"general.list\nfile  other": []string{"a\x1b[31m", "\u009b"},
	} {
		if err := w.Set(key, value); err != nil {
			t.Fatal(err)
		}
	}
	zeros := func(w io.Writer) error { _, err := w.Write(make([]byte, 128)); return err }
	if err := w.AddTensor("odd\x1b[1m", []int{32}, gguf.F32, zeros); err != nil {
		t.Fatal(err)
	}
	if err := w.AddTensor("plain", []int{32}, gguf.F32, zeros); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	// Behind the name: one dimension, its length, the type.
	data := file.Bytes()
	at := bytes.Index(data, []byte("odd\x1b[1m")) + len("odd\x1b[1m") + 4 + 8
	binary.LittleEndian.PutUint32(data[at:], 4711)
	path := filepath.Join(t.TempDir(), "foreign.gguf")
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	got, _ := succeed(t, "inspect", path)
	if clean := harmless(got); clean != got {
		t.Errorf("control characters in %q", got)
	}
	for _, want := range []string{`"llama\\x1b[2J"`, `general.\x1b]0;owned\a`, `general.list\nfile  other`, `odd\x1b[1m`, "4711", "unknown size", "plain", "tokenize   no: ", "run        no: key general.architecture"} {
		want = strings.ReplaceAll(want, `\\`, `\`)
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if status, _, stderr := bitnetWith(t, nil, "", "run", "--model", path, "--prompt", "a"); status != 1 || !strings.Contains(stderr, "cannot be run: key general.architecture") {
		t.Errorf("run: status %d and %q", status, stderr)
	}
}

// Whatever is wrong with a file, every command ends with a line about it.
func TestDamagedFiles(t *testing.T) {
	original, err := os.ReadFile(tiny)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(t.TempDir(), "damaged.gguf")
	refused := 0
	for i := range 60 {
		data := original
		if i < 20 {
			data = data[:random.IntN(len(data))] // the first ones are cut off
		} else {
			data = bytes.Clone(data)
			header := 1000 // where most metadata is
			if i >= 40 {
				header = len(data)
			}
			for range 1 + random.IntN(4) {
				at := random.IntN(header - 8)
				binary.LittleEndian.PutUint64(data[at:], random.Uint64()>>random.IntN(64))
			}
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"inspect", path},
			{"tokenize", "--model", path, "Hello"},
			{"run", "--model", path, "--prompt", "Hello", "--max-tokens", "2", "--json"},
		} {
			status, stdout, stderr := bitnetWith(t, nil, "", args...)
			if status > 1 || harmless(stdout) != stdout {
				t.Errorf("damage %d, %q: status %d, printed %q and said %q", i, args, status, stdout, stderr)
			}
			refused += status
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if refused < 60 {
		t.Errorf("only %d of 180 calls were refused", refused)
	}
}

func TestInspectJSON(t *testing.T) {
	type object = map[string]any
	inspected := func(path string) (all object) {
		t.Helper()
		out, _ := succeed(t, "inspect", "--json", path)
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	all := inspected(tiny)
	f, err := gguf.Open(tiny)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	metadata := all["metadata"].(object)
	if len(metadata) != len(f.Keys()) || all["size"] != float64(f.Size()) || all["version"] != 3.0 || all["file"] != tiny {
		t.Errorf("%d keys of a file of %v bytes", len(metadata), all["size"])
	}
	for key, want := range map[string]object{
		"general.architecture":                          {"type": "string", "value": "bitnet-b1.58"},
		"bitnet-b1.58.block_count":                      {"type": "uint32", "value": 4.0},
		"tokenizer.ggml.tokens":                         {"type": "string", "length": 4096.0, "value": nil},
		"tokenizer.ggml.add_bos_token":                  {"type": "bool", "value": true},
		"bitnet-b1.58.attention.layer_norm_rms_epsilon": {"type": "float32", "value": 1e-5},
	} {
		if diff := cmp.Diff(want, metadata[key]); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
	tensors := all["tensors"].([]any)
	for i, tensor := range f.Tensors() {
		var dims []any
		for _, n := range tensor.Dims {
			dims = append(dims, float64(n))
		}
		want := object{"name": tensor.Name, "type": tensor.Type.String(), "dims": dims, "bytes": float64(len(tensor.Data)), "offset": float64(tensor.Offset)}
		if diff := cmp.Diff(want, tensors[i]); diff != "" {
			t.Errorf("tensor %d: %s", i, diff)
		}
	}
	if diff := cmp.Diff(object{"tokenize": object{"possible": true}, "run": object{"possible": true}}, all["use"]); diff != "" {
		t.Error(diff)
	}
	if run := inspected(vocabularyFile(t))["use"].(object)["run"].(object); run["possible"] != false || !strings.Contains(run["reason"].(string), "token_embd.weight") {
		t.Errorf("a vocabulary alone: %v", run)
	}

	// What JSON has no number or text for.
	var file bytes.Buffer
	w := gguf.NewWriter(&file)
	for key, value := range map[string]any{
		"a": math.Inf(1), "b": float32(math.NaN()), "d": []uint64{1 << 63}, "e": []string{}, "f": []float32{0.1, 1e30},
	} {
		if err := w.Set(key, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "odd.gguf")
	if err := os.WriteFile(path, file.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	odd := inspected(path)["metadata"].(object)
	for key, want := range map[string]any{
		"a": "+Inf", "b": "NaN", "d": []any{float64(1 << 63)}, "e": []any{}, "f": []any{0.1, 1e30},
	} {
		if diff := cmp.Diff(want, odd[key].(object)["value"]); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
}
