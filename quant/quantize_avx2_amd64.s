//go:build !purego

#include "textflag.h"

// func absMaxAVX2(x []float32) uint32
TEXT ·absMaxAVX2(SB), NOSPLIT, $0-28
	MOVQ     x_base+0(FP), SI
	MOVQ     x_len+8(FP), CX
	VPCMPEQD Y4, Y4, Y4
	VPSRLD   $1, Y4, Y4         // all bits but the sign
	VPXOR    Y0, Y0, Y0
	VPXOR    Y1, Y1, Y1
	VPXOR    Y2, Y2, Y2
	VPXOR    Y3, Y3, Y3

loop:
	VPAND   (SI), Y4, Y5
	VPAND   32(SI), Y4, Y6
	VPAND   64(SI), Y4, Y7
	VPAND   96(SI), Y4, Y8
	VPMAXUD Y5, Y0, Y0
	VPMAXUD Y6, Y1, Y1
	VPMAXUD Y7, Y2, Y2
	VPMAXUD Y8, Y3, Y3
	ADDQ    $128, SI
	SUBQ    $32, CX
	JNZ     loop

	VPMAXUD      Y1, Y0, Y0
	VPMAXUD      Y3, Y2, Y2
	VPMAXUD      Y2, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPMAXUD      X1, X0, X0
	VPSHUFD      $0x4E, X0, X1
	VPMAXUD      X1, X0, X0
	VPSHUFD      $0xB1, X0, X1
	VPMAXUD      X1, X0, X0
	VMOVD        X0, AX
	MOVL         AX, ret+24(FP)
	VZEROUPPER
	RET

DATA bytesInOrder<>+0(SB)/4, $0
DATA bytesInOrder<>+4(SB)/4, $4
DATA bytesInOrder<>+8(SB)/4, $1
DATA bytesInOrder<>+12(SB)/4, $5
DATA bytesInOrder<>+16(SB)/4, $2
DATA bytesInOrder<>+20(SB)/4, $6
DATA bytesInOrder<>+24(SB)/4, $3
DATA bytesInOrder<>+28(SB)/4, $7
GLOBL bytesInOrder<>(SB), RODATA|NOPTR, $32

// ROUND rounds eight products to integers. Without the minimum, a product
// beyond an int32 would become the smallest one; below, that is right.
#define ROUND(offset, y) \
	VMULPS    offset(SI), Y15, y \
	VMINPS    Y14, y, y          \
	VCVTPS2DQ y, y

// func roundScaledAVX2(q []int8, x []float32, s float32) int32
//
// The conversion rounds half to even, as MXCSR stands in every Go program; the
// packing clamps to −128…127.
TEXT ·roundScaledAVX2(SB), NOSPLIT, $0-60
	MOVQ         q_base+0(FP), DI
	MOVQ         x_base+24(FP), SI
	MOVQ         x_len+32(FP), CX
	VBROADCASTSS s+48(FP), Y15
	MOVL         $0x42FE0000, AX    // 127
	VMOVD        AX, X14
	VPBROADCASTD X14, Y14
	VPCMPEQD     Y13, Y13, Y13
	VPABSB       Y13, Y12           // bytes of 1
	VPSRLW       $15, Y13, Y13      // 16-bit words of 1
	VMOVDQU      bytesInOrder<>(SB), Y11
	VPXOR        Y10, Y10, Y10

loop:
	ROUND(0, Y0)
	ROUND(32, Y1)
	ROUND(64, Y2)
	ROUND(96, Y3)
	VPACKSSDW  Y1, Y0, Y0
	VPACKSSDW  Y3, Y2, Y2
	VPACKSSWB  Y2, Y0, Y0
	VPERMD     Y0, Y11, Y0          // packing works within the halves
	VMOVDQU    Y0, (DI)
	VPMADDUBSW Y0, Y12, Y0
	VPMADDWD   Y13, Y0, Y0
	VPADDD     Y0, Y10, Y10
	ADDQ       $128, SI
	ADDQ       $32, DI
	SUBQ       $32, CX
	JNZ        loop

	VEXTRACTI128 $1, Y10, X1
	VPADDD       X1, X10, X0
	VPSHUFD      $0x4E, X0, X1
	VPADDD       X1, X0, X0
	VPSHUFD      $0xB1, X0, X1
	VPADDD       X1, X0, X0
	VMOVD        X0, AX
	MOVL         AX, ret+56(FP)
	VZEROUPPER
	RET

// func scaleSumsAVX2(dst []float32, sums []int32, offset int32, s, scale float32)
TEXT ·scaleSumsAVX2(SB), NOSPLIT, $0-60
	MOVQ         dst_base+0(FP), DI
	MOVQ         dst_len+8(FP), CX
	MOVQ         sums_base+24(FP), SI
	MOVL         offset+48(FP), R8
	VMOVD        R8, X13
	VPBROADCASTD X13, Y13
	VBROADCASTSS s+52(FP), Y14
	VBROADCASTSS scale+56(FP), Y15

eight:
	SUBQ      $8, CX
	JLT       rest
	VMOVDQU   (SI), Y0
	VPSUBD    Y13, Y0, Y0
	VCVTDQ2PS Y0, Y0
	VDIVPS    Y14, Y0, Y0
	VMULPS    Y15, Y0, Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $32, SI
	ADDQ      $32, DI
	JMP       eight

rest:
	ADDQ $8, CX
	JZ   done

one:
	MOVL       (SI), AX
	SUBL       R8, AX
	VXORPS     X0, X0, X0
	VCVTSI2SSL AX, X0, X0
	VDIVSS     X14, X0, X0
	VMULSS     X15, X0, X0
	VMOVSS     X0, (DI)
	ADDQ       $4, SI
	ADDQ       $4, DI
	DECQ       CX
	JNZ        one

done:
	VZEROUPPER
	RET
