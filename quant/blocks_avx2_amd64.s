//go:build !purego

#include "textflag.h"
#include "codedots_macros_amd64.h"

// Rows of blocks with scales, eight rows side by side: a lane of 32 bits belongs
// to one row from its codes to its product, so that nothing is added across lanes,
// and the products of eight rows get their scales at once.

// Row i of the eight is at (SI), (SI)(R8*1), (SI)(R8*2), (SI)(R9*1), and from the
// fifth on the same with R10.

// COLUMNS loads 16 bytes at an offset of each row, four words of 32 bits, into Y0
// to Y3: word n of all rows into Yn.
#define COLUMNS(offset) \
	HALVES(offset) \
	VPUNPCKLDQ  Y1, Y0, Y4 \
	VPUNPCKHDQ  Y1, Y0, Y5 \
	VPUNPCKLDQ  Y3, Y2, Y6 \
	VPUNPCKHDQ  Y3, Y2, Y7 \
	VPUNPCKLQDQ Y6, Y4, Y0 \
	VPUNPCKHQDQ Y6, Y4, Y1 \
	VPUNPCKLQDQ Y7, Y5, Y2 \
	VPUNPCKHQDQ Y7, Y5, Y3

// LAST_COLUMN does so for the last word alone.
#define LAST_COLUMN(offset) \
	HALVES(offset) \
	VPUNPCKHDQ  Y1, Y0, Y5 \
	VPUNPCKHDQ  Y3, Y2, Y7 \
	VPUNPCKHQDQ Y7, Y5, Y3

#define HALVES(offset) \
	VMOVDQU     offset(SI), X0 \
	VMOVDQU     offset(SI)(R8*1), X1 \
	VMOVDQU     offset(SI)(R8*2), X2 \
	VMOVDQU     offset(SI)(R9*1), X3 \
	VINSERTI128 $1, offset(R10), Y0, Y0 \
	VINSERTI128 $1, offset(R10)(R8*1), Y1, Y1 \
	VINSERTI128 $1, offset(R10)(R8*2), Y2, Y2 \
	VINSERTI128 $1, offset(R10)(R9*1), Y3, Y3

// SCALES widens the scales at an offset to Y11.
#define SCALES(offset) \
	VPXOR     X4, X4, X4 \
	VPXOR     X5, X5, X5 \
	VPINSRW   $0, offset(SI), X4, X4 \
	VPINSRW   $1, offset(SI)(R8*1), X4, X4 \
	VPINSRW   $2, offset(SI)(R8*2), X4, X4 \
	VPINSRW   $3, offset(SI)(R9*1), X4, X4 \
	VPINSRW   $4, offset(R10), X5, X5 \
	VPINSRW   $5, offset(R10)(R8*1), X5, X5 \
	VPINSRW   $6, offset(R10)(R8*2), X5, X5 \
	VPINSRW   $7, offset(R10)(R9*1), X5, X5 \
	VPOR      X5, X4, X4 \
	VCVTPH2PS X4, Y11

// FINISH turns sums of 16 bits over block number n of the activations into
// products, and adds them to those in Y12.
#define FINISH(sum, n) \
	VPMADDWD     Y13, sum, sum \
	VPBROADCASTD (n*4)(R13), Y4 \
	VPSUBD       Y4, sum, sum \
	VCVTDQ2PS    sum, sum \
	VBROADCASTSS (n*4)(R12), Y4 \
	VMULPS       Y4, Y11, Y4 \
	VFMADD231PS  Y4, sum, Y12

// Two bits a code.

// FIRST multiplies one field, masked, of four columns with their activations at an
// offset, to sums of 16 bits; ADD adds it to them.
#define FIRST(mask, column, offset, sum) \
	VPAND        mask, column, Y4 \
	VPBROADCASTD offset(R11), Y5 \
	VPMADDUBSW   Y5, Y4, sum

#define ADD(mask, column, offset, sum) \
	FIRST(mask, column, offset, Y4) \
	VPADDW Y4, sum, sum

// FIELDS multiplies four fields, whose activations are so far apart: two of the
// codes, two of four times the codes.
#define FIELDS(START1, START4, column, offset, apart) \
	START1(Y15, column, offset, Y10) \
	START4(Y14, column, offset+apart, Y9) \
	VPSRLW $4, column, column \
	ADD(Y15, column, offset+2*apart, Y10) \
	ADD(Y14, column, offset+3*apart, Y9)

// SIXTEEN multiplies 16 bytes, 64 codes. The sums of four times the codes come to
// 4·8·768 at most, and those of two of these to as much.
#define SIXTEEN(START, bytes, offset, apart) \
	COLUMNS(bytes) \
	FIELDS(START, FIRST, Y0, offset, apart) \
	FIELDS(ADD, ADD, Y1, offset+4, apart) \
	FIELDS(ADD, ADD, Y2, offset+8, apart) \
	FIELDS(ADD, ADD, Y3, offset+12, apart) \
	VPSRAW $2, Y9, Y9 \
	VPADDW Y9, Y10, Y10

#define CONSTANTS \
	MASK(0x0C0C0C0C, X14, Y14) \
	MASK(0x03030303, X15, Y15)

#define BYTES 18
#define WEIGHTS 64
#define BLOCKS 1
#define BLOCK \
	SCALES(0) \
	SIXTEEN(FIRST, 2, 0, 16) \
	FINISH(Y10, 0)
// func blockDotsQ2_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsQ2_0AVX2(SB), NOSPLIT, $0-64
#include "blocks_dots_amd64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 34
#define WEIGHTS 128
#define BLOCK \
	SCALES(0) \
	SIXTEEN(FIRST, 2, 0, 32) \
	SIXTEEN(ADD, 18, 16, 32) \
	FINISH(Y10, 0)
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
	SCALES(64) \
	SIXTEEN(FIRST, 0, 0, 32) \
	SIXTEEN(ADD, 16, 16, 32) \
	FINISH(Y10, 0) \
	SIXTEEN(FIRST, 32, 128, 32) \
	SIXTEEN(ADD, 48, 144, 32) \
	FINISH(Y10, 1)
// func blockDotsTQ2_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsTQ2_0AVX2(SB), NOSPLIT, $0-64
#include "blocks_dots_amd64.h"
#undef BLOCK
#undef CONSTANTS

// Five codes in a byte, to the base of three. A byte is a fraction of 256, kept
// less 128: its first digit is 1 from 86 − 128 and 2 from 171 − 128 on, and three
// times it, modulo 256, has the next digit first and is less 128 again.

#define CONSTANTS \
	MASK(0x80808080, X8, Y8) \
	MASK(0x2A2A2A2A, X14, Y14) \
	MASK(0xD5D5D5D5, X15, Y15)

// DIGIT takes the first digits of four columns, whose activations are at an offset.
#define DIGIT(column, offset, sum) \
	VPCMPGTB Y15, column, Y4 \
	VPCMPGTB Y14, column, Y5 \
	VPADDB   Y5, Y4, Y4 \
	VPABSB   Y4, Y4 \
	TAKE(offset, sum)

#define NEXT(column) \
	VPADDB column, column, Y5 \
	VPADDB Y5, column, column

// FOUR and FIVE take so many digits, whose activations are so far apart.
#define FOUR(column, offset, apart, sum) \
	VPXOR Y8, column, column \
	DIGIT(column, offset, sum) \
	NEXT(column) \
	DIGIT(column, offset+apart, sum) \
	NEXT(column) \
	DIGIT(column, offset+2*apart, sum) \
	NEXT(column) \
	DIGIT(column, offset+3*apart, sum)

#define FIVE(column, offset, apart, sum, sum5) \
	FOUR(column, offset, apart, sum) \
	NEXT(column) \
	DIGIT(column, offset+4*apart, sum5)

// TQ1_0 has 32 bytes whose fifth digits belong to the second half of the block,
// then 16, then four with four digits.
#define TQ1_0_DIGITS \
	COLUMNS(0) \
	FIVE(Y0, 0, 32, Y10, Y9) \
	FIVE(Y1, 4, 32, Y10, Y9) \
	FIVE(Y2, 8, 32, Y10, Y9) \
	FIVE(Y3, 12, 32, Y10, Y9) \
	COLUMNS(16) \
	FIVE(Y0, 16, 32, Y10, Y9) \
	FIVE(Y1, 20, 32, Y10, Y9) \
	FIVE(Y2, 24, 32, Y10, Y9) \
	FIVE(Y3, 28, 32, Y10, Y9) \
	COLUMNS(32) \
	FIVE(Y0, 160, 16, Y9, Y9) \
	FIVE(Y1, 164, 16, Y9, Y9) \
	FIVE(Y2, 168, 16, Y9, Y9) \
	FIVE(Y3, 172, 16, Y9, Y9) \
	LAST_COLUMN(36) \
	FOUR(Y3, 240, 4, Y9)

// PTQ1_0 has 16 bytes, then eight, then two with four digits, and its scale behind
// them. Of the last two, the first two digits come to lie side by side as two bytes
// and three times these, and then the last two.
#define PTQ1_0_DIGITS \
	COLUMNS(0) \
	FIVE(Y0, 0, 16, Y10, Y10) \
	FIVE(Y1, 4, 16, Y10, Y10) \
	FIVE(Y2, 8, 16, Y10, Y10) \
	FIVE(Y3, 12, 16, Y10, Y10) \
	COLUMNS(12) \
	VPSRLD    $16, Y3, Y4 \
	VPACKUSDW Y4, Y4, Y4 \
	VPERMQ    $0x08, Y4, Y4 \
	VCVTPH2PS X4, Y11 \
	FIVE(Y1, 80, 8, Y10, Y10) \
	FIVE(Y2, 84, 8, Y10, Y10) \
	VPSLLD    $16, Y3, Y4 \
	NEXT(Y4) \
	VPBLENDW  $0xAA, Y4, Y3, Y3 \
	VPXOR     Y8, Y3, Y3 \
	DIGIT(Y3, 120, Y10) \
	NEXT(Y3) \
	NEXT(Y3) \
	DIGIT(Y3, 124, Y10)

#define TAKE(offset, sum) \
	VPBROADCASTD offset(R11), Y5 \
	VPMADDUBSW   Y5, Y4, Y4 \
	VPADDW       Y4, sum, sum

#undef BYTES
#define BYTES 54
#define BLOCK \
	SCALES(52) \
	VPXOR Y10, Y10, Y10 \
	VPXOR Y9, Y9, Y9 \
	TQ1_0_DIGITS \
	FINISH(Y10, 0) \
	FINISH(Y9, 1)
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
	VPXOR Y10, Y10, Y10 \
	PTQ1_0_DIGITS \
	FINISH(Y10, 0)
// func blockDotsPTQ1_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsPTQ1_0AVX2(SB), NOSPLIT, $0-64
#include "blocks_dots_amd64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCKS
#undef BLOCK
#undef CONSTANTS
#undef TAKE
