//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"

// Rows come from memory, two at a time: more would load x less often, but
// memory is slower than this, and it is read fastest in its order.
//
// PREFETCH_AHEAD is how many bytes beyond the rows at hand is asked for what
// comes next. Prefetching beyond the end is harmless.
#define PREFETCH_AHEAD 4096

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

// func dotHalfNeon(dst []float32, rows []uint16, x []float32)
TEXT ·dotHalfNeon(SB), NOSPLIT, $0-72
	MOVD dst_base+0(FP), R0
	MOVD dst_len+8(FP), R1
	MOVD rows_base+24(FP), R2
	MOVD x_base+48(FP), R3
	MOVD x_len+56(FP), R4
	LSL  $1, R4, R5           // bytes of a row
	LSR  $4, R4, R4

two:
	SUBS $2, R1, R1
	BLT  last
	MOVD R2, R8
	ADD  R5, R8, R9
	ADD  R5, R9, R2
	ADD  $PREFETCH_AHEAD, R2, R10
	MOVD R3, R11
	MOVD R4, R12
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16
	VEOR V20.B16, V20.B16, V20.B16
	VEOR V21.B16, V21.B16, V21.B16
	VEOR V22.B16, V22.B16, V22.B16
	VEOR V23.B16, V23.B16, V23.B16
	CBZ  R12, twoTrees

twoLoop:
	PRFM   (R10), PLDL1KEEP
	VLD1.P 64(R11), [V0.S4, V1.S4, V2.S4, V3.S4]
	ADD    $64, R10, R10
	HALVES(R8, V16, V17, V18, V19)
	HALVES(R9, V20, V21, V22, V23)
	SUBS   $1, R12, R12
	BNE    twoLoop

twoTrees:
	FADD(18, 16, 16)
	FADD(22, 20, 20)
	FADD(19, 17, 17)
	FADD(23, 21, 21)
	FADD(17, 16, 16)
	FADD(21, 20, 20)
	VZIP1   V20.D2, V16.D2, V17.D2   // lanes 0 and 1 of both rows
	VZIP2   V20.D2, V16.D2, V18.D2   // lanes 2 and 3
	FADD(18, 17, 17)
	FADDP(17, 17, 17)
	FMOVD.P F17, 8(R0)
	B       two

last:
	ADDS $2, R1, R1
	BEQ  done
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16
	CBZ  R4, lastTree

lastLoop:
	VLD1.P 64(R3), [V0.S4, V1.S4, V2.S4, V3.S4]
	HALVES(R2, V16, V17, V18, V19)
	SUBS   $1, R4, R4
	BNE    lastLoop

lastTree:
	FADD(18, 16, 16)
	FADD(19, 17, 17)
	FADD(17, 16, 16)
	VEXT  $8, V16.B16, V16.B16, V17.B16
	FADD(17, 16, 16)
	FADDP(16, 16, 16)
	FMOVS F16, (R0)

done:
	RET

// BYTES adds the products of 16 bytes at R with the 16-bit integers in V0 and
// V1 to the sums in a to d.
#define BYTES(R, a, b, c, d) \
	FMOVQ.P 16(R), F4    \
	SXTL(4, 5)           \
	SXTL2(4, 6)          \
	SMLAL_H(0, 5, a)     \
	SMLAL2_H(0, 5, b)    \
	SMLAL_H(1, 6, c)     \
	SMLAL2_H(1, 6, d)

// func dotInt8Neon(dst []int32, rows []int8, x []int16)
TEXT ·dotInt8Neon(SB), NOSPLIT, $0-72
	MOVD dst_base+0(FP), R0
	MOVD dst_len+8(FP), R1
	MOVD rows_base+24(FP), R2
	MOVD x_base+48(FP), R3
	MOVD x_len+56(FP), R5     // bytes of a row
	LSR  $4, R5, R4

two:
	SUBS $2, R1, R1
	BLT  last
	MOVD R2, R8
	ADD  R5, R8, R9
	ADD  R5, R9, R2
	ADD  $PREFETCH_AHEAD, R2, R10
	MOVD R3, R11
	MOVD R4, R12
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16
	VEOR V20.B16, V20.B16, V20.B16
	VEOR V21.B16, V21.B16, V21.B16
	VEOR V22.B16, V22.B16, V22.B16
	VEOR V23.B16, V23.B16, V23.B16
	CBZ  R12, twoSums

twoLoop:
	PRFM   (R10), PLDL1KEEP
	VLD1.P 32(R11), [V0.H8, V1.H8]
	ADD    $32, R10, R10
	BYTES(R8, 16, 17, 18, 19)
	BYTES(R9, 20, 21, 22, 23)
	SUBS   $1, R12, R12
	BNE    twoLoop

twoSums:
	VADD    V17.S4, V16.S4, V16.S4
	VADD    V19.S4, V18.S4, V18.S4
	VADD    V21.S4, V20.S4, V20.S4
	VADD    V23.S4, V22.S4, V22.S4
	VADD    V18.S4, V16.S4, V16.S4
	VADD    V22.S4, V20.S4, V20.S4
	VADDP   V20.S4, V16.S4, V16.S4
	VADDP   V16.S4, V16.S4, V16.S4
	FMOVD.P F16, 8(R0)
	B       two

last:
	ADDS $2, R1, R1
	BEQ  done
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16
	CBZ  R4, lastSum

lastLoop:
	VLD1.P 32(R3), [V0.H8, V1.H8]
	BYTES(R2, 16, 17, 18, 19)
	SUBS   $1, R4, R4
	BNE    lastLoop

lastSum:
	VADD  V17.S4, V16.S4, V16.S4
	VADD  V19.S4, V18.S4, V18.S4
	VADD  V18.S4, V16.S4, V16.S4
	VADDV V16.S4, V16
	FMOVS F16, (R0)

done:
	RET
