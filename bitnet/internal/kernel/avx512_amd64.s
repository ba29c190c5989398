//go:build !purego

#include "lanes_amd64.h"
#include "textflag.h"

// SUM_REGISTER adds up the 16 lanes of z by the fixed tree. y and x are other
// names of it, yhigh and xhigh of one more register.
#define SUM_REGISTER(z, y, x, yhigh, xhigh) \
	VEXTRACTF64X4 $1, z, yhigh \
	SUM_LANES(y, yhigh, x, xhigh)

// func sumSquaresAVX512(x []float32) float32
TEXT ·sumSquaresAVX512(SB), NOSPLIT, $0-28
	MOVQ   x_base+0(FP), SI
	MOVQ   x_len+8(FP), CX
	VXORPS X0, X0, X0
	SHRQ   $4, CX
	JZ     done

loop:
	VMOVUPS     (SI), Z1
	VFMADD231PS Z1, Z1, Z0
	ADDQ        $64, SI
	DECQ        CX
	JNZ         loop

done:
	SUM_REGISTER(Z0, Y0, X0, Y1, X1)
	VMOVSS X0, ret+24(FP)
	VZEROUPPER
	RET

// func normalizeAVX512(dst, x, weight []float32, factor float32)
TEXT ·normalizeAVX512(SB), NOSPLIT, $0-76
	MOVQ         dst_base+0(FP), DI
	MOVQ         x_base+24(FP), SI
	MOVQ         x_len+32(FP), CX
	MOVQ         weight_base+48(FP), BX
	VBROADCASTSS factor+72(FP), Z0
	XORQ         AX, AX
	SHRQ         $4, CX
	JZ           done

loop:
	VMULPS  (SI)(AX*1), Z0, Z1
	VMULPS  (BX)(AX*1), Z1, Z1
	VMOVUPS Z1, (DI)(AX*1)
	ADDQ    $64, AX
	DECQ    CX
	JNZ     loop

done:
	VZEROUPPER
	RET

// func addAVX512(dst, x []float32)
TEXT ·addAVX512(SB), NOSPLIT, $0-48
	MOVQ dst_base+0(FP), DI
	MOVQ x_base+24(FP), SI
	MOVQ x_len+32(FP), CX
	XORQ AX, AX
	SHRQ $4, CX
	JZ   done

loop:
	VMOVUPS (DI)(AX*1), Z0
	VADDPS  (SI)(AX*1), Z0, Z0
	VMOVUPS Z0, (DI)(AX*1)
	ADDQ    $64, AX
	DECQ    CX
	JNZ     loop

done:
	VZEROUPPER
	RET

// func reluSquaredMulAVX512(gate, up []float32)
TEXT ·reluSquaredMulAVX512(SB), NOSPLIT, $0-48
	MOVQ   gate_base+0(FP), DI
	MOVQ   gate_len+8(FP), CX
	MOVQ   up_base+24(FP), SI
	VXORPS X0, X0, X0
	XORQ   AX, AX
	SHRQ   $4, CX
	JZ     done

loop:
	VMOVUPS (DI)(AX*1), Z1
	VMAXPS  Z0, Z1, Z1         // Z0 where Z1 is a NaN
	VMULPS  Z1, Z1, Z1
	VMULPS  (SI)(AX*1), Z1, Z1
	VMOVUPS Z1, (DI)(AX*1)
	ADDQ    $64, AX
	DECQ    CX
	JNZ     loop

done:
	VZEROUPPER
	RET

// func floatToHalfAVX512(dst []uint16, src []float32)
TEXT ·floatToHalfAVX512(SB), NOSPLIT, $0-48
	MOVQ dst_base+0(FP), DI
	MOVQ src_base+24(FP), SI
	MOVQ src_len+32(FP), CX
	XORQ AX, AX
	SHRQ $4, CX
	JZ   done

loop:
	VMOVUPS   (SI)(AX*2), Z0
	VCVTPS2PH $0, Z0, (DI)(AX*1)
	ADDQ      $32, AX
	DECQ      CX
	JNZ       loop

done:
	VZEROUPPER
	RET

// MUL_STEP adds to the sums of 4 rows × 2 groups (Z0 to Z7) the products of
// column k of a and the groups' rows k of b, counted from where SI, R11 and R12
// point to. load reads 16 numbers, which size bytes hold.
#define MUL_STEP(load, size, k) \
	load         (k*size)(R11), Z8     \
	load         (k*size)(R12), Z9     \
	VBROADCASTSS (k*4)(SI), Z10        \
	VBROADCASTSS (k*4)(SI)(R8*1), Z11  \
	VBROADCASTSS (k*4)(SI)(R9*1), Z12  \
	VBROADCASTSS (k*4)(SI)(R10*1), Z13 \
	VFMADD231PS  Z8, Z10, Z0           \
	VFMADD231PS  Z9, Z10, Z1           \
	VFMADD231PS  Z8, Z11, Z2           \
	VFMADD231PS  Z9, Z11, Z3           \
	VFMADD231PS  Z8, Z12, Z4           \
	VFMADD231PS  Z9, Z12, Z5           \
	VFMADD231PS  Z8, Z13, Z6           \
	VFMADD231PS  Z9, Z13, Z7

// MUL is what mulHalf and mulFloat share. load reads 16 numbers of b, 2 to the
// power of log2size is the size of one.
//
// It computes blocks of 4 rows × 2 groups. Rows that are missing are the first
// row again, so that its values are stored more than once. A second group that
// is missing is the first again, and not stored.
//
// In: DI c, R13 its stride, SI a, R8 its stride, CX rows, R11 b, AX its stride,
// DX inner, R14 groups, all as the caller gave them. In the loop R8, R9 and R10
// are the offsets in bytes of the other rows of a from SI, R13, R15 and BX
// those of c from DI, R11 and R12 point into the two groups. The two groups
// after these, or what lies behind the last one, are on their way from memory.
#define MUL(load, log2size) \
	SHLQ       $log2size, AX             \
	SHLQ       $2, R8                    \
	SHLQ       $2, R13                   \
	LEAQ       (R8)(R8*1), R9            \
	LEAQ       (R13)(R13*1), R15         \
	LEAQ       (R8)(R9*1), R10           \
	LEAQ       (R13)(R15*1), BX          \
	CMPQ       CX, $4                    \
	JGE        pair                      \
	XORQ       R10, R10                  \
	XORQ       BX, BX                    \
	CMPQ       CX, $3                    \
	JEQ        pair                      \
	XORQ       R9, R9                    \
	XORQ       R15, R15                  \
	CMPQ       CX, $2                    \
	JEQ        pair                      \
	XORQ       R8, R8                    \
	XORQ       R13, R13                  \
	pair:                                \
	MOVQ       R11, R12                  \
	CMPQ       R14, $1                   \
	JEQ        ready                     \
	ADDQ       AX, R12                   \
	ready:                               \
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
	MUL_STEP(load, (16<<log2size), 0)    \
	MUL_STEP(load, (16<<log2size), 1)    \
	MUL_STEP(load, (16<<log2size), 2)    \
	MUL_STEP(load, (16<<log2size), 3)    \
	PREFETCHT0 (R11)(AX*2)               \
	PREFETCHT0 (32<<log2size)(R11)(AX*2) \
	PREFETCHT0 (R12)(AX*2)               \
	PREFETCHT0 (32<<log2size)(R12)(AX*2) \
	ADDQ       $16, SI                   \
	ADDQ       $(64<<log2size), R11      \
	ADDQ       $(64<<log2size), R12      \
	SUBQ       $4, CX                    \
	JGE        four                      \
	fewer:                               \
	ADDQ       $4, CX                    \
	JEQ        store                     \
	one:                                 \
	MUL_STEP(load, (16<<log2size), 0)    \
	ADDQ       $4, SI                    \
	ADDQ       $(16<<log2size), R11      \
	ADDQ       $(16<<log2size), R12      \
	DECQ       CX                        \
	JNE        one                       \
	store:                               \
	VMOVUPS    Z0, (DI)                  \
	VMOVUPS    Z2, (DI)(R13*1)           \
	VMOVUPS    Z4, (DI)(R15*1)           \
	VMOVUPS    Z6, (DI)(BX*1)            \
	CMPQ       R14, $1                   \
	JEQ        done                      \
	ADDQ       $64, DI                   \
	VMOVUPS    Z1, (DI)                  \
	VMOVUPS    Z3, (DI)(R13*1)           \
	VMOVUPS    Z5, (DI)(R15*1)           \
	VMOVUPS    Z7, (DI)(BX*1)            \
	ADDQ       $64, DI                   \
	MOVQ       DX, CX                    \
	SHLQ       $2, CX                    \
	SUBQ       CX, SI                    \
	SHLQ       $(2+log2size), CX         \
	MOVQ       R12, R11                  \
	SUBQ       CX, R11                   \
	ADDQ       AX, R11                   \
	SUBQ       $2, R14                   \
	JGT        pair                      \
	done:                                \
	VZEROUPPER                           \
	RET

// func mulHalfAVX512(c []float32, cStride int, a []float32, aStride, rows int, b []uint16, groupStride, inner, groups int)
TEXT ·mulHalfAVX512(SB), NOSPLIT, $0-120
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

// func mulFloatAVX512(c []float32, cStride int, a []float32, aStride, rows int, b []float32, groupStride, inner, groups int)
TEXT ·mulFloatAVX512(SB), NOSPLIT, $0-120
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

// EXP replaces Z2, at most 0, by its exponential where the mask in has a bit,
// by 0 elsewhere. It is Exp, operation for operation. Z16 to Z28 hold the
// constants.
#define EXP(in) \
	VCMPPS       $0x1d, Z16, Z2, in, K2 \
	VMOVAPS      Z18, Z3                \
	VFMADD231PS  Z17, Z2, Z3            \
	VSUBPS       Z18, Z3, Z4            \
	VFNMADD231PS Z19, Z4, Z2            \
	VFNMADD231PS Z20, Z4, Z2            \
	VMOVAPS      Z21, Z5                \
	VFMADD213PS  Z22, Z2, Z5            \
	VFMADD213PS  Z23, Z2, Z5            \
	VFMADD213PS  Z24, Z2, Z5            \
	VFMADD213PS  Z25, Z2, Z5            \
	VFMADD213PS  Z26, Z2, Z5            \
	VFMADD213PS  Z27, Z2, Z5            \
	VFMADD213PS  Z28, Z2, Z5            \
	VPSLLD       $23, Z3, Z3            \
	VPADDD.Z     Z3, Z5, K2, Z2

// EXP_CONSTANTS loads the constants of EXP.
#define EXP_CONSTANTS \
	VBROADCASTSS ·expConstants+0(SB), Z16 \
	VBROADCASTSS ·expConstants+4(SB), Z17 \
	VBROADCASTSS ·expConstants+8(SB), Z18 \
	VBROADCASTSS ·expConstants+12(SB), Z19 \
	VBROADCASTSS ·expConstants+16(SB), Z20 \
	VBROADCASTSS ·expSeries+0(SB), Z21 \
	VBROADCASTSS ·expSeries+4(SB), Z22 \
	VBROADCASTSS ·expSeries+8(SB), Z23 \
	VBROADCASTSS ·expSeries+12(SB), Z24 \
	VBROADCASTSS ·expSeries+16(SB), Z25 \
	VBROADCASTSS ·expSeries+20(SB), Z26 \
	VBROADCASTSS ·expSeries+24(SB), Z27 \
	VBROADCASTSS ·expSeries+28(SB), Z28

// func softmaxAVX512(x []float32, scale float32) (largest, sum float32)
TEXT ·softmaxAVX512(SB), NOSPLIT, $0-40
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	VBROADCASTSS scale+24(FP), Z1
	EXP_CONSTANTS

	// K1 has a bit for each of the CX elements beyond the last 16. R8 points to
	// these.
	MOVQ   CX, DX
	ANDQ   $15, CX
	MOVL   $1, AX
	SHLL   CX, AX
	DECL   AX
	KMOVW  AX, K1
	KXNORW K3, K3, K3
	XORQ   CX, DX         // elements in whole sixteens
	LEAQ   (SI)(DX*4), R8

	// Z0: the largest scaled value of each lane, −∞ to begin with. VMAXPS
	// gives its second operand, here the first, where the other is a NaN.
	MOVL         $0xff800000, AX
	VPBROADCASTD AX, Z0
	MOVQ         SI, DI
	CMPQ         DI, R8
	JEQ          largestOfRest

largest:
	VMULPS (DI), Z1, Z2
	VMAXPS Z0, Z2, Z0
	ADDQ   $64, DI
	CMPQ   DI, R8
	JNE    largest

largestOfRest:
	TESTQ    CX, CX
	JEQ      largestOfLanes
	VMULPS.Z (R8), Z1, K1, Z2
	VMAXPS   Z0, Z2, K1, Z0

largestOfLanes:
	VEXTRACTF64X4 $1, Z0, Y2
	VMAXPS        Y2, Y0, Y0
	VEXTRACTF128  $1, Y0, X2
	VMAXPS        X2, X0, X0
	VMOVHLPS      X0, X0, X2
	VMAXPS        X2, X0, X0
	VMOVSHDUP     X0, X2
	VMAXSS        X2, X0, X0

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
	VBROADCASTSS X0, Z0

	VXORPS X6, X6, X6
	MOVQ   SI, DI
	CMPQ   DI, R8
	JEQ    rest

loop:
	VMULPS  (DI), Z1, Z2
	VSUBPS  Z0, Z2, Z2
	EXP(K3)
	VADDPS  Z2, Z6, Z6
	VMOVUPS Z2, (DI)
	ADDQ    $64, DI
	CMPQ    DI, R8
	JNE     loop

rest:
	TESTQ    CX, CX
	JEQ      done
	VMULPS.Z (R8), Z1, K1, Z2
	VSUBPS   Z0, Z2, Z2
	EXP(K1)
	VADDPS   Z2, Z6, Z6
	VMOVUPS  Z2, K1, (R8)

done:
	SUM_REGISTER(Z6, Y6, X6, Y2, X2)
	VMOVSS X6, sum+36(FP)
	VZEROUPPER
	RET

// func siluMulAVX512(gate, up []float32)
TEXT ·siluMulAVX512(SB), NOSPLIT, $0-48
	MOVQ         gate_base+0(FP), DI
	MOVQ         gate_len+8(FP), CX
	MOVQ         up_base+24(FP), SI
	EXP_CONSTANTS
	VPTERNLOGD   $0xff, Z1, Z1, Z1
	VPSLLD       $31, Z1, Z1          // the sign
	KXNORW       K3, K3, K3
	XORQ         AX, AX
	SHRQ         $4, CX
	JZ           done

	// Z28, the last of the constants, is 1.
loop:
	VMOVUPS  (DI)(AX*1), Z0
	VPORD    Z1, Z0, Z2
	VPTESTMD Z1, Z0, K4 // that of 0 makes no difference, since then e is 1
	EXP(K3)
	VMOVAPS  Z28, Z4
	VMOVAPS  Z2, K4, Z4
	VMULPS   Z4, Z0, Z0
	VADDPS   Z28, Z2, Z2
	VDIVPS   Z2, Z0, Z0
	VMULPS   (SI)(AX*1), Z0, Z0
	VMOVUPS  Z0, (DI)(AX*1)
	ADDQ     $64, AX
	DECQ     CX
	JNZ      loop

done:
	VZEROUPPER
	RET

// func dotHalfAVX512(dst []float32, rows []uint16, x []float32)
TEXT ·dotHalfAVX512(SB), NOSPLIT, $0-72
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
	XORQ   AX, AX
	CMPQ   AX, R8
	JEQ    reduce

	// The rows are streamed from memory, each page of them a new start for the
	// processor's own prefetching. A little ahead of it is fastest.
loop:
	VMOVUPS     (BX)(AX*2), Z4
	PREFETCHT0  512(SI)(AX*1)
	VCVTPH2PS   (SI)(AX*1), Z5
	VFMADD231PS Z5, Z4, Z0
	PREFETCHT0  512(R9)(AX*1)
	VCVTPH2PS   (R9)(AX*1), Z6
	VFMADD231PS Z6, Z4, Z1
	PREFETCHT0  512(R10)(AX*1)
	VCVTPH2PS   (R10)(AX*1), Z7
	VFMADD231PS Z7, Z4, Z2
	PREFETCHT0  512(R11)(AX*1)
	VCVTPH2PS   (R11)(AX*1), Z8
	VFMADD231PS Z8, Z4, Z3
	ADDQ        $32, AX
	CMPQ        AX, R8
	JNE         loop

reduce:
	VEXTRACTF64X4 $1, Z0, Y4
	VEXTRACTF64X4 $1, Z1, Y5
	VEXTRACTF64X4 $1, Z2, Y6
	VEXTRACTF64X4 $1, Z3, Y7
	VADDPS        Y4, Y0, Y0
	VADDPS        Y5, Y1, Y1
	VADDPS        Y6, Y2, Y2
	VADDPS        Y7, Y3, Y3
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
	XORQ   AX, AX
	CMPQ   AX, R8
	JEQ    reduceOne

loopOne:
	PREFETCHT0  1024(SI)(AX*1)
	VCVTPH2PS   (SI)(AX*1), Z1
	VFMADD231PS (BX)(AX*2), Z1, Z0
	ADDQ        $32, AX
	CMPQ        AX, R8
	JNE         loopOne

reduceOne:
	SUM_REGISTER(Z0, Y0, X0, Y1, X1)
	VMOVSS X0, (DI)
	ADDQ   $4, DI
	ADDQ   R8, SI
	DECQ   DX
	JNE    one

done:
	VZEROUPPER
	RET

// func dotInt8AVX512(dst []int32, rows []int8, x []int16)
TEXT ·dotInt8AVX512(SB), NOSPLIT, $0-72
	MOVQ  dst_base+0(FP), DI
	MOVQ  dst_len+8(FP), DX
	MOVQ  rows_base+24(FP), SI
	MOVQ  x_base+48(FP), BX
	MOVQ  x_len+56(FP), R8
	LEAQ  (BX)(R8*2), R10      // the end of x
	ANDQ  $48, R8              // elements beyond the last 64
	TESTQ DX, DX
	JEQ   done

row:
	VPXOR X0, X0, X0
	VPXOR X1, X1, X1
	MOVQ  BX, R9
	MOVQ  R8, CX
	TESTQ CX, CX
	JEQ   whole

sixteen:
	VPMOVSXBW (SI), Y2
	VPMADDWD  (R9), Y2, Y2
	VPADDD    Y2, Y0, Y0
	ADDQ      $16, SI
	ADDQ      $32, R9
	SUBQ      $16, CX
	JNE       sixteen

whole:
	CMPQ R9, R10
	JEQ  reduce

	// A page ahead is the best distance for rows streamed from memory.
loop:
	PREFETCHT0 4096(SI)
	VPMOVSXBW  (SI), Z2
	VPMOVSXBW  32(SI), Z3
	VPDPWSSD   (R9), Z2, Z0
	VPDPWSSD   64(R9), Z3, Z1
	ADDQ       $64, SI
	ADDQ       $128, R9
	CMPQ       R9, R10
	JNE        loop

reduce:
	VPADDD        Z1, Z0, Z0
	VEXTRACTI64X4 $1, Z0, Y1
	VPADDD        Y1, Y0, Y0
	VEXTRACTI128  $1, Y0, X1
	VPADDD        X1, X0, X0
	VPHADDD       X0, X0, X0
	VPHADDD       X0, X0, X0
	VMOVD         X0, (DI)
	ADDQ          $4, DI
	DECQ          DX
	JNE           row

done:
	VZEROUPPER
	RET

// func quantizeHalfAVX512(dst []int8, row []uint16) (step, rest, squares float32)
TEXT ·quantizeHalfAVX512(SB), NOSPLIT, $0-60
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
	VBROADCASTSS X1, Z1
	VBROADCASTSS X2, Z2
	VXORPS       X6, X6, X6 // rest
	VXORPS       X7, X7, X7 // squares
	TESTQ        CX, CX
	JEQ          done

	// The next row is on its way from memory meanwhile.
loop:
	PREFETCHT0   (SI)(R9*1)
	VCVTPH2PS    (SI), Z4
	VFMADD231PS  Z4, Z4, Z7
	VMULPS       Z1, Z4, Z5
	VCVTPS2DQ    Z5, Z5
	VPMOVSDB     Z5, (DI)
	VCVTDQ2PS    Z5, Z5
	VFNMADD231PS Z5, Z2, Z4
	VFMADD231PS  Z4, Z4, Z6
	ADDQ         $32, SI
	ADDQ         $16, DI
	DECQ         CX
	JNE          loop

done:
	SUM_REGISTER(Z6, Y6, X6, Y0, X0)
	SUM_REGISTER(Z7, Y7, X7, Y0, X0)
	VMOVSS X6, rest+52(FP)
	VMOVSS X7, squares+56(FP)
	VZEROUPPER
	RET
