// The body of the functions that multiply rows of blocks with one token,
//
//	func(dst *float32, each int, row0, row1, row2, row3 *byte, q *int8, scale *float32, sum *int32, cols int)
//
// Four rows at a time, from four places with so many rows, one behind the other; so
// are their products in dst. What includes it gives these macros:
//
//	BYTES     of a block of weights
//	WEIGHTS   in it
//	BLOCK     multiplies a block of four rows with activations at R8 that have scales
//	          at R5 and sums at R6, moves these two on, and adds to V26

	MOVD dst+0(FP), R0
	MOVD each+8(FP), R14
	MOVD row0+16(FP), R1
	MOVD row1+24(FP), R2
	MOVD row2+32(FP), R3
	MOVD row3+40(FP), R4
	MOVD q+48(FP), R7
	MOVD cols+72(FP), R9
	LSL  $2, R14, R15            // from one place of products to the next
	ROW_CONSTANTS

row:
	MOVD R7, R8
	MOVD scale+56(FP), R5
	MOVD sum+64(FP), R6
	MOVD R9, R19
	VEOR V26.B16, V26.B16, V26.B16

block:
	BLOCK
	ADD  $BYTES, R1, R1
	ADD  $BYTES, R2, R2
	ADD  $BYTES, R3, R3
	ADD  $BYTES, R4, R4
	ADD  $WEIGHTS, R8, R8
	SUBS $WEIGHTS, R19, R19
	BNE  block

	MOVD R0, R10
	VST1 V26.S[0], (R10)
	ADD  R15, R10, R10
	VST1 V26.S[1], (R10)
	ADD  R15, R10, R10
	VST1 V26.S[2], (R10)
	ADD  R15, R10, R10
	VST1 V26.S[3], (R10)
	ADD  $4, R0, R0
	SUBS $1, R14, R14
	BNE  row
	RET
