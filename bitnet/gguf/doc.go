// Package gguf reads and writes GGUF, the container that BitNet models are
// published in.
//
// # The format
//
// A GGUF file is little-endian and has four parts, one after the other:
//
//	header     "GGUF", version uint32, tensor count uint64, key count uint64
//	metadata   for each key: its name, a value type, the value
//	tensors    for each tensor: name, dimensions, type, offset of its bytes
//	data       zero bytes up to the alignment, then the tensors' bytes, each
//	           tensor at a multiple of the alignment
//
// A string is a uint64 length and that many bytes. An array is an element
// type, a uint64 count and the elements. The alignment is 32 bytes unless the
// key "general.alignment" says otherwise. Versions 2 and 3 share this layout
// and are read; version 3 is written. Version 1 (32-bit lengths) and big-endian
// files are refused with an error that says so.
//
// # Reading
//
// [Open] maps a file into memory and reads its header, metadata and tensor
// list; it touches no tensor data and builds no list of an array's elements, so
// that a model of a gigabyte opens in milliseconds. [Parse] does the same with
// bytes already in memory.
//
//	f, err := gguf.Open("model.gguf")
//	if err != nil {
//		return err
//	}
//	defer f.Close()
//
//	blocks, err := f.Uint("bitnet-b1.58.block_count")
//	if err != nil {
//		return err // names the key; errors.Is(err, gguf.ErrMissing) or ErrType
//	}
//	tokens, err := f.Array("tokenizer.ggml.tokens", gguf.String)
//	if err != nil {
//		return err
//	}
//	for id, text := range tokens.Strings() {
//		… // text is a view into the file: copy it to keep it after Close
//	}
//	embedding, ok := f.Tensor("token_embd.weight")
//
// A tensor's first dimension is the one whose elements are neighbours in the
// file: the embedding of 128,256 tokens with 2,560 numbers each has Dims
// {2560, 128256}.
//
// # Ownership
//
// [Tensor.Data] and the byte slices of [Value.Strings] are views into the file.
// They may be read by any number of goroutines, must never be written to (a
// mapped file is read-only memory: a write ends the program), and die with
// [File.Close]. Everything else that the package hands out (keys, names, texts,
// numbers) is a copy and may be kept. A [Value] itself refers to the file: its
// accessors must not be called after Close.
//
// # Trust
//
// A file may be hostile. Every count, length and offset is checked against the
// bytes that are there before it is used, nothing is allocated that the file
// merely claims, and whatever is wrong comes back as a [*FormatError] that
// names the key or tensor and the place in the file. What cannot be checked is
// the future: if another program truncates a file while it is mapped, reading
// the lost part ends the program with a bus error (SIGBUS), as it does for every
// program that maps files. Replace a model in use by renaming a new file over
// it, never by writing into it.
//
// # Writing
//
// A [Writer] collects metadata and tensor descriptions and streams the tensors'
// bytes when it is closed; it never holds a tensor in memory. The same calls
// give the same bytes.
package gguf
