//go:build !purego

#include "lanes_amd64.h"
#include "textflag.h"

// func sumSquaresAVX2(x []float32) float32
TEXT ·sumSquaresAVX2(SB), NOSPLIT, $0-28
	MOVQ   x_base+0(FP), SI
	MOVQ   x_len+8(FP), CX
	VXORPS X0, X0, X0
	VXORPS X1, X1, X1
	SHRQ   $4, CX
	JEQ    done

loop:
	VMOVUPS     (SI), Y2
	VMOVUPS     32(SI), Y3
	VFMADD231PS Y2, Y2, Y0
	VFMADD231PS Y3, Y3, Y1
	ADDQ        $64, SI
	DECQ        CX
	JNE         loop

done:
	SUM_LANES(Y0, Y1, X0, X1)
	VMOVSS X0, ret+24(FP)
	VZEROUPPER
	RET

// func normalizeAVX2(dst, x, weight []float32, factor float32)
TEXT ·normalizeAVX2(SB), NOSPLIT, $0-76
	MOVQ         dst_base+0(FP), DI
	MOVQ         x_base+24(FP), SI
	MOVQ         x_len+32(FP), CX
	MOVQ         weight_base+48(FP), BX
	VBROADCASTSS factor+72(FP), Y0
	XORQ         AX, AX
	SHRQ         $4, CX
	JEQ          done

loop:
	VMULPS  (SI)(AX*1), Y0, Y1
	VMULPS  32(SI)(AX*1), Y0, Y2
	VMULPS  (BX)(AX*1), Y1, Y1
	VMULPS  32(BX)(AX*1), Y2, Y2
	VMOVUPS Y1, (DI)(AX*1)
	VMOVUPS Y2, 32(DI)(AX*1)
	ADDQ    $64, AX
	DECQ    CX
	JNE     loop

done:
	VZEROUPPER
	RET

// func addAVX2(dst, x []float32)
TEXT ·addAVX2(SB), NOSPLIT, $0-48
	MOVQ dst_base+0(FP), DI
	MOVQ x_base+24(FP), SI
	MOVQ x_len+32(FP), CX
	XORQ AX, AX
	SHRQ $4, CX
	JEQ  done

loop:
	VMOVUPS (DI)(AX*1), Y0
	VMOVUPS 32(DI)(AX*1), Y1
	VADDPS  (SI)(AX*1), Y0, Y0
	VADDPS  32(SI)(AX*1), Y1, Y1
	VMOVUPS Y0, (DI)(AX*1)
	VMOVUPS Y1, 32(DI)(AX*1)
	ADDQ    $64, AX
	DECQ    CX
	JNE     loop

done:
	VZEROUPPER
	RET

// func reluSquaredMulAVX2(gate, up []float32)
TEXT ·reluSquaredMulAVX2(SB), NOSPLIT, $0-48
	MOVQ   gate_base+0(FP), DI
	MOVQ   gate_len+8(FP), CX
	MOVQ   up_base+24(FP), SI
	VXORPS X0, X0, X0
	XORQ   AX, AX
	SHRQ   $4, CX
	JEQ    done

	// VMAXPS gives Y0 where the other operand is a NaN.
loop:
	VMOVUPS (DI)(AX*1), Y1
	VMOVUPS 32(DI)(AX*1), Y2
	VMAXPS  Y0, Y1, Y1
	VMAXPS  Y0, Y2, Y2
	VMULPS  Y1, Y1, Y1
	VMULPS  Y2, Y2, Y2
	VMULPS  (SI)(AX*1), Y1, Y1
	VMULPS  32(SI)(AX*1), Y2, Y2
	VMOVUPS Y1, (DI)(AX*1)
	VMOVUPS Y2, 32(DI)(AX*1)
	ADDQ    $64, AX
	DECQ    CX
	JNE     loop

done:
	VZEROUPPER
	RET

// func floatToHalfAVX2(dst []uint16, src []float32)
TEXT ·floatToHalfAVX2(SB), NOSPLIT, $0-48
	MOVQ dst_base+0(FP), DI
	MOVQ src_base+24(FP), SI
	MOVQ src_len+32(FP), CX
	XORQ AX, AX
	SHRQ $4, CX
	JEQ  done

loop:
	VMOVUPS   (SI)(AX*2), Y0
	VMOVUPS   32(SI)(AX*2), Y1
	VCVTPS2PH $0, Y0, (DI)(AX*1)
	VCVTPS2PH $0, Y1, 16(DI)(AX*1)
	ADDQ      $32, AX
	DECQ      CX
	JNE       loop

done:
	VZEROUPPER
	RET

// MUL_STEP adds to the sums of 4 rows × 1 group (Y0 to Y7) the products of
// column k of a and the group's row k of b, counted from where SI and R11 point
// to. load reads 8 numbers, which size bytes hold.
#define MUL_STEP(load, size, k) \
	load         (k*2*size)(R11), Y8      \
	load         (k*2*size+size)(R11), Y9 \
	VBROADCASTSS (k*4)(SI), Y10           \
	VBROADCASTSS (k*4)(SI)(R8*1), Y11     \
	VBROADCASTSS (k*4)(SI)(R9*1), Y12     \
	VBROADCASTSS (k*4)(SI)(R10*1), Y13    \
	VFMADD231PS  Y8, Y10, Y0              \
	VFMADD231PS  Y9, Y10, Y1              \
	VFMADD231PS  Y8, Y11, Y2              \
	VFMADD231PS  Y9, Y11, Y3              \
	VFMADD231PS  Y8, Y12, Y4              \
	VFMADD231PS  Y9, Y12, Y5              \
	VFMADD231PS  Y8, Y13, Y6              \
	VFMADD231PS  Y9, Y13, Y7

// MUL is what mulHalf and mulFloat share. load reads 8 numbers of b, 2 to the
// power of log2size is the size of one.
//
// It computes blocks of 4 rows × 1 group. Rows that are missing are the first
// row again, so that its values are stored more than once.
//
// In: DI c, R13 its stride, SI a, R8 its stride, CX rows, R11 b, AX its stride,
// DX inner, R14 groups, all as the caller gave them. In the loop R8, R9 and R10
// are the offsets in bytes of the other rows of a from SI, R13, R15 and BX
// those of c from DI, R11 points into the group. The group after it, or what
// lies behind the last one, is on its way from memory.
#define MUL(load, log2size) \
	SHLQ       $log2size, AX             \
	SHLQ       $2, R8                    \
	SHLQ       $2, R13                   \
	LEAQ       (R8)(R8*1), R9            \
	LEAQ       (R13)(R13*1), R15         \
	LEAQ       (R8)(R9*1), R10           \
	LEAQ       (R13)(R15*1), BX          \
	CMPQ       CX, $4                    \
	JGE        group                     \
	XORQ       R10, R10                  \
	XORQ       BX, BX                    \
	CMPQ       CX, $3                    \
	JEQ        group                     \
	XORQ       R9, R9                    \
	XORQ       R15, R15                  \
	CMPQ       CX, $2                    \
	JEQ        group                     \
	XORQ       R8, R8                    \
	XORQ       R13, R13                  \
	group:                               \
	VXORPS     X0, X0, X0                \
	VXORPS     X1, X1, X1                \
	VXORPS     X2, X2, X2                \
	VXORPS     X3, X3, X3                \
	VXORPS     X4, X4, X4                \
	VXORPS     X5, X5, X5                \
	VXORPS     X6, X6, X6                \
	VXORPS     X7, X7, X7                \
	MOVQ       DX, CX                    \
	SUBQ       $4, CX                    \
	JLT        fewer                     \
	four:                                \
	MUL_STEP(load, (8<<log2size), 0)     \
	MUL_STEP(load, (8<<log2size), 1)     \
	MUL_STEP(load, (8<<log2size), 2)     \
	MUL_STEP(load, (8<<log2size), 3)     \
	PREFETCHT0 (R11)(AX*1)               \
	PREFETCHT0 (32<<log2size)(R11)(AX*1) \
	ADDQ       $16, SI                   \
	ADDQ       $(64<<log2size), R11      \
	SUBQ       $4, CX                    \
	JGE        four                      \
	fewer:                               \
	ADDQ       $4, CX                    \
	JEQ        store                     \
	one:                                 \
	MUL_STEP(load, (8<<log2size), 0)     \
	ADDQ       $4, SI                    \
	ADDQ       $(16<<log2size), R11      \
	DECQ       CX                        \
	JNE        one                       \
	store:                               \
	VMOVUPS    Y0, (DI)                  \
	VMOVUPS    Y1, 32(DI)                \
	VMOVUPS    Y2, (DI)(R13*1)           \
	VMOVUPS    Y3, 32(DI)(R13*1)         \
	VMOVUPS    Y4, (DI)(R15*1)           \
	VMOVUPS    Y5, 32(DI)(R15*1)         \
	VMOVUPS    Y6, (DI)(BX*1)            \
	VMOVUPS    Y7, 32(DI)(BX*1)          \
	ADDQ       $64, DI                   \
	MOVQ       DX, CX                    \
	SHLQ       $2, CX                    \
	SUBQ       CX, SI                    \
	SHLQ       $(2+log2size), CX         \
	SUBQ       CX, R11                   \
	ADDQ       AX, R11                   \
	DECQ       R14                       \
	JNE        group                     \
	VZEROUPPER                           \
	RET

// func mulHalfAVX2(c []float32, cStride int, a []float32, aStride, rows int, b []uint16, groupStride, inner, groups int)
TEXT ·mulHalfAVX2(SB), NOSPLIT, $0-120
	MOVQ c_base+0(FP), DI
	MOVQ cStride+24(FP), R13
	MOVQ a_base+32(FP), SI
	MOVQ aStride+56(FP), R8
	MOVQ rows+64(FP), CX
	MOVQ b_base+72(FP), R11
	MOVQ groupStride+96(FP), AX
	MOVQ inner+104(FP), DX
	MOVQ groups+112(FP), R14
	MUL(VCVTPH2PS, 1)

// func mulFloatAVX2(c []float32, cStride int, a []float32, aStride, rows int, b []float32, groupStride, inner, groups int)
TEXT ·mulFloatAVX2(SB), NOSPLIT, $0-120
	MOVQ c_base+0(FP), DI
	MOVQ cStride+24(FP), R13
	MOVQ a_base+32(FP), SI
	MOVQ aStride+56(FP), R8
	MOVQ rows+64(FP), CX
	MOVQ b_base+72(FP), R11
	MOVQ groupStride+96(FP), AX
	MOVQ inner+104(FP), DX
	MOVQ groups+112(FP), R14
	MUL(VMOVUPS, 2)

// EXP replaces Y2 and Y3, at most 0, by their exponentials, 0 for a NaN. It is
// Exp, operation for operation. Y13 to Y15 hold roundShift, log2e and
// expCutoff. Y0, Y1, Y6 and Y7 stay.
#define EXP \
	VMOVAPS      Y13, Y4                   \
	VMOVAPS      Y13, Y5                   \
	VFMADD231PS  Y14, Y2, Y4               \
	VFMADD231PS  Y14, Y3, Y5               \
	VCMPPS       $0x1d, Y15, Y2, Y10       \
	VCMPPS       $0x1d, Y15, Y3, Y11       \
	VSUBPS       Y13, Y4, Y8               \
	VSUBPS       Y13, Y5, Y9               \
	VBROADCASTSS ·expConstants+12(SB), Y12 \
	VFNMADD231PS Y12, Y8, Y2               \
	VFNMADD231PS Y12, Y9, Y3               \
	VBROADCASTSS ·expConstants+16(SB), Y12 \
	VFNMADD231PS Y12, Y8, Y2               \
	VFNMADD231PS Y12, Y9, Y3               \
	VBROADCASTSS ·expSeries+0(SB), Y8      \
	VMOVAPS      Y8, Y9                    \
	HORNER(4)                              \
	HORNER(8)                              \
	HORNER(12)                             \
	HORNER(16)                             \
	HORNER(20)                             \
	HORNER(24)                             \
	HORNER(28)                             \
	VPSLLD       $23, Y4, Y4               \
	VPSLLD       $23, Y5, Y5               \
	VPADDD       Y4, Y8, Y2                \
	VPADDD       Y5, Y9, Y3                \
	VANDPS       Y10, Y2, Y2               \
	VANDPS       Y11, Y3, Y3

// HORNER is one step of the series, whose coefficient lies offset bytes in.
#define HORNER(offset) \
	VBROADCASTSS ·expSeries+offset(SB), Y12 \
	VFMADD213PS  Y12, Y2, Y8                \
	VFMADD213PS  Y12, Y3, Y9

// 16 numbers from n on, of which the first 16−n have all bits set.
DATA tailMask<>+0(SB)/8, $-1
DATA tailMask<>+8(SB)/8, $-1
DATA tailMask<>+16(SB)/8, $-1
DATA tailMask<>+24(SB)/8, $-1
DATA tailMask<>+32(SB)/8, $-1
DATA tailMask<>+40(SB)/8, $-1
DATA tailMask<>+48(SB)/8, $-1
DATA tailMask<>+56(SB)/8, $-1
GLOBL tailMask<>(SB), RODATA|NOPTR, $128

// func softmaxAVX2(x []float32, scale float32) (largest, sum float32)
TEXT ·softmaxAVX2(SB), NOSPLIT, $0-40
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), DX
	VBROADCASTSS scale+24(FP), Y1

	// R9 points to a mask for the DX elements beyond the last 16, R8 to these.
	MOVQ DX, CX
	ANDQ $15, DX
	SUBQ DX, CX
	LEAQ (SI)(CX*4), R8
	LEAQ tailMask<>+64(SB), R9
	MOVQ DX, CX
	SHLQ $2, CX
	SUBQ CX, R9

	// Y0 and Y6: the largest scaled value of each lane, −∞ to begin with.
	// VMAXPS gives its second operand, here the first, where the other is a
	// NaN.
	VBROADCASTSS minusInfinity<>(SB), Y7
	VMOVAPS      Y7, Y0
	VMOVAPS      Y7, Y6
	MOVQ         SI, DI
	CMPQ         DI, R8
	JEQ          largestOfRest

largest:
	VMULPS (DI), Y1, Y2
	VMULPS 32(DI), Y1, Y3
	VMAXPS Y0, Y2, Y0
	VMAXPS Y6, Y3, Y6
	ADDQ   $64, DI
	CMPQ   DI, R8
	JNE    largest

largestOfRest:
	TESTQ      DX, DX
	JEQ        largestOfLanes
	VMOVUPS    (R9), Y4
	VMOVUPS    32(R9), Y5
	VMASKMOVPS (R8), Y4, Y2
	VMASKMOVPS 32(R8), Y5, Y3
	VMULPS     Y1, Y2, Y2
	VMULPS     Y1, Y3, Y3
	VBLENDVPS  Y4, Y2, Y7, Y2
	VBLENDVPS  Y5, Y3, Y7, Y3
	VMAXPS     Y0, Y2, Y0
	VMAXPS     Y6, Y3, Y6

largestOfLanes:
	VMAXPS       Y6, Y0, Y0
	VEXTRACTF128 $1, Y0, X2
	VMAXPS       X2, X0, X0
	VMOVHLPS     X0, X0, X2
	VMAXPS       X2, X0, X0
	VMOVSHDUP    X0, X2
	VMAXSS       X2, X0, X0

	// 0 has two signs; the definition's is that of the first. X1 is the scale.
	VXORPS   X2, X2, X2
	VUCOMISS X2, X0
	JNE      known
	MOVQ     SI, DI

firstZero:
	VMULSS   (DI), X1, X0
	ADDQ     $4, DI
	VUCOMISS X2, X0
	JNE      firstZero
	JPS      firstZero    // a NaN

known:
	VMOVSS       X0, largest+32(FP)
	VBROADCASTSS X0, Y0

	VBROADCASTSS ·expConstants+0(SB), Y15
	VBROADCASTSS ·expConstants+4(SB), Y14
	VBROADCASTSS ·expConstants+8(SB), Y13
	VXORPS       X6, X6, X6
	VXORPS       X7, X7, X7
	MOVQ         SI, DI
	CMPQ         DI, R8
	JEQ          rest

loop:
	VMULPS  (DI), Y1, Y2
	VMULPS  32(DI), Y1, Y3
	VSUBPS  Y0, Y2, Y2
	VSUBPS  Y0, Y3, Y3
	EXP
	VADDPS  Y2, Y6, Y6
	VADDPS  Y3, Y7, Y7
	VMOVUPS Y2, (DI)
	VMOVUPS Y3, 32(DI)
	ADDQ    $64, DI
	CMPQ    DI, R8
	JNE     loop

rest:
	TESTQ      DX, DX
	JEQ        done
	VMOVUPS    (R9), Y4
	VMOVUPS    32(R9), Y5
	VMASKMOVPS (R8), Y4, Y2
	VMASKMOVPS 32(R8), Y5, Y3
	VMULPS     Y1, Y2, Y2
	VMULPS     Y1, Y3, Y3
	VSUBPS     Y0, Y2, Y2
	VSUBPS     Y0, Y3, Y3
	EXP
	VMOVUPS    (R9), Y4
	VMOVUPS    32(R9), Y5
	VANDPS     Y4, Y2, Y2
	VANDPS     Y5, Y3, Y3
	VADDPS     Y2, Y6, Y6
	VADDPS     Y3, Y7, Y7
	VMASKMOVPS Y2, Y4, (R8)
	VMASKMOVPS Y3, Y5, 32(R8)

done:
	SUM_LANES(Y6, Y7, X6, X7)
	VMOVSS X6, sum+36(FP)
	VZEROUPPER
	RET

DATA minusInfinity<>+0(SB)/4, $0xff800000
GLOBL minusInfinity<>(SB), RODATA|NOPTR, $4

// func siluMulAVX2(gate, up []float32)
TEXT ·siluMulAVX2(SB), NOSPLIT, $0-48
	MOVQ         gate_base+0(FP), DI
	MOVQ         gate_len+8(FP), CX
	MOVQ         up_base+24(FP), SI
	VBROADCASTSS ·expConstants+0(SB), Y15
	VBROADCASTSS ·expConstants+4(SB), Y14
	VBROADCASTSS ·expConstants+8(SB), Y13
	VBROADCASTSS ·expSeries+28(SB), Y7    // 1
	VPCMPEQD     Y6, Y6, Y6
	VPSLLD       $31, Y6, Y6              // the sign
	XORQ         AX, AX
	SHRQ         $4, CX
	JEQ          done

	// VBLENDVPS goes by the sign: that of 0 makes no difference, since then
	// e is 1.
loop:
	VMOVUPS   (DI)(AX*1), Y0
	VMOVUPS   32(DI)(AX*1), Y1
	VORPS     Y6, Y0, Y2
	VORPS     Y6, Y1, Y3
	EXP
	VBLENDVPS Y0, Y2, Y7, Y4
	VBLENDVPS Y1, Y3, Y7, Y5
	VMULPS    Y4, Y0, Y0
	VMULPS    Y5, Y1, Y1
	VADDPS    Y7, Y2, Y2
	VADDPS    Y7, Y3, Y3
	VDIVPS    Y2, Y0, Y0
	VDIVPS    Y3, Y1, Y1
	VMULPS    (SI)(AX*1), Y0, Y0
	VMULPS    32(SI)(AX*1), Y1, Y1
	VMOVUPS   Y0, (DI)(AX*1)
	VMOVUPS   Y1, 32(DI)(AX*1)
	ADDQ      $64, AX
	DECQ      CX
	JNE       loop

done:
	VZEROUPPER
	RET

// func dotHalfAVX2(dst []float32, rows []uint16, x []float32)
TEXT ·dotHalfAVX2(SB), NOSPLIT, $0-72
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), DX
	MOVQ rows_base+24(FP), SI
	MOVQ x_base+48(FP), BX
	MOVQ x_len+56(FP), R8
	ADDQ R8, R8               // bytes of a row
	SUBQ $4, DX
	JLT  rest

	LEAQ (SI)(R8*1), R9
	LEAQ (SI)(R8*2), R10
	LEAQ (R9)(R8*2), R11

four:
	VXORPS X0, X0, X0
	VXORPS X1, X1, X1
	VXORPS X2, X2, X2
	VXORPS X3, X3, X3
	VXORPS X4, X4, X4
	VXORPS X5, X5, X5
	VXORPS X6, X6, X6
	VXORPS X7, X7, X7
	XORQ   AX, AX
	CMPQ   AX, R8
	JEQ    reduce

	// The rows are streamed from memory, each page of them a new start for the
	// processor's own prefetching. A little ahead of it is fastest.
loop:
	VMOVUPS     (BX)(AX*2), Y8
	VMOVUPS     32(BX)(AX*2), Y9
	PREFETCHT0  512(SI)(AX*1)
	VCVTPH2PS   (SI)(AX*1), Y10
	VCVTPH2PS   16(SI)(AX*1), Y11
	VFMADD231PS Y10, Y8, Y0
	VFMADD231PS Y11, Y9, Y1
	PREFETCHT0  512(R9)(AX*1)
	VCVTPH2PS   (R9)(AX*1), Y12
	VCVTPH2PS   16(R9)(AX*1), Y13
	VFMADD231PS Y12, Y8, Y2
	VFMADD231PS Y13, Y9, Y3
	PREFETCHT0  512(R10)(AX*1)
	VCVTPH2PS   (R10)(AX*1), Y10
	VCVTPH2PS   16(R10)(AX*1), Y11
	VFMADD231PS Y10, Y8, Y4
	VFMADD231PS Y11, Y9, Y5
	PREFETCHT0  512(R11)(AX*1)
	VCVTPH2PS   (R11)(AX*1), Y12
	VCVTPH2PS   16(R11)(AX*1), Y13
	VFMADD231PS Y12, Y8, Y6
	VFMADD231PS Y13, Y9, Y7
	ADDQ        $32, AX
	CMPQ        AX, R8
	JNE         loop

reduce:
	VADDPS  Y1, Y0, Y0
	VADDPS  Y5, Y4, Y8
	VADDPS  Y3, Y2, Y1
	VADDPS  Y7, Y6, Y3
	VMOVAPS Y8, Y2
	SUM_FOUR
	VMOVUPS X0, (DI)

	ADDQ $16, DI
	LEAQ (SI)(R8*4), SI
	LEAQ (R9)(R8*4), R9
	LEAQ (R10)(R8*4), R10
	LEAQ (R11)(R8*4), R11
	SUBQ $4, DX
	JGE  four

rest:
	ADDQ $4, DX
	JEQ  done

one:
	VXORPS X0, X0, X0
	VXORPS X1, X1, X1
	XORQ   AX, AX
	CMPQ   AX, R8
	JEQ    reduceOne

loopOne:
	PREFETCHT0  1024(SI)(AX*1)
	VCVTPH2PS   (SI)(AX*1), Y2
	VCVTPH2PS   16(SI)(AX*1), Y3
	VFMADD231PS (BX)(AX*2), Y2, Y0
	VFMADD231PS 32(BX)(AX*2), Y3, Y1
	ADDQ        $32, AX
	CMPQ        AX, R8
	JNE         loopOne

reduceOne:
	SUM_LANES(Y0, Y1, X0, X1)
	VMOVSS X0, (DI)
	ADDQ   $4, DI
	ADDQ   R8, SI
	DECQ   DX
	JNE    one

done:
	VZEROUPPER
	RET

// func quantizeHalfAVX2(dst []int8, row []uint16) (step, rest, squares float32)
TEXT ·quantizeHalfAVX2(SB), NOSPLIT, $0-60
	MOVQ dst_base+0(FP), DI
	MOVQ row_base+24(FP), SI
	MOVQ row_len+32(FP), CX
	LEAQ (CX)(CX*1), R9      // bytes of the row
	SHRQ $4, CX

	// Without their signs, float16 values order like integers.
	VPCMPEQW Y1, Y1, Y1
	VPSRLW   $1, Y1, Y2
	VPXOR    X0, X0, X0
	MOVQ     SI, R8
	MOVQ     CX, DX
	TESTQ    DX, DX
	JEQ      largestOfLanes

largest:
	VPAND   (R8), Y2, Y3
	VPMAXUW Y3, Y0, Y0
	ADDQ    $32, R8
	DECQ    DX
	JNE     largest

	// The largest of 8 words is the complement of the smallest complement.
largestOfLanes:
	VEXTRACTI128 $1, Y0, X3
	VPMAXUW      X3, X0, X0
	VPXOR        X1, X0, X0
	VPHMINPOSUW  X0, X0
	VPXOR        X1, X0, X0
	VCVTPH2PS    X0, X0

	// X0: the largest, X2: step, X1: 127/largest, 0 for the largest 0.
	MOVL     $0x42fe0000, AX // 127
	VMOVD    AX, X3
	VDIVSS   X3, X0, X2
	VMOVSS   X2, step+48(FP)
	VXORPS   X1, X1, X1
	VUCOMISS X1, X0
	JEQ      scaled
	VDIVSS   X0, X3, X1

scaled:
	VBROADCASTSS X1, Y1
	VBROADCASTSS X2, Y2
	VXORPS       X6, X6, X6 // rest
	VXORPS       X7, X7, X7
	VXORPS       X8, X8, X8 // squares
	VXORPS       X9, X9, X9
	TESTQ        CX, CX
	JEQ          done

	// The next row is on its way from memory meanwhile.
loop:
	PREFETCHT0  (SI)(R9*1)
	VCVTPH2PS   (SI), Y3
	VCVTPH2PS   16(SI), Y4
	IMAGE_OF_16
	ADDQ         $32, SI
	ADDQ         $16, DI
	DECQ         CX
	JNE          loop

done:
	SUM_LANES(Y6, Y7, X6, X7)
	SUM_LANES(Y8, Y9, X8, X9)
	VMOVSS X6, rest+52(FP)
	VMOVSS X8, squares+56(FP)
	VZEROUPPER
	RET
