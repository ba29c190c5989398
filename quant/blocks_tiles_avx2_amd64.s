//go:build !purego

#include "textflag.h"
#include "codedots_macros_amd64.h"
#include "blocks_rows_amd64.h"
#include "multile_avx2_amd64.h"

DATA wordsOfOne<>+0(SB)/8, $0x0001000100010001
DATA wordsOfOne<>+8(SB)/8, $0x0001000100010001
DATA wordsOfOne<>+16(SB)/8, $0x0001000100010001
DATA wordsOfOne<>+24(SB)/8, $0x0001000100010001
GLOBL wordsOfOne<>(SB), RODATA|NOPTR, $32

// TWO_SCALES and FOUR_SCALES store the scales in Y11 for so many blocks of activations.
#define TWO_SCALES \
	VMOVUPS Y11, (DX) \
	VMOVUPS Y11, 256(DX)

#define FOUR_SCALES \
	TWO_SCALES \
	VMOVUPS Y11, 512(DX) \
	VMOVUPS Y11, 768(DX)

// Two bits a code. FIELDS stores four fields, whose columns are so far apart, lowest
// bits first; CODES those of 16 bytes of each row.

#define FIELDS(words, column, apart) \
	VPSRLD  $2, words, Y4 \
	VPSRLD  $4, words, Y5 \
	VPSRLD  $6, words, Y6 \
	VPAND   words, Y15, Y7 \
	VPAND   Y4, Y15, Y4 \
	VPAND   Y5, Y15, Y5 \
	VPAND   Y6, Y15, Y6 \
	VMOVDQU Y7, (16*(column))(DI) \
	VMOVDQU Y4, (16*(column+apart))(DI) \
	VMOVDQU Y5, (16*(column+2*apart))(DI) \
	VMOVDQU Y6, (16*(column+3*apart))(DI)

#define CODES(bytes, column, apart) \
	COLUMNS(bytes) \
	FIELDS(Y0, column, apart) \
	FIELDS(Y1, column+4, apart) \
	FIELDS(Y2, column+8, apart) \
	FIELDS(Y3, column+12, apart)

#define CONSTANTS MASK(0x03030303, X15, Y15)

#define BYTES 18
#define WEIGHTS 64
#define BLOCK \
	SCALES_FIRST(Y11) \
	VMOVUPS Y11, (DX) \
	CODES(2, 0, 16)
// func unpackRowsQ2_0AVX2(tile *byte, scales *float32, rows *byte, stride, cols int)
TEXT ·unpackRowsQ2_0AVX2(SB), NOSPLIT, $0-40
#include "blocks_unpack_amd64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 34
#define WEIGHTS 128
#define BLOCK \
	SCALES_FIRST(Y11) \
	TWO_SCALES \
	CODES(2, 0, 16) \
	CODES(18, 64, 16)
// func unpackRowsPQ2_0AVX2(tile *byte, scales *float32, rows *byte, stride, cols int)
TEXT ·unpackRowsPQ2_0AVX2(SB), NOSPLIT, $0-40
#include "blocks_unpack_amd64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 66
#define WEIGHTS 256
#define BLOCK \
	SCALES_LAST(64, Y11) \
	FOUR_SCALES \
	CODES(0, 0, 32) \
	CODES(16, 16, 32) \
	CODES(32, 128, 32) \
	CODES(48, 144, 32)
// func unpackRowsTQ2_0AVX2(tile *byte, scales *float32, rows *byte, stride, cols int)
TEXT ·unpackRowsTQ2_0AVX2(SB), NOSPLIT, $0-40
#include "blocks_unpack_amd64.h"
#undef BYTES
#undef BLOCK
#undef CONSTANTS

// Five codes in a byte.

#define CONSTANTS TRIT_CONSTANTS

#define TAKE(column, sum) \
	VMOVDQU Y4, (16*(column))(DI)

#define BYTES 54
#define BLOCK \
	SCALES_LAST(52, Y11) \
	FOUR_SCALES \
	TQ1_0_FIRST \
	TQ1_0_LAST
// func unpackRowsTQ1_0AVX2(tile *byte, scales *float32, rows *byte, stride, cols int)
TEXT ·unpackRowsTQ1_0AVX2(SB), NOSPLIT, $0-40
#include "blocks_unpack_amd64.h"
#undef BYTES
#undef WEIGHTS
#undef BLOCK

#define BYTES 28
#define WEIGHTS 128
#define BLOCK \
	PTQ1_0_DIGITS \
	TWO_SCALES
// func unpackRowsPTQ1_0AVX2(tile *byte, scales *float32, rows *byte, stride, cols int)
TEXT ·unpackRowsPTQ1_0AVX2(SB), NOSPLIT, $0-40
#include "blocks_unpack_amd64.h"

// PRODUCTS turns a block's sums of one token with 16 rows, whose scales are in Y12
// and Y13, into products, and adds them to those in memory. PRODUCTS is told where the
// token's sum and scale are.
#define PRODUCTS(token, sumQ, scale, sum, sum8) \
	VPMADDWD     wordsOfOne<>(SB), sum, sum \
	VPMADDWD     wordsOfOne<>(SB), sum8, sum8 \
	VPBROADCASTD sumQ, Y14 \
	VPSUBD       Y14, sum, sum \
	VPSUBD       Y14, sum8, sum8 \
	VCVTDQ2PS    sum, sum \
	VCVTDQ2PS    sum8, sum8 \
	VBROADCASTSS scale, Y15 \
	VMULPS       Y15, Y12, Y14 \
	VMULPS       Y15, Y13, Y15 \
	VFMADD213PS  (token*256)(DI), Y14, sum \
	VFMADD213PS  (token*256+32)(DI), Y15, sum8 \
	VMOVUPS      sum, (token*256)(DI) \
	VMOVUPS      sum8, (token*256+32)(DI)

// func mulBlockTileAVX2(products []float32, tile []byte, scales []float32, panel []int8, scale []float32, sum []int32, cols int)
//
// A block's 16 steps add at most 16·768 in 16 bits, for 16 rows and six tokens
// in registers.
TEXT ·mulBlockTileAVX2(SB), NOSPLIT, $0-152
	MOVQ  products_base+0(FP), DI
	MOVQ  tile_base+24(FP), SI
	MOVQ  cols+144(FP), R8
	MOVQ  R8, R13
	SHRQ  $4, R13               // from one token's scales to the next's
	LEAQ  (R13)(R13*2), R14
	LEAQ  (R13)(R13*4), R15
	VXORPS Y0, Y0, Y0
	MOVQ  $1536, CX

clear:
	VMOVUPS Y0, -32(DI)(CX*1)
	VMOVUPS Y0, -64(DI)(CX*1)
	SUBQ    $64, CX
	JNZ     clear

	XORL R10, R10               // bytes of scales, and of products, of the groups done

group:
	MOVQ panel_base+72(FP), DX
	MOVQ scales_base+48(FP), R11
	ADDQ R10, R11
	MOVQ scale_base+96(FP), R12
	MOVQ sum_base+120(FP), AX
	MOVQ R13, R9                // bytes of a token's scales to come

block:
	SIXTEEN(FIRST)
	MOVQ $3, CX

steps:
	SIXTEEN(TOKEN)
	DECQ CX
	JNZ  steps

	VMOVUPS (R11), Y12
	VMOVUPS 32(R11), Y13
	PRODUCTS(0, (AX), (R12), Y0, Y1)
	PRODUCTS(1, (AX)(R13*1), (R12)(R13*1), Y2, Y3)
	PRODUCTS(2, (AX)(R13*2), (R12)(R13*2), Y4, Y5)
	PRODUCTS(3, (AX)(R14*1), (R12)(R14*1), Y6, Y7)
	PRODUCTS(4, (AX)(R13*4), (R12)(R13*4), Y8, Y9)
	PRODUCTS(5, (AX)(R15*1), (R12)(R15*1), Y10, Y11)
	ADDQ    $256, R11
	ADDQ    $4, R12
	ADDQ    $4, AX
	SUBQ    $4, R9
	JNZ     block

	ADDQ $64, DI
	ADDQ $64, R10
	CMPQ R10, $256
	JNE  group
	VZEROUPPER
	RET
