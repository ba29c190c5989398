// Command bitnet runs BitNet b1.58 models.
//
//	bitnet run --prompt "2+2="
//	bitnet run --model model.gguf --prompt "The capital of France is"
//	bitnet chat --model model.gguf
//	bitnet tokenize --model model.gguf "Hello world"
//	bitnet inspect model.gguf
//	bitnet logits --model model.gguf --tokens 1,2,3 --out logits.f32
//	bitnet embed --model model.gguf "Hello world"
//	bitnet perplexity --model model.gguf --file text
//	bitnet serve --model model.gguf
//	bitnet batch --input requests.jsonl --output answers.jsonl
//	bitnet replay saved.json
//	bitnet convert folder -o model.gguf
//	bitnet pull 2b4t
//	bitnet models
//	bitnet rm 2b4t
//	bitnet verify 2b4t
//
// Where no model is named, the package arithmetic has a small one, which is in
// the program and only knows small sums.
//
// "bitnet help" lists the commands and the environment variables, and "bitnet
// help run" the flags of one command.
//
// Each command reads its flags and the environment, calls the package bitnet
// and prints what that says.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/gobitnet/gobitnet/quant"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}

// A command is one of the things that bitnet does.
type command struct {
	name    string
	summary string // one line for the list of commands
	help    string // what follows "usage: "
	plain   bool   // no variable of the environment changes what it does
	run     func(c *call) error
}

// commands are all of them, in the order in which help lists them.
var commands []*command

func init() { // help and completion tell about all, themselves included
	commands = []*command{
		&runCommand, &chatCommand, &tokenizeCommand, &inspectCommand, &logitsCommand, &embedCommand, &perplexityCommand, &serveCommand,
		&batchCommand, &replayCommand,
		&convertCommand, &pullCommand, &modelsCommand, &removeCommand, &verifyCommand,
		&completionCommand, &versionCommand, &helpCommand,
	}
}

// A call is what one start of a command has to work with.
type call struct {
	args     []string // behind the command's name
	flags    *flag.FlagSet
	stdin    io.Reader
	stdout   io.Writer
	stderr   io.Writer
	settings settings
}

// run does what args say and returns the exit status. It is the whole program
// but for the process that it runs in.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	name := "bitnet"
	err := func() error {
		if len(args) == 0 {
			io.WriteString(stderr, overview())
			return statusError(2)
		}
		word := args[0]
		switch word {
		case "-h", "-help", "--help":
			word = "help"
		case "-version", "--version":
			word = "version"
		}
		command := find(word)
		if command == nil {
			if strings.HasPrefix(word, "-") {
				return usagef("%q stands before the command: write bitnet COMMAND, then its flags", word)
			}
			return usagef("unknown command %q", word)
		}
		name += " " + command.name
		c := &call{args: args[1:], stdin: stdin, stdout: stdout, stderr: stderr}
		var err error
		if !command.plain {
			c.settings, err = readEnvironment(getenv)
		}
		if err == nil {
			err = command.run(c)
		}
		if errors.Is(err, flag.ErrHelp) {
			return printHelp(stdout, command)
		}
		return err
	}()
	return report(stderr, name, err)
}

// A usageError says what is wrong with how bitnet was called.
type usageError struct{ reason string }

func (e *usageError) Error() string { return e.reason }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// A statusError is an exit status that needs no more words.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// report prints at most one line about err and returns the exit status.
func report(stderr io.Writer, name string, err error) int {
	var usage *usageError
	var status statusError
	var ended interface{ status() int }
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case closedPipe(err):
		return 1 // whoever read the output has seen enough
	case errors.As(err, &usage):
		hint := name[len("bitnet"):]
		fmt.Fprintf(stderr, "%s: %s (see: bitnet help%s)\n", name, visible(err.Error()), hint)
		return 2
	}
	fmt.Fprintf(stderr, "%s: %s\n", name, visible(err.Error()))
	if errors.As(err, &ended) {
		return ended.status()
	}
	return 1
}

func find(name string) *command {
	for _, c := range commands {
		if c.name == name {
			return c
		}
	}
	return nil
}

func overview() string {
	var b strings.Builder
	b.WriteString("bitnet runs BitNet b1.58 models.\n\nusage: bitnet COMMAND [flags]\n\ncommands:\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "  %-12s%s\n", c.name, c.summary)
	}
	b.WriteString(`
where no model is named, a small one that is built in is used:
  bitnet run --prompt "2+2="
  bitnet chat
`)
	b.WriteString(environmentHelp)
	b.WriteString(`
exit status: 0 done, 1 failed, 2 wrong usage, 3 could not be checked (replay),
130 interrupted by Ctrl-C, 143 ended by SIGTERM
`)
	return b.String()
}

var helpCommand = command{
	name:    "help",
	summary: "explain a command: bitnet help run",
	help: `bitnet help [COMMAND]

Lists the commands, or explains one and all its flags.
`,
	plain: true,
	run: func(c *call) error {
		names, err := parse(c.newFlags(), c.args)
		switch {
		case err != nil:
			return err
		case len(names) > 1:
			return usagef("help explains one command at a time")
		case len(names) == 0:
			_, err := io.WriteString(c.stdout, overview())
			return err
		}
		command := find(names[0])
		if command == nil {
			return usagef("unknown command %q", names[0])
		}
		return printHelp(c.stdout, command)
	},
}

func printHelp(stdout io.Writer, c *command) error {
	_, err := io.WriteString(stdout, "usage: "+c.help)
	return err
}

var versionCommand = command{
	name:    "version",
	summary: "print the program's version and the processor's kernels",
	help: `bitnet version

Prints the program's version, what it was built with and for, and the kernels
that this processor can run.
`,
	plain: true,
	run: func(c *call) error {
		words, err := parse(c.newFlags(), c.args)
		if err != nil {
			return err
		}
		if len(words) > 0 {
			return usagef("version takes no arguments")
		}
		return printVersion(c.stdout)
	},
}

func printVersion(stdout io.Writer) error {
	version := "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	var kernels []string
	for _, k := range quant.Available() {
		kernels = append(kernels, k.Name())
	}
	_, err := fmt.Fprintf(stdout, "bitnet %s, %s %s/%s, kernels: %s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(kernels, ", "))
	return err
}
