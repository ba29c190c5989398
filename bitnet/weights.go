package bitnet

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/internal/table"
	"github.com/gobitnet/gobitnet/quant"
)

// weights are the tensors of a model, under their names in the file. Matrices
// and tables lie in the mapped file; norms are copies. The tables end with the
// vocabulary: rows behind it stand for no token, and nothing computes their logits.
type weights struct {
	embedding  *table.Table // token_embd.weight [vocabulary][width]
	head       *table.Table // output.weight, or the embedding
	outputNorm []float32
	blocks     []block
}

type block struct {
	attnNorm, attnSubNorm, ffnNorm, ffnSubNorm []float32
	q, k, v, output, gate, up, down            quant.Matrix
}

func readWeights(f *gguf.File, c Config) (*weights, error) {
	r := tensorReader{file: f, used: make(map[string]bool)}
	width, inner, kv := c.EmbeddingLength, c.FeedForwardLength, c.KVHeads*c.HeadSize
	w := &weights{
		embedding:  r.table("token_embd.weight", width, c.VocabularySize),
		outputNorm: r.vector("output_norm.weight", width),
	}
	w.head = w.embedding
	if !c.TiedHead {
		w.head = r.table("output.weight", width, c.VocabularySize)
	}
	for i := 0; i < c.Blocks && r.err == nil; i++ {
		name := fmt.Sprintf("blk.%d.", i)
		w.blocks = append(w.blocks, block{
			attnNorm:    r.vector(name+"attn_norm.weight", width),
			q:           r.ternary(name+"attn_q.weight", width, width),
			k:           r.ternary(name+"attn_k.weight", width, kv),
			v:           r.ternary(name+"attn_v.weight", width, kv),
			attnSubNorm: r.vector(name+"attn_sub_norm.weight", width),
			output:      r.ternary(name+"attn_output.weight", width, width),
			ffnNorm:     r.vector(name+"ffn_norm.weight", width),
			gate:        r.ternary(name+"ffn_gate.weight", width, inner),
			up:          r.ternary(name+"ffn_up.weight", width, inner),
			ffnSubNorm:  r.vector(name+"ffn_sub_norm.weight", inner),
			down:        r.ternary(name+"ffn_down.weight", inner, width),
		})
	}
	r.refuseOthers(c)
	return w, r.err
}

// tensorReader keeps the first error, so that reading many tensors reads well.
type tensorReader struct {
	file *gguf.File
	used map[string]bool
	err  error
}

// refuseOthers refuses a file with tensors that nothing here reads: biases, the
// frequencies of RoPE scaling, adapters, further blocks. Without them the model
// would be another one.
func (r *tensorReader) refuseOthers(c Config) {
	for _, t := range r.file.Tensors() {
		if r.used[t.Name] {
			continue
		}
		var block int
		if n, _ := fmt.Sscanf(t.Name, "blk.%d.", &block); n == 1 && block >= c.Blocks {
			r.fail(t.Name, "belongs to block %d, but key %s.block_count says that there are %d, numbered from 0", block, c.Architecture, c.Blocks)
			return
		}
		r.fail(t.Name, "asks for a computation that is not supported: no part of %s has this name", c.Architecture)
		return
	}
}

func (r *tensorReader) fail(name, format string, args ...any) {
	if r.err == nil {
		r.err = &ModelError{Part: "tensor " + name, Reason: fmt.Sprintf(format, args...)}
	}
}

// tensor returns the bytes of a tensor of exactly this type and shape.
func (r *tensorReader) tensor(name string, kind gguf.TensorType, dims ...int) []byte {
	r.used[name] = true
	if r.err != nil {
		return nil
	}
	t, ok := r.file.Tensor(name)
	if !ok {
		r.fail(name, "is missing")
		return nil
	}
	if t.Type != kind {
		r.fail(name, "is of type %v, not %v", t.Type, kind)
		return nil
	}
	same := len(t.Dims) == len(dims)
	for i := 0; same && i < len(dims); i++ {
		same = t.Dims[i] == dims[i]
	}
	if !same {
		r.fail(name, "has the shape %v where the metadata says %v", t.Dims, dims)
		return nil
	}
	return t.Data
}

func (r *tensorReader) vector(name string, n int) []float32 {
	data := r.tensor(name, gguf.F32, n)
	if data == nil {
		return nil
	}
	x := make([]float32, n)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		if x[i]-x[i] != 0 {
			r.fail(name, "element %d is %v", i, x[i])
			return nil
		}
	}
	return x
}

// table returns the first rows of a table of any type, which may have more.
func (r *tensorReader) table(name string, columns, rows int) *table.Table {
	all, kind := rows, gguf.F16
	if t, ok := r.file.Tensor(name); ok && len(t.Dims) == 2 {
		all, kind = max(all, t.Dims[1]), t.Type
	}
	data := r.tensor(name, kind, columns, all)
	if r.err != nil {
		return nil
	}
	t, err := table.New(kind, rows, columns, data)
	if err != nil {
		r.err = &ModelError{Part: "tensor " + name, Err: err}
	}
	return t
}

func (r *tensorReader) ternary(name string, columns, rows int) quant.Matrix {
	data := r.tensor(name, gguf.I2S, columns, rows)
	if r.err != nil {
		return quant.Matrix{}
	}
	m, err := quant.NewMatrix(quant.I2S, rows, columns, data)
	if err != nil {
		r.err = &ModelError{Part: "tensor " + name, Err: err}
	}
	return m
}
