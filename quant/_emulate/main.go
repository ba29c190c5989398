//go:build linux && amd64

// Command emulate runs a program on a processor that has more instructions
// than the real one: Intel's AMX for 8-bit integers, and the VEX-coded
// VPDPBUSD of AVX-VNNI. It exists to test kernels where no processor has what
// they need; nothing can be said about their speed.
//
//	emulate [-features amx,avxvnni] [-used] [-v] command [argument...]
//
// A feature that the processor has is left to it. The command, its threads and the programs that it starts run natively under
// ptrace. An instruction that the processor lacks stops its thread with
// SIGILL; emulate does what Intel's Software Developer's Manual, volume 2, says
// of the instruction, and lets the thread go on. CPUID is made to fault, so
// that the answer can tell of the features, and the kernel's permission to use
// tiles (arch_prctl) is granted by emulate in its stead. XGETBV cannot be made
// to fault: it shows what the real system has enabled, without tiles.
//
// Where the manual says that an instruction faults, and where tiles are used
// without permission, emulate says so, kills everything it runs and ends with
// status 125. Otherwise it ends as the command does; a command killed by signal
// n gives 128+n.
//
// Not modelled: tiles that a signal handler uses while it interrupts code that
// uses them, and prefixes before VEX, which these instructions never need. Job
// control does not work under it.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// failed is the exit status that says that emulate, not the command, found
// something wrong.
const failed = 125

func main() {
	names := flag.String("features", "amx,avxvnni", "what the processor is to have, separated by commas: amx, avxvnni")
	used := flag.Bool("used", false, "fail where the command succeeds without having used every feature that is emulated")
	verbose := flag.Bool("v", false, "print how often each instruction was emulated")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: emulate [-features amx,avxvnni] [-used] [-v] command [argument...]")
		flag.PrintDefaults()
	}
	flag.Parse()
	status, err := run(*names, *used, *verbose, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "emulate:", err)
		status = failed
	}
	// The end of the tracer is the end of everything that it still traces.
	os.Exit(status)
}

func run(names string, used, verbose bool, command []string) (status int, err error) {
	features, err := parseFeatures(names)
	if err != nil {
		return 0, err
	}
	if len(command) == 0 {
		return 0, fmt.Errorf("no command given")
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return 0, err
	}
	// Every ptrace request must come from the thread that started the command.
	runtime.LockOSThread()
	t := newTracer(features.lacking())
	status, err = t.run(path, command)
	if verbose {
		for op, n := range t.emulated {
			if n > 0 {
				fmt.Fprintf(os.Stderr, "emulate: %d × %v\n", n, operation(op))
			}
		}
		fmt.Fprintf(os.Stderr, "emulate: in %d stops\n", t.stops)
	}
	if err == nil && status == 0 && used {
		var usedAMX, usedAVXVNNI bool
		for op, n := range t.emulated {
			usedAVXVNNI = usedAVXVNNI || n > 0 && operation(op) == vpdpbusd
			usedAMX = usedAMX || n > 0 && operation(op) != vpdpbusd
		}
		if t.features.amx && !usedAMX || t.features.avxvnni && !usedAVXVNNI {
			return 0, fmt.Errorf("the command has not used every feature: AMX %v, AVX-VNNI %v", usedAMX, usedAVXVNNI)
		}
	}
	return status, err
}

// features is what the emulated processor has.
type features struct{ amx, avxvnni bool }

func parseFeatures(names string) (f features, err error) {
	for _, name := range strings.Split(names, ",") {
		switch name {
		case "amx":
			f.amx = true
		case "avxvnni":
			f.avxvnni = true
		default:
			return f, fmt.Errorf("feature %q: there are amx and avxvnni", name)
		}
	}
	return f, nil
}
