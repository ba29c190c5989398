// Command perfsmoke runs a BitNet model for a few tokens in a process of its
// own, reports how long everything took and leaves a receipt that anyone can
// check, by its numbers and by running it again.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/gobitnet/gobitnet/quant"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // a check or gate that was asked for says no
	exitUsage  = 2
	// exitUnchecked says that what was to be checked could not be.
	exitUnchecked = 3
)

// A console is what a command sees of the world.
type console struct {
	stdout, stderr io.Writer
	commands       io.Writer // where commands to GitHub's runner go, nil for stdout
	env            func(name string) string
	self           []string // how to run this program, empty for as it was
	cache          string   // folder of models, empty for the user's
	buffer         int64    // bytes to read for the memory's speed, 0 for what suits the machine
	level          int      // messages below it are left out
}

// A command gets the arguments after its name and returns the exit status.
type command struct {
	name    string
	summary string // for the overview; a command without is left out of it
	run     func(c *console, args []string) int
}

func commands() []command {
	return []command{
		{"run", "run a model, report the times and leave a receipt (the default)", runCommand},
		{"verify", "check a receipt, with --replay by running it again", verifyCommand},
		{"compare", "hold two receipts against each other", compareCommand},
		{"plot", "draw a history of runs", plotCommand},
		{"comment", "print a receipt as a comment on a pull request", commentCommand},
		{"version", "print the program's version and the processor's kernels", versionCommand},
		{"child", "", childCommand},
		{"limits", "", limitsCommand},
	}
}

func main() {
	c := &console{stdout: os.Stdout, stderr: os.Stderr, env: os.Getenv}
	surviveClosedPipes()
	os.Exit(dispatch(c, os.Args[1:]))
}

// dispatch runs the command that the first argument names, and "run" where it
// names none.
func dispatch(c *console, args []string) int {
	name := "run"
	if len(args) > 0 {
		switch {
		case slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]):
			return help(c.withoutCommands(), args[1:])
		case args[0] == "-version" || args[0] == "--version":
			name, args = "version", args[1:]
		case !strings.HasPrefix(args[0], "-"):
			name, args = args[0], args[1:]
		}
	}
	for _, command := range commands() {
		if command.name == name {
			if command.summary != "" { // the others write events, which nobody but this program reads
				c = c.withoutCommands()
			}
			return command.run(c, args)
		}
	}
	return c.withoutCommands().usageError("there is no command %q; perfsmoke help lists them", name)
}

// withoutCommands returns a console whose output and errors the runner of GitHub
// Actions finds no commands in, whatever names and texts are printed. Those that
// are meant go through gitHub.
func (c *console) withoutCommands() *console {
	if !c.gitHub().active {
		return c
	}
	silent := *c
	silent.commands = c.stdout
	silent.stdout, silent.stderr = &commandBreaker{out: c.stdout}, &commandBreaker{out: c.stderr}
	return &silent
}

// gitHub returns the runner of GitHub Actions.
func (c *console) gitHub() *gitHub {
	if c.commands != nil {
		return newGitHub(c.env, c.commands)
	}
	return newGitHub(c.env, c.stdout)
}

// help explains the command that args name, or all.
func help(c *console, args []string) int {
	switch {
	case len(args) > 1:
		return c.usageError("help explains one command at a time")
	case len(args) == 0 || args[0] == "help":
		overview(c.stdout)
		return exitOK
	}
	for _, command := range commands() {
		if command.name == args[0] && command.summary != "" {
			return command.run(c, []string{"-h"})
		}
	}
	return c.usageError("there is no command %q; perfsmoke help lists them", args[0])
}

func overview(w io.Writer) {
	fmt.Fprint(w, "perfsmoke times a run of a BitNet b1.58 model and leaves a receipt of it.\n\nusage: perfsmoke [COMMAND] [flags]\n\ncommands:\n")
	for _, command := range commands() {
		if command.summary != "" {
			fmt.Fprintf(w, "  %-8s  %s\n", command.name, command.summary)
		}
	}
	fmt.Fprintf(w, "  %-8s  %s\n%s\n%s", "help", "explain a command and its flags: perfsmoke help run", environmentHelp,
		"exit status: 0 done, 1 refused, too slow for a gate, or interrupted, 2 wrong usage,\n3 could not be checked\n")
}

const versionSynopsis = "version"

func versionCommand(c *console, args []string) int {
	rest, status, ok := c.parse(newFlags("version"), args, versionSynopsis)
	if !ok {
		return status
	}
	if len(rest) > 0 {
		return c.usageError("version takes no arguments")
	}
	var kernels []string
	for _, k := range quant.Available() {
		kernels = append(kernels, k.Name())
	}
	e := thisBuild(c.env)
	fmt.Fprintf(c.stdout, "perfsmoke %s, %s %s/%s, kernels: %s\n", e.ModuleVersion, e.GoVersion, e.OS, e.Architecture, strings.Join(kernels, ", "))
	return exitOK
}

// usageError says on one line that the command was used wrongly.
func (c *console) usageError(format string, args ...any) int {
	fmt.Fprintf(c.stderr, "perfsmoke: %s\n", printable(fmt.Sprintf(format, args...)))
	return exitUsage
}

// fail says on one line why the command says no.
func (c *console) fail(format string, args ...any) int {
	fmt.Fprintf(c.stderr, "perfsmoke: %s\n", printable(fmt.Sprintf(format, args...)))
	return exitFailed
}

// givenEmpty returns the first of the named flags that was given as nothing, as
// by a variable of a script that is not set, and "" where none was.
func givenEmpty(flags *flag.FlagSet, names ...string) string {
	empty := ""
	flags.Visit(func(f *flag.Flag) {
		if empty == "" && f.Value.String() == "" && slices.Contains(names, f.Name) {
			empty = f.Name
		}
	})
	return empty
}

// newFlags returns an empty flag set for a command; its errors are reported by
// parse.
func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet("perfsmoke "+name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// parse reads flags and other arguments, which may stand in any order, and
// returns the others. Where ok is false, the command ends with status.
func (c *console) parse(flags *flag.FlagSet, args []string, synopsis string) (rest []string, status int, ok bool) {
	for {
		if err := flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				fmt.Fprintf(c.stdout, "usage: perfsmoke %s\n", synopsis)
				flags.SetOutput(c.stdout)
				flags.PrintDefaults()
				return nil, exitOK, false
			}
			return nil, c.usageError("%v", err), false
		}
		parsed := len(args) - flags.NArg()
		if parsed > 0 && args[parsed-1] == "--" {
			return append(rest, flags.Args()...), exitOK, true
		}
		if flags.NArg() == 0 {
			return rest, exitOK, true
		}
		rest, args = append(rest, flags.Arg(0)), flags.Args()[1:]
	}
}
