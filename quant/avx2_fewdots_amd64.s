//go:build !purego

#include "textflag.h"
#define STRETCH_BYTES 640
#include "codedots_macros_amd64.h"

// Products with two to four tokens, by VPMADDUBSW. There are registers for two sums
// of 16 bits a token, so that a block takes one shift instead of three: the fields of
// a byte are used two by two, of the byte and of the byte shifted down by four, as
// codes and as four times the codes. A block adds at most 2·768 to the first sum and
// 4·2·768 to the second. After five blocks the second, at 30720, is divided by four
// and joined to the first, which is at 30720 after ten, and is widened to 32 bits.

#define GROUP_ROWS 4
#define STEP_ROWS 1
#define CONSTANTS \
	MASK(0x00010001, X13, Y13) \
	MASK(0x0C0C0C0C, X14, Y14) \
	MASK(0x03030303, X15, Y15)
#define ADD_ACROSS EACH(ADD_TOKEN, 0)

// ROW multiplies DI bytes of a row, ten blocks at a time or what is left.
#define ROW \
ten: \
	TAKE_FIVE \
	FIRST_BLOCK \
	JMP firstNext \
	PCALIGN $32 \
first: \
	ADD_BLOCK \
firstNext: \
	NEXT_BLOCK \
	JNZ first \
	TESTQ DI, DI \
	JZ widen \
	TAKE_FIVE \
	SIXTH_BLOCK \
	JMP secondNext \
	PCALIGN $32 \
second: \
	ADD_BLOCK \
secondNext: \
	NEXT_BLOCK \
	JNZ second \
widen: \
	EACH(WIDEN, 0) \
	TESTQ DI, DI \
	JNZ ten

// TAKE_FIVE takes the bytes of five blocks from DI to R12, or what is left, and asks
// for as many of those to come.
#define TAKE_FIVE \
	MOVQ       $160, R12 \
	CMPQ       DI, R12 \
	CMOVQLT    DI, R12 \
	SUBQ       R12, DI \
	PREFETCHT0 (BX) \
	PREFETCHT0 64(BX) \
	PREFETCHT0 128(BX) \
	ADDQ       R12, BX

#define NEXT_BLOCK \
	ADDQ $32, SI \
	ADDQ $128, R11 \
	SUBQ $32, R12

// FIRST_BLOCK starts both sums with a block. SIXTH_BLOCK adds one to the first, joins
// the second to it, and starts the second again. ADD_BLOCK adds one to both.
#define FIRST_BLOCK FIELDS(START_FIELD(START1, Y15, 96), START_FIELD(START4, Y14, 64))
#define SIXTH_BLOCK FIELDS(FIELD(ADD1, Y15, 96), START_FIELD(RESTART4, Y14, 64))
#define ADD_BLOCK FIELDS(FIELD(ADD1, Y15, 96), FIELD(ADD4, Y14, 64))

#define FIELDS(last, third) \
	VMOVDQU (SI), Y8 \
	last \
	third \
	VPSRLW  $4, Y8, Y8 \
	FIELD(ADD1, Y15, 32) \
	FIELD(ADD4, Y14, 0)

// FIELD multiplies one field, masked, in Y9, by all tokens' activations, and adds the
// products to sums; START_FIELD starts these with them.
#define FIELD(ADD, mask, offset) \
	VPAND mask, Y8, Y9 \
	EACH(MULTIPLY, offset) \
	EACH(ADD, offset)

#define START_FIELD(START, mask, offset) \
	VPAND mask, Y8, Y9 \
	EACH(START, offset)

#define MULTIPLY(activations, sum1, sum4, product, place) \
	VPMADDUBSW activations, Y9, product
#define START1(activations, sum1, sum4, product, place) \
	VPMADDUBSW activations, Y9, sum1
#define START4(activations, sum1, sum4, product, place) \
	VPMADDUBSW activations, Y9, sum4
#define ADD1(activations, sum1, sum4, product, place) \
	VPADDW product, sum1, sum1
#define ADD4(activations, sum1, sum4, product, place) \
	VPADDW product, sum4, sum4

#define JOIN(activations, sum1, sum4, product, place) \
	VPSRAW $2, sum4, sum4 \
	VPADDW sum4, sum1, sum1

#define RESTART4(activations, sum1, sum4, product, place) \
	JOIN(activations, sum1, sum4, product, place) \
	VPMADDUBSW activations, Y9, sum4

#define WIDEN(activations, sum1, sum4, product, place) \
	JOIN(activations, sum1, sum4, product, place) \
	VPMADDWD Y13, sum1, sum1 \
	VPADDD   place(AX), sum1, sum1 \
	VMOVDQU  sum1, place(AX)

#define ADD_TOKEN(activations, sum1, sum4, product, place) \
	ADD_ROWS(place(AX), (place+TOKENS*32)(AX), (place+2*TOKENS*32)(AX), (place+3*TOKENS*32)(AX))

// EACH_n does something for each of n tokens: with its activations at an offset,
// its two sums, a register for a product, and the place of its sums in memory. The
// last token's product takes the place of the field.
#define EACH_2(DO, offset) \
	DO(offset(R11), Y0, Y4, Y10, 0*32) \
	DO(offset(R11)(R8*1), Y1, Y5, Y9, 1*32)

#define EACH_3(DO, offset) \
	DO(offset(R11), Y0, Y4, Y10, 0*32) \
	DO(offset(R11)(R8*1), Y1, Y5, Y11, 1*32) \
	DO(offset(R11)(R8*2), Y2, Y6, Y9, 2*32)

#define EACH_4(DO, offset) \
	DO(offset(R11), Y0, Y4, Y10, 0*32) \
	DO(offset(R11)(R8*1), Y1, Y5, Y11, 1*32) \
	DO(offset(R11)(R8*2), Y2, Y6, Y12, 2*32) \
	DO(offset(R11)(R9*1), Y3, Y7, Y9, 3*32)

#define TOKENS 2
#define EACH EACH_2
// func codeDots2AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots2AVX2(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH

#define TOKENS 3
#define EACH EACH_3
// func codeDots3AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots3AVX2(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH

#define TOKENS 4
#define EACH EACH_4
// func codeDots4AVX2(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
TEXT ·codeDots4AVX2(SB), 0, $4216-48
#include "codedots_amd64.h"
#undef TOKENS
#undef EACH
