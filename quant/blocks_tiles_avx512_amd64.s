//go:build !purego

#include "textflag.h"
#include "multile_avx512_amd64.h"

// PRODUCT turns a block's sums of one token with 16 rows into products, and adds them
// to those in memory; PRODUCTS does so for 64 rows. The rows' scales are in Z24 to Z27.
#define PRODUCT(place, scales, sum) \
	VPSUBD      Z28, sum, sum \
	VCVTDQ2PS   sum, sum \
	VMULPS      Z29, scales, Z30 \
	VFMADD213PS (place)(DI), Z30, sum \
	VMOVUPS     sum, (place)(DI)

#define PRODUCTS(token, sumQ, scale, sum, sum16, sum32, sum48) \
	VPBROADCASTD sumQ, Z28 \
	VBROADCASTSS scale, Z29 \
	PRODUCT(token*256, Z24, sum) \
	PRODUCT(token*256+64, Z25, sum16) \
	PRODUCT(token*256+128, Z26, sum32) \
	PRODUCT(token*256+192, Z27, sum48)

// func mulBlockTileAVX512(products []float32, tile []byte, scales []float32, panel []int8, scale []float32, sum []int32, cols int)
TEXT ·mulBlockTileAVX512(SB), NOSPLIT, $0-152
	MOVQ   products_base+0(FP), DI
	MOVQ   tile_base+24(FP), SI
	MOVQ   scales_base+48(FP), R11
	MOVQ   scale_base+96(FP), R12
	MOVQ   cols+144(FP), R8
	MOVQ   R8, R13
	SHRQ   $4, R13              // from one token's scales to the next's
	SHLQ   $4, R8               // bytes of a group
	LEAQ   (R8)(R8*2), R9
	LEAQ   (R13)(R13*2), R14
	LEAQ   (R13)(R13*4), R15
	MOVQ   R13, R10             // bytes of a token's scales to come
	MOVQ   panel_base+72(FP), DX
	MOVQ   sum_base+120(FP), AX
	VPXORD Z0, Z0, Z0
	MOVQ   $1536, CX

clear:
	VMOVUPS Z0, -64(DI)(CX*1)
	SUBQ    $64, CX
	JNZ     clear

block:
	CLEAR_SUMS
	MOVQ $4, CX

steps:
	SIXTEEN
	DECQ CX
	JNZ  steps

	VMOVUPS (R11), Z24
	VMOVUPS 64(R11), Z25
	VMOVUPS 128(R11), Z26
	VMOVUPS 192(R11), Z27
	PRODUCTS(0, (AX), (R12), Z0, Z6, Z12, Z18)
	PRODUCTS(1, (AX)(R13*1), (R12)(R13*1), Z1, Z7, Z13, Z19)
	PRODUCTS(2, (AX)(R13*2), (R12)(R13*2), Z2, Z8, Z14, Z20)
	PRODUCTS(3, (AX)(R14*1), (R12)(R14*1), Z3, Z9, Z15, Z21)
	PRODUCTS(4, (AX)(R13*4), (R12)(R13*4), Z4, Z10, Z16, Z22)
	PRODUCTS(5, (AX)(R15*1), (R12)(R15*1), Z5, Z11, Z17, Z23)
	ADDQ    $256, R11
	ADDQ    $4, R12
	ADDQ    $4, AX
	SUBQ    $4, R10
	JNZ     block
	VZEROUPPER
	RET
