// Package safetensors reads safetensors, the container in which Hugging Face
// repositories keep weights.
//
// # The format
//
// A file has three parts: the length of the header as a little-endian uint64; the
// header, a JSON object; and the tensors' bytes, little-endian, one tensor behind
// the other without gaps. The header has an entry for each tensor,
//
//	"model.norm.weight": {"dtype": "BF16", "shape": [2560], "data_offsets": [0, 5120]}
//
// whose offsets count from the end of the header, and may have one named
// "__metadata__", an object of texts. A shape has the slowest-running dimension
// first, the reverse of GGUF's.
//
// A model may lie in several files, "shards". The file
// model.safetensors.index.json says which tensor is in which.
//
// # Reading
//
// [OpenFolder] opens a model, [Open] a single file. Both read the header and check
// all of it; [Tensor.ReadAt] reads a tensor's bytes from the file. Nothing is
// mapped into memory, so that a file which somebody cuts is an error of the next
// reading.
//
// Files may come from anywhere. Lengths are checked before they are used; memory
// is bounded by the header's length, and that by [MaxHeader]; what one reader
// would understand so and another otherwise (names that occur twice, gaps between
// tensors, bytes that belong to none) is refused.
package safetensors
