//go:build !purego

#include "textflag.h"

// Products with several tokens. A group of rows is multiplied a stretch of
// columns at a time, so that the activations of the stretch, of all tokens, stay
// in the first-level cache while the rows go by. A block of one row is unpacked
// once, a field at a time, and multiplied by every token's activations, to a
// register of 16-bit sums each. A block adds at most 4·768 to such a sum, and a
// stretch has ten blocks at most: 30720. Then they go to sums of 32 bits in
// memory, a register of eight for each row and token.
#define GROUP_ROWS 8
#define STRETCH_BYTES 320

#define MASK(value, x, y) \
	MOVL         $value, AX \
	VMOVD        AX, x \
	VPBROADCASTD x, y

// What there is to do for every token: its activations at an offset, its sums in
// a register, and the place of these in memory.
#define EACH_2(DO, offset) \
	DO(offset(R11), Y0, 0) \
	DO(offset(R11)(R8*1), Y1, 32)

#define EACH_3(DO, offset) \
	EACH_2(DO, offset) \
	DO(offset(R11)(R8*2), Y2, 64)

#define EACH_4(DO, offset) \
	EACH_3(DO, offset) \
	DO(offset(R11)(R9*1), Y3, 96)

#define EACH_5(DO, offset) \
	EACH_4(DO, offset) \
	DO(offset(R12), Y4, 128)

#define EACH_6(DO, offset) \
	EACH_5(DO, offset) \
	DO(offset(R12)(R8*1), Y5, 160)

#define EACH_7(DO, offset) \
	EACH_6(DO, offset) \
	DO(offset(R12)(R8*2), Y6, 192)

#define EACH_8(DO, offset) \
	EACH_7(DO, offset) \
	DO(offset(R12)(R9*1), Y7, 224)

#define CLEAR(activations, sum, place) VMOVDQU Y8, place(AX)

#define ZERO(activations, sum, place) VPXOR sum, sum, sum

// PRODUCT multiplies the field in Y9.
#define PRODUCT(activations, sum, place) \
	VPMADDUBSW activations, Y9, Y10 \
	VPADDW     Y10, sum, sum

#define WIDEN(activations, sum, place) \
	VPMADDWD Y14, sum, sum \
	VPADDD   place(AX), sum, sum \
	VMOVDQU  sum, place(AX)

// SUM4 adds up the sums of four rows.
#define SUM4(activations, sum, place) \
	VMOVDQU      place(AX), Y8 \
	VPHADDD      (place+TOKENS*32)(AX), Y8, Y8 \
	VMOVDQU      (place+2*TOKENS*32)(AX), Y9 \
	VPHADDD      (place+3*TOKENS*32)(AX), Y9, Y9 \
	VPHADDD      Y9, Y8, Y8 \
	VEXTRACTI128 $1, Y8, X9 \
	VPADDD       X9, X8, X8 \
	VMOVDQU      X8, (R11) \
	ADDQ         BX, R11

#define TOKENS 2
#define EACH EACH_2
// func codeDots2AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots2AVX2(SB), 0, $4144-48
	MOVQ sums+0(FP), DI
	MOVQ stride+8(FP), BX
	MOVQ codes+16(FP), SI
	MOVQ rows+24(FP), CX
	MOVQ q+32(FP), DX
	MOVQ cols+40(FP), R8
	SHLQ $2, BX
#include "avx2_codedots_amd64.h"
	VZEROUPPER
	RET

#undef TOKENS
#undef EACH

#define TOKENS 3
#define EACH EACH_3
// func codeDots3AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots3AVX2(SB), 0, $4144-48
	MOVQ sums+0(FP), DI
	MOVQ stride+8(FP), BX
	MOVQ codes+16(FP), SI
	MOVQ rows+24(FP), CX
	MOVQ q+32(FP), DX
	MOVQ cols+40(FP), R8
	SHLQ $2, BX
#include "avx2_codedots_amd64.h"
	VZEROUPPER
	RET

#undef TOKENS
#undef EACH

#define TOKENS 4
#define EACH EACH_4
// func codeDots4AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots4AVX2(SB), 0, $4144-48
	MOVQ sums+0(FP), DI
	MOVQ stride+8(FP), BX
	MOVQ codes+16(FP), SI
	MOVQ rows+24(FP), CX
	MOVQ q+32(FP), DX
	MOVQ cols+40(FP), R8
	SHLQ $2, BX
#include "avx2_codedots_amd64.h"
	VZEROUPPER
	RET

#undef TOKENS
#undef EACH

#define TOKENS 5
#define EACH EACH_5
// func codeDots5AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots5AVX2(SB), 0, $4144-48
	MOVQ sums+0(FP), DI
	MOVQ stride+8(FP), BX
	MOVQ codes+16(FP), SI
	MOVQ rows+24(FP), CX
	MOVQ q+32(FP), DX
	MOVQ cols+40(FP), R8
	SHLQ $2, BX
#include "avx2_codedots_amd64.h"
	VZEROUPPER
	RET

#undef TOKENS
#undef EACH

#define TOKENS 6
#define EACH EACH_6
// func codeDots6AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots6AVX2(SB), 0, $4144-48
	MOVQ sums+0(FP), DI
	MOVQ stride+8(FP), BX
	MOVQ codes+16(FP), SI
	MOVQ rows+24(FP), CX
	MOVQ q+32(FP), DX
	MOVQ cols+40(FP), R8
	SHLQ $2, BX
#include "avx2_codedots_amd64.h"
	VZEROUPPER
	RET

#undef TOKENS
#undef EACH

#define TOKENS 7
#define EACH EACH_7
// func codeDots7AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots7AVX2(SB), 0, $4144-48
	MOVQ sums+0(FP), DI
	MOVQ stride+8(FP), BX
	MOVQ codes+16(FP), SI
	MOVQ rows+24(FP), CX
	MOVQ q+32(FP), DX
	MOVQ cols+40(FP), R8
	SHLQ $2, BX
#include "avx2_codedots_amd64.h"
	VZEROUPPER
	RET

#undef TOKENS
#undef EACH

#define TOKENS 8
#define EACH EACH_8
// func codeDots8AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots8AVX2(SB), 0, $4144-48
	MOVQ sums+0(FP), DI
	MOVQ stride+8(FP), BX
	MOVQ codes+16(FP), SI
	MOVQ rows+24(FP), CX
	MOVQ q+32(FP), DX
	MOVQ cols+40(FP), R8
	SHLQ $2, BX
#include "avx2_codedots_amd64.h"
	VZEROUPPER
	RET
