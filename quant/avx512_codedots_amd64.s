//go:build !purego

#include "textflag.h"
#include "codedots_macros_amd64.h"

// Products with several tokens, by the 512-bit VPDPBUSD. A register has the
// blocks of two rows, one in each half, so that both halves take the same
// activations; two registers of four rows share each load of them. A lane gains
// at most 4·4·384 a block, and stays below 2³¹ in the longest row.

#define GROUP_ROWS 16
#define STEP_ROWS 4
#define CONSTANTS \
	MOVL         $0x03030303, AX \
	VPBROADCASTD AX, Z31
#define START EACH(LOAD, 0)
#define STORE EACH(SAVE, 0)
#define ADD_ACROSS EACH(ADD_TOKEN, 0)
#define BLOCK \
	PREFETCHT0   (BX) \
	PREFETCHT0   64(BX) \
	VMOVDQU32    (SI), Y16 \
	VMOVDQU32    (SI)(R10*2), Y17 \
	VINSERTI64X4 $1, (SI)(R10*1), Z16, Z16 \
	VINSERTI64X4 $1, (SI)(R13*1), Z17, Z17 \
	SHIFTED_FIELDS(6) \
	EACH(PRODUCT, 0) \
	SHIFTED_FIELDS(4) \
	EACH(PRODUCT, 32) \
	SHIFTED_FIELDS(2) \
	EACH(PRODUCT, 64) \
	VPANDD       Z31, Z16, Z18 \
	VPANDD       Z31, Z17, Z19 \
	EACH(PRODUCT, 96)

#define SHIFTED_FIELDS(bits) \
	VPSRLD $bits, Z16, Z18 \
	VPSRLD $bits, Z17, Z19 \
	VPANDD Z31, Z18, Z18 \
	VPANDD Z31, Z19, Z19

// PRODUCT multiplies the fields in Z18 and Z19 with one token's activations.
#define PRODUCT(activations, sum, sum2, place) \
	VBROADCASTI64X4 activations, Z20 \
	VPDPBUSD        Z20, Z18, sum \
	VPDPBUSD        Z20, Z19, sum2

#define LOAD(activations, sum, sum2, place) \
	VMOVDQU32 place(AX), sum \
	VMOVDQU32 (place+TOKENS*64)(AX), sum2

#define SAVE(activations, sum, sum2, place) \
	VMOVDQU32 sum, place(AX) \
	VMOVDQU32 sum2, (place+TOKENS*64)(AX)

#define ADD_TOKEN(activations, sum, sum2, place) \
	ADD_ROWS(place(AX), (place+32)(AX), (place+TOKENS*64)(AX), (place+TOKENS*64+32)(AX))

// EACH_n does something for each of n tokens: with its activations at an offset,
// its sums in two registers, and the place of the first one in memory.
#define EACH_2(DO, offset) \
	DO(offset(R11), Z0, Z8, 0*64) \
	DO(offset(R11)(R8*1), Z1, Z9, 1*64)

#define EACH_3(DO, offset) \
	EACH_2(DO, offset) \
	DO(offset(R11)(R8*2), Z2, Z10, 2*64)

#define EACH_4(DO, offset) \
	EACH_3(DO, offset) \
	DO(offset(R11)(R9*1), Z3, Z11, 3*64)

#define EACH_5(DO, offset) \
	EACH_4(DO, offset) \
	DO(offset(R12), Z4, Z12, 4*64)

#define EACH_6(DO, offset) \
	EACH_5(DO, offset) \
	DO(offset(R12)(R8*1), Z5, Z13, 5*64)

#define EACH_7(DO, offset) \
	EACH_6(DO, offset) \
	DO(offset(R12)(R8*2), Z6, Z14, 6*64)

#define EACH_8(DO, offset) \
	EACH_7(DO, offset) \
	DO(offset(R12)(R9*1), Z7, Z15, 7*64)

#define TOKENS 2
#define EACH EACH_2
// func codeDots2AVX512(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots2AVX512(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH

#define TOKENS 3
#define EACH EACH_3
// func codeDots3AVX512(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots3AVX512(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH

#define TOKENS 4
#define EACH EACH_4
// func codeDots4AVX512(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots4AVX512(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH

#define TOKENS 5
#define EACH EACH_5
// func codeDots5AVX512(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots5AVX512(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH

#define TOKENS 6
#define EACH EACH_6
// func codeDots6AVX512(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots6AVX512(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH

#define TOKENS 7
#define EACH EACH_7
// func codeDots7AVX512(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots7AVX512(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH

#define TOKENS 8
#define EACH EACH_8
// func codeDots8AVX512(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots8AVX512(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH
