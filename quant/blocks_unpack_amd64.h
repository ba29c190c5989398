// The body of the functions that unpack eight rows of blocks into half of a group of
// a tile,
//
//	func(tile *byte, scales *float32, rows *byte, stride, cols int)
//
// with rows that are stride bytes apart. A group has 16 bytes for each column: that
// of number n has its codes from tile[16·n] on. What includes it gives these macros:
//
//	BYTES      of a block of weights
//	WEIGHTS    in it
//	CONSTANTS  fills registers that stay as they are
//	BLOCK      unpacks a block of eight rows, at SI and R10, to DI, and stores their
//	           scales at DX, 256 bytes apart for each block of activations

	MOVQ tile+0(FP), DI
	MOVQ scales+8(FP), DX
	MOVQ rows+16(FP), SI
	MOVQ stride+24(FP), R8
	MOVQ cols+32(FP), CX
	LEAQ (R8)(R8*2), R9
	LEAQ (SI)(R8*4), R10
	CONSTANTS

block:
	BLOCK
	ADDQ $(4*WEIGHTS), DX
	ADDQ $BYTES, SI
	ADDQ $BYTES, R10
	ADDQ $(16*WEIGHTS), DI
	SUBQ $WEIGHTS, CX
	JNZ  block
	VZEROUPPER
	RET
