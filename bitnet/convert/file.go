package convert

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// The tables of a model: its embedding, and its output head where that is apart.
const (
	embeddingName = "token_embd.weight"
	headName      = "output.weight"
)

func isTable(name string) bool { return name == embeddingName || name == headName }

// convertFile makes a GGUF file of another.
func convertFile(ctx context.Context, w io.Writer, path string, o Options) (Report, error) {
	if strings.HasSuffix(path, ".safetensors") {
		return Report{}, errorf(path, "is a part of a model: name the folder that it lies in")
	}
	f, err := gguf.Open(path)
	if err != nil {
		return Report{}, err
	}
	defer f.Close()
	if o.Type == 0 && o.Embedding == 0 {
		return Report{}, errorf("options", "nothing is asked for: the model is a GGUF already; say which type or which embedding it is to have")
	}
	c := fileConverter{file: f, options: o}
	if err := c.makePlan(); err != nil {
		return Report{}, err
	}
	err = c.plan.write(ctx, w, o.Progress)
	if err == nil {
		err = f.Check() // what was read is what was opened
	}
	return c.report, err
}

// A fileConverter plans what becomes of the keys and tensors of a file.
type fileConverter struct {
	file    *gguf.File
	options Options
	plan    plan
	report  Report
	exact   map[string]float32 // scales that the file has rounded
	names   []string           // of tensors whose scale the new file has rounded
	scales  []float32          // theirs
}

func (c *fileConverter) makePlan() error {
	c.report.Architecture, _ = c.file.Text("general.architecture")
	if err := c.readExactScales(); err != nil {
		return err
	}
	for _, t := range c.file.Tensors() {
		if err := c.addTensor(t); err != nil {
			return about("tensor "+t.Name, err)
		}
	}
	if c.options.Type != 0 && c.report.Type != c.options.Type {
		return errorf("tensors", "none is a ternary matrix: convert the folder that the file was made from")
	}
	c.report.Rounded = len(c.names)
	c.addKeys()
	return nil
}

// addKeys copies the keys, but for those that are about what changes.
func (c *fileConverter) addKeys() {
	for _, name := range c.file.Keys() {
		value, _ := c.file.Value(name)
		switch {
		case strings.HasPrefix(name, "split."): // the new model is in one file
			continue
		case c.options.Type == 0:
		case name == "general.file_type":
			c.plan.set(name, fileType(c.options.Type))
			continue
		case name == exactScaleNames, name == exactScaleValues:
			continue
		}
		c.plan.set(name, value)
	}
	c.plan.setExactScales(c.names, c.scales)
}

func (c *fileConverter) readExactScales() error {
	if _, ok := c.file.Value(exactScaleNames); !ok {
		return nil
	}
	names, err := c.file.Array(exactScaleNames, gguf.String)
	if err != nil {
		return err
	}
	values, err := c.file.Array(exactScaleValues, gguf.Float32)
	if err != nil {
		return err
	}
	if names.Len() != values.Len() {
		return errorf("key "+exactScaleValues, "has %d elements where %s has %d", values.Len(), exactScaleNames, names.Len())
	}
	var scales []float32
	for i, x := range values.Floats() {
		if !isFinite(float32(x)) {
			return errorf("key "+exactScaleValues, "has %v as element %d", x, i)
		}
		scales = append(scales, float32(x))
	}
	c.exact = make(map[string]float32, len(scales))
	for i, name := range names.Strings() {
		c.exact[string(name)] = scales[i]
	}
	return nil
}

// addTensor decides what becomes of a tensor.
func (c *fileConverter) addTensor(t gguf.Tensor) error {
	o := c.options
	if t.Data == nil {
		return errorf("tensor "+t.Name, "is of %v, whose size is not known", t.Type)
	}
	matrix := len(t.Dims) == 2
	if !matrix && (isTable(t.Name) || len(t.Dims) > 2) {
		return errorf("tensor "+t.Name, "has %d dimensions, not 2", len(t.Dims))
	}
	switch {
	case isTable(t.Name) && o.Embedding != 0:
		c.report.Embedding = o.Embedding
		if t.Type != o.Embedding {
			return c.encodeTable(t)
		}
	case isTable(t.Name):
		c.report.Embedding = t.Type
		// I2_S has no room for the scales that a ternary table has.
		if o.Type != 0 && o.Type != gguf.I2S && isTernary(t.Type) {
			c.report.Embedding = o.Type
			return c.repack(t)
		}
	case matrix && o.Type == 0:
		c.report.Type = t.Type
	case matrix && !isTernary(t.Type):
		return errorf("tensor "+t.Name, "is of %v, not ternary: convert the folder that the file was made from", t.Type)
	case matrix:
		c.report.Type = o.Type
		return c.repack(t)
	}
	c.add(t, encoded{t.Type, int64(len(t.Data)), func(ctx context.Context, w io.Writer) error { return c.copy(ctx, w, t) }})
	return nil
}

func (c *fileConverter) add(t gguf.Tensor, e encoded) {
	c.plan.tensors = append(c.plan.tensors, planned{t.Name, t.Dims, e})
}

// runner returns a runner for a tensor's rows, which gives back the memory of those
// that are done.
func (c *fileConverter) runner(t gguf.Tensor) *runner {
	stride := len(t.Data) / t.Dims[1]
	return &runner{fault: c.file.Fault, done: func(first, last int) {
		c.file.Release(t.Data[first*stride : last*stride])
	}}
}

// repack stores a ternary matrix in the type that is asked for.
func (c *fileConverter) repack(t gguf.Tensor) error {
	var exact *float32
	if scale, ok := c.exact[t.Name]; ok {
		exact = &scale
	}
	weights, err := readTernary(t.Data, t.Type, t.Dims[1], t.Dims[0], exact)
	if err != nil {
		return err
	}
	typ := c.options.Type
	e, err := weights.encode(typ, c.runner(t))
	if err != nil {
		return err
	}
	c.add(t, e)
	if _, isExact, _ := halfScale(weights.scale); typ != gguf.I2S && weights.single && !isExact {
		c.names, c.scales = append(c.names, t.Name), append(c.scales, weights.scale)
	}
	return nil
}

// encodeTable stores a table in the type that is asked for.
func (c *fileConverter) encodeTable(t gguf.Tensor) error {
	rows, cols := t.Dims[1], t.Dims[0]
	values := table{rows: rows, cols: cols}
	width, float := floatBytes[t.Type]
	switch {
	case float:
		values.open = func() func(int, []float32) error {
			return func(row int, values []float32) error {
				return decodeRow(values, t.Type, t.Data[row*cols*width:][:cols*width], row)
			}
		}
	case isTernary(t.Type):
		weights, err := readTernary(t.Data, t.Type, rows, cols, nil)
		if err != nil {
			return err
		}
		values = weights.values()
	default:
		return errorf("tensor "+t.Name, "is of %v, which has lost too much to be encoded anew: convert a file in which it is of F16, BF16 or F32", t.Type)
	}
	e, err := values.encode(c.options.Embedding, c.runner(t))
	if err != nil {
		return err
	}
	c.add(t, e)
	return nil
}

// copy writes a tensor as it is.
func (c *fileConverter) copy(ctx context.Context, w io.Writer, t gguf.Tensor) error {
	run := &runner{fault: c.file.Fault}
	buffer := make([]byte, min(len(t.Data), chunkBytes))
	for data := range slices.Chunk(t.Data, chunkBytes) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		some := buffer[:len(data)]
		if err := run.guard(func() error { copy(some, data); return nil }); err != nil {
			return err
		}
		c.file.Release(data)
		if _, err := w.Write(some); err != nil {
			return err
		}
	}
	return nil
}
