// Products of a tile with a panel, 16 rows and six tokens at once, to sums of 16 bits
// in Y0 to Y11: a token's sums with the first eight rows, and with the others.

// FIRST multiplies four columns of 16 rows by one token's.
#define FIRST(offset, sum, sum8) \
	VPBROADCASTD offset(DX), Y14 \
	VPMADDUBSW   Y14, Y12, sum \
	VPMADDUBSW   Y14, Y13, sum8

// TOKEN does the same and adds to the sums.
#define TOKEN(offset, sum, sum8) \
	VPBROADCASTD offset(DX), Y14 \
	VPMADDUBSW   Y14, Y12, Y15 \
	VPMADDUBSW   Y14, Y13, Y14 \
	VPADDW       Y15, sum, sum \
	VPADDW       Y14, sum8, sum8

// STEP multiplies four columns of 16 rows by those of six tokens. The tile comes
// from the second-level cache and is asked for ahead.
#define STEP(PRODUCT, step) \
	PREFETCHT0 (step*64+512)(SI) \
	VMOVDQU    (step*64)(SI), Y12 \
	VMOVDQU    (step*64+32)(SI), Y13 \
	PRODUCT(step*24+0, Y0, Y1) \
	PRODUCT(step*24+4, Y2, Y3) \
	PRODUCT(step*24+8, Y4, Y5) \
	PRODUCT(step*24+12, Y6, Y7) \
	PRODUCT(step*24+16, Y8, Y9) \
	PRODUCT(step*24+20, Y10, Y11)

// SIXTEEN multiplies 16 columns, and the next ones add to its sums.
#define SIXTEEN(PRODUCT) \
	STEP(PRODUCT, 0) \
	STEP(TOKEN, 1) \
	STEP(TOKEN, 2) \
	STEP(TOKEN, 3) \
	ADDQ $256, SI \
	ADDQ $96, DX
