//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "multile_arm64.h"
#include "blocks_tile_arm64.h"

// TOKEN multiplies four columns of the row groups a and b with those of one token.
#define TOKEN(a, b, activations, s0, s1, s2, s3) \
	VDUP activations, V28.S4 \
	SMLAL(28, a, s0)         \
	SMLAL2(28, a, s1)        \
	SMLAL(28, b, s2)         \
	SMLAL2(28, b, s3)

// GROUPS does so for four tokens.
#define GROUPS(a, b, tokens)                  \
	TOKEN(a, b, tokens.S[0], 0, 1, 2, 3)  \
	TOKEN(a, b, tokens.S[1], 4, 5, 6, 7)  \
	TOKEN(a, b, tokens.S[2], 8, 9, 10, 11) \
	TOKEN(a, b, tokens.S[3], 12, 13, 14, 15)

// WIDEN adds up a token's sums of 16 bits: those of the eight rows come to V28 and V30.
#define WIDEN(s0, s1, s2, s3)        \
	SADDLP_H(s0, 28)             \
	SADDLP_H(s1, 29)             \
	SADDLP_H(s2, 30)             \
	SADDLP_H(s3, 31)             \
	VADDP V29.S4, V28.S4, V28.S4 \
	VADDP V31.S4, V30.S4, V30.S4

// func mulBlockGroupsNeon(products *float32, rows *byte, scales *float32, tokens *int8, scale *float32, sum *int32, cols int)
//
// Token t has sums of 16 bits in V(4t) to V(4t+3), two rows in each, to which a block
// adds at most 16·3·128.
TEXT ·mulBlockGroupsNeon(SB), NOSPLIT, $0-56
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
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	FSTPQ (F0, F1), (R0)
	FSTPQ (F0, F1), 128(R0)
	FSTPQ (F0, F1), 256(R0)
	FSTPQ (F0, F1), 384(R0)

block:
	CLEAR_SUMS
	MOVD $4, R3

steps:
	VLD1.P 64(R1), [V16.B16, V17.B16, V18.B16, V19.B16]
	VLD1.P 64(R4), [V20.B16, V21.B16, V22.B16, V23.B16]
	VLD1.P 64(R2), [V24.B16, V25.B16, V26.B16, V27.B16]
	GROUPS(16, 20, V24)
	GROUPS(17, 21, V25)
	GROUPS(18, 22, V26)
	GROUPS(19, 23, V27)
	SUBS $1, R3, R3
	BNE  steps

	MOVD  R7, R10
	MOVD  R8, R11
	FLDPQ (R6), (F16, F17)
	WIDEN(0, 1, 2, 3)
	PRODUCTS(0, V28, 28, V30, 30)
	WIDEN(4, 5, 6, 7)
	PRODUCTS(1, V28, 28, V30, 30)
	WIDEN(8, 9, 10, 11)
	PRODUCTS(2, V28, 28, V30, 30)
	WIDEN(12, 13, 14, 15)
	PRODUCTS(3, V28, 28, V30, 30)
	ADD  $128, R6, R6
	ADD  $4, R7, R7
	ADD  $4, R8, R8
	SUBS $1, R13, R13
	BNE  block
	RET
