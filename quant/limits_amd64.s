//go:build !purego

#include "textflag.h"

// func readAVX2(data []byte)
//
// Four quarters side by side, 128 bytes of each: a processor that reads ahead
// stops at the end of every page, and then three quarters keep it busy.
TEXT ·readAVX2(SB), NOSPLIT, $0-24
	MOVQ data_base+0(FP), SI
	MOVQ data_len+8(FP), CX
	SHRQ $2, CX
	LEAQ (CX)(CX*2), R9

	MOVQ CX, DX

loop:
	VMOVDQU (SI), Y0
	VMOVDQU 32(SI), Y1
	VMOVDQU 64(SI), Y2
	VMOVDQU 96(SI), Y3
	VMOVDQU (SI)(CX*1), Y0
	VMOVDQU 32(SI)(CX*1), Y1
	VMOVDQU 64(SI)(CX*1), Y2
	VMOVDQU 96(SI)(CX*1), Y3
	VMOVDQU (SI)(CX*2), Y0
	VMOVDQU 32(SI)(CX*2), Y1
	VMOVDQU 64(SI)(CX*2), Y2
	VMOVDQU 96(SI)(CX*2), Y3
	VMOVDQU (SI)(R9*1), Y0
	VMOVDQU 32(SI)(R9*1), Y1
	VMOVDQU 64(SI)(R9*1), Y2
	VMOVDQU 96(SI)(R9*1), Y3
	ADDQ    $128, SI
	SUBQ    $128, DX
	JNZ     loop
	VZEROUPPER
	RET

// func readAVX512(data []byte)
TEXT ·readAVX512(SB), NOSPLIT, $0-24
	MOVQ data_base+0(FP), SI
	MOVQ data_len+8(FP), CX
	SHRQ $2, CX
	LEAQ (CX)(CX*2), R9
	MOVQ CX, DX

loop:
	VMOVDQU32 (SI), Z0
	VMOVDQU32 64(SI), Z1
	VMOVDQU32 (SI)(CX*1), Z0
	VMOVDQU32 64(SI)(CX*1), Z1
	VMOVDQU32 (SI)(CX*2), Z0
	VMOVDQU32 64(SI)(CX*2), Z1
	VMOVDQU32 (SI)(R9*1), Z0
	VMOVDQU32 64(SI)(R9*1), Z1
	ADDQ      $128, SI
	SUBQ      $128, DX
	JNZ       loop
	VZEROUPPER
	RET

// SIX multiplies and adds to six sums.
#define SIX \
	VPMADDUBSW Y13, Y12, Y6 \
	VPMADDUBSW Y13, Y12, Y7 \
	VPMADDUBSW Y13, Y12, Y8 \
	VPMADDUBSW Y13, Y12, Y9 \
	VPMADDUBSW Y13, Y12, Y10 \
	VPMADDUBSW Y13, Y12, Y11 \
	VPADDW     Y6, Y0, Y0 \
	VPADDW     Y7, Y1, Y1 \
	VPADDW     Y8, Y2, Y2 \
	VPADDW     Y9, Y3, Y3 \
	VPADDW     Y10, Y4, Y4 \
	VPADDW     Y11, Y5, Y5

// func peakAVX2(steps int)
//
// Without the widening of sums, a few per cent of a real product. The registers
// hold zeros, so that nothing overflows.
TEXT ·peakAVX2(SB), NOSPLIT, $0-8
	MOVQ steps+0(FP), CX
	VPXOR Y12, Y12, Y12
	VPXOR Y13, Y13, Y13

loop:
	SIX
	SIX
	SIX
	SIX
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// func peakAVX512(steps int)
TEXT ·peakAVX512(SB), NOSPLIT, $0-8
	MOVQ steps+0(FP), CX
	VPXORD Z30, Z30, Z30
	VPXORD Z31, Z31, Z31

loop:
	VPDPBUSD Z30, Z31, Z0
	VPDPBUSD Z30, Z31, Z1
	VPDPBUSD Z30, Z31, Z2
	VPDPBUSD Z30, Z31, Z3
	VPDPBUSD Z30, Z31, Z4
	VPDPBUSD Z30, Z31, Z5
	VPDPBUSD Z30, Z31, Z6
	VPDPBUSD Z30, Z31, Z7
	VPDPBUSD Z30, Z31, Z8
	VPDPBUSD Z30, Z31, Z9
	VPDPBUSD Z30, Z31, Z10
	VPDPBUSD Z30, Z31, Z11
	VPDPBUSD Z30, Z31, Z12
	VPDPBUSD Z30, Z31, Z13
	VPDPBUSD Z30, Z31, Z14
	VPDPBUSD Z30, Z31, Z15
	VPDPBUSD Z30, Z31, Z16
	VPDPBUSD Z30, Z31, Z17
	VPDPBUSD Z30, Z31, Z18
	VPDPBUSD Z30, Z31, Z19
	VPDPBUSD Z30, Z31, Z20
	VPDPBUSD Z30, Z31, Z21
	VPDPBUSD Z30, Z31, Z22
	VPDPBUSD Z30, Z31, Z23
	DECQ     CX
	JNZ      loop
	VZEROUPPER
	RET
