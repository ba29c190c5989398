//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "multile_dotprod_arm64.h"
#include "blocks_tile_arm64.h"

// func mulBlockGroupsDotprod(products *float32, rows *byte, scales *float32, tokens *int8, scale *float32, sum *int32, cols int)
//
// Token t has V(2t) for the first group of rows and V(2t+1) for the second.
TEXT ·mulBlockGroupsDotprod(SB), NOSPLIT, $0-56
	MOVD products+0(FP), R0
	MOVD rows+8(FP), R1
	MOVD scales+16(FP), R6
	MOVD tokens+24(FP), R2
	MOVD scale+32(FP), R7
	MOVD sum+40(FP), R8
	MOVD cols+48(FP), R3
	LSR  $6, R3, R9
	MOVD R9, R13                 // blocks to come
	LSL  $2, R9, R9              // from one token's scales to the next's
	ADD  R3<<2, R1, R4
	ADD  R3<<2, R2, R5
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	FSTPQ (F0, F1), (R0)
	FSTPQ (F0, F1), 128(R0)
	FSTPQ (F0, F1), 256(R0)
	FSTPQ (F0, F1), 384(R0)
	FSTPQ (F0, F1), 512(R0)
	FSTPQ (F0, F1), 640(R0)
	FSTPQ (F0, F1), 768(R0)
	FSTPQ (F0, F1), 896(R0)

block:
	CLEAR_SUMS
	MOVD $4, R3

steps:
	VLD1.P 64(R1), [V16.B16, V17.B16, V18.B16, V19.B16]
	VLD1.P 64(R2), [V24.B16, V25.B16, V26.B16, V27.B16]
	VLD1.P 64(R4), [V20.B16, V21.B16, V22.B16, V23.B16]
	VLD1.P 64(R5), [V28.B16, V29.B16, V30.B16, V31.B16]
	GROUPS(16, 20, 24, 28)
	GROUPS(17, 21, 25, 29)
	GROUPS(18, 22, 26, 30)
	GROUPS(19, 23, 27, 31)
	SUBS $1, R3, R3
	BNE  steps

	MOVD  R7, R10
	MOVD  R8, R11
	FLDPQ (R6), (F16, F17)
	PRODUCTS(0, V0, 0, V1, 1)
	PRODUCTS(1, V2, 2, V3, 3)
	PRODUCTS(2, V4, 4, V5, 5)
	PRODUCTS(3, V6, 6, V7, 7)
	PRODUCTS(4, V8, 8, V9, 9)
	PRODUCTS(5, V10, 10, V11, 11)
	PRODUCTS(6, V12, 12, V13, 13)
	PRODUCTS(7, V14, 14, V15, 15)
	ADD  $128, R6, R6
	ADD  $4, R7, R7
	ADD  $4, R8, R8
	SUBS $1, R13, R13
	BNE  block
	RET
