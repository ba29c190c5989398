package convert

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/gobitnet/gobitnet/internal/input"
)

// Limits on what config.json may ask for, far beyond any published model, that
// keep sizes computed from it small enough to be computed.
const (
	maxWidth   = 1 << 20
	maxBlocks  = 1 << 12
	maxHeads   = 1 << 12
	maxContext = 1 << 30
	maxRows    = 1<<21 - 1 // of the embedding
)

// The files of a folder, and how long each may be. A vocabulary with its merges has
// some tens of megabytes.
const (
	configFile          = "config.json"
	generationFile      = "generation_config.json"
	tokenizerFile       = "tokenizer.json"
	tokenizerConfigFile = "tokenizer_config.json"
	addedTokensFile     = "added_tokens.json"
	pieceFile           = "tokenizer.model"
	templateFile        = "chat_template.jinja"

	maxConfigBytes     = 16 << 20
	maxVocabularyBytes = 256 << 20
)

// readFile reads a file of a folder, which need not be there: then it returns nil.
func readFile(folder, name string, limit int64) ([]byte, error) {
	f, info, err := input.Open(filepath.Join(folder, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > limit {
		return nil, errorf(name, "has %d bytes; at most %d are supported", info.Size(), limit)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, err
	}
	if data == nil {
		data = []byte{}
	}
	return data, nil
}

// readJSON reads a file of a folder into value, and reports whether it is there.
func readJSON(folder, name string, limit int64, value any) (bool, error) {
	data, err := readFile(folder, name, limit)
	if data == nil || err != nil {
		return false, err
	}
	data = input.TrimMark(data)
	if !utf8.Valid(data) { // the decoder would put something else in its place
		return true, errorf(name, "is not valid UTF-8")
	}
	if err := json.Unmarshal(data, value); err != nil {
		return true, &Error{Part: name, Err: err}
	}
	return true, nil
}

// A config is what config.json says.
type config struct {
	Architectures    []string        `json:"architectures"`
	NameOrPath       string          `json:"_name_or_path"`
	Width            int             `json:"hidden_size"`
	Inner            int             `json:"intermediate_size"`
	Blocks           int             `json:"num_hidden_layers"`
	Heads            int             `json:"num_attention_heads"`
	KVHeads          int             `json:"num_key_value_heads"`
	HeadSize         int             `json:"head_dim"`
	Vocabulary       int             `json:"vocab_size"`
	Context          int             `json:"max_position_embeddings"`
	Activation       string          `json:"hidden_act"`
	Epsilon          float64         `json:"rms_norm_eps"`
	RoPEBase         float64         `json:"rope_theta"`
	RoPEScaling      *ropeParameters `json:"rope_scaling"`
	RoPE             *ropeParameters `json:"rope_parameters"` // newer; rope_theta is in there
	Tied             *bool           `json:"tie_word_embeddings"`
	Begin            tokenIDs        `json:"bos_token_id"`
	End              tokenIDs        `json:"eos_token_id"`
	Padding          tokenIDs        `json:"pad_token_id"`
	AttentionBias    bool            `json:"attention_bias"`
	FeedForwardBias  bool            `json:"mlp_bias"`
	UseSlidingWindow bool            `json:"use_sliding_window"`
	LayerTypes       []string        `json:"layer_types"`
	PartialRotary    *float64        `json:"partial_rotary_factor"`
	ActivationBits   *int            `json:"input_bits"`
	Quantization     *quantization   `json:"quantization_config"`
	class            class
	onlineQuantized  bool   // floats are rounded in each pass
	dividesByScale   bool   // what weight_scale of packed weights is for
	ropeType         string // of RoPEScaling, which is nil for none
}

// ropeParameters is what changes the rotary positions.
type ropeParameters struct {
	Type            string   `json:"rope_type"`
	OldType         string   `json:"type"`
	Base            float64  `json:"rope_theta"`
	Factor          float64  `json:"factor"`
	OriginalContext int      `json:"original_max_position_embeddings"`
	AttentionFactor *float64 `json:"attention_factor"`
	BetaFast        *float64 `json:"beta_fast"`
	BetaSlow        *float64 `json:"beta_slow"`
	MScale          *float64 `json:"mscale"`
	MScaleAll       *float64 `json:"mscale_all_dim"`
}

type quantization struct {
	Method  string `json:"quant_method"`
	Linear  string `json:"linear_class"`
	Mode    string `json:"quantization_mode"`
	UseNorm bool   `json:"use_rms_norm"`
}

// tokenIDs is a token's id, a list of them, or null.
type tokenIDs []int

func (t *tokenIDs) UnmarshalJSON(data []byte) error {
	*t = nil
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]int)(t))
	}
	var id *int
	if err := json.Unmarshal(data, &id); err != nil {
		return err
	}
	if id != nil {
		*t = tokenIDs{*id}
	}
	return nil
}

// A class is what a class of models has beside what all have.
type class struct {
	architecture string // in the GGUF; empty where the activation decides it
	subNorms     bool   // norms ahead of the projections behind attention and activation
	headNorms    bool   // norms on the heads of queries and keys
	pairs        bool   // rows are put in the order of neighbouring pairs
	online       bool   // its own code rounds the weights
	ropeBase     float64
}

// classes has, as ropeBase, what the classes' own code takes where config.json says
// nothing.
var classes = map[string]class{
	"BitNetForCausalLM": {subNorms: true, ropeBase: 500_000},
	"BitnetForCausalLM": {subNorms: true, online: true, ropeBase: 10_000},
	"LlamaForCausalLM":  {architecture: "llama", pairs: true, ropeBase: 10_000},
	"Qwen3ForCausalLM":  {architecture: "qwen3", headNorms: true, ropeBase: 10_000},
}

// architectures are the names of BitNets by their activation.
var architectures = map[string]string{"relu2": "bitnet-b1.58", "silu": "bitnet"}

func readConfig(folder string) (*config, error) {
	c := new(config)
	there, err := readJSON(folder, configFile, maxConfigBytes, c)
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, errorf(configFile, "is missing: %s is no folder of a Hugging Face repository", folder)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

// check refuses what is not supported, and fills in what is left out.
func (c *config) check() error {
	fail := func(format string, args ...any) error { return errorf(configFile, format, args...) }
	if len(c.Architectures) != 1 {
		return fail("architectures is %.200q; one class is needed", c.Architectures)
	}
	var ok bool
	if c.class, ok = classes[c.Architectures[0]]; !ok {
		return fail("architectures is %.80q; there are BitNetForCausalLM, BitnetForCausalLM, LlamaForCausalLM and Qwen3ForCausalLM", c.Architectures[0])
	}
	if c.Activation == "" {
		return fail("hidden_act is missing: without it nobody knows the model")
	}
	if c.class.architecture == "" {
		c.class.architecture = architectures[c.Activation]
	} else if c.Activation != "silu" {
		c.class.architecture = ""
	}
	if c.class.architecture == "" {
		return fail("hidden_act is %.40q, which is not supported for %s", c.Activation, c.Architectures[0])
	}
	if c.KVHeads == 0 {
		c.KVHeads = c.Heads
	}
	for _, n := range []struct {
		name         string
		value, limit int
	}{
		{"hidden_size", c.Width, maxWidth}, {"intermediate_size", c.Inner, maxWidth}, {"num_hidden_layers", c.Blocks, maxBlocks},
		{"num_attention_heads", c.Heads, maxHeads}, {"num_key_value_heads", c.KVHeads, maxHeads},
		{"vocab_size", c.Vocabulary, maxRows}, {"max_position_embeddings", c.Context, maxContext},
	} {
		if n.value < 1 || n.value > n.limit {
			return fail("%s is %d, not between 1 and %d", n.name, n.value, n.limit)
		}
	}
	if c.HeadSize == 0 {
		if c.Width%c.Heads != 0 {
			return fail("hidden_size %d does not divide into %d heads", c.Width, c.Heads)
		}
		c.HeadSize = c.Width / c.Heads
	}
	switch {
	case c.HeadSize < 2 || c.HeadSize > maxWidth || c.HeadSize%2 != 0:
		return fail("head_dim is %d; it must be even", c.HeadSize)
	case c.HeadSize > maxWidth/c.Heads:
		return fail("%d heads of %d are more than is supported", c.Heads, c.HeadSize)
	case c.Heads%c.KVHeads != 0:
		return fail("%d heads cannot share %d key-value heads evenly", c.Heads, c.KVHeads)
	case !(c.Epsilon >= 1e-12 && c.Epsilon <= 1):
		return fail("rms_norm_eps is %v", c.Epsilon)
	case c.AttentionBias || c.FeedForwardBias:
		return fail("the model has biases, which are not supported")
	case c.UseSlidingWindow:
		return fail("use_sliding_window is set, which is not supported")
	case c.PartialRotary != nil && *c.PartialRotary != 1:
		return fail("partial_rotary_factor is %v, which is not supported", *c.PartialRotary)
	case c.ActivationBits != nil && *c.ActivationBits != 8:
		return fail("input_bits is %d; engines round activations to 8 bits", *c.ActivationBits)
	}
	for _, kind := range c.LayerTypes {
		if kind != "full_attention" {
			return fail("layer_types has %.40q, which is not supported", kind)
		}
	}
	if err := c.checkRoPE(); err != nil {
		return err
	}
	return c.checkQuantization()
}

func (c *config) checkRoPE() error {
	fail := func(format string, args ...any) error { return errorf(configFile, format, args...) }
	scaling := c.RoPEScaling
	if c.RoPE != nil {
		if scaling == nil {
			scaling = c.RoPE
		}
		if c.RoPEBase == 0 {
			c.RoPEBase = c.RoPE.Base
		}
	}
	if c.RoPEBase == 0 {
		c.RoPEBase = c.class.ropeBase
	}
	if !(c.RoPEBase >= 1 && c.RoPEBase <= 1e12) {
		return fail("rope_theta is %v", c.RoPEBase)
	}
	c.RoPEScaling = nil
	if scaling == nil {
		return nil
	}
	kind := scaling.Type
	if kind == "" {
		kind = scaling.OldType
	}
	switch {
	case kind == "" || kind == "default":
		return nil
	case kind != "yarn" && kind != "linear":
		return fail("rope_scaling is of type %.40q; linear and yarn can be converted", kind)
	case !(scaling.Factor >= 1 && scaling.Factor <= 1e6):
		return fail("rope_scaling has the factor %v", scaling.Factor)
	case kind == "yarn" && (scaling.BetaFast != nil && *scaling.BetaFast != 32 || scaling.BetaSlow != nil && *scaling.BetaSlow != 1 ||
		scaling.MScale != nil || scaling.MScaleAll != nil || scaling.AttentionFactor != nil):
		return fail("rope_scaling has settings of its own for YaRN, which are not supported")
	case scaling.OriginalContext < 0 || scaling.OriginalContext > maxContext:
		return fail("rope_scaling has the original context %d", scaling.OriginalContext)
	}
	if scaling.OriginalContext == 0 {
		scaling.OriginalContext = c.Context // as the model's own code has it
	}
	c.ropeType, c.RoPEScaling = kind, scaling
	return nil
}

func (c *config) checkQuantization() error {
	fail := func(format string, args ...any) error { return errorf(configFile, format, args...) }
	c.onlineQuantized = c.class.online
	q := c.Quantization
	if q == nil {
		return nil
	}
	if q.Method != "bitnet" {
		return fail("quantization_config has quant_method %.40q; only bitnet can be converted", q.Method)
	}
	if q.UseNorm {
		return fail("quantization_config has use_rms_norm set, which is not supported")
	}
	switch {
	case (q.Linear == "" || q.Linear == "bitlinear") && (q.Mode == "" || q.Mode == "offline"):
		c.dividesByScale = true
	case q.Linear == "autobitlinear" && (q.Mode == "" || q.Mode == "offline"):
	case q.Linear == "autobitlinear" && q.Mode == "online":
		c.onlineQuantized = true
	default:
		return fail("quantization_config has linear_class %.40q and quantization_mode %.40q, which are not known", q.Linear, q.Mode)
	}
	return nil
}

// metadata sets the keys about the architecture.
func (c *config) metadata(p *plan) {
	arch := c.class.architecture
	p.set("general.architecture", arch)
	name := path.Base(strings.ReplaceAll(c.NameOrPath, `\`, "/"))
	if name != "." && name != "/" && utf8.ValidString(name) {
		p.set("general.name", name)
	}
	set := func(name string, value any) { p.set(arch+"."+name, value) }
	integer := func(name string, n int) { set(name, uint32(n)) }
	integer("vocab_size", c.Vocabulary)
	integer("context_length", c.Context)
	integer("embedding_length", c.Width)
	integer("block_count", c.Blocks)
	integer("feed_forward_length", c.Inner)
	integer("rope.dimension_count", c.HeadSize)
	integer("attention.head_count", c.Heads)
	integer("attention.head_count_kv", c.KVHeads)
	if c.class.headNorms || c.HeadSize*c.Heads != c.Width {
		integer("attention.key_length", c.HeadSize)
		integer("attention.value_length", c.HeadSize)
	}
	set("attention.layer_norm_rms_epsilon", float32(c.Epsilon))
	set("rope.freq_base", float32(c.RoPEBase))
	if s := c.RoPEScaling; s != nil {
		set("rope.scaling.type", c.ropeType)
		set("rope.scaling.factor", float32(s.Factor))
		if c.ropeType == "yarn" {
			integer("rope.scaling.original_context_length", s.OriginalContext)
		}
	}
}
