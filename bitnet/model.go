package bitnet

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/internal/engine"
	"github.com/gobitnet/gobitnet/bitnet/internal/kvcache"
	"github.com/gobitnet/gobitnet/quant"
	"github.com/gobitnet/gobitnet/tokenizer"
)

// A Model is an open model file. It does not change, and any number of
// goroutines may share it; each sequence of tokens is a [Session] of its own.
//
// Sessions that wait at the same time go through the model together, at most
// [BlockTokens] tokens at once: the weights are read once for all of them. Prompts
// go piece by piece beside sessions that generate.
type Model struct {
	config     Config
	file       *gguf.File
	weights    *weights
	tokenizer  *tokenizer.Tokenizer
	endTokens  []int
	chat       *chatFormat // nil where there is none, for the reason in chatError
	chatError  error
	rope       *engine.RoPE
	activation func(gate, up []float32)
	engine     *engine.Engine
	passes     *passes

	readBytes, decodeBytes int64

	// Used by whoever has the engine's turn.
	workspace workspace
	head      *engine.Head
	useScreen bool
	served    bool // logits have been computed: from now on the screen may be built
	residence residence

	// digest returns what identifies the model, see digestOf, computed when first
	// asked for.
	digest func() ([sha256.Size]byte, error)

	reading *reading // nil for a model in memory
	closing sync.Once
	closed  atomic.Bool
}

// An Option changes how [Open] and [OpenBytes] open a model.
type Option func(*openOptions)

type openOptions struct {
	threads    int
	kernels    string
	noScreen   bool
	shared     bool
	tokenizer  *tokenizer.Tokenizer
	activation string

	otherTokenizer bool
}

// WithThreads sets how many threads the model computes with. The default, also
// for 0, is runtime.GOMAXPROCS, which heeds the processor limit of a container.
// The number of threads changes how long a step takes and nothing else.
func WithThreads(n int) Option { return func(o *openOptions) { o.threads = n } }

// WithKernels chooses the processor-specific kernels by name instead of the
// fastest that the processor can run: "generic" for plain Go, "avx2",
// "avxvnni", "avx512" or "amx" on amd64, "neon" or "dotprod" on arm64. Naming
// kernels that this processor lacks is an error that wraps
// [quant.ErrKernels]. Every choice gives the same bits.
func WithKernels(name string) Option { return func(o *openOptions) { o.kernels = name } }

// WithoutScreen does without the 8-bit screen of the output head by which greedy
// and top-k decoding find the few logits that matter; its memory, a byte for
// each element of the head, is not used, and each token computes every logit. The
// tokens are the same either way. Only a head in floating-point numbers has a screen:
// one of 8 bits or fewer is no slower to read.
func WithoutScreen() Option { return func(o *openOptions) { o.noScreen = true } }

// WithSharedWeights keeps the ternary weights where they lie in the mapped file,
// in memory that processes with the same model share. By default a model that is
// used for more than a moment copies them to large pages, on systems that have
// them, which decodes faster.
func WithSharedWeights() Option { return func(o *openOptions) { o.shared = true } }

// WithTokenizer uses t in place of the vocabulary in the model's file. Its
// vocabulary must have the size of the model's.
func WithTokenizer(t *tokenizer.Tokenizer) Option {
	return func(o *openOptions) { o.tokenizer, o.otherTokenizer = t, true }
}

// WithActivation says which function the model has in its feed-forward part:
// "relu2", the square of a ReLU, or "silu". Without it the file says that, or its
// architecture does.
//
// That is not enough where Microsoft's converter has been given a model of
// 1bitLLM's since July 2026: the file calls itself bitnet-b1.58 and nothing in it
// says that the model was trained with SiLU. Such a model talks nonsense until it
// is opened with "silu".
func WithActivation(name string) Option { return func(o *openOptions) { o.activation = name } }

// Open opens the GGUF file of a BitNet b1.58 model. The file is mapped, not
// read: weights are used where they lie, in memory that processes with the
// same model share (see [WithSharedWeights]). It must not be changed while the
// model is open. The caller closes the model when done.
//
// A file that is no GGUF gives an error that wraps [gguf.ErrFormat]; one that
// holds another kind of model, or lacks or contradicts something, one that
// wraps [ErrModel]; an unusable option one that wraps [ErrOption].
func Open(path string, opts ...Option) (*Model, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	reading := startReading(f)
	m, err := newModel(f, opts, true)
	if err != nil {
		reading.end()
		f.Close()
		return nil, err
	}
	m.reading = reading
	return m, nil
}

// OpenBytes is [Open] for a GGUF file that lies in memory, such as one that has
// been put into the program by go:embed. Weights are used where they lie: data must
// not change while the model is open, and any number of models may share it. The
// model writes nothing to it, and Close leaves it alone.
//
// Where data begins at an odd address, or the platform is a big-endian one, tables
// of floating-point numbers are copied.
func OpenBytes(data []byte, opts ...Option) (*Model, error) {
	f, err := gguf.Parse(data)
	if err != nil {
		return nil, err
	}
	return newModel(f, opts, false)
}

func newModel(f *gguf.File, opts []Option, mapped bool) (*Model, error) {
	var o openOptions
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	const maxThreads = 1024
	if o.threads < 0 || o.threads > maxThreads {
		return nil, &OptionError{Option: "threads", Reason: fmt.Sprintf("%d is not between 0 and %d", o.threads, maxThreads)}
	}
	if o.otherTokenizer && o.tokenizer == nil {
		return nil, &OptionError{Option: "tokenizer", Reason: "it is nil"}
	}
	if o.activation != "" && activations[o.activation] == nil {
		return nil, &OptionError{Option: "activation", Reason: fmt.Sprintf("%q is none: it must be relu2 or silu", o.activation)}
	}
	if o.threads == 0 {
		o.threads = runtime.GOMAXPROCS(0)
	}
	kernels := quant.Best()
	if o.kernels != "" {
		var err error
		if kernels, err = quant.Named(o.kernels); err != nil {
			return nil, &OptionError{Option: "kernels", Err: err}
		}
	}

	// The vocabulary is most of the work of opening; it is read alongside.
	type vocabulary struct {
		t   *tokenizer.Tokenizer
		err error
	}
	reading := make(chan vocabulary, 1)
	if o.tokenizer != nil {
		reading <- vocabulary{t: o.tokenizer}
	} else {
		go func() {
			t, err := tokenizer.FromGGUF(f)
			reading <- vocabulary{t, err}
		}()
	}
	m := &Model{file: f, useScreen: !o.noScreen}
	m.residence = residence{least: leastLarge, after: settleAfter, stay: o.shared || !mapped}
	a, err := readArchitecture(f)
	if err == nil {
		m.config, err = readConfig(f, a)
	}
	if o.activation == m.config.Activation {
		o.activation = "" // nothing new
	}
	if err == nil {
		m.config.Activation = cmp.Or(o.activation, m.config.Activation)
		m.weights, err = readWeights(f, a, m.config)
	}
	read := <-reading // also after an error: it reads the mapped file
	if err != nil {
		return nil, err
	}
	if read.err != nil {
		return nil, read.err
	}
	m.tokenizer = read.t
	if n := m.tokenizer.VocabularySize(); n != m.config.VocabularySize {
		return nil, &ModelError{Part: "vocabulary", Reason: fmt.Sprintf("has %d tokens where the model has %d", n, m.config.VocabularySize)}
	}
	m.endTokens = m.tokenizer.EndTokens()
	m.readChat()
	m.rope = engine.NewRoPE(m.config.HeadSize, m.config.RoPEBase, a.neighbours)
	if yarn := m.config.YaRN; yarn.Factor > 0 {
		m.rope.YaRN(m.config.RoPEBase, yarn.Factor, yarn.Original)
	}
	if m.engine, err = engine.New(o.threads, kernels); err != nil {
		return nil, &OptionError{Option: "kernels", Err: err}
	}
	m.activation = activations[m.config.Activation](m.engine.FloatKernels())
	m.digest = sync.OnceValues(func() ([sha256.Size]byte, error) { return digestOf(f, o.activation) })
	m.head = engine.NewHead(m.weights.head, m.file.Release)
	m.useScreen = m.useScreen && m.head.Screens()
	m.countBytes()
	m.passes = newPasses(m)
	f.Release(f.Header()) // everything in it has been copied
	return m, nil
}

// Close waits for the pass that is under way, ends the model's threads and
// gives its memory back. Whatever its sessions are asked afterwards fails with
// [ErrClosed]. Further calls do nothing.
func (m *Model) Close() error {
	var err error
	m.closing.Do(func() {
		m.closed.Store(true)
		m.passes.close()
		m.reading.end()
		m.engine.Pool.Close()
		err = errors.Join(m.residence.free(), m.file.Close())
	})
	return err
}

// Config returns what the file says about the model.
func (m *Model) Config() Config { return m.config }

// Tokenizer returns the model's tokenizer, which stays usable after Close.
func (m *Model) Tokenizer() *tokenizer.Tokenizer { return m.tokenizer }

// Kernels returns the name of the kernels that the model runs on, as for
// [WithKernels].
func (m *Model) Kernels() string { return m.engine.Kernels().Name() }

// Threads returns how many threads the model computes with.
func (m *Model) Threads() int { return m.engine.Pool.Threads() }

// KernelCounts returns how often each kernel has been dispatched since the
// model was opened: "i2s_matvec_avx512" counts the products of one matrix and
// one token by the AVX-512 kernels for few tokens, "i2s_matmul_…" those by the
// kernels for many, "rmsnorm_quantize_…" normalized vectors, "attention_…" a
// token's attention in one block, "head_f16_…" (or "head_q6_k_…", by the type of the
// head) full rows of logits and "head_i8_screen_…" searches for the largest ones.
func (m *Model) KernelCounts(ctx context.Context) (map[string]uint64, error) {
	if err := m.acquire(ctx); err != nil {
		return nil, err
	}
	defer m.engine.Pool.Release()
	return m.engine.Counts(), nil
}

// WeightBytes returns how many bytes of weights are read to evaluate one token and
// compute all its logits, and how many to decode one greedily, where the screen
// saves part of the head (see [WithoutScreen]). The KV cache comes on top.
func (m *Model) WeightBytes() (all, decoding int64) { return m.readBytes, m.decodeBytes }

// countBytes counts what WeightBytes returns, as the file has it.
func (m *Model) countBytes() {
	w, all := m.weights, int64(0)
	norms := len(w.outputNorm.Weight)
	for i := range w.blocks {
		b := &w.blocks[i]
		for _, norm := range []engine.Norm{b.attnNorm, b.attnSubNorm, b.ffnNorm, b.ffnSubNorm, b.qNorm, b.kNorm} {
			norms += len(norm.Weight)
		}
		for _, p := range []engine.Projection{b.q, b.k, b.v, b.output, b.gate, b.up, b.down} {
			norms += len(p.Norm.Weight)
			all += int64(len(p.W.Codes()))
			if p.W.Format() == quant.I2S {
				all += 4 // its scale
			}
		}
	}
	all += 4*int64(norms) + int64(len(w.embedding.Bytes(0, 1)))
	elements, head := int64(w.head.Rows())*int64(w.head.Columns()), int64(len(w.head.Bytes(0, w.head.Rows())))
	m.readBytes, m.decodeBytes = all+head, all+head
	if m.useScreen {
		m.decodeBytes = all + elements
	}
}

// acquire waits for a turn on the model's threads.
func (m *Model) acquire(ctx context.Context) error {
	if err := m.passes.failed(); err != nil {
		return err
	}
	if err := m.engine.Pool.Acquire(ctx); err != nil {
		if failure := m.passes.failed(); failure != nil {
			return failure
		}
		return err
	}
	return nil
}

// digestOf returns what identifies a model: the SHA-256 of its file, and with an
// activation that the file does not say the one of both.
func digestOf(f *gguf.File, activation string) (sum [sha256.Size]byte, err error) {
	if sum, err = f.SHA256(); err == nil && activation != "" {
		sum = sha256.Sum256(append(sum[:], activation...))
	}
	return sum, err
}

// sha256 returns what identifies the model.
func (m *Model) sha256() (sum [sha256.Size]byte, err error) {
	if m.closed.Load() {
		return sum, ErrClosed
	}
	if sum, err = m.digest(); errors.Is(err, os.ErrClosed) {
		err = ErrClosed // meanwhile
	}
	return sum, err
}

// screened reports whether the head has its screen. Where it is wanted and there
// have been logits before, it is built now. The embedding of a tied head is
// still read a row at a time, and logits that are computed in full read it all;
// but as a rule its memory has served once the screen is there.
func (m *Model) screened(wanted bool) bool {
	if wanted && m.useScreen && m.served && !m.head.Screened() {
		m.engine.BuildScreen(m.head, m.residence.screenMemory(m.head.ScreenBytes()))
	}
	return m.head.Screened()
}

// cacheShape returns the shape of a session's KV cache.
func (m *Model) cacheShape(half bool) kvcache.Shape {
	return kvcache.Shape{Layers: m.config.Blocks, Heads: m.config.KVHeads, HeadSize: m.config.HeadSize, Half: half}
}
