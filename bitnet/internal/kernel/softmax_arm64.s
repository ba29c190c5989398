//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"

// The constants of exp.go: expCutoff, log2e, roundShift, −ln2High, −ln2Low and
// expSeries, whose last two are the same.
DATA expConstants<>+0(SB)/4, $-86.0
DATA expConstants<>+4(SB)/4, $1.44269504088896340736
DATA expConstants<>+8(SB)/4, $12582912.0
DATA expConstants<>+12(SB)/4, $-0.693359375
DATA expConstants<>+16(SB)/4, $2.12194440054690582767e-4
DATA expConstants<>+20(SB)/4, $1.98412698412698412698e-4
DATA expConstants<>+24(SB)/4, $1.38888888888888888889e-3
DATA expConstants<>+28(SB)/4, $8.33333333333333333333e-3
DATA expConstants<>+32(SB)/4, $4.16666666666666666667e-2
DATA expConstants<>+36(SB)/4, $1.66666666666666666667e-1
DATA expConstants<>+40(SB)/4, $0.5
DATA expConstants<>+44(SB)/4, $1.0
GLOBL expConstants<>(SB), RODATA|NOPTR, $48

// EXP_CONSTANTS loads the constants of EXP, by way of R5.
#define EXP_CONSTANTS \
	MOVD    $expConstants<>(SB), R5 \
	VLD1R.P 4(R5), [V5.S4]          \
	VLD1R.P 4(R5), [V6.S4]          \
	VLD1R.P 4(R5), [V7.S4]          \
	VLD1R.P 4(R5), [V8.S4]          \
	VLD1R.P 4(R5), [V9.S4]          \
	VLD1R.P 4(R5), [V10.S4]         \
	VLD1R.P 4(R5), [V11.S4]         \
	VLD1R.P 4(R5), [V12.S4]         \
	VLD1R.P 4(R5), [V13.S4]         \
	VLD1R.P 4(R5), [V14.S4]         \
	VLD1R.P 4(R5), [V15.S4]         \
	VLD1R   (R5), [V16.S4]

// HORNER computes next = p·r + c for two registers.
#define HORNER(c, rx, ry, px, py, nextx, nexty) \
	VMOV  c.B16, nextx.B16                  \
	VMOV  c.B16, nexty.B16                  \
	VFMLA px.S4, rx.S4, nextx.S4            \
	VFMLA py.S4, ry.S4, nexty.S4

// EXP replaces x and y by Exp(x−largest) and Exp(y−largest), with largest in
// V4 and the constants in V5 to V16. In the terms of exp.go, shifted is V18 and
// V24, n is V19 and V25, r takes the place of x and y, and p is in turn V20 and
// V26, V19 and V25. V21 and V27 say where the result is not 0.
#define EXP(x, nx, y, ny)                     \
	FSUB(4, nx, nx)                       \
	FSUB(4, ny, ny)                       \
	FCMGE(5, nx, 21)                      \
	FCMGE(5, ny, 27)                      \
	VMOV  V7.B16, V18.B16                 \
	VMOV  V7.B16, V24.B16                 \
	VFMLA V6.S4, x.S4, V18.S4             \
	VFMLA V6.S4, y.S4, V24.S4             \
	FSUB(7, 18, 19)                       \
	FSUB(7, 24, 25)                       \
	VFMLA V8.S4, V19.S4, x.S4             \
	VFMLA V8.S4, V25.S4, y.S4             \
	VFMLA V9.S4, V19.S4, x.S4             \
	VFMLA V9.S4, V25.S4, y.S4             \
	VMOV  V11.B16, V20.B16                \
	VMOV  V11.B16, V26.B16                \
	VFMLA x.S4, V10.S4, V20.S4            \
	VFMLA y.S4, V10.S4, V26.S4            \
	HORNER(V12, x, y, V20, V26, V19, V25) \
	HORNER(V13, x, y, V19, V25, V20, V26) \
	HORNER(V14, x, y, V20, V26, V19, V25) \
	HORNER(V15, x, y, V19, V25, V20, V26) \
	HORNER(V16, x, y, V20, V26, V19, V25) \
	HORNER(V16, x, y, V19, V25, V20, V26) \
	VSHL  $23, V18.S4, V18.S4             \
	VSHL  $23, V24.S4, V24.S4             \
	VADD  V18.S4, V20.S4, x.S4            \
	VADD  V24.S4, V26.S4, y.S4            \
	VAND  V21.B16, x.B16, x.B16           \
	VAND  V27.B16, y.B16, y.B16

// EXP16 replaces the 16 values at R and adds them to the lanes in V0 to V3.
#define EXP16(R)                                   \
	VLD1 (R), [V28.S4, V29.S4, V30.S4, V31.S4] \
	EXP(V28, 28, V29, 29)                      \
	EXP(V30, 30, V31, 31)                      \
	FADD(28, 0, 0)                             \
	FADD(29, 1, 1)                             \
	FADD(30, 2, 2)                             \
	FADD(31, 3, 3)                             \
	VST1 [V28.S4, V29.S4, V30.S4, V31.S4], (R)

// LARGER replaces the elements of largest by those of x that are greater, as
// a NaN is not.
#define LARGER(x, nx, largest, nlargest) \
	FCMGT(nlargest, nx, 20)          \
	VBIT V20.B16, x.B16, largest.B16

// func softmaxNeon(x []float32, scale float32) (largest, sum float32)
TEXT ·softmaxNeon(SB), NOSPLIT, $64-40
	MOVD  x_base+0(FP), R0
	MOVD  x_len+8(FP), R1
	FMOVS scale+24(FP), F16
	VDUP  V16.S[0], V16.S4
	LSR   $4, R1, R2             // full steps of 16
	AND   $15, R1, R3            // and the rest

	// Scale, and find the largest.
	MOVD  $0xff800000, R4
	VDUP  R4, V4.S4
	VMOV  V4.B16, V5.B16
	VMOV  V4.B16, V6.B16
	VMOV  V4.B16, V7.B16
	MOVD  R0, R5
	MOVD  R2, R6
	CBZ   R6, scaleRest

scale16:
	VLD1   (R5), [V0.S4, V1.S4, V2.S4, V3.S4]
	FMUL(16, 0, 0)
	FMUL(16, 1, 1)
	FMUL(16, 2, 2)
	FMUL(16, 3, 3)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R5)
	LARGER(V0, 0, V4, 4)
	LARGER(V1, 1, V5, 5)
	LARGER(V2, 2, V6, 6)
	LARGER(V3, 3, V7, 7)
	SUBS   $1, R6, R6
	BNE    scale16

	LARGER(V5, 5, V4, 4)
	LARGER(V7, 7, V6, 6)
	LARGER(V6, 6, V4, 4)
	FMAXV(4, 4)

scaleRest:
	MOVD R3, R6
	CBZ  R6, zero

scale1:
	FMOVS   (R5), F0
	FMULS   F16, F0, F0
	FMOVS.P F0, 4(R5)
	FCMPS   F4, F0
	FCSELS  GT, F0, F4, F4
	SUBS    $1, R6, R6
	BNE     scale1

	// Where the largest is 0, it is the first zero, of whatever sign.
zero:
	FCMPS $(0.0), F4
	BNE   exponentials
	MOVD  R0, R5

findZero:
	FMOVS.P 4(R5), F4
	FCMPS   $(0.0), F4
	BNE     findZero

exponentials:
	FMOVS  F4, largest+32(FP)
	VDUP   V4.S[0], V4.S4
	EXP_CONSTANTS
	VEOR   V0.B16, V0.B16, V0.B16
	VEOR   V1.B16, V1.B16, V1.B16
	VEOR   V2.B16, V2.B16, V2.B16
	VEOR   V3.B16, V3.B16, V3.B16
	CBZ    R2, rest

loop:
	EXP16(R0)
	ADD  $64, R0, R0
	SUBS $1, R2, R2
	BNE  loop

	// The rest goes through a step of its own, filled up with NaN: their
	// exponentials are +0, which changes no sum.
rest:
	CBZ  R3, tree
	MOVD $rest-64(SP), R7
	MOVD $0x7fc00000, R4
	VDUP R4, V28.S4
	VMOV V28.B16, V29.B16
	VMOV V28.B16, V30.B16
	VMOV V28.B16, V31.B16
	VST1 [V28.S4, V29.S4, V30.S4, V31.S4], (R7)
	MOVD R0, R5
	MOVD R7, R6
	MOVD R3, R8

copyIn:
	MOVWU.P 4(R5), R4
	MOVW.P  R4, 4(R6)
	SUBS    $1, R8, R8
	BNE     copyIn
	EXP16(R7)

copyOut:
	MOVWU.P 4(R7), R4
	MOVW.P  R4, 4(R0)
	SUBS    $1, R3, R3
	BNE     copyOut

tree:
	FADD(2, 0, 0)
	FADD(3, 1, 1)
	FADD(1, 0, 0)
	VEXT  $8, V0.B16, V0.B16, V1.B16
	FADD(1, 0, 0)
	FADDP(0, 0, 0)
	FMOVS F0, sum+36(FP)
	RET

// SILU stores g·m/(1+e)·u in g, with e in x and temporaries that EXP leaves
// free; m is 1 where g is above 0, e elsewhere.
#define SILU(g, ng, x, nx, nu)         \
	FCMGT_ZERO(ng, 18)             \
	VMOV x.B16, V19.B16            \
	VBIT V18.B16, V16.B16, V19.B16 \
	FMUL(19, ng, ng)               \
	FADD(16, nx, nx)               \
	FDIV(nx, ng, ng)               \
	FMUL(nu, ng, ng)

// func siluMulNeon(gate, up []float32)
TEXT ·siluMulNeon(SB), NOSPLIT, $0-48
	MOVD gate_base+0(FP), R0
	MOVD gate_len+8(FP), R2
	MOVD up_base+24(FP), R1
	LSR  $4, R2, R2
	CBZ  R2, done
	EXP_CONSTANTS
	VEOR V4.B16, V4.B16, V4.B16
	MOVD $0x80000000, R4
	VDUP R4, V17.S4             // the sign

loop:
	VLD1   (R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VORR   V17.B16, V0.B16, V28.B16
	VORR   V17.B16, V1.B16, V29.B16
	VORR   V17.B16, V2.B16, V30.B16
	VORR   V17.B16, V3.B16, V31.B16
	EXP(V28, 28, V29, 29)
	EXP(V30, 30, V31, 31)
	VLD1.P 64(R1), [V20.S4, V21.S4, V22.S4, V23.S4]
	SILU(V0, 0, V28, 28, 20)
	SILU(V1, 1, V29, 29, 21)
	SILU(V2, 2, V30, 30, 22)
	SILU(V3, 3, V31, 31, 23)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	SUBS   $1, R2, R2
	BNE    loop

done:
	RET
