package tokenizer

import (
	"os"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

func BenchmarkFromGGUF(b *testing.B) {
	file, err := gguf.Parse(llama3GGUF())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := FromGGUF(file); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFromJSON(b *testing.B) {
	data := llama3JSON()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fromJSON(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	source, err := os.ReadFile("encode.go")
	if err != nil {
		b.Fatal(err)
	}
	var languages strings.Builder
	for _, c := range golden(b) {
		if len(c.Text) < 500 {
			languages.WriteString(c.Text + "\n")
		}
	}
	for _, text := range []struct{ name, text string }{
		{"English", english},
		{"Go", string(source)},
		{"Languages", languages.String()},
		{"OneLetter", strings.Repeat("a", 1<<20)},
		{"Spaces", strings.Repeat(" ", 1<<20)},
	} {
		for _, vocabulary := range []struct {
			name string
			open func() *Tokenizer
		}{{"Llama3", llama3Tokenizer}, {"Llama2", llama2Tokenizer}} {
			b.Run(text.name+"/"+vocabulary.name, func(b *testing.B) {
				tokenizer := vocabulary.open()
				long := text.text
				for len(long) < 1<<16 {
					long += text.text
				}
				b.SetBytes(int64(len(long)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := tokenizer.Encode(long); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	tokenizer := llama3Tokenizer()
	ids, err := tokenizer.Encode(english)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(english)))
	b.ReportAllocs()
	for b.Loop() {
		tokenizer.Decode(ids)
	}
}

// english is a text with names, numbers and quotations in it.
const english = `The first lighthouse on the Eddystone Rocks stood for five years. Henry Winstanley, a merchant who had lost two
ships there, began it in 1696 and was taken prisoner by a French privateer before it was done; Louis XIV had him sent
home with the words, "France is at war with England, not with humanity." On 14 November 1698 its sixty tallow candles
were lit for the first time. Winstanley said that he wished for nothing more than to be inside it "during the greatest
storm there ever was", and he got what he'd asked for: on the night of 26-27 November 1703 the Great Storm swept away
the tower, its builder and the five men who were with him. Not a trace was left but for some twisted iron.

The second tower, of oak and 500 tons of stone, was John Rudyerd's work (1709). It didn't fall: it burned down in 1755,
and Henry Hall, its 94-year-old keeper, swallowed molten lead while he was fighting the fire. Hardly anyone believed
him until he died twelve days later and the doctor found a piece of 7 oz. 5 dr. in his stomach. John Smeaton, who built
the third, shaped it like an oak tree, let each stone into its neighbours with dovetails, and rediscovered a mortar
that sets under water; it's his experiments that Portland cement goes back to. His lighthouse outlasted the rock: the
sea had worn away what it stood on, so that by the 1870s the lantern shook with every wave. The people of Plymouth
paid for moving the upper part to the Hoe, where it's been ever since, whilst its stump still stands in the sea beside
the fourth tower. That one, 49 metres high, was lit in 1882, was automated a century later, and can be seen from 17
nautical miles away: two white flashes every ten seconds. Who'd have thought they'll need no keeper at all?
`
