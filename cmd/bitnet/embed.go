package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/gobitnet/gobitnet/bitnet"
)

var embedCommand = command{
	name:    "embed",
	summary: "turn texts into vectors",
	help: `bitnet embed [--model M] [flags] TEXT...

Prints a vector for each text, of length one: texts that mean the same have a
large product. It needs a model that is made for that. The output is a list of
lists of numbers in JSON, one text's in a line. Without TEXT and --tokens the
text is standard input, every byte of it but a byte-order mark at its beginning.

` + modelHelp + `  --tokens IDS      token ids in place of a text, separated by commas or spaces,
                    with nothing added
  --pooling P       what the vector is made of: the last token's (last), the
                    first one's (cls), or all (mean); for models that are not
                    made for this, and for those of Microsoft's whose file says
                    mean by mistake (default: what the file says)
  --dimensions N    keep the first N numbers of each vector
  --out FILE        write the vectors there, as little-endian float32, and print
                    nothing
`,
	run: embed,
}

// poolings are the values of --pooling.
var poolings = map[string]bitnet.Pooling{"last": bitnet.PoolingLast, "cls": bitnet.PoolingCLS, "mean": bitnet.PoolingMean}

func embed(c *call) error {
	var model modelFlags
	var options []bitnet.EmbedOption
	flags := c.newFlags()
	model.register(flags, c.settings)
	list := flags.String("tokens", "", "")
	out := flags.String("out", "", "")
	pooling := flags.String("pooling", "", "")
	flags.Func("dimensions", "", func(text string) error {
		n, err := parseCount(text, 1<<20)
		options = append(options, bitnet.WithDimensions(n))
		return err
	})
	texts, err := parse(flags, c.args)
	if err != nil {
		return err
	}
	if err := checkNames(flags); err != nil {
		return err
	}
	if given(flags, "pooling") {
		p, ok := poolings[*pooling]
		if !ok {
			return usagef("--pooling %q: it must be last, cls or mean", *pooling)
		}
		options = append(options, bitnet.WithPooling(p))
	}
	if given(flags, "out") && *out == "" {
		return usagef("no file to write: name one by --out, or leave it out")
	}
	var ids []int
	switch {
	case given(flags, "tokens") && len(texts) > 0:
		return usagef("--tokens and texts exclude each other: leave one out")
	case given(flags, "tokens"):
		if ids, err = parseTokens(*list); err != nil {
			return err
		}
	case len(texts) > 0:
	case isTerminal(c.stdin):
		return usagef("no text: give it as an argument or on standard input")
	default:
		text, err := readInput(c.stdin, "standard input")
		if err != nil {
			return err
		}
		texts = []string{text}
	}

	m, _, err := model.open(c)
	if err != nil {
		return err
	}
	defer m.Close()
	ctx, stop := interruptible()
	defer stop()
	var vectors [][]float32
	if ids != nil {
		vectors, err = m.EmbedTokens(ctx, [][]int{ids}, options...)
	} else {
		vectors, err = m.Embed(ctx, texts, options...)
	}
	if i := interrupted(ctx); i != nil && errors.Is(err, context.Canceled) {
		return &interruption{i.signal, "before the vectors were complete"}
	}
	if err != nil {
		return err
	}
	debugKernels(c, m)
	if *out != "" {
		return writeFile(*out, func(w io.Writer) error {
			for _, v := range vectors {
				if _, err := w.Write(appendFloats(nil, v)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	text := []byte("[\n")
	for i, v := range vectors {
		row, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if text = append(text, row...); i < len(vectors)-1 {
			text = append(text, ',')
		}
		text = append(text, '\n')
	}
	return writeOut(c.stdout, string(append(text, "]\n"...)))
}
