//go:build !purego

#include "textflag.h"

// func packSixTokens(panel, q *int8, cols int)
//
// A transpose of 6 × 4 words of 32 bits: 16 activations of each token become
// four steps of 24 bytes.
TEXT ·packSixTokens(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ q+8(FP), SI
	MOVQ cols+16(FP), R8
	LEAQ (R8)(R8*2), R9
	LEAQ (SI)(R8*4), R10        // the fifth token
	MOVQ R8, CX

sixteen:
	VMOVDQU     (SI), X0
	VMOVDQU     (SI)(R8*1), X1
	VMOVDQU     (SI)(R8*2), X2
	VMOVDQU     (SI)(R9*1), X3
	VMOVDQU     (R10), X4
	VMOVDQU     (R10)(R8*1), X5
	VPUNPCKLDQ  X1, X0, X6
	VPUNPCKHDQ  X1, X0, X7
	VPUNPCKLDQ  X3, X2, X8
	VPUNPCKHDQ  X3, X2, X9
	VPUNPCKLDQ  X5, X4, X10
	VPUNPCKHDQ  X5, X4, X11
	VPUNPCKLQDQ X8, X6, X0
	VPUNPCKHQDQ X8, X6, X1
	VPUNPCKLQDQ X9, X7, X2
	VPUNPCKHQDQ X9, X7, X3
	VMOVDQU     X0, (DI)
	VMOVQ       X10, 16(DI)
	VMOVDQU     X1, 24(DI)
	VMOVHPS     X10, 40(DI)
	VMOVDQU     X2, 48(DI)
	VMOVQ       X11, 64(DI)
	VMOVDQU     X3, 72(DI)
	VMOVHPS     X11, 88(DI)
	ADDQ        $16, SI
	ADDQ        $16, R10
	ADDQ        $96, DI
	SUBQ        $16, CX
	JNZ         sixteen
	VZEROUPPER
	RET
