//go:build !purego

#include "textflag.h"
#include "codedots_macros_amd64.h"

// Products with five to eight tokens, by VPMADDUBSW. A block of one row is unpacked
// once, a field at a time, and multiplied by every token's activations, to a
// register of 16-bit sums each. A block adds at most 4·768 to such a sum, and a
// stretch has ten blocks at most: 30720. Then they are widened to 32 bits. A stretch
// asks for another in one go: from block to block, half a line each, it would wait
// longer for memory.

#define GROUP_ROWS 8
#define STEP_ROWS 1
#define CONSTANTS \
	MASK(0x00010001, X14, Y14) \
	MASK(0x03030303, X15, Y15)
#define START \
	PREFETCHT0 (BX) \
	PREFETCHT0 64(BX) \
	PREFETCHT0 128(BX) \
	PREFETCHT0 192(BX) \
	PREFETCHT0 256(BX) \
	EACH(ZERO, 0)
#define STORE EACH(WIDEN, 0)
#define ADD_ACROSS EACH(ADD_TOKEN, 0)
#define BLOCK \
	VMOVDQU (SI), Y8 \
	VPSRLW  $6, Y8, Y9 \
	VPAND   Y15, Y9, Y9 \
	EACH(PRODUCT, 0) \
	VPSRLW  $4, Y8, Y9 \
	VPAND   Y15, Y9, Y9 \
	EACH(PRODUCT, 32) \
	VPSRLW  $2, Y8, Y9 \
	VPAND   Y15, Y9, Y9 \
	EACH(PRODUCT, 64) \
	VPAND   Y15, Y8, Y9 \
	EACH(PRODUCT, 96)

#define ZERO(activations, sum, place) \
	VPXOR sum, sum, sum

// PRODUCT multiplies the field in Y9 with one token's activations.
#define PRODUCT(activations, sum, place) \
	VPMADDUBSW activations, Y9, Y10 \
	VPADDW     Y10, sum, sum

#define WIDEN(activations, sum, place) \
	VPMADDWD Y14, sum, sum \
	VPADDD   place(AX), sum, sum \
	VMOVDQU  sum, place(AX)

#define ADD_TOKEN(activations, sum, place) \
	ADD_ROWS(place(AX), (place+TOKENS*32)(AX), (place+2*TOKENS*32)(AX), (place+3*TOKENS*32)(AX))

// EACH_n does something for each of n tokens: with its activations at an offset,
// its sums in a register, and their place in memory.
#define EACH_5(DO, offset) \
	DO(offset(R11), Y0, 0*32) \
	DO(offset(R11)(R8*1), Y1, 1*32) \
	DO(offset(R11)(R8*2), Y2, 2*32) \
	DO(offset(R11)(R9*1), Y3, 3*32) \
	DO(offset(R12), Y4, 4*32)

#define EACH_6(DO, offset) \
	EACH_5(DO, offset) \
	DO(offset(R12)(R8*1), Y5, 5*32)

#define EACH_7(DO, offset) \
	EACH_6(DO, offset) \
	DO(offset(R12)(R8*2), Y6, 6*32)

#define EACH_8(DO, offset) \
	EACH_7(DO, offset) \
	DO(offset(R12)(R9*1), Y7, 7*32)

#define TOKENS 5
#define EACH EACH_5
// func codeDots5AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots5AVX2(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH

#define TOKENS 6
#define EACH EACH_6
// func codeDots6AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots6AVX2(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH

#define TOKENS 7
#define EACH EACH_7
// func codeDots7AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots7AVX2(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH

#define TOKENS 8
#define EACH EACH_8
// func codeDots8AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots8AVX2(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH
