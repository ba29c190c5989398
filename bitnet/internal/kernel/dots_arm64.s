//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"

// HALVES adds the products of 16 float16 at R with V0 to V3 to the lanes in a
// to d.
#define HALVES(R, a, b, c, d)        \
	VLD1.P 32(R), [V8.H8, V9.H8] \
	FCVTL(8, 4)                  \
	FCVTL2(8, 5)                 \
	FCVTL(9, 6)                  \
	FCVTL2(9, 7)                 \
	VFMLA V4.S4, V0.S4, a.S4     \
	VFMLA V5.S4, V1.S4, b.S4     \
	VFMLA V6.S4, V2.S4, c.S4     \
	VFMLA V7.S4, V3.S4, d.S4

// TREE16 takes the first two steps of the tree, from 16 lanes to 4 in a.
#define TREE16(a, b, c, d) \
	FADD(c, a, a)      \
	FADD(d, b, b)      \
	FADD(b, a, a)

// func dotsHalfNeon(dst []float32, rows []uint16, x []float32)
//
// The lanes of four rows are V16 to V31.
TEXT ·dotsHalfNeon(SB), NOSPLIT, $0-72
	MOVD dst_base+0(FP), R0
	MOVD dst_len+8(FP), R1
	MOVD rows_base+24(FP), R2
	MOVD x_base+48(FP), R3
	MOVD x_len+56(FP), R4
	LSL  $1, R4, R5           // bytes of a row
	LSR  $4, R4, R4

four:
	CMP  $4, R1
	BLT  one
	MOVD R2, R8
	ADD  R5, R8, R9
	ADD  R5, R9, R10
	ADD  R5, R10, R11
	ADD  R5, R11, R2
	MOVD R3, R12
	MOVD R4, R13
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16
	VEOR V20.B16, V20.B16, V20.B16
	VEOR V21.B16, V21.B16, V21.B16
	VEOR V22.B16, V22.B16, V22.B16
	VEOR V23.B16, V23.B16, V23.B16
	VEOR V24.B16, V24.B16, V24.B16
	VEOR V25.B16, V25.B16, V25.B16
	VEOR V26.B16, V26.B16, V26.B16
	VEOR V27.B16, V27.B16, V27.B16
	VEOR V28.B16, V28.B16, V28.B16
	VEOR V29.B16, V29.B16, V29.B16
	VEOR V30.B16, V30.B16, V30.B16
	VEOR V31.B16, V31.B16, V31.B16
	CBZ  R13, fourTree

fourLoop:
	VLD1.P 64(R12), [V0.S4, V1.S4, V2.S4, V3.S4]
	HALVES(R8, V16, V17, V18, V19)
	HALVES(R9, V20, V21, V22, V23)
	HALVES(R10, V24, V25, V26, V27)
	HALVES(R11, V28, V29, V30, V31)
	SUBS   $1, R13, R13
	BNE    fourLoop

fourTree:
	TREE16(16, 17, 18, 19)
	TREE16(20, 21, 22, 23)
	TREE16(24, 25, 26, 27)
	TREE16(28, 29, 30, 31)
	VZIP1  V20.D2, V16.D2, V4.D2
	VZIP2  V20.D2, V16.D2, V5.D2
	VZIP1  V28.D2, V24.D2, V6.D2
	VZIP2  V28.D2, V24.D2, V7.D2
	FADD(5, 4, 4)
	FADD(7, 6, 6)
	FADDP(6, 4, 4)
	VST1.P [V4.S4], 16(R0)
	SUB    $4, R1, R1
	B      four

one:
	CBZ  R1, done
	MOVD R3, R12
	MOVD R4, R13
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16
	CBZ  R13, oneTree

oneLoop:
	VLD1.P 64(R12), [V0.S4, V1.S4, V2.S4, V3.S4]
	HALVES(R2, V16, V17, V18, V19)
	SUBS   $1, R13, R13
	BNE    oneLoop

oneTree:
	TREE16(16, 17, 18, 19)
	VEXT    $8, V16.B16, V16.B16, V17.B16
	FADD(17, 16, 16)
	FADDP(16, 16, 16)
	FMOVS.P F16, 4(R0)
	SUB     $1, R1, R1
	B       one

done:
	RET

// BYTES adds the products of 16 bytes at R with the 16-bit integers in V0 and
// V1 to the sums in a and b.
#define BYTES(R, a, b)    \
	FMOVQ.P 16(R), F4 \
	SXTL(4, 5)        \
	SXTL2(4, 6)       \
	SMLAL_H(0, 5, a)  \
	SMLAL2_H(0, 5, b) \
	SMLAL_H(1, 6, a)  \
	SMLAL2_H(1, 6, b)

// func dotsInt8Neon(dst []int32, rows []int8, x []int16)
TEXT ·dotsInt8Neon(SB), NOSPLIT, $0-72
	MOVD dst_base+0(FP), R0
	MOVD dst_len+8(FP), R1
	MOVD rows_base+24(FP), R2
	MOVD x_base+48(FP), R3
	MOVD x_len+56(FP), R5
	LSR  $4, R5, R4

four:
	CMP  $4, R1
	BLT  one
	MOVD R2, R8
	ADD  R5, R8, R9
	ADD  R5, R9, R10
	ADD  R5, R10, R11
	ADD  R5, R11, R2
	MOVD R3, R12
	MOVD R4, R13
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16
	VEOR V20.B16, V20.B16, V20.B16
	VEOR V21.B16, V21.B16, V21.B16
	VEOR V22.B16, V22.B16, V22.B16
	VEOR V23.B16, V23.B16, V23.B16
	CBZ  R13, fourTree

fourLoop:
	VLD1.P 32(R12), [V0.H8, V1.H8]
	BYTES(R8, 16, 17)
	BYTES(R9, 18, 19)
	BYTES(R10, 20, 21)
	BYTES(R11, 22, 23)
	SUBS   $1, R13, R13
	BNE    fourLoop

fourTree:
	VADD   V17.S4, V16.S4, V16.S4
	VADD   V19.S4, V18.S4, V18.S4
	VADD   V21.S4, V20.S4, V20.S4
	VADD   V23.S4, V22.S4, V22.S4
	VADDP  V18.S4, V16.S4, V16.S4
	VADDP  V22.S4, V20.S4, V20.S4
	VADDP  V20.S4, V16.S4, V16.S4
	VST1.P [V16.S4], 16(R0)
	SUB    $4, R1, R1
	B      four

one:
	CBZ  R1, done
	MOVD R3, R12
	MOVD R4, R13
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	CBZ  R13, oneTree

oneLoop:
	VLD1.P 32(R12), [V0.H8, V1.H8]
	BYTES(R2, 16, 17)
	SUBS   $1, R13, R13
	BNE    oneLoop

oneTree:
	VADD    V17.S4, V16.S4, V16.S4
	VADDV   V16.S4, V16
	FMOVS.P F16, 4(R0)
	SUB     $1, R1, R1
	B       one

done:
	RET
