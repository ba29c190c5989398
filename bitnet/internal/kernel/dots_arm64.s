//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"
#include "prefetch_arm64.h"

// Rows come from memory, two at a time: more would load x less often, but
// memory is slower than this, and it is read fastest in its order.

// WIDEN widens the 16 float16 in V8 and V9, into V4 to V7.
#define WIDEN        \
	FCVTL(8, 4)  \
	FCVTL2(8, 5) \
	FCVTL(9, 6)  \
	FCVTL2(9, 7)

// PRODUCTS adds the products of V4 to V7 with x0 to x3 to the lanes in a to d.
#define PRODUCTS(x0, x1, x2, x3, a, b, c, d) \
	VFMLA V4.S4, x0.S4, a.S4             \
	VFMLA V5.S4, x1.S4, b.S4             \
	VFMLA V6.S4, x2.S4, c.S4             \
	VFMLA V7.S4, x3.S4, d.S4

// HALVES multiplies the 16 float16 at R with V0 to V3.
#define HALVES(R, a, b, c, d)        \
	VLD1.P 32(R), [V8.H8, V9.H8] \
	WIDEN                        \
	PRODUCTS(V0, V1, V2, V3, a, b, c, d)

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

// VECTORS2 to 4 multiply 16 float16 of a row with those of 2 to 4 vectors. The
// vectors come in pairs, so that a processor that keeps to the order has
// something to do until they are there.
#define VECTORS2                                        \
	PRFM   PREFETCH_AHEAD(R2), PLDL1KEEP            \
	VLD1.P 32(R2), [V8.H8, V9.H8]                   \
	VLD1.P 64(R3), [V0.S4, V1.S4, V2.S4, V3.S4]     \
	VLD1.P 64(R4), [V10.S4, V11.S4, V12.S4, V13.S4] \
	WIDEN                                           \
	PRODUCTS(V0, V1, V2, V3, V16, V17, V18, V19)    \
	PRODUCTS(V10, V11, V12, V13, V20, V21, V22, V23)

#define VECTORS3                                    \
	VECTORS2                                    \
	VLD1.P 64(R5), [V0.S4, V1.S4, V2.S4, V3.S4] \
	PRODUCTS(V0, V1, V2, V3, V24, V25, V26, V27)

#define VECTORS4                                        \
	VECTORS2                                        \
	VLD1.P 64(R5), [V0.S4, V1.S4, V2.S4, V3.S4]     \
	VLD1.P 64(R6), [V10.S4, V11.S4, V12.S4, V13.S4] \
	PRODUCTS(V0, V1, V2, V3, V24, V25, V26, V27)    \
	PRODUCTS(V10, V11, V12, V13, V28, V29, V30, V31)

// LANES4 makes four lanes of the sixteen of a vector.
#define LANES4(a, b, c, d) \
	FADD(c, a, a)      \
	FADD(d, b, b)      \
	FADD(b, a, a)

// func dotsHalfFewNeon(dst []float32, rows []uint16, x []float32, cols int)
//
// One row at a time: its products with four vectors have 64 lanes.
TEXT ·dotsHalfFewNeon(SB), NOSPLIT, $0-80
	MOVD dst_base+0(FP), R0
	MOVD dst_len+8(FP), R1
	MOVD rows_base+24(FP), R2
	MOVD x_base+48(FP), R7
	MOVD x_len+56(FP), R14
	MOVD cols+72(FP), R13
	UDIV R13, R14, R14        // vectors
	UDIV R14, R1, R1          // rows
	LSL  $2, R13, R15         // bytes of a vector
	LSR  $4, R13, R12

	// Where the products with each vector go. A vector that is missing has the
	// place of the second, which is stored after it.
	LSL  $2, R1, R8
	ADD  R8, R0, R19
	ADD  R8, R19, R20
	ADD  R8, R20, R21
	CMP  $3, R14
	CSEL LT, R19, R20, R20
	CMP  $4, R14
	CSEL LT, R19, R21, R21

rows:
	SUBS $1, R1, R1
	BLT  done
	MOVD R12, R11
	MOVD R7, R3
	ADD  R15, R3, R4
	ADD  R15, R4, R5
	ADD  R15, R5, R6
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
	CMP  $3, R14
	BLT  two
	BEQ  three

four:
	VECTORS4
	SUBS $1, R11, R11
	BNE  four
	B    trees

three:
	VECTORS3
	SUBS $1, R11, R11
	BNE  three
	B    trees

two:
	VECTORS2
	SUBS $1, R11, R11
	BNE  two

trees:
	LANES4(16, 17, 18, 19)
	LANES4(20, 21, 22, 23)
	LANES4(24, 25, 26, 27)
	LANES4(28, 29, 30, 31)
	VZIP1  V20.D2, V16.D2, V17.D2   // lanes 0 and 1 of the first two vectors
	VZIP2  V20.D2, V16.D2, V18.D2   // lanes 2 and 3
	VZIP1  V28.D2, V24.D2, V25.D2
	VZIP2  V28.D2, V24.D2, V26.D2
	FADD(18, 17, 17)
	FADD(26, 25, 25)
	FADDP(25, 17, 17)
	VST1.P V17.S[3], 4(R21)
	VST1.P V17.S[2], 4(R20)
	VST1.P V17.S[1], 4(R19)
	VST1.P V17.S[0], 4(R0)
	B      rows

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

// INTEGERS adds the products of 16 integers of a vector, in x0 and x1, with
// those of two rows, in V16 and V17 and in V18 and V19, to sums in two registers
// for each row.
#define INTEGERS(x0, x1, a, a2, b, b2) \
	SMLAL_H(x0, 16, a)             \
	SMLAL2_H(x0, 16, a2)           \
	SMLAL_H(x0, 18, b)             \
	SMLAL2_H(x0, 18, b2)           \
	SMLAL_H(x1, 17, a)             \
	SMLAL2_H(x1, 17, a2)           \
	SMLAL_H(x1, 19, b)             \
	SMLAL2_H(x1, 19, b2)

#define INTEGERS2                        \
	FMOVQ.P 16(R8), F20              \
	FMOVQ.P 16(R9), F21              \
	VLD1.P  32(R3), [V22.H8, V23.H8] \
	VLD1.P  32(R4), [V24.H8, V25.H8] \
	SXTL(20, 16)                     \
	SXTL2(20, 17)                    \
	SXTL(21, 18)                     \
	SXTL2(21, 19)                    \
	INTEGERS(22, 23, 0, 1, 2, 3)     \
	INTEGERS(24, 25, 4, 5, 6, 7)

#define INTEGERS3                       \
	INTEGERS2                       \
	VLD1.P 32(R5), [V22.H8, V23.H8] \
	INTEGERS(22, 23, 8, 9, 10, 11)

#define INTEGERS4                       \
	INTEGERS2                       \
	VLD1.P 32(R5), [V22.H8, V23.H8] \
	VLD1.P 32(R6), [V24.H8, V25.H8] \
	INTEGERS(22, 23, 8, 9, 10, 11)  \
	INTEGERS(24, 25, 12, 13, 14, 15)

#define JOIN(a, a2, b, b2)     \
	VADD a2.S4, a.S4, a.S4 \
	VADD b2.S4, b.S4, b.S4

// func dotsInt8FewNeon(dst []int32, rows []int8, x []int16, cols int)
TEXT ·dotsInt8FewNeon(SB), NOSPLIT, $0-80
#include "dotsint8_arm64.h"
