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
// names the key or tensor and the place in the file. Files of other kinds (a web
// page, a Git LFS pointer, safetensors …) are called by their name.
//
// What cannot be checked once and for all is the future. Where another program
// cuts a file that is mapped, reading the lost part is a fault (SIGBUS) that ends
// the program; where it writes into it, what is read is neither the old nor the
// new file. [File.Check] notices both, in about the time that it takes to read a
// page, and [File.Fault] makes an error of a fault. Package bitnet uses both in
// each step. What remains: a file that is cut while it is being opened ends the
// program, and one that is written to within a step goes unnoticed in this step.
// So replace a model in use by renaming a new file over it, never by writing into
// it: those who have the old one open then keep it.
//
// # Several files
//
// A large model may have been split into files named "…-00001-of-00003.gguf" and
// so on, which the keys "split.no" and "split.count" tell. [Open], given the
// first, opens all of them as one File.
//
// # Writing
//
// A [Writer] collects metadata and tensor descriptions and streams the tensors'
// bytes when it is closed; it never holds a tensor in memory. The same calls
// give the same bytes.
package gguf
