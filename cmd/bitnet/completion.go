package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

var completionCommand = command{
	name:    "completion",
	summary: "print a script by which a shell completes commands and flags",
	help: `bitnet completion bash|zsh|fish

Prints a script for the shell. To use it in every shell that begins from now on:

  bash: bitnet completion bash >> ~/.bashrc
  zsh:  bitnet completion zsh > "${fpath[1]}/_bitnet"
  fish: bitnet completion fish > ~/.config/fish/completions/bitnet.fish
`,
	plain: true,
	run: func(c *call) error {
		shells, err := parse(c.newFlags(), c.args)
		if err != nil {
			return err
		}
		if len(shells) != 1 {
			return usagef("name one shell: bash, zsh or fish")
		}
		script, ok := map[string]func([]completedCommand) string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[shells[0]]
		if !ok {
			return usagef("no completion for %q: the shells are bash, zsh and fish", shells[0])
		}
		return writeOut(c.stdout, script(completedCommands()))
	},
}

// A completedCommand is what can follow a command's name.
type completedCommand struct {
	name, summary string
	flags         []completedFlag
	words         []string // what its argument can be; nil: a file
}

type completedFlag struct {
	name, summary string
	argument      bool
}

// completedCommands asks each command for its flags, and its help for what they
// do.
func completedCommands() []completedCommand {
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	var all []completedCommand
	for _, c := range commands {
		completed := completedCommand{name: c.name, summary: c.summary}
		for _, f := range flagsOf(c) {
			flag := completedFlag{name: f.Name, argument: true}
			if boolean, ok := f.Value.(interface{ IsBoolFlag() bool }); ok {
				flag.argument = !boolean.IsBoolFlag()
			}
			flag.summary = summaryOf(c.help, f.Name)
			completed.flags = append(completed.flags, flag)
		}
		switch c.name {
		case "help":
			completed.words = names
		case "completion":
			completed.words = []string{"bash", "zsh", "fish"}
		}
		all = append(all, completed)
	}
	return all
}

// summaryOf returns what a help says first about a flag.
func summaryOf(help, flag string) string {
	found := regexp.MustCompile(`(?m)^  --?` + flag + `(?: [A-Z]+)?\s+(\S.*(?:\n {20}\S.*)*)`).FindStringSubmatch(help)
	if found == nil {
		return ""
	}
	text := strings.Join(strings.Fields(found[1]), " ")
	if end := regexp.MustCompile(`[;:] | \(`).FindStringIndex(text); end != nil {
		text = text[:end[0]]
	}
	return text
}

// flagsOf returns the flags of a command, which it registers before it looks at
// its arguments.
func flagsOf(c *command) (flags []*flag.Flag) {
	asked := &call{args: []string{"-h"}, stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	if err := c.run(asked); errors.Is(err, flag.ErrHelp) {
		asked.flags.VisitAll(func(f *flag.Flag) { flags = append(flags, f) })
	}
	return flags
}

func bashCompletion(commands []completedCommand) string {
	var b strings.Builder
	b.WriteString(`# Completion of bitnet for bash.
_bitnet() {
	local word=${COMP_WORDS[COMP_CWORD]} words=
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		words='`)
	for i, c := range commands {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(c.name)
	}
	b.WriteString("'\n\telse\n\t\tcase ${COMP_WORDS[1]} in\n")
	for _, c := range commands {
		words := slices.Clone(c.words)
		for _, f := range c.flags {
			words = append(words, "--"+f.name)
		}
		fmt.Fprintf(&b, "\t\t%s) words='%s' ;;\n", c.name, strings.Join(words, " "))
	}
	b.WriteString(`		esac
	fi
	while IFS= read -r; do COMPREPLY+=("$REPLY"); done < <(compgen -W "$words" -- "$word")
}
complete -o default -F _bitnet bitnet
`)
	return b.String()
}

func zshCompletion(commands []completedCommand) string {
	special := regexp.MustCompile(`[\\:\[\]]`)
	escape := func(text string) string { return special.ReplaceAllString(text, `\$0`) }
	quote := func(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
	var b strings.Builder
	b.WriteString("#compdef bitnet\n# Completion of bitnet for zsh.\n_bitnet() {\n\tif (( CURRENT == 2 )); then\n\t\tlocal -a commands=(\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "\t\t\t%s\n", quote(c.name+":"+escape(c.summary)))
	}
	b.WriteString("\t\t)\n\t\t_describe command commands\n\t\treturn\n\tfi\n\tlocal command=$words[2]\n\tshift words\n\t(( CURRENT-- ))\n\tcase $command in\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "\t%s)\n\t\t_arguments", c.name)
		for _, f := range c.flags {
			argument := ""
			if f.argument {
				argument = ":value:_files"
			}
			fmt.Fprintf(&b, " \\\n\t\t\t%s", quote("*--"+f.name+"["+escape(f.summary)+"]"+argument))
		}
		if c.words != nil {
			fmt.Fprintf(&b, " \\\n\t\t\t'1:word:(%s)'", strings.Join(c.words, " "))
		} else {
			b.WriteString(" \\\n\t\t\t'*:file:_files'")
		}
		b.WriteString("\n\t\t;;\n")
	}
	b.WriteString("\tesac\n}\n_bitnet \"$@\"\n")
	return b.String()
}

func fishCompletion(commands []completedCommand) string {
	quote := func(text string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
	}
	var b strings.Builder
	b.WriteString("# Completion of bitnet for fish.\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "complete -c bitnet -n __fish_use_subcommand -f -a %s -d %s\n", c.name, quote(c.summary))
	}
	for _, c := range commands {
		within := "complete -c bitnet -n '__fish_seen_subcommand_from " + c.name + "'"
		for _, f := range c.flags {
			argument := ""
			if f.argument {
				argument = " -r"
			}
			fmt.Fprintf(&b, "%s -l %s%s -d %s\n", within, f.name, argument, quote(f.summary))
		}
		if c.words != nil {
			fmt.Fprintf(&b, "%s -f -a %s\n", within, quote(strings.Join(c.words, " ")))
		}
	}
	return b.String()
}
