//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"

// func sumSquaresNeon(x []float32) float32
TEXT ·sumSquaresNeon(SB), NOSPLIT, $0-28
	MOVD x_base+0(FP), R0
	MOVD x_len+8(FP), R1
	LSR  $4, R1, R1
	VEOR V4.B16, V4.B16, V4.B16
	VEOR V5.B16, V5.B16, V5.B16
	VEOR V6.B16, V6.B16, V6.B16
	VEOR V7.B16, V7.B16, V7.B16
	CBZ  R1, tree

loop:
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VFMLA  V0.S4, V0.S4, V4.S4
	VFMLA  V1.S4, V1.S4, V5.S4
	VFMLA  V2.S4, V2.S4, V6.S4
	VFMLA  V3.S4, V3.S4, V7.S4
	SUBS   $1, R1, R1
	BNE    loop

tree:
	FADD(6, 4, 4)
	FADD(7, 5, 5)
	FADD(5, 4, 4)
	VEXT $8, V4.B16, V4.B16, V5.B16
	FADD(5, 4, 4)
	FADDP(4, 4, 4)
	FMOVS F4, ret+24(FP)
	RET

// func normalizeNeon(dst, x, weight []float32, factor float32)
TEXT ·normalizeNeon(SB), NOSPLIT, $0-76
	MOVD  dst_base+0(FP), R0
	MOVD  x_base+24(FP), R1
	MOVD  x_len+32(FP), R2
	MOVD  weight_base+48(FP), R3
	FMOVS factor+72(FP), F16
	VDUP  V16.S[0], V16.S4
	LSR   $4, R2, R2
	CBZ   R2, done

loop:
	VLD1.P 64(R1), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R3), [V4.S4, V5.S4, V6.S4, V7.S4]
	FMUL(16, 0, 0)
	FMUL(16, 1, 1)
	FMUL(16, 2, 2)
	FMUL(16, 3, 3)
	FMUL(4, 0, 0)
	FMUL(5, 1, 1)
	FMUL(6, 2, 2)
	FMUL(7, 3, 3)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	SUBS   $1, R2, R2
	BNE    loop

done:
	RET

// func addNeon(dst, x []float32)
TEXT ·addNeon(SB), NOSPLIT, $0-48
	MOVD dst_base+0(FP), R0
	MOVD x_base+24(FP), R1
	MOVD x_len+32(FP), R2
	LSR  $4, R2, R2
	CBZ  R2, done

loop:
	VLD1   (R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]
	FADD(4, 0, 0)
	FADD(5, 1, 1)
	FADD(6, 2, 2)
	FADD(7, 3, 3)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	SUBS   $1, R2, R2
	BNE    loop

done:
	RET

// func reluSquaredMulNeon(gate, up []float32)
//
// Not greater than 0, as a NaN is not, is 0.
TEXT ·reluSquaredMulNeon(SB), NOSPLIT, $0-48
	MOVD gate_base+0(FP), R0
	MOVD gate_len+8(FP), R2
	MOVD up_base+24(FP), R1
	LSR  $4, R2, R2
	CBZ  R2, done

loop:
	VLD1   (R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]
	FCMGT_ZERO(0, 16)
	FCMGT_ZERO(1, 17)
	FCMGT_ZERO(2, 18)
	FCMGT_ZERO(3, 19)
	VAND   V16.B16, V0.B16, V0.B16
	VAND   V17.B16, V1.B16, V1.B16
	VAND   V18.B16, V2.B16, V2.B16
	VAND   V19.B16, V3.B16, V3.B16
	FMUL(0, 0, 0)
	FMUL(1, 1, 1)
	FMUL(2, 2, 2)
	FMUL(3, 3, 3)
	FMUL(4, 0, 0)
	FMUL(5, 1, 1)
	FMUL(6, 2, 2)
	FMUL(7, 3, 3)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	SUBS   $1, R2, R2
	BNE    loop

done:
	RET

// func floatToHalfNeon(dst []uint16, src []float32)
TEXT ·floatToHalfNeon(SB), NOSPLIT, $0-48
	MOVD dst_base+0(FP), R0
	MOVD src_base+24(FP), R1
	MOVD src_len+32(FP), R2
	LSR  $4, R2, R2
	CBZ  R2, done

loop:
	VLD1.P 64(R1), [V0.S4, V1.S4, V2.S4, V3.S4]
	FCVTN(0, 4)
	FCVTN2(1, 4)
	FCVTN(2, 5)
	FCVTN2(3, 5)
	VST1.P [V4.H8, V5.H8], 32(R0)
	SUBS   $1, R2, R2
	BNE    loop

done:
	RET
