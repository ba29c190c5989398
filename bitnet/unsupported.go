package bitnet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// A setting is a key of the metadata that changes the computation, and the values
// with which it changes nothing here.
type setting struct {
	key     string // ".…" is below the architecture's name; "…*" is every key that begins so
	neutral string // values with blanks between them, or anyValue
	asks    string // what any other value means
}

const anyValue = "*"

// settings says what becomes of what a file asks for. A model of which a part is
// left out still writes fluent text, so that nobody would notice: what is not
// computed here must be off in the file. Each key goes by the first line that
// fits it; keys that none fits are taken to be about other things. Of an array,
// every element counts.
var settings = []setting{
	{"general.type", "model", "a file of another kind"},
	{"adapter.*", "", "an adapter"},
	{"prism.*", "", "weights in a rotated basis"},

	// Read by readConfig, or without effect.
	{".attention.head_count", anyValue, ""},
	{".attention.head_count_kv", anyValue, ""},
	{".attention.key_length", anyValue, ""},
	{".attention.value_length", anyValue, ""},
	{".attention.layer_norm_rms_epsilon", anyValue, ""},
	{".attention.layer_norm_epsilon", anyValue, ""}, // of LayerNorm, which is nowhere here
	{".rope.dimension_count", anyValue, ""},
	{".rope.freq_base", anyValue, ""},
	{".rope.scaling.original_context_length", anyValue, ""},
	{".rope.scaling.factor", anyValue, ""},
	{".rope.scaling.finetuned", anyValue, ""}, // tells how the model was made
	{".hidden_act", anyValue, ""},
	{".pooling_type", "0 1 2 3", "an order of texts by their relevance, or another pooling"},

	{".rope.scaling.type", "none linear yarn", "RoPE scaling"}, // linear by a factor of 1 is none
	{".rope.scaling.attn_factor", "1", "RoPE scaling"},
	{".rope.scaling.yarn_ext_factor", "1", "another form of YaRN"},
	{".rope.scaling.yarn_attn_factor", "1", "another form of YaRN"},
	{".rope.scaling.yarn_beta_fast", "32", "another form of YaRN"},
	{".rope.scaling.yarn_beta_slow", "1", "another form of YaRN"},
	{".rope.scale_linear", "0 1", "RoPE scaling"},
	{".rope.dimension_sections", "0", "positions of several dimensions"},
	{".rope.*", "0 false", "another kind of rotary positions"},

	{".attention.causal", "true", "attention to what follows"},
	{".attention.sliding_window*", "0 false", "attention to a sliding window"},
	{".attention.max_alibi_bias", "0", "ALiBi positions"},
	{".attention.clamp_kqv", "0", "queries, keys and values cut at a limit"},
	{".attention.scale", "0", "another scale of attention"},
	{".attention.*", "0 false", "another kind of attention"},

	{".expert*", "0 false", "a mixture of experts"},
	{".leading_dense_block_count", "0", "a mixture of experts"},
	{".moe_every_n_layers", "0", "a mixture of experts"},
	{".attn_logit_softcapping", "0", "attention with a soft limit"},
	{".final_logit_softcapping", "0", "logits with a soft limit"},
	{".logit_scale", "0 1", "scaled logits"},
	{".residual_scale", "0 1", "scaled residuals"},
	{".embedding_scale", "0 1", "a scaled embedding"},
	{".rescale_every_n_layers", "0", "scaled residuals"},
	{".use_parallel_residual", "false", "attention and feed-forward side by side"},
	{".tensor_data_layout", "reference", "another order of the weights"},
	{".full_attention_interval", "0 1", "blocks without attention"},
	{".ssm.*", "0 false", "state spaces"},
	{".wkv.*", "0 false", "a recurrent state"},
	{".nextn_predict_layers", "0", "blocks that predict further tokens"},
}

// otherTypes has types of ternary matrices that somebody might hope for, and what
// to do.
var otherTypes = func() map[gguf.TensorType]string {
	const tiles = "it is cut into tiles that suited the machine which wrote it, and the file does not say how: take the model's I2_S file"
	return map[gguf.TensorType]string{38: tiles, 39: tiles}
}()

// checkSettings refuses a file that asks for what is not computed here.
func checkSettings(f *gguf.File, architecture string) error {
	for _, key := range f.Keys() {
		for _, s := range settings {
			if !s.covers(key, architecture) {
				continue
			}
			if value, _ := f.Value(key); !s.isNeutral(value) {
				return &ModelError{Part: "key " + key, Reason: fmt.Sprintf("is %v: that is %s, which is not supported", value, s.asks)}
			}
			break
		}
	}
	return nil
}

func (s setting) covers(key, architecture string) bool {
	pattern := s.key
	if strings.HasPrefix(pattern, ".") {
		pattern = architecture + pattern
	}
	if beginning, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(key, beginning)
	}
	return key == pattern
}

func (s setting) isNeutral(v gguf.Value) bool {
	if s.neutral == anyValue {
		return true
	}
	if v.Type() == gguf.Array {
		for _, element := range v.Values() {
			if !s.isNeutral(element) {
				return false
			}
		}
		return s.neutral != ""
	}
	return slices.Contains(strings.Fields(s.neutral), settingText(v))
}

// settingText writes a value as settings has it.
func settingText(v gguf.Value) string {
	if text, err := v.Text(); err == nil {
		return text
	}
	if x, err := v.Float(); err == nil {
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
	return v.String()
}
