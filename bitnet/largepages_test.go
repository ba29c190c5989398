package bitnet

import (
	"slices"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/internal/largepages"
	"github.com/gobitnet/gobitnet/quant"
)

// TestLargePages moves weights and screen to large pages between the passes of a
// session and compares what comes before and after.
func TestLargePages(t *testing.T) {
	if !largepages.Available() {
		t.Skip("this system gives no large pages")
	}
	ids := longSequence(tinyModel(t))[:40]
	want := newSession(t, tinyModel(t, WithSharedWeights()))
	m := tinyModel(t, WithThreads(2))
	m.residence.least, m.residence.after = 1, 3
	s := newSession(t, m)
	for i, id := range ids {
		sameLogits(t, "logits", mustAppend(t, s, id), mustAppend(t, want, id))
		if r := &m.residence; i < 2 && r.weights != nil {
			t.Errorf("weights were moved after %d passes", i+1)
		} else if r.weights != nil {
			for limit := time.Now().Add(10 * time.Second); r.weights.Enlarged() < len(r.weights.Bytes()); time.Sleep(time.Millisecond) {
				if time.Now().After(limit) {
					t.Fatal("the memory does not come into being")
				}
			}
		}
	}
	if n := len(m.weights.blocks); m.residence.blocks != n {
		t.Errorf("%d of %d blocks were moved", m.residence.blocks, n)
	}
	if want.model.residence.weights != nil {
		t.Error("weights that are to be shared were moved")
	}
	o := GenerateOptions{MaxTokens: 6, Temperature: 1, TopK: 5, Seed: 9}
	got, alone := mustGenerate(t, s, "", o), mustGenerate(t, want, "", o)
	if got.Text != alone.Text || len(got.Tokens) != 6 {
		t.Errorf("generated %q, from weights in the file %q", got.Text, alone.Text)
	}
	if m.residence.screen == nil {
		t.Error("the screen does not lie in large pages")
	}
	for limit := time.Now().Add(10 * time.Second); m.residence.screen.Enlarged() < m.head.ScreenBytes(); {
		got, alone := mustGenerate(t, s, "", GenerateOptions{MaxTokens: 1}), mustGenerate(t, want, "", GenerateOptions{MaxTokens: 1})
		if got.Tokens[0] != alone.Tokens[0] {
			t.Fatalf("generated %v, from a screen elsewhere %v", got.Tokens, alone.Tokens)
		}
		if time.Now().After(limit) {
			t.Fatal("the screen is not enlarged")
		}
	}
	sameLogits(t, "with both", mustAppend(t, s, 3), mustAppend(t, newSession(t, want.model), s.Tokens()...))
}

// TestRepacked has weights of five in a byte unpacked to two bits each while a model
// is used: nothing changes.
func TestRepacked(t *testing.T) {
	if !largepages.Available() {
		t.Skip("this system gives no large pages")
	}
	for i := range madeModels {
		made := &madeModels[i]
		repacked, ok := map[gguf.TensorType]quant.Format{gguf.TQ1_0: quant.TQ2_0, gguf.PTQ1_0: quant.PQ2_0}[made.weights]
		if !ok {
			continue
		}
		path := made.write(t)
		m := openModel(t, path)
		m.residence.least, m.residence.after = 1, 2
		s, want := newSession(t, m), newSession(t, openModel(t, path, WithSharedWeights()))
		for i := range 12 {
			sameLogits(t, made.name, mustAppend(t, s, 7*i, 3*i, i), mustAppend(t, want, 7*i, 3*i, i))
			waitEnlarged(t, m)
		}
		if m.residence.blocks != m.movable() {
			t.Errorf("%s: %d of %d were moved", made.name, m.residence.blocks, m.movable())
		}
		if !slices.Equal(m.weights.formats, []quant.Format{repacked}) {
			t.Errorf("%s: the weights are %v, not all %v", made.name, m.weights.formats, repacked)
		}
		if matrix, ok := m.weights.head.Matrix(); ok && matrix.Format() != matrix.Format().Resident() {
			t.Errorf("%s: the head is %v", made.name, matrix.Format())
		}
	}
}

func waitEnlarged(t *testing.T, m *Model) {
	t.Helper()
	if r := &m.residence; r.weights != nil {
		for limit := time.Now().Add(10 * time.Second); r.weights.Enlarged() < len(r.weights.Bytes()); time.Sleep(time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatal("the memory does not come into being")
			}
		}
	}
}

// TestLargePagesOfHeads moves heads that have no screen, one of which is the
// embedding, too.
func TestLargePagesOfHeads(t *testing.T) {
	if !largepages.Available() {
		t.Skip("this system gives no large pages")
	}
	made := madeModel{name: "heads", architecture: "llama", width: 256, inner: 256, heads: 4, keyHeads: 2, size: 64}
	for _, c := range tableTypes {
		made.untied = !made.untied
		path := made.writeWith(t, c.kind)
		m := openModel(t, path)
		m.residence.least, m.residence.after = 1, 2
		s, want := newSession(t, m), newSession(t, openModel(t, path, WithSharedWeights()))
		for i := range 12 {
			sameLogits(t, c.kind.String(), mustAppend(t, s, 7*i), mustAppend(t, want, 7*i))
			waitEnlarged(t, m)
		}
		if n := m.residence.blocks; n != m.movable() || (n == len(m.weights.blocks)) != m.head.Screens() {
			t.Errorf("%v: %d of %d were moved", c.kind, n, m.movable())
		}
	}
}
