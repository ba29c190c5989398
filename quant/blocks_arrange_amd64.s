//go:build !purego

#include "textflag.h"

// Of each 16 bytes, the first ones of each four neighbours, then the second ones,
// the third and the fourth.
DATA neighbours<>+0(SB)/8, $0x0D0905010C080400
DATA neighbours<>+8(SB)/8, $0x0F0B07030E0A0602
GLOBL neighbours<>(SB), RODATA|NOPTR, $16

DATA halvesInTurns<>+0(SB)/8, $0x0000000400000000
DATA halvesInTurns<>+8(SB)/8, $0x0000000500000001
DATA halvesInTurns<>+16(SB)/8, $0x0000000600000002
DATA halvesInTurns<>+24(SB)/8, $0x0000000700000003
GLOBL halvesInTurns<>(SB), RODATA|NOPTR, $32

// TRANSPOSE puts word n of each 16 bytes of r0 to r3 into rn.
#define TRANSPOSE(r0, r1, r2, r3, t0, t1, t2, t3) \
	VPUNPCKLDQ  r1, r0, t0 \
	VPUNPCKHDQ  r1, r0, t1 \
	VPUNPCKLDQ  r3, r2, t2 \
	VPUNPCKHDQ  r3, r2, t3 \
	VPUNPCKLQDQ t2, t0, r0 \
	VPUNPCKHQDQ t2, t0, r1 \
	VPUNPCKLQDQ t3, t1, r2 \
	VPUNPCKHQDQ t3, t1, r3

// func arrange64AVX2(q []int8)
TEXT ·arrange64AVX2(SB), NOSPLIT, $0-24
	MOVQ    q_base+0(FP), SI
	MOVQ    q_len+8(FP), CX
	VMOVDQU neighbours<>(SB), X15

block64:
	VMOVDQU (SI), X0
	VMOVDQU 16(SI), X1
	VMOVDQU 32(SI), X2
	VMOVDQU 48(SI), X3
	VPSHUFB X15, X0, X0
	VPSHUFB X15, X1, X1
	VPSHUFB X15, X2, X2
	VPSHUFB X15, X3, X3
	TRANSPOSE(X0, X1, X2, X3, X4, X5, X6, X7)
	VMOVDQU X0, (SI)
	VMOVDQU X1, 16(SI)
	VMOVDQU X2, 32(SI)
	VMOVDQU X3, 48(SI)
	ADDQ    $64, SI
	SUBQ    $64, CX
	JNZ     block64
	RET

// func arrange128AVX2(q []int8)
//
// The halves of a register have neighbouring 16 bytes, so that in the end their words
// take turns.
TEXT ·arrange128AVX2(SB), NOSPLIT, $0-24
	MOVQ           q_base+0(FP), SI
	MOVQ           q_len+8(FP), CX
	VBROADCASTI128 neighbours<>(SB), Y15
	VMOVDQU        halvesInTurns<>(SB), Y14

block128:
	VMOVDQU (SI), Y0
	VMOVDQU 32(SI), Y1
	VMOVDQU 64(SI), Y2
	VMOVDQU 96(SI), Y3
	VPSHUFB Y15, Y0, Y0
	VPSHUFB Y15, Y1, Y1
	VPSHUFB Y15, Y2, Y2
	VPSHUFB Y15, Y3, Y3
	TRANSPOSE(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7)
	VPERMD  Y0, Y14, Y0
	VPERMD  Y1, Y14, Y1
	VPERMD  Y2, Y14, Y2
	VPERMD  Y3, Y14, Y3
	VMOVDQU Y0, (SI)
	VMOVDQU Y1, 32(SI)
	VMOVDQU Y2, 64(SI)
	VMOVDQU Y3, 96(SI)
	ADDQ    $128, SI
	SUBQ    $128, CX
	JNZ     block128
	VZEROUPPER
	RET
