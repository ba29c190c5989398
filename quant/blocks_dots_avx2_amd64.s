//go:build !purego

#include "textflag.h"
#include "codedots_macros_amd64.h"
#include "blocks_rows_amd64.h"

DATA wordsOfOne<>+0(SB)/8, $0x0001000100010001
DATA wordsOfOne<>+8(SB)/8, $0x0001000100010001
DATA wordsOfOne<>+16(SB)/8, $0x0001000100010001
DATA wordsOfOne<>+24(SB)/8, $0x0001000100010001
GLOBL wordsOfOne<>(SB), RODATA|NOPTR, $32

// Products of rows of blocks with one token. Eight rows share a block of activations,
// and get their scales at once.

// PRODUCTS turns sums of a block into products, and adds them to those in Y12. The sum
// of the activations and the product of the scales are in two registers; LOAD_SCALES
// puts them there for the block of the activations of number n.
#define PRODUCTS(sum, sumQ, scale) \
	VPSUBD      sumQ, sum, sum \
	VCVTDQ2PS   sum, sum \
	VFMADD231PS scale, sum, Y12

#define LOAD_SCALES(scales, n, sumQ, scale) \
	VPBROADCASTD (4*(n))(R13)(AX*1), sumQ \
	VBROADCASTSS (4*(n))(R12)(AX*1), Y5 \
	VMULPS       scales, Y5, scale

// Two bits a code: row by row.

// ROW multiplies 32 bytes in Y4 to sums of 16 bits, at most 4·768: two fields as codes,
// two as four times the codes.
#define ROW(q0, q1, q2, q3, sum) \
	VPAND      Y15, Y4, sum \
	VPAND      Y14, Y4, Y5 \
	VPSRLW     $4, Y4, Y4 \
	VPMADDUBSW q0, sum, sum \
	VPMADDUBSW q1, Y5, Y5 \
	VPAND      Y15, Y4, Y6 \
	VPAND      Y14, Y4, Y4 \
	VPMADDUBSW q2, Y6, Y6 \
	VPMADDUBSW q3, Y4, Y4 \
	VPADDW     Y6, sum, sum \
	VPADDW     Y4, Y5, Y5 \
	VPSRAW     $2, Y5, Y5 \
	VPADDW     Y5, sum, sum

#define CONSTANTS \
	MASK(0x0C0C0C0C, X14, Y14) \
	MASK(0x03030303, X15, Y15)

// UPPER_HALVES adds the upper four of eight sums of 16 bits to the lower ones, two
// registers becoming one.
#define UPPER_HALVES(sum, other, joined) \
	VPUNPCKLQDQ other, sum, Y4 \
	VPUNPCKHQDQ other, sum, Y5 \
	VPADDW      Y4, Y5, joined

// FINISH adds up what is left of a block, four sums of each row in Y8 and Y9, at most
// 6144 each, and has the products. It takes so long from the first to the last of its
// steps that it waits until the rows of the next block are under way.
#define FINISH \
	VSHUFPS  $0x88, Y9, Y8, Y4 \
	VSHUFPS  $0xDD, Y9, Y8, Y5 \
	VPADDW   Y4, Y5, Y4 \
	VPMADDWD wordsOfOne<>(SB), Y4, Y4 \
	PRODUCTS(Y4, Y10, Y11)

#define START_ROW \
	VPXOR Y8, Y8, Y8 \
	VPXOR Y9, Y9, Y9 \
	VPXOR Y10, Y10, Y10 \
	VPXOR Y11, Y11, Y11

// A block of 64: two rows share a register, and the activations are in both halves of
// four.
#define TWO_64(row, row4, sum) \
	VMOVDQU     row, X4 \
	VINSERTI128 $1, row4, Y4, Y4 \
	ROW(Y2, Y3, Y7, Y13, sum)

#define BLOCK_64(offset, activations) \
	VBROADCASTI128 (activations)(R11), Y2 \
	VBROADCASTI128 (activations+16)(R11), Y3 \
	VBROADCASTI128 (activations+32)(R11), Y7 \
	VBROADCASTI128 (activations+48)(R11), Y13 \
	TWO_64(offset(SI), offset(R10), Y0) \
	TWO_64(offset(SI)(R8*1), offset(R10)(R8*1), Y1) \
	FINISH \
	UPPER_HALVES(Y0, Y1, Y8) \
	TWO_64(offset(SI)(R8*2), offset(R10)(R8*2), Y0) \
	TWO_64(offset(SI)(R9*1), offset(R10)(R9*1), Y1) \
	UPPER_HALVES(Y0, Y1, Y9)

#define BYTES 18
#define WEIGHTS 64
#define BLOCK \
	BLOCK_64(2, 0) \
	SCALES_FIRST(Y11) \
	LOAD_SCALES(Y11, 0, Y10, Y11)
// func blockDotsQ2_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsQ2_0AVX2(SB), NOSPLIT, $0-64
#include "blocks_dots_amd64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

// A block of 128 has one scale for two of 64, and the stack keeps it.
#define BYTES 34
#define WEIGHTS 128
#define BLOCK \
	SCALES_FIRST(Y4) \
	VMOVUPS Y4, scales-32(SP) \
	BLOCK_64(2, 0) \
	LOAD_SCALES(scales-32(SP), 0, Y10, Y11) \
	BLOCK_64(18, 64) \
	LOAD_SCALES(scales-32(SP), 1, Y10, Y11)
// func blockDotsPQ2_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsPQ2_0AVX2(SB), NOSPLIT, $32-64
#include "blocks_dots_amd64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK
#undef START_ROW
#undef FINISH

// TQ2_0 has 32 neighbours in the same bits of 32 bytes: two fields of these are a block
// of activations.

// HALF_ROWS multiplies the 32 bytes of a row in Y4 to sums of 16 bits, at most 2·768,
// for two blocks.
#define HALF_ROWS(activations, sum, sum2) \
	VPAND      Y15, Y4, sum \
	VPAND      Y14, Y4, Y5 \
	VPSRLW     $4, Y4, Y4 \
	VPMADDUBSW (activations)(R11), sum, sum \
	VPMADDUBSW (activations+32)(R11), Y5, Y5 \
	VPAND      Y15, Y4, sum2 \
	VPAND      Y14, Y4, Y4 \
	VPMADDUBSW (activations+64)(R11), sum2, sum2 \
	VPMADDUBSW (activations+96)(R11), Y4, Y4 \
	VPSRAW     $2, Y5, Y5 \
	VPSRAW     $2, Y4, Y4 \
	VPADDW     Y5, sum, sum \
	VPADDW     Y4, sum2, sum2

// TWO multiplies two rows, and joins their sums.
#define TWO(row, row4, activations, sum, sum2, x, y, x2, y2) \
	VMOVDQU     row, Y4 \
	HALF_ROWS(activations, sum, sum2) \
	VMOVDQU     row4, Y4 \
	HALF_ROWS(activations, y, y2) \
	VINSERTI128 $1, x, sum, Y4 \
	VPERM2I128  $0x31, y, sum, Y5 \
	VPADDW      Y4, Y5, sum \
	VINSERTI128 $1, x2, sum2, Y4 \
	VPERM2I128  $0x31, y2, sum2, Y5 \
	VPADDW      Y4, Y5, sum2

// FINISH_BLOCK does for one of two blocks what FINISH does above; what it takes beside
// the rows' sums waits on the stack, where KEEP puts it.
#define FINISH_BLOCK(sum, other, sumQ, scale) \
	VSHUFPS  $0x88, other, sum, Y4 \
	VSHUFPS  $0xDD, other, sum, Y5 \
	VPADDW   Y4, Y5, Y4 \
	VPMADDWD wordsOfOne<>(SB), Y4, Y4 \
	PRODUCTS(Y4, sumQ, scale)

#define FINISH \
	FINISH_BLOCK(Y9, Y11, sumQ-64(SP), scale-128(SP)) \
	FINISH_BLOCK(Y10, Y13, sumQ2-96(SP), scale2-160(SP))

#define KEEP(n, sumQ, scale) \
	LOAD_SCALES(scales-32(SP), n, Y4, Y5) \
	VMOVDQU Y4, sumQ \
	VMOVUPS Y5, scale

#define START_ROW \
	VPXOR   Y9, Y9, Y9 \
	VPXOR   Y10, Y10, Y10 \
	VPXOR   Y11, Y11, Y11 \
	VPXOR   Y13, Y13, Y13 \
	VMOVDQU Y9, sumQ-64(SP) \
	VMOVDQU Y9, sumQ2-96(SP) \
	VMOVDQU Y9, scale-128(SP) \
	VMOVDQU Y9, scale2-160(SP)

#define BLOCK_128(offset, activations, n) \
	TWO(offset(SI), offset(R10), activations, Y0, Y1, X2, Y2, X3, Y3) \
	TWO(offset(SI)(R8*1), offset(R10)(R8*1), activations, Y2, Y3, X7, Y7, X8, Y8) \
	FINISH \
	UPPER_HALVES(Y0, Y2, Y9) \
	UPPER_HALVES(Y1, Y3, Y10) \
	TWO(offset(SI)(R8*2), offset(R10)(R8*2), activations, Y0, Y1, X2, Y2, X3, Y3) \
	TWO(offset(SI)(R9*1), offset(R10)(R9*1), activations, Y2, Y3, X7, Y7, X8, Y8) \
	UPPER_HALVES(Y0, Y2, Y11) \
	UPPER_HALVES(Y1, Y3, Y13) \
	KEEP(n, sumQ-64(SP), scale-128(SP)) \
	KEEP(n+1, sumQ2-96(SP), scale2-160(SP))

#define BYTES 66
#define WEIGHTS 256
#define BLOCK \
	SCALES_LAST(64, Y4) \
	VMOVUPS Y4, scales-32(SP) \
	BLOCK_128(0, 0, 0) \
	BLOCK_128(32, 128, 2)
// func blockDotsTQ2_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsTQ2_0AVX2(SB), NOSPLIT, $160-64
#include "blocks_dots_amd64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK
#undef START_ROW
#undef FINISH
#undef CONSTANTS

// Five codes in a byte: column by column. A lane of 32 bits belongs to one row, so
// that nothing is added across lanes. A sum of 16 bits has 64 products, of codes up
// to 2.

#define CONSTANTS TRIT_CONSTANTS

// FINISH has nothing left to do at the end of a row: COLUMN_PRODUCTS has the products of
// each block at once.
#define START_ROW
#define FINISH
#define COLUMN_PRODUCTS(sum, n) \
	VPMADDWD wordsOfOne<>(SB), sum, sum \
	LOAD_SCALES(Y11, n, Y4, Y5) \
	PRODUCTS(sum, Y4, Y5)

#define TAKE(offset, sum) \
	VPBROADCASTD offset(R11), Y5 \
	VPMADDUBSW   Y5, Y4, Y4 \
	VPADDW       Y4, sum, sum

#define BYTES 54
#define WEIGHTS 256
#define BLOCK \
	SCALES_LAST(52, Y11) \
	VPXOR    Y9, Y9, Y9 \
	VPXOR    Y10, Y10, Y10 \
	VPXOR    Y13, Y13, Y13 \
	TQ1_0_FIRST \
	COLUMN_PRODUCTS(Y9, 0) \
	COLUMN_PRODUCTS(Y10, 1) \
	VPXOR    Y9, Y9, Y9 \
	TQ1_0_LAST \
	COLUMN_PRODUCTS(Y13, 2) \
	COLUMN_PRODUCTS(Y9, 3)
// func blockDotsTQ1_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsTQ1_0AVX2(SB), NOSPLIT, $0-64
#include "blocks_dots_amd64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 28
#define WEIGHTS 128
#define BLOCK \
	VPXOR    Y9, Y9, Y9 \
	VPXOR    Y10, Y10, Y10 \
	PTQ1_0_DIGITS \
	COLUMN_PRODUCTS(Y9, 0) \
	COLUMN_PRODUCTS(Y10, 1)
// func blockDotsPTQ1_0AVX2(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)
TEXT ·blockDotsPTQ1_0AVX2(SB), NOSPLIT, $0-64
#include "blocks_dots_amd64.h"
