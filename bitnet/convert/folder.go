package convert

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/safetensors"
)

// convertFolder makes a GGUF of the folder of a Hugging Face repository.
func convertFolder(ctx context.Context, w io.Writer, folder string, o Options) (Report, error) {
	c, err := readConfig(folder)
	if err != nil {
		return Report{}, err
	}
	weights, err := safetensors.OpenFolder(folder)
	if err != nil {
		return Report{}, err
	}
	defer weights.Close()
	f := folderConverter{config: c, weights: weights, options: o, used: make(map[string]bool)}
	f.report.Architecture = c.class.architecture
	c.metadata(&f.plan)
	// First all that takes no time: whatever is wrong with a model, nobody should
	// have to wait for it.
	if err := f.findTensors(); err != nil {
		return Report{}, err
	}
	if err := f.refuseOthers(); err != nil {
		return Report{}, err
	}
	if err := vocabulary(&f.plan, folder, c); err != nil {
		return Report{}, err
	}
	if err := f.chooseType(ctx); err != nil {
		return Report{}, err
	}
	for _, add := range f.found {
		if err := add(ctx); err != nil {
			return Report{}, err
		}
	}
	f.report.Rounded = len(f.names)
	f.plan.set("general.file_type", fileType(f.report.Type))
	f.plan.set("general.quantization_version", uint32(2))
	f.plan.setExactScales(f.names, f.scales)
	return f.report, f.plan.write(ctx, w, o.Progress)
}

// A folderConverter plans the tensors of a model in a folder.
type folderConverter struct {
	config      *config
	weights     *safetensors.File
	options     Options
	plan        plan
	report      Report
	used        map[string]bool                   // tensors of the folder
	found       []func(ctx context.Context) error // each plans a tensor that has been found
	projections []*projection
	names       []string  // of tensors whose scale is rounded
	scales      []float32 // theirs
}

// A projection is a matrix that becomes ternary.
type projection struct {
	name       string // in the GGUF
	stored     safetensors.Tensor
	rows, cols int
	pairs      bool     // its rows are put in another order
	scale      *float32 // of a packed matrix; nil for floats
	findings   findings // of floats
}

// floatTypes are the types of floats that are read.
var floatTypes = map[safetensors.DataType]gguf.TensorType{
	safetensors.F32: gguf.F32, safetensors.F16: gguf.F16, safetensors.BF16: gguf.BF16,
}

// findTensors finds the model's tensors, in the order in which they are written.
func (f *folderConverter) findTensors() error {
	c := f.config
	attention, keys := c.Heads*c.HeadSize, c.KVHeads*c.HeadSize
	var err error
	table := func(name, from string) {
		if err == nil {
			err = f.findTable(name, from)
		}
	}
	norm := func(name string, width int, names ...string) {
		if err == nil {
			err = f.findNorm(name, width, names)
		}
	}
	table(embeddingName, "model.embed_tokens.weight")
	for i := range c.Blocks {
		from, to := fmt.Sprintf("model.layers.%d.", i), fmt.Sprintf("blk.%d.", i)
		project := func(name, stored string, rows, cols int) {
			if err == nil {
				err = f.findProjection(to+name, from+stored, rows, cols)
			}
		}
		norm(to+"attn_norm", c.Width, from+"input_layernorm")
		project("attn_q", "self_attn.q_proj", attention, c.Width)
		project("attn_k", "self_attn.k_proj", keys, c.Width)
		project("attn_v", "self_attn.v_proj", keys, c.Width)
		if c.class.headNorms {
			norm(to+"attn_q_norm", c.HeadSize, from+"self_attn.q_norm")
			norm(to+"attn_k_norm", c.HeadSize, from+"self_attn.k_norm")
		}
		if c.class.subNorms {
			norm(to+"attn_sub_norm", attention, from+"self_attn.attn_sub_norm", from+"self_attn.inner_attn_ln")
		}
		project("attn_output", "self_attn.o_proj", c.Width, attention)
		norm(to+"ffn_norm", c.Width, from+"post_attention_layernorm")
		project("ffn_gate", "mlp.gate_proj", c.Inner, c.Width)
		project("ffn_up", "mlp.up_proj", c.Inner, c.Width)
		if c.class.subNorms {
			norm(to+"ffn_sub_norm", c.Inner, from+"mlp.ffn_sub_norm", from+"mlp.ffn_layernorm")
		}
		project("ffn_down", "mlp.down_proj", c.Width, c.Inner)
	}
	norm("output_norm", c.Width, "model.norm")

	const head = "lm_head.weight"
	_, apart := f.weights.Tensor(head)
	if c.Tied != nil {
		apart = !*c.Tied
		f.used[head] = true // as the model's own code has it
	}
	if apart {
		table(headName, head)
	}
	return err
}

// refuseOthers refuses tensors that nothing here reads: without them the model
// would be another one.
func (f *folderConverter) refuseOthers() error {
	for _, t := range f.weights.Tensors() {
		// The frequencies of rotary positions are computed anew by everybody.
		if !f.used[t.Name] && !strings.HasSuffix(t.Name, ".rotary_emb.inv_freq") {
			return errorf("tensor "+t.Name, "has no place in a model of class %s as config.json describes it", f.config.Architectures[0])
		}
	}
	return nil
}

// find returns a tensor of floats of this shape.
func (f *folderConverter) find(name string, shape ...int) (safetensors.Tensor, error) {
	t, ok := f.weights.Tensor(name)
	if !ok {
		return t, errorf("tensor "+name, "is missing")
	}
	f.used[name] = true
	if _, ok := floatTypes[t.Type]; !ok {
		return t, errorf("tensor "+name, "is of type %s; F32, F16 and BF16 can be converted", t.Type)
	}
	return t, f.checkShape(t, shape...)
}

func (f *folderConverter) checkShape(t safetensors.Tensor, shape ...int) error {
	if !slices.Equal(t.Shape, shape) {
		return errorf("tensor "+t.Name, "has the shape %v where config.json says %v", t.Shape, shape)
	}
	return nil
}

// findProjection finds a projection, whose parts have names that begin with from.
func (f *folderConverter) findProjection(to, from string, rows, cols int) (err error) {
	p := &projection{name: to + ".weight", rows: rows, cols: cols}
	p.pairs = f.config.class.pairs && (strings.HasSuffix(to, ".attn_q") || strings.HasSuffix(to, ".attn_k"))
	f.projections = append(f.projections, p)
	f.found = append(f.found, func(context.Context) error { return f.addProjection(p) })
	name := from + ".weight"
	stored, ok := f.weights.Tensor(name)
	scale, hasScale := f.weights.Tensor(from + ".weight_scale")
	if ok && stored.Type != safetensors.U8 && hasScale {
		return errorf("tensor "+scale.Name, "belongs to packed weights, and tensor %s is of %s", name, stored.Type)
	}
	if stored.Type != safetensors.U8 {
		p.stored, err = f.find(name, p.rows, p.cols)
		return err
	}
	p.stored = stored
	f.used[name] = true
	switch {
	case f.config.Quantization == nil:
		return errorf("tensor "+name, "is packed, and config.json has no quantization_config that would say what its scale means")
	case f.config.onlineQuantized:
		return errorf("tensor "+name, "is packed where config.json says that the weights are floats (quantization_mode online)")
	case p.rows%4 != 0:
		return errorf("tensor "+name, "is packed, and has %d rows, no multiple of 4", p.rows)
	case !hasScale:
		return errorf("tensor "+from+".weight_scale", "is missing")
	}
	if err := f.checkShape(p.stored, p.rows/4, p.cols); err != nil {
		return err
	}
	value, err := f.readScale(scale)
	p.scale = &value
	return err
}

// readScale returns what the codes of packed weights are to be multiplied by.
func (f *folderConverter) readScale(t safetensors.Tensor) (float32, error) {
	f.used[t.Name] = true
	kind, ok := floatTypes[t.Type]
	if !ok || len(t.Shape) > 1 || len(t.Shape) == 1 && t.Shape[0] != 1 {
		return 0, errorf("tensor "+t.Name, "is of type %s and shape %v; one float is needed", t.Type, t.Shape)
	}
	var value [1]float32
	data := make([]byte, t.Size())
	if _, err := t.ReadAt(data, 0); err != nil {
		return 0, err
	}
	if err := decodeRow(value[:], kind, data, 0); err != nil {
		return 0, about("tensor "+t.Name, err)
	}
	scale := value[0]
	if f.config.dividesByScale {
		scale = 1 / scale
	}
	if !isFinite(scale) || value[0] == 0 {
		return 0, errorf("tensor "+t.Name, "is %v, which is no scale", value[0])
	}
	return scale, nil
}

// chooseType decides the type of the projections, for which it looks at all floats.
func (f *folderConverter) chooseType(ctx context.Context) error {
	typ := f.options.Type
	total, done := int64(0), int64(0)
	examined := func(p *projection) bool { return p.scale == nil }
	for _, p := range f.projections {
		if examined(p) {
			total += p.stored.Size()
		}
	}
	if typ == 0 && (total == 0 || f.config.onlineQuantized) {
		typ = gguf.I2S
	}
	held := heldBy{single: true, blocks: [...]bool{true, true, true}}
	for _, p := range f.projections {
		name := "tensor " + p.stored.Name
		if typ != 0 { // what there is no room for need not be looked at
			if err := checkShape(typ, p.rows, p.cols); err != nil {
				return about(name, err)
			}
		}
		if !examined(p) {
			continue
		}
		var err error
		if p.findings, err = examine(ctx, readTable(p.stored, p.rows, p.cols)); err != nil {
			return unlessEnded(ctx, name, err)
		}
		done += p.stored.Size()
		if f.options.Progress != nil {
			f.options.Progress(done, total)
		}
		if f.config.onlineQuantized || typ == gguf.I2S {
			continue
		}
		held = held.and(p.findings.held)
		switch {
		case held == heldBy{}:
			return errorf(name, "is not ternary, and config.json does not say that the model makes it so: this is no ternary model. The type I2_S, where it is asked for, has it rounded all the same")
		case typ != 0 && !held.by(typ):
			return errorf(name, "is not ternary in blocks as %v has them: choose a type with smaller ones, or none", typ)
		}
	}
	if typ == 0 {
		typ = held.best()
	}
	f.report.Type = typ
	for _, p := range f.projections {
		if err := checkShape(typ, p.rows, p.cols); err != nil {
			return about("tensor "+p.stored.Name, err)
		}
	}
	return nil
}

// addProjection plans a projection.
func (f *folderConverter) addProjection(p *projection) error {
	weights := f.readFloats(p)
	if p.scale != nil {
		weights = f.readPacked(p)
	}
	e, err := weights.encode(f.report.Type, new(runner))
	if err := f.add(p.name, p.stored.Name, []int{p.cols, p.rows}, e, err); err != nil {
		return err
	}
	if _, exact, _ := halfScale(weights.scale); f.report.Type != gguf.I2S && weights.single && !exact {
		f.names, f.scales = append(f.names, p.name), append(f.scales, weights.scale)
	}
	return nil
}

// storedRow returns which row of the matrix becomes row number row: where rotary
// positions turn neighbouring pairs, the halves of each head take turns.
func (p *projection) storedRow(row, headSize int) int {
	if !p.pairs {
		return row
	}
	place := row % headSize
	return row - place + place%2*(headSize/2) + place/2
}

// readPacked reads a packed matrix. Byte (r, c) has the weights of column c in the
// rows r, r+n, r+2n and r+3n, a quarter of the matrix apart, the first in the low
// bits.
func (f *folderConverter) readPacked(p *projection) ternary {
	t := ternary{rows: p.rows, cols: p.cols, group: p.cols, single: true, scale: *p.scale}
	t.open = func() func(int, []int8, []float32) error {
		data := make([]byte, p.cols)
		return func(row int, codes []int8, scales []float32) error {
			from := p.storedRow(row, f.config.HeadSize)
			quarter := p.rows / 4
			if _, err := p.stored.ReadAt(data, int64(from%quarter)*int64(p.cols)); err != nil {
				return err
			}
			shift := 2 * (from / quarter)
			for i, b := range data {
				codes[i] = int8(b>>shift&3) - 1
			}
			if slices.Max(codes) > 1 {
				return fmt.Errorf("row %d has the code 3, which is no ternary weight", from)
			}
			scales[0] = t.scale
			return nil
		}
	}
	return t
}

// readFloats reads a matrix of floats, as the ternary weights that they are or
// become.
func (f *folderConverter) readFloats(p *projection) ternary {
	values := readTable(p.stored, p.rows, p.cols)
	if p.pairs {
		values = values.reordered(func(row int) int { return p.storedRow(row, f.config.HeadSize) })
	}
	if f.config.onlineQuantized || !p.findings.held.by(f.report.Type) {
		return values.rounded(p.findings.mean)
	}
	return values.taken(f.report.Type, p.findings)
}

// readTable reads a matrix of floats.
func readTable(stored safetensors.Tensor, rows, cols int) table {
	kind := floatTypes[stored.Type]
	width := floatBytes[kind]
	return table{rows, cols, func() func(int, []float32) error {
		data := make([]byte, cols*width)
		return func(row int, values []float32) error {
			if _, err := stored.ReadAt(data, int64(row)*int64(len(data))); err != nil {
				return err
			}
			return decodeRow(values, kind, data, row)
		}
	}}
}

// findTable finds the embedding or the output head.
func (f *folderConverter) findTable(name, from string) error {
	rows, cols := f.config.Vocabulary, f.config.Width
	stored, err := f.find(from, rows, cols)
	if err != nil {
		return err
	}
	values := readTable(stored, rows, cols)
	f.found = append(f.found, func(ctx context.Context) error {
		typ, found, err := f.tableType(ctx, values)
		if err != nil {
			return unlessEnded(ctx, "tensor "+from, err)
		}
		f.report.Embedding = typ
		encode := values.encode
		if isTernary(typ) {
			encode = values.taken(typ, found).encode
		}
		e, err := encode(typ, new(runner))
		return f.add(name, from, []int{cols, rows}, e, err)
	})
	return nil
}

// tableType decides the type of a table. Where the projections are floats that are
// ternary in blocks, tables may be, too.
func (f *folderConverter) tableType(ctx context.Context, values table) (typ gguf.TensorType, found findings, err error) {
	if f.options.Embedding != 0 {
		return f.options.Embedding, found, nil
	}
	blocks := packings[f.report.Type].weights
	if blocks == 0 || values.cols%blocks != 0 || f.config.onlineQuantized || f.projections[0].scale != nil {
		return gguf.F16, found, nil
	}
	found, err = examine(ctx, values)
	if found.held.by(f.report.Type) {
		return f.report.Type, found, err
	}
	return gguf.F16, found, err
}

// findNorm finds a norm, which has one of several names.
func (f *folderConverter) findNorm(name string, width int, names []string) error {
	from := names[0] + ".weight"
	for _, other := range names[1:] {
		if _, ok := f.weights.Tensor(other + ".weight"); ok {
			from = other + ".weight"
		}
	}
	stored, err := f.find(from, width)
	f.found = append(f.found, func(context.Context) error {
		e, err := readTable(stored, 1, width).encode(gguf.F32, new(runner))
		return f.add(name+".weight", from, []int{width}, e, err)
	})
	return err
}

// add plans a tensor, unless its encoding has been refused.
func (f *folderConverter) add(name, from string, dims []int, e encoded, err error) error {
	f.plan.tensors = append(f.plan.tensors, planned{name, dims, e})
	return about("tensor "+from, err)
}
