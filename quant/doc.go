// Package quant holds the number formats of ternary models and the integer
// arithmetic on them: weights −1, 0 and +1 in two bits or fewer, activations in
// eight bits, and their exact products.
//
// # Weights
//
// [I2S] stores a matrix row after row. A row is a sequence of blocks of
// [BlockSize] weights in [BlockBytes] bytes: byte j of a block holds weight j
// in bits 7–6, weight j+32 in bits 5–4, weight j+64 in bits 3–2 and weight
// j+96 in bits 1–0. A code c stands for the weight c−1. Ternary models use the
// codes 0, 1 and 2; code 3 is computed as the weight +2 by every kernel, so
// that a damaged file, too, gives the same numbers everywhere. One float32
// scale, common to the whole matrix, follows the last row. The format is
// Microsoft's, from the BitNet inference engine.
//
// The other formats are those of the ggml library and of its fork for the Bonsai
// models: blocks of 64, 128 or 256 weights with a float16 scale each, beside codes
// of two bits, or bytes of five weights to the base of three. [Matrix.Repack] turns
// these into two bits, for speed, at the price of memory.
//
// # Activations
//
// A vector x of float32 becomes 8-bit integers by its own largest magnitude,
// as in "The Era of 1-bit LLMs" (arXiv:2402.17764):
//
//	s = 127 / max(max|x|, 1e-5)
//	q = clamp(round-half-even(x·s), −128, 127)
//
// For the formats with scales for blocks the same is done for each block of 64
// activations, whatever the size of the weights' blocks.
//
// # Products
//
// With weights w, their scale and activations q, s the product of a row is
//
//	y = (Σ w·q) / s · scale
//
// where the sum is an exact integer, the division and the multiplication are
// each rounded to float32. Because the sum is exact, its order does not
// matter, and every kernel gives the same bits. Where blocks have scales, the sums
// of blocks are exact, and are added up in ascending order:
//
//	y = y + (Σ w·q) · (weight scale · activation scale)
//
// with one rounding for each block (a fused multiply-add).
//
// # Kernels
//
// A [Kernels] value is one implementation of all this. [Best] gives the fastest
// one that the processor can run, [Named] a particular one, and "generic" is
// plain Go: it runs everywhere and defines what the others compute.
package quant
