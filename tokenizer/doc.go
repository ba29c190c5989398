// Package tokenizer turns text into the token ids that a BitNet model reads,
// and back: byte-level byte-pair encoding with the vocabulary of a GGUF file
// or a Hugging Face tokenizer.json, and the splitter of Llama 3.
//
//	t, err := tokenizer.Open("model.gguf")
//	if err != nil {
//		return err
//	}
//	ids, err := t.Encode("Hello world", tokenizer.AddBeginOfText())
//	…
//	text := t.Decode(ids)
//
// # From text to tokens
//
// Encode takes three steps.
//
// First it finds the tokens that stand in the text as they are written, such
// as <|eot_id|>: where several start at a place, the longest. These are the
// special tokens, which have a meaning to the model, and those that a vocabulary
// adds for other reasons. With [PlainText] the special ones are left alone, and
// <|eot_id|> becomes what any ten characters become. Everything that a person or
// a document wrote should be encoded so: whoever can write an end-of-turn token
// can speak for others.
//
// Then the text in between is cut into pieces: words with the space before
// them, up to three digits, punctuation, white space. That is the expression
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
//	 ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// in one line. What a letter or a number is, is said by the Unicode tables of
// the Go release that the program is built with.
//
// Last, each piece becomes tokens. If the piece as a whole is one, that is all.
// Otherwise every byte becomes a token, and as long as neighbours have a merge
// in the vocabulary's list, the pair that comes first in the list is joined, the
// leftmost of equals. No token ever crosses the border of a piece.
//
// Every text that is valid UTF-8 decodes back to itself, byte for byte. The
// time grows with the length of the text, and as n log n with that of a
// single piece, so that no text takes forever.
//
// # Files
//
// A GGUF may be a whole model or metadata without tensors. The published
// BitNet b1.58 2B4T file names no splitter (tokenizer.ggml.pre) and means Llama
// 3's, so that this is taken where none is named. Whatever a file asks for that
// is not implemented, be it another kind of vocabulary, another splitter or a
// normalizer, is an error that names it, never a wrong token.
//
// A file may be hostile, too. Whatever contradicts itself (a merge of tokens
// that do not exist, an id beyond the vocabulary) is a [VocabularyError] that
// names the key and the index.
//
// A tokenizer of 128,256 tokens and 280,147 merges takes 8 MB of memory, is
// immutable, and serves any number of goroutines at once.
package tokenizer
