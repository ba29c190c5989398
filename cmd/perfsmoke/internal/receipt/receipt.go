// Package receipt defines what a run of perfsmoke leaves behind: a JSON document
// that says what was run, on what, what came out and how long it took, and that
// anyone can check, without the machine it came from.
package receipt

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gobitnet/gobitnet/bitnet/synthetic"
	"github.com/gobitnet/gobitnet/cmd/internal/output"
	"github.com/gobitnet/gobitnet/internal/input"
)

// SchemaVersion is the version of the format that this package writes and reads.
const SchemaVersion = "2.0.0"

// Values of Receipt.Status, Receipt.ComputePath and Receipt.Backend.
const (
	StatusOK     = "ok"
	StatusFailed = "failed"

	ComputeReal = "real" // the model's arithmetic was carried out
	ComputeNone = "none" // it was not, or not to the end

	BackendCPU = "cpu"
)

// Values of Tokenizer.Source.
const (
	TokenizerOfModel = "model" // the model's file holds it
	TokenizerFile    = "file"  // a file of its own
)

// Values of Failure.Kind.
const (
	FailureModelMissing  = "model_missing"  // there is no file of the model
	FailureModelUnusable = "model_unusable" // the model or tokenizer cannot be read, made or run
	FailureRun           = "run_failed"     // the run gave up with an error of another kind
	FailureCrashed       = "crashed"        // the process ended by itself without a result
	FailureKilled        = "killed"         // a signal ended the process
	FailureTimedOut      = "timed_out"      // --timeout ended the process
	FailureInterrupted   = "interrupted"    // the person at the keyboard ended it
	FailureDiffers       = "differs"        // repeats gave different results
)

// A Receipt is the record of one run. Times are in seconds, sizes in bytes,
// SHA-256 sums in hexadecimal.
type Receipt struct {
	SchemaVersion string   `json:"schema_version"`
	Timestamp     string   `json:"timestamp"` // when the run began: RFC 3339, UTC
	Status        string   `json:"status"`
	Failure       *Failure `json:"failure,omitempty"` // of a failed run
	ComputePath   string   `json:"compute_path"`
	Backend       string   `json:"backend"`

	KernelSet    string            `json:"kernel_set"`    // as bitnet.WithKernels names it
	Kernels      []string          `json:"kernels"`       // the kernels that ran, sorted
	KernelCounts map[string]uint64 `json:"kernel_counts"` // how often each was dispatched, in all repeats

	Deterministic bool        `json:"deterministic"`
	Environment   Environment `json:"environment"`
	Processor     Processor   `json:"processor"`

	Model     Model     `json:"model"`
	Tokenizer Tokenizer `json:"tokenizer"`

	Prompt          string `json:"prompt"`
	PromptIDs       []int  `json:"prompt_ids"` // with begin-of-text, where the vocabulary has it
	Seed            uint64 `json:"seed"`       // of random draws, of which greedy decoding makes none
	Threads         int    `json:"threads"`
	Sessions        int    `json:"sessions"`  // how many sequences decode together, all of the same prompt
	Lookahead       bool   `json:"lookahead"` // whether tokens may be guessed and evaluated together
	TokensRequested int    `json:"tokens_requested"`
	TokensGenerated int    `json:"tokens_generated"` // in each repeat
	GeneratedIDs    []int  `json:"generated_ids"`    // with the end token, where one came
	Text            string `json:"text"`             // what they decode to
	StopReason      string `json:"stop_reason"`      // as bitnet.StopReason

	// LogitsSHA256 is over the bits of all rows of logits, one row for each
	// generated token in their order, each value as a little-endian float32.
	// They are computed in a process of their own, which no time or count of
	// this receipt is of: what is timed computes only the logits that greedy
	// generation needs.
	LogitsSHA256 string `json:"logits_sha256"`
	LogitRows    int    `json:"logit_rows"`

	Repeats []Repeat `json:"repeats"`
	Timings Timings  `json:"timings"`

	TokensPerSecond float64 `json:"tokens_per_second"` // median of the repeats'
	BytesPerToken   float64 `json:"bytes_per_token"`   // what decoding one token by itself reads, on average
	BytesPerSecond  float64 `json:"bytes_per_second"`  // what decoding reads at least: median of the repeats'
	BandwidthShare  float64 `json:"bandwidth_share"`   // BytesPerSecond ÷ Limits.MemoryBytesPerSecond

	Limits *Limits `json:"limits,omitempty"` // missing where they could not be measured
	Usage  *Usage  `json:"usage,omitempty"`  // missing where no process was started

	// Checksums has the SHA-256, shortened to 16 digits, of every other field
	// of this struct in compact JSON. They find what was changed by hand; they
	// are no signature.
	Checksums map[string]string `json:"checksums"`
}

// A Failure says what went wrong.
type Failure struct {
	Kind    string `json:"kind"`
	Phase   string `json:"phase"` // what was under way: "model", "load", "prompt", "decode", "logits", "limits"
	Message string `json:"message"`
}

// Environment is the software that the run was made with.
type Environment struct {
	OS            string            `json:"os"`           // as runtime.GOOS
	Architecture  string            `json:"architecture"` // as runtime.GOARCH
	GoVersion     string            `json:"go_version"`
	ModuleVersion string            `json:"module_version"`
	Commit        string            `json:"commit"`    // empty where the build does not know
	Modified      bool              `json:"modified"`  // the working tree differed from the commit
	Variables     map[string]string `json:"variables"` // environment variables that were set and heeded
}

// Processor is the machine that it ran on.
type Processor struct {
	Name           string   `json:"name"`
	LogicalCores   int      `json:"logical_cores"`
	LastCacheBytes int64    `json:"last_cache_bytes"` // 0 where it is not known
	Features       []string `json:"features"`         // those that kernels need, sorted
}

// Model is the model that was run.
type Model struct {
	File      string     `json:"file"` // without its folder
	Bytes     int64      `json:"bytes"`
	SHA256    string     `json:"sha256"`
	Synthetic *Synthetic `json:"synthetic,omitempty"` // of a model that can be made again
	BuiltIn   string     `json:"built_in,omitempty"`  // BuiltInArithmetic, of the model that is part of perfsmoke
	Config    Config     `json:"config"`
}

// Synthetic says how package synthetic makes the model.
type Synthetic struct {
	Shape string `json:"shape"`
	Seed  uint64 `json:"seed"`
}

// SyntheticSeed is the seed of the synthetic models that are run.
const SyntheticSeed = 1

// File returns the name of the model's file.
func (s Synthetic) File() string {
	return fmt.Sprintf("synthetic-%s-seed%d-v%d.gguf", s.Shape, s.Seed, synthetic.Version)
}

// BuiltInArithmetic is the name of the model of package arithmetic, which is
// what is run where no other one is named. SHA256 tells its versions apart.
const BuiltInArithmetic = "arithmetic"

// BuiltInFile returns the name of the file of a version of a built-in model,
// whose SHA-256 it is given.
func BuiltInFile(name, sum string) string { return name + "-" + sum[:16] + ".gguf" }

// Config is bitnet.Config, as far as it decides what a run computes and reads.
type Config struct {
	Architecture      string `json:"architecture"`
	Name              string `json:"name"`
	VocabularySize    int    `json:"vocabulary_size"`
	ContextLength     int    `json:"context_length"`
	EmbeddingLength   int    `json:"embedding_length"`
	Blocks            int    `json:"blocks"`
	FeedForwardLength int    `json:"feed_forward_length"`
	Heads             int    `json:"heads"`
	KVHeads           int    `json:"kv_heads"`
	HeadSize          int    `json:"head_size"`
	TiedHead          bool   `json:"tied_head"`

	// InputNorms says that each projection has a normalization of its own ahead.
	InputNorms bool `json:"input_norms,omitempty"`
	// ReadBytes and DecodeBytes are what bitnet.Model.WeightBytes returns, of a
	// model that is not in the layout of the published BitNet b1.58 2B4T, from
	// which they would follow: weights in I2_S with sub-norms, a float16 head.
	ReadBytes   int64 `json:"read_bytes,omitempty"`
	DecodeBytes int64 `json:"decode_bytes,omitempty"`
}

// Tokenizer is where the vocabulary came from.
type Tokenizer struct {
	Source string `json:"source"` // TokenizerOfModel or TokenizerFile
	File   string `json:"file"`   // without its folder
	SHA256 string `json:"sha256"`
}

// A Repeat is one load, one prompt and its generation, timed. The process has
// warmed up before the first one: it has loaded the model, evaluated the prompt
// and generated a token or two, which is in no figure but those of Usage.
type Repeat struct {
	LoadSeconds     float64   `json:"load_seconds"`      // opening the model
	PromptSeconds   float64   `json:"prompt_seconds"`    // evaluating the prompt, until every session has its first token
	TokenSeconds    []float64 `json:"token_seconds"`     // each further token, those of one session after those of another
	TokensPerSecond float64   `json:"tokens_per_second"` // of all sessions, see Rate

	// RowsEvaluated counts the tokens that went through the model: of the
	// prompt, those that were generated, the last one aside, and drafts that
	// were wrong.
	RowsEvaluated  int64 `json:"rows_evaluated"`
	DraftsProposed int64 `json:"drafts_proposed"` // tokens that were guessed, to be evaluated together
	DraftsAccepted int64 `json:"drafts_accepted"` // those of them that were right
}

// Timings sum up the repeats.
type Timings struct {
	LoadSeconds           float64 `json:"load_seconds"`             // median
	PromptSeconds         float64 `json:"prompt_seconds"`           // median
	PromptTokensPerSecond float64 `json:"prompt_tokens_per_second"` // len(PromptIDs) ÷ PromptSeconds
	SecondTokenSeconds    float64 `json:"second_token_seconds"`     // median of all sessions'; 0 without any
	TokenSecondsMedian    float64 `json:"token_seconds_median"`     // of all steady tokens (see Steady); 0 without any
	TokenSecondsP95       float64 `json:"token_seconds_p95"`        // their 95th percentile
}

// Limits are what the machine can do at most, measured in the same run with the
// same number of threads.
type Limits struct {
	// MemoryBytesPerSecond is how fast MemoryBufferBytes, far more than the
	// caches hold, are read: the best of MemoryPasses.
	MemoryBytesPerSecond float64   `json:"memory_bytes_per_second"`
	MemoryBufferBytes    int64     `json:"memory_buffer_bytes"`
	MemoryPasses         []float64 `json:"memory_passes"`
	// WorkingSetBytesPerSecond is the same for a buffer of WorkingSetBytes, as
	// large as what a token of the model reads, part of which the caches may
	// hold; it is the best of WorkingSetPasses.
	WorkingSetBytesPerSecond float64   `json:"working_set_bytes_per_second"`
	WorkingSetBytes          int64     `json:"working_set_bytes"`
	WorkingSetPasses         []float64 `json:"working_set_passes"`
}

// Usage is what the system's kernel says about the process that ran the model,
// from its start to its end. What a system does not tell is missing.
type Usage struct {
	WallSeconds                float64 `json:"wall_seconds"`
	UserSeconds                float64 `json:"user_seconds"`
	SystemSeconds              float64 `json:"system_seconds"`
	ProcessorShare             float64 `json:"processor_share"` // (user + system) ÷ wall
	PeakMemoryBytes            *int64  `json:"peak_memory_bytes,omitempty"`
	MajorPageFaults            *int64  `json:"major_page_faults,omitempty"`
	MinorPageFaults            *int64  `json:"minor_page_faults,omitempty"`
	VoluntaryContextSwitches   *int64  `json:"voluntary_context_switches,omitempty"`
	InvoluntaryContextSwitches *int64  `json:"involuntary_context_switches,omitempty"`
}

// New returns the receipt of a run that begins now and has come to nothing yet.
func New(now time.Time) *Receipt {
	return &Receipt{
		SchemaVersion: SchemaVersion,
		Timestamp:     now.UTC().Format(time.RFC3339),
		Status:        StatusFailed,
		ComputePath:   ComputeNone,
		Backend:       BackendCPU,
		Kernels:       []string{},
		KernelCounts:  map[string]uint64{},
		Deterministic: true,
		Environment:   Environment{Variables: map[string]string{}},
		Processor:     Processor{Features: []string{}},
		PromptIDs:     []int{},
		GeneratedIDs:  []int{},
		Repeats:       []Repeat{},
	}
}

// checksums computes what Checksums holds.
func (r *Receipt) checksums() (map[string]string, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	// As it will be read: broken UTF-8 does not survive writing.
	var written Receipt
	if err := json.Unmarshal(data, &written); err != nil {
		return nil, err
	}
	if data, err = json.Marshal(&written); err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	sums := make(map[string]string, len(fields))
	for name, value := range fields {
		if name != "checksums" {
			sum := sha256.Sum256(value)
			sums[name] = hex.EncodeToString(sum[:8])
		}
	}
	return sums, nil
}

// Encode seals the receipt with its checksums and returns it as indented JSON.
func (r *Receipt) Encode() ([]byte, error) {
	sums, err := r.checksums()
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	r.Checksums = sums
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	return append(data, '\n'), nil
}

// Write writes the receipt to a file, as output.Write does.
func Write(path string, r *Receipt) error {
	data, err := r.Encode()
	if err != nil {
		return err
	}
	if err := output.Write(output.File{Path: path, Data: data}); err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	return nil
}

// maxBytes is far more than any receipt takes.
const maxBytes = 32 << 20

// Read reads the receipt in a file. It checks its form only; Verify says
// whether to believe it. What is wrong with the form is a *FormatError, another
// version of the format a *VersionError.
func Read(path string) (*Receipt, error) {
	f, _, err := input.Open(path)
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	return Decode(data)
}

// A VersionError says that a document is a receipt in another version of the
// format, which says nothing against it.
type VersionError struct{ Version string }

func (e *VersionError) Error() string {
	if e.older() {
		return fmt.Sprintf("receipt: schema_version %.40q: it was made by an older perfsmoke (this one reads %s): check it with that version, or make it again", e.Version, SchemaVersion)
	}
	return fmt.Sprintf("receipt: schema_version %.40q: it was made by another perfsmoke (this one reads %s): check it with that version", e.Version, SchemaVersion)
}

// older reports whether it is a version before this package's.
func (e *VersionError) older() bool {
	var theirs, ours [3]int
	if _, err := fmt.Sscanf(e.Version, "%d.%d.%d", &theirs[0], &theirs[1], &theirs[2]); err != nil {
		return false
	}
	fmt.Sscanf(SchemaVersion, "%d.%d.%d", &ours[0], &ours[1], &ours[2])
	return slices.Compare(theirs[:], ours[:]) < 0
}

// A FormatError says that a document is no receipt.
type FormatError struct {
	Field  string // its path, such as "model.sha256"; empty where the whole is meant
	Reason string
}

func (e *FormatError) Error() string {
	if e.Field == "" {
		return "receipt: " + e.Reason
	}
	return "receipt: " + e.Field + ": " + e.Reason
}

// Decode is Read for a document in memory. A byte-order mark before it, as some
// editors write, is passed over.
func Decode(data []byte) (*Receipt, error) {
	if len(data) > maxBytes {
		return nil, &FormatError{Reason: fmt.Sprintf("is longer than %d bytes", maxBytes)}
	}
	data = input.TrimMark(data)
	if err := checkVersion(data); err != nil {
		return nil, err
	}
	if err := checkForm(data); err != nil {
		return nil, err
	}
	r := new(Receipt)
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(r); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) {
			return nil, &FormatError{Field: kind.Field, Reason: "cannot be a " + kind.Value}
		}
		return nil, &FormatError{Reason: strings.TrimPrefix(err.Error(), "json: ")}
	}
	return r, nil
}
