//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "prefetch_arm64.h"

// func widenBrainNeon(dst []float32, src []uint16)
TEXT ·widenBrainNeon(SB), NOSPLIT, $0-48
	MOVD dst_base+0(FP), R0
	MOVD src_base+24(FP), R1
	MOVD src_len+32(FP), R2
	VEOR V31.B16, V31.B16, V31.B16
	CBZ  R2, done

loop:
	PRFM   PREFETCH_AHEAD(R1), PLDL1KEEP
	VLD1.P 32(R1), [V4.H8, V5.H8]
	VZIP1  V4.H8, V31.H8, V0.H8
	VZIP2  V4.H8, V31.H8, V1.H8
	VZIP1  V5.H8, V31.H8, V2.H8
	VZIP2  V5.H8, V31.H8, V3.H8
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	SUBS   $16, R2, R2
	BNE    loop

done:
	RET

// func dotsFloatNeon(dst []float32, rows []float32, x []float32)
TEXT ·dotsFloatNeon(SB), NOSPLIT, $0-72
	MOVD dst_base+0(FP), R0
	MOVD dst_len+8(FP), R1
	MOVD rows_base+24(FP), R2
	MOVD x_base+48(FP), R3
	MOVD x_len+56(FP), R4

row:
	MOVD R3, R5
	MOVD R4, R6
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16

loop:
	PRFM   PREFETCH_AHEAD(R2), PLDL1KEEP
	VLD1.P 64(R5), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R2), [V4.S4, V5.S4, V6.S4, V7.S4]
	VFMLA  V0.S4, V4.S4, V16.S4
	VFMLA  V1.S4, V5.S4, V17.S4
	VFMLA  V2.S4, V6.S4, V18.S4
	VFMLA  V3.S4, V7.S4, V19.S4
	SUBS   $16, R6, R6
	BNE    loop

	FADD(18, 16, 16)
	FADD(19, 17, 17)
	FADD(17, 16, 16)
	VEXT    $8, V16.B16, V16.B16, V17.B16
	FADD(17, 16, 16)
	FADDP(16, 16, 16)
	FMOVS.P F16, 4(R0)
	SUBS    $1, R1, R1
	BNE     row
	RET
