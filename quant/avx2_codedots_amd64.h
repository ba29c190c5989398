// The body of codeDots for several tokens with VPMADDUBSW: TOKENS is their
// number, and EACH does something for every one of them.
//
// DI sums, BX bytes from one token's sums to the next's, SI codes, CX rows, a
// multiple of four, DX activations, R8 columns.

	LEAQ (R8)(R8*2), R9
	MOVQ R8, R10
	SHRQ $2, R10                // bytes of a row
	MASK(0x00010001, X14, Y14)
	MASK(0x03030303, X15, Y15)

group:
	MOVQ  CX, rowsToCome-8(SP)
	MOVQ  $GROUP_ROWS, AX
	CMPQ  CX, AX
	CMOVQGT AX, CX
	MOVQ  CX, groupRows-16(SP)
	MOVQ  CX, R13
	IMULQ R10, R13
	ADDQ  SI, R13               // the next group's codes, asked for in order
	MOVQ  R13, next-24(SP)
	MOVQ  DX, activations-32(SP)
	MOVQ  R10, R14              // bytes of a row to come
	LEAQ  partial-4144(SP), AX
	VPXOR Y8, Y8, Y8

clear:
	EACH(CLEAR, 0)
	ADDQ $(TOKENS*32), AX
	DECQ CX
	JNZ  clear

stretch:
	MOVQ    $STRETCH_BYTES, R15
	CMPQ    R14, R15
	CMOVQLT R14, R15
	SUBQ    R15, R14
	MOVQ    SI, codes-40(SP)
	MOVQ    groupRows-16(SP), CX
	LEAQ    partial-4144(SP), AX

row:
	MOVQ DX, R11
	LEAQ (DX)(R8*4), R12
	MOVQ R15, DI
	EACH(ZERO, 0)

	PCALIGN $32
block:
	VMOVDQU    (SI), Y8
	PREFETCHT0 (R13)
	VPSRLW     $6, Y8, Y9
	VPAND      Y15, Y9, Y9
	EACH(PRODUCT, 0)
	VPSRLW     $4, Y8, Y9
	VPAND      Y15, Y9, Y9
	EACH(PRODUCT, 32)
	VPSRLW     $2, Y8, Y9
	VPAND      Y15, Y9, Y9
	EACH(PRODUCT, 64)
	VPAND      Y15, Y8, Y9
	EACH(PRODUCT, 96)
	ADDQ       $32, SI
	ADDQ       $32, R13
	ADDQ       $128, R11
	ADDQ       $128, R12
	SUBQ       $32, DI
	JNZ        block

	EACH(WIDEN, 0)
	ADDQ $(TOKENS*32), AX
	ADDQ R10, SI
	SUBQ R15, SI
	DECQ CX
	JNZ  row

	MOVQ  codes-40(SP), SI
	ADDQ  R15, SI
	LEAQ  (DX)(R15*4), DX
	TESTQ R14, R14
	JNZ   stretch

	MOVQ groupRows-16(SP), CX
	LEAQ partial-4144(SP), AX
	MOVQ sums+0(FP), DI

four:
	MOVQ DI, R11
	EACH(SUM4, 0)
	ADDQ $(4*TOKENS*32), AX
	ADDQ $16, DI
	SUBQ $4, CX
	JNZ  four

	MOVQ DI, sums+0(FP)
	MOVQ next-24(SP), SI
	MOVQ activations-32(SP), DX
	MOVQ rowsToCome-8(SP), CX
	SUBQ groupRows-16(SP), CX
	JNZ  group
