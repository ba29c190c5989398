//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"

// func absMaxNeon(x []float32) uint32
TEXT ·absMaxNeon(SB), NOSPLIT, $0-28
	MOVD  x_base+0(FP), R0
	MOVD  x_len+8(FP), R1
	LSR   $4, R1, R1
	MOVD  $0x7fffffff, R2
	VDUP  R2, V31.S4
	VEOR  V4.B16, V4.B16, V4.B16
	VEOR  V5.B16, V5.B16, V5.B16
	VEOR  V6.B16, V6.B16, V6.B16
	VEOR  V7.B16, V7.B16, V7.B16

loop:
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VAND   V31.B16, V0.B16, V0.B16
	VAND   V31.B16, V1.B16, V1.B16
	VAND   V31.B16, V2.B16, V2.B16
	VAND   V31.B16, V3.B16, V3.B16
	VUMAX  V0.S4, V4.S4, V4.S4
	VUMAX  V1.S4, V5.S4, V5.S4
	VUMAX  V2.S4, V6.S4, V6.S4
	VUMAX  V3.S4, V7.S4, V7.S4
	SUBS   $1, R1, R1
	BNE    loop

	VUMAX V5.S4, V4.S4, V4.S4
	VUMAX V7.S4, V6.S4, V6.S4
	VUMAX V6.S4, V4.S4, V4.S4
	UMAXV_S(4, 0)
	FMOVS F0, ret+24(FP)
	RET

// func roundScaledNeon(q []int8, x []float32, s float32) int32
//
// FCVTNS rounds half to even and, like SQXTN after it, saturates: together
// they clamp to a byte.
TEXT ·roundScaledNeon(SB), NOSPLIT, $0-60
	MOVD  q_base+0(FP), R0
	MOVD  x_base+24(FP), R1
	MOVD  x_len+32(FP), R2
	FMOVS s+48(FP), F31
	VDUP  V31.S[0], V31.S4
	LSR   $4, R2, R2
	VEOR  V30.B16, V30.B16, V30.B16

loop:
	VLD1.P 64(R1), [V0.S4, V1.S4, V2.S4, V3.S4]
	FMUL(31, 0, 0)
	FMUL(31, 1, 1)
	FMUL(31, 2, 2)
	FMUL(31, 3, 3)
	FCVTNS(0, 0)
	FCVTNS(1, 1)
	FCVTNS(2, 2)
	FCVTNS(3, 3)
	SQXTN_S(0, 4)
	SQXTN2_S(1, 4)
	SQXTN_S(2, 5)
	SQXTN2_S(3, 5)
	SQXTN_H(4, 6)
	SQXTN2_H(5, 6)
	VST1.P [V6.B16], 16(R0)
	SADDLP_B(6, 7)
	SADALP_H(7, 30)
	SUBS   $1, R2, R2
	BNE    loop

	VADDV V30.S4, V0
	FMOVS F0, ret+56(FP)
	RET

// func scaleSumsNeon(dst []float32, sums []int32, offset int32, s, scale float32)
TEXT ·scaleSumsNeon(SB), NOSPLIT, $0-60
	MOVD  dst_base+0(FP), R0
	MOVD  sums_base+24(FP), R1
	MOVD  sums_len+32(FP), R2
	MOVW  offset+48(FP), R3
	FMOVS s+52(FP), F30
	FMOVS scale+56(FP), F31
	VDUP  R3, V29.S4
	VDUP  V30.S[0], V30.S4
	VDUP  V31.S[0], V31.S4

four:
	SUBS   $4, R2, R2
	BLT    rest
	VLD1.P 16(R1), [V0.S4]
	VSUB   V29.S4, V0.S4, V0.S4
	SCVTF(0, 0)
	FDIV(30, 0, 0)
	FMUL(31, 0, 0)
	VST1.P [V0.S4], 16(R0)
	B      four

rest:
	ADDS $4, R2, R2
	BEQ  done

one:
	MOVW.P  4(R1), R4
	SUBW    R3, R4, R4
	SCVTFWS R4, F0
	FDIVS   F30, F0, F0
	FMULS   F31, F0, F0
	FMOVS.P F0, 4(R0)
	SUBS    $1, R2, R2
	BNE     one

done:
	RET
