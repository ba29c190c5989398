package bitnet

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/x448/float16"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/internal/engine"
	"github.com/gobitnet/gobitnet/bitnet/internal/table"
	"github.com/gobitnet/gobitnet/quant"
)

// weights are the tensors of a model, under their names in the file. Matrices
// and tables lie in the mapped file; norms are copies. The tables end with the
// vocabulary: rows behind it stand for no token, and nothing computes their logits.
type weights struct {
	embedding  *table.Table // token_embd.weight [vocabulary][width]
	head       *table.Table // output.weight, or the embedding
	outputNorm engine.Norm
	blocks     []block
	formats    []quant.Format // of the ternary matrices, each once
}

type block struct {
	attnNorm, attnSubNorm, ffnNorm, ffnSubNorm engine.Norm
	qNorm, kNorm                               engine.Norm // of each head
	q, k, v, output, gate, up, down            engine.Projection
}

func readWeights(f *gguf.File, a *architecture, c Config) (*weights, error) {
	r := tensorReader{file: f, used: make(map[string]bool), architecture: a, config: c}
	width, inner, heads, kv := c.EmbeddingLength, c.FeedForwardLength, c.Heads*c.HeadSize, c.KVHeads*c.HeadSize
	w := &weights{
		embedding:  r.table("token_embd.weight", width, c.VocabularySize),
		outputNorm: r.norm("output_norm", width, true),
	}
	w.head = w.embedding
	if !c.TiedHead {
		w.head = r.table("output.weight", width, c.VocabularySize)
	}
	for i := 0; i < c.Blocks && r.err == nil; i++ {
		name := fmt.Sprintf("blk.%d.", i)
		w.blocks = append(w.blocks, block{
			attnNorm:    r.norm(name+"attn_norm", width, true),
			q:           r.projection(name+"attn_q", width, heads),
			k:           r.projection(name+"attn_k", width, kv),
			v:           r.projection(name+"attn_v", width, kv),
			qNorm:       r.norm(name+"attn_q_norm", c.HeadSize, a.headNorms),
			kNorm:       r.norm(name+"attn_k_norm", c.HeadSize, a.headNorms),
			attnSubNorm: r.norm(name+"attn_sub_norm", heads, a.subNorms),
			output:      r.projection(name+"attn_output", heads, width),
			ffnNorm:     r.norm(name+"ffn_norm", width, true),
			gate:        r.projection(name+"ffn_gate", width, inner),
			up:          r.projection(name+"ffn_up", width, inner),
			ffnSubNorm:  r.norm(name+"ffn_sub_norm", inner, a.subNorms),
			down:        r.projection(name+"ffn_down", inner, width),
		})
	}
	r.refuseOthers()
	w.formats = r.formats
	return w, r.err
}

// tensorReader keeps the first error, so that reading many tensors reads well.
type tensorReader struct {
	file         *gguf.File
	architecture *architecture
	config       Config
	used         map[string]bool
	formats      []quant.Format
	err          error
}

// refuseOthers refuses a file with tensors that nothing here reads: biases, the
// frequencies of RoPE scaling, adapters, further blocks. Without them the model
// would be another one.
func (r *tensorReader) refuseOthers() {
	c := &r.config
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

// tensor returns a tensor of exactly this shape.
func (r *tensorReader) tensor(name string, dims ...int) (t gguf.Tensor, ok bool) {
	r.used[name] = true
	if r.err != nil {
		return t, false
	}
	if t, ok = r.file.Tensor(name); !ok {
		r.fail(name, "is missing")
		return t, false
	}
	if !slices.Equal(t.Dims, dims) {
		r.fail(name, "has the shape %v where the metadata says %v", t.Dims, dims)
		return t, false
	}
	return t, true
}

// norm returns the weights of a normalization, or none where the model has none.
func (r *tensorReader) norm(name string, n int, there bool) engine.Norm {
	if !there {
		return engine.Norm{}
	}
	return engine.Norm{Weight: r.vector(name+".weight", n), Epsilon: r.config.Epsilon}
}

func (r *tensorReader) vector(name string, n int) []float32 {
	t, ok := r.tensor(name, n)
	if !ok {
		return nil
	}
	x := make([]float32, n)
	for i := range x {
		switch t.Type {
		case gguf.F32:
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
		case gguf.F16:
			x[i] = float16.Frombits(binary.LittleEndian.Uint16(t.Data[2*i:])).Float32()
		default:
			r.fail(name, "is of type %v, not F32 or F16", t.Type)
			return nil
		}
		if x[i]-x[i] != 0 {
			r.fail(name, "element %d is %v", i, x[i])
			return nil
		}
	}
	return x
}

// table returns the first rows of a table of any type, which may have more.
func (r *tensorReader) table(name string, columns, rows int) *table.Table {
	all := rows
	if t, ok := r.file.Tensor(name); ok && len(t.Dims) == 2 {
		all = max(all, t.Dims[1])
	}
	tensor, ok := r.tensor(name, columns, all)
	if !ok {
		return nil
	}
	t, err := table.New(tensor.Type, rows, columns, tensor.Data)
	if err != nil {
		r.err = &ModelError{Part: "tensor " + name, Err: err}
	}
	return t
}

// projection returns a ternary matrix with what may stand around it.
func (r *tensorReader) projection(name string, columns, rows int) engine.Projection {
	p := engine.Projection{
		W:     r.ternary(name+".weight", columns, rows),
		Norm:  r.norm(name+"_norm_in", columns, r.config.InputNorms),
		Scale: 1,
	}
	if _, ok := r.file.Tensor(name + ".scale"); ok && r.architecture.scales {
		if x := r.vector(name+".scale", 1); x != nil {
			p.Scale = x[0]
		}
	}
	return p
}

func (r *tensorReader) ternary(name string, columns, rows int) quant.Matrix {
	t, ok := r.tensor(name, columns, rows)
	if !ok {
		return quant.Matrix{}
	}
	format, ok := table.TernaryFormat(t.Type)
	if !ok {
		if what, ok := otherTypes[t.Type]; ok {
			r.fail(name, "is of type %v: %s", t.Type, what)
		} else {
			r.fail(name, "is of type %v, which is not a ternary one that is supported", t.Type)
		}
		return quant.Matrix{}
	}
	if !slices.Contains(r.formats, format) {
		r.formats = append(r.formats, format)
	}
	m, err := quant.NewMatrix(format, rows, columns, t.Data)
	if err != nil {
		r.err = &ModelError{Part: "tensor " + name, Err: err}
	}
	return m
}
