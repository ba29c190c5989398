// The body of the functions that multiply rows of blocks with one token,
//
//	func(dst *float32, each int, rows *byte, stride int, q *int8, scale *float32, sum *int32, cols int)
//
// Eight rows at a time, from eight places that are stride bytes apart: the
// processor reads ahead in all of them, and is never stopped in all by the end of a
// page. Each place has so many rows, one behind the other, and so do their products
// in dst. What includes it gives these macros:
//
//	BYTES      of a block of weights
//	WEIGHTS    in it
//	CONSTANTS  fills registers that stay as they are
//	BLOCK      multiplies a block of eight rows, at SI and R10, with activations at
//	           R11 that have scales at R12+AX and sums at R13+AX, and adds to Y12;
//	           it may leave the last steps to the next block, or FINISH
//	START_ROW  comes before the blocks of eight rows
//	FINISH     comes behind them

	MOVQ dst+0(FP), DI
	MOVQ each+8(FP), CX
	MOVQ rows+16(FP), SI
	MOVQ stride+24(FP), R8
	MOVQ scale+40(FP), R12
	MOVQ sum+48(FP), R13
	MOVQ cols+56(FP), AX
	SHRQ $4, AX                 // bytes of the scales
	ADDQ AX, R12
	ADDQ AX, R13
	NEGQ AX
	MOVQ AX, BX
	MOVQ q+32(FP), DX
	LEAQ (R8)(R8*2), R9
	LEAQ (SI)(R8*4), R10
	LEAQ (CX*4), R14            // from one place of products to the next
	LEAQ (R14)(R14*2), R15
	CONSTANTS

row:
	MOVQ  DX, R11
	MOVQ  BX, AX
	VPXOR Y12, Y12, Y12
	START_ROW

block:
	BLOCK
	ADDQ $BYTES, SI
	ADDQ $BYTES, R10
	ADDQ $WEIGHTS, R11
	ADDQ $(WEIGHTS/16), AX
	JNZ  block

	FINISH
	LEAQ         (DI)(R14*4), AX
	VEXTRACTI128 $1, Y12, X11
	VMOVD        X12, (DI)
	VPEXTRD      $1, X12, (DI)(R14*1)
	VPEXTRD      $2, X12, (DI)(R14*2)
	VPEXTRD      $3, X12, (DI)(R15*1)
	VMOVD        X11, (AX)
	VPEXTRD      $1, X11, (AX)(R14*1)
	VPEXTRD      $2, X11, (AX)(R14*2)
	VPEXTRD      $3, X11, (AX)(R15*1)
	ADDQ         $4, DI
	DECQ         CX
	JNZ          row
	VZEROUPPER
	RET
