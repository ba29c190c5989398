// Command bitnet runs BitNet b1.58 models.
//
//	bitnet run --prompt "2+2="
//	bitnet run --model model.gguf --prompt "The capital of France is"
//	bitnet chat --model model.gguf
//	bitnet tokenize --model model.gguf "Hello world"
//	bitnet inspect model.gguf
//	bitnet logits --model model.gguf --tokens 1,2,3 --out logits.f32
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
	run     func(c *call) error
}

// commands are all of them, in the order in which help lists them.
var commands = []*command{&runCommand, &chatCommand, &tokenizeCommand, &inspectCommand, &logitsCommand}

// A call is what one start of a command has to work with.
type call struct {
	args     []string // behind the command's name
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
		switch args[0] {
		case "help", "-h", "-help", "--help":
			return help(stdout, args[1:])
		case "version", "-version", "--version":
			if len(args) > 1 {
				return usagef("version takes no arguments")
			}
			return printVersion(stdout)
		}
		command := find(args[0])
		if command == nil {
			if strings.HasPrefix(args[0], "-") {
				return usagef("%q stands before the command: write bitnet COMMAND, then its flags", args[0])
			}
			return usagef("unknown command %q", args[0])
		}
		name += " " + command.name
		settings, err := readEnvironment(getenv)
		if err == nil {
			err = command.run(&call{args[1:], stdin, stdout, stderr, settings})
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
	var stop *interruption
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
	if errors.As(err, &stop) {
		return stop.status()
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
		fmt.Fprintf(&b, "  %-10s%s\n", c.name, c.summary)
	}
	fmt.Fprintf(&b, "  %-10s%s\n", "version", "print the program's version and the processor's kernels")
	fmt.Fprintf(&b, "  %-10s%s\n", "help", "explain a command: bitnet help run")
	b.WriteString(`
where no model is named, a small one that is built in is used:
  bitnet run --prompt "2+2="
  bitnet chat
`)
	b.WriteString(environmentHelp)
	b.WriteString(`
exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted by Ctrl-C,
143 ended by SIGTERM
`)
	return b.String()
}

func help(stdout io.Writer, args []string) error {
	if len(args) > 1 {
		return usagef("help explains one command at a time")
	}
	if len(args) == 0 {
		_, err := io.WriteString(stdout, overview())
		return err
	}
	c := find(args[0])
	if c == nil {
		return usagef("unknown command %q", args[0])
	}
	return printHelp(stdout, c)
}

func printHelp(stdout io.Writer, c *command) error {
	_, err := io.WriteString(stdout, "usage: "+c.help)
	return err
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
