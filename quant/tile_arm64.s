//go:build !purego

#include "textflag.h"

// PACK moves the token pointers R1 to R4 on by 16 columns, into V0 to V3.
#define PACK                    \
	VLD1.P 16(R1), [V0.B16] \
	VLD1.P 16(R2), [V1.B16] \
	VLD1.P 16(R3), [V2.B16] \
	VLD1.P 16(R4), [V3.B16]

// func packGroupNeon(group, q *int8, cols int)
TEXT ·packGroupNeon(SB), NOSPLIT, $0-24
	MOVD group+0(FP), R0
	MOVD q+8(FP), R1
	MOVD cols+16(FP), R5
	ADD  R5, R1, R2
	ADD  R5, R2, R3
	ADD  R5, R3, R4
	LSR  $4, R5, R5

loop:
	PACK
	VST1.P [V0.B16, V1.B16, V2.B16, V3.B16], 64(R0)
	SUBS   $1, R5, R5
	BNE    loop
	RET

// func packGroupDotprod(group, q *int8, cols int)
TEXT ·packGroupDotprod(SB), NOSPLIT, $0-24
	MOVD group+0(FP), R0
	MOVD q+8(FP), R1
	MOVD cols+16(FP), R5
	ADD  R5, R1, R2
	ADD  R5, R2, R3
	ADD  R5, R3, R4
	LSR  $4, R5, R5

loop:
	PACK
	VST4.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	SUBS   $1, R5, R5
	BNE    loop
	RET

// UNPACK takes 16 bytes of each of the rows R1 to R4 apart, into four registers
// for each of the four fields of a code byte. V31 is 3 in every byte.
#define UNPACK                           \
	VLD1.P 16(R1), [V0.B16]          \
	VLD1.P 16(R2), [V1.B16]          \
	VLD1.P 16(R3), [V2.B16]          \
	VLD1.P 16(R4), [V3.B16]          \
	VUSHR  $6, V0.B16, V4.B16        \
	VUSHR  $6, V1.B16, V5.B16        \
	VUSHR  $6, V2.B16, V6.B16        \
	VUSHR  $6, V3.B16, V7.B16        \
	VUSHR  $4, V0.B16, V16.B16       \
	VUSHR  $4, V1.B16, V17.B16       \
	VUSHR  $4, V2.B16, V18.B16       \
	VUSHR  $4, V3.B16, V19.B16       \
	VUSHR  $2, V0.B16, V20.B16       \
	VUSHR  $2, V1.B16, V21.B16       \
	VUSHR  $2, V2.B16, V22.B16       \
	VUSHR  $2, V3.B16, V23.B16       \
	VAND   V31.B16, V16.B16, V16.B16 \
	VAND   V31.B16, V17.B16, V17.B16 \
	VAND   V31.B16, V18.B16, V18.B16 \
	VAND   V31.B16, V19.B16, V19.B16 \
	VAND   V31.B16, V20.B16, V20.B16 \
	VAND   V31.B16, V21.B16, V21.B16 \
	VAND   V31.B16, V22.B16, V22.B16 \
	VAND   V31.B16, V23.B16, V23.B16 \
	VAND   V31.B16, V0.B16, V24.B16  \
	VAND   V31.B16, V1.B16, V25.B16  \
	VAND   V31.B16, V2.B16, V26.B16  \
	VAND   V31.B16, V3.B16, V27.B16

// The fields of a byte are 32 columns apart, which in a group is 128 bytes: R5
// to R8 point to the columns of each field. The 16 bytes that UNPACK takes fill
// half of these.
#define NEXT_BLOCK       \
	ADD $384, R5, R5 \
	ADD $384, R6, R6 \
	ADD $384, R7, R7 \
	ADD $384, R8, R8

#define STORE_NEON                                          \
	VST1.P [V4.B16, V5.B16, V6.B16, V7.B16], 64(R5)     \
	VST1.P [V16.B16, V17.B16, V18.B16, V19.B16], 64(R6) \
	VST1.P [V20.B16, V21.B16, V22.B16, V23.B16], 64(R7) \
	VST1.P [V24.B16, V25.B16, V26.B16, V27.B16], 64(R8)

// Here four codes of each row take turns.
#define STORE_DOTPROD                                   \
	VST4.P [V4.S4, V5.S4, V6.S4, V7.S4], 64(R5)     \
	VST4.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R6) \
	VST4.P [V20.S4, V21.S4, V22.S4, V23.S4], 64(R7) \
	VST4.P [V24.S4, V25.S4, V26.S4, V27.S4], 64(R8)

// func unpackGroupNeon(group, row0, row1, row2, row3 *byte, cols int)
TEXT ·unpackGroupNeon(SB), NOSPLIT, $0-48
	MOVD  group+0(FP), R5
	MOVD  row0+8(FP), R1
	MOVD  row1+16(FP), R2
	MOVD  row2+24(FP), R3
	MOVD  row3+32(FP), R4
	MOVD  cols+40(FP), R9
	LSR   $7, R9, R9
	ADD   $128, R5, R6
	ADD   $256, R5, R7
	ADD   $384, R5, R8
	VMOVI $3, V31.B16

loop:
	UNPACK
	STORE_NEON
	UNPACK
	STORE_NEON
	NEXT_BLOCK
	SUBS $1, R9, R9
	BNE  loop
	RET

// func unpackGroupDotprod(group, row0, row1, row2, row3 *byte, cols int)
TEXT ·unpackGroupDotprod(SB), NOSPLIT, $0-48
	MOVD  group+0(FP), R5
	MOVD  row0+8(FP), R1
	MOVD  row1+16(FP), R2
	MOVD  row2+24(FP), R3
	MOVD  row3+32(FP), R4
	MOVD  cols+40(FP), R9
	LSR   $7, R9, R9
	ADD   $128, R5, R6
	ADD   $256, R5, R7
	ADD   $384, R5, R8
	VMOVI $3, V31.B16

loop:
	UNPACK
	STORE_DOTPROD
	UNPACK
	STORE_DOTPROD
	NEXT_BLOCK
	SUBS $1, R9, R9
	BNE  loop
	RET
