package tokenizer

import "slices"

// A splitter cuts a text into pieces, which no token crosses.
//
// Files name a splitter in two ways: a GGUF by a word, a tokenizer.json by
// regular expressions. Of several expressions the first cuts out what it finds,
// the next one looks in what is left between, and so on. The expressions are
// written here as files have them, and only serve to recognise a splitter: what
// cuts is a scanner written by hand, which the tests hold to the expressions.
type splitter struct {
	names       []string // in tokenizer.ggml.pre
	expressions []string

	// pieceLength returns the length in bytes of the first piece of a text that
	// is not empty and valid UTF-8. It looks no further than the text's next
	// piece or two, lest a long text take time that grows with its square.
	pieceLength func(text string) int

	// What goes with a name where a file does not say otherwise: whether a piece
	// that is a token needs no merging, whether begin-of-text goes before a text,
	// and which token that is.
	wholePieces     bool
	addsBeginOfText bool
	beginOfText     int
}

// The expressions of splitters. \s is the property White_Space.
const (
	llama3Expression = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Expression  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen35Expression = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	gpt2Expression   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

	oneNumber          = `\p{N}`
	numbers            = `\p{N}+`
	threeDigits        = `[0-9][0-9][0-9]`
	falconPunctuation  = "[\\p{P}\\$\\+<=>\\^~\\|`]+"
	defaultPunctuation = `[\p{P}\$\+<=>\^~\|]+`
)

// gpt2Shorter finds the same pieces as gpt2Expression: a single blank that it
// does not match is left over as a piece.
const gpt2Shorter = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)`

// falconBeginOfText is what the engines that Falcon's files were made for take
// for begin-of-text where a file names none: <|endoftext|>.
const falconBeginOfText = 11

// splitters are all there are. A new one is another row, and a scanner unless
// one of those in split_llama3.go and split_gpt2.go serves.
var splitters = []splitter{
	{
		names:       []string{"llama-bpe", "llama3", "llama-v3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"},
		expressions: []string{llama3Expression},
		pieceLength: func(text string) int { return llama3Length(plainClasses, text, 3) },
		wholePieces: true, addsBeginOfText: true, beginOfText: none,
	},
	{
		names:       []string{"falcon3", "falcon_e"},
		expressions: []string{llama3Expression},
		pieceLength: func(text string) int { return llama3Length(plainClasses, text, 3) },
		wholePieces: true, addsBeginOfText: true, beginOfText: falconBeginOfText,
	},
	{
		names:       []string{"smaug", "smaug-bpe", "dbrx", "glm4", "chatglm-bpe"},
		expressions: []string{llama3Expression},
		pieceLength: func(text string) int { return llama3Length(plainClasses, text, 3) },
		beginOfText: none,
	},
	{
		names:       []string{"qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez", "kormo", "f2llmv2", "solar-open", "grok-2"},
		expressions: []string{qwen2Expression},
		pieceLength: func(text string) int { return llama3Length(plainClasses, text, 1) },
		beginOfText: none,
	},
	{
		names:       []string{"qwen35"},
		expressions: []string{qwen35Expression},
		pieceLength: func(text string) int { return llama3Length(withMarks, text, 1) },
		beginOfText: none,
	},
	{
		names: []string{
			"gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "gigachat", "a.x-4.0", "mellum",
			"modern-bert", "exaone4", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de",
		},
		expressions: []string{gpt2Expression},
		pieceLength: func(text string) int { return gpt2Length(plainClasses, text) },
		beginOfText: none,
	},
	{
		names:       []string{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"},
		expressions: []string{oneNumber, gpt2Expression},
		pieceLength: starcoderLength,
		beginOfText: none,
	},
	{
		names:       []string{"falcon"},
		expressions: []string{falconPunctuation, gpt2Expression, threeDigits},
		pieceLength: falconLength,
		beginOfText: none,
	},
	{
		names:       []string{"default"},
		expressions: []string{defaultPunctuation, gpt2Expression, numbers, threeDigits},
		pieceLength: defaultLength,
		beginOfText: none,
	},
}

// splitterNamed returns the splitter of a GGUF's tokenizer.ggml.pre, nil for a
// name that is not known.
func splitterNamed(name string) *splitter {
	for i := range splitters {
		if slices.Contains(splitters[i].names, name) {
			return &splitters[i]
		}
	}
	return nil
}

// splitterOf returns a splitter with these expressions, nil where there is none.
func splitterOf(expressions []string) *splitter {
	for i, expression := range expressions {
		if expression == gpt2Shorter {
			expressions[i] = gpt2Expression
		}
	}
	for i := range splitters {
		if slices.Equal(splitters[i].expressions, expressions) {
			return &splitters[i]
		}
	}
	return nil
}
