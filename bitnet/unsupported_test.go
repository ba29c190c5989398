package bitnet

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// TestSettings looks for lines of the table that no key can reach, because a line
// before them covers theirs.
func TestSettings(t *testing.T) {
	const architecture = "bitnet-b1.58"
	for i, s := range settings {
		key := strings.TrimSuffix(s.key, "*")
		if strings.HasPrefix(key, ".") {
			key = architecture + key
		}
		for _, before := range settings[:i] {
			if before.covers(key, architecture) {
				t.Errorf("%s comes after %s", s.key, before.key)
			}
		}
		if s.asks == "" && s.neutral != anyValue {
			t.Errorf("%s does not say what it asks for", s.key)
		}
	}
}

// FuzzSettings asks of files with a key of any name and value.
func FuzzSettings(f *testing.F) {
	const architecture = "bitnet-b1.58"
	for _, s := range settings {
		f.Add(strings.Replace(s.key, ".", architecture+".", 1), "0", float32(0), uint32(0), uint8(0))
	}
	f.Fuzz(func(t *testing.T, key, text string, number float32, integer uint32, kind uint8) {
		var file bytes.Buffer
		w := gguf.NewWriter(&file)
		values := []any{text, number, integer, integer%2 == 1, []string{text, text}, []float32{number}, []uint32{}, []bool{true, false}}
		if w.Set(key, values[int(kind)%len(values)]) != nil || w.Close() != nil {
			return
		}
		g, err := gguf.Parse(file.Bytes())
		if err != nil {
			return
		}
		if err := checkSettings(g, architecture); err != nil {
			if !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), key) || len(err.Error()) > len(key)+1000 {
				t.Errorf("key %q: %v", key, err)
			}
		} else if known := strings.HasPrefix(key, architecture+".attention.q"); known && kind%8 == 1 && number != 0 {
			t.Errorf("key %q = %v is taken for nothing", key, number)
		}
	})
}
