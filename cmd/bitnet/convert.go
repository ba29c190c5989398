package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet/convert"
	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/hub"
)

var convertCommand = command{
	name:    "convert",
	summary: "make a GGUF of a Hugging Face folder, or of another GGUF",
	help: `bitnet convert FROM -o FILE [--type T] [--embedding T]

Converts the folder of a Hugging Face repository (config.json, safetensors and
vocabulary) or a GGUF file. The classes BitNetForCausalLM, BitnetForCausalLM,
LlamaForCausalLM and Qwen3ForCausalLM can be converted, where the weights are
ternary or become so by the model's own rule. The file appears when it is
complete; what was there before is replaced.

From one GGUF to another the weights stay what they are, and what a type does
not hold is refused. A scale that float16 does not hold is rounded for the types
that store it so; the file keeps the exact one for the way back to i2_s.

  -o FILE           the file to write
  --type T          the type of the projections: i2_s, tq1_0, tq2_0, q2_0, pq2_0
                    or ptq1_0 (default: from a folder i2_s, or the one with the
                    largest blocks that holds the weights exactly; from a GGUF
                    what it has). From a folder whose weights are not ternary,
                    i2_s has them rounded
  --embedding T     the type of the embedding and the output head: f16, q8_0 or
                    q6_k (default: from a folder f16, or the type of the
                    projections where the table is ternary in its blocks; from a
                    GGUF what it has)
`,
	run: convertModel,
}

var projectionTypes = map[string]gguf.TensorType{
	"i2_s": gguf.I2S, "tq1_0": gguf.TQ1_0, "tq2_0": gguf.TQ2_0, "q2_0": gguf.Q2_0, "pq2_0": gguf.PQ2_0, "ptq1_0": gguf.PTQ1_0,
}

var embeddingTypes = map[string]gguf.TensorType{"f16": gguf.F16, "q8_0": gguf.Q8_0, "q6_k": gguf.Q6_K}

// namedType returns the type that a flag names, 0 where it is not given.
func namedType(flags *flag.FlagSet, name string, types map[string]gguf.TensorType) (gguf.TensorType, error) {
	if !given(flags, name) {
		return 0, nil
	}
	word := flags.Lookup(name).Value.String()
	t, ok := types[strings.ToLower(word)]
	if !ok {
		return 0, usagef("--%s %q: it must be one of %s", name, word, strings.Join(slices.Sorted(maps.Keys(types)), ", "))
	}
	return t, nil
}

func convertModel(c *call) error {
	var o convert.Options
	flags := c.newFlags()
	out := flags.String("o", "", "")
	flags.String("type", "", "")
	flags.String("embedding", "", "")
	names, err := parse(flags, c.args)
	if err == nil {
		o.Type, err = namedType(flags, "type", projectionTypes)
	}
	if err == nil {
		o.Embedding, err = namedType(flags, "embedding", embeddingTypes)
	}
	switch {
	case err != nil:
		return err
	case len(names) != 1:
		return usagef("%d things to convert: name one folder or GGUF file", len(names))
	case *out == "":
		return usagef("no file to write: name one by -o")
	}
	ctx, stop := interruptible()
	defer stop()
	shown := c.newBar(*out)
	if shown != nil {
		defer shown.end()
		o.Progress = func(done, total int64) { shown.show(hub.Progress{Bytes: done, Total: total}) }
	}
	var report convert.Report
	err = writeFile(*out, func(w io.Writer) (err error) {
		report, err = convert.Write(ctx, w, names[0], o)
		return err
	})
	switch i := interrupted(ctx); {
	case i != nil && err != nil:
		return &interruption{i.signal, fmt.Sprintf("before %s was written", *out)}
	case errors.As(err, new(*convert.Error)):
		return fmt.Errorf("%s cannot be converted: %w", names[0], err)
	case err != nil:
		return err
	}
	size := ""
	if info, err := os.Stat(*out); err == nil && info.Mode().IsRegular() {
		size = ", " + hub.FormatBytes(info.Size())
	}
	rounded := ""
	if report.Rounded > 0 {
		rounded = fmt.Sprintf("; the scales of %d matrices are rounded to float16, and kept exactly for the way back to i2_s", report.Rounded)
	}
	c.infof("%s: %s, weights in %v, embedding in %v%s%s", *out, report.Architecture, report.Type, report.Embedding, size, rounded)
	return nil
}
