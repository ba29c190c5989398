//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"

// The products of four rows of a with a group of 16 columns of b are V16 to
// V31, four registers for each row.
#define CLEAR4                         \
	VEOR V16.B16, V16.B16, V16.B16 \
	VEOR V17.B16, V17.B16, V17.B16 \
	VEOR V18.B16, V18.B16, V18.B16 \
	VEOR V19.B16, V19.B16, V19.B16 \
	VEOR V20.B16, V20.B16, V20.B16 \
	VEOR V21.B16, V21.B16, V21.B16 \
	VEOR V22.B16, V22.B16, V22.B16 \
	VEOR V23.B16, V23.B16, V23.B16 \
	VEOR V24.B16, V24.B16, V24.B16 \
	VEOR V25.B16, V25.B16, V25.B16 \
	VEOR V26.B16, V26.B16, V26.B16 \
	VEOR V27.B16, V27.B16, V27.B16 \
	VEOR V28.B16, V28.B16, V28.B16 \
	VEOR V29.B16, V29.B16, V29.B16 \
	VEOR V30.B16, V30.B16, V30.B16 \
	VEOR V31.B16, V31.B16, V31.B16

#define CLEAR1                         \
	VEOR V16.B16, V16.B16, V16.B16 \
	VEOR V17.B16, V17.B16, V17.B16 \
	VEOR V18.B16, V18.B16, V18.B16 \
	VEOR V19.B16, V19.B16, V19.B16

#define STORE4                                          \
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R0) \
	VST1.P [V20.S4, V21.S4, V22.S4, V23.S4], 64(R1) \
	VST1.P [V24.S4, V25.S4, V26.S4, V27.S4], 64(R2) \
	VST1.P [V28.S4, V29.S4, V30.S4, V31.S4], 64(R3)

// COLUMNS_HALF and COLUMNS_FLOAT load the 16 columns of one index of b into V4
// to V7.
#define COLUMNS_HALF                   \
	VLD1.P 32(R12), [V8.H8, V9.H8] \
	FCVTL(8, 4)                    \
	FCVTL2(8, 5)                   \
	FCVTL(9, 6)                    \
	FCVTL2(9, 7)

#define COLUMNS_FLOAT \
	VLD1.P 64(R12), [V4.S4, V5.S4, V6.S4, V7.S4]

// ROWS4 and ROW1 multiply them by element i of the registers V0 to V3 that hold
// each row of a.
#define ROWS4(i)                  \
	FMLA_ELEMENT(i, 0, 4, 16) \
	FMLA_ELEMENT(i, 0, 5, 17) \
	FMLA_ELEMENT(i, 0, 6, 18) \
	FMLA_ELEMENT(i, 0, 7, 19) \
	FMLA_ELEMENT(i, 1, 4, 20) \
	FMLA_ELEMENT(i, 1, 5, 21) \
	FMLA_ELEMENT(i, 1, 6, 22) \
	FMLA_ELEMENT(i, 1, 7, 23) \
	FMLA_ELEMENT(i, 2, 4, 24) \
	FMLA_ELEMENT(i, 2, 5, 25) \
	FMLA_ELEMENT(i, 2, 6, 26) \
	FMLA_ELEMENT(i, 2, 7, 27) \
	FMLA_ELEMENT(i, 3, 4, 28) \
	FMLA_ELEMENT(i, 3, 5, 29) \
	FMLA_ELEMENT(i, 3, 6, 30) \
	FMLA_ELEMENT(i, 3, 7, 31)

#define ROW1(i)                   \
	FMLA_ELEMENT(i, 0, 4, 16) \
	FMLA_ELEMENT(i, 0, 5, 17) \
	FMLA_ELEMENT(i, 0, 6, 18) \
	FMLA_ELEMENT(i, 0, 7, 19)

// MUL4 goes through the groups: four indices at a time, then one at a time. R9
// is the distance of groups in bytes.
#define MUL4(COLUMNS)       \
group:                      \
	CLEAR4              \
	MOVD R8, R12        \
	ADD  R9, R8, R8     \
	MOVD R4, R13        \
	MOVD R5, R14        \
	MOVD R6, R15        \
	MOVD R7, R16        \
	LSR  $2, R10, R17   \
	AND  $3, R10, R19   \
	CBZ  R17, rest      \
four:                       \
	FMOVQ.P 16(R13), F0 \
	FMOVQ.P 16(R14), F1 \
	FMOVQ.P 16(R15), F2 \
	FMOVQ.P 16(R16), F3 \
	COLUMNS             \
	ROWS4(0)            \
	COLUMNS             \
	ROWS4(1)            \
	COLUMNS             \
	ROWS4(2)            \
	COLUMNS             \
	ROWS4(3)            \
	SUBS $1, R17, R17   \
	BNE  four           \
rest:                       \
	CBZ  R19, store     \
one:                        \
	FMOVS.P 4(R13), F0  \
	FMOVS.P 4(R14), F1  \
	FMOVS.P 4(R15), F2  \
	FMOVS.P 4(R16), F3  \
	COLUMNS             \
	ROWS4(0)            \
	SUBS $1, R19, R19   \
	BNE  one            \
store:                      \
	STORE4              \
	SUBS $1, R11, R11   \
	BNE  group          \
	RET

#define MUL1(COLUMNS)                                   \
group:                                                  \
	CLEAR1                                          \
	MOVD R8, R12                                    \
	ADD  R9, R8, R8                                 \
	MOVD R4, R13                                    \
	LSR  $2, R10, R17                               \
	AND  $3, R10, R19                               \
	CBZ  R17, rest                                  \
four:                                                   \
	FMOVQ.P 16(R13), F0                             \
	COLUMNS                                         \
	ROW1(0)                                         \
	COLUMNS                                         \
	ROW1(1)                                         \
	COLUMNS                                         \
	ROW1(2)                                         \
	COLUMNS                                         \
	ROW1(3)                                         \
	SUBS $1, R17, R17                               \
	BNE  four                                       \
rest:                                                   \
	CBZ  R19, store                                 \
one:                                                    \
	FMOVS.P 4(R13), F0                              \
	COLUMNS                                         \
	ROW1(0)                                         \
	SUBS $1, R19, R19                               \
	BNE  one                                        \
store:                                                  \
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R0) \
	SUBS $1, R11, R11                               \
	BNE  group                                      \
	RET

// func mulHalf4Neon(c0, c1, c2, c3, a0, a1, a2, a3 *float32, b *uint16, groupStride, inner, groups int)
TEXT ·mulHalf4Neon(SB), NOSPLIT, $0-96
	MOVD c0+0(FP), R0
	MOVD c1+8(FP), R1
	MOVD c2+16(FP), R2
	MOVD c3+24(FP), R3
	MOVD a0+32(FP), R4
	MOVD a1+40(FP), R5
	MOVD a2+48(FP), R6
	MOVD a3+56(FP), R7
	MOVD b+64(FP), R8
	MOVD groupStride+72(FP), R9
	MOVD inner+80(FP), R10
	MOVD groups+88(FP), R11
	LSL  $1, R9, R9
	MUL4(COLUMNS_HALF)

// func mulFloat4Neon(c0, c1, c2, c3, a0, a1, a2, a3, b *float32, groupStride, inner, groups int)
TEXT ·mulFloat4Neon(SB), NOSPLIT, $0-96
	MOVD c0+0(FP), R0
	MOVD c1+8(FP), R1
	MOVD c2+16(FP), R2
	MOVD c3+24(FP), R3
	MOVD a0+32(FP), R4
	MOVD a1+40(FP), R5
	MOVD a2+48(FP), R6
	MOVD a3+56(FP), R7
	MOVD b+64(FP), R8
	MOVD groupStride+72(FP), R9
	MOVD inner+80(FP), R10
	MOVD groups+88(FP), R11
	LSL  $2, R9, R9
	MUL4(COLUMNS_FLOAT)

// func mulHalf1Neon(c, a *float32, b *uint16, groupStride, inner, groups int)
TEXT ·mulHalf1Neon(SB), NOSPLIT, $0-48
	MOVD c+0(FP), R0
	MOVD a+8(FP), R4
	MOVD b+16(FP), R8
	MOVD groupStride+24(FP), R9
	MOVD inner+32(FP), R10
	MOVD groups+40(FP), R11
	LSL  $1, R9, R9
	MUL1(COLUMNS_HALF)

// func mulFloat1Neon(c, a, b *float32, groupStride, inner, groups int)
TEXT ·mulFloat1Neon(SB), NOSPLIT, $0-48
	MOVD c+0(FP), R0
	MOVD a+8(FP), R4
	MOVD b+16(FP), R8
	MOVD groupStride+24(FP), R9
	MOVD inner+32(FP), R10
	MOVD groups+40(FP), R11
	LSL  $2, R9, R9
	MUL1(COLUMNS_FLOAT)
