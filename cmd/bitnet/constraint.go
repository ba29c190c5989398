package main

import (
	"flag"
	"fmt"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/constrain"
)

// constraintFlags say what the text may be.
type constraintFlags struct {
	schema, regex, grammar, choice string
}

const constraintHelp = `  --json-schema F   the text is JSON that fits the schema in this file
  --regex R         the text fits this regular expression, all of it
  --grammar F       the text is what the grammar in this file says, which is
                    written as for llama.cpp (GBNF)
  --choice A,B,C    the text is one of these
                    (go doc github.com/gobitnet/gobitnet/bitnet/constrain tells
                    what schemas, expressions and grammars may say; a text that
                    --max-tokens ends too early fits only so far)
`

func (f *constraintFlags) register(flags *flag.FlagSet) {
	flags.StringVar(&f.schema, "json-schema", "", "")
	flags.StringVar(&f.regex, "regex", "", "")
	flags.StringVar(&f.grammar, "grammar", "", "")
	flags.StringVar(&f.choice, "choice", "", "")
}

// constraint returns what the flags ask for, or nil.
func (f *constraintFlags) constraint(c *call) (bitnet.Constraint, error) {
	var name string
	for _, flag := range []string{"json-schema", "regex", "grammar", "choice"} {
		if !given(c.flags, flag) {
			continue
		}
		if name != "" {
			return nil, usagef("--%s and --%s exclude each other: leave one out", name, flag)
		}
		name = flag
	}
	var made *constrain.Constraint
	var err error
	switch name {
	case "":
		return nil, nil
	case "json-schema":
		var text string
		if text, _, err = readText(c, f.schema); err == nil {
			made, err = constrain.JSONSchema([]byte(text))
		}
	case "regex":
		made, err = constrain.Regexp(f.regex)
	case "grammar":
		var text string
		if text, _, err = readText(c, f.grammar); err == nil {
			made, err = constrain.Grammar(text)
		}
	case "choice":
		made, err = constrain.Choice(strings.Split(f.choice, ","))
	}
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", name, err)
	}
	return made, nil
}
