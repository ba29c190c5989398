// The body of the functions that multiply several tokens at once,
//
//	func(sums *int32, stride int, codes *byte, rows int, q *int8, cols int)
//
// with a frame of 4216 bytes. rows is a multiple of four, and stride leads from
// one token's sums to the next's. What includes it gives these macros:
//
//	TOKENS      number of tokens, 2 to 8
//	GROUP_ROWS  rows of a group, a multiple of four up to 16
//	STEP_ROWS   rows that are multiplied at once: 1, 2 or 4
//	CONSTANTS   fills registers that stay as they are
//	START       starts the sums of STEP_ROWS rows, with those at AX or with zeros
//	BLOCK       multiplies their blocks at SI with those of the tokens at R11
//	STORE       stores the sums at AX, or adds them
//	ROW         in place of the last three, multiplies the DI bytes of a row
//	            at SI, a stretch; adds sums to those at AX; moves SI and BX by DI
//	ADD_ACROSS  adds up the sums of four rows at AX, lane by lane, and stores one
//	            token's at R11, the next's BX bytes behind
//
// A group of rows is multiplied a stretch of columns at a time, so that the
// activations of a stretch, of all tokens, stay in the first-level cache while
// the rows go by. Between stretches the sums, 32 bytes for each row and token,
// are in memory. Codes are asked for a group ahead, in their order.
//
// Row i of those at hand is (SI), (SI)(R10*1), (SI)(R10*2), (SI)(R13*1), and BX is
// where to prefetch. Token i is (R11), (R11)(R8*1), (R11)(R8*2), (R11)(R9*1), and
// from the fifth on the same with R12.

	MOVQ sums+0(FP), DI
	MOVQ codes+16(FP), SI
	MOVQ rows+24(FP), CX
	MOVQ q+32(FP), DX
	MOVQ cols+40(FP), R8
	LEAQ (R8)(R8*2), R9
	MOVQ R8, R10
	SHRQ $2, R10                // bytes of a row
	LEAQ (R10)(R10*2), R13
	CONSTANTS

group:
	MOVQ    CX, rowsToCome-8(SP)
	MOVQ    $GROUP_ROWS, AX
	CMPQ    CX, AX
	CMOVQGT AX, CX
	MOVQ    CX, groupRows-16(SP)
	MOVQ    DI, groupSums-24(SP)
	MOVQ    DX, activations-32(SP)
	MOVQ    CX, BX
	IMULQ   R10, BX
	ADDQ    SI, BX
	MOVQ    BX, nextGroup-40(SP)
	MOVQ    R10, R14            // bytes of a row to come
	PARTIAL_SUMS
	IMULQ   $TOKENS, CX
	VPXOR   Y8, Y8, Y8

clear:
	VMOVDQU Y8, (AX)
	ADDQ    $32, AX
	DECQ    CX
	JNZ     clear

stretch:
	MOVQ    $STRETCH_BYTES, R15
	CMPQ    R14, R15
	CMOVQLT R14, R15
	SUBQ    R15, R14
	MOVQ    SI, stretchCodes-48(SP)
	MOVQ    groupRows-16(SP), CX
	PARTIAL_SUMS

rows:
	MOVQ DX, R11
	LEAQ (DX)(R8*4), R12
	MOVQ R15, DI
#ifdef ROW
	ROW
#else
	START
	PCALIGN $32

block:
	BLOCK
	ADDQ $32, SI
	ADDQ $(STEP_ROWS*32), BX
	ADDQ $128, R11
	ADDQ $128, R12
	SUBQ $32, DI
	JNZ  block

	STORE
#endif
	ADDQ $(STEP_ROWS*TOKENS*32), AX
	LEAQ (SI)(R10*STEP_ROWS), SI
	SUBQ R15, SI
	SUBQ $STEP_ROWS, CX
	JNZ  rows

	MOVQ  stretchCodes-48(SP), SI
	ADDQ  R15, SI
	LEAQ  (DX)(R15*4), DX
	TESTQ R14, R14
	JNZ   stretch

	MOVQ stride+8(FP), BX
	SHLQ $2, BX
	MOVQ groupRows-16(SP), CX
	MOVQ groupSums-24(SP), DI
	PARTIAL_SUMS

across:
	MOVQ DI, R11
	ADD_ACROSS
	ADDQ $(4*TOKENS*32), AX
	ADDQ $16, DI
	SUBQ $4, CX
	JNZ  across

	MOVQ activations-32(SP), DX
	MOVQ nextGroup-40(SP), SI
	MOVQ rowsToCome-8(SP), CX
	SUBQ groupRows-16(SP), CX
	JNZ  group
	VZEROUPPER
	RET
