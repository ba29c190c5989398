// The body of the functions that unpack four rows of blocks into a group of a tile,
//
//	func(group *byte, scales *float32, row0, row1, row2, row3 *byte, cols int)
//
// What includes it gives these macros:
//
//	BYTES    of a block of weights
//	WEIGHTS  in it
//	BLOCK    unpacks a block of four rows to R0, and its scales to R5, tileRows scales
//	         apart for each block of activations

	MOVD group+0(FP), R0
	MOVD scales+8(FP), R5
	MOVD row0+16(FP), R1
	MOVD row1+24(FP), R2
	MOVD row2+32(FP), R3
	MOVD row3+40(FP), R4
	MOVD cols+48(FP), R9
	ROW_CONSTANTS

block:
	BLOCK
	ADD  $BYTES, R1, R1
	ADD  $BYTES, R2, R2
	ADD  $BYTES, R3, R3
	ADD  $BYTES, R4, R4
	ADD  $(4*WEIGHTS), R0, R0
	ADD  $(2*WEIGHTS), R5, R5
	SUBS $WEIGHTS, R9, R9
	BNE  block
	RET
