//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "lanes_arm64.h"

// IMAGE turns the four values in v into integers in q and adds their squares
// and those of what is lost to the lanes in squares and rest. V30 is the step
// and V31 its inverse. What it loses may be a zero of another sign than in the
// definition, which its square does not show.
#define IMAGE(v, nv, nq, rest, squares) \
	VFMLA v.S4, v.S4, squares.S4    \
	FMUL(31, nv, nq)                \
	FCVTNS(nq, nq)                  \
	SCVTF(nq, 28)                   \
	VFMLS V30.S4, V28.S4, v.S4      \
	VFMLA v.S4, v.S4, rest.S4

// IMAGE_OF_16 does so for 16 values in V0 to V3 and stores the integers. Rests and
// squares are in V16 to V19 and V20 to V23.
#define IMAGE_OF_16               \
	IMAGE(V0, 0, 4, V16, V20) \
	IMAGE(V1, 1, 5, V17, V21) \
	IMAGE(V2, 2, 6, V18, V22) \
	IMAGE(V3, 3, 7, V19, V23) \
	SQXTN_S(4, 4)             \
	SQXTN2_S(5, 4)            \
	SQXTN_S(6, 6)             \
	SQXTN2_S(7, 6)            \
	SQXTN_H(4, 4)             \
	SQXTN2_H(6, 4)            \
	VST1.P [V4.B16], 16(R0)

// func quantizeHalfNeon(dst []int8, row []uint16) (step, rest, squares float32)
TEXT ·quantizeHalfNeon(SB), NOSPLIT, $0-60
	MOVD dst_base+0(FP), R0
	MOVD row_base+24(FP), R1
	MOVD row_len+32(FP), R2
	LSR  $4, R2, R2
	CLEAR(V16, V17, V18, V19)
	CLEAR(V20, V21, V22, V23)

	// Without their signs, float16 values order like integers.
	MOVD $0x7fff, R3
	VDUP R3, V29.H8
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16
	MOVD R1, R4
	MOVD R2, R5
	CBZ  R5, largest

findLargest:
	VLD1.P 32(R4), [V0.H8, V1.H8]
	VAND   V29.B16, V0.B16, V0.B16
	VAND   V29.B16, V1.B16, V1.B16
	VUMAX  V0.H8, V2.H8, V2.H8
	VUMAX  V1.H8, V3.H8, V3.H8
	SUBS   $1, R5, R5
	BNE    findLargest

largest:
	VUMAX  V3.H8, V2.H8, V2.H8
	UMAXV_H(2, 2)
	FCVTHS F2, F2
	MOVD   $0x42fe0000, R3             // 127
	FMOVS  R3, F29
	FDIVS  F29, F2, F30
	FMOVS  F30, step+48(FP)
	VEOR   V31.B16, V31.B16, V31.B16
	FCMPS  $(0.0), F2
	BEQ    image
	FDIVS  F2, F29, F31

image:
	VDUP V30.S[0], V30.S4
	VDUP V31.S[0], V31.S4
	CBZ  R2, sums

loop:
	VLD1.P 32(R1), [V8.H8, V9.H8]
	FCVTL(8, 0)
	FCVTL2(8, 1)
	FCVTL(9, 2)
	FCVTL2(9, 3)
	IMAGE_OF_16
	SUBS   $1, R2, R2
	BNE    loop

sums:
	TREE(V16, 16, V17, 17, 18, 19)
	TREE(V20, 20, V21, 21, 22, 23)
	FMOVS F16, rest+52(FP)
	FMOVS F20, squares+56(FP)
	RET

// func quantizeFloatNeon(dst []int8, row []float32) (step, rest, squares float32)
TEXT ·quantizeFloatNeon(SB), NOSPLIT, $0-60
	MOVD dst_base+0(FP), R0
	MOVD row_base+24(FP), R1
	MOVD row_len+32(FP), R2
	LSR  $4, R2, R2
	CLEAR(V16, V17, V18, V19)
	CLEAR(V20, V21, V22, V23)

	// Without their signs, numbers order like integers, those that are none above.
	MOVD $0x7fffffff, R3
	VDUP R3, V29.S4
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16
	MOVD R1, R4
	MOVD R2, R5
	CBZ  R5, largest

findLargest:
	VLD1.P 64(R4), [V4.S4, V5.S4, V6.S4, V7.S4]
	VAND   V29.B16, V4.B16, V4.B16
	VAND   V29.B16, V5.B16, V5.B16
	VAND   V29.B16, V6.B16, V6.B16
	VAND   V29.B16, V7.B16, V7.B16
	VUMAX  V4.S4, V2.S4, V2.S4
	VUMAX  V5.S4, V3.S4, V3.S4
	VUMAX  V6.S4, V2.S4, V2.S4
	VUMAX  V7.S4, V3.S4, V3.S4
	SUBS   $1, R5, R5
	BNE    findLargest

largest:
	VUMAX  V3.S4, V2.S4, V2.S4
	UMAXV_S(2, 2)
	MOVD   $0x42fe0000, R3             // 127
	FMOVS  R3, F29
	FDIVS  F29, F2, F30
	FMOVS  F30, step+48(FP)
	FDIVS  F2, F29, F31
	FMOVS  F31, R3
	MOVD   $0x7f800000, R4
	CMPW   R4, R3
	BNE    image
	VEOR   V31.B16, V31.B16, V31.B16 // 127/largest is infinite

image:
	VDUP V30.S[0], V30.S4
	VDUP V31.S[0], V31.S4
	CBZ  R2, sums

loop:
	VLD1.P 64(R1), [V0.S4, V1.S4, V2.S4, V3.S4]
	IMAGE_OF_16
	SUBS   $1, R2, R2
	BNE    loop

sums:
	TREE(V16, 16, V17, 17, 18, 19)
	TREE(V20, 20, V21, 21, 22, 23)
	FMOVS F16, rest+52(FP)
	FMOVS F20, squares+56(FP)
	RET
