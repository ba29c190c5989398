//go:build !purego

#include "textflag.h"
#include "codedots_macros_amd64.h"
#include "blocks_rows_amd64.h"

// Products of rows of blocks with one token. Eight rows share a block of activations,
// and get their scales at once.

// FINISH turns sums of a block of the activations, the one of number n, into
// products, and adds them to those in Y12.
#define FINISH(sum, scales, n) \
	VPBROADCASTD (n*4)(R13), Y4 \
	VPSUBD       Y4, sum, sum \
	VCVTDQ2PS    sum, sum \
	VBROADCASTSS (n*4)(R12), Y4 \
	VMULPS       Y4, scales, Y4 \
	VFMADD231PS  Y4, sum, Y12

// Two bits a code: row by row, with the activations in Y8 to Y11.

// ROW multiplies the 32 bytes of a row in Y4 to sums of 16 bits, at most 4·768: two
// fields as codes, two as four times the codes.
#define ROW(sum) \
	VPAND      Y15, Y4, sum \
	VPAND      Y14, Y4, Y5 \
	VPSRLW     $4, Y4, Y4 \
	VPMADDUBSW Y8, sum, sum \
	VPMADDUBSW Y9, Y5, Y5 \
	VPAND      Y15, Y4, Y6 \
	VPAND      Y14, Y4, Y4 \
	VPMADDUBSW Y10, Y6, Y6 \
	VPMADDUBSW Y11, Y4, Y4 \
	VPADDW     Y6, sum, sum \
	VPADDW     Y4, Y5, Y5 \
	VPSRAW     $2, Y5, Y5 \
	VPADDW     Y5, sum, sum

// JOIN adds up pairs of two rows' sums, so that they take turns in one register.
#define JOIN(LOW, HIGH, sum, other) \
	LOW    other, sum, Y4 \
	HIGH   other, sum, Y5 \
	VPADDW Y4, Y5, sum

// EIGHT multiplies eight rows. In the end each half of Y0 has a sum of 16 bits for
// each of them, at most 8·4·768.
#define EIGHT(LOAD, offset) \
	LOAD(offset, (SI)) \
	ROW(Y0) \
	LOAD(offset, (SI)(R8*1)) \
	ROW(Y1) \
	JOIN(VPUNPCKLWD, VPUNPCKHWD, Y0, Y1) \
	LOAD(offset, (SI)(R8*2)) \
	ROW(Y1) \
	LOAD(offset, (SI)(R9*1)) \
	ROW(Y2) \
	JOIN(VPUNPCKLWD, VPUNPCKHWD, Y1, Y2) \
	JOIN(VPUNPCKLDQ, VPUNPCKHDQ, Y0, Y1) \
	LOAD(offset, (R10)) \
	ROW(Y1) \
	LOAD(offset, (R10)(R8*1)) \
	ROW(Y2) \
	JOIN(VPUNPCKLWD, VPUNPCKHWD, Y1, Y2) \
	LOAD(offset, (R10)(R8*2)) \
	ROW(Y2) \
	LOAD(offset, (R10)(R9*1)) \
	ROW(Y3) \
	JOIN(VPUNPCKLWD, VPUNPCKHWD, Y2, Y3) \
	JOIN(VPUNPCKLDQ, VPUNPCKHDQ, Y1, Y2) \
	JOIN(VPUNPCKLQDQ, VPUNPCKHQDQ, Y0, Y1) \
	VEXTRACTI128 $1, Y0, X1 \
	VPMOVSXWD    X0, Y0 \
	VPMOVSXWD    X1, Y1

#define CONSTANTS \
	MASK(0x0C0C0C0C, X14, Y14) \
	MASK(0x03030303, X15, Y15)

// A block of 128, whose quarter's activations are 32 bytes apart.
#define LOAD_32(offset, row) \
	VMOVDQU offset row, Y4

#define EIGHT_128(offset, activations, scales, n) \
	VMOVDQU (activations)(R11), Y8 \
	VMOVDQU (activations+32)(R11), Y9 \
	VMOVDQU (activations+64)(R11), Y10 \
	VMOVDQU (activations+96)(R11), Y11 \
	EIGHT(LOAD_32, offset) \
	VPADDD Y1, Y0, Y0 \
	FINISH(Y0, scales, n)

#define BYTES 34
#define WEIGHTS 128
#define BLOCKS 1
#define BLOCK \
	SCALES(0, Y13) \
	EIGHT_128(2, 0, Y13, 0)
// func blockDotsPQ2_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsPQ2_0AVX2(SB), NOSPLIT, $0-64
#include "blocks_dots_amd64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCKS
#undef BLOCK

#define BYTES 66
#define WEIGHTS 256
#define BLOCKS 2
#define BLOCK \
	SCALES(64, Y13) \
	EIGHT_128(0, 0, Y13, 0) \
	EIGHT_128(32, 128, Y13, 1)
// func blockDotsTQ2_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsTQ2_0AVX2(SB), NOSPLIT, $0-64
#include "blocks_dots_amd64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCKS
#undef BLOCK

// Two blocks of 64, one in the lower and one in the upper half of the registers.
#define LOAD_16(offset, row) \
	VMOVDQU     offset row, X4 \
	VINSERTI128 $1, (offset+18) row, Y4, Y4

#define ACTIVATIONS_64(offset, x, y) \
	VMOVDQU     (offset)(R11), x \
	VINSERTI128 $1, (offset+64)(R11), y, y

#define BYTES 36
#define WEIGHTS 128
#define BLOCKS 2
#define BLOCK \
	ACTIVATIONS_64(0, X8, Y8) \
	ACTIVATIONS_64(16, X9, Y9) \
	ACTIVATIONS_64(32, X10, Y10) \
	ACTIVATIONS_64(48, X11, Y11) \
	EIGHT(LOAD_16, 2) \
	SCALES(0, Y13) \
	FINISH(Y0, Y13, 0) \
	SCALES(18, Y13) \
	FINISH(Y1, Y13, 1)
// func blockDotsQ2_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsQ2_0AVX2(SB), NOSPLIT, $0-64
#include "blocks_dots_amd64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCKS
#undef BLOCK
#undef CONSTANTS

// Five codes in a byte: column by column. A lane of 32 bits belongs to one row, so
// that nothing is added across lanes. A sum of 16 bits has 64 products, of codes up
// to 2.

#define CONSTANTS \
	MASK(0x00010001, X13, Y13) \
	TRIT_CONSTANTS

#define TAKE(offset, sum) \
	VPBROADCASTD offset(R11), Y5 \
	VPMADDUBSW   Y5, Y4, Y4 \
	VPADDW       Y4, sum, sum

#define BYTES 54
#define WEIGHTS 256
#define BLOCKS 2
#define BLOCK \
	SCALES(52, Y11) \
	VPXOR    Y10, Y10, Y10 \
	VPXOR    Y9, Y9, Y9 \
	TQ1_0_DIGITS \
	VPMADDWD Y13, Y10, Y10 \
	VPMADDWD Y13, Y9, Y9 \
	FINISH(Y10, Y11, 0) \
	FINISH(Y9, Y11, 1)
// func blockDotsTQ1_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsTQ1_0AVX2(SB), NOSPLIT, $0-64
#include "blocks_dots_amd64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCKS
#undef BLOCK

#define BYTES 28
#define WEIGHTS 128
#define BLOCKS 1
#define BLOCK \
	VPXOR    Y10, Y10, Y10 \
	PTQ1_0_DIGITS \
	VPMADDWD Y13, Y10, Y10 \
	FINISH(Y10, Y11, 0)
// func blockDotsPTQ1_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsPTQ1_0AVX2(SB), NOSPLIT, $0-64
#include "blocks_dots_amd64.h"
