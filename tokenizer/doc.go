// Package tokenizer turns text into the token ids that a BitNet model reads,
// and back. It knows two kinds of vocabulary, byte-level byte-pair encoding and
// SentencePiece, from a GGUF file or a Hugging Face tokenizer.json.
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
// First Encode finds the tokens that stand in the text as they are written, such
// as <|eot_id|>: where several start at a place, the longest. These are the
// special tokens, which have a meaning to the model, and those that a vocabulary
// adds for other reasons. With [PlainText] the special ones are left alone, and
// <|eot_id|> becomes what any ten characters become. Everything that a person or
// a document wrote should be encoded so: whoever can write an end-of-turn token
// can speak for others.
//
// What lies between them becomes tokens in one of two ways.
//
// Byte-level BPE, which most models have, cuts the text into pieces: words with
// the space before them, numbers, punctuation, white space. How exactly is the
// matter of a splitter, a regular expression or several of them; Llama 3's is
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
//	 ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// in one line. What a letter or a number is, is said by the Unicode tables of
// the Go release that the program is built with. If a piece as a whole is a token,
// that is all, with the splitters of Llama 3 and Falcon 3. Otherwise every byte
// becomes a token, and as long as neighbours have a merge in the vocabulary's
// list, the pair that comes first in the list is joined, the leftmost of equals.
// No token ever crosses the border of a piece.
//
// SentencePiece, which Llama 2 and 1bitLLM's models have, puts a blank before the
// text and behind each special or added token. Then every character is a token, and
// as long as neighbours join to one, the pair whose token has the highest score is
// joined, the leftmost of equals. A character that is no token in the end becomes a
// token for each of its bytes.
//
// Every text that is valid UTF-8 decodes back to itself, byte for byte, but for
// what [Tokenizer.Decode] tells. The time grows with the length of the text, and as
// n log n with that of a single piece or of a word, so that no text takes forever.
//
// # Files
//
// A GGUF may be a whole model or metadata without tensors. It names its splitter
// (tokenizer.ggml.pre); a tokenizer.json gives the expressions. The splitters that
// are known are those of Llama 3, Falcon 3 and Falcon-E, Qwen 2 and 3.5, GPT-2,
// StarCoder, Falcon, the default one of llama.cpp, and all that are called otherwise
// and do the same. The published BitNet b1.58 2B4T file names none and means
// Llama 3's, so that this is taken where none is named. Whatever a file asks for
// that is not implemented, be it another kind of vocabulary, another splitter or a
// normalizer, is an error that names it, never a wrong token.
//
// A tokenizer.json may ask for Unicode's normal form C, as Qwen's do, and gets it.
// A GGUF has no word for that: its text is taken as it is.
//
// A file may be hostile, too. Whatever contradicts itself (a merge of tokens
// that do not exist, an id beyond the vocabulary) is a [VocabularyError] that
// names the key and the index.
//
// A tokenizer of 128,256 tokens and 280,147 merges takes 8 MB of memory, never
// changes what it gives, and serves any number of goroutines at once.
package tokenizer
