//go:build !purego

#include "textflag.h"

// func packFourTokens(panel, q *int8, cols int)
//
// A 4 × 4 transpose of 32-bit words: 16 activations of each token become four
// steps of 48 bytes, of which this writes 16.
TEXT ·packFourTokens(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ q+8(FP), SI
	MOVQ cols+16(FP), R8
	LEAQ (R8)(R8*2), R9
	MOVQ R8, CX
	SHRQ $4, CX

sixteen:
	VMOVDQU     (SI), X0
	VMOVDQU     (SI)(R8*1), X1
	VMOVDQU     (SI)(R8*2), X2
	VMOVDQU     (SI)(R9*1), X3
	VPUNPCKLDQ  X1, X0, X4
	VPUNPCKHDQ  X1, X0, X5
	VPUNPCKLDQ  X3, X2, X6
	VPUNPCKHDQ  X3, X2, X7
	VPUNPCKLQDQ X6, X4, X0
	VPUNPCKHQDQ X6, X4, X1
	VPUNPCKLQDQ X7, X5, X2
	VPUNPCKHQDQ X7, X5, X3
	VMOVDQU     X0, (DI)
	VMOVDQU     X1, 48(DI)
	VMOVDQU     X2, 96(DI)
	VMOVDQU     X3, 144(DI)
	ADDQ        $16, SI
	ADDQ        $192, DI
	DECQ        CX
	JNZ         sixteen
	VZEROUPPER
	RET
