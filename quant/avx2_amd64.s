//go:build !purego

#include "textflag.h"
#include "prefetch_amd64.h"
#include "codedots_macros_amd64.h"
#include "multile_avx2_amd64.h"

DATA wordsOfOne<>+0(SB)/8, $0x0001000100010001
DATA wordsOfOne<>+8(SB)/8, $0x0001000100010001
DATA wordsOfOne<>+16(SB)/8, $0x0001000100010001
DATA wordsOfOne<>+24(SB)/8, $0x0001000100010001
GLOBL wordsOfOne<>(SB), RODATA|NOPTR, $32

// FIELD multiplies one field of a block, masked, by its activations, to sums of
// 16 bits; ADD_FIELD adds them to others.
#define FIELD(mask, offset, sums) \
	VPAND      mask, Y6, sums \
	VPMADDUBSW offset(R11), sums, sums

#define ADD_FIELD(mask, offset, sums) \
	FIELD(mask, offset, Y7) \
	VPADDW Y7, sums, sums

// BLOCK starts the sums of one row with its block number n, of the codes (at
// most 2·768 in magnitude) and of four times the codes (at most 4 times that);
// ADD_BLOCK adds a block to them.
#define BLOCK(n, row, sum1, sum4) \
	VMOVDQU row, Y6 \
	FIELD(Y15, n*128+96, sum1) \
	FIELD(Y14, n*128+64, sum4) \
	VPSRLW  $4, Y6, Y6 \
	ADD_FIELD(Y15, n*128+32, sum1) \
	ADD_FIELD(Y14, n*128, sum4)

#define ADD_BLOCK(n, row, sum1, sum4) \
	VMOVDQU row, Y6 \
	ADD_FIELD(Y15, n*128+96, sum1) \
	ADD_FIELD(Y14, n*128+64, sum4) \
	VPSRLW  $4, Y6, Y6 \
	ADD_FIELD(Y15, n*128+32, sum1) \
	ADD_FIELD(Y14, n*128, sum4)

// FIRST_BLOCKS and ADD_BLOCKS do so for four rows.
#define FIRST_BLOCKS(n) \
	BLOCK(n, (n*32)(SI), Y0, Y1) \
	BLOCK(n, (n*32)(SI)(R9*1), Y2, Y3) \
	BLOCK(n, (n*32)(SI)(R9*2), Y4, Y5) \
	BLOCK(n, (n*32)(SI)(R13*1), Y8, Y9)

#define ADD_BLOCKS(n) \
	ADD_BLOCK(n, (n*32)(SI), Y0, Y1) \
	ADD_BLOCK(n, (n*32)(SI)(R9*1), Y2, Y3) \
	ADD_BLOCK(n, (n*32)(SI)(R9*2), Y4, Y5) \
	ADD_BLOCK(n, (n*32)(SI)(R13*1), Y8, Y9)

// WIDEN adds sums of 16 bits, of five blocks at most, to those of 32. Five
// blocks reach 30720 in sum4, and 15360 in the joined sum.
#define WIDEN(sum1, sum4, sum) \
	VPSRAW   $2, sum4, sum4 \
	VPADDW   sum4, sum1, sum1 \
	VPMADDWD wordsOfOne<>(SB), sum1, sum1 \
	VPADDD   sum1, sum, sum

#define WIDEN_ROWS \
	WIDEN(Y0, Y1, Y10) \
	WIDEN(Y2, Y3, Y11) \
	WIDEN(Y4, Y5, Y12) \
	WIDEN(Y8, Y9, Y13)

// func codeDotAVX2(sums []int32, codes []byte, q []int8)
//
// Four rows at a time, one from each quarter of the rows: the processor reads
// ahead in four places, and is never stopped in all of them by the end of a page.
// The fields of a byte are used two by two, of the byte and of the byte shifted
// down by four, as codes and as four times the codes.
TEXT ·codeDotAVX2(SB), NOSPLIT, $0-72
	MOVQ  sums_base+0(FP), DI
	MOVQ  sums_len+8(FP), CX
	MOVQ  codes_base+24(FP), SI
	MOVQ  q_base+48(FP), DX
	MOVQ  q_len+56(FP), R8
	SHRQ  $2, R8                // bytes of a row
	MASK(0x0C0C0C0C, X14, Y14)
	MASK(0x03030303, X15, Y15)
	MOVQ  CX, R10
	SHRQ  $2, R10               // rows of a quarter
	MOVQ  R10, R9
	IMULQ R8, R9
	LEAQ  (R9)(R9*2), R13
	LEAQ  (R10)(R10*2), BX
	MOVQ  R10, R14              // rows to come in each
	TESTQ R10, R10
	JZ    rest

row:
	MOVQ  DX, R11
	MOVQ  R8, R12               // bytes of the row to come
	VPXOR Y10, Y10, Y10
	VPXOR Y11, Y11, Y11
	VPXOR Y12, Y12, Y12
	VPXOR Y13, Y13, Y13

five:
	SUBQ $160, R12
	JLT  four
	FIRST_BLOCKS(0)
	ADD_BLOCKS(1)
	ADD_BLOCKS(2)
	ADD_BLOCKS(3)
	ADD_BLOCKS(4)
	ADDQ $640, R11
	ADDQ $160, SI
	WIDEN_ROWS
	JMP  five

four:
	ADDQ $160, R12              // four blocks or fewer
	JZ   add
	FIRST_BLOCKS(0)

one:
	ADDQ $128, R11
	ADDQ $32, SI
	SUBQ $32, R12
	JZ   widen
	ADD_BLOCKS(0)
	JMP  one

widen:
	WIDEN_ROWS

add:
	VPHADDD      Y11, Y10, Y10
	VPHADDD      Y13, Y12, Y12
	VPHADDD      Y12, Y10, Y10
	VEXTRACTI128 $1, Y10, X11
	VPADDD       X11, X10, X10
	VMOVD        X10, (DI)
	TESTQ        R9, R9
	JZ           next
	VPEXTRD      $1, X10, (DI)(R10*4)
	VPEXTRD      $2, X10, (DI)(R10*8)
	VPEXTRD      $3, X10, (DI)(BX*4)

next:
	ADDQ $4, DI
	DECQ R14
	JNZ  row
	TESTQ R9, R9
	JZ   done
	ADDQ R13, SI                // behind the last quarter
	LEAQ (DI)(BX*4), DI

rest:
	XORL R9, R9                 // up to three rows, each four times
	XORL R13, R13
	MOVQ CX, R14
	ANDQ $3, R14
	JNZ  row

done:
	VZEROUPPER
	RET

// FIELDS stores the four fields of eight rows' 32-bit words, one word of each,
// in their four places of the group.
#define FIELDS(words, offset) \
	VPSRLD  $6, words, Y8 \
	VPSRLD  $4, words, Y9 \
	VPSRLD  $2, words, Y10 \
	VPAND   Y8, Y14, Y8 \
	VPAND   Y9, Y14, Y9 \
	VPAND   Y10, Y14, Y10 \
	VPAND   words, Y14, Y11 \
	VMOVDQU Y8, (offset+0*512)(DI) \
	VMOVDQU Y9, (offset+1*512)(DI) \
	VMOVDQU Y10, (offset+2*512)(DI) \
	VMOVDQU Y11, (offset+3*512)(DI)

// QUARTER unpacks half a block of eight rows, from base and four rows below,
// as an 8 × 4 transpose of words.
#define QUARTER(base, base4, offset, at) \
	VMOVDQU     offset(base), X0 \
	VMOVDQU     offset(base)(R8*1), X1 \
	VMOVDQU     offset(base)(R8*2), X2 \
	VMOVDQU     offset(base)(R9*1), X3 \
	VINSERTI128 $1, offset(base4), Y0, Y0 \
	VINSERTI128 $1, offset(base4)(R8*1), Y1, Y1 \
	VINSERTI128 $1, offset(base4)(R8*2), Y2, Y2 \
	VINSERTI128 $1, offset(base4)(R9*1), Y3, Y3 \
	VPUNPCKLDQ  Y1, Y0, Y4 \
	VPUNPCKHDQ  Y1, Y0, Y5 \
	VPUNPCKLDQ  Y3, Y2, Y6 \
	VPUNPCKHDQ  Y3, Y2, Y7 \
	VPUNPCKLQDQ Y6, Y4, Y0 \
	VPUNPCKHQDQ Y6, Y4, Y1 \
	VPUNPCKLQDQ Y7, Y5, Y2 \
	VPUNPCKHQDQ Y7, Y5, Y3 \
	FIELDS(Y0, at+0*64) \
	FIELDS(Y1, at+1*64) \
	FIELDS(Y2, at+2*64) \
	FIELDS(Y3, at+3*64)

// func unpackGroupAVX2(group, codes *byte, cols int)
TEXT ·unpackGroupAVX2(SB), NOSPLIT, $0-24
	MOVQ group+0(FP), DI
	MOVQ codes+8(FP), SI
	MOVQ cols+16(FP), R8
	SHRQ $2, R8                 // bytes of a row
	LEAQ (R8)(R8*2), R9
	LEAQ (SI)(R8*4), R10
	LEAQ (SI)(R8*8), R11
	LEAQ (R10)(R8*8), R12
	LEAQ PREFETCH_AHEAD(R11)(R8*8), R13
	MOVQ R8, CX
	MASK(0x03030303, X14, Y14)

unpackBlocks:
	PREFETCH_GROUP
	QUARTER(SI, R10, 0, 0)
	QUARTER(SI, R10, 16, 256)
	QUARTER(R11, R12, 0, 32)
	QUARTER(R11, R12, 16, 256+32)
	ADDQ $32, SI
	ADDQ $32, R10
	ADDQ $32, R11
	ADDQ $32, R12
	ADDQ $2048, DI
	SUBQ $32, CX
	JNZ  unpackBlocks
	VZEROUPPER
	RET

#define WIDEN2(token, sum, sum8) \
	VPMADDWD Y15, sum, sum \
	VPMADDWD Y15, sum8, sum8 \
	VPADDD   (token*256)(DI), sum, sum \
	VPADDD   (token*256+32)(DI), sum8, sum8 \
	VMOVDQU  sum, (token*256)(DI) \
	VMOVDQU  sum8, (token*256+32)(DI)

// func mulTileAVX2(sums []int32, tile []byte, panel []int8, cols int)
//
// A block's 32 steps add at most 32·768 in 16 bits, for 16 rows and six tokens
// in registers; then they go to the sums in memory.
TEXT ·mulTileAVX2(SB), NOSPLIT, $0-80
	MOVQ  sums_base+0(FP), DI
	MOVQ  tile_base+24(FP), SI
	MOVQ  cols+72(FP), R8
	VPXOR Y0, Y0, Y0
	MOVQ  $1536, CX

clear:
	VMOVDQU Y0, -32(DI)(CX*1)
	VMOVDQU Y0, -64(DI)(CX*1)
	SUBQ    $64, CX
	JNZ     clear

	MOVQ $4, R10                // groups to come

group:
	MOVQ panel_base+48(FP), DX
	MOVQ R8, R9                 // columns to come

block:
	SIXTEEN(FIRST)
	MOVQ $7, CX

steps:
	SIXTEEN(TOKEN)
	DECQ CX
	JNZ  steps

	VMOVDQU wordsOfOne<>(SB), Y15
	WIDEN2(0, Y0, Y1)
	WIDEN2(1, Y2, Y3)
	WIDEN2(2, Y4, Y5)
	WIDEN2(3, Y6, Y7)
	WIDEN2(4, Y8, Y9)
	WIDEN2(5, Y10, Y11)
	SUBQ    $128, R9
	JNZ     block

	ADDQ $64, DI                // the next group's sums
	DECQ R10
	JNZ  group
	VZEROUPPER
	RET
