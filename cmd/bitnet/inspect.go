package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/tokenizer"
)

var inspectCommand = command{
	name:    "inspect",
	summary: "show what is in a GGUF file",
	help: `bitnet inspect [M] [--json]

Prints the metadata, the tensors and the sizes of a GGUF file, of whatever
model, and whether this program can run it. Long texts and lists are cut.

M is a file, or a name as bitnet models lists them.

  --model M         the same, where it is not an argument (default:
                    BITNET_MODEL, or the built-in one)
  --json            print one JSON object: file, version, alignment, size,
                    metadata, tensors, use; of lists longer than 64 only the
                    length
` + pullHelp,
	run: inspect,
}

func inspect(c *call) error {
	flags := c.newFlags()
	model := flags.String("model", c.settings.model, "")
	asJSON := flags.Bool("json", false, "")
	pull := flags.Bool("pull", false, "")
	paths, err := parse(flags, c.args)
	if err != nil {
		return err
	}
	if err := checkNames(flags); err != nil {
		return err
	}
	if given(flags, "model") {
		paths = append(paths, *model)
	}
	path := *model
	switch len(paths) {
	case 0:
	case 1:
		path = paths[0]
	default:
		return usagef("%d files: inspect shows one at a time", len(paths))
	}
	name := path
	if path, err = c.locate(name, *pull); err != nil {
		return err
	}
	var f *gguf.File
	open := func(options ...bitnet.Option) (*bitnet.Model, error) { return bitnet.Open(path, options...) }
	if name == "" && len(paths) == 0 {
		tellBuiltIn(c)
		open = arithmetic.Open
		f, err = builtInFile()
	} else {
		f, err = gguf.Open(path)
	}
	if err != nil {
		return describeOpen(name, err)
	}
	defer f.Close()
	u := usable(f, open)
	if *asJSON {
		return printInspection(c.stdout, cmp.Or(name, builtIn), f, u)
	}
	w := bufio.NewWriterSize(c.stdout, 1<<16)
	printFile(w, cmp.Or(name, builtIn), f)
	printUse(w, u)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing standard output: %w", err)
	}
	return nil
}

// printFile prints a file. Errors of w come at its Flush.
func printFile(w *bufio.Writer, name string, f *gguf.File) {
	fmt.Fprintf(w, "file       %s\n", visible(name))
	fmt.Fprintf(w, "format     GGUF version %d, alignment %d\n", f.Version(), f.Alignment())
	fmt.Fprintf(w, "size       %s bytes\n", grouped(f.Size()))

	keys := f.Keys()
	fmt.Fprintf(w, "\nmetadata   %d keys\n", len(keys))
	width := 0
	for _, key := range keys {
		width = max(width, min(len(key), 48))
	}
	for _, key := range keys {
		value, _ := f.Value(key)
		fmt.Fprintf(w, "  %-*s  %-14s  %s\n", width, visible(key), typeName(value), visible(value.String()))
	}

	tensors := f.Tensors()
	fmt.Fprintf(w, "\ntensors    %d\n", len(tensors))
	width = 0
	for _, t := range tensors {
		width = max(width, min(len(t.Name), 48))
	}
	for _, t := range tensors {
		fmt.Fprintf(w, "  %-*s  %-7s  %-15s  %15s  at %d\n", width, visible(t.Name), t.Type, shape(t.Dims), size(t), t.Offset)
	}
	printTotals(w, tensors)
}

// typeName names the type of a value: "uint32", or "string × 128256" for an
// array.
func typeName(v gguf.Value) string {
	if v.Type() != gguf.Array {
		return v.Type().String()
	}
	return fmt.Sprintf("%v × %d", v.ElemType(), v.Len())
}

// shape writes dimensions with the fastest-running one first, as the file has
// them.
func shape(dims []int) string {
	if len(dims) == 0 {
		return "scalar"
	}
	var b strings.Builder
	for i, n := range dims {
		if i > 0 {
			b.WriteString(" × ")
		}
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}

func size(t gguf.Tensor) string {
	if t.Data == nil {
		return "unknown size"
	}
	return grouped(int64(len(t.Data))) + " B"
}

// printTotals sums up the tensors of each type, in the order in which the types
// appear.
func printTotals(w io.Writer, tensors []gguf.Tensor) {
	type total struct {
		tensors         int
		elements, bytes int64
		unknown         bool
	}
	totals := make(map[gguf.TensorType]*total)
	var types []gguf.TensorType
	for _, t := range tensors {
		if totals[t.Type] == nil {
			totals[t.Type] = new(total)
			types = append(types, t.Type)
		}
		sum := totals[t.Type]
		sum.tensors++
		sum.elements += t.Elements()
		sum.bytes += int64(len(t.Data))
		sum.unknown = sum.unknown || t.Data == nil
	}
	if len(types) == 0 {
		return
	}
	fmt.Fprintf(w, "\ntypes\n")
	for _, typ := range types {
		sum := totals[typ]
		bytes := grouped(sum.bytes) + " bytes"
		if sum.unknown {
			bytes = "unknown size"
		}
		fmt.Fprintf(w, "  %-7s  %5d tensors  %15s elements  %s\n", typ, sum.tensors, grouped(sum.elements), bytes)
	}
}

// use is what this program can do with a file.
type use struct {
	tokenize, run error // why not
	vocabulary    int
	config        bitnet.Config
}

// usable tries to use a file, which open opens as a model.
func usable(f *gguf.File, open func(...bitnet.Option) (*bitnet.Model, error)) (u use) {
	var t *tokenizer.Tokenizer
	if t, u.tokenize = tokenizer.FromGGUF(f); u.tokenize == nil {
		u.vocabulary = t.VocabularySize()
	}
	var m *bitnet.Model
	if m, u.run = open(bitnet.WithThreads(1)); u.run == nil {
		u.config = m.Config()
		m.Close()
	}
	u.run = describeVocabulary(u.run)
	return u
}

func printUse(w io.Writer, u use) {
	fmt.Fprintf(w, "\nuse\n")
	if u.tokenize == nil {
		fmt.Fprintf(w, "  tokenize   yes, %d tokens\n", u.vocabulary)
	} else {
		fmt.Fprintf(w, "  tokenize   no: %s\n", visible(u.tokenize.Error()))
	}
	if u.run != nil {
		fmt.Fprintf(w, "  run        no: %s\n", visible(u.run.Error()))
		return
	}
	fmt.Fprintf(w, "  run        yes: %d blocks of width %d, feed-forward %d, %d heads on %d, context %d\n",
		u.config.Blocks, u.config.EmbeddingLength, u.config.FeedForwardLength, u.config.Heads, u.config.KVHeads, u.config.ContextLength)
	fmt.Fprintf(w, "  form       %s\n", form(u.config))
}

// form tells what a model is made of beside its sizes.
func form(c bitnet.Config) string {
	parts := []string{"heads of " + strconv.Itoa(c.HeadSize), map[string]string{"relu2": "ReLU²", "silu": "SiLU"}[c.Activation]}
	if c.YaRN.Factor > 0 {
		parts = append(parts, fmt.Sprintf("a context of %d stretched by %v", c.YaRN.Original, c.YaRN.Factor))
	}
	if c.InputNorms {
		parts = append(parts, "norms ahead of each projection")
	}
	switch {
	case !c.TiedHead:
		parts = append(parts, "an output head of its own")
	case c.Pooling == bitnet.PoolingNone:
		parts = append(parts, "the embedding as output head")
	}
	if c.Pooling != bitnet.PoolingNone {
		parts = append(parts, fmt.Sprintf("made to embed texts, by %v", c.Pooling))
	}
	return strings.Join(parts, ", ")
}

// grouped writes a number with its thousands apart.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
