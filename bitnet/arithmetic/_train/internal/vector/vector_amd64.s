//go:build !purego

#include "textflag.h"

// Lengths are multiples of 16, not 0. AX runs over the bytes of a row.

// func dotsLanes(dst *float32, n int, x *float32, length int, rows *float32, stride int)
TEXT ·dotsLanes(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ n+8(FP), CX
	MOVQ x+16(FP), SI
	MOVQ length+24(FP), DX
	MOVQ rows+32(FP), R8
	MOVQ stride+40(FP), R9
	SHLQ $2, DX
	SHLQ $2, R9

row:
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	XORQ   AX, AX

numbers:
	VMOVUPS     (SI)(AX*1), Y2
	VMOVUPS     32(SI)(AX*1), Y3
	VFMADD231PS (R8)(AX*1), Y2, Y0
	VFMADD231PS 32(R8)(AX*1), Y3, Y1
	ADDQ        $64, AX
	CMPQ        AX, DX
	JLT         numbers

	VADDPS       Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPS       X1, X0, X0
	VMOVHLPS     X0, X0, X1
	VADDPS       X1, X0, X0
	VMOVSHDUP    X0, X1
	VADDSS       X1, X0, X0
	VMOVSS       X0, (DI)
	ADDQ         $4, DI
	ADDQ         R9, R8
	DECQ         CX
	JNZ          row
	VZEROUPPER
	RET

// func addCombinedLanes(y *float32, length int, weights *float32, n int, rows *float32, stride int)
TEXT ·addCombinedLanes(SB), NOSPLIT, $0-48
	MOVQ y+0(FP), DI
	MOVQ length+8(FP), DX
	MOVQ weights+16(FP), SI
	MOVQ n+24(FP), CX
	MOVQ rows+32(FP), R8
	MOVQ stride+40(FP), R9
	SHLQ $2, R9

columns:
	VMOVUPS (DI), Y0
	VMOVUPS 32(DI), Y1
	MOVQ    R8, R10
	MOVQ    SI, BX
	MOVQ    CX, AX

row:
	VBROADCASTSS (BX), Y2
	VFMADD231PS  (R10), Y2, Y0
	VFMADD231PS  32(R10), Y2, Y1
	ADDQ         R9, R10
	ADDQ         $4, BX
	DECQ         AX
	JNZ          row

	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	ADDQ    $64, DI
	ADDQ    $64, R8
	SUBQ    $16, DX
	JNZ     columns
	VZEROUPPER
	RET

// func addOuterLanes(rows *float32, stride int, weights *float32, n int, x *float32, length int)
TEXT ·addOuterLanes(SB), NOSPLIT, $0-48
	MOVQ rows+0(FP), DI
	MOVQ stride+8(FP), R9
	MOVQ weights+16(FP), SI
	MOVQ n+24(FP), CX
	MOVQ x+32(FP), R8
	MOVQ length+40(FP), DX
	SHLQ $2, R9
	SHLQ $2, DX

row:
	VBROADCASTSS (SI), Y0
	XORQ         AX, AX

numbers:
	VMOVUPS     (DI)(AX*1), Y1
	VMOVUPS     32(DI)(AX*1), Y2
	VFMADD231PS (R8)(AX*1), Y0, Y1
	VFMADD231PS 32(R8)(AX*1), Y0, Y2
	VMOVUPS     Y1, (DI)(AX*1)
	VMOVUPS     Y2, 32(DI)(AX*1)
	ADDQ        $64, AX
	CMPQ        AX, DX
	JLT         numbers

	ADDQ $4, SI
	ADDQ R9, DI
	DECQ CX
	JNZ  row
	VZEROUPPER
	RET

// func absoluteMaximumLanes(x *float32, n int) float32
TEXT ·absoluteMaximumLanes(SB), NOSPLIT, $0-20
	MOVQ     x+0(FP), SI
	MOVQ     n+8(FP), CX
	VPCMPEQD Y3, Y3, Y3
	VPSRLD   $1, Y3, Y3 // everything but the sign
	VXORPS   Y0, Y0, Y0
	VXORPS   Y1, Y1, Y1

numbers:
	VANDPS (SI), Y3, Y4
	VANDPS 32(SI), Y3, Y5
	VMAXPS Y4, Y0, Y0
	VMAXPS Y5, Y1, Y1
	ADDQ   $64, SI
	SUBQ   $16, CX
	JNZ    numbers

	VMAXPS       Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VMAXPS       X1, X0, X0
	VMOVHLPS     X0, X0, X1
	VMAXPS       X1, X0, X0
	VMOVSHDUP    X0, X1
	VMAXSS       X1, X0, X0
	VMOVSS       X0, ret+16(FP)
	VZEROUPPER
	RET

// func roundToLanes(x *float32, n int, inverse, unit float32)
TEXT ·roundToLanes(SB), NOSPLIT, $0-24
	MOVQ         x+0(FP), SI
	MOVQ         n+8(FP), CX
	VBROADCASTSS inverse+16(FP), Y0
	VBROADCASTSS unit+20(FP), Y1
	MOVL         $0x4b400000, AX // 3·2²²: adding it rounds to an integer
	VMOVD        AX, X6
	VBROADCASTSS X6, Y6

numbers:
	VMULPS   (SI), Y0, Y2
	VMULPS   32(SI), Y0, Y3
	VADDPS   Y6, Y2, Y2
	VADDPS   Y6, Y3, Y3
	VSUBPS   Y6, Y2, Y2
	VSUBPS   Y6, Y3, Y3
	VMULPS   Y1, Y2, Y2
	VMULPS   Y1, Y3, Y3
	VMOVUPS  Y2, (SI)
	VMOVUPS  Y3, 32(SI)
	ADDQ     $64, SI
	SUBQ     $16, CX
	JNZ      numbers
	VZEROUPPER
	RET

// func weighLanes(dst, x, w *float32, n int, factor float32)
TEXT ·weighLanes(SB), NOSPLIT, $0-36
	MOVQ         dst+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         w+16(FP), BX
	MOVQ         n+24(FP), CX
	VBROADCASTSS factor+32(FP), Y0

numbers:
	VMULPS  (SI), Y0, Y1
	VMULPS  32(SI), Y0, Y2
	VMULPS  (BX), Y1, Y1
	VMULPS  32(BX), Y2, Y2
	VMOVUPS Y1, (DI)
	VMOVUPS Y2, 32(DI)
	ADDQ    $64, SI
	ADDQ    $64, BX
	ADDQ    $64, DI
	SUBQ    $16, CX
	JNZ     numbers
	VZEROUPPER
	RET

// func addWeighedLanes(dst, x, w *float32, n int, factor float32)
TEXT ·addWeighedLanes(SB), NOSPLIT, $0-36
	MOVQ         dst+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         w+16(FP), BX
	MOVQ         n+24(FP), CX
	VBROADCASTSS factor+32(FP), Y0

numbers:
	VMULPS  (SI), Y0, Y1
	VMULPS  32(SI), Y0, Y2
	VMULPS  (BX), Y1, Y1
	VMULPS  32(BX), Y2, Y2
	VADDPS  (DI), Y1, Y1
	VADDPS  32(DI), Y2, Y2
	VMOVUPS Y1, (DI)
	VMOVUPS Y2, 32(DI)
	ADDQ    $64, SI
	ADDQ    $64, BX
	ADDQ    $64, DI
	SUBQ    $16, CX
	JNZ     numbers
	VZEROUPPER
	RET

// func addDifferenceLanes(dst, x, y *float32, n int, a, b float32)
TEXT ·addDifferenceLanes(SB), NOSPLIT, $0-40
	MOVQ         dst+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         y+16(FP), BX
	MOVQ         n+24(FP), CX
	VBROADCASTSS a+32(FP), Y0
	VBROADCASTSS b+36(FP), Y1

numbers:
	VMULPS  (SI), Y0, Y2
	VMULPS  32(SI), Y0, Y3
	VMULPS  (BX), Y1, Y4
	VMULPS  32(BX), Y1, Y5
	VSUBPS  Y4, Y2, Y2
	VSUBPS  Y5, Y3, Y3
	VADDPS  (DI), Y2, Y2
	VADDPS  32(DI), Y3, Y3
	VMOVUPS Y2, (DI)
	VMOVUPS Y3, 32(DI)
	ADDQ    $64, SI
	ADDQ    $64, BX
	ADDQ    $64, DI
	SUBQ    $16, CX
	JNZ     numbers
	VZEROUPPER
	RET

// func gatedLanes(dst, gate, up *float32, n int)
TEXT ·gatedLanes(SB), NOSPLIT, $0-32
	MOVQ   dst+0(FP), DI
	MOVQ   gate+8(FP), SI
	MOVQ   up+16(FP), BX
	MOVQ   n+24(FP), CX
	VXORPS Y0, Y0, Y0

numbers:
	VMAXPS  (SI), Y0, Y1
	VMAXPS  32(SI), Y0, Y2
	VMULPS  Y1, Y1, Y1
	VMULPS  Y2, Y2, Y2
	VMULPS  (BX), Y1, Y1
	VMULPS  32(BX), Y2, Y2
	VMOVUPS Y1, (DI)
	VMOVUPS Y2, 32(DI)
	ADDQ    $64, SI
	ADDQ    $64, BX
	ADDQ    $64, DI
	SUBQ    $16, CX
	JNZ     numbers
	VZEROUPPER
	RET

// func gatedBackwardLanes(gate, up, dy *float32, n int)
TEXT ·gatedBackwardLanes(SB), NOSPLIT, $0-32
	MOVQ   gate+0(FP), SI
	MOVQ   up+8(FP), BX
	MOVQ   dy+16(FP), DI
	MOVQ   n+24(FP), CX
	VXORPS Y0, Y0, Y0

numbers:
	VMAXPS  (SI), Y0, Y1
	VMOVUPS (DI), Y2
	VADDPS  Y1, Y1, Y3
	VMULPS  (BX), Y3, Y3
	VMULPS  Y2, Y3, Y3
	VMULPS  Y1, Y1, Y1
	VMULPS  Y2, Y1, Y1
	VMOVUPS Y3, (SI)
	VMOVUPS Y1, (BX)
	ADDQ    $32, SI
	ADDQ    $32, BX
	ADDQ    $32, DI
	SUBQ    $8, CX
	JNZ     numbers
	VZEROUPPER
	RET
