package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gobitnet/gobitnet/quant"
)

const environmentHelp = `
environment, as defaults that flags override:
  BITNET_MODEL           the model's file or name (else: the built-in one)
  BITNET_THREADS         how many threads to compute with
  BITNET_SEED            the seed of sampling
  BITNET_LOG             what to tell on standard error: debug, info (timings;
                         the default) or warn (nothing but trouble)
  BITNET_DETERMINISTIC   1 refuses whatever could make two runs differ: sampling
                         without a given seed; the object of run --json then
                         leaves out what belongs to the machine and the moment
  BITNET_CPU             run on these kernels: generic, avx2, avxvnni, avx512,
                         amx, neon or dotprod; the results are the same bits
  BITNET_HOME            the folder that models are pulled to
  HF_ENDPOINT, HF_TOKEN  where Hugging Face is, and who asks; HF_HUB_CACHE or
                         HF_HOME is where its own programs keep files
  HTTPS_PROXY, NO_PROXY  how to get there
`

// settings are what the environment says.
type settings struct {
	model         string
	threads       int     // 0: all that there are
	seed          *uint64 // nil: none given
	log           logLevel
	deterministic bool
	kernels       string // "": the fastest

	home             string // where models are pulled to; "" for the usual folder
	endpoint, token  string // of Hugging Face; "" for the usual one, and none
	huggingFaceCache string // of its own programs
}

// logLevel says how much is told on standard error beside errors.
type logLevel int

const (
	logWarn logLevel = iota
	logInfo
	logDebug
)

const maxThreads = 1024

// readEnvironment reads the variables that environmentHelp lists. An empty one
// is as one that is not set.
func readEnvironment(getenv func(string) string) (settings, error) {
	s := settings{
		model: getenv("BITNET_MODEL"), log: logInfo,
		home: getenv("BITNET_HOME"), endpoint: getenv("HF_ENDPOINT"), token: getenv("HF_TOKEN"),
		huggingFaceCache: huggingFaceCache(getenv),
	}
	if v := getenv("BITNET_THREADS"); v != "" {
		n, err := parseCount(v, maxThreads)
		if err != nil {
			return s, usagef("BITNET_THREADS is %q: %v", v, err)
		}
		s.threads = n
	}
	if v := getenv("BITNET_SEED"); v != "" {
		seed, err := parseSeed(v)
		if err != nil {
			return s, usagef("BITNET_SEED is %q: %v", v, err)
		}
		s.seed = &seed
	}
	switch v := getenv("BITNET_LOG"); v {
	case "debug":
		s.log = logDebug
	case "info", "":
	case "warn":
		s.log = logWarn
	default:
		return s, usagef("BITNET_LOG is %q: it must be debug, info or warn", v)
	}
	switch v := getenv("BITNET_DETERMINISTIC"); v {
	case "1":
		s.deterministic = true
	case "0", "":
	default:
		return s, usagef("BITNET_DETERMINISTIC is %q: it must be 1 or 0", v)
	}
	if v := getenv("BITNET_CPU"); v != "" {
		if _, err := quant.Named(v); err != nil {
			return s, usagef("BITNET_CPU: %v", err)
		}
		s.kernels = v
	}
	return s, nil
}

// huggingFaceCache returns where Hugging Face's own programs keep their files.
func huggingFaceCache(getenv func(string) string) string {
	if folder := getenv("HF_HUB_CACHE"); folder != "" {
		return folder
	}
	home := getenv("HF_HOME")
	if home == "" {
		cache := getenv("XDG_CACHE_HOME")
		if user, err := os.UserHomeDir(); err == nil && cache == "" {
			cache = filepath.Join(user, ".cache")
		}
		home = filepath.Join(cache, "huggingface")
	}
	return filepath.Join(home, "hub")
}

// parseCount parses a number from 0 to limit.
func parseCount(text string, limit int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > limit {
		return 0, fmt.Errorf("it must be a whole number from 0 to %d", limit)
	}
	return n, nil
}

func parseSeed(text string) (uint64, error) {
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("it must be a whole number from 0 to %d", uint64(1<<64-1))
	}
	return seed, nil
}
