// What the kernels around codedots_amd64.h have in common.

// STRETCH_BYTES is how much of each row is multiplied in one go: ten blocks, where
// nothing else is said before.
#ifndef STRETCH_BYTES
#define STRETCH_BYTES 320
#endif

// PARTIAL_SUMS finds the sums in the frame of 4216 bytes: at most 16 rows of
// eight tokens, from a multiple of 64 bytes on, below the variables.
#define PARTIAL_SUMS \
	LEAQ partialSums-4153(SP), AX \
	ANDQ $-64, AX

#define MASK(value, x, y) \
	MOVL         $value, AX \
	VMOVD        AX, x \
	VPBROADCASTD x, y

// ADD_ROWS adds up the sums of four rows, each of which has 32 bytes of them.
#define ADD_ROWS(row0, row1, row2, row3) \
	VMOVDQU      row0, Y8 \
	VPHADDD      row1, Y8, Y8 \
	VMOVDQU      row2, Y9 \
	VPHADDD      row3, Y9, Y9 \
	VPHADDD      Y9, Y8, Y8 \
	VEXTRACTI128 $1, Y8, X9 \
	VPADDD       X9, X8, X8 \
	VMOVDQU      X8, (R11) \
	ADDQ         BX, R11
