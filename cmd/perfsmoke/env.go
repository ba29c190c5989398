package main

import (
	"fmt"
	"runtime"
	"strconv"

	"github.com/gobitnet/gobitnet/quant"
)

const environmentHelp = `
environment, as in the command bitnet, as defaults that flags override:
  BITNET_MODEL           the model's file or name (else: the built-in one)
  BITNET_THREADS         how many threads to compute with
  BITNET_SEED            the seed of sampling, which greedy generation does not do
  BITNET_LOG             what to tell on standard error: debug, info (the
                         default) or warn (nothing but trouble)
  BITNET_DETERMINISTIC   1 refuses whatever could make two runs differ, of which
                         there is nothing here
  BITNET_CPU             run on these kernels: generic, avx2, avxvnni, avx512,
                         amx, neon or dotprod; the results are the same bits
  BITNET_HOME            the folder that bitnet pull brings models to
`

// settings are what the environment says.
type settings struct {
	model   string
	threads int
	seed    uint64
	kernels string // "": the fastest
}

const maxThreads = 1024

// readEnvironment reads the variables that environmentHelp lists. An empty one is
// as one that is not set.
func (c *console) readEnvironment() (settings, error) {
	s := settings{model: c.env("BITNET_MODEL"), threads: 1, kernels: c.env("BITNET_CPU")}
	if v := c.env("BITNET_THREADS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > maxThreads {
			return s, fmt.Errorf("BITNET_THREADS is %q: it must be a whole number from 0 to %d", v, maxThreads)
		}
		s.threads = n
	}
	if v := c.env("BITNET_SEED"); v != "" {
		seed, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return s, fmt.Errorf("BITNET_SEED is %q: it must be a whole number from 0 to %d", v, uint64(1<<64-1))
		}
		s.seed = seed
	}
	switch v := c.env("BITNET_LOG"); v {
	case "debug":
		c.level = levelDebug
	case "info", "":
		c.level = levelInfo
	case "warn":
		c.level = levelWarn
	default:
		return s, fmt.Errorf("BITNET_LOG is %q: it must be debug, info or warn", v)
	}
	switch v := c.env("BITNET_DETERMINISTIC"); v {
	case "1", "0", "": // runs are deterministic whether it is asked for or not
	default:
		return s, fmt.Errorf("BITNET_DETERMINISTIC is %q: it must be 1 or 0", v)
	}
	if s.kernels != "" {
		if _, err := quant.Named(s.kernels); err != nil {
			return s, fmt.Errorf("BITNET_CPU: %v", err)
		}
	}
	return s, nil
}

// checkThreads says what is wrong with a number of threads, and otherwise
// replaces 0 by the number of all that there are.
func checkThreads(threads *int) error {
	if *threads < 0 || *threads > maxThreads {
		return fmt.Errorf("--threads %d is not between 0 and %d", *threads, maxThreads)
	}
	if *threads == 0 {
		*threads = runtime.GOMAXPROCS(0)
	}
	return nil
}

const (
	levelDebug = iota - 1
	levelInfo  // where nothing is said
	levelWarn
)

// tell writes a line on standard error, where it is not left out.
func (c *console) tell(level int, format string, args ...any) {
	if c.level <= level {
		fmt.Fprintf(c.stderr, "perfsmoke: %s\n", printable(fmt.Sprintf(format, args...)))
	}
}

// debug tells what may help to find out more.
func (c *console) debug(format string, args ...any) { c.tell(levelDebug, format, args...) }

// info tells of progress.
func (c *console) info(format string, args ...any) { c.tell(levelInfo, format, args...) }

// warn tells what went wrong without being a reason to fail.
func (c *console) warn(format string, args ...any) { c.tell(levelWarn, "warning: "+format, args...) }
