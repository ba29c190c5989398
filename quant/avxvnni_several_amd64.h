// Products with several tokens, by the 256-bit VPDPBUSD: macros for what
// codedots_amd64.h leaves open. Rows are multiplied two by two, and where there
// are two tokens only, two times two at once, so that enough sums do not wait for
// each other. A lane gains at most 4·4·384 a block, and stays below 2³¹ in the
// longest row.

#define GROUP_ROWS 8
#define CONSTANTS MASK(0x03030303, X15, Y15)
#define ADD_ACROSS EACH(ADD_TOKEN, 0)

// PAIR multiplies the blocks of two rows. EACH_TOKEN is EACH or its like.
#define PAIR(row, row2, EACH_TOKEN) \
	UNPACK(6, row, Y12) \
	UNPACK(6, row2, Y13) \
	EACH_TOKEN(PRODUCT, 0) \
	UNPACK(4, row, Y12) \
	UNPACK(4, row2, Y13) \
	EACH_TOKEN(PRODUCT, 32) \
	UNPACK(2, row, Y12) \
	UNPACK(2, row2, Y13) \
	EACH_TOKEN(PRODUCT, 64) \
	VPAND row, Y15, Y12 \
	VPAND row2, Y15, Y13 \
	EACH_TOKEN(PRODUCT, 96)

#define UNPACK(bits, row, field) \
	VMOVDQU row, field \
	VPSRLW  $bits, field, field \
	VPAND   Y15, field, field

// PRODUCT multiplies the fields in Y12 and Y13 with one token's activations.
#define PRODUCT(activations, n, sum, n2, sum2, place) \
	VMOVDQU activations, Y14 \
	VPDPBUSD_YMM(14, 12, n) \
	VPDPBUSD_YMM(14, 13, n2)

#define LOAD(activations, n, sum, n2, sum2, place) \
	VMOVDQU place(AX), sum \
	VMOVDQU (place+TOKENS*32)(AX), sum2

#define SAVE(activations, n, sum, n2, sum2, place) \
	VMOVDQU sum, place(AX) \
	VMOVDQU sum2, (place+TOKENS*32)(AX)

#define ADD_TOKEN(activations, n, sum, n2, sum2, place) \
	ADD_ROWS(place(AX), (place+TOKENS*32)(AX), (place+2*TOKENS*32)(AX), (place+3*TOKENS*32)(AX))

// EACH_n does something for each of n tokens: with its activations at an offset,
// its sums in two registers, by number and by name, and the place of the first
// in memory. NEXT_2 does the same for the second pair of rows of two tokens.
#define NEXT_2(DO, offset) \
	DO(offset(R11), 4, Y4, 5, Y5, 2*TOKENS*32) \
	DO(offset(R11)(R8*1), 6, Y6, 7, Y7, 2*TOKENS*32+32)

#define EACH_2(DO, offset) \
	DO(offset(R11), 0, Y0, 1, Y1, 0*32) \
	DO(offset(R11)(R8*1), 2, Y2, 3, Y3, 1*32)

#define EACH_3(DO, offset) \
	EACH_2(DO, offset) \
	DO(offset(R11)(R8*2), 4, Y4, 5, Y5, 2*32)

#define EACH_4(DO, offset) \
	EACH_3(DO, offset) \
	DO(offset(R11)(R9*1), 6, Y6, 7, Y7, 3*32)

#define EACH_5(DO, offset) \
	EACH_4(DO, offset) \
	DO(offset(R12), 8, Y8, 9, Y9, 4*32)

#define EACH_6(DO, offset) \
	EACH_5(DO, offset) \
	DO(offset(R12)(R8*1), 10, Y10, 11, Y11, 5*32)
