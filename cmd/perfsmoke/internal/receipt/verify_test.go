package receipt

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const examples = "../../../../testdata/perfsmoke/"

func positive(t testing.TB) *Receipt {
	t.Helper()
	r, err := Read(examples + "positive.json")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func problemText(problems []Problem) string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

func TestPositiveExample(t *testing.T) {
	if problems := positive(t).Verify(); len(problems) > 0 {
		t.Error(problemText(problems))
	}
}

// The negative examples are refused for the reason that their names tell.
func TestNegativeExamples(t *testing.T) {
	want := map[string]string{
		"negative.json":               "compute_path",
		"negative-no-kernels.json":    "kernels",
		"negative-wrong-machine.json": "kernel_set",
		"negative-too-fast.json":      "bytes_per_second",
		"negative-edited.json":        "tokens_per_second",
		"negative-failed-run.json":    "status",
	}
	paths, err := filepath.Glob(examples + "negative*.json")
	if err != nil || len(paths) != len(want) {
		t.Errorf("%d negative examples, want %d; error %v", len(paths), len(want), err)
	}
	for name, field := range want {
		r, err := Read(examples + name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		problems := r.Verify()
		if !slices.ContainsFunc(problems, func(p Problem) bool { return p.Field == field }) {
			t.Errorf("%s: no problem with %s in:\n%s", name, field, problemText(problems))
		}
	}
}

func number(n int64) *int64 { return &n }

// builtIn makes a receipt one of the built-in model.
func builtIn(r *Receipt) {
	r.Model.Synthetic, r.Model.BuiltIn = nil, BuiltInArithmetic
	r.Model.File = BuiltInFile(r.Model.BuiltIn, r.Model.SHA256)
	r.Tokenizer.File = r.Model.File
}

// What is forged about the built-in model is so from a good receipt.
func TestBuiltIn(t *testing.T) {
	r := positive(t)
	builtIn(r)
	sealed, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if r, err = Decode(sealed); err != nil {
		t.Fatal(err)
	}
	if problems := r.Verify(); len(problems) > 0 {
		t.Error(problemText(problems))
	}
	var document any
	if err := json.Unmarshal(sealed, &document); err != nil {
		t.Fatal(err)
	}
	if violations := validate(readSchema(t), document, "built-in"); len(violations) > 0 {
		t.Error(violations)
	}
}

// forgeries change one field of a good receipt each. The receipt is sealed
// again afterwards: its checksums do not help, and one problem must name the
// field.
var forgeries = []struct {
	field string
	name  string // where it is not clear
	forge func(r *Receipt)
}{
	{"timestamp", "words", func(r *Receipt) { r.Timestamp = "yesterday" }},
	{"timestamp", "past", func(r *Receipt) { r.Timestamp = "1999-12-31T23:59:59Z" }},
	{"timestamp", "zone", func(r *Receipt) { r.Timestamp = "2026-01-01T00:00:00+02:00" }},
	{"status", "failed", func(r *Receipt) { r.Status = StatusFailed }},
	{"status", "other", func(r *Receipt) { r.Status = "fine" }},
	{"failure", "", func(r *Receipt) { r.Failure = &Failure{Kind: FailureCrashed, Phase: "decode", Message: "it crashed"} }},
	{"compute_path", "", func(r *Receipt) { r.ComputePath = "mock" }},
	{"compute_path", "none", func(r *Receipt) { r.ComputePath = ComputeNone }},
	{"backend", "", func(r *Receipt) { r.Backend = "cuda" }},
	{"deterministic", "", func(r *Receipt) { r.Deterministic = false }},

	{"kernel_set", "other", func(r *Receipt) { r.KernelSet = "sse2" }},
	{"kernel_set", "architecture", func(r *Receipt) { r.KernelSet = "neon" }},
	{"processor.features", "amx", func(r *Receipt) { r.KernelSet = "amx" }},
	{"kernels", "none", func(r *Receipt) { r.Kernels = []string{} }},
	{"kernels", "unquantized", func(r *Receipt) {
		r.Kernels = slices.DeleteFunc(slices.Clone(r.Kernels), quantized)
	}},
	{"kernels[0]", "empty", func(r *Receipt) { r.Kernels[0] = "" }},
	{"kernels[0]", "long", func(r *Receipt) { r.Kernels[0] = strings.Repeat("a", 65) }},
	{"kernels[0]", "unknown", func(r *Receipt) { r.Kernels[0] = "attention_cuda" }},
	{"kernels[3]", "known", func(r *Receipt) { r.Kernels[3] = "i2s_matmul_avx2" }},
	{"kernels[1]", "twice", func(r *Receipt) { r.Kernels[1] = r.Kernels[0] }},
	{"kernel_counts.attention_avx2", "", func(r *Receipt) { r.KernelCounts["attention_avx2"]++ }},
	{"kernel_counts.i2s_matvec_avx2", "", func(r *Receipt) { r.KernelCounts["i2s_matvec_avx2"] /= 2 }},
	{"kernel_counts.rmsnorm_quantize_avx2", "", func(r *Receipt) { r.KernelCounts["rmsnorm_quantize_avx2"] = 1 }},
	{"kernel_counts.head_f16_avx2", "", func(r *Receipt) { r.KernelCounts["head_f16_avx2"] = 1 }},
	{"kernel_counts.head_q2_0_avx2", "another head beside", func(r *Receipt) {
		r.KernelCounts["head_q2_0_avx2"] = 3
		r.Kernels = slices.Sorted(maps.Keys(r.KernelCounts))
	}},
	{"kernel_counts.head_i8_screen_avx2", "few", func(r *Receipt) { r.KernelCounts["head_i8_screen_avx2"] = 4 }},
	{"kernel_counts.head_i8_screen_avx2", "many", func(r *Receipt) { r.KernelCounts["head_i8_screen_avx2"] = 1000 }},
	{"kernels[1]", "not counted", func(r *Receipt) { delete(r.KernelCounts, "head_f16_avx2") }},
	{"kernel_counts.i2s_matvec_avx2", "more than the rows", func(r *Receipt) { r.KernelCounts["i2s_matvec_avx2"] += 28 }},
	{"kernel_counts.i2s_matvec_avx2", "part of a block", func(r *Receipt) { r.KernelCounts["i2s_matvec_avx2"]-- }},
	{"repeats[1].rows_evaluated", "few", func(r *Receipt) { r.Repeats[1].RowsEvaluated-- }},
	{"repeats[1].rows_evaluated", "many", func(r *Receipt) { r.Repeats[1].RowsEvaluated++ }},
	{"repeats[0].rows_evaluated", "negative", func(r *Receipt) { r.Repeats[0].RowsEvaluated = math.MinInt64 }},
	{"repeats[0].drafts_proposed", "", func(r *Receipt) { r.Repeats[0].DraftsProposed = -1 }},
	{"repeats[0].drafts_proposed", "huge", func(r *Receipt) { r.Repeats[0].DraftsProposed = math.MaxInt64 }},
	{"repeats[0].drafts_proposed", "without lookahead", func(r *Receipt) { r.Repeats[0].DraftsProposed = 1 }},
	{"repeats[0].drafts_accepted", "", func(r *Receipt) { r.Repeats[0].DraftsAccepted = 1 }},
	{"repeats[0].drafts_accepted", "more than tokens", func(r *Receipt) {
		r.Repeats[0].DraftsProposed, r.Repeats[0].DraftsAccepted = 100, 8
	}},
	{"kernel_counts.i2s_matmul_avx2", "huge", func(r *Receipt) { r.KernelCounts["i2s_matmul_avx2"] = math.MaxUint64 }},

	{"environment.os", "", func(r *Receipt) { r.Environment.OS = "" }},
	{"kernel_set", "of another architecture", func(r *Receipt) { r.Environment.Architecture = "arm64" }},
	{"environment.architecture", "unknown to its features", func(r *Receipt) { r.Environment.Architecture = "riscv64" }},
	{"environment.go_version", "", func(r *Receipt) { r.Environment.GoVersion = "rustc 1.90" }},
	{"environment.module_version", "", func(r *Receipt) { r.Environment.ModuleVersion = "" }},
	{"environment.commit", "", func(r *Receipt) { r.Environment.Commit = "main" }},
	{"environment.modified", "", func(r *Receipt) { r.Environment.Commit, r.Environment.Modified = "", true }},
	{"environment.variables.BITNET_SEED", "", func(r *Receipt) { r.Environment.Variables["BITNET_SEED"] = "43" }},
	{"environment.variables.BITNET_CPU", "", func(r *Receipt) { r.Environment.Variables["BITNET_CPU"] = "generic" }},
	{"environment.variables", "unknown", func(r *Receipt) { r.Environment.Variables["HOME"] = "/root" }},
	{"environment.variables.BITNET_LOG", "long", func(r *Receipt) { r.Environment.Variables["BITNET_LOG"] = strings.Repeat("w", 65) }},
	{"seed", "", func(r *Receipt) { r.Seed++ }},
	{"seed", "without variable", func(r *Receipt) { delete(r.Environment.Variables, "BITNET_SEED") }},

	{"processor.name", "", func(r *Receipt) { r.Processor.Name = "" }},
	{"processor.name", "unprintable", func(r *Receipt) { r.Processor.Name = "\x1b[2J" }},
	{"processor.logical_cores", "", func(r *Receipt) { r.Processor.LogicalCores = 0 }},
	{"processor.last_cache_bytes", "", func(r *Receipt) { r.Processor.LastCacheBytes = -1 }},
	{"processor.last_cache_bytes", "small", func(r *Receipt) {
		// Without caches, memory carries less than the run read.
		r.Processor.LastCacheBytes = 1
		scale := r.BytesPerSecond / 2 / r.Limits.MemoryBytesPerSecond
		for i := range r.Limits.MemoryPasses {
			r.Limits.MemoryPasses[i] *= scale
		}
		r.Limits.MemoryBytesPerSecond = slices.Max(r.Limits.MemoryPasses)
		r.Derive()
	}},
	{"processor.features", "missing", func(r *Receipt) { r.Processor.Features = r.Processor.Features[:2] }},
	{"processor.features", "unknown", func(r *Receipt) { r.Processor.Features[0] = "AVX10" }},
	{"processor.features", "twice", func(r *Receipt) { r.Processor.Features = append(r.Processor.Features, "FMA3") }},

	{"model.file", "", func(r *Receipt) { r.Model.File = "" }},
	{"model.file", "folder", func(r *Receipt) { r.Model.File = "../model.gguf" }},
	{"tokenizer.file", "model renamed", func(r *Receipt) { r.Model.File = "other.gguf" }},
	{"model.bytes", "small", func(r *Receipt) { r.Model.Bytes /= 2 }},
	{"model.bytes", "large", func(r *Receipt) { r.Model.Bytes += 1 << 30 }},
	{"model.sha256", "short", func(r *Receipt) { r.Model.SHA256 = r.Model.SHA256[:63] }},
	{"model.sha256", "capitals", func(r *Receipt) { r.Model.SHA256 = strings.ToUpper(r.Model.SHA256) }},
	{"tokenizer.sha256", "other model", func(r *Receipt) { r.Model.SHA256 = strings.Repeat("0", 64) }},
	{"model.synthetic.shape", "unknown", func(r *Receipt) { r.Model.Synthetic.Shape = "1b" }},
	{"model.synthetic.seed", "", func(r *Receipt) { r.Model.Synthetic.Seed = 2 }},
	{"model.file", "not the synthetic one", func(r *Receipt) { r.Model.File, r.Tokenizer.File = "ggml-model-i2_s.gguf", "ggml-model-i2_s.gguf" }},
	{"model.synthetic.shape", "other", func(r *Receipt) { r.Model.Synthetic.Shape = "2b4t" }},
	{"model.built_in", "unknown", func(r *Receipt) { builtIn(r); r.Model.BuiltIn = "poetry" }},
	{"model.built_in", "synthetic", func(r *Receipt) { r.Model.BuiltIn = BuiltInArithmetic }},
	{"model.file", "not the built-in one", func(r *Receipt) { builtIn(r); r.Model.File, r.Tokenizer.File = "model.gguf", "model.gguf" }},
	{"model.file", "of another version", func(r *Receipt) {
		builtIn(r)
		r.Model.SHA256 = strings.Repeat("0", 64)
		r.Tokenizer.SHA256 = r.Model.SHA256
	}},
	{"model.sha256", "of the built-in one", func(r *Receipt) { builtIn(r); r.Model.SHA256 = "7060" }},
	{"model.config.architecture", "", func(r *Receipt) { r.Model.Config.Architecture = "qwen35" }},
	{"model.config", "another architecture", func(r *Receipt) { r.Model.Config.Architecture = "llama" }},
	{"model.config.read_bytes", "", func(r *Receipt) { r.Model.Config.ReadBytes = 1 << 40 }},
	{"model.config.read_bytes", "few", func(r *Receipt) { r.Model.Config.ReadBytes, r.Model.Config.DecodeBytes = 1000, 1000 }},
	{"model.config.decode_bytes", "", func(r *Receipt) { r.Model.Config.DecodeBytes = 1 << 20 }},
	{"kernel_counts", "input norms", func(r *Receipt) { r.Model.Synthetic, r.Model.Config.InputNorms = nil, true }},
	{"model.config.name", "", func(r *Receipt) { r.Model.Config.Name = strings.Repeat("n", 1<<20+1) }},
	{"model.config.vocabulary_size", "", func(r *Receipt) { r.Model.Config.VocabularySize = 30 }},
	{"model.config.context_length", "", func(r *Receipt) { r.Model.Config.ContextLength = 10 }},
	{"model.config.embedding_length", "", func(r *Receipt) { r.Model.Config.EmbeddingLength = 250 }},
	{"model.config.blocks", "", func(r *Receipt) { r.Model.Config.Blocks = -4 }},
	{"model.config.feed_forward_length", "", func(r *Receipt) { r.Model.Config.FeedForwardLength = 500 }},
	{"model.config.heads", "", func(r *Receipt) { r.Model.Config.Heads = 8 }},
	{"model.config.kv_heads", "", func(r *Receipt) { r.Model.Config.KVHeads = 3 }},
	{"model.config.head_size", "", func(r *Receipt) { r.Model.Config.HeadSize = 128 }},
	{"model.config", "tied", func(r *Receipt) { r.Model.Config.TiedHead = false }},
	{"model.config", "blocks", func(r *Receipt) { r.Model.Config.Blocks = 5 }},

	{"tokenizer.source", "", func(r *Receipt) { r.Tokenizer.Source = "web" }},
	{"tokenizer.source", "file", func(r *Receipt) { r.Tokenizer.Source = TokenizerFile }},
	{"tokenizer.file", "", func(r *Receipt) { r.Tokenizer.File = "tokenizer.json" }},
	{"tokenizer.sha256", "", func(r *Receipt) { r.Tokenizer.SHA256 = strings.Repeat("f", 64) }},
	{"prompt", "", func(r *Receipt) { r.Prompt = strings.Repeat("p", 1<<20+1) }},
	{"text", "", func(r *Receipt) { r.Text = strings.Repeat("t", 1<<20+1) }},
	{"prompt_ids", "none", func(r *Receipt) { r.PromptIDs = []int{} }},
	{"prompt_ids[0]", "", func(r *Receipt) { r.PromptIDs[0] = 4096 }},
	{"prompt_ids", "one more", func(r *Receipt) { r.PromptIDs = append(r.PromptIDs, 1) }},
	{"generated_ids[3]", "", func(r *Receipt) { r.GeneratedIDs[3] = -1 }},
	{"generated_ids", "one more", func(r *Receipt) { r.GeneratedIDs = append(r.GeneratedIDs, 1) }},
	{"threads", "", func(r *Receipt) { r.Threads = 0 }},
	{"sessions", "none", func(r *Receipt) { r.Sessions = 0 }},
	{"sessions", "more than there are tokens of", func(r *Receipt) { r.Sessions = 2 }},
	{"threads", "more than allowed", func(r *Receipt) { r.Threads = 2 }},
	{"tokens_requested", "none", func(r *Receipt) { r.TokensRequested = 0 }},
	{"tokens_requested", "fewer", func(r *Receipt) { r.TokensRequested-- }},
	{"tokens_requested", "more", func(r *Receipt) { r.TokensRequested++ }},
	{"tokens_generated", "none", func(r *Receipt) { r.TokensGenerated = 0 }},
	{"tokens_generated", "more", func(r *Receipt) { r.TokensGenerated++ }},
	{"tokens_generated", "fewer", func(r *Receipt) { r.TokensGenerated-- }},
	{"stop_reason", "other", func(r *Receipt) { r.StopReason = "bored" }},
	{"stop_reason", "error", func(r *Receipt) { r.StopReason = "error" }},
	{"stop_reason", "context", func(r *Receipt) { r.StopReason = "context" }},
	{"logits_sha256", "zeros", func(r *Receipt) { r.LogitsSHA256 = strings.Repeat("0", 64) }},
	{"logits_sha256", "of nothing", func(r *Receipt) {
		r.LogitsSHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	}},
	{"logits_sha256", "", func(r *Receipt) { r.LogitsSHA256 = "none" }},
	{"logit_rows", "", func(r *Receipt) { r.LogitRows-- }},

	{"repeats", "none", func(r *Receipt) { r.Repeats = []Repeat{} }},
	{"repeats", "one fewer", func(r *Receipt) { r.Repeats = r.Repeats[:2] }},
	{"repeats[0].load_seconds", "", func(r *Receipt) { r.Repeats[0].LoadSeconds = 0 }},
	{"repeats[1].prompt_seconds", "", func(r *Receipt) { r.Repeats[1].PromptSeconds = -1 }},
	{"repeats[1].prompt_seconds", "too fast", func(r *Receipt) { r.Repeats[1].PromptSeconds = 1e-9 }},
	{"repeats[2].token_seconds", "", func(r *Receipt) { r.Repeats[2].TokenSeconds = r.Repeats[2].TokenSeconds[1:] }},
	{"repeats[2].token_seconds[0]", "", func(r *Receipt) { r.Repeats[2].TokenSeconds[0] = 0 }},
	{"repeats[0].tokens_per_second", "halved time", func(r *Receipt) { r.Repeats[0].TokenSeconds[1] /= 2 }},
	{"repeats[0].tokens_per_second", "", func(r *Receipt) { r.Repeats[0].TokensPerSecond *= 1.01 }},
	{"timings.load_seconds", "", func(r *Receipt) { r.Timings.LoadSeconds *= 0.99 }},
	{"timings.prompt_seconds", "", func(r *Receipt) { r.Timings.PromptSeconds *= 0.99 }},
	{"timings.prompt_tokens_per_second", "", func(r *Receipt) { r.Timings.PromptTokensPerSecond *= 1.01 }},
	{"timings.second_token_seconds", "", func(r *Receipt) { r.Timings.SecondTokenSeconds *= 0.99 }},
	{"timings.token_seconds_median", "", func(r *Receipt) { r.Timings.TokenSecondsMedian = 0 }},
	{"timings.token_seconds_p95", "", func(r *Receipt) { r.Timings.TokenSecondsP95 *= 0.99 }},
	{"tokens_per_second", "", func(r *Receipt) { r.TokensPerSecond *= 1.001 }},
	{"tokens_per_second", "negative", func(r *Receipt) { r.TokensPerSecond = -1 }},
	{"bytes_per_token", "", func(r *Receipt) { r.BytesPerToken /= 2 }},
	{"bytes_per_second", "", func(r *Receipt) { r.BytesPerSecond *= 1.001 }},
	{"bandwidth_share", "", func(r *Receipt) { r.BandwidthShare = 0.9 }},
	{"bytes_per_second", "too fast", func(r *Receipt) {
		for i := range r.Repeats {
			for j := range r.Repeats[i].TokenSeconds {
				r.Repeats[i].TokenSeconds[j] /= 100
			}
		}
		r.Derive()
	}},

	{"limits", "missing", func(r *Receipt) { r.Limits = nil }},
	{"limits.memory_bytes_per_second", "", func(r *Receipt) { r.Limits.MemoryBytesPerSecond *= 2 }},
	{"limits.memory_buffer_bytes", "", func(r *Receipt) { r.Limits.MemoryBufferBytes = 1 << 10 }},
	{"limits.memory_passes", "", func(r *Receipt) { r.Limits.MemoryPasses = r.Limits.MemoryPasses[:2] }},
	{"limits.memory_passes[1]", "", func(r *Receipt) { r.Limits.MemoryPasses[1] = -1 }},
	{"limits.memory_bytes_per_second", "of faster passes", func(r *Receipt) { r.Limits.MemoryPasses[0] = 1e12 }},
	{"limits.working_set_bytes_per_second", "", func(r *Receipt) { r.Limits.WorkingSetBytesPerSecond++ }},
	{"limits.working_set_bytes", "", func(r *Receipt) { r.Limits.WorkingSetBytes /= 2 }},
	{"limits.working_set_passes", "", func(r *Receipt) { r.Limits.WorkingSetPasses = []float64{} }},
	{"limits.working_set_passes[0]", "", func(r *Receipt) { r.Limits.WorkingSetPasses[0] = 1e15 }},

	{"usage", "missing", func(r *Receipt) { r.Usage = nil }},
	{"usage.wall_seconds", "", func(r *Receipt) { r.Usage.WallSeconds = 0.001 }},
	{"usage.wall_seconds", "none", func(r *Receipt) { r.Usage.WallSeconds = 0 }},
	{"usage.user_seconds", "", func(r *Receipt) { r.Usage.UserSeconds = -1 }},
	{"usage.user_seconds", "more than there is", func(r *Receipt) {
		r.Usage.UserSeconds = 1000
		r.Usage.ProcessorShare = (r.Usage.UserSeconds + r.Usage.SystemSeconds) / r.Usage.WallSeconds
	}},
	{"usage.system_seconds", "", func(r *Receipt) { r.Usage.SystemSeconds = -1 }},
	{"usage.processor_share", "", func(r *Receipt) { r.Usage.ProcessorShare /= 2 }},
	{"usage.peak_memory_bytes", "", func(r *Receipt) { r.Usage.PeakMemoryBytes = number(1 << 10) }},
	{"usage.major_page_faults", "", func(r *Receipt) { r.Usage.MajorPageFaults = number(-1) }},
	{"usage.minor_page_faults", "", func(r *Receipt) { r.Usage.MinorPageFaults = number(-1) }},
	{"usage.voluntary_context_switches", "", func(r *Receipt) { r.Usage.VoluntaryContextSwitches = number(-1) }},
	{"usage.involuntary_context_switches", "", func(r *Receipt) { r.Usage.InvoluntaryContextSwitches = number(-1) }},
}

func TestForgeries(t *testing.T) {
	for _, f := range forgeries {
		t.Run(f.field+" "+f.name, func(t *testing.T) {
			r := positive(t)
			f.forge(r)
			sealed, err := r.Encode()
			if err != nil {
				t.Fatal(err)
			}
			again, err := Decode(sealed)
			var problems []Problem
			var form *FormatError
			switch {
			case errors.As(err, &form):
				problems = []Problem{{form.Field, form.Reason}}
			case err != nil:
				t.Fatal(err)
			default:
				problems = again.Verify()
			}
			text := problemText(problems)
			if !strings.Contains(text, f.field) {
				t.Errorf("no problem with %s in:\n%s", f.field, text)
			}
			if strings.Contains(text, "was changed after") {
				t.Errorf("the checksums gave it away:\n%s", text)
			}
		})
	}
}

// leaves calls visit for each value of a document that has no others within,
// with its path and the means to replace or remove it.
func leaves(path string, v any, set func(any), remove func(), visit func(path string, v any, set func(any), remove func())) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			old := v[name]
			leaves(strings.TrimPrefix(path+"."+name, "."), old,
				func(n any) { v[name] = n }, func() { delete(v, name) }, visit)
			v[name] = old
		}
	case []any:
		for i, old := range v {
			leaves(fmt.Sprintf("%s[%d]", path, i), old, func(n any) { v[i] = n }, nil, visit)
			v[i] = old
		}
	default:
		visit(path, v, set, remove)
	}
}

func change(v any) []any {
	switch v := v.(type) {
	case string:
		return []any{v + "x", "", nil, 1.0}
	case float64:
		return []any{v + 1, v*1.01 + 0.001, -v - 1, 0.5, "1", nil}
	case bool:
		return []any{!v, nil, "true"}
	}
	panic(fmt.Sprintf("%T", v))
}

// TestEveryFieldIsGuarded changes and removes every single value of a good
// receipt. What is changed must be named, at least by its top-level field.
func TestEveryFieldIsGuarded(t *testing.T) {
	data, err := os.ReadFile(examples + "positive.json")
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	tried := 0
	visit := func(path string, v any, set func(any), remove func()) {
		check := func(what string) {
			tried++
			forged, err := json.Marshal(document)
			if err != nil {
				t.Fatal(err)
			}
			r, err := Decode(forged)
			text := ""
			if err != nil {
				text = err.Error()
			} else {
				text = problemText(r.Verify())
			}
			top, _, _ := strings.Cut(path, ".")
			top, _, _ = strings.Cut(top, "[")
			if !strings.Contains(text, top) {
				t.Errorf("%s %s: %q", path, what, text)
			}
		}
		for _, n := range change(v) {
			if n == v {
				continue
			}
			set(n)
			check(fmt.Sprintf("becomes %v", n))
		}
		set(v)
		if remove != nil {
			remove()
			check("is removed")
			set(v)
		}
	}
	leaves("", document, nil, nil, visit)
	if tried < 500 {
		t.Errorf("only %d forgeries", tried)
	}
	again, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := Decode(again); err != nil || len(r.Verify()) > 0 {
		t.Errorf("what is put back in place is rejected: %v", err)
	}
}

// TestWhatOnlyChecksumsGuard lists what a receipt does not contradict by itself
// when it is changed and sealed again: free words, numbers without relation to
// others, and results, which running it again tells.
func TestWhatOnlyChecksumsGuard(t *testing.T) {
	free := []string{
		"environment.commit", "environment.go_version", "environment.module_version", "environment.os", "environment.variables",
		"processor.name", "processor.last_cache_bytes", "processor.logical_cores", "prompt", "text", "usage.",
		"prompt_ids", "generated_ids", "model.bytes", "limits.memory_buffer_bytes",
		"limits.memory_passes", "limits.working_set_passes", // all but the best
		"repeats",                               // the median hides what the others took to load
		"timestamp", "stop_reason", "lookahead", // where nothing was guessed
	}
	data, err := os.ReadFile(examples + "positive.json")
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	visit := func(path string, v any, set func(any), _ func()) {
		if strings.HasPrefix(path, "checksums.") {
			return
		}
		for _, n := range change(v) {
			set(n)
			forged, err := json.Marshal(document)
			if err != nil {
				t.Fatal(err)
			}
			r, err := Decode(forged)
			if err != nil || n == v {
				continue
			}
			if _, err := r.Encode(); err != nil { // seals it
				t.Fatal(err)
			}
			passes := len(r.Verify()) == 0
			isFree := slices.ContainsFunc(free, func(f string) bool { return strings.HasPrefix(path, f) })
			if passes && !isFree {
				t.Errorf("%s may be %v instead of %v", path, n, v)
			}
		}
		set(v)
	}
	leaves("", document, nil, nil, visit)
}

func TestForm(t *testing.T) {
	good, err := os.ReadFile(examples + "positive.json")
	if err != nil {
		t.Fatal(err)
	}
	replaced := func(old, new string) string {
		if strings.Count(string(good), old) == 0 {
			t.Fatalf("no %q in the example", old)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	for name, c := range map[string]struct{ document, field string }{
		"empty":         {"", ""},
		"no JSON":       {"receipt", ""},
		"array":         {"[]", ""},
		"cut off":       {string(good[:len(good)/2]), ""},
		"two":           {string(good) + string(good), ""},
		"missing":       {replaced(`"backend": "cpu",`, ``), "backend"},
		"unknown":       {replaced(`"backend": "cpu",`, `"backend": "cpu", "gpu": 1,`), "gpu"},
		"twice":         {replaced(`"backend": "cpu",`, `"backend": "cpu", "backend": "cpu",`), "backend"},
		"other case":    {replaced(`"backend"`, `"Backend"`), "Backend"},
		"null":          {replaced(`"backend": "cpu"`, `"backend": null`), "backend"},
		"type":          {replaced(`"backend": "cpu"`, `"backend": 1`), "backend"},
		"too large":     {replaced(`"load_seconds": 0`, `"load_seconds": 1e999`), "load_seconds"},
		"NaN":           {replaced(`"load_seconds": 0`, `"load_seconds": NaN, "x": 0`), "load_seconds"},
		"fraction":      {replaced(`"threads": 1`, `"threads": 1.5`), "threads"},
		"huge":          {replaced(`"threads": 1`, `"threads": 99999999999999999999`), "threads"},
		"negative":      {replaced(`"seed": 42`, `"seed": -1`), "seed"},
		"object":        {replaced(`"tokenizer": {`, `"tokenizer": [], "x": {`), "tokenizer"},
		"within arrays": {replaced(`"prompt_ids": [`, `"prompt_ids": ["1", `), "prompt_ids[0]"},
	} {
		_, err := Decode([]byte(c.document))
		var form *FormatError
		if !errors.As(err, &form) || !strings.Contains(form.Field, c.field) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever version a receipt is of, it is not called bad for it.
func TestOtherVersions(t *testing.T) {
	old, err := os.ReadFile(examples + "older.json")
	if err != nil {
		t.Fatal(err)
	}
	for document, want := range map[string]string{
		string(old): "it was made by an older perfsmoke",
		`{"schema_version": "1.0.0", "something": "old"}`:  "older perfsmoke",
		`{"schema_version": "10.0.0", "something": "new"}`: "another perfsmoke",
		`{"schema_version": "2.0.1", "something": "new"}`:  "another perfsmoke",
		`{"schema_version": "", "something": "new"}`:       "another perfsmoke",
		`{"schema_version": "1.9"}`:                        "another perfsmoke",
	} {
		_, err := Decode([]byte(document))
		var version *VersionError
		if !errors.As(err, &version) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60s: %v", document, err)
		}
	}
	if _, err := Decode([]byte("\ufeff" + string(old))); !errors.As(err, new(*VersionError)) {
		t.Errorf("behind a byte-order mark: %v", err)
	}
}

// The same tokens can be computed in other ways: in tiles, with drafts, with all logits. Each is a good receipt, and what it says of
// its speed follows.
func TestOtherWork(t *testing.T) {
	for name, change := range map[string]func(r *Receipt){
		"prompt in tiles": func(r *Receipt) {
			r.KernelCounts["i2s_matvec_avx2"], r.KernelCounts["i2s_matmul_avx2"] = 3*28*7, 3*28*5
		},
		"drafts": func(r *Receipt) {
			// In each repeat three drafts of five were right: 9 rows in place
			// of 7 after the prompt.
			for i := range r.Repeats {
				p := &r.Repeats[i]
				r.Lookahead = true
				p.DraftsProposed, p.DraftsAccepted, p.RowsEvaluated = 5, 3, 14
				p.TokenSeconds[3], p.TokenSeconds[5] = 0, 0
			}
			r.KernelCounts = map[string]uint64{"attention_avx2": 3 * 4 * 14, "rmsnorm_quantize_avx2": 3 * 16 * 14, "i2s_matvec_avx2": 3 * 28 * 14, "head_f16_avx2": 3, "head_i8_screen_avx2": 3 * 9}
		},
		"all logits": func(r *Receipt) {
			r.KernelCounts["head_f16_avx2"] = 24
			delete(r.KernelCounts, "head_i8_screen_avx2")
		},
		"a head in blocks": func(r *Receipt) {
			r.KernelCounts["head_q6_k_avx2"] = 24
			delete(r.KernelCounts, "head_i8_screen_avx2")
			delete(r.KernelCounts, "head_f16_avx2")
		},
		"two sessions": func(r *Receipt) {
			r.Sessions = 2
			for i := range r.Repeats {
				p := &r.Repeats[i]
				p.TokenSeconds = append(p.TokenSeconds, p.TokenSeconds...)
				p.RowsEvaluated *= 2
			}
			for name := range r.KernelCounts {
				r.KernelCounts[name] *= 2
			}
		},
	} {
		r := positive(t)
		before := r.TokensPerSecond
		change(r)
		r.Kernels = slices.Sorted(maps.Keys(r.KernelCounts))
		r.Derive()
		sealed, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(sealed)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if problems := again.Verify(); len(problems) > 0 {
			t.Errorf("%s: %s", name, problemText(problems))
		}
		if name == "two sessions" && math.Abs(r.TokensPerSecond/before-2) > 1e-9 {
			t.Errorf("%v tokens a second of two sessions, %v of one", r.TokensPerSecond, before)
		}
	}
}

// TestRates works out small cases by hand.
func TestRates(t *testing.T) {
	for _, c := range []struct {
		sessions int
		seconds  []float64
		rate     float64
		steady   int
	}{
		{1, nil, 0, 0},
		{1, []float64{0.5}, 2, 1},
		{1, []float64{9, 0.5, 1}, 2 / 1.5, 2},
		{2, []float64{9, 0.5, 8, 0.25}, 2 / 0.5, 2}, // the slower one counts
		{2, []float64{0.5, 0.25}, 2 / 0.5, 2},
		{2, []float64{1, 2, 3}, 0, 0}, // not the same for both
		{0, []float64{1}, 0, 0},
	} {
		if got := Rate(c.sessions, c.seconds); math.Abs(got-c.rate) > 1e-12 {
			t.Errorf("%d sessions, %v: rate %v, want %v", c.sessions, c.seconds, got, c.rate)
		}
		if got := len(slices.Concat(Steady(c.sessions, c.seconds)...)); got != c.steady {
			t.Errorf("%d sessions, %v: %d steady, want %d", c.sessions, c.seconds, got, c.steady)
		}
	}
}

func TestStatistics(t *testing.T) {
	for _, c := range []struct {
		values      []float64
		median, p95 float64
	}{
		{nil, 0, 0},
		{[]float64{3}, 3, 3},
		{[]float64{4, 1}, 2.5, 4},
		{[]float64{3, 1, 2}, 2, 3},
	} {
		if got := Median(c.values); got != c.median {
			t.Errorf("median of %v: %v", c.values, got)
		}
		if got := Percentile(c.values, 95); got != c.p95 {
			t.Errorf("95th percentile of %v: %v", c.values, got)
		}
	}
	var hundred []float64
	for i := range 100 {
		hundred = append(hundred, float64(100-i))
	}
	if m, p := Median(hundred), Percentile(hundred, 95); m != 50.5 || p != 95 {
		t.Errorf("of 1 to 100: %v and %v", m, p)
	}
}

// The published figures: 1.18 GB a token.
func TestBytesPerToken(t *testing.T) {
	c := Config{VocabularySize: 128256, EmbeddingLength: 2560, Blocks: 30, FeedForwardLength: 6912, Heads: 20, KVHeads: 5, HeadSize: 128}
	const (
		ternary = 30 * (2*2560*2560 + 2*640*2560 + 3*6912*2560) / 4
		head    = 128256 * 2560 * 2
	)
	if got := c.WeightBytes(); got < ternary+head || got > ternary+head+4_000_000 {
		t.Errorf("%d bytes, want a little more than %d", got, ternary+head)
	}
	image := float64(c.WeightBytes()) - 128256*2560 // a byte for each element of the head in place of two
	// Two tokens after a prompt of 10: the second attends to 11 positions.
	if got, want := c.BytesPerToken(10, 2)-image, 11.*2*640*2*30; got != want {
		t.Errorf("%v bytes of the cache, want %v", got, want)
	}
	// The second to the fourth attend to 11, 12 and 13.
	if got, want := c.BytesPerToken(10, 4)-image, 12.*2*640*2*30; got != want {
		t.Errorf("%v bytes of the cache, want %v", got, want)
	}
}

func TestWriteReplacesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "receipt.json")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := positive(t)
	r.Text = "broken \xff UTF-8"
	if err := Write(path, r); err != nil {
		t.Fatal(err)
	}
	again, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if problems := again.Verify(); len(problems) > 0 {
		t.Error(problemText(problems))
	}
	r.TokensPerSecond = math.NaN()
	if err := Write(path, r); err == nil {
		t.Error("a number that JSON does not have is written")
	}
	if err := Write(filepath.Join(t.TempDir(), "missing", "receipt.json"), positive(t)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("into a folder that does not exist: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
