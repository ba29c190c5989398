package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/hub"
	"github.com/gobitnet/gobitnet/bitnet/synthetic"
	"github.com/gobitnet/gobitnet/cmd/internal/output"
	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
	"github.com/gobitnet/gobitnet/internal/input"
)

// A modelFile is a file whose contents are known.
type modelFile struct {
	path      string // of a built-in model just the name that a file of it would have
	bytes     int64
	sha256    string
	synthetic *receipt.Synthetic // of a synthetic model
	builtIn   string             // of a built-in model, its name
	file      string             // of a model that was pulled, the file's name where it came from
}

// defaultModel returns the model that is run where none is named: the built-in
// one, which needs no file and hence no folder.
func defaultModel() (modelFile, error) {
	file, hash := arithmetic.File(), sha256.New()
	if _, err := file.WriteTo(hash); err != nil {
		return modelFile{}, err
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	return modelFile{
		path:  receipt.BuiltInFile(receipt.BuiltInArithmetic, sum),
		bytes: file.Size(), sha256: sum, builtIn: receipt.BuiltInArithmetic,
	}, nil
}

// findNamed returns the model that a user named: a file, or a name that bitnet
// pull knows and has brought.
func (c *console) findNamed(ctx context.Context, name string) (modelFile, error) {
	if _, err := os.Stat(name); err == nil || !hub.IsReference(name) {
		return namedModel(ctx, name)
	}
	r, err := hub.Parse(name)
	if err != nil {
		return modelFile{}, err
	}
	store := hub.Store{Folder: c.env("BITNET_HOME")}
	if store.Folder == "" {
		if store.Folder, err = hub.DefaultFolder(); err != nil {
			return modelFile{}, err
		}
	}
	e, err := store.Find(r)
	if err != nil {
		return modelFile{}, fmt.Errorf("%w: bitnet pull %s brings it", notHere{err}, r)
	}
	m, err := namedModel(ctx, e.Path)
	if err == nil && m.sha256 != e.SHA256 {
		err = fmt.Errorf("%s is damaged: it has SHA-256 %s, and had %s when it came", name, m.sha256, e.SHA256)
	}
	m.file = e.File
	return m, err
}

// notHere is an error of the store that says what fs.ErrNotExist does of a file.
type notHere struct{ error }

func (notHere) Is(target error) bool { return target == fs.ErrNotExist }

// namedModel returns the model in a file.
func namedModel(ctx context.Context, path string) (modelFile, error) {
	if f, err := gguf.Open(path); err == nil { // or whoever runs it will tell
		parts := len(f.Paths())
		f.Close()
		if parts > 1 {
			return modelFile{}, fmt.Errorf("%s is the first of %d files of a model; a receipt is about one file: join them first, by llama-gguf-split --merge", path, parts)
		}
	}
	sum, size, err := hashFile(ctx, path)
	return modelFile{path: path, bytes: size, sha256: sum}, err
}

// syntheticModel returns a synthetic model from the user's cache folder, where
// it makes it first if need be. The file's sum lies beside it, so that a
// damaged one is found and made again.
func (c *console) syntheticModel(ctx context.Context, s receipt.Synthetic) (modelFile, error) {
	shape, err := synthetic.Named(s.Shape)
	if err != nil {
		return modelFile{}, err
	}
	folder, err := c.cacheFolder()
	if err != nil {
		return modelFile{}, fmt.Errorf("there is no cache folder to make a model in: %w", err)
	}
	path := filepath.Join(folder, s.File())
	if recorded, err := os.ReadFile(path + ".sha256"); err == nil {
		m, err := namedModel(ctx, path)
		if err == nil && m.sha256 == strings.TrimSpace(string(recorded)) {
			m.synthetic = &s
			return m, nil
		}
		if ctx.Err() != nil {
			return modelFile{}, err
		}
	}

	c.info("making the synthetic model %s in %s", s.Shape, path)
	sum := sha256.New()
	err = replaceFile(ctx, path, func(w io.Writer) error {
		out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<20)
		if err := synthetic.Write(out, shape, s.Seed); err != nil {
			return err
		}
		return out.Flush()
	})
	text := hex.EncodeToString(sum.Sum(nil))
	if err == nil {
		err = output.Write(output.File{Path: path + ".sha256", Data: []byte(text + "\n")})
	}
	if err != nil {
		return modelFile{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return modelFile{}, err
	}
	return modelFile{path: path, bytes: info.Size(), sha256: text, synthetic: &s}, nil
}

// replaceFile has write fill a file, in a folder that need not exist yet. The
// file is there as a whole or not at all.
func replaceFile(ctx context.Context, path string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return output.Replace(path, func(w io.Writer) error { return write(io.MultiWriter(w, stopper{ctx})) })
}

// cacheFolder returns the folder where models are kept.
func (c *console) cacheFolder() (string, error) {
	if c.cache != "" {
		return c.cache, nil
	}
	folder, err := os.UserCacheDir()
	return filepath.Join(folder, "gobitnet", "models"), err
}

// A stopper is a writer that fails once its context has ended.
type stopper struct{ ctx context.Context }

func (s stopper) Write(p []byte) (int, error) { return len(p), s.ctx.Err() }

// hashFile returns the SHA-256 and the size of a file. It reads it in small
// pieces, because what this process has in memory when it starts another one
// counts towards that one's peak on Linux.
func hashFile(ctx context.Context, path string) (sum string, size int64, err error) {
	f, _, err := input.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	hash := sha256.New()
	size, err = io.CopyBuffer(io.MultiWriter(hash, stopper{ctx}), struct{ io.Reader }{f}, make([]byte, 1<<17))
	return hex.EncodeToString(hash.Sum(nil)), size, err
}
