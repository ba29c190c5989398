package main

import (
	"bufio"
	"fmt"
	"strconv"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/tokenizer"
)

var tokenizeCommand = command{
	name:    "tokenize",
	summary: "show the tokens of a text",
	help: `bitnet tokenize [--model M|--tokenizer T] [--ids] TEXT

Prints a line for each token of the text: its id, a tab and the token in quotes.
Special tokens are recognised and nothing is added. Without TEXT the text is
standard input, every byte of it but a byte-order mark at its beginning.

  --model M         the GGUF file whose vocabulary to use, or a name as bitnet
                    models lists them (default: BITNET_MODEL, or the built-in
                    one)
` + pullHelp + `  --tokenizer T     a GGUF, with or without tensors, or a tokenizer.json to use
                    instead
  --ids             print the ids only, in one line
`,
	run: tokenize,
}

func tokenize(c *call) error {
	flags := c.newFlags()
	model := flags.String("model", c.settings.model, "")
	pull := flags.Bool("pull", false, "")
	vocabulary := flags.String("tokenizer", "", "")
	idsOnly := flags.Bool("ids", false, "")
	texts, err := parse(flags, c.args)
	if err != nil {
		return err
	}
	if err := checkNames(flags); err != nil {
		return err
	}
	var text string
	switch {
	case len(texts) > 1:
		return usagef("%d texts: put the text in quotes, flags apart", len(texts))
	case len(texts) == 1:
		text = texts[0]
	case isTerminal(c.stdin):
		return usagef("no text: give it as an argument or on standard input")
	default:
		if text, err = readInput(c.stdin, "standard input"); err != nil {
			return err
		}
	}
	if given(flags, "model") && *vocabulary != "" {
		c.warnf("--model changes nothing beside --tokenizer")
	}
	var t *tokenizer.Tokenizer
	switch {
	case *vocabulary != "":
		t, err = openTokenizer(*vocabulary)
	case *model != "":
		var path string
		if path, err = c.locate(*model, *pull); err == nil {
			t, err = openTokenizer(path)
		}
	default:
		tellBuiltIn(c)
		var f *gguf.File
		if f, err = builtInFile(); err == nil {
			t, err = tokenizer.FromGGUF(f)
		}
	}
	if err != nil {
		return err
	}
	ids, err := t.Encode(text)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(c.stdout)
	var token []byte
	for i, id := range ids {
		if *idsOnly {
			if i > 0 {
				w.WriteByte(' ')
			}
			w.WriteString(strconv.Itoa(id))
			continue
		}
		token = t.AppendToken(token[:0], id)
		fmt.Fprintf(w, "%d\t%q\n", id, token)
	}
	if *idsOnly {
		w.WriteByte('\n')
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing standard output: %w", err)
	}
	return nil
}
