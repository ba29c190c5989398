package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/cmd/internal/output"
)

var logitsCommand = command{
	name:    "logits",
	summary: "write the logits after each token of a sequence",
	help: `bitnet logits [--model M] --tokens 1,2,3 --out FILE [flags]

Evaluates the tokens, with nothing added, and writes the logits after each: one
row of little-endian float32 for each token, with a value for each token of the
vocabulary. The file appears when it is complete.

` + modelHelp + `  --tokens IDS      token ids, separated by commas or spaces
  --out FILE        the file to write
` + cacheHelp,
	run: writeLogits,
}

func writeLogits(c *call) error {
	var model modelFlags
	flags := c.newFlags()
	model.register(flags, c.settings)
	list := flags.String("tokens", "", "")
	out := flags.String("out", "", "")
	cache := flags.String("kv-cache", "float16", "")
	if err := parseAlone(flags, c.args); err != nil {
		return err
	}
	if err := checkNames(flags); err != nil {
		return err
	}
	ids, err := parseTokens(*list)
	if err != nil {
		return err
	}
	if *out == "" {
		return usagef("no file to write: name one by --out")
	}
	options, err := cacheOptions(*cache)
	if err != nil {
		return err
	}

	m, _, err := model.open(c)
	if err != nil {
		return err
	}
	defer m.Close()
	if n := m.Config().ContextLength; len(ids) > n {
		return fmt.Errorf("%d tokens do not fit the model's context of %d: give fewer", len(ids), n)
	}
	for i, id := range ids {
		if n := m.Config().VocabularySize; id >= n {
			return &bitnet.TokenError{ID: id, Index: i, Vocabulary: n}
		}
	}
	s, err := m.NewSession(options...)
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, stop := interruptible()
	defer stop()
	p := newProgress(c, 300*time.Millisecond)
	defer p.erase()
	err = writeFile(*out, func(w io.Writer) error {
		var row []byte
		for logits, err := range s.AppendEach(ctx, ids) {
			if err != nil {
				return err
			}
			p.show("%d of %d tokens", s.Len(), len(ids))
			row = appendFloats(row[:0], logits)
			if _, err := w.Write(row); err != nil {
				return err
			}
		}
		return nil
	})
	p.erase()
	if i := interrupted(ctx); i != nil && errors.Is(err, context.Canceled) {
		return &interruption{i.signal, fmt.Sprintf("after %d of %d tokens: %s was not written", s.Len(), len(ids), *out)}
	}
	if err != nil {
		return err
	}
	debugKernels(c, m)
	return nil
}

// appendFloats appends numbers as files have them, little-endian.
func appendFloats(data []byte, values []float32) []byte {
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return data
}

const cacheHelp = `  --kv-cache TYPE   float16, or float32 for logits a little closer to exact
                    arithmetic (default: float16)
`

// cacheOptions returns what --kv-cache asks of a session.
func cacheOptions(name string) ([]bitnet.SessionOption, error) {
	switch name {
	case "float32":
		return []bitnet.SessionOption{bitnet.WithFloat32Cache()}, nil
	case "float16":
		return nil, nil
	}
	return nil, usagef("--kv-cache %q: it must be float16 or float32", name)
}

func parseTokens(list string) ([]int, error) {
	fields := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' || r == '\r' })
	if len(fields) == 0 {
		return nil, usagef("no tokens: give their ids, such as --tokens 1,2,3")
	}
	ids := make([]int, len(fields))
	for i, field := range fields {
		id, err := strconv.Atoi(field)
		if err != nil || id < 0 {
			return nil, usagef("--tokens: %q is no token id: ids are whole numbers, separated by commas", field)
		}
		ids[i] = id
	}
	return ids, nil
}

// writeFile has write fill a file that appears under its name only when it is
// complete. What is there and is no regular file, such as a pipe, is written to
// as it is.
func writeFile(path string, write func(io.Writer) error) error {
	var own error // of write itself
	err := output.Stream(path, func(w io.Writer) error {
		buffered := bufio.NewWriterSize(w, 1<<20)
		out := &outputErrors{w: buffered}
		own = write(out)
		switch {
		case out.err != nil:
			own = nil
			return out.err
		case own != nil:
			return own
		}
		return buffered.Flush()
	})
	if own != nil || err == nil {
		return own
	}
	return fmt.Errorf("cannot write %s: %w", path, cause(err))
}

// outputErrors remembers an error of writing.
type outputErrors struct {
	w   io.Writer
	err error
}

func (o *outputErrors) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil {
		o.err = err
	}
	return n, err
}

// cause leaves out the name of a temporary file, which says nothing to people.
func cause(err error) error {
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
