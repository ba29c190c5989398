//go:build !purego

#include "textflag.h"

// Of each 16 bytes, the first ones of each four neighbours, then the second ones,
// the third and the fourth.
DATA neighbours<>+0(SB)/8, $0x0D0905010C080400
DATA neighbours<>+8(SB)/8, $0x0F0B07030E0A0602
GLOBL neighbours<>(SB), RODATA|NOPTR, $16

// func arrangeAVX2(q []int8)
TEXT ·arrangeAVX2(SB), NOSPLIT, $0-24
	MOVQ    q_base+0(FP), SI
	MOVQ    q_len+8(FP), CX
	VMOVDQU neighbours<>(SB), X15

block:
	VMOVDQU (SI), X0
	VMOVDQU 16(SI), X1
	VMOVDQU 32(SI), X2
	VMOVDQU 48(SI), X3
	VPSHUFB X15, X0, X0
	VPSHUFB X15, X1, X1
	VPSHUFB X15, X2, X2
	VPSHUFB X15, X3, X3
	// Word n of each of the four goes to the one of number n.
	VPUNPCKLDQ  X1, X0, X4
	VPUNPCKHDQ  X1, X0, X5
	VPUNPCKLDQ  X3, X2, X6
	VPUNPCKHDQ  X3, X2, X7
	VPUNPCKLQDQ X6, X4, X0
	VPUNPCKHQDQ X6, X4, X1
	VPUNPCKLQDQ X7, X5, X2
	VPUNPCKHQDQ X7, X5, X3
	VMOVDQU X0, (SI)
	VMOVDQU X1, 16(SI)
	VMOVDQU X2, 32(SI)
	VMOVDQU X3, 48(SI)
	ADDQ    $64, SI
	SUBQ    $64, CX
	JNZ     block
	RET
